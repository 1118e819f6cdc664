#include "agent/cli_store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli_config.h"
#include "agent/commands.h"

enum { QUERY_MS = 60000 };

static const char DEFAULT_STORE[] = "driftd.db"; /* what the configuration's default is, too */

static int copy_path(const char *command, const char *path, char out[CLI_PATH_BYTES])
{
    if (snprintf(out, CLI_PATH_BYTES, "%s", path) >= CLI_PATH_BYTES)
        return cli_fail(command, EXIT_CONFIGURATION, "the path of the store is too long");
    return EXIT_OK;
}

int cli_store_path(const char *command, const struct cli_source *source, char out[CLI_PATH_BYTES])
{
    if (source->store)
        return copy_path(command, source->store, out);
    if (!source->config) {
        if (access(DEFAULT_STORE, F_OK) != 0)
            return cli_fail(
                command, EXIT_CONFIGURATION,
                "there is no store %s in the current directory (%s); give --store PATH or -c FILE",
                DEFAULT_STORE, strerror(errno));
        return copy_path(command, DEFAULT_STORE, out);
    }
    struct config *config;
    int status = cli_load_config(command, source->config, &config);
    if (status == EXIT_OK)
        status = copy_path(command, config->store_path, out);
    config_free(config);
    return status;
}

int cli_open_path(const char *command, const char *path, struct reader **out)
{
    struct err err = {0, ""};
    int rc = reader_open(out, path, &err);
    return rc == 0 ? EXIT_OK : cli_fail(command, err_exit_status(rc), "%s", err.message);
}

int cli_open_reader(const char *command, const struct cli_source *source, struct reader **out)
{
    char path[CLI_PATH_BYTES];
    int status = cli_store_path(command, source, path);
    return status == EXIT_OK ? cli_open_path(command, path, out) : status;
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

/* select + conditions + tail, with a bound on the rows. */
static void build_sql(const struct cli_query *query, struct strbuf *out)
{
    strbuf_addf(out, "%s%s%s", query->select, query->filter ? query->filter->sql : "",
                query->tail ? query->tail : "");
    /* One more than wanted shows that there are more; SQLite plans better when it knows. */
    if (query->rows_max)
        strbuf_addf(out, " LIMIT %" PRIu64,
                    query->rows_max < INT64_MAX ? query->rows_max + 1 : (uint64_t)INT64_MAX);
}

int cli_print(const char *command, struct reader *reader, const struct cli_query *query)
{
    struct strbuf sql;
    struct err err = {0, ""};
    bool truncated = false;
    struct output *output = output_new(stdout, query->format);
    strbuf_init(&sql, 4 * CLI_SQL_BYTES);
    build_sql(query, &sql);
    int rc = output && !strbuf_failed(&sql) ? 0 : ERR_NOMEM;
    if (rc == 0) {
        struct reader_query asked = {.sql = sql.bytes,
                                     .parameters = query->filter ? query->filter->values : NULL,
                                     .parameter_count = query->filter ? query->filter->count : 0,
                                     .rows_max = query->rows_max,
                                     .time_ms = QUERY_MS};
        rc = reader_query(reader, &asked, output_row, output, &truncated, &err);
    }
    if (rc == 0)
        rc = output_end(output, query->none);
    else
        output_free(output);
    strbuf_release(&sql);
    if (rc != 0)
        return cli_fail(
            command, EXIT_FAILURE, "%s%s",
            err.message[0] ? err.message : "cannot write the answer: ", err.message[0] ? "" : err_name(rc));
    if (truncated)
        (void)cli_fail(command, EXIT_OK, "only the first %" PRIu64 " rows; --limit 0 gives all",
                       query->rows_max);
    return EXIT_OK;
}

int cli_print_source(const char *command, const struct cli_source *source, const struct cli_query *query)
{
    struct reader *reader;
    int status = cli_open_reader(command, source, &reader);
    if (status != EXIT_OK)
        return status;
    status = cli_print(command, reader, query);
    reader_close(reader);
    return status;
}
