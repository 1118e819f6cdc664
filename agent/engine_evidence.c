#include "agent/engine_evidence_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine_past.h"
#include "detectors/evidence.h"
#include "detectors/evidence_slots.h"
#include "detectors/multivariate_family.h"

enum {
    MOVING_ROWS = 200, /* of a reference that moves; with less the one before stays */
    SUBJECTS_AT_ONCE = 4,
    SECOND_TIER_DEFAULT = 12, /* finest panes, where the configuration has one tier only … */
    THIRD_TIER_DEFAULT = 24   /* … and panes of the second, where it has two */
};
#define FIXED_FACTOR 4.0 /* METHODS §13: tolerance of the reference that stays, beside one that moves */

static bool has_past(const struct version *version)
{
    return version->config->past.seasonal_weeks > 0 || version->config->past.rolling_ms > 0;
}

/* ---- an epoch: one reference ---- */

static void release(struct evidences *all)
{
    for (uint32_t i = 0; all->subjects && i < all->subject_count; i++)
        evidence_free(all->subjects[i].evidence);
    for (int tier = 0; tier < E_TIERS; tier++)
        tally_free(all->open[tier].sum);
    tally_free(all->window);
    tally_free(all->moving);
    free(all->subjects);
    free(all);
}

void engine_evidence_free(struct version *version)
{
    if (version->evidences)
        release(version->evidences);
    version->evidences = NULL;
}

static struct evidence_settings settings_of(const struct engine *engine, const struct version *version)
{
    const struct pane_times *times = &engine->times;
    struct evidence_settings settings = {
        .origin_ms = times->origin_ms, .options = &version->config->evidence, .tolerance_factor = 1};
    settings.tier_ms[0] = times->tiers_ms[0];
    settings.tier_ms[1] =
        times->tier_count > 1 ? times->tiers_ms[1] : SECOND_TIER_DEFAULT * times->tiers_ms[0];
    settings.tier_ms[2] =
        times->tier_count > 2 ? times->tiers_ms[2] : THIRD_TIER_DEFAULT * settings.tier_ms[1];
    return settings;
}

static bool is_empty(const uint64_t *counts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (counts[i])
            return false;
    return true;
}

static int add_subject(struct evidences *all, const struct evidence_subject *like,
                       const struct evidence_bins *bins, const uint64_t *reference)
{
    struct evidence_subject *subject = &all->subjects[all->subject_count++];
    *subject = *like;
    if (is_empty(reference, subject->slots))
        return 0;
    if (!(subject->evidence = evidence_new(&all->settings, bins, reference)))
        return ERR_NOMEM;
    for (uint32_t w = 0; w < all->watch_count; w++) {
        struct evidence_settings settings = all->settings;
        settings.tolerance_factor = w ? FIXED_FACTOR : 1;
        settings.dispersion = subject->dispersion;
        subject->limits[w] = evidence_limits_of(subject->evidence, &settings, false);
        subject->watches[w] = evidence_watch_new();
    }
    return 0;
}

static int add_features(struct evidences *all)
{
    const struct reference *reference = all->known->reference;
    const struct feature_layout *layout = all->known->grid->layouts[GRID_COARSE];
    struct evidence_bins bins;
    int code = 0;
    feature_tally_coarsen(reference->layout, reference->features, layout, all->window);
    for (uint32_t f = 0; code == 0 && f < layout->grid->feature_count; f++) {
        const struct feature_grid *feature = &layout->grid->features[f];
        const uint64_t *counts = all->window->counters + layout->slot_at[f];
        struct evidence_subject subject = {.name = feature->name,
                                           .feature = f,
                                           .at = layout->slot_at[f],
                                           .slots = feature->slot_count[GRID_COARSE],
                                           .dispersion =
                                               reference->dispersion ? &reference->dispersion[f] : NULL};
        if (subject.dispersion)
            dispersion_join(&all->dispersion, subject.dispersion);
        evidence_bins_of_feature(feature, counts, &bins);
        code = add_subject(all, &subject, &bins, counts);
    }
    return code;
}

static int add_scores(struct evidences *all, uint32_t at)
{
    const struct tally *counts = all->known->reference->counts[COUNT_MULTIVARIATE];
    struct evidence_bins bins;
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < MULTIVARIATE_SCORES; i++) {
        const uint64_t *slots = multivariate_score_counts(counts, i);
        if (!slots)
            continue; /* a reference of an earlier version */
        struct evidence_subject subject = {.name = multivariate_score_names[i],
                                           .feature = UINT32_MAX,
                                           .at = at + i * MULTIVARIATE_BINS,
                                           .slots = MULTIVARIATE_BINS,
                                           .reference = slots,
                                           .dispersion = &all->dispersion};
        evidence_bins_of_score(slots, MULTIVARIATE_BINS, &bins);
        code = add_subject(all, &subject, &bins, slots);
    }
    return code;
}

static bool has_scores(const struct known_reference *known)
{
    const struct reference *reference = known->reference;
    return reference->multivariate && reference->multivariate->pca && reference->counts[COUNT_MULTIVARIATE];
}

int engine_evidence_begin(struct engine *engine, struct version *version)
{
    const struct known_reference *known = version->reference;
    const struct feature_layout *layout = known->grid->layouts[GRID_COARSE];
    engine_evidence_free(version);
    struct evidences *all = calloc(1, sizeof(*all));
    if (!all)
        return ERR_NOMEM;
    version->evidences = all;
    uint32_t scores = has_scores(known) ? MULTIVARIATE_SCORES : 0;
    uint32_t count = layout->grid->feature_count + scores;
    all->known = known;
    all->begin_ms = all->epoch_ms = all->tried_ms = INT64_MIN;
    all->watch_count = has_past(version) ? 2 : 1;
    all->settings = settings_of(engine, version);
    /* Every version that may come has its part of the budget, whether it has come or not. */
    all->settings.series = (double)count * all->watch_count * engine->config->limits.versions;
    all->size.counters = layout->size.counters + scores * MULTIVARIATE_BINS;
    all->subjects = calloc(count + 1u, sizeof(*all->subjects));
    all->window = tally_new(layout->size);
    all->moving = has_past(version) ? tally_new(layout->size) : NULL;
    bool complete = all->subjects && all->window && (all->moving || !has_past(version));
    for (int tier = 0; tier < E_TIERS; tier++) {
        all->open[tier] = (struct open_sum){INT64_MIN, tally_new(all->size)};
        complete = complete && all->open[tier].sum;
    }
    int code = complete ? add_features(all) : ERR_NOMEM;
    if (code == 0 && scores)
        code = add_scores(all, layout->size.counters);
    if (code != 0)
        engine_evidence_free(version);
    return code;
}

/* ---- panes ---- */

/* Panes that have ended by now_ms are written and join the one above. */
static int roll_over(struct engine *engine, const struct series *series, int64_t now_ms)
{
    struct evidences *all = series->version->evidences;
    int code = 0;
    for (int tier = 1; code == 0 && tier < E_TIERS; tier++) {
        struct open_sum *open = &all->open[tier];
        if (open->start_ms == INT64_MIN || open->start_ms + all->settings.tier_ms[tier] > now_ms)
            continue;
        if (tier + 1 < E_TIERS) {
            all->open[tier + 1].start_ms = evidence_bucket(&all->settings, tier + 1, open->start_ms);
            tally_add(all->open[tier + 1].sum, open->sum);
        }
        code = engine_evidence_put_sum(engine, series, tier);
        tally_reset(open->sum);
        open->start_ms = INT64_MIN;
    }
    return code;
}

static void collect(const struct evidences *all, const struct pane_set *set, struct tally *out)
{
    const struct feature_layout *layout = all->known->grid->layouts[GRID_COARSE];
    const struct tally *scores = set->parts[PANE_COUNTS + COUNT_MULTIVARIATE];
    tally_reset(out);
    tally_reset(all->window);
    feature_tally_coarsen(set->layout, set->parts[PANE_FEATURES], layout, all->window);
    bool scored = scores && set->basis[PANE_COUNTS + COUNT_MULTIVARIATE] == all->known->number;
    for (uint32_t i = 0; i < all->subject_count; i++) {
        const struct evidence_subject *subject = &all->subjects[i];
        const uint64_t *from = all->window->counters + subject->at;
        if (subject->feature == UINT32_MAX)
            from = scored ? multivariate_score_counts(scores, (subject->at - layout->size.counters) /
                                                                  MULTIVARIATE_BINS)
                          : NULL;
        if (from)
            memcpy(out->counters + subject->at, from, subject->slots * sizeof(*from));
    }
}

int engine_evidence_feed(struct evidences *all, const struct tally *pane, int64_t start_ms)
{
    int code = 0;
    for (uint32_t i = 0; i < all->subject_count && code == 0; i++)
        if (all->subjects[i].evidence)
            code = evidence_close(all->subjects[i].evidence, start_ms, pane->counters + all->subjects[i].at);
    return code;
}

/* ---- the reference that moves ---- */

static uint64_t rows_of(const struct evidence_subject *subject, const struct tally *counts)
{
    uint64_t rows = 0;
    for (uint32_t s = 0; s < subject->slots; s++)
        rows += counts->counters[subject->at + s];
    return rows;
}

int engine_evidence_move(struct evidences *all, bool seasonal)
{
    const struct feature_layout *layout = all->known->grid->layouts[GRID_COARSE];
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < all->subject_count; i++) {
        struct evidence_subject *subject = &all->subjects[i];
        if (subject->feature == UINT32_MAX || !subject->evidence ||
            rows_of(subject, all->moving) < MOVING_ROWS)
            continue; /* too little, now and before */
        const uint64_t *counts = all->moving->counters + subject->at;
        struct evidence_bins bins;
        evidence_bins_of_feature(&layout->grid->features[subject->feature], counts, &bins);
        code = evidence_move(subject->evidence, &bins, counts, all->epoch_ms);
        struct evidence_settings settings = all->settings;
        settings.dispersion = seasonal ? NULL : subject->dispersion; /* cycles are in the season */
        subject->limits[0] = evidence_limits_of(subject->evidence, &settings, true);
    }
    return code;
}

/* A rolling reference stands for a pane of the third tier, a seasonal one for one of the second. */
static int begin_moving(struct engine *engine, const struct series *series, int64_t start_ms)
{
    struct evidences *all = series->version->evidences;
    int tier = series->version->config->past.seasonal_weeks ? 1 : 2;
    int64_t epoch_ms = evidence_bucket(&all->settings, tier, start_ms);
    if (!all->moving || epoch_ms == all->tried_ms)
        return 0;
    all->tried_ms = epoch_ms;
    all->changed = true;
    int code = engine_past_sum(engine, series, epoch_ms, all->window);
    bool enough = false;
    for (uint32_t i = 0; code == 0 && i < all->subject_count; i++)
        enough |=
            all->subjects[i].feature != UINT32_MAX && rows_of(&all->subjects[i], all->window) >= MOVING_ROWS;
    if (code != 0 || !enough)
        return code;
    /* A feature that is starved keeps the counts that it had. */
    const struct feature_layout *layout = all->known->grid->layouts[GRID_COARSE];
    for (uint32_t i = 0; i < all->subject_count; i++) {
        const struct evidence_subject *subject = &all->subjects[i];
        if (subject->feature == UINT32_MAX || rows_of(subject, all->window) < MOVING_ROWS)
            continue;
        feature_tally_add(layout, all->moving, all->moving, subject->feature, -1);
        feature_tally_add(layout, all->window, all->moving, subject->feature, 1);
    }
    all->epoch_ms = epoch_ms;
    code = engine_evidence_move(all, series->version->config->past.seasonal_weeks > 0);
    return code ? code : engine_evidence_put_moving(engine, series);
}

/* ---- the pane that closes ---- */

static int add_pane(struct engine *engine, const struct series *series, const struct pane_set *set,
                    int64_t start_ms)
{
    struct evidences *all = series->version->evidences;
    struct open_sum *pane = &all->open[0];
    int code = begin_moving(engine, series, start_ms);
    if (code != 0)
        return code;
    collect(all, set, pane->sum);
    pane->start_ms = start_ms;
    if (all->begin_ms == INT64_MIN) {
        all->begin_ms = start_ms;
        all->changed = true;
    }
    code = engine_evidence_feed(all, pane->sum, start_ms);
    if (code != 0)
        return code;
    all->open[1].start_ms = evidence_bucket(&all->settings, 1, start_ms);
    tally_add(all->open[1].sum, pane->sum);
    all->due = true;
    all->next_subject = 0;
    return engine_evidence_put_sum(engine, series, 0);
}

int engine_evidence_close(struct engine *engine, const struct series *series, const struct pane_set *set,
                          int64_t end_ms)
{
    struct version *version = series->version;
    const struct known_reference *known = version->reference;
    if (series->segment[0] || !evidence_is_wanted(version) || !known || !known->grid->layouts[GRID_COARSE])
        return 0;
    bool counted = set && set->parts[PANE_FEATURES] && set->basis[PANE_FEATURES] == known->grid->number;
    int code = 0;
    if (counted && (!version->evidences || version->evidences->known->number != known->number))
        code = engine_evidence_begin(engine, version);
    if (code != 0 || !version->evidences)
        return code;
    int64_t start_ms = end_ms - engine->times.tiers_ms[0];
    code = roll_over(engine, series, start_ms);
    if (code == 0 && counted)
        code = add_pane(engine, series, set, start_ms);
    return code ? code : roll_over(engine, series, end_ms);
}

/* ---- judging ---- */

/* The window's slots of a feature as a coarse tally. Values out of range count at the range's edge. */
static void show_window(const struct evidences *all, const struct evidence_subject *subject,
                        const uint64_t *slots)
{
    const struct feature_layout *layout = all->known->grid->layouts[GRID_COARSE];
    const struct feature_grid *feature = &layout->grid->features[subject->feature];
    memcpy(all->window->counters + subject->at, slots, subject->slots * sizeof(*slots));
    if (feature->type != FEATURE_NUMERIC || feature->edge_count == 0)
        return;
    int128 *sums = all->window->sums + layout->sums_at[subject->feature];
    const double edges[2] = {feature->edges[0], feature->edges[feature->edge_count - 1]};
    const uint64_t counts[2] = {slots[0], slots[feature_slot_missing(feature, GRID_COARSE) - 1]};
    for (int side = 0; side < 2; side++) {
        double z = fmin(fmax((edges[side] - feature->location) / feature->scale, -Z_CLIP), Z_CLIP);
        sums[2 + side] = (int128)((long double)counts[side] * (long double)z * (long double)Z_UNIT);
    }
}

static struct evidence_effect effect_of(const struct engine *engine, const struct version *version,
                                        const struct evidence_subject *subject, uint32_t w, int64_t start_ms,
                                        uint64_t *out_n)
{
    const struct evidences *all = version->evidences;
    const struct reference *reference = all->known->reference;
    uint64_t slots[GRID_SLOTS_MAX + 1];
    *out_n = 0;
    if (!evidence_window(subject->evidence, start_ms, slots))
        return (struct evidence_effect){.psi = NAN, .js = NAN, .w1 = NAN, .missing_delta = NAN};
    for (uint32_t s = 0; s < subject->slots; s++)
        *out_n += slots[s];
    if (subject->feature == UINT32_MAX)
        return evidence_effect_of_slots(subject->reference, slots, subject->slots);
    struct drift_options options = engine->drift;
    struct report_row row;
    options.n_min = version->config->options.n_min;
    options.without_tables = true;
    show_window(all, subject, slots);
    const struct feature_layout *coarse = all->known->grid->layouts[GRID_COARSE];
    bool moving = subject->limits[w].moving;
    drift_report_feature(coarse, all->window, moving ? coarse : reference->layout,
                         moving ? all->moving : reference->features, &options, subject->feature, &row);
    return evidence_effect_of_row(&row);
}

static double or_undefined(double value)
{
    return isfinite(value) ? value : (double)NAN;
}

static void fill_row(const struct evidences *all, const struct evidence_subject *subject, uint32_t w,
                     const struct evidence_look *look, struct report_row *row)
{
    const struct evidence_watch *watch = &subject->watches[w];
    const struct evidence_limits *limits = &subject->limits[w];
    int64_t onset_ms = watch->level ? watch->onset_ms : look->onset_ms;
    *row =
        (struct report_row){.family = w ? FAMILY_EVIDENCE_FIXED : FAMILY_EVIDENCE,
                            .subject = subject->feature == UINT32_MAX ? 0 : subject->feature,
                            .flags = limits->moving ? REPORT_NO_REFERENCE : 0,
                            .reference_n = (uint64_t)evidence_reference_n(subject->evidence, limits->moving)};
    report_row_undefine(row);
    row->slots[EVIDENCE_STATE] = watch->level;
    row->slots[EVIDENCE_CROSSED] = 0;
    row->slots[EVIDENCE_LOG_R] = or_undefined(look->log_r);
    row->slots[EVIDENCE_THRESHOLD] = limits->threshold;
    row->slots[EVIDENCE_LOG_E] = or_undefined(look->log_e);
    if (onset_ms != INT64_MIN)
        row->slots[EVIDENCE_ONSET_S] = (double)onset_ms / 1000;
    row->slots[EVIDENCE_CROSSINGS] = (double)watch->crossings;
    row->slots[EVIDENCE_RUN_LENGTH_S] = limits->run_length * (double)all->settings.tier_ms[0] / 1000;
    uint32_t entry = look->onset_ms == INT64_MIN ? 0 : look->entry;
    row->slots[EVIDENCE_TOLERANCE] = limits->rho[entry];
    row->slots[EVIDENCE_OVERDISPERSION] = limits->phi[entry];
}

static void fill_effect(const struct evidence_effect *effect, uint64_t n, struct report_row *row)
{
    row->n = n;
    row->slots[EVIDENCE_EFFECT] = or_undefined(effect->warning);
    row->slots[EVIDENCE_PSI] = or_undefined(effect->psi);
    row->slots[EVIDENCE_JS] = or_undefined(effect->js);
    row->slots[EVIDENCE_W1] = or_undefined(effect->w1);
    row->slots[EVIDENCE_MISSING_DELTA] = or_undefined(effect->missing_delta);
}

/* One watch at the end of a pane; true when there is a row. */
static bool judge(struct engine *engine, const struct version *version, struct evidence_subject *subject,
                  uint32_t w, int64_t end_ms, struct report_row *row)
{
    struct evidences *all = version->evidences;
    struct evidence_watch *watch = &subject->watches[w];
    bool hourly = evidence_bucket(&all->settings, 1, end_ms) == end_ms;
    struct evidence_look look = evidence_look(subject->evidence, &subject->limits[w], watch, hourly);
    bool crossed = look.log_r >= subject->limits[w].threshold, cleared = false;
    bool may_clear = !crossed && evidence_may_clear(watch, end_ms, all->settings.tier_ms[0]);
    struct evidence_effect effect;
    uint64_t n = 0;
    if (crossed) {
        effect = effect_of(engine, version, subject, w, look.onset_ms, &n);
        evidence_cross(watch, &look, &effect, end_ms);
    } else if (may_clear) {
        int64_t start_ms = evidence_start(&all->settings, watch->entry, end_ms);
        effect = effect_of(engine, version, subject, w, start_ms, &n);
        cleared = evidence_clear(watch, &effect);
    } else if (hourly && look.onset_ms != INT64_MIN) {
        effect = effect_of(engine, version, subject, w, look.onset_ms, &n);
    }
    all->changed |= crossed || cleared;
    if (!crossed && !cleared && !hourly)
        return false;
    fill_row(all, subject, w, &look, row);
    row->slots[EVIDENCE_CROSSED] = crossed;
    if (crossed || may_clear || look.onset_ms != INT64_MIN)
        fill_effect(&effect, n, row);
    return true;
}

bool engine_evidence_is_due(const struct series *series)
{
    return !series->segment[0] && series->version->evidences && series->version->evidences->due;
}

int engine_evidence_judge(struct engine *engine, const struct series *series, int64_t end_ms)
{
    struct evidences *all = series->version->evidences;
    struct report_row rows[SUBJECTS_AT_ONCE * WATCHES_MAX];
    struct text names[SUBJECTS_AT_ONCE * WATCHES_MAX];
    struct window_config pane = {.length_ms = all->settings.tier_ms[0], .slide_ms = all->settings.tier_ms[0]};
    uint32_t count = 0;
    for (uint32_t i = 0; i < SUBJECTS_AT_ONCE && all->next_subject < all->subject_count; i++) {
        struct evidence_subject *subject = &all->subjects[all->next_subject++];
        for (uint32_t w = 0; subject->evidence && w < all->watch_count; w++)
            if (judge(engine, series->version, subject, w, end_ms, &rows[count]))
                names[count++] = text_of(subject->name);
    }
    int code = count ? engine_put_rows(engine, series, &pane, end_ms, 1, rows, names, count) : 0;
    all->due = all->next_subject < all->subject_count;
    return code == 0 && all->due ? ERR_BUSY : code;
}
