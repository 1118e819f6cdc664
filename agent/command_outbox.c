/* driftd outbox: deliveries that wait, failed or were sent. */
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "outbox";
enum { OPTION_STORE = 256, OPTION_STATE, OPTION_SINK, OPTION_ALL, OPTION_JSON, OPTION_CSV, OPTION_LIMIT };

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd outbox list  (--store PATH | -c FILE) [--state STATE] [--sink NAME] [--json | --csv]\n"
        "       driftd outbox retry (--store PATH | -c FILE) (ID | --all) [--sink NAME]\n"
        "       driftd outbox drop  (--store PATH | -c FILE) (ID | --all) [--sink NAME]\n\n"
        "retry gives dead deliveries a fresh start; drop gives up pending and dead ones. Both need the "
        "agent\n"
        "to be stopped, since a store has one writer; what was done is in the audit log.\n\n"
        "      --state STATE   pending, delivered, dead, expired or dropped\n"
        "      --sink NAME     only deliveries to that sink\n"
        "      --limit N       at most N rows, newest first (default 100; 0: all)\n"
        "      --all           every delivery that the action can change\n"
        "      --json, --csv   every column of the view v1_outbox, for machines\n"
        "      --store PATH    the store\n"
        "  -c, --config FILE   the configuration that names the store\n"
        "  -h, --help          this text\n",
        out);
}

struct outbox_options {
    const char *store, *config, *action, *id, *state, *sink;
    bool all;
    uint64_t limit;
    enum output_format format;
};

/* EXIT_OK, or an exit status. */
static int take_option(struct outbox_options *options, int option)
{
    switch (option) {
    case OPTION_STORE:
        options->store = optarg;
        return EXIT_OK;
    case 'c':
        options->config = optarg;
        return EXIT_OK;
    case OPTION_STATE:
        options->state = optarg;
        return EXIT_OK;
    case OPTION_SINK:
        options->sink = optarg;
        return EXIT_OK;
    case OPTION_ALL:
        options->all = true;
        return EXIT_OK;
    case OPTION_JSON:
    case OPTION_CSV:
        options->format = option == OPTION_JSON ? OUTPUT_JSON : OUTPUT_CSV;
        return EXIT_OK;
    case OPTION_LIMIT:
        if (cli_parse_unsigned(optarg, &options->limit))
            return EXIT_OK;
        return cli_fail(command, EXIT_USAGE, "--limit: `%s` is not a number", optarg);
    default:
        return EXIT_USAGE;
    }
}

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct outbox_options *options)
{
    static const struct option long_options[] = {
        {"store", required_argument, NULL, OPTION_STORE},
        {"config", required_argument, NULL, 'c'},
        {"state", required_argument, NULL, OPTION_STATE},
        {"sink", required_argument, NULL, OPTION_SINK},
        {"limit", required_argument, NULL, OPTION_LIMIT},
        {"all", no_argument, NULL, OPTION_ALL},
        {"json", no_argument, NULL, OPTION_JSON},
        {"csv", no_argument, NULL, OPTION_CSV},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout);
            return EXIT_OK;
        }
        int status = take_option(options, option);
        if (status != EXIT_OK)
            return status;
    }
    int left = argc - optind;
    options->action = left > 0 ? argv[optind] : "";
    options->id = left > 1 ? argv[optind + 1] : NULL;
    bool list = strcmp(options->action, "list") == 0;
    bool change = strcmp(options->action, "retry") == 0 || strcmp(options->action, "drop") == 0;
    if ((list && left == 1) || (change && left <= 2 && options->all == (options->id == NULL)))
        return -1;
    usage(stderr);
    return EXIT_USAGE;
}

static int list(const struct outbox_options *options)
{
    struct reader *reader;
    int status = cli_open_reader(command, options->store, options->config, &reader);
    if (status != EXIT_OK)
        return status;
    struct cli_filter filter = {.count = 0};
    cli_filter_text(&filter, "state", options->state);
    cli_filter_text(&filter, "sink", options->sink);
    bool truncated = false;
    status = cli_print(command, reader,
                       options->format == OUTPUT_TABLE
                           ? "SELECT id, sink, kind, entity_key AS entity, state, attempts, status,"
                             " strftime('%Y-%m-%dT%H:%M:%SZ', created_s, 'unixepoch') AS created, error"
                             " FROM v1_outbox"
                           : "SELECT * FROM v1_outbox",
                       &filter, " ORDER BY created_s DESC, id, sink", options->limit, options->format,
                       "no deliveries", &truncated);
    reader_close(reader);
    if (truncated)
        (void)fprintf(stderr, "driftd %s: only the first %" PRIu64 " rows; --limit 0 gives all\n", command,
                      options->limit);
    return status;
}

/* The pipeline that the store belongs to, so that opening it for writing does not refuse. */
static int read_pipeline(const char *path, char *out, size_t size)
{
    struct reader *reader;
    struct err err = {0, ""};
    int rc = reader_open(&reader, path, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    rc = reader_string(reader, "SELECT pipeline FROM v1_meta", out, size);
    reader_close(reader);
    return rc == 0 ? EXIT_OK : cli_fail(command, EXIT_FAILURE, "the store %s names no pipeline", path);
}

static void actor_name(char *out, size_t size)
{
    const struct passwd *user = getpwuid(getuid());
    (void)snprintf(out, size, "cli:%s", user ? user->pw_name : "unknown");
}

static int change(const struct outbox_options *options)
{
    char path[CLI_PATH_BYTES], pipeline[256], actor[128], holder[32];
    int status = cli_store_path(command, options->store, options->config, path);
    if (status != EXIT_OK)
        return status;
    if (reader_store_holder(path, holder, sizeof(holder)))
        return cli_fail(command, EXIT_TEMPORARY,
                        "process %s writes the store %s; stop it first: a store has one writer", holder,
                        path);
    status = read_pipeline(path, pipeline, sizeof(pipeline));
    if (status != EXIT_OK)
        return status;
    actor_name(actor, sizeof(actor));
    struct store *store;
    struct err err = {0, ""};
    struct store_settings settings = {.path = path, .full_sync = true, .pipeline = pipeline};
    int rc = store_open(&store, &settings, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    bool retry = strcmp(options->action, "retry") == 0;
    uint64_t changed = 0;
    rc = store_outbox_act(store, retry ? OUTBOX_RETRY : OUTBOX_DROP, options->id, options->sink, actor,
                          &changed, &err);
    store_close(store);
    if (rc != 0)
        return cli_fail(command, EXIT_FAILURE, "%s", err.message);
    if (changed == 0 && options->id)
        return cli_fail(command, EXIT_FAILURE, "no delivery `%s` that can be %s", options->id,
                        retry ? "tried again" : "dropped");
    (void)printf("%" PRIu64 " %s %s\n", changed, changed == 1 ? "delivery" : "deliveries",
                 retry ? "will be tried again" : "dropped");
    return EXIT_OK;
}

int command_outbox(int argc, char **argv)
{
    struct outbox_options options = {.format = OUTPUT_TABLE, .limit = 100};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    return strcmp(options.action, "list") == 0 ? list(&options) : change(&options);
}
