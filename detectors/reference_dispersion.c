/*
 * Overdispersion of a reference's features, from the times of its sampled events: blocks of a minute are
 * counted, two blocks make one of the next level, and each is compared with all events together. A sample of
 * a share f of the events shows 1 + f·(φ − 1); the excess is divided by f again, after a standard error is
 * taken off as far as the sample is a small one, so that noise is not scaled up.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/evidence.h"
#include "detectors/reference_multivariate.h"
#include "detectors/reference_private.h"

enum { ROWS_MAX = 20000, CELLS_MAX = 16 << 20, STATISTICS = 3 /* Pearson, s, s² − 1 */ };

struct moments {
    double sum, squares;
};

struct accumulator { /* of one feature and level */
    uint64_t blocks;
    struct moments of[STATISTICS];
};

struct plan { /* of one feature */
    struct evidence_bins bins;
    uint32_t at;   /* first counter */
    double *share; /* by bin, of all rows */
    double *score, *square;
    double n, degrees, mean[2], variance[2];
    struct accumulator levels[DISPERSION_LEVELS];
};

struct dispersing {
    const struct reference *reference;
    struct plan *plans;
    double *numbers; /* memory of share, score and square */
    uint32_t feature_count, counters, row_count;
    int64_t *ts_ms; /* by row */
    uint8_t *slots; /* row · features: fine slot */
    uint32_t *by_time;
    uint32_t *counts; /* level · counters: the open block */
    int64_t block[DISPERSION_LEVELS];
    bool open[DISPERSION_LEVELS];
};

static void release(struct dispersing *d)
{
    free(d->plans);
    free(d->numbers);
    free(d->ts_ms);
    free(d->slots);
    free(d->by_time);
    free(d->counts);
}

/* ---- rows ---- */

static int read_rows(struct dispersing *d, const struct sample *sample, uint64_t *out_times)
{
    uint32_t all = sample_row_count(sample), most = CELLS_MAX / (d->feature_count + 1);
    most = most < ROWS_MAX ? most : ROWS_MAX;
    uint32_t count = all < most ? all : most;
    struct sample_reader reader = {0};
    struct feature_binding *binding = feature_binding_new(d->reference->grid);
    struct feature_row *row = feature_row_new(d->feature_count);
    uint32_t *order = malloc(((size_t)all + 1) * sizeof *order);
    d->ts_ms = malloc(((size_t)count + 1) * sizeof *d->ts_ms);
    d->slots = malloc((size_t)count * d->feature_count + 1);
    d->by_time = malloc(((size_t)count + 1) * sizeof *d->by_time);
    int rc = sample_reader_init(&reader);
    if (rc == 0 && (!binding || !row || !order || !d->ts_ms || !d->slots || !d->by_time))
        rc = ERR_NOMEM;
    if (rc == 0)
        sample_row_order(sample, order);
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        struct event ev;
        uint64_t times = 0;
        rc = sample_row_read(sample, order[i], &reader, &ev, &times);
        if (rc == 0)
            rc = feature_row_resolve(row, binding, &ev);
        if (rc != 0)
            break;
        d->ts_ms[i] = ev.ts_ms;
        memcpy(d->slots + (size_t)i * d->feature_count, row->slot, d->feature_count);
        *out_times += times;
        d->row_count++;
    }
    free(order);
    feature_row_free(row);
    feature_binding_free(binding);
    sample_reader_release(&reader);
    return rc;
}

static int compare_times(const void *a, const void *b, void *context)
{
    const struct dispersing *d = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (d->ts_ms[x] != d->ts_ms[y])
        return d->ts_ms[x] < d->ts_ms[y] ? -1 : 1;
    return (x > y) - (x < y);
}

/* The bin of evidence; UINT32_MAX: the event says nothing about the feature. */
static uint32_t bin_of(const struct dispersing *d, uint32_t row, uint32_t f)
{
    const struct feature_grid *feature = &d->reference->grid->features[f];
    uint8_t slot = d->slots[(size_t)row * d->feature_count + f];
    if (slot == SLOT_NONE)
        return UINT32_MAX;
    return d->plans[f].bins.bin_of[feature->type == FEATURE_NUMERIC ? feature->coarse_slot[slot] : slot];
}

/* ---- what all rows together say ---- */

static void moments_of(struct plan *plan)
{
    plan->degrees = -1;
    for (uint32_t b = 0; b < plan->bins.bins; b++) {
        plan->degrees += plan->share[b] > 0;
        plan->mean[0] += plan->share[b] * plan->score[b];
        plan->mean[1] += plan->share[b] * plan->square[b];
        plan->variance[0] += plan->share[b] * plan->score[b] * plan->score[b];
        plan->variance[1] += plan->share[b] * plan->square[b] * plan->square[b];
    }
    plan->variance[0] -= plan->mean[0] * plan->mean[0];
    plan->variance[1] -= plan->mean[1] * plan->mean[1];
}

static int plan_feature(struct dispersing *d, uint32_t f)
{
    struct plan *plan = &d->plans[f];
    uint64_t counts[GRID_SLOTS_MAX + 1] = {0};
    for (uint32_t r = 0; r < d->row_count; r++) {
        uint32_t bin = bin_of(d, r, f);
        if (bin != UINT32_MAX)
            counts[bin]++;
    }
    for (uint32_t b = 0; b < plan->bins.bins; b++)
        plan->n += (double)counts[b];
    if (!(plan->n > 0))
        return 0;
    struct e_reference *scored = e_reference_new(counts, plan->bins.ordered, plan->bins.bins);
    if (!scored)
        return ERR_NOMEM;
    for (uint32_t b = 0; b < plan->bins.bins; b++) {
        double s = plan->bins.ordered[b] ? e_reference_score(scored, b) : 0;
        plan->share[b] = (double)counts[b] / plan->n;
        plan->score[b] = s;
        plan->square[b] = plan->bins.ordered[b] ? s * s - 1 : 0;
    }
    e_reference_free(scored);
    moments_of(plan);
    return 0;
}

static int make_plans(struct dispersing *d)
{
    const struct reference *reference = d->reference;
    struct tally *coarse = tally_new(reference->coarse->size);
    d->plans = calloc(d->feature_count + 1u, sizeof *d->plans);
    if (!coarse || !d->plans) {
        tally_free(coarse);
        return ERR_NOMEM;
    }
    feature_tally_coarsen(reference->layout, reference->features, reference->coarse, coarse);
    for (uint32_t f = 0; f < d->feature_count; f++) {
        evidence_bins_of_feature(&reference->grid->features[f],
                                 coarse->counters + reference->coarse->slot_at[f], &d->plans[f].bins);
        d->plans[f].at = d->counters;
        d->counters += d->plans[f].bins.bins;
    }
    tally_free(coarse);
    d->numbers = calloc(3 * (size_t)d->counters + 1, sizeof *d->numbers);
    d->counts = calloc((size_t)DISPERSION_LEVELS * d->counters + 1, sizeof *d->counts);
    int rc = d->numbers && d->counts ? 0 : ERR_NOMEM;
    for (uint32_t f = 0; rc == 0 && f < d->feature_count; f++) {
        struct plan *plan = &d->plans[f];
        plan->share = d->numbers + 3 * (size_t)plan->at;
        plan->score = plan->share + plan->bins.bins;
        plan->square = plan->score + plan->bins.bins;
        rc = plan_feature(d, f);
    }
    return rc;
}

/* ---- blocks ---- */

static void note(struct moments *moments, double value)
{
    moments->sum += value;
    moments->squares += value * value;
}

static void judge_block(const struct plan *plan, const uint32_t *counts, struct accumulator *out)
{
    double n = 0, pearson = 0, sums[2] = {0, 0};
    for (uint32_t b = 0; b < plan->bins.bins; b++)
        n += counts[b];
    if (n < 2 || n >= plan->n || plan->degrees < 1)
        return;
    for (uint32_t b = 0; b < plan->bins.bins; b++) {
        double expected = n * plan->share[b], difference = counts[b] - expected;
        pearson += expected > 0 ? difference * difference / expected : 0;
        sums[0] += counts[b] * plan->score[b];
        sums[1] += counts[b] * plan->square[b];
    }
    double own = 1 - n / plan->n; /* the block is part of what it is compared with */
    out->blocks++;
    note(&out->of[0], pearson / plan->degrees / own);
    for (int i = 0; i < 2; i++) {
        double off = sums[i] - n * plan->mean[i];
        bool varies = plan->variance[i] > 1e-12;
        note(&out->of[1 + i], varies ? off * off / (n * plan->variance[i]) / own : 1);
    }
}

/* The open block of a level is over: it is judged and joins the one above. */
static void end_block(struct dispersing *d, uint32_t level)
{
    uint32_t *counts = d->counts + (size_t)level * d->counters;
    if (!d->open[level])
        return;
    for (uint32_t f = 0; f < d->feature_count; f++)
        judge_block(&d->plans[f], counts + d->plans[f].at, &d->plans[f].levels[level]);
    if (level + 1 < DISPERSION_LEVELS) {
        int64_t above = d->block[level] >> 1;
        if (d->open[level + 1] && d->block[level + 1] != above)
            end_block(d, level + 1);
        d->open[level + 1] = true;
        d->block[level + 1] = above;
        for (uint32_t i = 0; i < d->counters; i++)
            counts[d->counters + i] += counts[i];
    }
    memset(counts, 0, d->counters * sizeof *counts);
    d->open[level] = false;
}

static int64_t minute_of(int64_t ts_ms)
{
    int64_t offset = ts_ms % DISPERSION_UNIT_MS;
    return (ts_ms - (offset < 0 ? offset + DISPERSION_UNIT_MS : offset)) / DISPERSION_UNIT_MS;
}

static void cut_blocks(struct dispersing *d)
{
    for (uint32_t i = 0; i < d->row_count; i++)
        d->by_time[i] = i;
    if (d->row_count)
        qsort_r(d->by_time, d->row_count, sizeof *d->by_time, compare_times, d);
    for (uint32_t i = 0; i < d->row_count; i++) {
        uint32_t row = d->by_time[i];
        int64_t minute = minute_of(d->ts_ms[row]);
        if (d->open[0] && d->block[0] != minute)
            end_block(d, 0);
        d->open[0] = true;
        d->block[0] = minute;
        for (uint32_t f = 0; f < d->feature_count; f++) {
            uint32_t bin = bin_of(d, row, f);
            if (bin != UINT32_MAX)
                d->counts[d->plans[f].at + bin]++;
        }
    }
    for (uint32_t level = 0; level < DISPERSION_LEVELS; level++)
        end_block(d, level);
}

/* ---- φ ---- */

static double phi_of(const struct accumulator *accumulator, int statistic, double share)
{
    double n = (double)accumulator->blocks, mean = accumulator->of[statistic].sum / n;
    double variance = fmax(0, accumulator->of[statistic].squares / n - mean * mean);
    double excess = mean - 1 - sqrt(variance / n) * (1 - share);
    return excess > 0 ? 1 + excess / share : 1;
}

/* Three digits are more than is known. */
static double rounded(double value)
{
    return rint(value * 1000) / 1000;
}

static void conclude(const struct plan *plan, double share, struct dispersion *out)
{
    *out = (struct dispersion){0};
    for (uint32_t level = 0; level < DISPERSION_LEVELS; level++) {
        const struct accumulator *accumulator = &plan->levels[level];
        if (accumulator->blocks < DISPERSION_BLOCKS_LEAST)
            continue;
        double before[2] = {level ? out->pearson[level - 1] : 1, level ? out->score[level - 1] : 1};
        double score = fmax(phi_of(accumulator, 1, share), phi_of(accumulator, 2, share));
        out->pearson[level] = fmax(before[0], rounded(phi_of(accumulator, 0, share)));
        out->score[level] = fmax(before[1], rounded(score));
        for (uint32_t k = out->levels; k < level; k++) { /* too thin for blocks of two events */
            out->pearson[k] = out->pearson[level];
            out->score[k] = out->score[level];
        }
        out->levels = level + 1;
    }
}

int reference_build_dispersion(struct reference *reference, const struct sample *sample,
                               const struct reference_options *options)
{
    struct dispersing d = {.reference = reference, .feature_count = reference->grid->feature_count};
    uint64_t times = 0;
    int rc = read_rows(&d, sample, &times);
    bool repeated = times != d.row_count; /* what repeats was counted under the time of one of them */
    if (rc == 0 && !repeated)
        rc = make_plans(&d);
    if (rc == 0 && !repeated) {
        cut_blocks(&d);
        reference->dispersion = calloc(d.feature_count + 1u, sizeof *reference->dispersion);
        rc = reference->dispersion ? 0 : ERR_NOMEM;
    }
    double total = fmax((double)options->total_events, d.row_count);
    for (uint32_t f = 0; rc == 0 && reference->dispersion && f < d.feature_count; f++)
        conclude(&d.plans[f], d.row_count / total, &reference->dispersion[f]);
    release(&d);
    return rc;
}
