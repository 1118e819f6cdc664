/* driftd results: what was measured, from the store. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"

enum { TABLE_ROWS = 100, MACHINE_ROWS = 10000 };
static const char command[] = "results";

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd results (--store PATH | -c FILE) [FILTERS] [--json | --csv]\n\n"
        "Metrics of windows. Without --from and --to: the newest window of every series.\n\n"
        "  --model, --version, --segment, --feature, --metric NAME\n"
        "                      only these; * and ? are wild; --segment '' is the whole model\n"
        "  --window LENGTH     only windows of that length (1h)\n"
        "  --from, --to TIME   windows that ended in [from, to]; RFC 3339, or how long ago (24h)\n"
        "  --state STATE       ok, warning or critical\n"
        "  --limit N           at most N rows; 0: all (default 100, JSON and CSV 10000), newest first\n"
        "  --json, --csv       every column of the view v1_results, for machines\n"
        "      --store PATH    the store\n"
        "  -c, --config FILE   the configuration that names the store\n"
        "  -h, --help          this text\n",
        out);
}

struct results_options {
    const char *store, *config;
    const char *model, *version, *segment, *feature, *metric, *state;
    int64_t window_ms, from_ms, to_ms; /* INT64_MIN: not given */
    uint64_t limit;
    bool has_limit;
    enum output_format format;
};

enum {
    OPTION_STORE = 256,
    OPTION_MODEL,
    OPTION_VERSION,
    OPTION_SEGMENT,
    OPTION_FEATURE,
    OPTION_METRIC,
    OPTION_WINDOW,
    OPTION_FROM,
    OPTION_TO,
    OPTION_STATE,
    OPTION_LIMIT,
    OPTION_JSON,
    OPTION_CSV
};

static const struct option long_options[] = {
    {"store", required_argument, NULL, OPTION_STORE},
    {"config", required_argument, NULL, 'c'},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"version", required_argument, NULL, OPTION_VERSION},
    {"segment", required_argument, NULL, OPTION_SEGMENT},
    {"feature", required_argument, NULL, OPTION_FEATURE},
    {"metric", required_argument, NULL, OPTION_METRIC},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"state", required_argument, NULL, OPTION_STATE},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"json", no_argument, NULL, OPTION_JSON},
    {"csv", no_argument, NULL, OPTION_CSV},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value)
{
    return cli_fail(command, EXIT_USAGE, "%s: `%s` is not understood; see --help", what, value);
}

/* EXIT_OK, or an exit status. */
static int take_value(struct results_options *options, int option)
{
    switch (option) {
    case OPTION_WINDOW:
        return duration_parse(text_of(optarg), &options->window_ms) ? EXIT_OK : wrong("--window", optarg);
    case OPTION_FROM:
        return cli_parse_time(optarg, &options->from_ms) ? EXIT_OK : wrong("--from", optarg);
    case OPTION_TO:
        return cli_parse_time(optarg, &options->to_ms) ? EXIT_OK : wrong("--to", optarg);
    case OPTION_LIMIT:
        options->has_limit = true;
        return cli_parse_unsigned(optarg, &options->limit) ? EXIT_OK : wrong("--limit", optarg);
    case OPTION_STATE:
        options->state = optarg;
        return strcmp(optarg, "ok") == 0 || strcmp(optarg, "warning") == 0 || strcmp(optarg, "critical") == 0
                   ? EXIT_OK
                   : wrong("--state", optarg);
    default:
        return EXIT_USAGE;
    }
}

static const char **string_option(struct results_options *options, int option)
{
    switch (option) {
    case OPTION_STORE:
        return &options->store;
    case 'c':
        return &options->config;
    case OPTION_MODEL:
        return &options->model;
    case OPTION_VERSION:
        return &options->version;
    case OPTION_SEGMENT:
        return &options->segment;
    case OPTION_FEATURE:
        return &options->feature;
    case OPTION_METRIC:
        return &options->metric;
    default:
        return NULL;
    }
}

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct results_options *options)
{
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        const char **string = string_option(options, option);
        int status = EXIT_OK;
        if (string)
            *string = optarg;
        else if (option == OPTION_JSON || option == OPTION_CSV)
            options->format = option == OPTION_JSON ? OUTPUT_JSON : OUTPUT_CSV;
        else if (option == 'h') {
            usage(stdout);
            return EXIT_OK;
        } else
            status = take_value(options, option);
        if (status != EXIT_OK)
            return status;
    }
    return optind == argc ? -1 : wrong("argument", argv[optind]);
}

static int64_t seconds(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static void build_filter(const struct results_options *options, struct cli_filter *filter)
{
    const char *const pairs[][2] = {{"model", options->model},     {"version", options->version},
                                    {"segment", options->segment}, {"feature", options->feature},
                                    {"metric", options->metric},   {"state", options->state}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        cli_filter_text(filter, pairs[i][0], pairs[i][1]);
    if (options->window_ms != INT64_MIN)
        cli_filter_integer(filter, "window_s = ", seconds(options->window_ms));
    if (options->from_ms != INT64_MIN)
        cli_filter_integer(filter, "window_end_s >= ", seconds(options->from_ms));
    if (options->to_ms != INT64_MIN)
        cli_filter_integer(filter, "window_end_s <= ", seconds(options->to_ms));
}

int command_results(int argc, char **argv)
{
    struct results_options options = {.window_ms = INT64_MIN, .from_ms = INT64_MIN, .to_ms = INT64_MIN};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    struct reader *reader;
    status = cli_open_reader(command, options.store, options.config, &reader);
    if (status != EXIT_OK)
        return status;
    struct cli_filter filter = {.count = 0};
    build_filter(&options, &filter);
    bool history = options.from_ms != INT64_MIN || options.to_ms != INT64_MIN;
    bool table = options.format == OUTPUT_TABLE;
    char select[512];
    (void)snprintf(select, sizeof(select), "SELECT %s FROM %s",
                   table ? "window_end, window_s, model, version, segment, feature, metric, value, threshold,"
                           " p_value AS p, n, coalesce(state, CASE status WHEN 'ok' THEN '-' ELSE status END)"
                           " AS state, revision AS rev"
                         : "*",
                   history ? "v1_results" : "v1_latest");
    uint64_t limit = options.has_limit ? options.limit : table ? TABLE_ROWS : MACHINE_ROWS;
    bool truncated = false;
    status = cli_print(command, reader, select, &filter,
                       " ORDER BY window_end_s DESC, model, version, segment, feature, metric, window_s",
                       limit, options.format, "no results", &truncated);
    reader_close(reader);
    if (status == EXIT_OK && truncated)
        (void)fprintf(stderr, "driftd %s: only the first %llu rows; --limit 0 gives all\n", command,
                      (unsigned long long)limit);
    return status;
}
