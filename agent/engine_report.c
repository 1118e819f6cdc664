/* From a window's tallies to stored rows and judged findings. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_estimates.h"
#include "agent/engine_internal.h"
#include "agent/engine_past.h"
#include "agent/base/json.h"
#include "detectors/cardinality.h"
#include "detectors/duplicates.h"
#include "detectors/throughput.h"
#include "detectors/quality_report.h"

enum { BINS_MAX = GRID_CATEGORIES_MAX + 8 };

struct finding_bins {                    /* what the body of an alert may ask for */
    const struct feature_causes *causes; /* by feature; NULL: a segment's own report */
    const struct feature_layout *layout, *reference_layout;
    const struct tally *current, *reference;
};

static uint32_t causes(void *context, const struct report_row *row, const struct cause_share **out)
{
    const struct finding_bins *source = context;
    if (!source->causes)
        return 0;
    *out = source->causes[row->subject].items;
    return source->causes[row->subject].count;
}

static void bins_json(void *context, const struct report_row *row, struct strbuf *out)
{
    const struct finding_bins *source = context;
    struct drift_bin bins[BINS_MAX];
    uint32_t count = drift_bins(source->layout, source->current, source->reference_layout, source->reference,
                                row->subject, bins, BINS_MAX);
    struct json json;
    json_init(&json, out);
    json_array_begin(&json);
    for (uint32_t i = 0; i < count; i++) {
        json_object_begin(&json);
        json_member_string(&json, "bin", bins[i].label);
        json_member_number(&json, "reference_share", round(bins[i].reference_share * 1e6) / 1e6);
        json_member_number(&json, "share", round(bins[i].share * 1e6) / 1e6);
        json_member_number(&json, "psi_term", bins[i].psi_term);
        json_object_end(&json);
    }
    json_array_end(&json);
}

/* Shares of the bins as big-endian u16 of 65535: what v1_bins decodes. */
static uint32_t encode_bins(const struct finding_bins *source, uint32_t subject, uint8_t *out)
{
    struct drift_bin bins[BINS_MAX];
    uint32_t count = drift_bins(source->layout, source->current, source->reference_layout, source->reference,
                                subject, bins, BINS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        double share = bins[i].share;
        uint32_t scaled = share > 0 ? (uint32_t)(share * 65535.0 + 0.5) : 0;
        out[2 * i] = (uint8_t)(scaled >> 8);
        out[2 * i + 1] = (uint8_t)scaled;
    }
    return count;
}

static int store_rows(struct engine *engine, const struct series *series, const struct window_config *window,
                      int64_t end_ms, uint32_t revision, const struct finding_bins *bins)
{
    const struct known_reference *known = series->version->reference;
    const struct grid *grid = known->reference->grid;
    int64_t wall_ms = engine->settings.clock->wall_ms(engine->settings.clock);
    for (uint32_t i = 0; i < grid->feature_count; i++) {
        uint8_t encoded[2 * BINS_MAX];
        uint32_t bin_count = encode_bins(bins, i, encoded);
        struct stored_result result = {.window_end_ms = end_ms,
                                       .window_ms = window->length_ms,
                                       .series = series->number,
                                       .subject = known->grid->subjects[i],
                                       .reference = known->number,
                                       .revision = revision,
                                       .closed_wall_ms = wall_ms,
                                       .row = &engine->rows[i],
                                       .bins = encoded,
                                       .bin_count = bin_count};
        store_put_result(engine->batch, &result);
        engine->stats.rows_reported++;
    }
    return store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
}

static int judge_rows(struct engine *engine, const struct series *series, const struct window_config *window,
                      int64_t end_ms, struct finding_bins *bins)
{
    const struct reference *reference = series->version->reference->reference;
    for (uint32_t i = 0; i < reference->grid->feature_count; i++)
        engine->row_names[i] = text_of(reference->grid->features[i].name);
    struct finding_context context = {.model = text_of(series->version->model),
                                      .version = text_of(series->version->name),
                                      .segment = text_of(series->segment),
                                      .window_start_ms = end_ms - window->length_ms,
                                      .window_end_ms = end_ms,
                                      .reference_name = reference->name,
                                      .reference_hash = reference->hash,
                                      .bins_json = bins_json,
                                      .causes = causes,
                                      .context = bins};
    return alerting_feed(engine->settings.alerting, &context, engine->rows, engine->row_names,
                         reference->grid->feature_count);
}

static uint32_t window_flags(const struct engine *engine, const struct series *series,
                             const struct window_config *window, int64_t end_ms)
{
    bool incomplete = engine->incomplete || end_ms - window->length_ms < series->incomplete_until_ms;
    return (series->version->capped ? REPORT_CAPPED : 0u) | (incomplete ? REPORT_INCOMPLETE : 0u);
}

static int report_features(struct engine *engine, const struct series *series, uint32_t window_index,
                           const struct pane_set *set, int64_t end_ms, uint32_t revision)
{
    const struct window_config *window = &engine->config->windows[window_index];
    const struct known_reference *known = series->version->reference;
    if (!known || !set->parts[PANE_FEATURES] || set->basis[PANE_FEATURES] != known->grid->number)
        return 0; /* nothing to compare yet */
    const struct reference *reference = known->reference;
    struct finding_bins bins = {NULL, set->layout, reference->layout, set->parts[PANE_FEATURES],
                                reference->features};
    engine->drift.n_min = series->version->config->options.n_min;
    drift_report(bins.layout, bins.current, bins.reference_layout, bins.reference, &engine->drift,
                 engine->rows);
    uint32_t flags = window_flags(engine, series, window, end_ms);
    for (uint32_t i = 0; i < reference->grid->feature_count; i++)
        engine->rows[i].flags |= flags;
    int code = store_rows(engine, series, window, end_ms, revision, &bins);
    if (code == 0 && revision == 1 && series->segment[0] == '\0')
        code = engine_explain(engine, series, window_index, set, engine->rows, end_ms);
    if (series->segment[0] == '\0')
        bins.causes = engine->causes;
    if (code == 0 && revision == 1)
        code = judge_rows(engine, series, window, end_ms, &bins);
    return code;
}

/* ---- data quality of the features ---- */

enum { TOP_CATEGORIES = 5 };

static void note_unseen(struct json *json, const struct name_sketch *sketch, struct text subject)
{
    struct sketched_name names[NAME_SKETCH_NAMES];
    uint32_t count = sketch ? name_sketch_names(sketch, subject, names) : 0;
    if (count == 0)
        return;
    json_key(json, "unseen");
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) {
        json_array_begin(json);
        json_text(json, names[i].name);
        json_unsigned(json, names[i].count);
        json_array_end(json);
    }
    json_array_end(json);
}

static void note_top(struct json *json, const struct pane_set *set, const struct report_row *row)
{
    const struct feature_grid *feature = &set->layout->grid->features[row->subject];
    const uint64_t *slots = set->parts[PANE_FEATURES]->counters + set->layout->slot_at[row->subject];
    uint16_t top[TOP_CATEGORIES];
    uint32_t count = quality_top(feature, slots, top, TOP_CATEGORIES);
    if (count == 0)
        return;
    json_key(json, "top");
    json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) {
        json_array_begin(json);
        json_string(json, feature->categories[top[i]]);
        json_unsigned(json, slots[top[i]]);
        json_array_end(json);
    }
    json_array_end(json);
}

/* Names that belong to a row of quality, as JSON for v1_categories and v1_unseen; an even number of bytes. */
static void note_of(const struct series *series, const struct pane_set *set, const struct report_row *row,
                    struct text name, struct strbuf *out)
{
    const struct known_reference *known = series->version->reference;
    bool quality = row->family == FAMILY_QUALITY;
    bool categorical = quality && row->flags & REPORT_CATEGORICAL;
    if (!known || !(categorical || row->family == FAMILY_FIELDS))
        return;
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    size_t empty = out->len;
    if (categorical)
        note_top(&json, set, row);
    note_unseen(&json, set->basis[PANE_PART_NAMES] == known->number ? set->names : NULL, name);
    if (out->len == empty) {
        strbuf_reset(out);
        return;
    }
    json_object_end(&json);
    if (out->len % 2)
        strbuf_addc(out, ' ');
}

/* ---- families beside the features ---- */

/* `set` is what the rows were made of: some have names to show. NULL: none has. */
static int put_rows(struct engine *engine, const struct series *series, const struct window_config *window,
                    int64_t end_ms, uint32_t revision, struct report_row *rows, const struct text *names,
                    uint32_t count, const struct pane_set *set)
{
    const struct known_reference *known = series->version->reference;
    uint32_t flags = window_flags(engine, series, window, end_ms);
    if (count && (rows[0].family == FAMILY_SEASONAL || rows[0].family == FAMILY_ROLLING))
        known = NULL; /* the past is no reference with a name */
    for (uint32_t i = 0; i < count; i++) {
        strbuf_reset(&engine->scratch);
        if (set)
            note_of(series, set, &rows[i], names[i], &engine->scratch);
        if (strbuf_failed(&engine->scratch))
            return ERR_NOMEM;
        rows[i].flags |= flags;
        struct stored_result result = {
            .window_end_ms = end_ms,
            .window_ms = window->length_ms,
            .series = series->number,
            .subject = engine_subject(engine, names[i]),
            .reference =
                known && rows[i].reference_n && !(rows[i].flags & REPORT_NO_REFERENCE) ? known->number : 0,
            .revision = revision,
            .closed_wall_ms = engine->settings.clock->wall_ms(engine->settings.clock),
            .row = &rows[i]};
        if (engine->scratch.len) {
            result.bins = (const uint8_t *)engine->scratch.bytes;
            result.bin_count = (uint32_t)(engine->scratch.len / 2);
        }
        if (result.subject == 0)
            continue; /* no room for another name */
        store_put_result(engine->batch, &result);
        engine->stats.rows_reported++;
    }
    if (store_batch_failed(engine->batch))
        return ERR_NOMEM;
    if (revision != 1 || count == 0)
        return 0;
    struct finding_context context = {.model = text_of(series->version->model),
                                      .version = text_of(series->version->name),
                                      .segment = text_of(series->segment),
                                      .window_start_ms = end_ms - window->length_ms,
                                      .window_end_ms = end_ms,
                                      .reference_name = known ? known->reference->name : NULL,
                                      .reference_hash = known ? known->reference->hash : NULL};
    return alerting_feed(engine->settings.alerting, &context, rows, names, count);
}

int engine_put_rows(struct engine *engine, const struct series *series, const struct window_config *window,
                    int64_t end_ms, uint32_t revision, struct report_row *rows, const struct text *names,
                    uint32_t count)
{
    return put_rows(engine, series, window, end_ms, revision, rows, names, count, NULL);
}

static int report_quality(struct engine *engine, const struct series *series,
                          const struct window_config *window, const struct pane_set *set, int64_t end_ms,
                          uint32_t revision)
{
    const struct known_reference *known = series->version->reference;
    const struct tally *types = set->parts[PANE_COUNTS + COUNT_TYPES];
    if (!known || !set->parts[PANE_FEATURES] || set->basis[PANE_FEATURES] != known->grid->number ||
        (series->segment[0] && !series->version->config->segment_quality))
        return 0;
    const struct reference *reference = known->reference;
    const struct reference_segment *segment = reference_segment(reference, text_of(series->segment));
    if (set->basis[PANE_COUNTS + COUNT_TYPES] != known->number)
        types = NULL;
    struct quality_input input = {.layout = set->layout,
                                  .current = set->parts[PANE_FEATURES],
                                  .reference_layout = reference->layout,
                                  .reference = reference->features,
                                  .segment = segment ? segment->features : NULL,
                                  .types = types,
                                  .reference_types = reference->counts[COUNT_TYPES],
                                  .n_min = series->version->config->options.n_min};
    quality_report(&input, engine->rows);
    for (uint32_t i = 0; i < reference->grid->feature_count; i++)
        engine->row_names[i] = text_of(reference->grid->features[i].name);
    return put_rows(engine, series, window, end_ms, revision, engine->rows, engine->row_names,
                    reference->grid->feature_count, set);
}

/* What the reference holds of a family, when it was counted alike. */
static const struct tally *baseline_of(const struct reference *reference, int family,
                                       const struct tally *current)
{
    const struct tally *baseline = reference->counts[family];
    bool alike = baseline && baseline->size.counters == current->size.counters &&
                 baseline->size.sums == current->size.sums;
    return alike ? baseline : NULL;
}

static int report_family(struct engine *engine, const struct series *series,
                         const struct window_config *window, const struct pane_set *set, int family,
                         int64_t end_ms, uint32_t revision)
{
    const struct family_ops *ops = family_table[family];
    const struct tally *current = set->parts[PANE_COUNTS + family];
    const struct known_reference *known = series->version->reference;
    if (!current || tally_is_zero(current) ||
        (ops->of_reference && (!known || set->basis[PANE_COUNTS + family] != known->number)))
        return 0;
    struct kpi_view kpi;
    bool is_kpi = family == COUNT_KPI || family == COUNT_KPI_TAILS;
    if (is_kpi && !engine_kpi_view(series, set, end_ms, revision, &kpi))
        return 0;
    const struct labelled *labelled =
        family == COUNT_SCORES ? engine_estimates_reference(
                                     series, (uint32_t)(window - engine->config->windows), end_ms, revision)
                               : NULL;
    struct family_report report = {.current = current,
                                   .baseline = known ? baseline_of(known->reference, family, current) : NULL,
                                   .reference = known ? known->reference : NULL,
                                   .labelled = labelled,
                                   .options = &series->version->config->options,
                                   .tools = &engine->tools,
                                   .activity = set->parts[PANE_ACTIVITY]->counters,
                                   .window_ms = window->length_ms,
                                   .kpi = is_kpi ? &kpi : NULL};
    int code = engine_prepare_rows(engine, ops->rows_max(report.reference));
    if (code != 0)
        return code;
    uint32_t count = ops->report(&report, engine->rows, engine->row_names);
    for (uint32_t i = 0; i < count; i++)
        if (engine->rows[i].family == FAMILY_ESTIMATED && labelled == series->version->labelled)
            engine->rows[i].flags |= REPORT_NO_REFERENCE;
    return put_rows(engine, series, window, end_ms, revision, engine->rows, engine->row_names, count, set);
}

static int report_volume(struct engine *engine, const struct series *series,
                         const struct window_config *window, const struct pane_set *set, int64_t end_ms,
                         uint32_t revision)
{
    const struct known_reference *known = series->version->reference;
    const uint64_t *activity = set->parts[PANE_ACTIVITY]->counters;
    struct report_row rows[2];
    struct text names[2] = {text_of("@events"), text_of("@events")};
    uint32_t count = 1;
    throughput_report(activity, window->length_ms, &rows[0]);
    if (engine->config->dedup && !series->segment[0])
        count += duplicates_report(activity, set->parts[PANE_COUNTS + COUNT_DUPLICATES],
                                   known ? &known->reference->duplicates : NULL, &rows[1]);
    return engine_put_rows(engine, series, window, end_ms, revision, rows, names, count);
}

static int report_cardinality(struct engine *engine, const struct series *series,
                              const struct window_config *window, const struct pane_set *set, int64_t end_ms,
                              uint32_t revision)
{
    const struct known_reference *known = series->version->reference;
    const struct model_options *options = &series->version->config->options;
    if (!set->distinct || !options->cardinality)
        return 0;
    struct report_row rows[CARDINALITY_FEATURES_MAX];
    struct text names[CARDINALITY_FEATURES_MAX];
    uint32_t count = cardinality_report(set->distinct, known ? known->reference->distinct : NULL,
                                        options->cardinality, options->n_min, rows, names);
    return engine_put_rows(engine, series, window, end_ms, revision, rows, names, count);
}

int engine_report(struct engine *engine, struct series *series, uint32_t window, const struct pane_set *set,
                  int64_t end_ms, uint32_t revision)
{
    const struct window_config *config = &engine->config->windows[window];
    int code = report_features(engine, series, window, set, end_ms, revision);
    if (code == 0)
        code = report_quality(engine, series, config, set, end_ms, revision);
    if (code == 0)
        code = engine_volume_report(engine, series, config, end_ms, revision);
    if (code == 0 && revision == 1)
        code = engine_past_report(engine, series, window, set, end_ms);
    for (int family = 0; code == 0 && family < COUNT_FAMILY_COUNT; family++)
        code = report_family(engine, series, config, set, family, end_ms, revision);
    if (code == 0)
        code = report_volume(engine, series, config, set, end_ms, revision);
    if (code == 0)
        code = report_cardinality(engine, series, config, set, end_ms, revision);
    return code;
}

/* ---- what alerting decides goes into the batch ---- */

static int put_alert(void *context, const struct alert_row *row)
{
    struct engine *engine = context;
    store_put_alert(engine->batch, row);
    return 0;
}

static int put_transition(void *context, const struct alert_transition *transition)
{
    struct engine *engine = context;
    store_put_transition(engine->batch, transition);
    return 0;
}

static int queue_outbox(struct engine *engine, const struct outbox_item *item, int64_t wall_ms)
{
    size_t sink_len = strlen(item->sink) + 1, entity_len = strlen(item->entity_key) + 1;
    struct outbox_entry *entry = calloc(1, sizeof(*entry));
    char *memory = malloc(sink_len + entity_len + item->body_len + 1);
    if (!entry || !memory) {
        free(entry);
        free(memory);
        return ERR_NOMEM;
    }
    memcpy(memory, item->sink, sink_len);
    memcpy(memory + sink_len, item->entity_key, entity_len);
    memcpy(memory + sink_len + entity_len, item->body, item->body_len);
    memory[sink_len + entity_len + item->body_len] = '\0';
    entry->memory = memory;
    entry->ticket = engine->ticket + 1;
    memcpy(entry->item.id, item->id, sizeof(entry->item.id));
    entry->item.sink = memory;
    entry->item.entity_key = memory + sink_len;
    entry->item.body = memory + sink_len + entity_len;
    entry->item.body_len = item->body_len;
    entry->item.created_ms = wall_ms;
    if (engine->outbox_tail)
        engine->outbox_tail->next = entry;
    else
        engine->outbox = entry;
    engine->outbox_tail = entry;
    engine->must_send = true;
    return 0;
}

static int put_outbox(void *context, const struct outbox_item *item)
{
    struct engine *engine = context;
    int64_t wall_ms = engine->settings.clock->wall_ms(engine->settings.clock);
    int64_t oldest_ms = time_minus(wall_ms, engine->config->max_alert_age_ms);
    bool expired = engine->config->max_alert_age_ms != INT64_MAX && item->window_end_ms < oldest_ms;
    store_put_outbox(engine->batch, item, wall_ms, expired);
    return expired ? 0 : queue_outbox(engine, item, wall_ms);
}

int engine_flush_alerts(struct engine *engine)
{
    struct alert_sink sink = {put_alert, put_transition, put_outbox, engine};
    int code = alerting_flush(engine->settings.alerting, &sink);
    return code ? code : (store_batch_failed(engine->batch) ? ERR_NOMEM : 0);
}

const struct engine_outbox *engine_next_outbox(struct engine *engine)
{
    if (engine->outbox_current) {
        free(engine->outbox_current->memory);
        free(engine->outbox_current);
        engine->outbox_current = NULL;
    }
    struct outbox_entry *entry = engine->outbox;
    if (!entry || entry->ticket > engine->committed_ticket)
        return NULL;
    engine->outbox = entry->next;
    if (!engine->outbox)
        engine->outbox_tail = NULL;
    engine->outbox_current = entry;
    return &entry->item;
}

int engine_picture(struct engine *engine, const char *model, const char *feature, struct strbuf *out)
{
    for (uint32_t i = 0; i < engine->series_count; i++) {
        const struct series *series = engine->series[i];
        const struct known_reference *known = series->version->reference;
        const struct pane_set *set = &series->windows[0].set;
        if (series->segment[0] || strcmp(series->version->model, model) != 0 || !known ||
            !set->parts[PANE_FEATURES])
            continue;
        struct report_row row = {.subject = grid_find(known->reference->grid, text_of(feature))};
        if (row.subject == UINT32_MAX)
            continue;
        struct finding_bins bins = {NULL, set->layout, known->reference->layout, set->parts[PANE_FEATURES],
                                    known->reference->features};
        bins_json(&bins, &row, out);
        return strbuf_failed(out) ? ERR_NOMEM : 0;
    }
    return ERR_NOT_FOUND;
}
