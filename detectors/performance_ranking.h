#ifndef DRIFTD_DETECTORS_PERFORMANCE_RANKING_H
#define DRIFTD_DETECTORS_PERFORMANCE_RANKING_H
/*
 * Quality of one ranked list (METHODS §7.2): linear gain, discount 1/log2(rank + 1). `k` 0 means the whole
 * list.
 */
#include <stddef.h>

#include "agent/base/compiler.h"

/* Relevances in ranked order. */
double ranking_dcg(const double *relevance, size_t n, size_t k);
/* NaN when no relevance is positive (the query is skipped). O(n log n); ERR_NOMEM. */
int ranking_ndcg(const double *relevance, size_t n, size_t k, double *out) MUST_USE;
/* By descending score; items of equal score share the mean gain of their group, so that ties do not depend on
 * order. Either output may be NULL. */
int ranking_ndcg_by_score(const double *relevance, const double *score, size_t n, size_t k, double *out_dcg,
                          double *out_ndcg) MUST_USE;

#endif
