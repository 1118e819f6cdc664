#ifndef DRIFTD_AGENT_ENGINE_ESTIMATES_H
#define DRIFTD_AGENT_ENGINE_ESTIMATES_H
/*
 * Estimates by a version's first outcomes (engine_labelled.h). They concern the windows that end
 * `label_delay` after those outcomes or later: a function of the logs. How far the panes of features have
 * closed when the labels have come is not one; windows that had closed before are made up for, in order, from
 * the panes in the store, and those that close meanwhile queue behind them. Loop thread only.
 */
#include "agent/engine_internal.h"
#include "detectors/labelled.h"

/* What the scores of a window that closes now are judged by; NULL: nothing, or not yet. */
const struct labelled *engine_estimates_reference(const struct series *series, uint32_t window,
                                                  int64_t end_ms, uint32_t revision);
/* The first outcomes are complete. */
void engine_estimates_begin(struct engine *engine, struct version *version);
/* Asks for the panes of the next windows that are owed, when nothing is under way. */
void engine_estimates_advance(struct engine *engine);
/* They have come. */
void engine_estimates_panes(struct engine *engine, const struct store_panes *panes);
bool engine_estimates_owed(const struct engine *engine);
/* Panes that end before are not needed; INT64_MAX: none are. */
int64_t engine_estimates_needed_from(const struct engine *engine, const struct version *version);

void engine_estimates_put(struct engine *engine);
int engine_estimates_restore(const struct engine *engine, struct version *version, const void *bytes,
                             size_t len) MUST_USE;

#endif
