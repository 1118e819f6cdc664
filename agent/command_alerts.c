/* driftd alerts: what is open, from the store. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli_store.h"
#include "agent/commands.h"

static const char command[] = "alerts";
enum { OPTION_STORE = 256, OPTION_MODEL, OPTION_ALL, OPTION_JSON, OPTION_CSV };

struct alerts_options {
    const char *store, *config, *model;
    bool all;
    enum output_format format;
};

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd alerts list (--store PATH | -c FILE) [--all] [--model NAME] [--json | --csv]\n\n"
        "Alerts that are pending or firing; with --all the resolved ones too.\n\n"
        "      --all           resolved alerts too\n"
        "      --model NAME    only of that model; * and ? are wild\n"
        "      --json, --csv   every column of the view v1_alerts, for machines\n"
        "      --store PATH    the store\n"
        "  -c, --config FILE   the configuration that names the store\n"
        "  -h, --help          this text\n",
        out);
}

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct alerts_options *options)
{
    static const struct option long_options[] = {
        {"store", required_argument, NULL, OPTION_STORE},
        {"config", required_argument, NULL, 'c'},
        {"model", required_argument, NULL, OPTION_MODEL},
        {"all", no_argument, NULL, OPTION_ALL},
        {"json", no_argument, NULL, OPTION_JSON},
        {"csv", no_argument, NULL, OPTION_CSV},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        switch (option) {
        case OPTION_STORE:
            options->store = optarg;
            break;
        case 'c':
            options->config = optarg;
            break;
        case OPTION_MODEL:
            options->model = optarg;
            break;
        case OPTION_ALL:
            options->all = true;
            break;
        case OPTION_JSON:
        case OPTION_CSV:
            options->format = option == OPTION_JSON ? OUTPUT_JSON : OUTPUT_CSV;
            break;
        case 'h':
            usage(stdout);
            return EXIT_OK;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind + 1 == argc && strcmp(argv[optind], "list") == 0)
        return -1;
    usage(stderr);
    return EXIT_USAGE;
}

int command_alerts(int argc, char **argv)
{
    struct alerts_options options = {.format = OUTPUT_TABLE};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    struct reader *reader;
    status = cli_open_reader(command, options.store, options.config, &reader);
    if (status != EXIT_OK)
        return status;
    struct cli_filter filter = {.count = 0};
    cli_filter_text(&filter, "model", options.model);
    if (!options.all)
        cli_filter_integer(&filter, "open = ", 1);
    const char *select =
        options.format == OUTPUT_TABLE
            ? "SELECT state, severity, model, version, segment, feature, metric, window_s, value, threshold,"
              " peak_value AS peak, since, fired, resolved, rule, substr(key, 1, 12) AS key FROM v1_alerts"
            : "SELECT * FROM v1_alerts";
    status = cli_print(command, reader, select, &filter, " ORDER BY open DESC, since_s DESC, model, feature",
                       0, options.format, options.all ? "no alerts" : "no open alerts", NULL);
    reader_close(reader);
    return status;
}
