#ifndef DRIFTD_DETECTORS_FEATURE_SLOTS_H
#define DRIFTD_DETECTORS_FEATURE_SLOTS_H
/*
 * Numbers of the slots of a FAMILY_FEATURES row. Private to detectors/: everybody else goes by metric_table.
 * Numbers are part of stored rows: append, never renumber. Numeric and categorical subjects never share a
 * row, so what only one kind has reuses the other's slots.
 */

enum feature_slot {
    SLOT_PSI,
    SLOT_PSI_P,
    SLOT_PSI_DEBIASED,
    SLOT_KL,
    SLOT_JS,
    SLOT_HELLINGER,
    SLOT_TOTAL_VARIATION,
    SLOT_LINF,
    SLOT_DIVERGENCE_FLOOR, /* v·χ²_{B−1,1−α}: of PSI; KL is half of it */
    SLOT_ROOT_FLOOR,       /* its root: of JS and Hellinger with their factors */
    SLOT_TOTAL_VARIATION_FLOOR,
    SLOT_LINF_FLOOR,
    SLOT_CHI2,
    SLOT_CHI2_P,
    SLOT_G,
    SLOT_CRAMERS_V,
    SLOT_MISSING_RATE,
    SLOT_MISSING_DELTA,
    SLOT_MISSING_P,
    SLOT_INVALID_RATE,
    SLOT_INVALID_DELTA,
    SLOT_INVALID_P,
    /* values that the reference does not know: out of its range, or outside its vocabulary */
    SLOT_OUTSIDE_RATE,
    SLOT_OUTSIDE_DELTA,
    SLOT_OUTSIDE_P,
    /* numeric only */
    SLOT_KS,
    SLOT_KS_P,
    SLOT_KS_FLOOR,
    SLOT_KS_UPPER,
    SLOT_W1,
    SLOT_W1_NORMALIZED,
    SLOT_W1_NOISE, /* mean of w1_normalized without drift */
    SLOT_ENERGY,
    SLOT_CVM,
    SLOT_CVM_P,
    SLOT_ANDERSON_DARLING,
    SLOT_MEAN,
    SLOT_SD,
    FEATURE_SLOT_COUNT,
    /* categorical only */
    SLOT_OTHER_RATE = SLOT_KS
};

#endif
