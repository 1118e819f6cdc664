#ifndef DRIFTD_AGENT_OUTCOME_EVENT_H
#define DRIFTD_AGENT_OUTCOME_EVENT_H
/* What an event says to the join of predictions and labels, by the configuration of its model. Pure. */
#include <stdbool.h>

#include "agent/config.h"
#include "agent/join.h"
#include "agent/panes.h"
#include "collectors/event.h"

/* False when the event has nothing to join: no score and no prediction, or the model's task is `none`. Sets
 * everything but id_hash, combo, owner and late. */
bool outcome_of_prediction(const struct event *ev, const struct model_config *config,
                           const struct pane_times *times, struct join_entry *out);
/* The label of an event (of either kind), as join_entry.value of a label. False when there is none or it says
 * nothing. */
bool outcome_of_label(const struct event *ev, const struct model_config *config, double *out_value);
/* A label that is no class says nothing about a binary prediction. */
bool outcome_may_pair(const struct join_entry *prediction, double label);
/* How long either waits, in seconds. */
uint32_t outcome_wait_s(const struct model_config *config, const struct pane_times *times);
/* Is the id one of the share that `label_sample` lets wait? The same for a prediction and its label. */
bool outcome_is_sampled(const struct model_config *config, uint64_t id_hash);
/* The same for a prediction and its label, whatever the version. */
uint64_t outcome_id_hash(const struct event *ev);

#endif
