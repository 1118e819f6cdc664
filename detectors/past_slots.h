#ifndef DRIFTD_DETECTORS_PAST_SLOTS_H
#define DRIFTD_DETECTORS_PAST_SLOTS_H
/* Rows of FAMILY_SEASONAL and FAMILY_ROLLING have the slots of FAMILY_FEATURES and these; part of stored
 * rows: never renumber. */

enum past_slot { PAST_ROWS = 38, PAST_LEFT_OUT = 39 };

#endif
