#include "collectors/decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "collectors/decode_shape.h"
#include "collectors/decode_track.h"

enum { DEPTH_LIMIT_MAX = 512 /* of our own recursion, and half of cJSON's */, CONFLUENT_PREFIX_BYTES = 5 };

static void limits_complete(struct decode_limits *limits)
{
    static const struct decode_limits defaults = {65536, 32, 1024, 4096, 256, 256, 1024, 65536};
    limits->event_bytes = limits->event_bytes ? limits->event_bytes : defaults.event_bytes;
    limits->depth = limits->depth ? limits->depth : defaults.depth;
    limits->features = limits->features ? limits->features : defaults.features;
    limits->members = limits->members ? limits->members : defaults.members;
    limits->name_bytes = limits->name_bytes ? limits->name_bytes : defaults.name_bytes;
    limits->id_bytes = limits->id_bytes ? limits->id_bytes : defaults.id_bytes;
    limits->value_bytes = limits->value_bytes ? limits->value_bytes : defaults.value_bytes;
    limits->names = limits->names ? limits->names : defaults.names;
    if (limits->depth > DEPTH_LIMIT_MAX)
        limits->depth = DEPTH_LIMIT_MAX;
    if (limits->event_bytes > INT32_MAX / 4)
        limits->event_bytes = INT32_MAX / 4;
}

static bool named_ids_make(struct decoder *decoder)
{
    for (int i = 0; i < GROUP_COUNT; i++) {
        const struct map_group *group = &decoder->mapping->groups[i];
        if (group->named_count == 0)
            continue;
        decoder->named_ids[i] = malloc(group->named_count * sizeof(*decoder->named_ids[i]));
        if (!decoder->named_ids[i])
            return false;
        for (uint32_t k = 0; k < group->named_count; k++) {
            decoder->named_ids[i][k] = intern_add(decoder->names, group->named[k].name);
            if (decoder->named_ids[i][k] == INTERN_NONE)
                return false;
        }
    }
    return true;
}

static void targets_make(struct decoder *decoder)
{
    for (int i = 0; i < TARGET_COUNT; i++) {
        const struct map_field *field = &decoder->mapping->fields[i];
        if (field->count == 1 && field->accessors[0].type == ACCESS_POINTER)
            decoder->targets[i] = &decoder->slots[field->accessors[0].slot];
    }
}

/* Everything has its full size from the start; pages that no event ever needs are never touched. */
static bool decoder_make(struct decoder *decoder)
{
    const struct decode_limits *limits = &decoder->limits;
    decoder->names = intern_new(limits->names);
    decoder->slots = calloc(decoder->mapping->slot_count + 1, sizeof(*decoder->slots));
    decoder->vectors = malloc(((size_t)limits->event_bytes / 2 + 2) * sizeof(*decoder->vectors));
    decoder->scratch = malloc((size_t)limits->event_bytes + 1);
    decoder->padded = malloc((size_t)limits->event_bytes + RECORD_PADDING);
    if (!decoder->names || !decoder->slots || !decoder->vectors || !decoder->scratch || !decoder->padded)
        return false;
    targets_make(decoder);
    for (int i = 0; i < GROUP_COUNT; i++) {
        decoder->groups[i].items =
            calloc((size_t)limits->features + NAMED_ACCESSOR_MAX, sizeof(struct field));
        if (!decoder->groups[i].items)
            return false;
    }
    decoder->scanner = scanner_new(decoder);
    decoder->slow = decoder->scanner ? slow_path_new(decoder) : NULL;
    decoder->csv = csv_reader_new();
    return decoder->slow && decoder->csv && named_ids_make(decoder);
}

int decoder_new(struct decoder **out, const struct mapping *mapping, const struct decode_limits *limits)
{
    struct decoder *decoder = calloc(1, sizeof(*decoder));
    if (!decoder)
        return ERR_NOMEM;
    decoder->mapping = mapping;
    if (limits)
        decoder->limits = *limits;
    limits_complete(&decoder->limits);
    if (!decoder_make(decoder)) {
        decoder_free(decoder);
        return ERR_NOMEM;
    }
    *out = decoder;
    return 0;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    csv_reader_free(decoder->csv);
    slow_path_free(decoder->slow);
    scanner_free(decoder->scanner);
    for (int i = 0; i < GROUP_COUNT; i++) {
        free(decoder->groups[i].items);
        free(decoder->named_ids[i]);
    }
    free(decoder->padded);
    free(decoder->scratch);
    free(decoder->vectors);
    free(decoder->slots);
    intern_free(decoder->names);
    free(decoder);
}

/* What a walk finds in place is of its own making. */
static void decoder_begin(struct decoder *decoder)
{
    decoder->vector_count = 0;
    decoder->scratch_used = 0;
    slow_path_reset(decoder->slow);
    decoder->detail[0] = '\0';
}

void decoder_reset(struct decoder *decoder)
{
    for (uint32_t i = 0; i < decoder->mapping->slot_count; i++)
        decoder->slots[i].type = VALUE_ABSENT;
    for (int i = 0; i < GROUP_COUNT; i++) {
        decoder->groups[i].count = 0;
        decoder->groups[i].state = GROUP_ABSENT;
    }
    tracks_disown(decoder->scanner->tracks);
    decoder_begin(decoder);
}

enum reject decoder_refuse(struct decoder *decoder, enum reject reject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(decoder->detail, sizeof(decoder->detail), format, args);
    va_end(args);
    /* One line, whatever names and values went in. */
    for (char *at = decoder->detail; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return reject;
}

const char *decoder_detail(const struct decoder *decoder)
{
    return decoder->detail;
}

uint64_t decoder_fallbacks(const struct decoder *decoder)
{
    return decoder->fallbacks;
}

/* The JSON text of a payload: behind its framing, if the input has one. */
static enum reject unframe(struct decoder *decoder, struct text *payload)
{
    if (decoder->mapping->format != INPUT_CONFLUENT_JSON)
        return REJECT_NONE;
    if (payload->len < CONFLUENT_PREFIX_BYTES || payload->ptr[0] != 0)
        return decoder_refuse(decoder, REJECT_FORMAT,
                              "byte 0: no Confluent framing (a zero byte and four of the schema's id)");
    payload->ptr += CONFLUENT_PREFIX_BYTES;
    payload->len -= CONFLUENT_PREFIX_BYTES;
    return REJECT_NONE;
}

static enum reject check_size(struct decoder *decoder, struct text payload)
{
    if (!payload.ptr || payload.len == 0)
        return decoder_refuse(decoder, REJECT_EMPTY, "the record has no payload");
    if (payload.len > decoder->limits.event_bytes)
        return decoder_refuse(decoder, REJECT_TOO_LARGE, "%u bytes, the limit is %u", payload.len,
                              decoder->limits.event_bytes);
    return REJECT_NONE;
}

/* What follows in memory is usually the next record, in a fetched batch as in a file's buffer. Only a hint:
 * nothing is read, and no address can fault. */
static void prefetch_behind(struct text payload)
{
    enum { LINE_BYTES = 64, PREFETCH_BYTES = 1024 };
    uintptr_t behind = (uintptr_t)(payload.ptr + payload.len);
    for (uint32_t i = 0; i < payload.len && i < PREFETCH_BYTES; i += LINE_BYTES)
        __builtin_prefetch((const void *)(behind + i));
}

static enum reject decode_json(struct decoder *decoder, const struct record *record, bool slowly)
{
    struct text payload = record->payload;
    enum reject reject = unframe(decoder, &payload);
    if (reject != REJECT_NONE)
        return reject;
    if (!slowly) {
        const char *bytes = payload.ptr;
        prefetch_behind(payload);
        if (!record->padded) {
            memcpy(decoder->padded, payload.ptr, payload.len);
            memset(decoder->padded + payload.len, 0, RECORD_PADDING);
            bytes = decoder->padded;
        }
        if (scanner_run(decoder, bytes, payload.len))
            return REJECT_NONE;
    }
    decoder_reset(decoder);
    return slow_path_run(decoder, payload.ptr, payload.len);
}

static enum reject decode(struct decoder *decoder, const struct record *record, struct event *ev, bool slowly)
{
    if (decoder->mapping->format == INPUT_CSV)
        decoder_reset(decoder);
    else
        decoder_begin(decoder);
    enum reject reject = check_size(decoder, record->payload);
    if (reject == REJECT_NONE)
        reject = decoder->mapping->format == INPUT_CSV ? csv_reader_run(decoder, record)
                                                       : decode_json(decoder, record, slowly);
    return reject == REJECT_NONE ? event_assemble(decoder, record, ev) : reject;
}

enum reject decoder_decode(struct decoder *decoder, const struct record *record, struct event *ev)
{
    return decode(decoder, record, ev, false);
}

enum reject decoder_decode_slowly(struct decoder *decoder, const struct record *record, struct event *ev)
{
    return decode(decoder, record, ev, true);
}
