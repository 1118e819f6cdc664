#ifndef DRIFTD_AGENT_CLI_STORE_H
#define DRIFTD_AGENT_CLI_STORE_H
/* What the commands on a store share: which store, filters, and queries whose rows are printed. */
#include <stdbool.h>
#include <stdint.h>

#include "agent/cli_options.h"
#include "agent/reader.h"

enum { CLI_PATH_BYTES = 4096, CLI_FILTERS_MAX = 16, CLI_SQL_BYTES = 8192 };

/* The path: of --store, else of the configuration of -c, else driftd.db in the current directory. EXIT_OK, or
 * an exit status after a complaint. */
int cli_store_path(const char *command, const struct cli_source *source, char out[CLI_PATH_BYTES]) MUST_USE;
/* The same and opens it for reading. */
int cli_open_reader(const char *command, const struct cli_source *source, struct reader **out) MUST_USE;
/* Opens what cli_store_path gave. */
int cli_open_path(const char *command, const char *path, struct reader **out) MUST_USE;

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

struct cli_query {
    const char *select, *tail;       /* around the conditions; tail may be NULL */
    const struct cli_filter *filter; /* NULL: no condition */
    uint64_t rows_max;               /* 0: all; when there are more, standard error says so */
    enum output_format format;
    const char *none; /* what a table without rows says; may be NULL */
};
/* Rows on standard output. EXIT_OK, or an exit status after a complaint. */
int cli_print(const char *command, struct reader *reader, const struct cli_query *query) MUST_USE;
/* Opens the store, prints and closes. */
int cli_print_source(const char *command, const struct cli_source *source,
                     const struct cli_query *query) MUST_USE;

#endif
