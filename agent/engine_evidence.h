#ifndef DRIFTD_AGENT_ENGINE_EVIDENCE_H
#define DRIFTD_AGENT_ENGINE_EVIDENCE_H
/*
 * The e-detector live (METHODS §4), for the features of each version that has a reference, and for the scores
 * of all features together where `multivariate` is on. Whole models only. Fed with the on-time counts of each
 * finest pane when it closes, in order, so that R, crossings and restarts are functions of revision 1. What
 * the history needs is written once per pane of each of its three tiers, what watches are at when that
 * changes.
 *
 * Rows: at the end of each pane of the second tier, when the threshold is reached and when what was open is
 * over.
 */
#include "agent/engine_internal.h"

struct evidences; /* of a version */

void engine_evidence_free(struct version *version);
int engine_evidence_restore(struct engine *engine, struct err *err) MUST_USE;
/* The finest pane of the series that ends here closes; NULL: it holds nothing. */
int engine_evidence_close(struct engine *engine, const struct series *series, const struct pane_set *set,
                          int64_t end_ms) MUST_USE;
/* Is there something to judge of the pane that closed? */
bool engine_evidence_is_due(const struct series *series);
/* Judges the next few features; ERR_BUSY: more are due. */
int engine_evidence_judge(struct engine *engine, const struct series *series, int64_t end_ms) MUST_USE;
void engine_evidence_put(struct engine *engine);

#endif
