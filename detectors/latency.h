#ifndef DRIFTD_DETECTORS_LATENCY_H
#define DRIFTD_DETECTORS_LATENCY_H
/* The family of latencies (METHODS §11): a DDSketch of `latency_ms`, its quantiles against the reference's.
 */
#include "detectors/families.h"

extern const struct family_ops latency_family;

#endif
