/* driftd alerts: what is open, from the store. */
#include "agent/cli_store.h"
#include "agent/commands.h"

static const char command[] = "alerts";

static const char help[] =
    "usage: driftd alerts list [--all] [--model NAME] [--json | --csv] [--store PATH | -c FILE]\n\n"
    "Alerts that are pending or firing; with --all the resolved ones too.\n\n"
    "      --all           resolved alerts too\n"
    "  -m, --model NAME    only of that model; * and ? are wild\n"
    "      --json, --csv   every column of the view v1_alerts, for machines\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

struct alerts_options {
    struct cli_source source;
    const char *model;
    bool all;
    enum output_format format;
};

static int parse(int argc, char **argv, struct alerts_options *options)
{
    static const char *const actions[] = {"list", NULL};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "model", .letter = 'm', .text = &options->model},
        {.name = "all", .flag = &options->all},
        CLI_FORMAT_OPTIONS(options->format),
    };
    struct cli_operands operands;
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows), .actions = actions};
    return cli_parse(&words, argc, argv, &operands);
}

int command_alerts(int argc, char **argv)
{
    struct alerts_options options = {.format = OUTPUT_TABLE};
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    struct cli_filter filter = {.count = 0};
    cli_filter_text(&filter, "model", options.model);
    if (!options.all)
        cli_filter_integer(&filter, "open = ", 1);
    const struct cli_query query = {.select = options.format == OUTPUT_TABLE
                                                  ? "SELECT state, severity, model, version, segment, "
                                                    "feature, metric, window_s, value, threshold,"
                                                    " peak_value AS peak, since, fired, resolved, rule, "
                                                    "substr(key, 1, 12) AS key FROM v1_alerts"
                                                  : "SELECT * FROM v1_alerts",
                                    .filter = &filter,
                                    .tail = " ORDER BY open DESC, since_s DESC, model, feature",
                                    .format = options.format,
                                    .none = options.all ? "no alerts" : "no open alerts"};
    return cli_print_source(command, &options.source, &query);
}
