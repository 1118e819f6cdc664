#ifndef DRIFTD_DETECTORS_SEASONAL_H
#define DRIFTD_DETECTORS_SEASONAL_H
/*
 * The reference of a window that spans several strata (hours of the week) is their mixture in the proportions
 * of the window's own traffic, so that a busy morning is compared with mornings (METHODS §13). Pure
 * functions.
 */
#include <stdbool.h>
#include <stdint.h>

struct stratum {
    const uint64_t *reference; /* counts per bin; borrowed */
    uint64_t current_n;        /* events of the window in this stratum */
};

/*
 * Σ_h w_h p̂_h with w_h = n_h/n, and M_eff = 1/Σ w_h²/M_h, the size of a plain reference with the same
 * sampling variance. Strata without traffic have no say. NaN in both (and false) when there is no traffic or
 * a stratum with traffic has no reference. O(strata·bins).
 */
bool seasonal_mixture(const struct stratum *strata, uint32_t stratum_count, uint32_t bins,
                      double *out_mixture, double *out_effective_rows);

/*
 * Which of the weeks that would make a reference are not like the others (METHODS §13, guard 2): a week is
 * out when its Jensen–Shannon distance to the sum of the others exceeds the median of those distances by more
 * than 3·1.4826·MAD and, less what sampling adds on average, is above `warning`. With fewer than three weeks
 * that hold anything none is out. `weeks[k]` holds `bins` counts. At most 64 weeks. O(weeks·bins).
 */
void seasonal_outlying_weeks(const uint64_t *const *weeks, uint32_t week_count, uint32_t bins, double warning,
                             bool *out_outlying);

#endif
