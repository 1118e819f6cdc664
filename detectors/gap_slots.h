#ifndef DRIFTD_DETECTORS_GAP_SLOTS_H
#define DRIFTD_DETECTORS_GAP_SLOTS_H
/* Numbers of the slots of rows about gaps between groups against the reference's. Private to detectors/; part
 * of stored rows: append, never renumber. LOW and HIGH are the 95 % interval. */

/* How much the gap is wider than the reference's, what that one was, and the change between the two groups
 * that made it. */
#define GAP(name)      GAP_##name, GAP_##name##_LOW, GAP_##name##_HIGH, GAP_##name##_P, GAP_##name##_BEFORE
#define GAP_PAIR(name) GAP_PAIR_##name, GAP_PAIR_##name##_LOW, GAP_PAIR_##name##_HIGH

enum gap_slot {
    GAP(SELECTION),
    GAP(TPR),
    GAP(FPR),
    GAP(ACCURACY),
    GAP(ODDS),
    GAP_PAIR(SELECTION),
    GAP_PAIR(TPR),
    GAP_PAIR(FPR),
    GAP_PAIR(ACCURACY),
    GAP_GROUPS,
    GAP_GROUPS_NEW,
    GAP_GROUPS_MISSING,
    GAP_SLOT_COUNT
};

#undef GAP
#undef GAP_PAIR

#endif
