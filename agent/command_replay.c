/* `driftd replay`: files through the same pipeline into the same kind of store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/base/arena.h"
#include "agent/base/timestamp.h"
#include "agent/cli_config.h"
#include "agent/cli_options.h"
#include "agent/commands.h"

static const char command[] = "replay";

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
    struct cli_source source;
    const char *input;
    bool csv, quiet;
    uint64_t workers; /* 0: not given */
};

struct progress {
    const struct clock *clock;
    int64_t started_ms, shown_ms;
    bool terminal, quiet;
};

static int parse(int argc, char **argv, struct replay_options *options, struct cli_operands *files)
{
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "input", .letter = 'i', .text = &options->input},
        {.name = "csv", .flag = &options->csv},
        {.name = "workers", .letter = 'w', .count = &options->workers, .least = 1, .most = 64},
        {.name = "quiet", .letter = 'q', .flag = &options->quiet},
    };
    const struct cli_command words = {.name = command,
                                      .help = help,
                                      CLI_ROWS(rows),
                                      .operands_least = 1,
                                      .operands_most = UINT32_MAX,
                                      .operand = "say which files to read"};
    return cli_parse(&words, argc, argv, files);
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
                      bool finished)
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
    if (stats.records == 0 && finished)
        (void)fputs("nothing new: the files are empty, or the store has read them to their end before\n",
                    stderr);
    if (stats.left_out)
        (void)fprintf(stderr,
                      "%" PRIu64
                      " events lie in a stretch of time that an earlier run has closed for good: short"
                      " windows stay as they are.\nGive the files of one stretch to one replay.\n",
                      stats.left_out);
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

static int replay(struct config *config, const struct replay_options *options, uint32_t input,
                  const struct cli_operands *paths)
{
    struct agent_file *files = calloc(paths->count, sizeof(*files));
    if (!files)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    for (uint32_t i = 0; i < paths->count; i++)
        files[i] = (struct agent_file){paths->items[i], input};
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
                                      .file_count = paths->count,
                                      .progress = show,
                                      .context = &progress};
    struct agent *agent = NULL;
    struct err err = {0};
    int code = agent_new(&agent, &settings, &err);
    if (code == 0)
        code = agent_run(agent, &err);
    if (agent && !options->quiet)
        summarise(&progress, agent, config, code == 0);
    agent_free(agent);
    log_free(log);
    free(files);
    return code == 0 ? EXIT_OK : cli_fail(command, err_exit_status(code), "%s", err.message);
}

/* Before a store is made for nothing. */
static int check_files(const struct cli_operands *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        const char *path = files->items[i];
        struct stat file;
        bool is_directory = stat(path, &file) == 0 && S_ISDIR(file.st_mode);
        if (strcmp(path, "-") != 0 && (is_directory || access(path, R_OK) != 0))
            return cli_fail(command, EXIT_FAILURE, "cannot read %s: %s", path,
                            strerror(is_directory ? EISDIR : errno));
    }
    return EXIT_OK;
}

/* What the command line says over what the configuration says. */
static void override(struct config *config, const struct replay_options *options,
                     const struct cli_operands *files)
{
    bool csv = options->csv;
    if (options->workers)
        config->workers = (uint32_t)options->workers;
    /* The strings stay argv's: the configuration's arena frees only its own. */
    if (options->source.store)
        config->store_path = (char *)(uintptr_t)options->source.store;
    for (uint32_t i = 0; i < files->count; i++)
        csv |= !options->source.config && cli_is_csv_name(files->items[i]);
    for (uint32_t i = 0; csv && i < config->input_count; i++)
        config->inputs[i].mapping.format = INPUT_CSV;
}

int command_replay(int argc, char **argv)
{
    struct replay_options options = {.csv = false};
    struct cli_operands files;
    struct config *config;
    const struct input_config *input;
    int status = parse(argc, argv, &options, &files);
    if (status != CLI_GO_ON)
        return status;
    status = cli_load_config(command, options.source.config, &config);
    if (status != EXIT_OK)
        return status;
    if (ensure_input(config) != 0)
        status = cli_fail(command, EXIT_FAILURE, "out of memory");
    else
        status = cli_find_input(command, config, options.input, INPUT_FIRST, &input);
    if (status == EXIT_OK)
        status = check_files(&files);
    if (status == EXIT_OK) {
        override(config, &options, &files);
        status = replay(config, &options, (uint32_t)(input - config->inputs), &files);
    }
    config_free(config);
    return status;
}
