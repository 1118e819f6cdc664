/* `driftd run`: the agent on Kafka. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/commands.h"

static const char help[] =
    "usage: driftd run -c FILE [--until-end]\n"
    "\n"
    "Reads the topics of the configuration, keeps statistics in its store and sends alerts, until it is "
    "told\n"
    "to stop (SIGTERM, SIGINT: within 5 s; a second signal: at once).\n"
    "\n"
    "  -c, --config FILE   the configuration; `driftd check -c FILE` says what is wrong with one\n"
    "      --until-end     stop when every partition has been read up to where it ended at the start\n"
    "  -h, --help          this text\n";

struct run_options {
    const char *config;
    bool until_end;
};

/* 0: go on; else the exit status + 1. */
static int parse(int argc, char **argv, struct run_options *options)
{
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"until-end", no_argument, NULL, 'e'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        switch (option) {
        case 'c':
            options->config = optarg;
            break;
        case 'e':
            options->until_end = true;
            break;
        case 'h':
            (void)fputs(help, stdout);
            return 1 + EXIT_OK;
        default:
            return 1 + EXIT_USAGE;
        }
    }
    if (!options->config || optind < argc) {
        (void)fprintf(stderr, "driftd run: %s; see `driftd run --help`\n",
                      optind < argc ? "unexpected argument" : "which configuration? give -c FILE");
        return 1 + EXIT_USAGE;
    }
    return 0;
}

int command_run(int argc, char **argv)
{
    struct run_options options = {NULL, false};
    int stop = parse(argc, argv, &options);
    if (stop)
        return stop - 1;
    struct config *config = NULL;
    struct strbuf messages;
    strbuf_init(&messages, 1 << 20);
    int code = config_load(&config, options.config, &messages);
    if (messages.len)
        (void)fputs(messages.bytes, stderr);
    strbuf_release(&messages);
    if (code != 0)
        return EXIT_CONFIGURATION;
    struct log *log = log_new(STDERR_FILENO, config->log_level, config->log_format);
    struct agent_settings settings = {
        .config = config, .clock = &clock_system, .log = log, .until_end = options.until_end};
    struct agent *agent = NULL;
    struct err err = {0};
    code = agent_new(&agent, &settings, &err);
    if (code == 0) {
        log_write(log, LOG_INFO, "agent", "driftd %s, pipeline %s, store %s", DRIFTD_VERSION,
                  config->pipeline, config->store_path);
        code = agent_run(agent, &err);
    }
    agent_free(agent);
    if (code != 0)
        (void)fprintf(stderr, "driftd run: %s\n", err.message);
    log_free(log);
    config_free(config);
    return err_exit_status(code);
}
