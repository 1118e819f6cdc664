#ifndef DRIFTD_DETECTORS_SEQUENTIAL_KINDS_H
#define DRIFTD_DETECTORS_SEQUENTIAL_KINDS_H
/*
 * What a change detector gives to sequential.c. Its state is a struct of 64-bit members only (double,
 * uint64_t), so that a checkpoint is its words; all-zero words must be a valid state or `start` sets them.
 */
#include <stdbool.h>
#include <stddef.h>

#include "detectors/sequential.h"

struct sequential_kind_ops {
    struct sequential_description description;
    size_t (*state_bytes)(const double *values);      /* a multiple of 8 */
    void (*start)(void *state, const double *values); /* state is zeroed */
    enum sequential_state (*update)(void *state, const double *values, double x);
    bool (*valid)(const void *state,
                  const double *values); /* of decoded bytes: indices in range; NULL: any */
    /* What it compares with its limit, after the last value; NaN: nothing yet. */
    double (*statistic)(const void *state, const double *values);
};

extern const struct sequential_kind_ops adwin_ops;
extern const struct sequential_kind_ops page_hinkley_ops;
extern const struct sequential_kind_ops page_hinkley_moa_ops;
extern const struct sequential_kind_ops cusum_ops;
extern const struct sequential_kind_ops cusum_moa_ops;
extern const struct sequential_kind_ops ddm_ops;
extern const struct sequential_kind_ops eddm_ops;
extern const struct sequential_kind_ops hddm_a_ops;
extern const struct sequential_kind_ops hddm_w_ops;
extern const struct sequential_kind_ops kswin_ops;
extern const struct sequential_kind_ops ewma_ops;
extern const struct sequential_kind_ops ecdd_ops;

#endif
