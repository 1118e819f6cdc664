#ifndef DRIFTD_DETECTORS_THROUGHPUT_H
#define DRIFTD_DETECTORS_THROUGHPUT_H
/* Throughput (METHODS §11): how many events a window had, by kind, per second of event time. Pure. */
#include "collectors/event.h"
#include "detectors/report.h"

enum throughput_slot { /* part of stored rows: append, never renumber */
                       THROUGHPUT_EVENTS_PER_S,
                       THROUGHPUT_PREDICTIONS,
                       THROUGHPUT_FEATURES,
                       THROUGHPUT_KPIS,
                       THROUGHPUT_SLOT_COUNT
};

/* `activity`: applied events by enum event_kind (labels are never in it: they are joined). n is all of them.
 * O(1). */
void throughput_report(const uint64_t *activity, int64_t window_ms, struct report_row *row);

#endif
