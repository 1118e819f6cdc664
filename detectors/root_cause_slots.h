#ifndef DRIFTD_DETECTORS_ROOT_CAUSE_SLOTS_H
#define DRIFTD_DETECTORS_ROOT_CAUSE_SLOTS_H
/* Numbers of the slots of a FAMILY_CAUSE row; part of stored rows: append, never renumber. */

enum cause_slot {
    CAUSE_PART,
    CAUSE_MIX,
    CAUSE_WITHIN,
    CAUSE_SHARE,
    CAUSE_KL,
    CAUSE_KL_DEBIASED,
    CAUSE_P,
    CAUSE_SLOT_COUNT
};

#endif
