#include "agent/cli_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/timestamp.h"
#include "agent/commands.h"
#include "agent/config.h"

enum { QUERY_MS = 60000, MESSAGES_BYTES = 1 << 20 };

int cli_fail(const char *command, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fprintf(stderr, "driftd %s: ", command);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    return status;
}

static int path_of_config(const char *command, const char *config_path, char out[CLI_PATH_BYTES])
{
    struct strbuf messages;
    struct config *config = NULL;
    strbuf_init(&messages, MESSAGES_BYTES);
    int status = EXIT_OK;
    if (config_load(&config, config_path, &messages) != 0) {
        (void)fputs(messages.bytes, stderr);
        status = cli_fail(command, EXIT_CONFIGURATION, "the configuration %s cannot be used", config_path);
    } else if (snprintf(out, CLI_PATH_BYTES, "%s", config->store_path) >= CLI_PATH_BYTES) {
        status = cli_fail(command, EXIT_CONFIGURATION, "the path of the store is too long");
    }
    config_free(config);
    strbuf_release(&messages);
    return status;
}

int cli_store_path(const char *command, const char *store, const char *config_path, char out[CLI_PATH_BYTES])
{
    if (!store && !config_path)
        return cli_fail(command, EXIT_USAGE, "which store? give --store PATH or -c FILE");
    if (!store)
        return path_of_config(command, config_path, out);
    if (snprintf(out, CLI_PATH_BYTES, "%s", store) >= CLI_PATH_BYTES)
        return cli_fail(command, EXIT_USAGE, "the path of the store is too long");
    return EXIT_OK;
}

int cli_open_reader(const char *command, const char *store, const char *config_path, struct reader **out)
{
    char path[CLI_PATH_BYTES];
    struct err err = {0, ""};
    int status = cli_store_path(command, store, config_path, path);
    if (status != EXIT_OK)
        return status;
    int rc = reader_open(out, path, &err);
    return rc == 0 ? EXIT_OK : cli_fail(command, err_exit_status(rc), "%s", err.message);
}

bool cli_parse_time(const char *text, int64_t *out_ms)
{
    int64_t ago_ms;
    if (timestamp_parse(text_of(text), out_ms))
        return true;
    if (!duration_parse(text_of(text), &ago_ms))
        return false;
    *out_ms = clock_system.wall_ms(&clock_system) - ago_ms;
    return true;
}

bool cli_parse_unsigned(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return false;
    *out = value;
    return true;
}

static void filter_add(struct cli_filter *filter, const char *condition, struct reader_cell value)
{
    BUG_ON(filter->count == CLI_FILTERS_MAX);
    size_t len = strlen(filter->sql);
    filter->values[filter->count++] = value;
    int added = snprintf(filter->sql + len, sizeof(filter->sql) - len, "%s%s?%u", len ? " AND " : " WHERE ",
                         condition, filter->count);
    BUG_ON(added < 0 || (size_t)added >= sizeof(filter->sql) - len);
}

void cli_filter_text(struct cli_filter *filter, const char *column, const char *value)
{
    char condition[64];
    if (!value)
        return;
    (void)snprintf(condition, sizeof(condition), "%s %s ", column, strpbrk(value, "*?") ? "GLOB" : "=");
    filter_add(filter, condition, reader_string_cell(value));
}

void cli_filter_integer(struct cli_filter *filter, const char *condition, int64_t value)
{
    filter_add(filter, condition, reader_integer_cell(value));
}

int cli_print(const char *command, struct reader *reader, const char *select, const struct cli_filter *filter,
              const char *tail, uint64_t rows_max, enum output_format format, const char *none,
              bool *out_truncated)
{
    struct strbuf sql;
    struct err err = {0, ""};
    struct output *output = output_new(stdout, format);
    strbuf_init(&sql, 4 * CLI_SQL_BYTES);
    strbuf_addf(&sql, "%s%s%s", select, filter ? filter->sql : "", tail ? tail : "");
    /* One more than wanted shows that there are more; SQLite plans better when it knows. */
    if (rows_max)
        strbuf_addf(&sql, " LIMIT %" PRIu64, rows_max < INT64_MAX ? rows_max + 1 : rows_max);
    if (!output || strbuf_failed(&sql)) {
        strbuf_release(&sql);
        output_free(output);
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    }
    struct reader_query query = {.sql = sql.bytes,
                                 .parameters = filter ? filter->values : NULL,
                                 .parameter_count = filter ? filter->count : 0,
                                 .rows_max = rows_max,
                                 .time_ms = QUERY_MS};
    int rc = reader_query(reader, &query, output_row, output, out_truncated, &err);
    int end = 0;
    if (rc == 0)
        end = output_end(output, none);
    else
        output_free(output);
    strbuf_release(&sql);
    if (rc == 0 && end == 0)
        return EXIT_OK;
    if (err.message[0])
        return cli_fail(command, EXIT_FAILURE, "%s", err.message);
    return cli_fail(command, EXIT_FAILURE, "cannot write the answer: %s", err_name(rc ? rc : end));
}
