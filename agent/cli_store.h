#ifndef DRIFTD_AGENT_CLI_STORE_H
#define DRIFTD_AGENT_CLI_STORE_H
/* What the commands on a store share: which store, filters, points in time, and how they complain. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/cli_output.h"
#include "agent/reader.h"

enum { CLI_PATH_BYTES = 4096, CLI_FILTERS_MAX = 16, CLI_SQL_BYTES = 8192 };

/* "driftd COMMAND: message" on standard error; returns `status`. */
int cli_fail(const char *command, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The path from --store, or from the configuration of -c; says what is wrong. 0 or an exit status. */
int cli_store_path(const char *command, const char *store, const char *config_path,
                   char out[CLI_PATH_BYTES]) MUST_USE;
/* The same and opens it for reading. */
int cli_open_reader(const char *command, const char *store, const char *config_path,
                    struct reader **out) MUST_USE;

/* RFC 3339, or a duration that is that long ago ("24h"). False: neither. */
bool cli_parse_time(const char *text, int64_t *out_ms);
bool cli_parse_unsigned(const char *text, uint64_t *out);

/* Conditions of a WHERE clause whose values are bound. Values stay the caller's. */
struct cli_filter {
    char sql[CLI_SQL_BYTES]; /* "" or " WHERE a = ?1 AND …" */
    struct reader_cell values[CLI_FILTERS_MAX];
    uint32_t count;
};
/* value NULL: no condition. With * or ? in it a shell pattern, else equality (which can use an index). */
void cli_filter_text(struct cli_filter *filter, const char *column, const char *value);
/* `condition` such as "window_end_s >= ". */
void cli_filter_integer(struct cli_filter *filter, const char *condition, int64_t value);

/* "select" + filter + "tail" as rows on standard output. *out_truncated may be NULL. Returns an exit status,
 * having said what is wrong. */
int cli_print(const char *command, struct reader *reader, const char *select, const struct cli_filter *filter,
              const char *tail, uint64_t rows_max, enum output_format format, const char *none,
              bool *out_truncated);

#endif
