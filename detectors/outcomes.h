#ifndef DRIFTD_DETECTORS_OUTCOMES_H
#define DRIFTD_DETECTORS_OUTCOMES_H
/*
 * Outcomes: predictions that met their labels, as tallies (METHODS §7.1, §7.2, §8, §9), and the rows they
 * report. Two tallies: one of the score, calibration and regression sums (one size for every series), one of
 * confusion counts per group value. Counting uses no function of libm, so integers are the same everywhere;
 * reports are pure functions of them. Undefined is NaN.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/text.h"
#include "detectors/report.h"
#include "detectors/tally.h"

enum { OUTCOME_GROUPS_MAX = 64, OUTCOME_BIAS_BINS = 20, OUTCOME_CALIBRATION_BINS = 10 };

enum outcome_kind { OUTCOME_BINARY, OUTCOME_REGRESSION };

/* A prediction, with its label when it has one. A prediction and its outcome are counted apart: first
 * `labelled` false, for coverage, then once more with the label. */
struct outcome {
    uint8_t kind; /* enum outcome_kind */
    bool labelled;
    uint8_t predicted; /* BINARY: 0 or 1 */
    double value;      /* BINARY: the score, NaN when it has none; REGRESSION: the prediction */
    double truth;      /* of labelled: 0 or 1; REGRESSION: the target */
};

struct tally_size outcomes_size(void);
/* Adds (sign 1) or takes back (sign −1). `unit` (> 0) is what a step of regression values is measured in:
 * sums resolve unit/2^40 and values beyond ±2^31 units are clipped, with a counter. O(1). */
void outcomes_add(struct tally *tally, const struct outcome *outcome, double unit, int sign);

struct tally_size outcome_groups_size(void);
/* `slot` < OUTCOME_GROUPS_MAX. Regression outcomes have no confusion: ignored. */
void outcome_groups_add(struct tally *tally, uint32_t slot, const struct outcome *outcome, int sign);

struct outcome_options {
    uint64_t n_min; /* labels below which a row is `insufficient` */
    double unit;    /* as given to outcomes_add */
};

enum { OUTCOME_ROWS_MAX = 3 };
/* The rows of performance, calibration and regression, each only when it has labels. `subject` of a row is 0.
 * Returns how many. O(score bins). */
uint32_t outcomes_report(const struct tally *tally, const struct outcome_options *options,
                         struct report_row rows[OUTCOME_ROWS_MAX]);

/* A row per attribute (FAMILY_FAIRNESS) and per group (FAMILY_GROUPS). `names[slot]` is "attribute=value";
 * out_names[i] is the name of row i, a view into `names`. Both arrays have 2·OUTCOME_GROUPS_MAX places. */
uint32_t outcome_groups_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct outcome_options *options, struct report_row *rows,
                               struct text *out_names);

#endif
