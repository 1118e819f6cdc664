#ifndef DRIFTD_DETECTORS_VALUE_TYPES_H
#define DRIFTD_DETECTORS_VALUE_TYPES_H
/*
 * The family of types and fields (METHODS §10, "schema drift"): values that are no number where the grid
 * bins numbers or no string where it has categories, and fields that the reference does not know. Only what
 * is unusual is counted, so an ordinary event costs one addition; usual values are in the features' counts.
 * Reports "@fields"; the types of a feature are part of its row of quality (quality_report.h).
 */
#include "detectors/families.h"

extern const struct family_ops value_types_family;

/* Entries of the tally: [0] events with features, [1] events with a field of unknown name, [2] such fields,
 * then VALUE_ODD_COUNT for each feature of the grid. */
enum { VALUE_TYPES_EVENTS, VALUE_TYPES_UNKNOWN_EVENTS, VALUE_TYPES_UNKNOWN_FIELDS, VALUE_TYPES_FEATURES };

enum value_odd {
    VALUE_ODD_TEXT,       /* a string where numbers are binned */
    VALUE_ODD_NUMBER,     /* a number where categories are */
    VALUE_ODD_BOOL,       /* a boolean */
    VALUE_ODD_OTHER,      /* an array or an object */
    VALUE_ODD_NOT_FINITE, /* a string that says NaN or infinity where numbers are binned */
    VALUE_ODD_COUNT
};

static inline uint32_t value_types_at(uint32_t feature, enum value_odd odd)
{
    return VALUE_TYPES_FEATURES + feature * VALUE_ODD_COUNT + (uint32_t)odd;
}

/* Values by what they are. */
enum value_class { CLASS_NUMBER, CLASS_TEXT, CLASS_BOOL, CLASS_OTHER, CLASS_COUNT };
/* From the fine counts of a feature (its slots) and the family's tally (NULL: nothing unusual). */
void value_classes(const struct feature_grid *feature, uint32_t index, const uint64_t *slots,
                   const struct tally *types, uint64_t out[CLASS_COUNT]);
/* The most frequent one (of several the first); CLASS_COUNT when there is no value. */
enum value_class value_class_majority(const uint64_t classes[CLASS_COUNT]);

#endif
