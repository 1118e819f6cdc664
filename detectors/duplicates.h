#ifndef DRIFTD_DETECTORS_DUPLICATES_H
#define DRIFTD_DETECTORS_DUPLICATES_H
/*
 * Duplicates (METHODS §10): events whose id their partition had already seen in the same finest pane. They
 * are counted exactly, by families_add_duplicate, and count for nothing else. Pure.
 */
#include "detectors/families.h"

enum duplicates_slot { /* part of stored rows: append, never renumber */
                       DUPLICATES_RATE,
                       DUPLICATES_RATE_LOW,
                       DUPLICATES_RATE_HIGH,
                       DUPLICATES_COUNT,
                       DUPLICATES_CHANGE,
                       DUPLICATES_CHANGE_LOW,
                       DUPLICATES_CHANGE_HIGH,
                       DUPLICATES_CHANGE_P,
                       DUPLICATES_SLOT_COUNT
};

struct duplicate_counts;

/* Takes part in merging and storing only: no event applies to it and it reports nothing by itself, since a
 * window without any duplicate has a rate too. */
extern const struct family_ops duplicates_family;
struct tally_size duplicates_size(void); /* a counter per enum event_kind */

/* `activity`: events that were counted, by enum event_kind; `duplicates` NULL: there were none. False when
 * there was no event at all. Wilson's 95 % interval. `usual`: of the reference (reference.h); NULL or no
 * events: not known. O(1). */
bool duplicates_report(const uint64_t *activity, const struct tally *duplicates,
                       const struct duplicate_counts *usual, struct report_row *row);

#endif
