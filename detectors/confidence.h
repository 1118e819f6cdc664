#ifndef DRIFTD_DETECTORS_CONFIDENCE_H
#define DRIFTD_DETECTORS_CONFIDENCE_H
/*
 * How sure a prediction is (METHODS §11), as values that are binned like features: the largest probability,
 * its lead over the second, and the entropy −Σ p ln p over ln of the number of classes, in 2^-40. Of a lone
 * score p in [0,1] only max(p, 1 − p): the others rise and fall with it and would be the same bins again.
 */
#include "collectors/event.h"

struct confidence_values {
    /* ABSENT: the event says nothing; OTHER: it says what is no probability */
    struct value maximum, margin, entropy;
};
/* Bits do not depend on the machine or on the order of classes. O(classes); without entropy a few ns. */
struct confidence_values confidence_of_event(const struct event *ev, bool with_entropy);

#endif
