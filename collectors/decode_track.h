#ifndef DRIFTD_COLLECTORS_DECODE_TRACK_H
#define DRIFTD_COLLECTORS_DECODE_TRACK_H
/*
 * Whole events learned by heart. Producers write the same keys in the same order and spelling, so that all
 * bytes of an event but its values are known beforehand: a track is that sequence of literals, through all
 * objects, with the place of each value between them. Following one needs no look-up of keys, no check for
 * duplicates and no bookkeeping of groups: what they would find was found when the track was learned.
 *
 *   {"type":"prediction","model":"m1","features":{"age":31,"plan":"a"}}
 *   └──┬───┘            └───┬───┘    └────────┬────────┘  └──┬───┘   └┬┘
 *   literal, value,      literal …
 *
 * Tracks that begin alike share their steps: after each value stand the literals that have followed it. An
 * event that leaves all tracks is read again by decode_scan.c, which accepts all that is in doubt here.
 * Learning is rationed and its memory bounded; where events seldom repeat, tracks are not tried for a while.
 */
#include "collectors/decode_internal.h"

struct scan;
struct tracks;

/* NULL: no memory. */
struct tracks *tracks_new(struct decoder *decoder);
void tracks_free(struct tracks *tracks);
/* Captures the event that begins at `at` if one of the tracks leads to its end. False: whatever was captured
 * of it must be reset. O(bytes). */
bool tracks_follow(struct tracks *tracks, struct scan *scan, const char *at);
/* The event at `at`, which the scanner has accepted, left all tracks: learns it if there is need and room. */
void tracks_learn(struct tracks *tracks, struct scan *scan, const char *at);
/* Others have changed what is captured. */
void tracks_disown(struct tracks *tracks);
/* Events that were followed to their end, ever. */
uint64_t tracks_followed(const struct tracks *tracks);
/* What has been learned takes. */
size_t tracks_bytes(const struct tracks *tracks);
/* For tests: without what only some processors have. */
void tracks_be_portable(struct tracks *tracks);

#endif
