#ifndef DRIFTD_DETECTORS_LATENCY_SLOTS_H
#define DRIFTD_DETECTORS_LATENCY_SLOTS_H
/* Numbers of the slots of a FAMILY_LATENCY row; part of stored rows: append, never renumber. */

enum latency_slot {
    LATENCY_P50,
    LATENCY_P95,
    LATENCY_P99,
    LATENCY_P99_LOW,
    LATENCY_P99_HIGH,
    LATENCY_P99_RATIO,
    LATENCY_CLIPPED,
    LATENCY_UNUSED, /* was events per second: volume.h */
    LATENCY_P99_RATIO_LOW,
    LATENCY_P99_RATIO_HIGH,
    LATENCY_P99_RATIO_FLOOR,
    LATENCY_REFERENCE_P99,
    LATENCY_SLOT_COUNT
};

#endif
