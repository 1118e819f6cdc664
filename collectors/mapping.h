#ifndef DRIFTD_COLLECTORS_MAPPING_H
#define DRIFTD_COLLECTORS_MAPPING_H
/*
 * Where each field of an event is found (INTEGRATIONS §3.6 without explode, tensors, CloudEvents). The spec
 * is plain data that the configuration fills in; an empty spec (mapping_spec_canonical) is the canonical
 * event of DESIGN §5. A compiled mapping is immutable and shared by all decoders.
 *
 * An accessor as text: "/a/b" JSON Pointer (RFC 6901; in CSV "/name" is a column), "header:NAME", "key:",
 * "meta:timestamp", "meta:topic", "meta:partition", "meta:offset"; {const: X} is a constant. A list: the
 * first that is present and not null wins.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "collectors/event.h"

enum input_format { INPUT_JSON, INPUT_CSV, INPUT_CONFLUENT_JSON, INPUT_FORMAT_COUNT };

enum accessor_type { ACCESS_POINTER, ACCESS_HEADER, ACCESS_KEY, ACCESS_META, ACCESS_CONST };

struct accessor_spec {
    enum accessor_type type;
    char *argument; /* pointer, header name, meta name, or the constant's text */
};

enum { ACCESSOR_MAX = 4, NAMED_ACCESSOR_MAX = 32, GLOB_MAX = 64 };

struct field_spec {
    struct accessor_spec accessors[ACCESSOR_MAX]; /* tried in order */
    uint32_t count;                               /* 0: not mapped, the canonical place is used */
};

enum time_unit { TIME_AUTO, TIME_RFC3339, TIME_S, TIME_MS, TIME_US, TIME_NS };
/* TIME_AUTO: text is RFC 3339 (or digits); a number is epoch milliseconds. Fractions of s are honoured. */

/* A group of named values: every member of the object at `object`, filtered by globs, and/or single names
 * with accessors. */
struct group_spec {
    bool set;                /* false: canonical place ("/features", "/segments", …) */
    char *object;            /* JSON Pointer of an object, "" = the root (CSV: the row); NULL: none */
    char *include[GLOB_MAX]; /* NULL-terminated globs; empty means "*" */
    char *exclude[GLOB_MAX]; /* NULL-terminated */
    char *names[NAMED_ACCESSOR_MAX];
    struct field_spec accessors[NAMED_ACCESSOR_MAX];
    uint32_t named_count;
};

struct select_spec {
    char *pointer; /* NULL: no filter */
    char *equals;
};

struct mapping_spec {
    enum input_format format;
    bool has_kind; /* every event of this input is of `kind`; else /type (or fields.type) says */
    enum event_kind kind;
    struct select_spec select;
    struct field_spec type, id, time, model, version, score, prediction, label, latency, weight;
    enum time_unit time_unit;
    struct group_spec features, scores, segments, groups, kpis, attributions;
    char csv_delimiter; /* ',' when 0 */
    /* At the root (object "" ), members that another field's accessor names are not features; nor are type,
     * model … of canonical. */
};

/* Frees the strings a parser put in; the struct itself stays the caller's. */
void mapping_spec_release(struct mapping_spec *spec);
/* Does any accessor read a record's header? */
bool mapping_spec_reads_headers(const struct mapping_spec *spec);

/* Limits of one event: DESIGN §13. Zero fields take the defaults named here. */
struct decode_limits {
    uint32_t event_bytes; /* 65536 */
    uint32_t depth;       /* 32 */
    uint32_t features;    /* 1024 per event */
    uint32_t members;     /* 4096 members of one object or items of one array */
    uint32_t name_bytes;  /* 256: model, version, feature, segment, group names */
    uint32_t id_bytes;    /* 256 */
    uint32_t value_bytes; /* 1024: one categorical value */
    uint32_t names;       /* 65536 distinct field names a decoder will remember */
};

struct mapping;

/* Compiles and checks pointers, globs and combinations. `where` prefixes error messages ("input
 * predictions"). */
int mapping_compile(struct mapping **out, const struct mapping_spec *spec, const char *where,
                    struct err *err) MUST_USE;
void mapping_free(struct mapping *mapping);
enum input_format mapping_format(const struct mapping *mapping);

#endif
