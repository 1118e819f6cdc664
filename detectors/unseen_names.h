#ifndef DRIFTD_DETECTORS_UNSEEN_NAMES_H
#define DRIFTD_DETECTORS_UNSEEN_NAMES_H
/* What an event names that the reference does not know: categories of a feature, and fields ("@fields"). */
#include "detectors/features.h"
#include "detectors/name_sketch.h"

#define UNSEEN_FIELDS "@fields"

/* Has the event any such name? Cheap. */
static inline bool unseen_names_any(const struct feature_row *row)
{
    return row->odd_count > 0;
}
int unseen_names_add(const struct grid *grid, const struct feature_row *row,
                     struct name_sketch *into) MUST_USE;

#endif
