#ifndef DRIFTD_AGENT_CLASS_NUMBERS_H
#define DRIFTD_AGENT_CLASS_NUMBERS_H
/*
 * The scores of all classes of an event, as they wait for its label: codes by numbers that a worker gives the
 * names of classes, ascending from 0; a new one is announced in the delta. Worker's thread only.
 */
#include "agent/delta.h"

struct class_numbers;
struct class_numbers *class_numbers_new(void);
void class_numbers_free(struct class_numbers *numbers);

/*
 * Sets the scores of `out`; they stay good until the next call. None when the event has no scores or one of
 * them is not in [0, 1]; refused when there are more than CLASS_SCORES_MAX, or no room for another name.
 * ERR_NOMEM. O(scores) while events of a model name the same classes in the same order.
 */
int class_numbers_take(struct class_numbers *numbers, struct delta *delta, const struct event *event,
                       struct delta_waiting *out) MUST_USE;

#endif
