#ifndef DRIFTD_DETECTORS_LAG_H
#define DRIFTD_DETECTORS_LAG_H
/*
 * The family of event-time lag (METHODS §10, staleness), opt-in: how long after their time predictions and
 * feature events were in the log, in ms, a DDSketch from 1 ms to 30 days. By the record's own timestamp,
 * never by the clock of this process: that of the log is the same whenever it is read. Records without one
 * (files) say nothing. A record older than its event counts as 0 and as negative. Whole models only.
 */
#include "detectors/families.h"

enum lag_slot { /* part of stored rows: append, never renumber */
                LAG_P50,
                LAG_P50_LOW,
                LAG_P50_HIGH,
                LAG_P95,
                LAG_P95_LOW,
                LAG_P95_HIGH,
                LAG_P99,
                LAG_P99_LOW,
                LAG_P99_HIGH,
                LAG_NEGATIVE,
                LAG_CLIPPED,
                LAG_SLOT_COUNT
};

extern const struct family_ops lag_family;

#endif
