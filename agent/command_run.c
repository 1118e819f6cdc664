/* `driftd run`: the agent on Kafka. */
#include <stdio.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/cli_config.h"
#include "agent/cli_options.h"
#include "agent/commands.h"

static const char command[] = "run";

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

static int run(struct config *config, bool until_end)
{
    struct log *log = log_new(STDERR_FILENO, config->log_level, config->log_format);
    struct agent_settings settings = {
        .config = config, .clock = &clock_system, .log = log, .until_end = until_end};
    struct agent *agent = NULL;
    struct err err = {0};
    int code = agent_new(&agent, &settings, &err);
    if (code == 0) {
        log_write(log, LOG_INFO, "agent", "driftd %s, pipeline %s, store %s", DRIFTD_VERSION,
                  config->pipeline, config->store_path);
        code = agent_run(agent, &err);
    }
    agent_free(agent);
    log_free(log);
    return code == 0 ? EXIT_OK : cli_fail(command, err_exit_status(code), "%s", err.message);
}

int command_run(int argc, char **argv)
{
    const char *path = NULL;
    bool until_end = false;
    const struct cli_option rows[] = {CLI_CONFIG_OPTION(path), {.name = "until-end", .flag = &until_end}};
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows)};
    int status = cli_parse(&words, argc, argv, NULL);
    if (status != CLI_GO_ON)
        return status;
    if (!path)
        return cli_usage(command, "say which configuration: -c FILE");
    struct config *config;
    status = cli_load_config(command, path, &config);
    if (status == EXIT_OK)
        status = run(config, until_end);
    config_free(config);
    return status;
}
