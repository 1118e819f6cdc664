#include "detectors/report.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "detectors/attribution_slots.h"
#include "detectors/cardinality.h"
#include "detectors/duplicates.h"
#include "detectors/evidence_slots.h"
#include "detectors/feature_slots.h"
#include "detectors/gap_slots.h"
#include "detectors/kpi_slots.h"
#include "detectors/kpi_tails.h"
#include "detectors/lag.h"
#include "detectors/latency_slots.h"
#include "detectors/multivariate_slots.h"
#include "detectors/outcome_slots.h"
#include "detectors/past_slots.h"
#include "detectors/ranking_slots.h"
#include "detectors/root_cause_slots.h"
#include "detectors/throughput.h"
#include "detectors/outlier_slots.h"
#include "detectors/quality_slots.h"
#include "detectors/score_slots.h"
#include "detectors/volume_slots.h"
#include "detectors/sequence_slots.h"

static_assert((int)FEATURE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for the family of features");
static_assert((int)FEATURE_SLOT_COUNT <= (int)PAST_ROWS && (int)PAST_LEFT_OUT < (int)REPORT_SLOTS,
              "slots of the past of features are their own");
static_assert((int)PERFORMANCE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for performance");
static_assert((int)CALIBRATION_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for calibration");
static_assert((int)REGRESSION_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for regression");
static_assert((int)FAIRNESS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for fairness");
static_assert((int)LATENCY_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for latency");
static_assert((int)ATTRIBUTION_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for attributions");
static_assert((int)KPI_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for KPIs");
static_assert((int)THROUGHPUT_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for throughput");
static_assert((int)PREDICTIONS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for predictions");
static_assert((int)ESTIMATED_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for estimates");
static_assert((int)COMPARISON_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for comparisons");
static_assert((int)REGRESSION_COMPARISON_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for these");
static_assert((int)VERSIONS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for versions");
static_assert((int)MULTIVARIATE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for all features");
static_assert((int)EMBEDDING_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for embeddings");
static_assert((int)DETECTOR_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for change detectors");
static_assert((int)GROUP_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for groups");
static_assert((int)QUALITY_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for quality");
static_assert((int)FIELDS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for fields");
static_assert((int)VOLUME_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for volumes");
static_assert((int)OUTLIER_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for outliers");

static_assert((int)RATES_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for rates");
static_assert((int)RELIABILITY_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for reliability");
static_assert((int)PARITY_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for parity");
static_assert((int)FACET_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for facets");
static_assert((int)MULTICLASS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for several classes");
static_assert((int)CLASS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for a class");
static_assert((int)KPI_TAILS_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for winsorised KPIs");
static_assert((int)LAG_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for lag");
static_assert((int)CARDINALITY_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for cardinality");
static_assert((int)DUPLICATES_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for duplicates");
static_assert((int)LABEL_DRIFT_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for the drift of labels");
static_assert((int)RANKING_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for ranking");
static_assert((int)EVIDENCE_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for evidence");
static_assert((int)GAP_SLOT_COUNT <= (int)REPORT_SLOTS, "a row is too short for gaps against a reference");

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

/* Metrics of outcomes: both bits, since their rows have no type of feature. */
#define OUTCOME(family_, name_, slot_, p_, low_, high_, warning_, critical_, summary_)                       \
    {                                                                                                        \
        .name = (name_), .family = (family_), .kinds = BOTH, .slot = (slot_), .p_slot = (p_),                \
        .floor_slot = -1, .low_slot = (low_), .high_slot = (high_), .floor_scale = 1, .has_minimum_n = 1,    \
        .warning = (warning_), .critical = (critical_), .summary = (summary_)                                \
    }
#define VALUE(family_, name_, slot_, summary_) OUTCOME(family_, name_, slot_, -1, -1, -1, NAN, NAN, summary_)
#define RANGE(family_, name_, slot_, summary_)                                                               \
    OUTCOME(family_, name_, slot_, -1, slot_##_LOW, slot_##_HIGH, NAN, NAN, summary_)
#define JUDGED(family_, name_, slot_, p_, warning_, critical_, summary_)                                     \
    OUTCOME(family_, name_, slot_, p_, -1, -1, warning_, critical_, summary_)
/* With an interval, and a noise floor that takes the place of a p-value. */
#define FLOORED(family_, name_, slot_, warning_, critical_, summary_)                                        \
    {                                                                                                        \
        .name = (name_), .family = (family_), .kinds = BOTH, .slot = (slot_), .p_slot = -1,                  \
        .floor_slot = slot_##_FLOOR, .low_slot = slot_##_LOW, .high_slot = slot_##_HIGH, .floor_scale = 1,   \
        .has_minimum_n = 1, .warning = (warning_), .critical = (critical_), .summary = (summary_)            \
    }

/* Bands: METHODS §15. The second band of KL is half of PSI's, as the divergence is. */
const struct metric metric_table[] = {
#include "detectors/metrics/features.def"
#include "detectors/metrics/performance.def"
#include "detectors/metrics/regression.def"
#include "detectors/metrics/calibration.def"
#include "detectors/metrics/fairness.def"
#include "detectors/metrics/latency.def"
#include "detectors/metrics/multiclass.def"
#include "detectors/metrics/facets.def"
#include "detectors/metrics/ranking.def"
#include "detectors/metrics/root_cause.def"
#include "detectors/metrics/attribution.def"
#include "detectors/metrics/kpi.def"
#include "detectors/metrics/throughput.def"
#include "detectors/metrics/quality.def"
#include "detectors/metrics/outliers.def"
#include "detectors/metrics/predictions.def"
#include "detectors/metrics/estimated.def"
#include "detectors/metrics/comparison.def"
#include "detectors/metrics/multivariate.def"
#include "detectors/metrics/volume.def"
#include "detectors/metrics/detector.def"
#include "detectors/metrics/past.def"
#include "detectors/metrics/label_drift.def"
#include "detectors/metrics/duplicates.def"
#include "detectors/metrics/evidence.def"
#include "detectors/metrics/cardinality.def"
#include "detectors/metrics/lag.def"
#include "detectors/metrics/kpi_tails.def"
#include "detectors/metrics/gaps.def"
};

const uint32_t metric_count = sizeof metric_table / sizeof metric_table[0];

const struct metric *metric_find(const char *name)
{
    for (uint32_t i = 0; name && i < metric_count; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}

const char *family_monitor(enum family family)
{
    static const char *const names[FAMILY_COUNT] = {
        [FAMILY_FEATURES] = "drift",
        [FAMILY_PERFORMANCE] = "performance",
        [FAMILY_REGRESSION] = "performance",
        [FAMILY_CALIBRATION] = "calibration",
        [FAMILY_FAIRNESS] = "fairness",
        [FAMILY_GROUPS] = "fairness",
        [FAMILY_LATENCY] = "latency",
        [FAMILY_CAUSE] = "cause",
        [FAMILY_ATTRIBUTION] = "attribution",
        [FAMILY_ATTRIBUTED] = "attribution",
        [FAMILY_KPI] = "kpi",
        [FAMILY_THROUGHPUT] = "throughput",
        [FAMILY_QUALITY] = "quality",
        [FAMILY_FIELDS] = "quality",
        [FAMILY_OUTLIERS] = "quality",
        [FAMILY_PREDICTIONS] = "predictions",
        [FAMILY_ESTIMATED] = "estimated",
        [FAMILY_ESTIMATE_ERROR] = "estimated",
        [FAMILY_COMPARISON] = "performance",
        [FAMILY_REGRESSION_COMPARISON] = "performance",
        [FAMILY_VERSIONS] = "versions",
        [FAMILY_MULTIVARIATE] = "multivariate",
        [FAMILY_EMBEDDINGS] = "multivariate",
        [FAMILY_ACTIVITY] = "quality",
        [FAMILY_DETECTOR] = "detector",
        [FAMILY_SEASONAL] = "seasonal",
        [FAMILY_ROLLING] = "rolling",
        [FAMILY_RATES] = "performance",
        [FAMILY_RELIABILITY] = "calibration",
        [FAMILY_PARITY] = "fairness",
        [FAMILY_FACETS] = "fairness",
        [FAMILY_GAPS] = "fairness",
        [FAMILY_MULTICLASS] = "performance",
        [FAMILY_CLASSES] = "performance",
        [FAMILY_RANKING] = "performance",
        [FAMILY_LABEL_DRIFT] = "label_drift",
        [FAMILY_DUPLICATES] = "quality",
        [FAMILY_EVIDENCE] = "evidence",
        [FAMILY_EVIDENCE_FIXED] = "evidence",
        [FAMILY_CARDINALITY] = "quality",
        [FAMILY_LAG] = "quality",
        [FAMILY_KPI_TAILS] = "kpi",
    };
    return names[family];
}

void report_row_undefine(struct report_row *row)
{
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = (double)NAN;
}
