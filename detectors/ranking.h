#ifndef DRIFTD_DETECTORS_RANKING_H
#define DRIFTD_DETECTORS_RANKING_H
/*
 * Ranked lists (METHODS §7.2): one event per query, whose label is the relevance of what was ranked, in the
 * order of the ranking. NDCG of the first 5, the first 10 and all: linear gain, discount 1/log2(rank + 1),
 * over the best order of the same relevances. Queries without anything relevant are skipped and counted.
 */
#include "detectors/families.h"

enum { RANKING_LENGTH_MAX = 1000 }; /* longer lists are refused, with a counter */

/* Discounts by rank. NULL: no memory. */
struct ranking_tables *ranking_tables_new(void);
void ranking_tables_free(struct ranking_tables *tables);

extern const struct family_ops ranking_family;

#endif
