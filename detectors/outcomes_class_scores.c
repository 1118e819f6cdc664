/* The scores of all classes against labels (METHODS §7.2, §8): counting, and what a row says of them. */
#include "detectors/class_scores.h"

#include "detectors/calibration.h"
#include "detectors/outcome_slots.h"
#include "detectors/outcomes_class_scores.h"
#include "detectors/outcomes_layout.h"
#include "detectors/outcomes_rows.h"
#include "detectors/performance.h"
#include "detectors/portable_log.h"

#define LOSS_CLIP    1e-15
#define UNNORMALISED 0.01 /* further from 1 than that */

struct tally_size outcome_class_scores_size(void)
{
    return (struct tally_size){CLASSES_COUNTERS, CLASSES_SUMS};
}

_Static_assert(CLASS_SCORE_STEPS == CLASS_SCORE_BIN_STEPS * CLASSES_WIDE_BINS, "bins of whole steps");

/* ---- counting ---- */

/* Without rounding for codes that are steps: a score of 0.3 is where 0.3 begins. */
static uint32_t wide_bin(uint16_t code, double score)
{
    if (code > CLASS_SCORE_STEPS)
        return score >= 1.0 / CLASSES_WIDE_BINS;
    uint32_t bin = code / CLASS_SCORE_BIN_STEPS;
    return bin < CLASSES_WIDE_BINS ? bin : CLASSES_WIDE_BINS - 1;
}

static uint32_t bin_of(uint32_t wide, double score)
{
    if (wide > 0)
        return wide + CLASSES_LOW_BINS - 1;
    uint32_t low = score > 0 ? 1 : 0;
    for (double edge = 0x1p-16; low + 1 < CLASSES_LOW_BINS && score >= edge; edge *= 2)
        low++;
    return low;
}

static int64_t fixed(double value)
{
    return (int64_t)rint(value * OUT_SCALE);
}

static void add_fixed(struct tally *tally, uint32_t at, int128 value, int sign)
{
    tally->sums[at] = (int128)((uint128)tally->sums[at] + (uint128)(sign < 0 ? -value : value));
}

static void count_class(struct tally *tally, uint32_t class, uint16_t code, bool is_true, int sign)
{
    double score = class_score_decode(code);
    uint32_t wide = wide_bin(code, score);
    outcome_count(tally, CLASSES_COUNTS + (class * 2 + is_true) * CLASSES_BINS + bin_of(wide, score), sign);
    uint32_t tenth = wide / (CLASSES_WIDE_BINS / OUTCOME_CALIBRATION_BINS);
    add_fixed(tally, CLASSES_SUM_P + class * OUTCOME_CALIBRATION_BINS + tenth, fixed(score), sign);
    add_fixed(tally, CLASSES_SUM_P2 + class, fixed(score * score), sign);
    if (is_true)
        add_fixed(tally, CLASSES_SUM_PY + class, fixed(score), sign);
}

/* Terms of an event are added as integers: slots of classes are in no order that means anything. */
void outcome_class_scores_add(struct tally *tally, const struct class_scores *scores, uint32_t truth,
                              int sign)
{
    double of_truth = truth < scores->count ? class_score_decode(scores->codes[truth]) : 0;
    int64_t total = 0, brier = fixed((of_truth - 1) * (of_truth - 1));
    for (uint32_t class = 0; class < scores->count; class ++) {
        uint16_t code = scores->codes[class];
        double score = class_score_decode(code);
        total += fixed(score);
        brier += class == truth ? 0 : fixed(score * score);
        if (code > 0 && class != truth)
            count_class(tally, class, code, false, sign);
    }
    if (truth < CLASS_SCORES_MAX)
        count_class(tally, truth, truth < scores->count ? scores->codes[truth] : 0, true, sign);
    double kept = of_truth < LOSS_CLIP ? LOSS_CLIP : of_truth > 1 - LOSS_CLIP ? 1 - LOSS_CLIP : of_truth;
    double loss = -portable_log(kept);
    outcome_count(tally, CLASSES_N, sign);
    if (total < fixed(1 - UNNORMALISED) || total > fixed(1 + UNNORMALISED))
        outcome_count(tally, CLASSES_UNNORMALISED, sign);
    add_fixed(tally, CLASSES_LOSS, fixed(loss), sign);
    add_fixed(tally, CLASSES_LOSS2, fixed(loss * loss), sign);
    add_fixed(tally, CLASSES_BRIER, brier, sign);
    add_fixed(tally, CLASSES_BRIER2, (int128)brier * brier >> 40, sign);
}

/* ---- rows ---- */

/* A class against the rest, with the events that gave it a score of 0. */
struct one_class {
    double positives[CLASSES_BINS], negatives[CLASSES_BINS];
    struct calibration_bin bins[OUTCOME_CALIBRATION_BINS];
};

static uint32_t tenth_of(uint32_t bin)
{
    uint32_t wide = bin < CLASSES_LOW_BINS ? 0 : bin - (CLASSES_LOW_BINS - 1);
    return wide / (CLASSES_WIDE_BINS / OUTCOME_CALIBRATION_BINS);
}

static bool read_class(const struct tally *tally, uint32_t class, struct one_class *out)
{
    double counted = 0;
    *out = (struct one_class){.bins = {{0}}};
    for (uint32_t bin = 0; bin < CLASSES_BINS; bin++) {
        const uint64_t *counts = &tally->counters[CLASSES_COUNTS + class * 2 * CLASSES_BINS + bin];
        out->negatives[bin] = (double)counts[0];
        out->positives[bin] = (double)counts[CLASSES_BINS];
        counted += out->negatives[bin] + out->positives[bin];
    }
    if (counted <= 0)
        return false;
    out->negatives[0] += (double)tally->counters[CLASSES_N] - counted;
    for (uint32_t bin = 0; bin < CLASSES_BINS; bin++) {
        struct calibration_bin *of = &out->bins[tenth_of(bin)];
        of->n += out->negatives[bin] + out->positives[bin];
        of->sum_y += out->positives[bin];
    }
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++)
        out->bins[i].sum_p = outcome_sum(tally, CLASSES_SUM_P + class * OUTCOME_CALIBRATION_BINS + i);
    /* Only their totals are used. */
    out->bins[0].sum_p2 = outcome_sum(tally, CLASSES_SUM_P2 + class);
    out->bins[0].sum_py = outcome_sum(tally, CLASSES_SUM_PY + class);
    return true;
}

bool outcome_class_scores_row(const struct tally *tally, uint32_t class, struct report_row *row)
{
    struct one_class one;
    if (class >= CLASS_SCORES_MAX || !read_class(tally, class, &one))
        return false;
    struct calibration c = calibration_of(one.bins, OUTCOME_CALIBRATION_BINS);
    struct score_histogram histogram = {one.positives, one.negatives, CLASSES_BINS};
    struct auc auc = score_auc(&histogram);
    /* Among scores of 0 nothing is hidden. */
    double positives = c.mean_y * c.n, pairs = positives * (c.n - positives);
    double hidden = auc.half_width - 0.5 * one.positives[0] * one.negatives[0] / pairs;
    double *slots = row->slots;
    slots[CLASS_ECE] = c.ece;
    slots[CLASS_ECE_BIAS] = c.ece_bias;
    slots[CLASS_MCE] = c.mce;
    slots[CLASS_DEBIASED] = c.debiased_error;
    slots[CLASS_DEBIASED_P] = c.hosmer_lemeshow_p;
    slots[CLASS_BRIER] = c.brier;
    outcome_put(row, CLASS_AUC, auc.value, auc_interval(&auc, OUTCOME_ALPHA));
    slots[CLASS_AUC_ERROR] = isnan(hidden) ? hidden : fmax(hidden, 0);
    slots[CLASS_MEAN_SCORE] = c.mean_p;
    slots[CLASS_DIFFERENCE] = c.difference;
    slots[CLASS_DIFFERENCE_P] = c.p;
    return true;
}

void outcome_class_scores_whole(const struct tally *tally, const struct report_row *classes, uint32_t count,
                                double labelled, struct report_row *whole)
{
    double n = (double)tally->counters[CLASSES_N], scored = 0, ranked = 0;
    double ece = 0, bias = 0, worst = 0, auc = 0, auc_error = 0, *slots = whole->slots;
    slots[MULTI_SCORED] = outcome_ratio(n, labelled);
    if (!(n > 0))
        return;
    for (uint32_t i = 0; i < count; i++) {
        const double *of = classes[i].slots;
        if (isnan(of[CLASS_ECE]))
            continue;
        scored++;
        ece += of[CLASS_ECE];
        bias += of[CLASS_ECE_BIAS];
        worst = fmax(worst, of[CLASS_ECE]);
        if (isnan(of[CLASS_AUC]))
            continue;
        ranked++;
        auc += of[CLASS_AUC];
        auc_error += of[CLASS_AUC_ERROR];
    }
    double loss = outcome_sum(tally, CLASSES_LOSS) / n, brier = outcome_sum(tally, CLASSES_BRIER) / n;
    double loss_error = outcome_mean_error(loss, outcome_sum(tally, CLASSES_LOSS2) / n, n);
    double brier_error = outcome_mean_error(brier, outcome_sum(tally, CLASSES_BRIER2) / n, n);
    outcome_put(whole, MULTI_LOG_LOSS, loss, outcome_around(loss, loss_error, 0, INFINITY));
    outcome_put(whole, MULTI_BRIER, brier, outcome_around(brier, brier_error, 0, INFINITY));
    slots[MULTI_CLASS_ECE] = outcome_ratio(ece, scored);
    slots[MULTI_CLASS_ECE_BIAS] = outcome_ratio(bias, scored);
    slots[MULTI_CLASS_ECE_WORST] = scored > 0 ? worst : (double)NAN;
    slots[MULTI_AUC] = outcome_ratio(auc, ranked);
    slots[MULTI_AUC_ERROR] = outcome_ratio(auc_error, ranked);
    slots[MULTI_UNNORMALISED] = (double)tally->counters[CLASSES_UNNORMALISED] / n;
}
