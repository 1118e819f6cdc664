/* `driftd replay`: files through the same pipeline into the same kind of store. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/base/arena.h"
#include "agent/base/timestamp.h"
#include "agent/commands.h"

static const char help[] =
    "usage: driftd replay [-c FILE] [--store PATH] [--input NAME] [--csv] [--workers N] FILE...\n"
    "\n"
    "Reads events from files (NDJSON or CSV, also gzip; `-` is standard input) at full speed, as `driftd "
    "run` reads\n"
    "them from Kafka, into a store. A file that the store has read before is continued where it ended.\n"
    "\n"
    "  -c, --config FILE   the configuration (default: canonical events, panes of 5 m, 1 h and 1 d, no "
    "rules)\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -i, --input NAME    whose mapping to use (default: the first input of the configuration)\n"
    "      --csv           the files are CSV with a header line (default: the input's format; .csv says so "
    "too)\n"
    "  -w, --workers N     threads that read; a file is read by one of them\n"
    "  -q, --quiet         no progress and no summary\n"
    "  -h, --help          this text\n";

struct replay_options {
    const char *config, *store, *input;
    bool csv, quiet;
    long workers;
};

struct progress {
    const struct clock *clock;
    int64_t started_ms, shown_ms;
    bool terminal, quiet;
};

static int parse(int argc, char **argv, struct replay_options *options)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},  {"store", required_argument, NULL, 's'},
        {"input", required_argument, NULL, 'i'},   {"csv", no_argument, NULL, 'C'},
        {"workers", required_argument, NULL, 'w'}, {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:s:i:w:qh", longs, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 's':
            options->store = optarg;
            break;
        case 'i':
            options->input = optarg;
            break;
        case 'C':
            options->csv = true;
            break;
        case 'w': {
            char *end = NULL;
            options->workers = strtol(optarg, &end, 10);
            if (*optarg == '\0' || *end != '\0' || options->workers < 1 || options->workers > 64) {
                (void)fprintf(stderr, "driftd replay: --workers takes a number from 1 to 64, not `%s`\n",
                              optarg);
                return 1 + EXIT_USAGE;
            }
            break;
        }
        case 'q':
            options->quiet = true;
            break;
        case 'h':
            (void)fputs(help, stdout);
            return 1 + EXIT_OK;
        default:
            return 1 + EXIT_USAGE;
        }
    }
    if (optind == argc) {
        (void)fputs("driftd replay: which files? see `driftd replay --help`\n", stderr);
        return 1 + EXIT_USAGE;
    }
    return 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_csv_name(const char *path)
{
    return ends_with(path, ".csv") || ends_with(path, ".csv.gz");
}

/* The index of the named input, or of the first; -1 with a message. */
static int find_input(const struct config *config, const char *name)
{
    if (!name)
        return 0;
    for (uint32_t i = 0; i < config->input_count; i++)
        if (strcmp(config->inputs[i].name, name) == 0)
            return (int)i;
    (void)fprintf(stderr, "driftd replay: the configuration has no input `%s`\n", name);
    return -1;
}

static void show(void *context, struct agent *agent)
{
    struct progress *progress = context;
    int64_t now_ms = progress->clock->monotonic_ms(progress->clock);
    if (!progress->terminal || now_ms - progress->shown_ms < 200)
        return;
    progress->shown_ms = now_ms;
    struct engine_stats stats;
    engine_get_stats(agent_engine(agent), &stats);
    double seconds = (double)(now_ms - progress->started_ms) / 1000.0;
    char at[32] = "-";
    if (stats.closed_until_ms != INT64_MIN)
        (void)timestamp_format(stats.closed_until_ms, at);
    (void)fprintf(stderr, "\r\033[K%" PRIu64 " records  %.0f/s  closed until %s  %" PRIu64 " windows",
                  stats.records, seconds > 0 ? (double)stats.records / seconds : 0.0, at,
                  stats.windows_closed);
    (void)fflush(stderr);
}

static void summarise(const struct progress *progress, struct agent *agent, const struct config *config,
                      int code)
{
    struct engine_stats stats;
    engine_get_stats(agent_engine(agent), &stats);
    double seconds = (double)(progress->clock->monotonic_ms(progress->clock) - progress->started_ms) / 1000.0;
    if (progress->terminal)
        (void)fputs("\r\033[K", stderr);
    (void)fprintf(stderr, "%" PRIu64 " records in %.2f s (%.0f/s):", stats.records, seconds,
                  seconds > 0 ? (double)stats.records / seconds : 0.0);
    for (int fate = 0; fate < FATE_COUNT; fate++)
        if (stats.events[fate] || fate == FATE_APPLIED)
            (void)fprintf(stderr, " %" PRIu64 " %s", stats.events[fate], fate_name((enum fate)fate));
    (void)fprintf(stderr, "\n%" PRIu64 " windows closed, %" PRIu64 " rows reported, store %s\n",
                  stats.windows_closed, stats.rows_reported, config->store_path);
    if (stats.records == 0 && code == 0)
        (void)fputs("nothing new: the files are empty, or the store has read them to their end before\n",
                    stderr);
    if (stats.events[FATE_REJECTED])
        (void)fputs(
            "`driftd status` counts the rejected records by reason, `driftd map test` explains them\n",
            stderr);
}

/* A configuration that names no input still reads canonical events. */
static int ensure_input(struct config *config)
{
    if (config->input_count > 0)
        return 0;
    config->inputs = arena_zalloc(config->memory, sizeof(*config->inputs));
    char *name = arena_strdup(config->memory, "events");
    if (!config->inputs || !name)
        return ERR_NOMEM;
    config->inputs[0].name = name;
    config->input_count = 1;
    return 0;
}

static int replay(struct config *config, const struct replay_options *options, char **paths, int path_count)
{
    int input = find_input(config, options->input);
    struct agent_file *files = calloc((size_t)path_count, sizeof(*files));
    if (input < 0 || !files) {
        free(files);
        return EXIT_USAGE;
    }
    for (int i = 0; i < path_count; i++)
        files[i] = (struct agent_file){paths[i], (uint32_t)input};
    struct log *log =
        log_new(STDERR_FILENO, options->quiet ? LOG_WARNING : config->log_level, config->log_format);
    struct progress progress = {.clock = &clock_system,
                                .started_ms = clock_system.monotonic_ms(&clock_system),
                                .terminal = !options->quiet && isatty(STDERR_FILENO) == 1,
                                .quiet = options->quiet};
    struct agent_settings settings = {.config = config,
                                      .clock = &clock_system,
                                      .log = log,
                                      .files = files,
                                      .file_count = (uint32_t)path_count,
                                      .progress = show,
                                      .context = &progress};
    struct agent *agent = NULL;
    struct err err = {0};
    int code = agent_new(&agent, &settings, &err);
    if (code == 0)
        code = agent_run(agent, &err);
    if (agent && !options->quiet)
        summarise(&progress, agent, config, code);
    agent_free(agent);
    if (code != 0)
        (void)fprintf(stderr, "driftd replay: %s\n", err.message);
    log_free(log);
    free(files);
    return err_exit_status(code);
}

int command_replay(int argc, char **argv)
{
    struct replay_options options = {0};
    int stop = parse(argc, argv, &options);
    if (stop)
        return stop - 1;
    struct config *config = NULL;
    struct strbuf messages;
    strbuf_init(&messages, 1 << 20);
    int code = options.config ? config_load(&config, options.config, &messages) : config_default(&config);
    if (messages.len)
        (void)fputs(messages.bytes, stderr);
    strbuf_release(&messages);
    if (code != 0)
        return EXIT_CONFIGURATION;
    if (ensure_input(config) != 0) {
        (void)fputs("driftd replay: out of memory\n", stderr);
        config_free(config);
        return EXIT_FAILURE;
    }
    if (options.workers)
        config->workers = (uint32_t)options.workers;
    /* The strings stay argv's: the configuration's arena frees only its own. */
    if (options.store)
        config->store_path = (char *)(uintptr_t)options.store;
    bool csv = options.csv;
    for (int i = optind; i < argc; i++)
        csv |= !options.config && is_csv_name(argv[i]);
    if (csv)
        for (uint32_t i = 0; i < config->input_count; i++)
            config->inputs[i].mapping.format = INPUT_CSV;
    code = replay(config, &options, argv + optind, argc - optind);
    config_free(config);
    return code;
}
