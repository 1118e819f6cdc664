#ifndef DRIFTD_AGENT_CLI_OPTIONS_H
#define DRIFTD_AGENT_CLI_OPTIONS_H
/*
 * How every command reads its words and how it complains. Options are rows that say where the value goes;
 * `-h` and `--help` are understood by all. `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, flags
 * together (`-qh`), options after operands, `--` ends them, `-` is an operand. Names are written in full: an
 * abbreviation that is unique today need not be tomorrow.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "agent/cli_output.h"
#include "agent/base/compiler.h"

/* What cli_parse returns to go on: no exit status is negative. */
enum { CLI_GO_ON = -1 };

/* Exactly one of the pointers says what kind of value it is; the target keeps its default when the option is
 * not given. Texts point into argv. */
struct cli_option {
    const char *name; /* "model" is --model */
    char letter;      /* 'm' is -m; 0: none */
    bool *flag;
    enum output_format *json, *csv; /* flags that choose the format */
    const char **text;
    const char *const *choices; /* for `text`: NULL-terminated; NULL: anything */
    uint64_t *count;
    uint64_t least, most; /* for `count`; most 0: no limit */
    int64_t *time_ms;     /* RFC 3339, a date, or a duration that is that long ago ("24h") */
    int64_t *length_ms;   /* a duration */
    /* Anything else: returns CLI_GO_ON, or an exit status after cli_usage. */
    int (*take)(void *context, const char *value);
    void *context; /* for `take` */
};

struct cli_command {
    const char *name; /* "reference build": what stands after `driftd` */
    const char *help;
    const struct cli_option *options;
    uint32_t option_count;
    const char *const *actions; /* the first operand is one of these (NULL-terminated); NULL: it has none */
    uint32_t operands_least, operands_most; /* the action does not count */
    const char *operand; /* what to say when there are too few: "say which files to read" */
};

struct cli_operands {
    char **items; /* in argv, which is reordered for it */
    uint32_t count;
    int action; /* index in `actions`; it is not among the items */
};

/* Where a command finds its store. */
struct cli_source {
    const char *store, *config;
};

#define CLI_ROWS(rows) .options = (rows), .option_count = ARRAY_LEN(rows)
/* Rows that many commands have. */
#define CLI_CONFIG_OPTION(target)                                                                            \
    {                                                                                                        \
        .name = "config", .letter = 'c', .text = &(target)                                                   \
    }
#define CLI_SOURCE_OPTIONS(source)                                                                           \
    {.name = "store", .letter = 's', .text = &(source).store}, CLI_CONFIG_OPTION((source).config)
#define CLI_FORMAT_OPTIONS(format)                                                                           \
    {.name = "json", .json = &(format)},                                                                     \
    {                                                                                                        \
        .name = "csv", .csv = &(format)                                                                      \
    }

/* Reads argv[1] and on. CLI_GO_ON, or the exit status after help or a complaint. `out` may be NULL for a
 * command without operands and actions. */
int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli_operands *out) MUST_USE;

/* The place of `word` among `names` (NULL-terminated); a negative number after a complaint. `what` is what
 * they are: "action". `word` NULL: none was given. */
int cli_choose(const char *command, const char *what, const char *word, const char *const *names) MUST_USE;

/* "driftd COMMAND: message" on standard error; returns `status`. */
int cli_fail(const char *command, int status, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same with where to read more; returns the exit status of wrong usage. */
int cli_usage(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

bool cli_parse_time(const char *text, int64_t *out_ms);
bool cli_is_help(const char *word);

#endif
