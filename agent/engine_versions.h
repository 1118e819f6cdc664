#ifndef DRIFTD_AGENT_ENGINE_VERSIONS_H
#define DRIFTD_AGENT_ENGINE_VERSIONS_H
/*
 * Champion and challenger (METHODS §7.3): versions of a model that have labelled outcomes in the same window
 * are compared pair by pair, as independent samples. Versions mature in step (the earliest pane end first),
 * so that when the last of them reaches an end, the panes of the others are there.
 *
 * Of binary predictions for the same ids it is also counted, per pane of the version that is second by name,
 * which of the two were right: when a finest pane matures the join still holds its predictions and labels, so
 * one look at them is enough and nothing is ever taken back. Predictions that bring their label are not in
 * the join and not paired. Loop thread only.
 */
#include "agent/engine_internal.h"
#include "detectors/comparison.h"

enum { PANE_PAIRED = 40 }; /* family in the store; its `grid` is the series of the other version */

struct paired_pane {
    int64_t start_ms;
    uint8_t tier;
    uint32_t other; /* number of the other version's whole model */
    struct paired_counts counts;
};

/* Every version of the model has matured up to this end: reports the windows that end there. At most 8
 * versions with outcomes, in the order of their names; 2 tallies of 34 KiB per version. */
int engine_versions_report(struct engine *engine, const char *model, int64_t end_ms) MUST_USE;
/* Late outcomes were added to a window of this version: its comparisons are written again, their pairs of the
 * same ids as they were at maturity. */
int engine_versions_revise(struct engine *engine, const struct series *whole,
                           const struct window_config *window, int64_t end_ms) MUST_USE;
int engine_versions_restore(struct version *version, const struct stored_pane *stored) MUST_USE;

#endif
