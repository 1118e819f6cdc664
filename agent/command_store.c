/* driftd store: looking after the file. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "store";
enum { REPORT_BYTES = 1 << 20 };

static const char help[] =
    "usage: driftd store info|verify|migrate   [--store PATH | -c FILE]\n"
    "       driftd store backup FILE           [--store PATH | -c FILE]\n"
    "       driftd store export --to FILE      [--store PATH | -c FILE]\n\n"
    "info     what is in it and how large it is\n"
    "verify   reads all of it: pages, indexes, panes, views, audit log; status 1 when damaged\n"
    "backup   a consistent copy while the agent runs; an existing FILE is an error. Copying the file\n"
    "         itself without its -wal loses data\n"
    "export   the same for dashboards on other hosts: replaces FILE at once, needs no files beside it\n"
    "migrate  brings the store to this version's schema, after a backup beside it (run does it too)\n\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

enum action { ACTION_INFO, ACTION_VERIFY, ACTION_MIGRATE, ACTION_BACKUP, ACTION_EXPORT };

struct store_options {
    struct cli_source source;
    int action; /* enum action */
    const char *to;
};

static int parse(int argc, char **argv, struct store_options *options)
{
    static const char *const actions[] = {"info", "verify", "migrate", "backup", "export", NULL};
    const char *to = NULL;
    const struct cli_option rows[] = {CLI_SOURCE_OPTIONS(options->source), {.name = "to", .text = &to}};
    struct cli_operands operands;
    const struct cli_command words = {
        .name = command, .help = help, CLI_ROWS(rows), .actions = actions, .operands_most = 1};
    int status = cli_parse(&words, argc, argv, &operands);
    if (status != CLI_GO_ON)
        return status;
    const char *file = operands.count ? operands.items[0] : NULL;
    options->action = operands.action;
    if (to && options->action != ACTION_EXPORT)
        return cli_usage(command, "only export takes --to");
    if (file && options->action != ACTION_BACKUP)
        return cli_usage(command, "unexpected argument `%s`", file);
    options->to = file ? file : to;
    if (!options->to && options->action == ACTION_BACKUP)
        return cli_usage(command, "say where to: backup FILE");
    if (!options->to && options->action == ACTION_EXPORT)
        return cli_usage(command, "say where to: export --to FILE");
    return CLI_GO_ON;
}

static double file_mb(const char *path, const char *suffix)
{
    char name[CLI_PATH_BYTES + 8];
    struct stat status;
    (void)snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &status) == 0 ? (double)status.st_size / 1e6 : 0;
}

static int info(const char *path)
{
    static const char query[] =
        "SELECT name, CAST(value AS TEXT) AS value FROM ("
        "SELECT 'store id' AS name, store AS value FROM v1_meta"
        " UNION ALL SELECT 'pipeline', pipeline FROM v1_meta"
        " UNION ALL SELECT 'schema', schema FROM v1_meta"
        " UNION ALL SELECT 'written by', 'driftd ' || app_version FROM v1_meta"
        " UNION ALL SELECT 'configuration', config_hash FROM v1_meta"
        " UNION ALL SELECT 'models', models FROM v1_pipelines"
        " UNION ALL SELECT 'series', count(*) FROM series"
        " UNION ALL SELECT 'features', count(*) FROM subject"
        " UNION ALL SELECT 'references', count(*) FROM reference"
        " UNION ALL SELECT 'panes of tier ' || tier, count(*) || ' (' || (sum(length(bytes)) / 1000) || ' "
        "kB)'"
        "   FROM pane GROUP BY tier"
        " UNION ALL SELECT 'result rows', count(*) FROM result"
        " UNION ALL SELECT 'first window end',"
        "   strftime('%Y-%m-%dT%H:%M:%SZ', min(window_end_s), 'unixepoch') FROM result"
        " UNION ALL SELECT 'last window end',"
        "   strftime('%Y-%m-%dT%H:%M:%SZ', max(window_end_s), 'unixepoch') FROM result"
        " UNION ALL SELECT 'alerts', count(*) FROM v1_alerts"
        " UNION ALL SELECT 'deliveries', count(*) FROM outbox"
        " UNION ALL SELECT 'audit entries', count(*) FROM audit)";
    struct reader *reader;
    char holder[32] = "";
    int status = cli_open_path(command, path, &reader);
    if (status != EXIT_OK)
        return status;
    (void)printf("%s: %.1f MB, log %.1f MB, ", path, file_mb(path, ""), file_mb(path, "-wal"));
    if (reader_store_holder(path, holder, sizeof(holder)))
        (void)printf("written by process %s\n", holder);
    else
        (void)puts("not in use");
    status = cli_print(command, reader, &(struct cli_query){.select = query, .format = OUTPUT_TABLE});
    reader_close(reader);
    return status;
}

static int verify(const char *path)
{
    struct strbuf report;
    struct err err = {0, ""};
    strbuf_init(&report, REPORT_BYTES);
    int rc = store_verify(path, &report, &err);
    (void)fputs(report.bytes, stdout);
    strbuf_release(&report);
    return rc == 0 ? EXIT_OK : cli_fail(command, err_exit_status(rc), "%s", err.message);
}

static int copy(const char *path, const char *to, bool replace)
{
    struct err err = {0, ""};
    int rc = store_copy(path, to, replace, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    (void)printf("%s: %.1f MB\n", to, file_mb(to, ""));
    return EXIT_OK;
}

static int migrate(const char *path)
{
    struct err err = {0, ""};
    int64_t before, after;
    int rc = store_migrate_file(path, &before, &after, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    if (before == after)
        (void)printf("%s has schema %" PRId64 " already\n", path, after);
    else
        (void)printf("%s: schema %" PRId64 " is now %" PRId64 "\n", path, before, after);
    return EXIT_OK;
}

int command_store(int argc, char **argv)
{
    struct store_options options = {.to = NULL};
    char path[CLI_PATH_BYTES];
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    status = cli_store_path(command, &options.source, path);
    if (status != EXIT_OK)
        return status;
    switch ((enum action)options.action) {
    case ACTION_INFO:
        return info(path);
    case ACTION_VERIFY:
        return verify(path);
    case ACTION_MIGRATE:
        return migrate(path);
    case ACTION_BACKUP:
    case ACTION_EXPORT:
    default:
        return copy(path, options.to, options.action == ACTION_EXPORT);
    }
}
