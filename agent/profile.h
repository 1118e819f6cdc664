#ifndef DRIFTD_AGENT_PROFILE_H
#define DRIFTD_AGENT_PROFILE_H
/*
 * How the features of one (model, version) are counted: what the loop knows about its reference and workers
 * need to know. Immutable; made by the loop, read by workers, kept until the agent ends (there are few).
 */
#include <stdint.h>

#include "agent/base/text.h"
#include "detectors/reference.h"

enum profile_state {
    PROFILE_NONE,    /* no reference is wanted: features are not counted */
    PROFILE_WAITING, /* a capture is wanted and its start is not known yet */
    PROFILE_CAPTURE, /* a capture runs: whole events are sampled; nothing at or after `until_ms` may be read
                      */
    PROFILE_READY    /* counted on the grid from `effective_from_ms` on */
};

struct profile {
    enum profile_state state;
    int64_t capture_ms;                /* WAITING */
    uint32_t sample;                   /* WAITING, CAPTURE: events in the sample */
    int64_t until_ms;                  /* CAPTURE */
    int64_t effective_from_ms;         /* READY */
    uint32_t grid;                     /* READY: number of the grid in the store */
    uint32_t reference_number;         /* READY: of the reference in the store */
    const struct reference *reference; /* READY */
    const struct feature_layout
        *layouts[GRID_RESOLUTION_COUNT]; /* READY: whole model fine, segments coarse */
};

/* Which profile a (model, version) starts with; immutable, shared by all workers. */
struct profile_entry {
    const char *model, *version; /* version NULL: any */
    const struct profile *profile;
};
struct profile_book {
    const struct profile_entry *entries;
    uint32_t count;
    /* For what has no entry: by the configuration of its reference. */
    const struct profile *(*otherwise)(const void *context, struct text model, struct text version);
    const void *context;
};

#endif
