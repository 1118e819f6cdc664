#ifndef DRIFTD_DETECTORS_VOLUME_H
#define DRIFTD_DETECTORS_VOLUME_H
/* Throughput (METHODS §11): how many events a window had, by kind, per second of event time. Pure. */
#include "collectors/event.h"
#include "detectors/report.h"

enum volume_slot { /* part of stored rows: append, never renumber */
                   VOLUME_EVENTS_PER_S,
                   VOLUME_PREDICTIONS,
                   VOLUME_FEATURES,
                   VOLUME_KPIS,
                   VOLUME_SLOT_COUNT
};

/* `activity`: applied events by enum event_kind (labels are never in it: they are joined). n is all of them.
 * O(1). */
void volume_report(const uint64_t *activity, int64_t window_ms, struct report_row *row);

#endif
