#ifndef DRIFTD_DETECTORS_OUTCOMES_CLASS_SCORES_H
#define DRIFTD_DETECTORS_OUTCOMES_CLASS_SCORES_H
/* What rows of classes say of the scores of all classes. Private to outcomes_class*.c. */
#include <stdbool.h>

#include "detectors/outcomes.h"

/* Adds to the row of a class (FAMILY_CLASSES); false when it has neither scores nor labels. O(bins). */
bool outcome_class_scores_row(const struct tally *tally, uint32_t class, struct report_row *row);
/* Adds to the row of the model (FAMILY_MULTICLASS), from those of the classes by name. */
void outcome_class_scores_whole(const struct tally *tally, const struct report_row *classes, uint32_t count,
                                double labelled, struct report_row *whole);

#endif
