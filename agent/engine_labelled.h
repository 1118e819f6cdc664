#ifndef DRIFTD_AGENT_ENGINE_LABELLED_H
#define DRIFTD_AGENT_ENGINE_LABELLED_H
/*
 * What outcomes are compared with (METHODS §4.7, §7.3): the labels of the reference, else the version's first
 * 1,000 matured outcomes, taken pane by pane in the order in which they mature and frozen with the pane that
 * makes them enough. Both are functions of the logs: a reference is used by windows that begin when it is in
 * effect, first outcomes by windows that begin after them. Loop thread only.
 */
#include "agent/engine_internal.h"

/* Rows beside those of captures (engine_capture.c), which pass over them. */
/* The next two keys are those of KPIs (engine_kpi.c). */
#define CAPTURE_LABELLED  (INT64_MIN + 1)
#define CAPTURE_ESTIMATES (INT64_MIN + 2)

/* NULL: there is nothing to compare a window that begins then with. */
const struct labelled *engine_labelled(const struct version *version, int64_t window_start_ms);
/* The reference that windows which begin then are compared with; NULL: none. */
const struct known_reference *engine_labelled_known(const struct version *version, int64_t window_start_ms);
/* Compares a window whose outcomes are in the scratch tallies. */
int engine_labelled_report(struct engine *engine, const struct series *series,
                           const struct window_config *window, int64_t end_ms, uint32_t revision) MUST_USE;
/* The finest pane of the version that ends here has matured. */
int engine_labelled_mature(struct engine *engine, struct version *version, int64_t end_ms) MUST_USE;
int engine_labelled_restore(struct engine *engine, struct err *err) MUST_USE;
void engine_labelled_free(struct version *version);

/* engine_gaps.c: the gaps between groups of such a window. */
int engine_gaps_report(struct engine *engine, const struct series *series, const struct window_config *window,
                       int64_t end_ms, uint32_t revision) MUST_USE;
/* Adds the groups of what is in the scratch tallies to the first outcomes. */
int engine_gaps_mature(const struct engine *engine, struct version *version) MUST_USE;

#endif
