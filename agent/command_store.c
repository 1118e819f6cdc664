/* driftd store: looking after the file. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "store";
enum { OPTION_STORE = 256, OPTION_TO, REPORT_BYTES = 1 << 20 };

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd store info|verify|migrate   (--store PATH | -c FILE)\n"
        "       driftd store backup FILE           (--store PATH | -c FILE)\n"
        "       driftd store export --to FILE      (--store PATH | -c FILE)\n\n"
        "info     what is in it and how large it is\n"
        "verify   reads all of it: pages, indexes, panes, views, audit log; status 1 when damaged\n"
        "backup   a consistent copy while the agent runs; an existing FILE is an error. Copying the file\n"
        "         itself without its -wal loses data\n"
        "export   the same for dashboards on other hosts: replaces FILE at once, needs no files beside it\n"
        "migrate  brings the store to this version's schema, after a backup beside it (run does it too)\n\n"
        "      --store PATH    the store\n"
        "  -c, --config FILE   the configuration that names the store\n"
        "  -h, --help          this text\n",
        out);
}

struct store_options {
    const char *store, *config, *action, *to;
};

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct store_options *options)
{
    static const struct option long_options[] = {
        {"store", required_argument, NULL, OPTION_STORE},
        {"config", required_argument, NULL, 'c'},
        {"to", required_argument, NULL, OPTION_TO},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        if (option == OPTION_STORE) {
            options->store = optarg;
        } else if (option == 'c') {
            options->config = optarg;
        } else if (option == OPTION_TO) {
            options->to = optarg;
        } else if (option == 'h') {
            usage(stdout);
            return EXIT_OK;
        } else {
            return EXIT_USAGE;
        }
    }
    int left = argc - optind;
    options->action = left > 0 ? argv[optind] : "";
    bool backup = strcmp(options->action, "backup") == 0, export = strcmp(options->action, "export") == 0;
    if (backup && left == 2)
        options->to = argv[optind + 1];
    if (options->action[0] && left == (backup ? 2 : 1) && (options->to != NULL) == (backup || export))
        return -1;
    usage(stderr);
    return EXIT_USAGE;
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
    int status = cli_open_reader(command, path, NULL, &reader);
    if (status != EXIT_OK)
        return status;
    (void)printf("%s: %.1f MB, log %.1f MB, ", path, file_mb(path, ""), file_mb(path, "-wal"));
    if (reader_store_holder(path, holder, sizeof(holder)))
        (void)printf("written by process %s\n", holder);
    else
        (void)puts("not in use");
    status = cli_print(command, reader, query, NULL, NULL, 0, OUTPUT_TABLE, NULL, NULL);
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
    if (status >= 0)
        return status;
    status = cli_store_path(command, options.store, options.config, path);
    if (status != EXIT_OK)
        return status;
    if (strcmp(options.action, "info") == 0)
        return info(path);
    if (strcmp(options.action, "verify") == 0)
        return verify(path);
    if (strcmp(options.action, "migrate") == 0)
        return migrate(path);
    if (strcmp(options.action, "backup") == 0 || strcmp(options.action, "export") == 0)
        return copy(path, options.to, strcmp(options.action, "export") == 0);
    usage(stderr);
    return EXIT_USAGE;
}
