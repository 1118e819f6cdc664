#ifndef DRIFTD_COLLECTORS_DECODE_INTERNAL_H
#define DRIFTD_COLLECTORS_DECODE_INTERNAL_H
/*
 * The decoder from inside; for decode*.c only.
 *
 *   payload ─► decode_scan.c   one walk, no tree: accepts only what it fully understands ──┐
 *        └───► decode_slow.c   validating pass, then cJSON: all the rest, and every refusal ├─► captured
 * values └───► decode_csv.c    a row by its header's plan ──────────────────────────────────┘        │
 *                                                decode_event.c   meaning: kinds, times, types  ◄────┘
 *
 * A walk fills slots and groups (mapping_compiled.h); what they mean is decided in one place, so the paths
 * can only differ in how they read bytes, and the fuzz target compares that.
 */
#include "agent/base/intern.h"
#include "collectors/decode.h"
#include "collectors/mapping_compiled.h"

enum { DETAIL_BYTES = 320 };

enum group_state { GROUP_ABSENT, GROUP_NULL, GROUP_PRESENT, GROUP_WRONG };

struct captured_group {
    struct field *items; /* limits.features + NAMED_ACCESSOR_MAX */
    uint32_t count;
    enum group_state state; /* of the object */
};

struct scanner;
struct slow_path;
struct csv_reader;

struct decoder {
    const struct mapping *mapping;
    struct decode_limits limits;
    struct intern *names;

    /* what a walk captured of the event at hand */
    struct value *slots;
    const struct value
        *targets[TARGET_COUNT]; /* the slot of a field with one place in the payload, or NULL */
    struct captured_group groups[GROUP_COUNT];
    double *vectors; /* numbers of arrays; fixed capacity: two bytes of payload a number */
    uint32_t vector_count;
    char *scratch; /* unescaped strings, never more than the payload */
    size_t scratch_used;

    char *padded; /* copy of payloads that came without padding */
    struct scanner *scanner;
    struct slow_path *slow;
    struct csv_reader *csv;
    uint32_t *named_ids[GROUP_COUNT]; /* name ids of map_group.named */
    char meta_text[META_COUNT][24];   /* integers of the record as text, when the mapping asks */
    uint64_t fallbacks;
    char detail[DETAIL_BYTES];
};

/* Forgets the event at hand and what was captured of it. */
void decoder_reset(struct decoder *decoder);
/* Sets the detail and returns the reason. */
enum reject decoder_refuse(struct decoder *decoder, enum reject reject, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- decode_scan.c ---- */

struct scanner *scanner_new(struct decoder *decoder);
void scanner_free(struct scanner *scanner);
/* Captures the object in [at, at + len), behind which RECORD_PADDING bytes are readable. False: not
 * understood (or wrong): ask the slow path. */
bool scanner_run(struct decoder *decoder, const char *at, uint32_t len);

/* ---- decode_slow.c ---- */

struct slow_path *slow_path_new(const struct decoder *decoder);
void slow_path_free(struct slow_path *slow);
/* Frees what the event at hand holds. */
void slow_path_reset(struct slow_path *slow);
enum reject slow_path_run(struct decoder *decoder, const char *at, uint32_t len);

/* ---- decode_csv.c ---- */

struct csv_reader *csv_reader_new(void);
void csv_reader_free(struct csv_reader *csv);
enum reject csv_reader_run(struct decoder *decoder, const struct record *record);

/* ---- decode_event.c ---- */

/* From what was captured and the record's headers to an event, or the first thing wrong with it. */
enum reject event_assemble(struct decoder *decoder, const struct record *record, struct event *ev);
/* The first accessor of the field that is there and not null; VALUE_ABSENT or VALUE_NULL when none is.
 * `out_from` (may be NULL) is the accessor. `out_textual` (may be NULL): the value came as text (CSV, header,
 * key, constant), so that its text stands for itself even if it reads as a number. */
struct value field_resolve(struct decoder *decoder, const struct record *record,
                           const struct map_field *field, const struct map_accessor **out_from,
                           bool *out_textual);

/* ---- shared by the walks ---- */

/* One well-formed UTF-8 sequence that begins with a byte ≥ 0x80: its length (2 to 4), 0 when it is not. */
unsigned utf8_sequence_len(const unsigned char *at, const unsigned char *end);
/* Unescapes the inside of a JSON string whose grammar was checked, to `out` (at most as long). Returns the
 * length; -1 on a lone surrogate or \u0000. */
int64_t json_unescape(const char *at, const char *end, char *out);
/* Counts a string feature that is longer than limits.value_bytes as invalid instead of carrying it. */
static inline void value_bound(const struct decoder *decoder, struct value *value)
{
    if (UNLIKELY(value->type == VALUE_STRING && value->text.len > decoder->limits.value_bytes))
        *value = (struct value){.type = VALUE_OTHER};
}

/* For tests and the fuzzer: the slow path only. */
enum reject decoder_decode_slowly(struct decoder *decoder, const struct record *record, struct event *ev);

#endif
