#include "agent/engine_sequence.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/digest.h"
#include "agent/sequence_panes.h"
#include "detectors/kpi_slots.h"
#include "detectors/latency_slots.h"
#include "detectors/sequence.h"

enum { STATE_BYTES_MAX = 2 << 20 };
static const double probability_min = 1e-15; /* log loss of a certain prediction that was wrong is finite */

struct live_detector {
    const struct detector_config *config;
    char *subject; /* "<input>:<method>" */
    struct sequence *sequence;
    bool changed; /* since the last commit */
};

struct sequences {
    struct live_detector items[DETECTORS_MAX];
    uint32_t count;
    bool of_labels; /* some look at labelled predictions */
    struct sequence_panes panes;
    double *values; /* scratch of sequence_cap places */
    /* What the closing pane gave, until its rows are due. */
    struct report_row rows[DETECTORS_MAX];
    struct text names[DETECTORS_MAX];
    uint32_t row_count;
};

static bool looks_at_labels(const struct live_detector *detector)
{
    enum detector_source source = detector->config->source;
    return source == DETECTOR_ON_ERROR || source == DETECTOR_ON_SCORE_ERROR || source == DETECTOR_ON_LOSS;
}

/* ---- life ---- */

static int start_one(struct live_detector *detector, const struct detector_config *config)
{
    const char *method = sequential_describe(config->options.kind)->name;
    size_t size = strlen(config->on) + strlen(method) + 2;
    detector->config = config;
    detector->subject = malloc(size);
    detector->sequence = sequence_new(&config->options);
    if (!detector->subject || !detector->sequence)
        return ERR_NOMEM;
    (void)snprintf(detector->subject, size, "%s:%s", config->on, method);
    return 0;
}

int engine_sequence_start(struct version *version)
{
    const struct model_config *config = version->config;
    if (config->detector_count == 0)
        return 0;
    struct sequences *all = version->sequences = calloc(1, sizeof(*all));
    if (!all || !(all->values = malloc(config->sequence_cap * sizeof(*all->values))))
        return ERR_NOMEM;
    for (uint32_t i = 0; i < config->detector_count; i++) {
        struct live_detector *detector = &all->items[all->count++];
        int code = start_one(detector, &config->detectors[i]);
        if (code != 0)
            return code;
        all->of_labels |= looks_at_labels(detector);
    }
    return 0;
}

void engine_sequence_free(struct version *version)
{
    struct sequences *all = version->sequences;
    if (!all)
        return;
    for (uint32_t i = 0; i < all->count; i++) {
        free(all->items[i].subject);
        sequence_free(all->items[i].sequence);
    }
    sequence_panes_release(&all->panes);
    free(all->values);
    free(all);
    version->sequences = NULL;
}

/* ---- rows ---- */

static int put_rows(struct engine *engine, const struct series *series, int64_t end_ms,
                    struct report_row *rows, const struct text *names, uint32_t count)
{
    struct window_config pane = {.length_ms = engine->times.tiers_ms[0],
                                 .slide_ms = engine->times.tiers_ms[0]};
    return count ? engine_put_rows(engine, series, &pane, end_ms, 1, rows, names, count) : 0;
}

static uint32_t feed(struct engine *engine, struct live_detector *detector, const double *values,
                     uint32_t count, struct report_row *row, struct text *name)
{
    if (!sequence_feed(detector->sequence, values, count, row))
        return 0;
    detector->changed = true;
    engine->dirty = true;
    *name = text_of(detector->subject);
    return 1;
}

/* ---- labels ---- */

int engine_sequence_outcome(struct engine *engine, const struct series *whole,
                            const struct join_entry *prediction, const struct outcome_item *item)
{
    struct sequences *all = whole->version->sequences;
    if (!all || !all->of_labels || !item->labelled)
        return 0;
    struct sequence_outcome outcome = {.id_hash = prediction->id_hash,
                                       .ts_ms = prediction->ts_ms,
                                       .value = item->value,
                                       .truth = item->truth,
                                       .kind = item->kind,
                                       .predicted = item->predicted};
    int64_t start_ms = pane_start(&engine->times, 0, prediction->ts_ms);
    if (item->sign > 0)
        return sequence_panes_add(&all->panes, start_ms, &outcome, whole->version->config->sequence_cap);
    sequence_panes_take_back(&all->panes, start_ms, &outcome);
    return 0;
}

static double log_loss(double score, double truth)
{
    double p = truth > 0.5 ? score : 1 - score;
    return -log(fmin(fmax(p, probability_min), 1));
}

/* NaN: the outcome says nothing to this input. */
static double value_of(const struct sequence_outcome *outcome, enum detector_source source, double unit)
{
    double distance = outcome->value - outcome->truth;
    if (outcome->kind == OUTCOME_REGRESSION) {
        distance /= unit;
        return source == DETECTOR_ON_ERROR  ? (double)NAN
               : source == DETECTOR_ON_LOSS ? distance * distance
                                            : fabs(distance);
    }
    if (outcome->kind == OUTCOME_MULTICLASS) { /* slots of classes; two of `other` may be equal or not */
        bool unknown =
            outcome->predicted == OUTCOME_CLASS_OTHER && (uint8_t)outcome->truth == OUTCOME_CLASS_OTHER;
        if (source != DETECTOR_ON_ERROR || unknown)
            return (double)NAN;
        return outcome->predicted != (uint8_t)outcome->truth;
    }
    if (source == DETECTOR_ON_ERROR)
        return ((outcome->predicted != 0) != (outcome->truth > 0.5)) ? 1 : 0;
    if (isnan(outcome->value))
        return (double)NAN;
    return source == DETECTOR_ON_LOSS ? log_loss(outcome->value, outcome->truth) : fabs(distance);
}

int engine_sequence_mature(struct engine *engine, const struct version *version, int64_t end_ms)
{
    struct sequences *all = version->sequences;
    if (!all || !all->of_labels)
        return 0;
    uint32_t outcome_count, row_count = 0;
    const struct sequence_outcome *outcomes = sequence_panes_mature(
        &all->panes, end_ms - engine->times.tiers_ms[0], version->config->sequence_cap, &outcome_count);
    struct report_row rows[DETECTORS_MAX];
    struct text names[DETECTORS_MAX];
    for (uint32_t i = 0; i < all->count && outcome_count; i++) {
        struct live_detector *detector = &all->items[i];
        if (!looks_at_labels(detector))
            continue;
        for (uint32_t k = 0; k < outcome_count; k++)
            all->values[k] = value_of(&outcomes[k], detector->config->source, version->config->options.unit);
        row_count += feed(engine, detector, all->values, outcome_count, &rows[row_count], &names[row_count]);
    }
    sequence_panes_drop(&all->panes, end_ms);
    return put_rows(engine, version->whole, end_ms, rows, names, row_count);
}

/* ---- one value per pane ---- */

static double feature_value(const struct series *series, const struct pane_set *set,
                            const struct detector_config *config)
{
    const struct known_reference *known = series->version->reference;
    const struct tally *tally = set->parts[PANE_FEATURES];
    if (!known || !tally || set->basis[PANE_FEATURES] != known->grid->number)
        return (double)NAN;
    uint32_t feature = grid_find(set->layout->grid, text_of(config->name));
    return feature == UINT32_MAX ? (double)NAN
                                 : feature_mean(set->layout, tally, feature, config->standardise);
}

/* What a family says of the pane about a subject, as it would of a window. */
static double family_value(struct engine *engine, const struct series *series, const struct pane_set *set,
                           enum count_family family, struct text subject, int slot, int64_t end_ms)
{
    const struct family_ops *ops = family_table[family];
    const struct tally *current = set->parts[PANE_COUNTS + family];
    const struct known_reference *known = series->version->reference;
    struct family_report report = {.current = current,
                                   .reference = known ? known->reference : NULL,
                                   .options = &series->version->config->options,
                                   .tools = &engine->tools,
                                   .window_ms = engine->times.tiers_ms[0]};
    if (!current || tally_is_zero(current) || !set->parts[PANE_ACTIVITY])
        return (double)NAN;
    report.activity = set->parts[PANE_ACTIVITY]->counters;
    struct kpi_view kpi;
    if (family == COUNT_KPI && !engine_kpi_view(series, set, end_ms, 1, &kpi))
        return (double)NAN;
    report.kpi = family == COUNT_KPI ? &kpi : NULL;
    if ((engine->failed = engine_prepare_rows(engine, ops->rows_max(report.reference))) != 0)
        return (double)NAN;
    uint32_t count = ops->report(&report, engine->rows, engine->row_names);
    for (uint32_t i = 0; i < count; i++)
        if (text_equal(engine->row_names[i], subject))
            return engine->rows[i].slots[slot];
    return (double)NAN;
}

static double pane_value(struct engine *engine, const struct series *series, const struct pane_set *set,
                         const struct detector_config *config, int64_t end_ms)
{
    if (config->source == DETECTOR_ON_FEATURE)
        return feature_value(series, set, config);
    if (config->source == DETECTOR_ON_LATENCY)
        return family_value(engine, series, set, COUNT_LATENCY, text_of("@latency_ms"), LATENCY_P50, end_ms);
    if (config->source == DETECTOR_ON_KPI)
        return family_value(engine, series, set, COUNT_KPI, text_of(config->name), KPI_MEAN, end_ms);
    return (double)NAN;
}

int engine_sequence_close(struct engine *engine, const struct series *series, const struct pane_set *set,
                          int64_t end_ms)
{
    struct sequences *all = series->version->sequences;
    if (!all || series->segment[0] || pane_set_is_empty(set))
        return 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct live_detector *detector = &all->items[i];
        if (looks_at_labels(detector))
            continue;
        double value = pane_value(engine, series, set, detector->config, end_ms);
        if (engine->failed)
            return engine->failed;
        all->row_count +=
            feed(engine, detector, &value, 1, &all->rows[all->row_count], &all->names[all->row_count]);
    }
    return 0;
}

int engine_sequence_report(struct engine *engine, const struct series *series, int64_t end_ms)
{
    struct sequences *all = series->version->sequences;
    if (!all || series->segment[0])
        return 0;
    uint32_t count = all->row_count;
    all->row_count = 0;
    return put_rows(engine, series, end_ms, all->rows, all->names, count);
}

/* ---- checkpoints: a value of `meta` each, in hexadecimal ---- */

static void state_key(const struct series *whole, const struct live_detector *detector, struct strbuf *out)
{
    strbuf_reset(out);
    strbuf_addf(out, "detector:%" PRIu32 ":%s", whole->number, detector->subject);
}

static void put_one(struct engine *engine, const struct series *whole, struct live_detector *detector)
{
    struct strbuf key;
    strbuf_init(&key, 4096);
    strbuf_reset(&engine->scratch);
    sequence_encode(detector->sequence, &engine->scratch);
    state_key(whole, detector, &key);
    char *hex =
        strbuf_failed(&engine->scratch) || strbuf_failed(&key) ? NULL : malloc(2 * engine->scratch.len + 1);
    if (hex)
        store_put_meta(engine->batch, key.bytes, hex_encode(engine->scratch.bytes, engine->scratch.len, hex));
    else
        engine->failed = ERR_NOMEM;
    detector->changed = false;
    free(hex);
    strbuf_release(&key);
}

void engine_sequence_put(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->series_count && !engine->failed; i++) {
        const struct series *series = engine->series[i];
        struct sequences *all = series->version->sequences;
        for (uint32_t k = 0; all && !series->segment[0] && k < all->count; k++)
            if (all->items[k].changed)
                put_one(engine, series, &all->items[k]);
    }
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; the number of bytes, or SIZE_MAX. */
static size_t decode_hex(char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = digit_of(text[i]), low = digit_of(text[i + 1]);
        if (high < 0 || low < 0)
            return SIZE_MAX;
        text[i / 2] = (char)(unsigned char)(high << 4 | low);
    }
    return len % 2 ? SIZE_MAX : len / 2;
}

static int restore_one(struct engine *engine, const struct series *whole, struct live_detector *detector,
                       char *buffer)
{
    struct strbuf key;
    strbuf_init(&key, 4096);
    state_key(whole, detector, &key);
    int code = strbuf_failed(&key)
                   ? ERR_NOMEM
                   : store_load_meta(engine->settings.store, key.bytes, buffer, STATE_BYTES_MAX);
    strbuf_release(&key);
    if (code == ERR_NOT_FOUND)
        return 0; /* new in the configuration */
    if (code != 0)
        return code;
    size_t len = decode_hex(buffer);
    struct sequence *read = NULL;
    code = len == SIZE_MAX ? ERR_CORRUPT : sequence_decode(buffer, len, &detector->config->options, &read);
    if (code == ERR_NOT_FOUND)
        return 0; /* the configuration changed its parameters: it begins anew */
    if (code != 0)
        return code;
    sequence_free(detector->sequence);
    detector->sequence = read;
    return 0;
}

int engine_sequence_restore(struct engine *engine, struct err *err)
{
    char *buffer = malloc(STATE_BYTES_MAX);
    int code = buffer ? 0 : ERR_NOMEM;
    for (uint32_t i = 0; i < engine->series_count && code == 0; i++) {
        const struct series *series = engine->series[i];
        struct sequences *all = series->version->sequences;
        for (uint32_t k = 0; all && !series->segment[0] && k < all->count && code == 0; k++)
            code = restore_one(engine, series, &all->items[k], buffer);
    }
    free(buffer);
    return code ? err_set(err, code, "the change detectors in the store do not decode") : 0;
}
