#ifndef DRIFTD_AGENT_OUTCOME_CLASSES_H
#define DRIFTD_AGENT_OUTCOME_CLASSES_H
/*
 * The classes of models with several: per model up to OUTCOME_CLASSES_KNOWN names with a slot each, in order
 * of appearance; all further ones share a slot. Versions of a model share them, so that a label needs no
 * version. Loop thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/text.h"
#include "detectors/outcomes.h"

struct outcome_classes;
struct outcome_classes *outcome_classes_new(void);
void outcome_classes_free(struct outcome_classes *classes);

/* OUTCOME_CLASS_OTHER when there is no slot left (or no memory). *out_new: the name has got one now. O(1) */
uint8_t outcome_class_slot(struct outcome_classes *classes, const char *model, const char *name,
                           bool *out_new);
/* "class=name" by slot, empty for the slot of the others; returns how many slots. */
uint32_t outcome_class_names(const struct outcome_classes *classes, const char *model,
                             struct text out[OUTCOME_CLASS_SLOTS]);

#endif
