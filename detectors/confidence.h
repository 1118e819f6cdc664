#ifndef DRIFTD_DETECTORS_CONFIDENCE_H
#define DRIFTD_DETECTORS_CONFIDENCE_H
/*
 * How sure a prediction is (METHODS §11), as values that are binned like features: the largest probability
 * and its lead over the second. Of a lone score p in [0,1]: max(p, 1 − p), and no margin, which would be the
 * same number twice. Entropy orders binary predictions as the largest probability does; it is not computed
 * here, where no libm may be called (detectors/README.md).
 */
#include "collectors/event.h"

struct confidence_values {
    struct value maximum, margin; /* ABSENT: the event says nothing; OTHER: it says what is no probability */
};
/* O(classes). */
struct confidence_values confidence_of_event(const struct event *ev);

#endif
