#ifndef DRIFTD_DETECTORS_EVENT_OUTCOME_H
#define DRIFTD_DETECTORS_EVENT_OUTCOME_H
/* What an event says of predictions and labels, by the options of its model (METHODS §7.1): the event's own
 * prediction decides; without one the score against the threshold. Pure, no libm, O(1). */
#include <stdbool.h>

#include "collectors/event.h"
#include "detectors/families.h"
#include "detectors/outcomes.h"

/* 1 or 0: of the positive class or not; −1: the value is no class. `positive` NULL: 1 or true. */
int class_of_value(const struct value *value, const char *positive);

/* The prediction of an event, as an outcome without a label. False when it says nothing, or the model's task
 * is `none`. */
bool event_prediction(const struct event *event, const struct model_options *options, struct outcome *out);
/* Of several classes: the one that is predicted, or that with the highest score (the first by name among
 * equals), and its score (NaN: none). False when the event names no class. O(scores). */
bool event_class(const struct event *event, struct text *out_class, double *out_score);
/* The label of an event, as outcome.truth. False when it has none that means something. */
bool event_label(const struct event *event, const struct model_options *options, double *out_truth);
/* A label that is no class says nothing about a binary prediction; of several classes only the text says it.
 */
bool label_fits(enum outcome_kind kind, double truth);

#endif
