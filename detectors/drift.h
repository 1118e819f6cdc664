#ifndef DRIFTD_DETECTORS_DRIFT_H
#define DRIFTD_DETECTORS_DRIFT_H
/*
 * Distribution drift of one window against a reference, both tallies of the same grid: all distances, tests
 * and bounds of METHODS §2–§3 and the data-quality masses. Pure functions of integers. Subjects are compared
 * in fine bins when both tallies are fine, else in coarse ones; W1 and energy then give the coarse sample the
 * shape of the fine one inside each bin.
 */
#include "detectors/features.h"
#include "detectors/report.h"

struct drift_options {
    uint64_t n_min; /* 200 */
    double alpha;   /* of the noise floors: 0.001 */
    bool
        without_tables; /* leaves out chi2, its p-value, g and cramers_v: most of the time of small samples */
};

/* Fills one row per feature of the grid (rows has grid->feature_count entries). Layouts may differ in
 * resolution (then coarse is used). */
void drift_report(const struct feature_layout *current_layout, const struct tally *current,
                  const struct feature_layout *reference_layout, const struct tally *reference,
                  const struct drift_options *options, struct report_row *rows);

/* One feature of them. */
void drift_report_feature(const struct feature_layout *current_layout, const struct tally *current,
                          const struct feature_layout *reference_layout, const struct tally *reference,
                          const struct drift_options *options, uint32_t feature, struct report_row *row);

/* Counts of the PSI bins of one side (at most 255): valid values only. Returns how many bins. */
uint32_t drift_psi_counts(const struct feature_layout *layout, const struct tally *tally, uint32_t feature,
                          uint64_t *out_counts);

/* One bin for people and pictures. */
struct drift_bin {
    char label[96];      /* "(1200, 3400]", "north", "missing" … */
    double lower, upper; /* numeric: bounds, ±inf at the ends; categorical: NaN */
    uint64_t reference_count, count;
    double reference_share, share; /* of all events of that sample incl. missing and invalid */
    double psi_term;               /* NaN for missing and invalid */
};
/* The PSI bins (at most 10, or the categories with other and unseen) plus missing and invalid; returns how
 * many, at most `max`. */
uint32_t drift_bins(const struct feature_layout *current_layout, const struct tally *current,
                    const struct feature_layout *reference_layout, const struct tally *reference,
                    uint32_t feature, struct drift_bin *bins, uint32_t max);

#endif
