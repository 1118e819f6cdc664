/* `driftd compare`: a stretch of history against a reference or another stretch, afterwards, from the panes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/command_compare.h"
#include "agent/commands.h"
#include "agent/history.h"
#include "detectors/drift.h"

static const char help[] =
    "usage: driftd compare --model NAME --from TIME --to TIME [OPTIONS]\n"
    "       driftd compare --model NAME --versions FIRST SECOND [--from TIME] [--to TIME]\n"
    "\n"
    "Compares the events of [from, to) with a reference, or with another stretch of history, from what the "
    "store keeps:\n"
    "panes, not events. Works while the agent runs. Times are RFC 3339, dates or how long ago (24h); both "
    "ends "
    "should\n"
    "lie on pane boundaries.\n"
    "\n"
    "  -m, --model NAME        -V, --version NAME (needed when there are several)    --segment KEY=VALUE\n"
    "      --from TIME --to TIME\n"
    "      --reference NAME    (default: the newest one of the model)\n"
    "      --against FROM..TO  another stretch instead of a reference\n"
    "  -f, --feature NAME      only this one\n"
    "      --metric NAME       only this one, as `feature value noise_floor n` lines\n"
    "      --json  --csv       all metrics\n"
    "      --versions FIRST SECOND\n"
    "                      labelled performance of two versions in the newest window of each length\n"
    "                      (that ended in [from, to]): values, first less second, 95 % interval and p\n"
    "  -s, --store PATH        the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE       the configuration that names the store\n"
    "  -h, --help              this text\n";

static const char command[] = "compare";

struct compare_options {
    struct cli_source source;
    const char *model, *version, *segment, *reference, *feature, *metric;
    const char *first_version, *second_version;             /* both or none */
    int64_t from_ms, to_ms, against_from_ms, against_to_ms; /* INT64_MIN: not given */
    bool has_against;
    enum output_format format;
};

struct comparison {
    struct reference *reference;
    struct feature_layout *coarse; /* for segments */
    const struct feature_layout *layout;
    struct history current, against;
    struct report_row *rows;
};

static int take_range(void *context, const char *text)
{
    struct compare_options *options = context;
    const char *dots = strstr(text, "..");
    char from[64] = "";
    if (dots && (size_t)(dots - text) < sizeof(from))
        memcpy(from, text, (size_t)(dots - text));
    if (!from[0] || !cli_parse_time(from, &options->against_from_ms) ||
        !cli_parse_time(dots + 2, &options->against_to_ms) ||
        options->against_from_ms >= options->against_to_ms)
        return cli_usage(command, "--against: `%s` is not FROM..TO, an earlier and a later time", text);
    options->has_against = true;
    return CLI_GO_ON;
}

/* Options of panes mean nothing to rows that are in the store already. */
static int check_versions(struct compare_options *options, const struct cli_operands *operands)
{
    if (!options->first_version)
        return operands->count ? cli_usage(command, "unexpected argument `%s`", operands->items[0])
                               : CLI_GO_ON;
    if (!options->model || operands->count != 1)
        return cli_usage(command, "--versions needs two versions and --model");
    if (options->version || options->segment || options->reference || options->feature || options->metric ||
        options->has_against)
        return cli_usage(command, "--versions takes only --from, --to and a format");
    options->second_version = operands->items[0];
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct compare_options *options)
{
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "model", .letter = 'm', .text = &options->model},
        {.name = "version", .letter = 'V', .text = &options->version},
        {.name = "versions", .text = &options->first_version},
        {.name = "segment", .text = &options->segment},
        {.name = "from", .time_ms = &options->from_ms},
        {.name = "to", .time_ms = &options->to_ms},
        {.name = "reference", .text = &options->reference},
        {.name = "against", .take = take_range, .context = options},
        {.name = "feature", .letter = 'f', .text = &options->feature},
        {.name = "metric", .text = &options->metric},
        CLI_FORMAT_OPTIONS(options->format),
    };
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows), .operands_most = 1};
    struct cli_operands operands = {0};
    int status = cli_parse(&words, argc, argv, &operands);
    if (status == CLI_GO_ON)
        status = check_versions(options, &operands);
    if (status != CLI_GO_ON || options->second_version)
        return status;
    if (!options->model || options->from_ms == INT64_MIN || options->to_ms == INT64_MIN ||
        options->from_ms >= options->to_ms)
        return cli_usage(command, "needs --model, --from and a later --to");
    if (options->metric && !metric_find(options->metric))
        return cli_usage(command, "there is no metric `%s`", options->metric);
    return CLI_GO_ON;
}

/* ---- computing ---- */

static int sum(struct reader *reader, const struct compare_options *options, const char *version,
               uint32_t grid, struct comparison *comparison, int64_t from_ms, int64_t to_ms,
               struct history *out, struct err *err)
{
    struct history_query query = {.model = options->model,
                                  .version = version,
                                  .segment = options->segment ? options->segment : "",
                                  .from_ms = from_ms,
                                  .to_ms = to_ms,
                                  .grid = grid,
                                  .layout = comparison->layout};
    int code = history_sum(reader, &query, out, err);
    if (code == 0 && !out->set.parts[PANE_FEATURES]) {
        char from[32], to[32];
        code = err_set(err, ERR_NOT_FOUND, "no events of model `%s`%s in %s..%s%s", options->model,
                       options->segment ? " and segment" : "", timestamp_format(from_ms, from),
                       timestamp_format(to_ms, to),
                       out->other_grid_panes ? " on the grid of this reference (there are some on another)"
                       : out->edges_lost     ? "; the panes there reach over the ends that were asked for"
                                             : "");
    }
    return code;
}

static int compute(struct reader *reader, const struct compare_options *options,
                   struct comparison *comparison, struct err *err)
{
    char version[512];
    uint32_t grid = 0;
    int code = 0;
    if (options->version)
        (void)snprintf(version, sizeof(version), "%s", options->version);
    else
        code = history_version(reader, options->model, version, sizeof(version), err);
    if (code == 0)
        code = history_reference(reader, options->reference, options->model, version, &comparison->reference,
                                 &grid, err);
    if (code != 0)
        return code;
    comparison->layout = comparison->reference->layout;
    if (options->segment && options->segment[0]) {
        comparison->coarse = feature_layout_new(comparison->reference->grid, GRID_COARSE);
        comparison->layout = comparison->coarse;
    }
    uint32_t count = comparison->reference->grid->feature_count;
    comparison->rows = calloc(count ? count : 1, sizeof(*comparison->rows));
    if (!comparison->layout || !comparison->rows)
        return err_set(err, ERR_NOMEM, "out of memory");
    code = sum(reader, options, version, grid, comparison, options->from_ms, options->to_ms,
               &comparison->current, err);
    if (code == 0 && options->has_against)
        code = sum(reader, options, version, grid, comparison, options->against_from_ms,
                   options->against_to_ms, &comparison->against, err);
    if (code != 0)
        return code;
    struct drift_options drift = {.n_min = 200, .alpha = 0.001};
    bool other = options->has_against;
    drift_report(comparison->layout, comparison->current.set.parts[PANE_FEATURES],
                 other ? comparison->layout : comparison->reference->layout,
                 other ? comparison->against.set.parts[PANE_FEATURES] : comparison->reference->features,
                 &drift, comparison->rows);
    return 0;
}

/* ---- printing ---- */

static bool has_metric(const struct metric *metric, const struct report_row *row)
{
    return metric->family == row->family &&
           (metric->kinds & (row->flags & REPORT_CATEGORICAL ? METRIC_CATEGORICAL : METRIC_NUMERIC));
}

static const char *status_of(const struct metric *metric, const struct report_row *row)
{
    if (isnan(row->slots[metric->slot]))
        return "undefined";
    return metric->has_minimum_n && (row->flags & REPORT_INSUFFICIENT) ? "insufficient" : "ok";
}

static double floor_of(const struct metric *metric, const struct report_row *row)
{
    return metric->floor_slot < 0 ? NAN : row->slots[metric->floor_slot] * metric->floor_scale;
}

static double value_of(const char *name, const struct report_row *row)
{
    const struct metric *metric = metric_find(name);
    return metric && has_metric(metric, row) ? row->slots[metric->slot] : NAN;
}

static void print_cell(double value)
{
    if (isnan(value))
        printf(" %10s", "-");
    else
        printf(" %10.4g", value);
}

static void print_table(const struct comparison *comparison, const struct compare_options *options)
{
    static const char *const columns[] = {"psi", "js", "ks", "w1_normalized", "cramers_v", "missing_rate"};
    const struct grid *grid = comparison->reference->grid;
    char from[32], to[32];
    printf("%" PRIu64 " events of %s..%s against %s\n", pane_set_events(&comparison->current.set),
           timestamp_format(comparison->current.first_ms, from),
           timestamp_format(comparison->current.last_end_ms, to),
           options->has_against ? "another stretch" : comparison->reference->name);
    if (comparison->current.edges_lost)
        printf("(panes that reach over the ends were left out)\n");
    printf("%-28s %9s", "feature", "n");
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        printf(" %10.10s", columns[i]);
    printf("  %s\n", "psi noise");
    for (uint32_t i = 0; i < grid->feature_count; i++) {
        const struct report_row *row = &comparison->rows[i];
        if (options->feature && strcmp(options->feature, grid->features[i].name) != 0)
            continue;
        printf("%-28s %9" PRIu64, grid->features[i].name, row->n);
        for (size_t j = 0; j < ARRAY_LEN(columns); j++)
            print_cell(value_of(columns[j], row));
        printf("  %.4g\n", floor_of(metric_find("psi"), row));
    }
}

typedef void print_fn(void *context, const char *feature, const struct metric *metric,
                      const struct report_row *row);

static void each_metric(const struct comparison *comparison, const struct compare_options *options,
                        print_fn *fn, void *context)
{
    const struct grid *grid = comparison->reference->grid;
    for (uint32_t i = 0; i < grid->feature_count; i++) {
        if (options->feature && strcmp(options->feature, grid->features[i].name) != 0)
            continue;
        for (uint32_t j = 0; j < metric_count; j++) {
            const struct metric *metric = &metric_table[j];
            if (has_metric(metric, &comparison->rows[i]) &&
                (!options->metric || strcmp(options->metric, metric->name) == 0))
                fn(context, grid->features[i].name, metric, &comparison->rows[i]);
        }
    }
}

static void print_line(void *context, const char *feature, const struct metric *metric,
                       const struct report_row *row)
{
    (void)context;
    char value[32], floor_text[32];
    printf("%s %s %s %" PRIu64 "\n", feature,
           isnan(row->slots[metric->slot]) ? "-" : double_format(row->slots[metric->slot], value),
           isnan(floor_of(metric, row)) ? "-" : double_format(floor_of(metric, row), floor_text), row->n);
}

static void print_csv(void *context, const char *feature, const struct metric *metric,
                      const struct report_row *row)
{
    (void)context;
    char number[32];
    putchar('"');
    for (const char *c = feature; *c; c++)
        printf(*c == '"' ? "\"\"" : "%c", *c);
    printf("\",%s,%s,", metric->name,
           isnan(row->slots[metric->slot]) ? "" : double_format(row->slots[metric->slot], number));
    printf("%s,", metric->p_slot < 0 || isnan(row->slots[metric->p_slot])
                      ? ""
                      : double_format(row->slots[metric->p_slot], number));
    printf("%s,%" PRIu64 ",%" PRIu64 ",%s\n",
           isnan(floor_of(metric, row)) ? "" : double_format(floor_of(metric, row), number), row->n,
           row->reference_n, status_of(metric, row));
}

static void print_json(void *context, const char *feature, const struct metric *metric,
                       const struct report_row *row)
{
    struct json *json = context;
    json_object_begin(json);
    json_member_string(json, "feature", feature);
    json_member_string(json, "metric", metric->name);
    json_member_number(json, "value", row->slots[metric->slot]);
    json_member_number(json, "p_value", metric->p_slot < 0 ? NAN : row->slots[metric->p_slot]);
    json_member_number(json, "noise_floor", floor_of(metric, row));
    json_member_unsigned(json, "n", row->n);
    json_member_unsigned(json, "reference_n", row->reference_n);
    json_member_string(json, "status", status_of(metric, row));
    json_object_end(json);
}

static void print_all_json(const struct comparison *comparison, const struct compare_options *options)
{
    struct strbuf out;
    struct json json;
    char time[32];
    strbuf_init(&out, 64 << 20);
    json_init(&json, &out);
    json_object_begin(&json);
    json_member_string(&json, "model", options->model);
    json_member_string(&json, "reference", options->has_against ? NULL : comparison->reference->name);
    json_member_string(&json, "from", timestamp_format(comparison->current.first_ms, time));
    json_member_string(&json, "to", timestamp_format(comparison->current.last_end_ms, time));
    json_member_unsigned(&json, "events", pane_set_events(&comparison->current.set));
    json_member_bool(&json, "edges_lost", comparison->current.edges_lost);
    json_key(&json, "metrics");
    json_array_begin(&json);
    each_metric(comparison, options, print_json, &json);
    json_array_end(&json);
    json_object_end(&json);
    puts(out.bytes);
    strbuf_release(&out);
}

static void print(const struct comparison *comparison, const struct compare_options *options)
{
    if (options->format == OUTPUT_JSON) {
        print_all_json(comparison, options);
    } else if (options->format == OUTPUT_CSV) {
        puts("feature,metric,value,p_value,noise_floor,n,reference_n,status");
        each_metric(comparison, options, print_csv, NULL);
    } else if (options->metric) {
        each_metric(comparison, options, print_line, NULL);
    } else {
        print_table(comparison, options);
    }
}

int command_compare(int argc, char **argv)
{
    struct compare_options options = {.from_ms = INT64_MIN, .to_ms = INT64_MIN};
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    if (options.second_version)
        return compare_versions(command, &options.source,
                                &(struct versions_to_compare){options.model, options.first_version,
                                                              options.second_version, options.from_ms,
                                                              options.to_ms, options.format});
    struct reader *reader = NULL;
    status = cli_open_reader(command, &options.source, &reader);
    if (status != EXIT_OK)
        return status;
    struct comparison comparison = {0};
    struct err err = {0};
    int code = compute(reader, &options, &comparison, &err);
    if (code == 0)
        print(&comparison, &options);
    else
        status = cli_fail(command, err_exit_status(code), "%s", err.message);
    history_release(&comparison.current);
    history_release(&comparison.against);
    free(comparison.rows);
    feature_layout_free(comparison.coarse);
    reference_free(comparison.reference);
    reader_close(reader);
    return status;
}
