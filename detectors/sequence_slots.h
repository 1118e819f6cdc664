#ifndef DRIFTD_DETECTORS_SEQUENCE_SLOTS_H
#define DRIFTD_DETECTORS_SEQUENCE_SLOTS_H
/* Numbers of the slots of a FAMILY_DETECTOR row; part of stored rows: append, never renumber. */

enum detector_slot {
    DETECTOR_STATE, /* 0 ok, 1 warning, 2 drift: the worst of the pane's values */
    DETECTOR_VALUE,
    DETECTOR_STATISTIC,
    DETECTOR_INDEX,
    DETECTOR_SINCE_RESTART,
    DETECTOR_DRIFTS,
    DETECTOR_SLOT_COUNT
};

#endif
