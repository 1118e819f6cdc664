#ifndef DRIFTD_AGENT_ENGINE_PAST_H
#define DRIFTD_AGENT_ENGINE_PAST_H
/*
 * Rolling and seasonal references (METHODS §13): whole-model windows of at most a week are compared, when
 * they close, with the same hours of the week in earlier weeks and with a stretch before them. Both are sums
 * of on-time panes of the second tier, so they are functions of closed panes; late events change neither.
 * The guards read firing alerts on drift, seasonal and rolling metrics, which are functions of panes as well.
 */
#include "agent/engine_internal.h"

struct past; /* of a version */

void engine_past_free(struct version *version);
int engine_past_restore(struct engine *engine, struct err *err) MUST_USE;
/* A pane of the second tier of the series closes. */
int engine_past_add(struct engine *engine, const struct series *series, const struct pane_set *set,
                    int64_t start_ms) MUST_USE;
/* Rows of a window, revision 1. */
int engine_past_report(struct engine *engine, const struct series *series, uint32_t window,
                       const struct pane_set *set, int64_t end_ms) MUST_USE;
/* After all windows of the series that end here were judged: features under alert are left out of panes. */
void engine_past_judge(struct engine *engine, const struct series *series, int64_t end_ms);
/* What evidence on panes from `from_ms` on is compared with, as coarse counts: the sum of the same pane of
 * the second tier in earlier weeks where the model has a seasonal reference, else of the rolling stretch
 * before it. All zero: there is no past yet. What is under alert is left out. */
int engine_past_sum(struct engine *engine, const struct series *series, int64_t from_ms,
                    struct tally *out) MUST_USE;
void engine_past_put(struct engine *engine);

#endif
