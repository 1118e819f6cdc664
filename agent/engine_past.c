#include "agent/engine_past.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/past_panes.h"
#include "detectors/past_slots.h"
#include "detectors/seasonal.h"

enum {
    PANE_PAST = 24,   /* family in the store; never change it */
    PAST_TIER = 15,   /* tier in the store: kept for its own time */
    WEEKS_BEYOND = 2, /* how much older the last good pane of a starved hour may be */

};
#define WEEK_MS      ((int64_t)7 * 86400000)
#define GUARD_MS     ((int64_t)14 * 86400000) /* no alert leaves out or freezes for longer */
#define WEEK_WARNING 0.10                     /* JS distance (METHODS §15) */

/* The rolling reference of one window as it was last: the next one differs by a few panes. */
struct rolling {
    struct tally *sums; /* NULL: nothing summed yet */
    uint32_t grid;
    int64_t *from_ms, *to_ms; /* by feature: panes from ≤ start < to are in */
    int64_t highest_ms;       /* the greatest of to_ms */
};

struct past {
    struct past_panes panes;
    struct rolling rolling[WINDOW_MAX];
};

/* One report: the window, its version's layouts, what alerts say of each feature. */
struct comparison {
    struct engine *engine;
    const struct series *series;
    const struct past_config *config;
    const struct past_panes *panes;
    const struct feature_layout *layout; /* coarse */
    uint32_t grid;
    int64_t pane_ms, begin_ms, end_ms;
    struct tally *scratch, *baseline;
    double *rows, *left_out; /* by feature */
    int64_t *frozen_ms;      /* by feature: the rolling stretch ends before this */
    struct rolling *rolling;
};

static bool is_wanted(const struct version *version)
{
    return version->config->past.seasonal_weeks > 0 || version->config->past.rolling_ms > 0;
}

static int64_t keep_ms(const struct past_config *config, int64_t pane_ms)
{
    int64_t seasonal_ms =
        config->seasonal_weeks ? (int64_t)(config->seasonal_weeks + WEEKS_BEYOND) * WEEK_MS : 0;
    int64_t rolling_ms = config->rolling_ms ? config->rolling_ms + config->rolling_lag_ms + GUARD_MS : 0;
    return (seasonal_ms > rolling_ms ? seasonal_ms : rolling_ms) + WEEK_MS + pane_ms;
}

static void rolling_release(struct rolling *rolling)
{
    tally_free(rolling->sums);
    free(rolling->from_ms);
    free(rolling->to_ms);
    *rolling = (struct rolling){0};
}

void engine_past_free(struct version *version)
{
    if (!version->past)
        return;
    past_panes_release(&version->past->panes);
    for (int i = 0; i < WINDOW_MAX; i++)
        rolling_release(&version->past->rolling[i]);
    free(version->past);
    version->past = NULL;
}

static const struct feature_layout *coarse_layout(const struct known_reference *known)
{
    return known ? known->grid->layouts[GRID_COARSE] : NULL;
}

int engine_past_add(struct engine *engine, const struct series *series, const struct pane_set *set,
                    int64_t start_ms)
{
    struct version *version = series->version;
    const struct known_reference *known = version->reference;
    const struct feature_layout *layout = coarse_layout(known);
    const struct tally *features = set->parts[PANE_FEATURES];
    if (series->segment[0] || !is_wanted(version) || !layout || !features ||
        set->basis[PANE_FEATURES] != known->grid->number)
        return 0;
    if (!version->past && !(version->past = calloc(1, sizeof(*version->past))))
        return ERR_NOMEM;
    struct tally *coarse = tally_new(layout->size);
    if (!coarse)
        return ERR_NOMEM;
    feature_tally_coarsen(set->layout, features, layout, coarse);
    int code = past_panes_add(&version->past->panes, start_ms, known->grid->number,
                              layout->grid->feature_count, coarse->counters[0], coarse);
    tally_free(coarse);
    past_panes_drop(&version->past->panes,
                    time_minus(start_ms, keep_ms(&version->config->past, engine->times.tiers_ms[1])));
    return code;
}

/* ---- guards ---- */

struct judging {
    struct past *past;
    const struct known_reference *known;
    int64_t end_ms;
};

/* Is the alert about what a reference of the past is made of, and not too old to count? */
static bool counts(const struct open_alert *alert, int64_t end_ms)
{
    const struct metric *metric = metric_find(alert->metric);
    bool ours = metric && (metric->family == FAMILY_FEATURES || metric->family == FAMILY_SEASONAL ||
                           metric->family == FAMILY_ROLLING);
    return ours && alert->since_ms >= time_minus(end_ms, GUARD_MS);
}

static void leave_out(void *context, const struct open_alert *alert)
{
    struct judging *judging = context;
    uint32_t feature = grid_find(judging->known->reference->grid, alert->feature);
    if (feature == UINT32_MAX || !counts(alert, judging->end_ms))
        return;
    int64_t first_ms = past_panes_leave_out(&judging->past->panes, judging->known->grid->number, feature,
                                            time_minus(alert->since_ms, alert->window_ms), judging->end_ms);
    for (int i = 0; i < WINDOW_MAX; i++)
        if (first_ms < judging->past->rolling[i].highest_ms)
            rolling_release(&judging->past->rolling[i]); /* it holds what it should not */
}

void engine_past_judge(struct engine *engine, const struct series *series, int64_t end_ms)
{
    const struct version *version = series->version;
    if (series->segment[0] || !version->past || !version->reference || engine->times.tier_count < 2 ||
        !pane_is_boundary(&engine->times, 1, end_ms))
        return;
    struct judging judging = {version->past, version->reference, end_ms};
    alerting_each_firing(engine->settings.alerting, text_of(version->model), text_of(version->name),
                         text_of(""), leave_out, &judging);
}

static void freeze(void *context, const struct open_alert *alert)
{
    struct comparison *comparison = context;
    uint32_t feature = grid_find(comparison->layout->grid, alert->feature);
    int64_t from_ms = time_minus(alert->since_ms, alert->window_ms);
    if (feature != UINT32_MAX && counts(alert, comparison->end_ms) &&
        from_ms < comparison->frozen_ms[feature])
        comparison->frozen_ms[feature] = from_ms;
}

static bool is_exception(const struct comparison *comparison, int64_t start_ms)
{
    for (uint32_t i = 0; i < comparison->config->range_count; i++)
        if (start_ms < comparison->config->ranges[i].to_ms &&
            start_ms + comparison->pane_ms > comparison->config->ranges[i].from_ms)
            return true;
    return false;
}

/* The pane's counts into the scratch tally; false when there is no such pane or it may not be used at all. */
static bool load_pane(struct comparison *comparison, const struct past_pane *pane)
{
    if (!pane || pane->grid != comparison->grid || is_exception(comparison, pane->start_ms))
        return false;
    tally_reset(comparison->scratch);
    if (tally_decode_add(pane->bytes, pane->len, comparison->scratch) != 0)
        comparison->engine->failed = ERR_CORRUPT;
    return !comparison->engine->failed;
}

/* ---- the rolling reference: the panes of a stretch, for each feature its own ---- */

static int rolling_begin(struct rolling *rolling, const struct feature_layout *layout, uint32_t grid)
{
    if (rolling->sums && rolling->grid == grid)
        return 0;
    rolling_release(rolling);
    uint32_t count = layout->grid->feature_count;
    rolling->grid = grid;
    rolling->sums = tally_new(layout->size);
    rolling->from_ms = calloc(count + 1u, sizeof(int64_t)); /* nothing is in */
    rolling->to_ms = calloc(count + 1u, sizeof(int64_t));
    if (rolling->sums && rolling->from_ms && rolling->to_ms)
        return 0;
    rolling_release(rolling);
    return ERR_NOMEM;
}

/* Adds and takes back what one pane changes; from_ms and to_ms are the new stretches. */
static void rolling_pane(struct comparison *comparison, const struct past_pane *pane, const int64_t *from_ms,
                         const int64_t *to_ms)
{
    struct rolling *rolling = comparison->rolling;
    bool exception = is_exception(comparison, pane->start_ms), loaded = false;
    for (uint32_t f = 0; f < pane->feature_count && pane->grid == comparison->grid; f++) {
        bool is_in = pane->start_ms >= from_ms[f] && pane->start_ms < to_ms[f];
        bool was_in = pane->start_ms >= rolling->from_ms[f] && pane->start_ms < rolling->to_ms[f];
        bool barred = exception || past_pane_leaves_out(pane, f);
        comparison->left_out[f] += is_in && barred;
        if (is_in == was_in || barred)
            continue;
        if (!loaded && !(loaded = load_pane(comparison, pane)))
            return;
        feature_tally_add(comparison->layout, comparison->scratch, rolling->sums, f, is_in ? 1 : -1);
    }
}

static void count_rows(struct comparison *comparison)
{
    for (uint32_t f = 0; f < comparison->layout->grid->feature_count; f++) {
        const struct feature_grid *grid = &comparison->layout->grid->features[f];
        const uint64_t *slots = comparison->baseline->counters + comparison->layout->slot_at[f];
        for (uint32_t slot = 0; slot < grid->slot_count[GRID_COARSE]; slot++)
            comparison->rows[f] += (double)slots[slot];
    }
}

static int rolling_baseline(struct comparison *comparison)
{
    struct rolling *rolling = comparison->rolling;
    const struct past_config *config = comparison->config;
    const struct version *version = comparison->series->version;
    uint32_t count = comparison->layout->grid->feature_count;
    int code = rolling_begin(rolling, comparison->layout, comparison->grid);
    int64_t *stretches = calloc(2 * ((size_t)count + 1), sizeof(int64_t));
    if (code != 0 || !stretches) {
        free(stretches);
        return ERR_NOMEM;
    }
    int64_t *from_ms = stretches, *to_ms = stretches + count + 1;
    alerting_each_firing(comparison->engine->settings.alerting, text_of(version->model),
                         text_of(version->name), text_of(""), freeze, comparison);
    rolling->highest_ms = INT64_MIN;
    for (uint32_t f = 0; f < count; f++) {
        int64_t before_ms =
            comparison->frozen_ms[f] < comparison->begin_ms ? comparison->frozen_ms[f] : comparison->begin_ms;
        /* Whole panes only. */
        to_ms[f] = pane_start(&comparison->engine->times, 1, before_ms - config->rolling_lag_ms);
        from_ms[f] = to_ms[f] - config->rolling_ms;
        rolling->highest_ms = to_ms[f] > rolling->highest_ms ? to_ms[f] : rolling->highest_ms;
    }
    for (uint32_t i = 0; i < comparison->panes->count; i++)
        rolling_pane(comparison, &comparison->panes->items[i], from_ms, to_ms);
    memcpy(rolling->from_ms, from_ms, count * sizeof(int64_t));
    memcpy(rolling->to_ms, to_ms, count * sizeof(int64_t));
    tally_copy(comparison->baseline, rolling->sums);
    count_rows(comparison);
    free(stretches);
    return 0;
}

/* ---- the seasonal reference: a mixture of the hours that the window spans ---- */

struct slice {
    int64_t start_ms;
    uint64_t events; /* of the window in this pane */
};

/* What the window holds of each pane of the second tier; what no pane tells of is of the first, which the
 * window may hold in part. */
static uint32_t cut_window(const struct comparison *comparison, uint64_t total, struct slice *slices)
{
    const struct engine *engine = comparison->engine;
    const struct pane_set *open = &comparison->series->coarse[1];
    uint64_t known = 0;
    uint32_t count = 0;
    int64_t first_ms = pane_start(&engine->times, 1, comparison->begin_ms);
    for (int64_t at_ms = first_ms; at_ms < comparison->end_ms; at_ms += comparison->pane_ms) {
        const struct past_pane *pane = past_panes_find(comparison->panes, at_ms, comparison->grid);
        uint64_t events = 0;
        if (at_ms >= comparison->begin_ms && pane)
            events = pane->events;
        else if (at_ms >= comparison->begin_ms && at_ms + comparison->pane_ms > comparison->end_ms &&
                 open->parts[PANE_FEATURES])
            events = open->parts[PANE_FEATURES]->counters[0];
        known += events;
        slices[count++] = (struct slice){at_ms, events};
    }
    if (total > known)
        slices[0].events += total - known;
    return count;
}

struct season {
    struct comparison *comparison;
    struct slice *slices;
    struct tally **strata; /* by slice */
    struct tally **weeks;
    uint32_t slice_count, week_count;
    bool *outlying; /* [feature · weeks + week] */
};

static int season_prepare(struct season *season, uint64_t total)
{
    struct comparison *comparison = season->comparison;
    uint32_t most = (uint32_t)((comparison->end_ms - comparison->begin_ms) / comparison->pane_ms) + 2;
    season->week_count = comparison->config->seasonal_weeks;
    if (!(season->slices = calloc(most, sizeof(*season->slices))))
        return ERR_NOMEM;
    season->slice_count = cut_window(comparison, total, season->slices);
    season->strata = calloc(season->slice_count, sizeof(struct tally *));
    season->weeks = calloc(season->week_count, sizeof(struct tally *));
    season->outlying =
        calloc((size_t)comparison->layout->grid->feature_count * season->week_count + 1, sizeof(bool));
    if (!season->strata || !season->weeks || !season->outlying)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < season->slice_count; i++)
        if (season->slices[i].events && !(season->strata[i] = tally_new(comparison->layout->size)))
            return ERR_NOMEM;
    for (uint32_t k = 0; k < season->week_count; k++)
        if (!(season->weeks[k] = tally_new(comparison->layout->size)))
            return ERR_NOMEM;
    return 0;
}

static void season_release(struct season *season)
{
    for (uint32_t i = 0; season->strata && i < season->slice_count; i++)
        tally_free(season->strata[i]);
    for (uint32_t k = 0; season->weeks && k < season->week_count; k++)
        tally_free(season->weeks[k]);
    free(season->strata);
    free(season->weeks);
    free(season->outlying);
    free(season->slices);
}

static const struct past_pane *pane_of_week(const struct season *season, uint32_t slice, uint32_t week)
{
    const struct comparison *comparison = season->comparison;
    return past_panes_find(comparison->panes, season->slices[slice].start_ms - (int64_t)(week + 1) * WEEK_MS,
                           comparison->grid);
}

static void sum_weeks(struct season *season)
{
    struct comparison *comparison = season->comparison;
    for (uint32_t k = 0; k < season->week_count; k++)
        for (uint32_t i = 0; i < season->slice_count; i++) {
            const struct past_pane *pane = season->slices[i].events ? pane_of_week(season, i, k) : NULL;
            if (!load_pane(comparison, pane))
                continue;
            for (uint32_t f = 0; f < pane->feature_count; f++)
                if (!past_pane_leaves_out(pane, f))
                    feature_tally_add(comparison->layout, comparison->scratch, season->weeks[k], f, 1);
        }
}

static void find_outlying(struct season *season)
{
    const struct feature_layout *layout = season->comparison->layout;
    for (uint32_t f = 0; f < layout->grid->feature_count; f++) {
        const uint64_t *weeks[PAST_WEEKS_MAX];
        for (uint32_t k = 0; k < season->week_count; k++)
            weeks[k] = season->weeks[k]->counters + layout->slot_at[f];
        seasonal_outlying_weeks(weeks, season->week_count, layout->grid->features[f].slot_count[GRID_COARSE],
                                WEEK_WARNING, season->outlying + (size_t)f * season->week_count);
    }
}

static bool has_rows(const struct feature_layout *layout, const struct tally *tally, uint32_t feature)
{
    const uint64_t *slots = tally->counters + layout->slot_at[feature];
    for (uint32_t slot = 0; slot < layout->grid->features[feature].slot_count[GRID_COARSE]; slot++)
        if (slots[slot])
            return true;
    return false;
}

/* The hour's panes of the last weeks; where all of them are left out, the last good one before. */
static void fill_stratum(struct season *season, uint32_t slice)
{
    struct comparison *comparison = season->comparison;
    struct tally *stratum = season->strata[slice];
    for (uint32_t k = 0; k < season->week_count + WEEKS_BEYOND; k++) {
        const struct past_pane *pane = pane_of_week(season, slice, k);
        bool beyond = k >= season->week_count;
        if (pane && !beyond && is_exception(comparison, pane->start_ms))
            for (uint32_t f = 0; f < pane->feature_count; f++)
                comparison->left_out[f]++;
        if (!load_pane(comparison, pane))
            continue;
        for (uint32_t f = 0; f < pane->feature_count; f++) {
            bool outlying = !beyond && season->outlying[(size_t)f * season->week_count + k];
            if (beyond && has_rows(comparison->layout, stratum, f))
                continue;
            if (outlying || past_pane_leaves_out(pane, f))
                comparison->left_out[f]++;
            else
                feature_tally_add(comparison->layout, comparison->scratch, stratum, f, 1);
        }
    }
}

/* The mixture of a feature as a sample of its effective size: what distances and their floors want. */
static void mix(struct season *season, uint32_t feature, struct stratum *strata)
{
    struct comparison *comparison = season->comparison;
    const struct feature_layout *layout = comparison->layout;
    const struct feature_grid *grid = &layout->grid->features[feature];
    uint32_t bins = grid->slot_count[GRID_COARSE];
    double mixture[GRID_SLOTS_MAX + 1], rows, traffic = 0;
    for (uint32_t i = 0; i < season->slice_count; i++) {
        const struct tally *stratum = season->strata[i];
        strata[i] = (struct stratum){stratum ? stratum->counters + layout->slot_at[feature] : NULL,
                                     season->slices[i].events};
        traffic += (double)season->slices[i].events;
    }
    if (!seasonal_mixture(strata, season->slice_count, bins, mixture, &rows))
        return;
    comparison->rows[feature] = rows;
    uint64_t *out = comparison->baseline->counters + layout->slot_at[feature];
    for (uint32_t bin = 0; bin < bins; bin++)
        out[bin] = (uint64_t)llround(mixture[bin] * rows);
    for (uint32_t s = 0; grid->type == FEATURE_NUMERIC && s < FEATURE_SUMS; s++) {
        long double sum = 0;
        for (uint32_t i = 0; i < season->slice_count; i++) {
            uint64_t n = 0;
            for (uint32_t bin = 0; strata[i].current_n && bin < bins; bin++)
                n += strata[i].reference[bin];
            if (n)
                sum += (long double)season->strata[i]->sums[layout->sums_at[feature] + s] / (long double)n *
                       ((long double)strata[i].current_n / (long double)traffic);
        }
        comparison->baseline->sums[layout->sums_at[feature] + s] = (int128)roundl(sum * (long double)rows);
    }
}

static int seasonal_baseline(struct comparison *comparison, uint64_t total)
{
    struct season season = {.comparison = comparison};
    int code = season_prepare(&season, total);
    struct stratum *strata = code ? NULL : calloc(season.slice_count, sizeof(*strata));
    if (code == 0 && !strata)
        code = ERR_NOMEM;
    if (code == 0) {
        sum_weeks(&season);
        find_outlying(&season);
        for (uint32_t i = 0; i < season.slice_count; i++)
            if (season.strata[i])
                fill_stratum(&season, i);
        for (uint32_t f = 0; f < comparison->layout->grid->feature_count; f++)
            mix(&season, f, strata);
    }
    free(strata);
    season_release(&season);
    return code ? code : comparison->engine->failed;
}

/* ---- rows ---- */

static int put_rows(struct comparison *comparison, const struct window_config *window,
                    const struct pane_set *set, enum family family)
{
    struct engine *engine = comparison->engine;
    const struct grid *grid = comparison->layout->grid;
    bool any = false;
    for (uint32_t f = 0; f < grid->feature_count; f++)
        any |= comparison->rows[f] > 0 || comparison->left_out[f] > 0;
    int code = any ? engine_prepare_rows(engine, grid->feature_count) : 0;
    if (code != 0 || !any)
        return code; /* there is no past yet */
    struct drift_options options = engine->drift;
    options.n_min = comparison->series->version->config->options.n_min;
    options.without_tables = true;
    drift_report(set->layout, set->parts[PANE_FEATURES], comparison->layout, comparison->baseline, &options,
                 engine->rows);
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        struct report_row *row = &engine->rows[f];
        row->family = family;
        row->slots[PAST_ROWS] = comparison->rows[f] > 0 ? comparison->rows[f] : (double)NAN;
        row->slots[PAST_LEFT_OUT] = comparison->left_out[f];
        engine->row_names[f] = text_of(grid->features[f].name);
    }
    return engine_put_rows(engine, comparison->series, window, comparison->end_ms, 1, engine->rows,
                           engine->row_names, grid->feature_count);
}

static int begin(struct comparison *comparison)
{
    uint32_t count = comparison->layout->grid->feature_count;
    comparison->scratch = tally_new(comparison->layout->size);
    comparison->baseline = tally_new(comparison->layout->size);
    comparison->rows = calloc(count + 1u, sizeof(double));
    comparison->left_out = calloc(count + 1u, sizeof(double));
    comparison->frozen_ms = calloc(count + 1u, sizeof(int64_t));
    if (!comparison->scratch || !comparison->baseline || !comparison->rows || !comparison->left_out ||
        !comparison->frozen_ms)
        return ERR_NOMEM;
    for (uint32_t f = 0; f < count; f++)
        comparison->frozen_ms[f] = INT64_MAX;
    return 0;
}

static void finish(struct comparison *comparison)
{
    tally_free(comparison->scratch);
    tally_free(comparison->baseline);
    free(comparison->rows);
    free(comparison->left_out);
    free(comparison->frozen_ms);
}

static int compare(struct comparison *comparison, const struct window_config *window,
                   const struct pane_set *set, enum family family)
{
    int code = begin(comparison);
    if (code == 0 && family == FAMILY_SEASONAL)
        code = seasonal_baseline(comparison, set->parts[PANE_FEATURES]->counters[0]);
    else if (code == 0)
        code = rolling_baseline(comparison);
    if (code == 0)
        code = comparison->engine->failed;
    if (code == 0)
        code = put_rows(comparison, window, set, family);
    finish(comparison);
    return code;
}

int engine_past_report(struct engine *engine, const struct series *series, uint32_t window_index,
                       const struct pane_set *set, int64_t end_ms)
{
    const struct window_config *window = &engine->config->windows[window_index];
    const struct version *version = series->version;
    const struct known_reference *known = version->reference;
    if (series->segment[0] || !version->past || !coarse_layout(known) || window->length_ms > WEEK_MS ||
        !set->parts[PANE_FEATURES] || set->basis[PANE_FEATURES] != known->grid->number)
        return 0;
    struct comparison comparison = {.engine = engine,
                                    .series = series,
                                    .config = &version->config->past,
                                    .panes = &version->past->panes,
                                    .rolling = &version->past->rolling[window_index],
                                    .layout = coarse_layout(known),
                                    .grid = known->grid->number,
                                    .pane_ms = engine->times.tiers_ms[1],
                                    .begin_ms = end_ms - window->length_ms,
                                    .end_ms = end_ms};
    int code = 0;
    if (comparison.config->seasonal_weeks)
        code = compare(&comparison, window, set, FAMILY_SEASONAL);
    if (code == 0 && comparison.config->rolling_ms)
        code = compare(&comparison, window, set, FAMILY_ROLLING);
    return code;
}

/* ---- for evidence ---- */

static int one_hour(struct comparison *comparison)
{
    struct season season = {.comparison = comparison};
    int code = season_prepare(&season, 1); /* the weight of the only slice */
    if (code == 0) {
        sum_weeks(&season);
        find_outlying(&season);
        fill_stratum(&season, 0);
        tally_copy(comparison->baseline, season.strata[0]);
    }
    season_release(&season);
    return code ? code : comparison->engine->failed;
}

int engine_past_sum(struct engine *engine, const struct series *series, int64_t from_ms, struct tally *out)
{
    const struct version *version = series->version;
    const struct known_reference *known = version->reference;
    tally_reset(out);
    if (!version->past || !coarse_layout(known))
        return 0;
    bool seasonal = version->config->past.seasonal_weeks > 0;
    int64_t pane_ms = engine->times.tiers_ms[1];
    struct rolling rolling = {0};
    struct comparison comparison = {.engine = engine,
                                    .series = series,
                                    .config = &version->config->past,
                                    .panes = &version->past->panes,
                                    .rolling = &rolling,
                                    .layout = coarse_layout(known),
                                    .grid = known->grid->number,
                                    .pane_ms = pane_ms,
                                    .begin_ms = from_ms,
                                    .end_ms = from_ms + (seasonal ? pane_ms : 0)};
    int code = begin(&comparison);
    if (code == 0)
        code = seasonal ? one_hour(&comparison) : rolling_baseline(&comparison);
    if (code == 0)
        tally_copy(out, comparison.baseline);
    rolling_release(&rolling);
    finish(&comparison);
    return code ? code : engine->failed;
}

/* ---- store ---- */

void engine_past_put(struct engine *engine)
{
    int64_t longest_ms = 0;
    for (uint32_t i = 0; i < engine->series_count && !engine->failed; i++) {
        const struct series *series = engine->series[i];
        const struct version *version = series->version;
        if (series->segment[0] || !version->past)
            continue;
        int64_t keep = keep_ms(&version->config->past, engine->times.tiers_ms[1]);
        longest_ms = keep > longest_ms ? keep : longest_ms;
        for (uint32_t k = 0; k < version->past->panes.count && !engine->failed; k++) {
            struct past_pane *pane = &version->past->panes.items[k];
            if (!pane->changed)
                continue;
            strbuf_reset(&engine->scratch);
            past_pane_encode(pane, &engine->scratch);
            if (strbuf_failed(&engine->scratch)) {
                engine->failed = ERR_NOMEM;
                break;
            }
            struct stored_pane stored = {.tier = PAST_TIER,
                                         .start_ms = pane->start_ms,
                                         .series = series->number,
                                         .family = PANE_PAST,
                                         .grid = pane->grid,
                                         .part = PANE_ON_TIME,
                                         .bytes = engine->scratch.bytes,
                                         .len = engine->scratch.len};
            store_put_pane(engine->batch, &stored);
            pane->changed = false;
        }
    }
    if (engine->closed_until_ms != INT64_MIN)
        store_prune_panes(engine->batch, PAST_TIER, time_minus(engine->closed_until_ms, longest_ms));
}

static int restore_pane(void *context, const struct stored_pane *stored)
{
    struct engine *engine = context;
    struct series *series =
        stored->series < engine->by_number_capacity ? engine->by_number[stored->series] : NULL;
    if (!series || stored->family != PANE_PAST || !is_wanted(series->version))
        return 0;
    struct version *version = series->version;
    if (!version->past && !(version->past = calloc(1, sizeof(*version->past))))
        return ERR_NOMEM;
    return past_panes_restore(&version->past->panes, stored->start_ms, stored->grid, stored->bytes,
                              stored->len);
}

int engine_past_restore(struct engine *engine, struct err *err)
{
    int code =
        store_load_panes(engine->settings.store, PAST_TIER, INT64_MIN, INT64_MAX, restore_pane, engine, err);
    return code == ERR_CORRUPT ? err_set(err, code, "the panes of the past in the store do not decode")
                               : code;
}
