/* `driftd compare`: a stretch of history against a reference or another stretch, afterwards, from the panes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/history.h"
#include "detectors/drift.h"

static const char help[] =
    "usage: driftd compare --model NAME --from TIME --to TIME [OPTIONS]\n"
    "\n"
    "Compares the events of [from, to) with a reference, or with another stretch of history, from what the "
    "store keeps:\n"
    "panes, not events. Works while the agent runs. Times are RFC 3339 or dates; both ends should lie on "
    "pane boundaries.\n"
    "\n"
    "  -m, --model NAME        -V, --version NAME (needed when there are several)    --segment KEY=VALUE\n"
    "      --from TIME --to TIME\n"
    "      --reference NAME    (default: the newest one of the model)\n"
    "      --against FROM..TO  another stretch instead of a reference\n"
    "  -f, --feature NAME      only this one\n"
    "      --metric NAME       only this one, as `feature value noise_floor n` lines\n"
    "      --json  --csv       all metrics\n"
    "  -s, --store PATH | -c, --config FILE\n"
    "  -h, --help              this text\n";

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct compare_options {
    const char *store, *config, *model, *version, *segment, *reference, *feature, *metric;
    int64_t from_ms, to_ms, against_from_ms, against_to_ms;
    bool has_from, has_to, has_against;
    enum format format;
};

struct comparison {
    struct reference *reference;
    struct feature_layout *coarse; /* for segments */
    const struct feature_layout *layout;
    struct history current, against;
    struct report_row *rows;
};

static int parse_time(const char *text, int64_t *out_ms)
{
    if (timestamp_parse(text_of(text), out_ms))
        return 0;
    (void)fprintf(stderr, "driftd compare: `%s` is no time; write 2026-03-01T00:00:00Z or 2026-03-01\n",
                  text);
    return -1;
}

static int parse_range(const char *text, int64_t *out_from_ms, int64_t *out_to_ms)
{
    const char *dots = strstr(text, "..");
    char from[64];
    if (!dots || (size_t)(dots - text) >= sizeof(from)) {
        (void)fprintf(stderr, "driftd compare: --against takes FROM..TO\n");
        return -1;
    }
    memcpy(from, text, (size_t)(dots - text));
    from[dots - text] = '\0';
    return parse_time(from, out_from_ms) || parse_time(dots + 2, out_to_ms) ? -1 : 0;
}

static int take_option(struct compare_options *options, int option, const char *value)
{
    switch (option) {
    case 's':
        options->store = value;
        return 0;
    case 'c':
        options->config = value;
        return 0;
    case 'm':
        options->model = value;
        return 0;
    case 'V':
        options->version = value;
        return 0;
    case 'f':
        options->feature = value;
        return 0;
    case '1':
        options->segment = value;
        return 0;
    case '2':
        options->has_from = true;
        return parse_time(value, &options->from_ms);
    case '3':
        options->has_to = true;
        return parse_time(value, &options->to_ms);
    case '4':
        options->reference = value;
        return 0;
    case '5':
        options->has_against = true;
        return parse_range(value, &options->against_from_ms, &options->against_to_ms);
    case '6':
        options->metric = value;
        return 0;
    case '7':
        options->format = FORMAT_JSON;
        return 0;
    case '8':
        options->format = FORMAT_CSV;
        return 0;
    default:
        return -1;
    }
}

static int parse(int argc, char **argv, struct compare_options *options)
{
    static const struct option longs[] = {{"store", required_argument, NULL, 's'},
                                          {"config", required_argument, NULL, 'c'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"version", required_argument, NULL, 'V'},
                                          {"feature", required_argument, NULL, 'f'},
                                          {"segment", required_argument, NULL, '1'},
                                          {"from", required_argument, NULL, '2'},
                                          {"to", required_argument, NULL, '3'},
                                          {"reference", required_argument, NULL, '4'},
                                          {"against", required_argument, NULL, '5'},
                                          {"metric", required_argument, NULL, '6'},
                                          {"json", no_argument, NULL, '7'},
                                          {"csv", no_argument, NULL, '8'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "s:c:m:V:f:h", longs, NULL)) != -1;) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            return 1 + EXIT_OK;
        }
        if (take_option(options, option, optarg) != 0)
            return 1 + EXIT_USAGE;
    }
    if (!options->model || !options->has_from || !options->has_to || options->from_ms >= options->to_ms ||
        optind < argc) {
        (void)fputs("driftd compare: needs --model, --from and a later --to; see `driftd compare --help`\n",
                    stderr);
        return 1 + EXIT_USAGE;
    }
    if (options->metric && !metric_find(options->metric)) {
        (void)fprintf(stderr, "driftd compare: there is no metric `%s`\n", options->metric);
        return 1 + EXIT_USAGE;
    }
    return 0;
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
    json_key(json, "feature");
    json_string(json, feature);
    json_key(json, "metric");
    json_string(json, metric->name);
    json_key(json, "value");
    json_number(json, row->slots[metric->slot]);
    json_key(json, "p_value");
    json_number(json, metric->p_slot < 0 ? NAN : row->slots[metric->p_slot]);
    json_key(json, "noise_floor");
    json_number(json, floor_of(metric, row));
    json_key(json, "n");
    json_unsigned(json, row->n);
    json_key(json, "reference_n");
    json_unsigned(json, row->reference_n);
    json_key(json, "status");
    json_string(json, status_of(metric, row));
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
    json_key(&json, "model");
    json_string(&json, options->model);
    json_key(&json, "reference");
    json_string(&json, options->has_against ? NULL : comparison->reference->name);
    json_key(&json, "from");
    json_string(&json, timestamp_format(comparison->current.first_ms, time));
    json_key(&json, "to");
    json_string(&json, timestamp_format(comparison->current.last_end_ms, time));
    json_key(&json, "events");
    json_unsigned(&json, pane_set_events(&comparison->current.set));
    json_key(&json, "edges_lost");
    json_bool(&json, comparison->current.edges_lost);
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
    if (options->format == FORMAT_JSON) {
        print_all_json(comparison, options);
    } else if (options->format == FORMAT_CSV) {
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
    struct compare_options options = {0};
    int stop = parse(argc, argv, &options);
    if (stop)
        return stop - 1;
    struct reader *reader = NULL;
    int status = cli_open_reader("compare", options.store, options.config, &reader);
    if (status != 0)
        return status;
    struct comparison comparison = {0};
    struct err err = {0};
    int code = compute(reader, &options, &comparison, &err);
    if (code == 0)
        print(&comparison, &options);
    else
        (void)fprintf(stderr, "driftd compare: %s\n", err.message);
    history_release(&comparison.current);
    history_release(&comparison.against);
    free(comparison.rows);
    feature_layout_free(comparison.coarse);
    reference_free(comparison.reference);
    reader_close(reader);
    return err_exit_status(code);
}
