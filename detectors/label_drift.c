#include "detectors/label_drift.h"

#include <math.h>

#include "detectors/distance.h"
#include "detectors/intervals.h"
#include "detectors/outcomes_layout.h"
#include "detectors/score_slots.h"

#define ALPHA        0.05
#define ALPHA_ALARM  0.001
#define SCORE_STABLE 0.10 /* PSI: the warning band of METHODS §15 */

enum { NEGATIVE, POSITIVE, CLASSES };

/* Labels per class and score bin; class_only: those without a score. */
struct label_counts {
    uint64_t bins[CLASSES][SCORE_BINS], total[CLASSES], scored;
};

static void read_labels(const struct tally *tally, struct label_counts *out)
{
    *out = (struct label_counts){0};
    for (uint32_t cell = 0; cell < 4; cell++) {
        const uint64_t *bins = tally->counters + OUT_SCORES + cell * SCORE_BINS;
        uint32_t label = cell / 2;
        out->total[label] += tally->counters[OUT_CLASS_ONLY + cell];
        for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
            out->bins[label][bin] += bins[bin];
            out->total[label] += bins[bin];
            out->scored += bins[bin];
        }
    }
}

/* ---- P(y) ---- */

static void put_classes(struct report_row *row, const uint64_t *before, const uint64_t *now, uint32_t classes)
{
    struct count_pair pair = count_pair_of(before, now, classes);
    struct count_tests tests = count_tests(&pair);
    double v = count_pair_variance(&pair);
    uint32_t df = pair.nonempty > 0 ? pair.nonempty - 1 : 0;
    row->slots[LABEL_JS] = pair.nonempty > 1 ? frequency_distances(&pair, JEFFREYS).js_distance : 0;
    row->slots[LABEL_ROOT_FLOOR] = sqrt(psi_null(v, df, ALPHA_ALARM).threshold);
    row->slots[LABEL_CHI2] = tests.chi2;
    row->slots[LABEL_CHI2_P] = tests.chi2_p;
}

static void put_rate(struct report_row *row, const struct label_counts *before,
                     const struct label_counts *now)
{
    double k = (double)now->total[POSITIVE], n = k + (double)now->total[NEGATIVE];
    double K = (double)before->total[POSITIVE], M = K + (double)before->total[NEGATIVE];
    struct interval interval = interval_newcombe(k, n, K, M, ALPHA);
    row->slots[LABEL_RATE_DELTA] = k / n - K / M;
    row->slots[LABEL_RATE_DELTA_LOW] = interval.low;
    row->slots[LABEL_RATE_DELTA_HIGH] = interval.high;
    row->slots[LABEL_RATE_P] = two_proportion_z(k, n, K, M).p;
    put_classes(row, before->total, now->total, CLASSES);
}

/* ---- P(y | score) ---- */

/* One bin of scores: fine bins [from, to). */
struct score_bin {
    uint32_t from, to;
    uint64_t before[CLASSES], now[CLASSES];
};

/* Cuts by the reference alone, so that a bin is the same in every window: each takes its share of the labels
 * that are left. */
static uint32_t cut(const struct label_counts *before, const struct label_counts *now,
                    struct score_bin out[CONCEPT_BINS_MAX])
{
    uint32_t wanted = before->scored >= 100 * CONCEPT_BINS_MAX ? CONCEPT_BINS_MAX : CONCEPT_BINS_MAX / 2;
    uint32_t count = 0;
    uint64_t left = before->scored, held = 0;
    out[0] = (struct score_bin){0};
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        struct score_bin *at = &out[count];
        for (int label = 0; label < CLASSES; label++) {
            at->before[label] += before->bins[label][bin];
            at->now[label] += now->bins[label][bin];
            held += before->bins[label][bin];
        }
        at->to = bin + 1;
        if (held < left && held * (wanted - count) >= left) {
            left -= held;
            held = 0;
            out[++count] = (struct score_bin){.from = bin + 1, .to = bin + 1};
        }
    }
    return count + 1;
}

static double test(const struct score_bin *bin)
{
    double k = (double)bin->now[POSITIVE], n = k + (double)bin->now[NEGATIVE];
    double K = (double)bin->before[POSITIVE], M = K + (double)bin->before[NEGATIVE];
    double positives = k + K, rarer = fmin(positives, n + M - positives);
    if (fmin(n, M) * rarer / (n + M) < 5)
        return fisher_exact_p(bin->now[POSITIVE], bin->now[POSITIVE] + bin->now[NEGATIVE],
                              bin->before[POSITIVE], bin->before[POSITIVE] + bin->before[NEGATIVE]);
    return two_proportion_z(k, n, K, M).p; /* z² is χ² of the four counts */
}

static void put_worst(struct report_row *row, const struct score_bin *bin)
{
    double k = (double)bin->now[POSITIVE], n = k + (double)bin->now[NEGATIVE];
    double K = (double)bin->before[POSITIVE], M = K + (double)bin->before[NEGATIVE];
    struct interval interval = interval_newcombe(k, n, K, M, ALPHA);
    row->slots[CONCEPT_DELTA] = k / n - K / M;
    row->slots[CONCEPT_DELTA_LOW] = interval.low;
    row->slots[CONCEPT_DELTA_HIGH] = interval.high;
    row->slots[CONCEPT_SCORE_LOW] = (double)bin->from / SCORE_BINS;
    row->slots[CONCEPT_SCORE_HIGH] = (double)bin->to / SCORE_BINS;
}

/* True when the scores are distributed as they were, as far as the band and the noise of these samples say.
 */
static bool put_score_psi(struct report_row *row, const struct score_bin *bins, uint32_t count)
{
    uint64_t before[CONCEPT_BINS_MAX], now[CONCEPT_BINS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        before[i] = bins[i].before[NEGATIVE] + bins[i].before[POSITIVE];
        now[i] = bins[i].now[NEGATIVE] + bins[i].now[POSITIVE];
    }
    struct count_pair pair = count_pair_of(before, now, count);
    uint32_t df = pair.nonempty > 0 ? pair.nonempty - 1 : 0;
    double psi = pair.nonempty > 1 ? frequency_distances(&pair, JEFFREYS).psi : 0;
    double noise = psi_null(count_pair_variance(&pair), df, ALPHA_ALARM).threshold;
    row->slots[CONCEPT_SCORE_PSI] = psi;
    row->slots[CONCEPT_SCORE_FLOOR] = noise;
    return psi < fmax(SCORE_STABLE, noise);
}

static void put_concept(struct report_row *row, const struct label_counts *before,
                        const struct label_counts *now)
{
    struct score_bin bins[CONCEPT_BINS_MAX];
    double p[CONCEPT_BINS_MAX], adjusted[CONCEPT_BINS_MAX];
    if (before->scored == 0 || now->scored == 0)
        return;
    uint32_t count = cut(before, now, bins), tested = 0, worst = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        bool enough = bins[i].before[NEGATIVE] + bins[i].before[POSITIVE] >= CONCEPT_BIN_LABELS &&
                      bins[i].now[NEGATIVE] + bins[i].now[POSITIVE] >= CONCEPT_BIN_LABELS;
        p[i] = enough ? test(&bins[i]) : (double)NAN;
        tested += enough;
        if (enough && (worst == UINT32_MAX || p[i] < p[worst]))
            worst = i;
    }
    row->slots[CONCEPT_TESTED] = tested;
    bool stable = put_score_psi(row, bins, count);
    if (tested == 0)
        return;
    uint32_t drifted = 0;
    adjust_bonferroni(p, count, adjusted);
    for (uint32_t i = 0; i < count; i++)
        drifted += adjusted[i] < ALPHA_ALARM;
    row->slots[CONCEPT_P] = row->slots[CONCEPT_BINS_P] = adjusted[worst];
    row->slots[CONCEPT_BINS] = drifted;
    row->slots[CONCEPT_HINT] = stable && drifted > 0;
    put_worst(row, &bins[worst]);
}

/* ---- targets ---- */

struct targets {
    double n, mean, sd;
};

/* Steps are whole, so the squares about a shift near the mean are exact, whatever the size of the mean. */
static struct targets read_targets(const struct tally *tally, double unit)
{
    struct targets out = {(double)tally->counters[OUT_REGRESSION_N], (double)NAN, (double)NAN};
    if (!(out.n > 0))
        return out;
    int128 n = (int128)tally->counters[OUT_REGRESSION_N], total = tally->sums[SUM_Y_STEPS], shift = total / n;
    uint128 squares = (uint128)tally->sums[SUM_Y2_STEPS] - 2 * (uint128)shift * (uint128)total +
                      (uint128)n * (uint128)shift * (uint128)shift;
    double rest = (double)(total - n * shift), step = unit / OUT_STEP_SCALE;
    out.mean = ((double)shift + rest / out.n) * step;
    if (out.n > 1)
        out.sd = sqrt(fmax((double)(int128)squares - rest * rest / out.n, 0) / (out.n - 1)) * step;
    return out;
}

static void put_mean(struct report_row *row, const struct targets *before, const struct targets *now)
{
    struct welch welch = welch_test(now->mean, now->sd, now->n, before->mean, before->sd, before->n, ALPHA);
    row->slots[LABEL_MEAN_DELTA] = now->mean - before->mean;
    row->slots[LABEL_MEAN_DELTA_LOW] = welch.interval.low;
    row->slots[LABEL_MEAN_DELTA_HIGH] = welch.interval.high;
    row->slots[LABEL_MEAN_P] = welch.p;
    if (before->sd > 0)
        row->slots[LABEL_MEAN_SHIFT] = (now->mean - before->mean) / before->sd;
}

/* ---- rows ---- */

static void start_row(struct report_row *row, double n, double reference_n, uint64_t n_min)
{
    *row = (struct report_row){
        .family = FAMILY_LABEL_DRIFT, .n = (uint64_t)n, .reference_n = (uint64_t)reference_n};
    row->flags = row->n < n_min || row->reference_n < n_min ? REPORT_INSUFFICIENT : 0;
    report_row_undefine(row);
}

bool label_drift_report(const struct tally *outcomes, const struct labelled *labelled, double unit,
                        uint64_t n_min, struct report_row *row)
{
    struct label_counts now, before;
    read_labels(outcomes, &now);
    read_labels(labelled->total, &before);
    struct targets targets = read_targets(outcomes, unit);
    struct targets known = read_targets(labelled->total, labelled->unit);
    uint64_t n = now.total[NEGATIVE] + now.total[POSITIVE];
    uint64_t reference_n = before.total[NEGATIVE] + before.total[POSITIVE];
    if (n > 0 && reference_n > 0) {
        start_row(row, (double)n, (double)reference_n, n_min);
        put_rate(row, &before, &now);
        put_concept(row, &before, &now);
        return true;
    }
    if (!(targets.n > 0) || !(known.n > 0))
        return false;
    start_row(row, targets.n, known.n, n_min);
    put_mean(row, &known, &targets);
    return true;
}

bool label_drift_report_classes(const struct label_classes *now, const struct label_classes *before,
                                uint64_t n_min, struct report_row *row)
{
    uint64_t ours[LABEL_CLASS_BINS_MAX], theirs[LABEL_CLASS_BINS_MAX];
    uint64_t n = label_classes_total(now), reference_n = label_classes_total(before);
    if (n == 0 || reference_n == 0)
        return false;
    uint32_t bins = label_classes_align(now, before, ours, theirs);
    start_row(row, (double)n, (double)reference_n, n_min);
    put_classes(row, theirs, ours, bins);
    return true;
}
