/* Counting outcomes: integers only, no libm. */
#include "detectors/outcomes.h"

#include <math.h>
#include <string.h>

#include "detectors/ddsketch.h"
#include "detectors/outcomes_layout.h"
#include "detectors/performance_regression.h"
#include "detectors/portable_log.h"

#define VALUE_MAX 0x1p31 /* units */
#define LOSS_CLIP 1e-15

struct tally_size outcomes_size(void)
{
    return (struct tally_size){OUT_COUNTERS, OUT_SUMS};
}

double outcome_sum(const struct tally *tally, uint32_t at)
{
    return (double)tally->sums[at] / OUT_SCALE;
}

#define WORD_MAX 4611686018427387904.0 /* 2^62 */

struct tally_size outcome_groups_size(void)
{
    return (struct tally_size){OUTCOME_GROUPS_MAX * GROUP_COUNTERS, OUTCOME_GROUPS_MAX * GROUP_SUMS};
}

void outcome_sum_add(struct tally *tally, uint32_t at, double value, int sign)
{
    double scaled = rint(value * OUT_SCALE);
    /* Most fit 64 bits, where the conversion is one instruction. */
    int128 fixed = fabs(scaled) < WORD_MAX ? (int128)(int64_t)scaled : (int128)scaled;
    tally->sums[at] = (int128)((uint128)tally->sums[at] + (uint128)(sign < 0 ? -fixed : fixed));
}

void outcome_count(struct tally *tally, uint32_t at, int sign)
{
    tally->counters[at] += sign < 0 ? UINT64_MAX : 1;
}

static double clip(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static void add_score(struct tally *tally, double p, uint32_t label, uint32_t predicted, uint32_t bin,
                      int sign)
{
    double y = label;
    outcome_count(tally, OUT_SCORES + (label * 2 + predicted) * SCORE_BINS + bin, sign);
    uint32_t wide = bin / (SCORE_BINS / OUTCOME_CALIBRATION_BINS);
    outcome_sum_add(tally, SUM_P + wide, p, sign);
    outcome_sum_add(tally, SUM_P2 + wide, p * p, sign);
    outcome_sum_add(tally, SUM_PY + wide, p * y, sign);
    double loss = -portable_log(clip(label ? p : 1 - p, LOSS_CLIP, 1 - LOSS_CLIP));
    outcome_sum_add(tally, SUM_LOG_LOSS, loss, sign);
    outcome_sum_add(tally, SUM_LOG_LOSS2, loss * loss, sign);
    outcome_sum_add(tally, SUM_BRIER2, (p - y) * (p - y) * (p - y) * (p - y), sign);
    double slant = 1 - 2 * p;
    outcome_sum_add(tally, SUM_SPIEGELHALTER, (y - p) * slant, sign);
    outcome_sum_add(tally, SUM_SPIEGELHALTER_VARIANCE, slant * slant * p * (1 - p), sign);
}

static void add_binary(struct tally *tally, const struct outcome *outcome, int sign)
{
    uint32_t bin = score_bin(outcome->value), predicted = outcome->predicted != 0;
    if (!outcome->labelled) {
        outcome_count(tally, OUT_BINARY_SEEN, sign);
        if (bin != UINT32_MAX)
            outcome_count(tally, OUT_SEEN_BINS + bin / (SCORE_BINS / OUTCOME_BIAS_BINS), sign);
        return;
    }
    uint32_t label = outcome->truth > 0.5;
    if (bin == UINT32_MAX)
        outcome_count(tally, OUT_CLASS_ONLY + label * 2 + predicted, sign);
    else
        add_score(tally, outcome->value, label, predicted, bin, sign);
}

static void add_regression(struct tally *tally, const struct outcome *outcome, double unit, int sign)
{
    if (!outcome->labelled) {
        outcome_count(tally, OUT_REGRESSION_SEEN, sign);
        return;
    }
    double y = outcome->truth / unit, prediction = outcome->value / unit;
    double y_kept = clip(y, -VALUE_MAX, VALUE_MAX), kept = clip(prediction, -VALUE_MAX, VALUE_MAX);
    if (y_kept != y || kept != prediction)
        outcome_count(tally, OUT_CLIPPED, sign);
    struct regression_sums one = {0};
    regression_add(&one, y_kept, kept, 0);
    outcome_count(tally, OUT_REGRESSION_N, sign);
    outcome_sum_add(tally, SUM_ERROR, one.error, sign);
    outcome_sum_add(tally, SUM_ERROR2, one.error2, sign);
    outcome_sum_add(tally, SUM_ABS_ERROR, one.abs_error, sign);
    outcome_sum_add(tally, SUM_ABS_SHARE, clip(one.abs_share, 0, VALUE_MAX * VALUE_MAX), sign);
    outcome_sum_add(tally, SUM_ABS_SYMMETRIC, one.abs_symmetric, sign);
    outcome_sum_add(tally, SUM_ABS_Y, one.abs_y, sign);
    outcome_sum_add(tally, SUM_Y, one.y, sign);
    int128 steps = (int128)rint(one.y * OUT_STEP_SCALE), signed_steps = sign < 0 ? -steps : steps;
    tally->sums[SUM_Y_STEPS] += signed_steps;
    tally->sums[SUM_Y2_STEPS] =
        (int128)((uint128)tally->sums[SUM_Y2_STEPS] + (uint128)(signed_steps * steps));
}

void outcomes_add(struct tally *tally, const struct outcome *outcome, double unit, int sign)
{
    if (outcome->kind == OUTCOME_BINARY)
        add_binary(tally, outcome, sign);
    else if (outcome->kind == OUTCOME_REGRESSION)
        add_regression(tally, outcome, unit, sign);
}

void outcome_groups_add(struct tally *tally, uint32_t slot, const struct outcome *outcome, int sign)
{
    if (outcome->kind != OUTCOME_BINARY || slot >= OUTCOME_GROUPS_MAX)
        return;
    uint32_t base = slot * GROUP_COUNTERS;
    if (!outcome->labelled) {
        outcome_count(tally, base + (outcome->predicted ? GROUP_SEEN_POSITIVE : GROUP_SEEN_NEGATIVE), sign);
        return;
    }
    bool label = outcome->truth > 0.5;
    outcome_count(tally,
                  base + (outcome->predicted ? (label ? GROUP_TP : GROUP_FP) : (label ? GROUP_FN : GROUP_TN)),
                  sign);
    uint32_t bin = score_bin(outcome->value);
    if (bin == UINT32_MAX)
        return;
    outcome_count(tally, base + GROUP_SCORED, sign);
    outcome_sum_add(tally, slot * GROUP_SUMS + GROUP_GAPS + bin / (SCORE_BINS / OUTCOME_CALIBRATION_BINS),
                    label - outcome->value, sign);
}

/* ---- residuals ---- */

struct ddsketch_layout *outcome_residual_layout_new(void)
{
    return ddsketch_layout_new(0.01, 1e-6, 1e9, true);
}

void outcome_residuals_add(struct tally *tally, const struct ddsketch_layout *layout,
                           const struct outcome *outcome, double unit, int sign)
{
    bool clipped = false;
    uint32_t slot = ddsketch_slot(layout, (outcome->value - outcome->truth) / unit, &clipped);
    outcome_count(tally, slot, sign);
    if (clipped)
        outcome_count(tally, DDSKETCH_CLIPPED, sign);
}
