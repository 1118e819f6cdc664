/*
 * The decoder against itself: what the fast path accepts, the slow path (validating pass, cJSON) accepts with
 * the same values bit for bit, and verdicts are equal. The first byte chooses a mapping; the rest are events,
 * one a line, for one decoder: keys learned from one are guessed in the next. CSV inputs have one path; there
 * the sanitizers are the judge.
 *
 *   make VARIANT=fuzz CC=clang build/fuzz/libdriftd.a
 *   clang -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_decode.c build/fuzz/libdriftd.a -lcjson -lm
 *   ./a.out -max_len=4096 tests/fuzz/corpus/decode
 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/hash.h"
#include "tests/fuzz/decode_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum {
    MAPPING_CANONICAL,
    MAPPING_NESTED,
    MAPPING_ROOT,
    MAPPING_CONFLUENT,
    MAPPING_CSV,
    MAPPING_CSV_ROW,
    MAPPING_COUNT
};

static void set_pointer(struct field_spec *field, char *pointer)
{
    field->accessors[field->count++] = (struct accessor_spec){ACCESS_POINTER, pointer};
}

static struct mapping *make_mapping(unsigned which)
{
    static char root[] = "", a[] = "/a", ab[] = "/a/b", a0[] = "/a/0", a1b[] = "/a/1/b", model[] = "m",
                x[] = "x*", y[] = "/y", name[] = "n";
    struct mapping_spec spec = {0};
    struct mapping *mapping;
    if (which == MAPPING_NESTED || which == MAPPING_ROOT || which == MAPPING_CSV_ROW) {
        spec.has_kind = true;
        spec.model.accessors[spec.model.count++] = (struct accessor_spec){ACCESS_CONST, model};
    }
    if (which == MAPPING_NESTED) {
        set_pointer(&spec.score, a0);
        set_pointer(&spec.score, y);
        set_pointer(&spec.prediction, a1b);
        set_pointer(&spec.weight, ab);
        spec.features = (struct group_spec){.set = true, .object = a, .exclude = {x}};
        spec.segments = (struct group_spec){.set = true, .object = a0, .names = {name}, .named_count = 1};
        set_pointer(&spec.segments.accessors[0], y);
        spec.attributions = (struct group_spec){.set = true, .object = a, .include = {x}};
    } else if (which == MAPPING_ROOT || which == MAPPING_CSV_ROW) {
        spec.features = (struct group_spec){.set = true, .object = root};
        set_pointer(&spec.score, y);
    }
    if (which == MAPPING_CONFLUENT)
        spec.format = INPUT_CONFLUENT_JSON;
    if (which == MAPPING_CSV || which == MAPPING_CSV_ROW)
        spec.format = INPUT_CSV;
    if (mapping_compile(&mapping, &spec, "fuzz", NULL) != 0)
        abort();
    return mapping;
}

static void check_record(struct decoder *fast, struct decoder *slow, const struct record *record, bool csv)
{
    struct event by_fast, by_slow;
    enum reject fast_reject = decoder_decode(fast, record, &by_fast);
    if (!csv) {
        enum reject slow_reject = decoder_decode_slowly(slow, record, &by_slow);
        const char *difference =
            fast_reject || slow_reject ? NULL : event_difference(fast, &by_fast, slow, &by_slow);
        if (fast_reject != slow_reject || difference) {
            (void)fprintf(stderr, "%s / %s, different: %s\n", reject_name(fast_reject),
                          reject_name(slow_reject), difference ? difference : "verdict");
            abort();
        }
    } else if (fast_reject == REJECT_NONE && event_difference(fast, &by_fast, fast, &by_fast)) {
        abort();
    }
}

/* The first `len` bytes of a line of `whole` bytes. From an exact copy; and with as much behind it as a
 * source promises, of which the first are what the decoder has seen to follow: the rest of the line. */
static void check_event(struct decoder *fast, struct decoder *slow, const char *bytes, size_t len,
                        size_t whole, bool csv)
{
    char *exact = malloc(len ? len : 1), *padded = malloc(len + RECORD_PADDING);
    if (!exact || !padded)
        abort();
    memcpy(exact, bytes, len);
    memcpy(padded, bytes, len);
    for (size_t i = 0; i < RECORD_PADDING; i++)
        padded[len + i] = whole ? bytes[(len + i) % whole] : '}';
    struct record record = {.payload = {exact, (uint32_t)len}, .ts_ms = 1};
    check_record(fast, slow, &record, csv);
    record.payload.ptr = padded;
    record.padded = true;
    check_record(fast, slow, &record, csv);
    free(padded);
    free(exact);
}

/* The line, what is left of it when it is cut, one that begins like the line before, and the line again: what
 * was learned from one must not show in another. */
static void check_line(struct decoder *fast, struct decoder *slow, struct text line, struct text before,
                       bool csv)
{
    check_event(fast, slow, line.ptr, line.len, line.len, csv);
    if (line.len > 0 && !csv) {
        uint64_t random = hash_text(line, 1);
        check_event(fast, slow, line.ptr, random % line.len, line.len, csv);
        char *mixed = malloc(line.len + before.len + 1);
        if (!mixed)
            abort();
        size_t head = (random >> 32) % (before.len + 1), tail = (random >> 48) % line.len;
        memcpy(mixed, before.ptr, head);
        memcpy(mixed + head, line.ptr + tail, line.len - tail);
        check_event(fast, slow, mixed, head + line.len - tail, head + line.len - tail, csv);
        free(mixed);
    }
    check_event(fast, slow, line.ptr, line.len, line.len, csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    unsigned which = bytes[0] % MAPPING_COUNT;
    bool csv = which == MAPPING_CSV || which == MAPPING_CSV_ROW;
    struct mapping *mapping = make_mapping(which);
    struct decode_limits limits = {
        .event_bytes = 4096, .depth = 6, .features = 12, .members = 20, .name_bytes = 40, .names = 30};
    struct decoder *fast, *slow;
    if (decoder_new(&fast, mapping, &limits) != 0 || decoder_new(&slow, mapping, &limits) != 0)
        abort();
    const char *at = (const char *)bytes + 1, *end = (const char *)bytes + len;
    struct text before = text_of("");
    while (at <= end) {
        /* CSV records carry their header line: they end at an empty line. */
        const char *line_end =
            csv ? memmem(at, (size_t)(end - at), "\n\n", 2) : memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        struct text line = {at, (uint32_t)(line_end - at)};
        check_line(fast, slow, line, before, csv);
        before = line;
        at = line_end + (csv ? 2 : 1);
    }
    decoder_free(fast);
    decoder_free(slow);
    mapping_free(mapping);
    return 0;
}
