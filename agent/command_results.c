/* driftd results: what was measured, from the store. */
#include <stdio.h>

#include "agent/cli_store.h"
#include "agent/commands.h"

enum { TABLE_ROWS = 500, MACHINE_ROWS = 10000 };
static const char command[] = "results";

static const char help[] =
    "usage: driftd results [FILTERS] [--json | --csv] [--store PATH | -c FILE]\n\n"
    "Metrics of windows. Without --from and --to: the newest window of every series.\n\n"
    "  -m, --model NAME    -V, --version NAME    -f, --feature NAME    --segment NAME    --metric NAME\n"
    "                      only these; * and ? are wild; --segment '' is the whole model\n"
    "      --window LENGTH only windows of that length (1h)\n"
    "      --from, --to TIME\n"
    "                      windows that ended in [from, to]; RFC 3339, a date, or how long ago (24h)\n"
    "      --state STATE   ok, warning or critical\n"
    "      --limit N       at most N rows; 0: all (default 500, JSON and CSV 10000), newest first\n"
    "      --json, --csv   every column of the view v1_results, for machines\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

struct results_options {
    struct cli_source source;
    const char *model, *version, *segment, *feature, *metric, *state;
    int64_t window_ms, from_ms, to_ms; /* INT64_MIN: not given */
    uint64_t limit;                    /* UINT64_MAX: not given */
    enum output_format format;
};

static int parse(int argc, char **argv, struct results_options *options)
{
    static const char *const states[] = {"ok", "warning", "critical", NULL};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "model", .letter = 'm', .text = &options->model},
        {.name = "version", .letter = 'V', .text = &options->version},
        {.name = "segment", .text = &options->segment},
        {.name = "feature", .letter = 'f', .text = &options->feature},
        {.name = "metric", .text = &options->metric},
        {.name = "window", .length_ms = &options->window_ms},
        {.name = "from", .time_ms = &options->from_ms},
        {.name = "to", .time_ms = &options->to_ms},
        {.name = "state", .text = &options->state, .choices = states},
        {.name = "limit", .count = &options->limit},
        CLI_FORMAT_OPTIONS(options->format),
    };
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows)};
    return cli_parse(&words, argc, argv, NULL);
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
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
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
    struct results_options options = {
        .window_ms = INT64_MIN, .from_ms = INT64_MIN, .to_ms = INT64_MIN, .limit = UINT64_MAX};
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
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
    if (options.limit == UINT64_MAX)
        options.limit = table ? TABLE_ROWS : MACHINE_ROWS;
    const struct cli_query query = {
        .select = select,
        .filter = &filter,
        .tail = " ORDER BY window_end_s DESC, model, version, segment, feature, metric, window_s",
        .rows_max = options.limit,
        .format = options.format,
        .none = "no results"};
    return cli_print_source(command, &options.source, &query);
}
