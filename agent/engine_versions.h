#ifndef DRIFTD_AGENT_ENGINE_VERSIONS_H
#define DRIFTD_AGENT_ENGINE_VERSIONS_H
/*
 * Champion and challenger (METHODS §7.3): versions of a model that have labelled outcomes in the same window
 * are compared pair by pair, as independent samples. Versions mature in step (the earliest pane end first),
 * so that when the last of them reaches an end, the panes of the others are there. Loop thread only.
 */
#include "agent/engine_internal.h"

/* Every version of the model has matured up to this end: reports the windows that end there. At most 8
 * versions with outcomes, in the order of their names; 2 tallies of 34 KiB per version. */
int engine_versions_report(struct engine *engine, const char *model, int64_t end_ms) MUST_USE;

#endif
