#ifndef DRIFTD_COLLECTORS_EVENT_H
#define DRIFTD_COLLECTORS_EVENT_H
/*
 * What collectors/ emits: one decoded event. Types only. All views point into the decoder's memory or the
 * record's payload and are valid until the next decode on the same decoder.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/text.h"

enum event_kind { EVENT_PREDICTION, EVENT_LABEL, EVENT_FEATURES, EVENT_KPI, EVENT_KIND_COUNT };

enum value_type {
    VALUE_ABSENT, /* the field is not there */
    VALUE_NULL,   /* there, and null (JSON null, NaN literal in CSV, empty CSV cell) */
    VALUE_NUMBER, /* `number` is finite or ±inf (an overflowing literal is rejected, never infinite); `text`
                     is the literal */
    VALUE_STRING, /* `text`, unescaped UTF-8 without NUL. CSV cells that look like numbers are VALUE_NUMBER
                     with their text */
    VALUE_BOOL,   /* `number` 0 or 1, `text` "false" or "true" */
    VALUE_VECTOR, /* an array of numbers: `vector`, `count` */
    VALUE_OTHER   /* an object or a mixed array where a scalar belongs: counts as invalid */
};

struct value {
    enum value_type type;
    double number;
    struct text text;
    const double *vector;
    uint32_t count;
};

/* `name_id` is the decoder's own number of the name: the same for the same bytes for the life of the decoder,
 * dense from 0. */
struct field {
    struct text name;
    uint32_t name_id;
    struct value value;
};

struct fields {
    const struct field *items;
    uint32_t count;
};

struct event {
    enum event_kind kind;
    struct text model;   /* never empty */
    struct text version; /* "" when the event names none */
    struct text id;      /* ptr NULL when it has none */
    int64_t ts_ms;
    struct fields features;
    struct value score;      /* binary or unbounded score */
    struct value prediction; /* class or number */
    struct value label;
    struct fields scores; /* multiclass: class → score */
    struct fields groups, segments, kpis, attributions;
    struct value latency_ms;
    struct value weight;
};

/* Why an event was refused. The names (reject_name) are label values of counters: stable. */
enum reject {
    REJECT_NONE,
    REJECT_EMPTY,     /* null or empty payload (tombstone) */
    REJECT_TOO_LARGE, /* above limits.event_bytes */
    REJECT_SYNTAX, /* not one JSON value, bad number grammar, control characters in strings, trailing bytes */
    REJECT_UTF8,   /* invalid UTF-8, lone surrogate, \u0000 */
    REJECT_DEPTH,  /* nested deeper than limits.depth */
    REJECT_DUPLICATE_KEY,   /* the same key twice in one object */
    REJECT_NUMBER_RANGE,    /* a number literal that does not fit a finite double */
    REJECT_NOT_OBJECT,      /* valid JSON, but not an object */
    REJECT_NOT_SELECTED,    /* the mapping's `select` does not want it: counted, never dead-lettered */
    REJECT_KIND,            /* no or unknown event type */
    REJECT_MODEL,           /* no model, or not a string, or too long */
    REJECT_VERSION,         /* not a string or integer, or too long */
    REJECT_ID,              /* not a string or integer, too long, or missing where a label needs it */
    REJECT_TIME,            /* unreadable or out of range */
    REJECT_TYPE,            /* a named field has the wrong type: detail says which */
    REJECT_SCORE_RANGE,     /* a probability outside [0,1] where the mapping promises one */
    REJECT_NAME,            /* empty, overlong or hostile feature/segment/group name */
    REJECT_TOO_MANY_FIELDS, /* above limits.features and its like */
    REJECT_CSV,             /* wrong number of columns, unterminated quote */
    REJECT_FORMAT,          /* framing (Confluent magic byte and the like) */
    REJECT_LIMIT,           /* a model, version or segment beyond its cap */
    REJECT_MEMORY,
    REJECT_COUNT
};

/* "syntax", "too_large" … */
const char *reject_name(enum reject reject);
const char *event_kind_name(enum event_kind kind);

/* The fate of every record read (DESIGN §5): the counters always add up to the offsets consumed. */
enum fate {
    FATE_APPLIED,
    FATE_LATE,
    FATE_BEYOND_HORIZON,
    FATE_DUPLICATE,
    FATE_FUTURE,
    FATE_REJECTED,
    FATE_COUNT
};
const char *fate_name(enum fate fate);

#endif
