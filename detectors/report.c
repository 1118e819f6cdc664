#include "detectors/report.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "detectors/feature_slots.h"

static_assert((int)FEATURE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for the family of features");

#define BOTH (METRIC_NUMERIC | METRIC_CATEGORICAL)

/* Noise of X = Σ(q−p)²/p carries over with the curvature κ of the divergence: JS in bits κ = 1/(8 ln 2),
 * squared Hellinger κ = 1/8 (METHODS §3.2). */
#define JS_FLOOR_SCALE        0.42466090014400953 /* √(1/(8 ln 2)) */
#define HELLINGER_FLOOR_SCALE 0.35355339059327379 /* √(1/8) */
/* W1 stays below 4.2 times its mean under the null with probability 0.999 also for two-valued features. */
#define W1_FLOOR_SCALE 4.2

/* A metric without p, floor or bands. */
#define PLAIN(name_, kinds_, slot_, minimum_, summary_)                                                      \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = -1,        \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = (minimum_),    \
        .warning = NAN, .critical = NAN, .summary = (summary_)                                               \
    }
#define TEST(name_, kinds_, slot_, p_, summary_)                                                             \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = 0,             \
        .warning = NAN, .critical = NAN, .summary = (summary_)                                               \
    }
#define DISTANCE(name_, kinds_, slot_, p_, floor_, scale_, warning_, critical_, summary_)                    \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = (floor_), .low_slot = -1, .high_slot = -1, .floor_scale = (scale_),                    \
        .has_minimum_n = 1, .warning = (warning_), .critical = (critical_), .summary = (summary_)            \
    }
#define DELTA(name_, kinds_, slot_, p_, summary_)                                                            \
    {                                                                                                        \
        .name = (name_), .family = FAMILY_FEATURES, .kinds = (kinds_), .slot = (slot_), .p_slot = (p_),      \
        .floor_slot = -1, .low_slot = -1, .high_slot = -1, .floor_scale = 1, .has_minimum_n = 0,             \
        .warning = 0.01, .critical = 0.05, .summary = (summary_)                                             \
    }

/* Bands: METHODS §15. The second band of KL is half of PSI's, as the divergence is. */
const struct metric metric_table[] = {
    DISTANCE("psi", BOTH, SLOT_PSI, SLOT_PSI_P, SLOT_DIVERGENCE_FLOOR, 1, 0.10, 0.25,
             "population stability index on 10 reference deciles or the categories"),
    PLAIN("psi_debiased", BOTH, SLOT_PSI_DEBIASED, 1, "PSI less what sampling alone adds on average"),
    DISTANCE("kl", BOTH, SLOT_KL, -1, SLOT_DIVERGENCE_FLOOR, 0.5, 0.05, 0.125,
             "Kullback-Leibler divergence of the window from the reference, nats"),
    DISTANCE("js", BOTH, SLOT_JS, -1, SLOT_ROOT_FLOOR, JS_FLOOR_SCALE, 0.10, 0.20,
             "Jensen-Shannon distance (root of the divergence in bits), 0 to 1"),
    DISTANCE("hellinger", BOTH, SLOT_HELLINGER, -1, SLOT_ROOT_FLOOR, HELLINGER_FLOOR_SCALE, 0.10, 0.20,
             "Hellinger distance, 0 to 1"),
    DISTANCE("total_variation", BOTH, SLOT_TOTAL_VARIATION, -1, SLOT_TOTAL_VARIATION_FLOOR, 1, 0.10, 0.20,
             "share of events that would have to move to another bin"),
    DISTANCE("linf", BOTH, SLOT_LINF, -1, SLOT_LINF_FLOOR, 1, 0.10, 0.20,
             "largest change of one bin's share"),
    DISTANCE("ks", METRIC_NUMERIC, SLOT_KS, SLOT_KS_P, SLOT_KS_FLOOR, 1, 0.10, 0.20,
             "Kolmogorov-Smirnov distance, read at bin edges"),
    PLAIN("ks_upper", METRIC_NUMERIC, SLOT_KS_UPPER, 1,
          "what the Kolmogorov-Smirnov distance of the values can be at most"),
    PLAIN("w1", METRIC_NUMERIC, SLOT_W1, 1, "Wasserstein-1 distance in units of the feature"),
    DISTANCE("w1_normalized", METRIC_NUMERIC, SLOT_W1_NORMALIZED, -1, SLOT_W1_NOISE, W1_FLOOR_SCALE, 0.10,
             0.25, "Wasserstein-1 distance over the reference's standard deviation (clipped at 1 and 99 %)"),
    PLAIN("energy", METRIC_NUMERIC, SLOT_ENERGY, 1, "energy distance, root of units of the feature"),
    TEST("cvm", METRIC_NUMERIC, SLOT_CVM, SLOT_CVM_P, "Cramer-von Mises two-sample statistic"),
    TEST("anderson_darling", METRIC_NUMERIC, SLOT_ANDERSON_DARLING, -1,
         "Anderson-Darling two-sample statistic (without ties noise exceeds 3.88 in 1 %)"),
    TEST("chi2", BOTH, SLOT_CHI2, SLOT_CHI2_P, "Pearson's two-sample chi-square, small bins pooled"),
    TEST("g", BOTH, SLOT_G, -1, "likelihood-ratio statistic of the same table"),
    PLAIN("cramers_v", BOTH, SLOT_CRAMERS_V, 1, "effect size of the chi-square test, 0 to 1"),
    PLAIN("mean", METRIC_NUMERIC, SLOT_MEAN, 0, "mean of the window's values"),
    PLAIN("sd", METRIC_NUMERIC, SLOT_SD, 0, "population standard deviation of the window's values"),
    TEST("missing_rate", BOTH, SLOT_MISSING_RATE, SLOT_MISSING_P, "share of events without a value"),
    DELTA("missing_delta", BOTH, SLOT_MISSING_DELTA, SLOT_MISSING_P, "missing rate less the reference's"),
    TEST("invalid_rate", BOTH, SLOT_INVALID_RATE, SLOT_INVALID_P,
         "share of events whose value has the wrong type"),
    DELTA("invalid_delta", BOTH, SLOT_INVALID_DELTA, SLOT_INVALID_P, "invalid rate less the reference's"),
    TEST("out_of_range_rate", METRIC_NUMERIC, SLOT_OUTSIDE_RATE, SLOT_OUTSIDE_P,
         "share of values outside the range of the grid's reference"),
    DELTA("out_of_range_delta", METRIC_NUMERIC, SLOT_OUTSIDE_DELTA, SLOT_OUTSIDE_P,
          "out-of-range rate less the reference's"),
    TEST("unseen_rate", METRIC_CATEGORICAL, SLOT_OUTSIDE_RATE, SLOT_OUTSIDE_P,
         "share of values that the grid's reference does not have"),
    DELTA("unseen_delta", METRIC_CATEGORICAL, SLOT_OUTSIDE_DELTA, SLOT_OUTSIDE_P,
          "unseen rate less the reference's"),
    PLAIN("other_rate", METRIC_CATEGORICAL, SLOT_OTHER_RATE, 0,
          "share of values in known categories beyond the most frequent ones"),
};

const uint32_t metric_count = sizeof metric_table / sizeof metric_table[0];

const struct metric *metric_find(const char *name)
{
    for (uint32_t i = 0; name && i < metric_count; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}
