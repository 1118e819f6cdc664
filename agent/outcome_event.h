#ifndef DRIFTD_AGENT_OUTCOME_EVENT_H
#define DRIFTD_AGENT_OUTCOME_EVENT_H
/* What an event says to the join of predictions and labels, by the configuration of its model. Pure. */
#include <stdbool.h>

#include "agent/config.h"
#include "agent/join.h"
#include "agent/panes.h"
#include "collectors/event.h"

/* False when the event has nothing to join: no score and no prediction, or the model's task is `none`. Sets
 * everything but id_hash, combo, owner and late; of several classes the name of the predicted one instead of
 * its slot (ptr NULL else). */
bool outcome_of_prediction(const struct event *ev, const struct model_config *config,
                           const struct pane_times *times, struct join_entry *out, struct text *out_class);
struct outcome_label {
    double value;      /* 0 or 1, a number, or a hash of the name */
    bool name_alone;   /* the value says nothing about predictions that are not of several classes */
    struct text class; /* ptr NULL: it is no name of a class */
};
/* The label of an event (of either kind), as join_entry.value of a label. False when there is none or it says
 * nothing. */
bool outcome_of_label(const struct event *ev, const struct model_config *config, struct outcome_label *out);
/* How long either waits, in seconds. */
uint32_t outcome_wait_s(const struct model_config *config, const struct pane_times *times);
/* The same of a label: by the horizon longer, since it may be so much older than a prediction that it joins
 * and must be known for as long as that one. */
uint32_t outcome_label_wait_s(const struct model_config *config, const struct pane_times *times);
/* Is the id one of the share that `label_sample` lets wait? The same for a prediction and its label. */
bool outcome_is_sampled(const struct model_config *config, uint64_t id_hash);
/* The same for a prediction and its label, whatever the version. */
uint64_t outcome_id_hash(const struct event *ev);

#endif
