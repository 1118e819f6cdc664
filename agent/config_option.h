#ifndef DRIFTD_AGENT_CONFIG_OPTION_H
#define DRIFTD_AGENT_CONFIG_OPTION_H
/*
 * Options as data: one table per mapping of the configuration. A row says where the value goes, what it may
 * be, what it is when absent and what it means; reading, "did you mean", the hash, the JSON Schema and the
 * reference manual all come from the row. A type of value is three functions: read, dump, schema.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/base/json.h"
#include "agent/diagnostics.h"
#include "agent/yaml.h"

struct config_option;

/* A configuration being read. */
struct config_reader {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const char *directory; /* of the file: what it names is relative to it; "" for the working directory */
};

struct option_type {
    const char *label; /* in the manual */
    /* Writes *target from `node`; NULL: the default. What is wrong goes to the diagnostics, and *target then
     * is the default. */
    void (*read)(struct config_reader *reader, const struct config_option *option, struct yaml_node *node,
                 void *target);
    /* Writes the value as canonical JSON. */
    void (*dump)(const struct config_option *option, const void *target, struct json *json);
    /* Writes the members of a JSON Schema object (its braces are there already). */
    void (*schema)(const struct config_option *option, struct json *json);
};

struct choice {
    const char *name; /* NULL ends the list */
    unsigned value;
};

enum option_flag {
    OPTION_REQUIRED = 1 << 0,
    OPTION_SECRET = 1 << 1,   /* in no message, not in the hash */
    OPTION_NONEMPTY = 1 << 2, /* a text or list with something in it */
    OPTION_FIXED = 1 << 3     /* a list kept in an array inside its struct, of `maximum` elements */
};

struct option_table {
    const struct config_option *options;
    uint32_t count;
    size_t struct_bytes; /* of one element of a list */
    const char *title;   /* a sentence for the manual */
    /* After the options of one mapping were read: what belongs together. May be NULL. */
    void (*finish)(struct config_reader *reader, struct yaml_node *node, void *base);
};

struct config_option {
    const char *key;
    const struct option_type *type;
    size_t offset, size;              /* of the target in the struct of its table */
    const char *initial;              /* the default as text; NULL: none */
    double minimum, maximum;          /* of numbers, durations (ms), sizes, list lengths; maximum 0: none */
    unsigned flags;                   /* enum option_flag */
    const struct choice *choices;     /* option_choice */
    const struct option_table *table; /* what is inside */
    size_t count_offset;              /* option_list: of its uint32_t count */
    const char *help;                 /* one sentence */
};

#define OPTION_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

extern const struct option_type option_bool;
extern const struct option_type option_integer;           /* unsigned, of any size */
extern const struct option_type option_number;            /* double */
extern const struct option_type option_number_or_none;    /* double, NaN when absent */
extern const struct option_type option_duration;          /* int64_t, ms */
extern const struct option_type option_duration_or_never; /* int64_t, INT64_MAX: never */
extern const struct option_type option_size;              /* unsigned, bytes */
extern const struct option_type option_time;              /* int64_t, ms */
extern const struct option_type option_string;            /* char *; NULL when absent and without default */
extern const struct option_type option_strings;           /* char **, NULL-terminated; NULL when absent */
extern const struct option_type option_globs;             /* char *[GLOB_MAX], NULL-terminated */
extern const struct option_type option_choice;            /* unsigned of any size */
extern const struct option_type option_section;           /* a mapping; `table` */
extern const struct option_type option_list;              /* a list of mappings; `table` */

/* Reads a mapping into `base`; `node` NULL: all defaults. */
void option_table_read(struct config_reader *reader, const struct option_table *table, struct yaml_node *node,
                       void *base);
void option_table_dump(const struct option_table *table, const void *base, struct json *json);
/* Members of the schema of a mapping. */
void option_table_schema(const struct option_table *table, struct json *json);
/* The option of that key, or NULL. */
const struct config_option *option_find(const struct option_table *table, const char *key);

/* For types that are written elsewhere. */

/* An error at the node, which is then bad. Where the node is NULL, nothing. */
void option_error(struct config_reader *reader, struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The text of a scalar with its variables expanded; NULL after a message when it is none. `what` names the
 * value in messages. */
const char *option_text(struct config_reader *reader, const char *what, struct yaml_node *node);
/* The text as it stands in the file, cut, for messages; "(hidden)" for secrets. */
const char *option_shown(const struct config_option *option, const struct yaml_node *node);
/* An error for a child whose key is not in the table, with a suggestion. */
void option_unknown(struct config_reader *reader, const struct option_table *table, struct yaml_node *child);
/* Memory of the configuration; NULL (and a message) when out of memory. Zeroed. */
void *option_alloc(struct config_reader *reader, size_t bytes);
char *option_strdup(struct config_reader *reader, const char *text);
/* NULL-terminated strings as a JSON array; NULL as null. */
void option_dump_strings(char *const *strings, struct json *json);
/* Unsigned targets of any size. */
void option_store(const struct config_option *option, void *target, uint64_t value);
uint64_t option_fetch(const struct config_option *option, const void *target);

#endif
