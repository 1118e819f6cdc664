/* driftd explain: what drifted in the newest window, in which bins, and in which segments. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/history.h"
#include "detectors/attribution.h"
#include "detectors/drift.h"

enum { TOP_DEFAULT = 3, TOP_MAX = 100, BINS_MAX = GRID_CATEGORIES_MAX + 8, BINS_SHOWN = 5, NAME_BYTES = 512 };
static const char command[] = "explain";

static const char help[] =
    "usage: driftd explain MODEL [-V VERSION] [--window LENGTH] [--top N] [--json] [--store PATH | -c "
    "FILE]\n\n"
    "Where the drift of a model's newest window comes from: features by how far they moved, the bins that\n"
    "carry it, and what each segment adds: by its share of events (mix) or by other values inside it "
    "(within).\n\n"
    "  -V, --version NAME  the model's version; not needed when it has one\n"
    "      --window LENGTH windows of that length (default: the shortest)\n"
    "      --top N         bins and segments of the N features that moved most (default 3)\n"
    "      --json          the same for machines\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

struct question {
    struct cli_source source;
    const char *model, *version;
    int64_t window_ms; /* INT64_MIN: the shortest */
    uint64_t top;
    enum output_format format;
    struct reader *reader;
    char version_name[NAME_BYTES];
    int64_t window_s, window_end_s;
};

#define WHOLE " model = ?1 AND version = ?2 AND segment = '' AND monitor = 'drift'"

static int keep_window(void *context, const struct reader_row *row)
{
    struct question *question = context;
    question->window_s = row->cells[0].integer;
    question->window_end_s = row->cells[1].integer;
    return 0;
}

/* Which window is asked about. */
static int find_window(struct question *question, struct err *err)
{
    struct reader_cell parameters[] = {reader_string_cell(question->model),
                                       reader_string_cell(question->version),
                                       reader_integer_cell(question->window_ms / 1000)};
    const struct reader_query query = {.sql = "SELECT window_s, window_end_s FROM v1_latest WHERE" WHOLE
                                              " AND (?3 < 0 OR window_s = ?3)"
                                              " ORDER BY window_s, window_end_s DESC LIMIT 1",
                                       .parameters = parameters,
                                       .parameter_count = ARRAY_LEN(parameters)};
    int code = reader_query(question->reader, &query, keep_window, question, NULL, err);
    if (code == 0 && question->window_s == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "the store has no drift results of model `%s` version `%s`%s: see driftd status",
                       question->model, question->version,
                       question->window_ms > 0 ? " in windows of that length" : "");
    return code;
}

static int print_query(const struct question *question, const char *sql)
{
    struct cli_filter filter = {.count = 4};
    filter.values[0] = reader_string_cell(question->model);
    filter.values[1] = reader_string_cell(question->version);
    filter.values[2] = reader_integer_cell(question->window_s);
    filter.values[3] = reader_integer_cell(question->window_end_s);
    return cli_print(
        command, question->reader,
        &(struct cli_query){.select = sql, .filter = &filter, .format = question->format, .none = "nothing"});
}

/* ---- features ---- */

#define VALUE_OF(metric) "max(CASE metric WHEN '" metric "' THEN value END)"
static const char features_sql[] = "SELECT feature, " VALUE_OF("psi_debiased") " AS psi_debiased, " VALUE_OF(
    "psi") " AS psi,"
           " max(CASE metric WHEN 'psi' THEN p_value END) AS p, " VALUE_OF(
               "js") " AS js,"
                     " " VALUE_OF("w1_normalized") " AS w1_normalized, max(n) AS n,"
                                                   " CASE max(CASE state WHEN 'critical' THEN 2 WHEN "
                                                   "'warning' THEN 1 ELSE 0 END)"
                                                   " WHEN 2 THEN 'critical' WHEN 1 THEN 'warning' ELSE 'ok' "
                                                   "END AS state"
                                                   " FROM v1_latest WHERE" WHOLE
                                                   " AND window_s = ?3 AND window_end_s = ?4"
                                                   " GROUP BY feature ORDER BY 2 DESC, 1";

/* The features that moved most, for the other sections. */
struct ranking {
    char names[TOP_MAX][NAME_BYTES];
    uint32_t count;
};

static int keep_name(void *context, const struct reader_row *row)
{
    struct ranking *ranking = context;
    struct text name = row->cells[0].text;
    if (row->cells[1].type == READER_REAL && name.len < NAME_BYTES)
        (void)snprintf(ranking->names[ranking->count++], NAME_BYTES, "%.*s", (int)name.len, name.ptr);
    return 0;
}

static int rank(const struct question *question, struct ranking *out, struct err *err)
{
    struct reader_cell parameters[] = {
        reader_string_cell(question->model), reader_string_cell(question->version),
        reader_integer_cell(question->window_s), reader_integer_cell(question->window_end_s)};
    const struct reader_query query = {.sql = features_sql,
                                       .parameters = parameters,
                                       .parameter_count = ARRAY_LEN(parameters),
                                       .rows_max = question->top};
    out->count = 0;
    return reader_query(question->reader, &query, keep_name, out, NULL, err);
}

/* ---- bins ---- */

struct shares {
    double now[BINS_MAX];
    uint32_t count;
};

static int keep_share(void *context, const struct reader_row *row)
{
    struct shares *shares = context;
    if (shares->count < BINS_MAX)
        shares->now[shares->count++] = row->cells[0].real;
    return 0;
}

static int load_shares(const struct question *question, const char *feature, struct shares *out,
                       struct err *err)
{
    struct reader_cell parameters[] = {
        reader_string_cell(question->model), reader_string_cell(question->version),
        reader_integer_cell(question->window_s), reader_integer_cell(question->window_end_s),
        reader_string_cell(feature)};
    const struct reader_query query = {
        .sql =
            "SELECT share FROM v1_bins WHERE model = ?1 AND version = ?2 AND segment = '' AND window_s = ?3"
            " AND window_end_s = ?4 AND feature = ?5 ORDER BY bin",
        .parameters = parameters,
        .parameter_count = ARRAY_LEN(parameters)};
    out->count = 0;
    return reader_query(question->reader, &query, keep_share, out, NULL, err);
}

/* The bins of a feature that moved most. */
static int print_bins_of(const struct question *question, const struct reference *reference,
                         const char *feature, struct output *output, struct err *err)
{
    static const char *const names[] = {"feature", "bin", "share_before", "share_now", "psi_term"};
    struct drift_bin bins[BINS_MAX];
    struct shares shares;
    uint32_t index = grid_find(reference->grid, text_of(feature));
    int code = load_shares(question, feature, &shares, err);
    if (code != 0 || index == UINT32_MAX)
        return code;
    uint32_t count = drift_bins(reference->layout, reference->features, reference->layout,
                                reference->features, index, bins, BINS_MAX);
    bool shown[BINS_MAX] = {false};
    for (int i = 0; code == 0 && i < BINS_SHOWN && count == shares.count; i++) {
        uint32_t best = UINT32_MAX;
        double most = 0;
        for (uint32_t b = 0; b < count; b++) { /* a 16-bit share of 0 may be up to half of a unit */
            double now = fmax(shares.now[b], 0.5 / 65535),
                   before = fmax(bins[b].reference_share, 0.5 / 65535);
            double term = psi_term(before, now);
            if (!shown[b] && term > most) {
                most = term;
                best = b;
            }
        }
        if (best == UINT32_MAX)
            break;
        shown[best] = true;
        const struct reader_cell cells[] = {reader_string_cell(feature),
                                            reader_string_cell(bins[best].label),
                                            {READER_REAL, 0, bins[best].reference_share, {NULL, 0}},
                                            {READER_REAL, 0, shares.now[best], {NULL, 0}},
                                            {READER_REAL, 0, most, {NULL, 0}}};
        const struct reader_row row = {ARRAY_LEN(cells), names, cells};
        code = output_row(output, &row);
    }
    return code;
}

static int print_bins(const struct question *question, const struct ranking *ranking, struct err *err)
{
    struct reference *reference = NULL;
    uint32_t grid;
    int code =
        history_reference(question->reader, NULL, question->model, question->version, &reference, &grid, err);
    struct output *output = code == 0 ? output_new(stdout, question->format) : NULL;
    if (code == 0 && !output)
        code = ERR_NOMEM;
    for (uint32_t i = 0; code == 0 && i < ranking->count; i++)
        code = print_bins_of(question, reference, ranking->names[i], output, err);
    reference_free(reference);
    if (code == 0)
        return output_end(output, "nothing");
    output_free(output);
    return code;
}

/* ---- segments ---- */

#define PART_OF(metric) "max(CASE metric WHEN '" metric "' THEN value END)"
static const char segments_sql[] = "SELECT feature, segment, " PART_OF("cause_share") " AS share, " PART_OF(
    "cause_mix") " AS mix,"
                 " " PART_OF("cause_within") " AS within, max(CASE metric WHEN 'cause_part' THEN p_value "
                                             "END) AS p, max(n) AS n"
                                             " FROM v1_latest WHERE model = ?1 AND version = ?2 AND monitor "
                                             "= 'cause' AND window_s = ?3"
                                             " AND window_end_s = ?4 GROUP BY feature, segment ORDER BY "
                                             "feature, 3 DESC, 2";

static void title(const struct question *question, const char *name, const char *words, const char *comma)
{
    if (question->format == OUTPUT_JSON)
        printf("%s\"%s\": ", comma, name);
    else
        printf("%s%s\n", comma[0] ? "\n" : "", words);
}

static int answer(struct question *question, struct err *err)
{
    struct ranking ranking;
    char end[32], length[48];
    int code = rank(question, &ranking, err);
    if (code != 0)
        return code;
    if (question->format == OUTPUT_JSON)
        printf("{\"window_end\": \"%s\", \"window_s\": %" PRId64 ", ",
               timestamp_format(question->window_end_s * 1000, end), question->window_s);
    else
        printf("model %s version %s, %s to %s\n\n", question->model, question->version,
               duration_format(question->window_s * 1000, length),
               timestamp_format(question->window_end_s * 1000, end));
    title(question, "features", "Features by drift", "");
    int status = print_query(question, features_sql);
    title(question, "bins", "Bins that carry it", ",");
    if (status == EXIT_OK && (code = print_bins(question, &ranking, err)) != 0)
        return code;
    title(question, "segments", "What each segment adds", ",");
    if (status == EXIT_OK)
        status = print_query(question, segments_sql);
    if (question->format == OUTPUT_JSON)
        puts("}");
    return status == EXIT_OK ? 0 : err_set(err, ERR_IO, "the answer could not be written");
}

int command_explain(int argc, char **argv)
{
    struct question question = {.window_ms = INT64_MIN, .top = TOP_DEFAULT, .format = OUTPUT_TABLE};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(question.source),
        {.name = "version", .letter = 'V', .text = &question.version},
        {.name = "window", .length_ms = &question.window_ms},
        {.name = "top", .count = &question.top, .least = 1, .most = TOP_MAX},
        {.name = "json", .json = &question.format},
    };
    struct cli_operands operands;
    const struct cli_command words = {.name = command,
                                      .help = help,
                                      CLI_ROWS(rows),
                                      .operands_least = 1,
                                      .operands_most = 1,
                                      .operand = "say which model"};
    int status = cli_parse(&words, argc, argv, &operands);
    if (status != CLI_GO_ON)
        return status;
    question.model = operands.items[0];
    status = cli_open_reader(command, &question.source, &question.reader);
    if (status != EXIT_OK)
        return status;
    struct err err = {0};
    int code = 0;
    if (!question.version) {
        code = history_version(question.reader, question.model, question.version_name,
                               sizeof(question.version_name), &err);
        question.version = question.version_name;
    }
    if (code == 0)
        code = find_window(&question, &err);
    if (code == 0)
        code = answer(&question, &err);
    reader_close(question.reader);
    return code == 0 ? EXIT_OK : cli_fail(command, EXIT_FAILURE, "%s", err.message);
}
