/* driftd outbox: deliveries that wait, failed or were sent. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "outbox";

static const char help[] =
    "usage: driftd outbox list  [--state STATE] [--sink NAME] [--limit N] [--json | --csv]\n"
    "       driftd outbox retry (ID | --all) [--sink NAME]\n"
    "       driftd outbox drop  (ID | --all) [--sink NAME]\n\n"
    "retry gives dead deliveries a fresh start; drop gives up pending and dead ones. Both need the agent\n"
    "to be stopped, since a store has one writer; what was done is in the audit log.\n\n"
    "      --state STATE   pending, delivered, dead, expired or dropped\n"
    "      --sink NAME     only deliveries to that sink\n"
    "      --limit N       at most N rows, newest first (default 100; 0: all)\n"
    "      --all           every delivery that the action can change\n"
    "      --json, --csv   every column of the view v1_outbox, for machines\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

enum action { ACTION_LIST, ACTION_RETRY, ACTION_DROP };

struct outbox_options {
    struct cli_source source;
    const char *id, *state, *sink;
    int action; /* enum action */
    bool all;
    uint64_t limit;
    enum output_format format;
};

static int parse(int argc, char **argv, struct outbox_options *options)
{
    static const char *const actions[] = {"list", "retry", "drop", NULL};
    static const char *const states[] = {"pending", "delivered", "dead", "expired", "dropped", NULL};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "state", .text = &options->state, .choices = states},
        {.name = "sink", .text = &options->sink},
        {.name = "limit", .count = &options->limit},
        {.name = "all", .flag = &options->all},
        CLI_FORMAT_OPTIONS(options->format),
    };
    struct cli_operands operands;
    const struct cli_command words = {
        .name = command, .help = help, CLI_ROWS(rows), .actions = actions, .operands_most = 1};
    int status = cli_parse(&words, argc, argv, &operands);
    if (status != CLI_GO_ON)
        return status;
    options->action = operands.action;
    options->id = operands.count ? operands.items[0] : NULL;
    if (options->action == ACTION_LIST)
        return options->id ? cli_usage(command, "unexpected argument `%s`", options->id) : CLI_GO_ON;
    if (options->all == (options->id != NULL))
        return cli_usage(command, "%s takes either the ID of one delivery or --all",
                         actions[options->action]);
    return CLI_GO_ON;
}

static int list(const struct outbox_options *options)
{
    struct cli_filter filter = {.count = 0};
    cli_filter_text(&filter, "state", options->state);
    cli_filter_text(&filter, "sink", options->sink);
    const struct cli_query query = {
        .select = options->format == OUTPUT_TABLE
                      ? "SELECT id, sink, kind, entity_key AS entity, state, attempts, status,"
                        " strftime('%Y-%m-%dT%H:%M:%SZ', created_s, 'unixepoch') AS created, error"
                        " FROM v1_outbox"
                      : "SELECT * FROM v1_outbox",
        .filter = &filter,
        .tail = " ORDER BY created_s DESC, id, sink",
        .rows_max = options->limit,
        .format = options->format,
        .none = "no deliveries"};
    return cli_print_source(command, &options->source, &query);
}

/* The pipeline that the store belongs to, so that opening it for writing does not refuse. */
static int read_pipeline(const char *path, char *out, size_t size)
{
    struct reader *reader;
    int status = cli_open_path(command, path, &reader);
    if (status != EXIT_OK)
        return status;
    int rc = reader_string(reader, "SELECT pipeline FROM v1_meta", out, size);
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
    int status = cli_store_path(command, &options->source, path);
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
    bool retry = options->action == ACTION_RETRY;
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
    if (status != CLI_GO_ON)
        return status;
    return options.action == ACTION_LIST ? list(&options) : change(&options);
}
