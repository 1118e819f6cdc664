#ifndef DRIFTD_DETECTORS_VOLUME_SLOTS_H
#define DRIFTD_DETECTORS_VOLUME_SLOTS_H
/* Numbers of the slots of a FAMILY_ACTIVITY row ("@activity"); part of stored rows: append, never renumber.
 */

enum volume_slot {
    VOLUME_EVENTS,
    VOLUME_EXPECTED,
    VOLUME_Z,
    VOLUME_Z_SIZE, /* |z| */
    VOLUME_DISPERSION,
    VOLUME_EMPTY,
    VOLUME_EMPTY_USUAL,
    VOLUME_STALE,
    VOLUME_SLOT_COUNT
};

#endif
