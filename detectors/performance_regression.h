#ifndef DRIFTD_DETECTORS_PERFORMANCE_REGRESSION_H
#define DRIFTD_DETECTORS_PERFORMANCE_REGRESSION_H
/*
 * Performance of regression models from additive sums (METHODS §7.2). e = prediction − y. Targets are held
 * shifted by a constant (the reference mean) so that their variance does not cancel.
 */
#include <stdint.h>

struct regression_sums {
    uint64_t n;
    double error, error2, abs_error;
    double abs_share;     /* |e| / max(|y|, 2^-52) */
    double abs_symmetric; /* 2|e| / (|y| + |prediction|), 0 when both are 0 */
    double abs_y;
    double y, y2; /* of y − shift */
};
/* One event. */
void regression_add(struct regression_sums *sums, double y, double prediction, double shift);

struct regression_metrics {
    double mae, mse, rmse, bias, mape, smape, wape;
    double r2, explained_variance; /* NaN when the target does not vary */
    double residual_sd;            /* n − 1 */
};
struct regression_metrics regression_metrics(const struct regression_sums *sums);

#endif
