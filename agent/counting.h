#ifndef DRIFTD_AGENT_COUNTING_H
#define DRIFTD_AGENT_COUNTING_H
/*
 * One accepted event into the cells of a delta: activity and features of the whole model and its segments,
 * the sample of a capture, what waits for a label. Worker's thread only.
 */
#include "agent/panes.h"
#include "agent/versions.h"

struct counting;
struct counting *counting_new(const struct pane_times *times);
void counting_free(struct counting *counting);

/* Are the features of this event binned? */
bool counting_is_binned(const struct version_state *state, const struct event *ev);
/* The bins of a binned event, for the next counting_add. `input`: whose decoder numbered its names. */
int counting_resolve(struct counting *counting, struct version_state *state, uint32_t input,
                     const struct event *ev) MUST_USE;

struct counted_event {
    const struct event *event;
    uint32_t input;  /* whose decoder numbered its names */
    int64_t pane_ms; /* start of its finest pane */
    bool late;
    bool binned;       /* counting_resolve was called for it */
    int64_t record_ms; /* timestamp of its record in the log; 0: it has none */
    bool unchecked;    /* whether it is a duplicate is not known */
};
int counting_add(struct counting *counting, struct delta *delta, struct versions *versions,
                 struct version_state *state, const struct counted_event *counted) MUST_USE;
/* Its id had come before: only that is counted. */
int counting_add_duplicate(struct delta *delta, const struct version_state *state, const struct event *ev,
                           int64_t pane_ms) MUST_USE;
/* A label by itself. False: the configuration of its model says nothing of labels like it. */
bool counting_label(struct counting *counting, struct delta *delta, const struct model_config *config,
                    const struct event *ev, bool late, int64_t clock_ms, struct delta_waiting *out);

#endif
