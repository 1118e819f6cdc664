#ifndef DRIFTD_AGENT_ENGINE_SEQUENCE_H
#define DRIFTD_AGENT_ENGINE_SEQUENCE_H
/*
 * Change detectors live (METHODS §5, DESIGN §8), for the whole model of each version whose configuration asks
 * for some. Those on labels are fed when a pane of outcomes matures, in the order (event time, id hash);
 * those on features, scores, latency and KPIs are fed one value per pane of features that closes and has
 * some. Only what revision 1 counts is fed, so detections do not depend on workers, order or crashes. State
 * is checkpointed with every commit and never merged. Each pane that feeds a detector gives a row.
 */
#include "agent/engine_outcomes.h"

struct sequences; /* of a version */

/* Makes the detectors of a version, when it has any. */
int engine_sequence_start(struct version *version) MUST_USE;
void engine_sequence_free(struct version *version);
/* State as of the last commit; before outcomes are restored. */
int engine_sequence_restore(struct engine *engine, struct err *err) MUST_USE;

/* A labelled prediction of a pane that has not matured, on time, comes (1) or is taken back (−1). */
int engine_sequence_outcome(struct engine *engine, const struct series *whole,
                            const struct join_entry *prediction, const struct outcome_item *item) MUST_USE;
/* The version's pane of outcomes that ends here is mature. */
int engine_sequence_mature(struct engine *engine, const struct version *version, int64_t end_ms) MUST_USE;
/* The finest pane of the series closes; its rows are put when the windows that end with it are reported. */
int engine_sequence_close(struct engine *engine, const struct series *series, const struct pane_set *set,
                          int64_t end_ms) MUST_USE;
int engine_sequence_report(struct engine *engine, const struct series *series, int64_t end_ms) MUST_USE;
/* What changed since the last commit, into the batch. */
void engine_sequence_put(struct engine *engine);

#endif
