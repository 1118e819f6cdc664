/*
 * Where a drift comes from (METHODS §14): when a feature of the whole model has drifted, its PSI is split by
 * the segments of each key that the stream or the reference knows. Rows go to the segments' series; the
 * largest parts are kept for the alert that follows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_internal.h"
#include "detectors/root_cause.h"

enum { SEGMENTS_MAX = 256, BINS_MAX = 256 };

/* The segments of one key, in the order of their names; the last entry is what belongs to none. */
struct key_segments {
    struct text names[SEGMENTS_MAX];
    const struct tally *current[SEGMENTS_MAX], *reference[SEGMENTS_MAX]; /* NULL: nothing there */
    struct series *series[SEGMENTS_MAX];                                 /* NULL: not in the stream yet */
    uint32_t count;
};

static struct text key_of(struct text segment)
{
    const char *end = memchr(segment.ptr, '=', segment.len);
    return (struct text){segment.ptr, end ? (uint32_t)(end - segment.ptr) : segment.len};
}

/* The place of a name, made when it is new; UINT32_MAX when there are too many. */
static uint32_t place_of(struct key_segments *key, struct text name)
{
    uint32_t at = 0;
    while (at < key->count && text_compare(key->names[at], name) < 0)
        at++;
    if (at < key->count && text_compare(key->names[at], name) == 0)
        return at;
    if (key->count == SEGMENTS_MAX - 1)
        return UINT32_MAX;
    uint32_t behind = key->count - at;
    memmove(key->names + at + 1, key->names + at, behind * sizeof(key->names[0]));
    memmove(key->current + at + 1, key->current + at, behind * sizeof(key->current[0]));
    memmove(key->reference + at + 1, key->reference + at, behind * sizeof(key->reference[0]));
    memmove(key->series + at + 1, key->series + at, behind * sizeof(key->series[0]));
    key->names[at] = name;
    key->current[at] = key->reference[at] = NULL;
    key->series[at] = NULL;
    key->count++;
    return at;
}

static void collect(const struct engine *engine, const struct series *whole, uint32_t window, struct text key,
                    struct key_segments *out)
{
    const struct known_reference *known = whole->version->reference;
    out->count = 0;
    for (uint32_t i = 0; i < engine->series_count; i++) {
        struct series *series = engine->series[i];
        struct text name = text_of(series->segment);
        if (series->version != whole->version || !name.len || text_compare(key_of(name), key) != 0)
            continue;
        const struct pane_set *set = &series->windows[window].set;
        uint32_t at = place_of(out, name);
        if (at == UINT32_MAX)
            continue;
        out->series[at] = series;
        if (set->parts[PANE_FEATURES] && set->basis[PANE_FEATURES] == known->grid->number)
            out->current[at] = set->parts[PANE_FEATURES];
    }
    for (uint32_t i = 0; i < known->reference->segment_count; i++) {
        const struct reference_segment *segment = &known->reference->segments[i];
        struct text name = text_of(segment->name);
        uint32_t at = text_compare(key_of(name), key) == 0 ? place_of(out, name) : UINT32_MAX;
        if (at != UINT32_MAX)
            out->reference[at] = segment->features;
    }
}

/* counts[segments] of one side; the last row is the whole less all others. */
static void load_side(const struct feature_layout *coarse, const struct tally *const *tallies,
                      uint32_t segments, const struct feature_layout *whole_layout, const struct tally *whole,
                      uint32_t feature, uint32_t bins, uint64_t *out)
{
    uint64_t *rest = out + (size_t)segments * bins;
    (void)drift_psi_counts(whole_layout, whole, feature, rest);
    for (uint32_t s = 0; s < segments; s++) {
        uint64_t *row = out + (size_t)s * bins;
        if (tallies[s])
            (void)drift_psi_counts(coarse, tallies[s], feature, row);
        for (uint32_t b = 0; b < bins; b++)
            rest[b] -= row[b] < rest[b] ? row[b] : rest[b];
    }
}

static void remember_cause(struct engine *engine, uint32_t feature, struct text segment,
                           const struct cause *cause)
{
    struct cause_share item = {segment, cause->share, cause->mix, cause->within};
    struct feature_causes *causes = &engine->causes[feature];
    uint32_t at = causes->count;
    while (at > 0 && causes->items[at - 1].share < item.share)
        at--;
    if (at == CAUSES_SHOWN || !(item.share > 0))
        return;
    if (causes->count < CAUSES_SHOWN)
        causes->count++;
    memmove(causes->items + at + 1, causes->items + at, (causes->count - 1 - at) * sizeof(causes->items[0]));
    causes->items[at] = item;
}

static int put_causes(struct engine *engine, const struct series *whole, uint32_t window, uint32_t feature,
                      const struct key_segments *key, const struct cause *causes, int64_t end_ms)
{
    const struct known_reference *known = whole->version->reference;
    const struct window_config *config = &engine->config->windows[window];
    for (uint32_t s = 0; s < key->count; s++) {
        remember_cause(engine, feature, key->names[s], &causes[s]);
        const struct series *series = key->series[s];
        if (!series) { /* gone from the stream: its row says so */
            char name[1024];
            (void)snprintf(name, sizeof(name), "%.*s", (int)key->names[s].len, key->names[s].ptr);
            series = engine_series(engine, whole->version->model, whole->version->name, name, false, 0);
        }
        if (!series)
            continue;
        struct report_row row;
        cause_row(&causes[s], &row);
        struct stored_result result = {.window_end_ms = end_ms,
                                       .window_ms = config->length_ms,
                                       .series = series->number,
                                       .subject = known->grid->subjects[feature],
                                       .reference = known->number,
                                       .revision = 1,
                                       .closed_wall_ms =
                                           engine->settings.clock->wall_ms(engine->settings.clock),
                                       .row = &row};
        store_put_result(engine->batch, &result);
        engine->stats.rows_reported++;
    }
    return store_batch_failed(engine->batch) ? ERR_NOMEM : 0;
}

static int explain_by_key(struct engine *engine, const struct series *whole, uint32_t window,
                          const struct pane_set *set, uint32_t feature, const struct key_segments *key,
                          int64_t end_ms)
{
    const struct known_reference *known = whole->version->reference;
    const struct reference *reference = known->reference;
    const struct feature_layout *coarse = reference->coarse;
    uint64_t probe[BINS_MAX];
    uint32_t bins = drift_psi_counts(set->layout, set->parts[PANE_FEATURES], feature, probe);
    size_t cells = ((size_t)key->count + 1) * bins;
    uint64_t *counts = calloc(2 * cells, sizeof(*counts));
    struct cause *causes = calloc((size_t)key->count + 1, sizeof(*causes));
    int code = counts && causes ? 0 : ERR_NOMEM;
    if (code == 0) {
        load_side(coarse, key->reference, key->count, reference->layout, reference->features, feature, bins,
                  counts);
        load_side(coarse, key->current, key->count, set->layout, set->parts[PANE_FEATURES], feature, bins,
                  counts + cells);
        code = causes_of(counts, counts + cells, key->count + 1, bins, causes);
    }
    if (code == 0)
        code = put_causes(engine, whole, window, feature, key, causes, end_ms);
    free(counts);
    free(causes);
    return code;
}

/* The keys of all segments, of the stream and of the reference, each once. */
static uint32_t keys_of(const struct engine *engine, const struct series *whole, struct text *out,
                        uint32_t max)
{
    const struct reference *reference = whole->version->reference->reference;
    uint32_t count = 0;
    for (uint32_t i = 0; i < engine->series_count + reference->segment_count && count < max; i++) {
        bool stream = i < engine->series_count;
        if (stream && (engine->series[i]->version != whole->version || !engine->series[i]->segment[0]))
            continue;
        struct text key = key_of(text_of(stream ? engine->series[i]->segment
                                                : reference->segments[i - engine->series_count].name));
        uint32_t at = 0;
        while (at < count && text_compare(out[at], key) != 0)
            at++;
        if (at == count)
            out[count++] = key;
    }
    return count;
}

static int reset_causes(struct engine *engine, uint32_t features)
{
    if (features > engine->causes_capacity) {
        struct feature_causes *grown = realloc(engine->causes, features * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        engine->causes = grown;
        engine->causes_capacity = features;
    }
    for (uint32_t i = 0; i < features; i++)
        engine->causes[i].count = 0;
    return 0;
}

static bool is_worth_it(const struct report_row *row)
{
    const struct metric *psi = metric_find("psi"), *debiased = metric_find("psi_debiased");
    return !(row->flags & (REPORT_INSUFFICIENT | REPORT_GRID_MISMATCH)) &&
           row->slots[debiased->slot] >= psi->warning;
}

int engine_explain(struct engine *engine, const struct series *whole, uint32_t window,
                   const struct pane_set *set, const struct report_row *rows, int64_t end_ms)
{
    enum { KEYS_MAX = 32 };
    const struct reference *reference = whole->version->reference->reference;
    uint32_t features = reference->grid->feature_count, key_count = 0;
    struct text keys[KEYS_MAX];
    struct key_segments *segments = NULL;
    int code = reset_causes(engine, features);
    for (uint32_t f = 0; code == 0 && f < features; f++) {
        if (!is_worth_it(&rows[f]))
            continue;
        if (!segments) {
            key_count = keys_of(engine, whole, keys, KEYS_MAX);
            segments = malloc(sizeof(*segments));
            if (!segments)
                return ERR_NOMEM;
        }
        for (uint32_t k = 0; code == 0 && k < key_count; k++) {
            collect(engine, whole, window, keys[k], segments);
            code = explain_by_key(engine, whole, window, set, f, segments, end_ms);
        }
    }
    free(segments);
    return code;
}
