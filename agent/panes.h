#ifndef DRIFTD_AGENT_PANES_H
#define DRIFTD_AGENT_PANES_H
/* Arithmetic of event time: half-open panes [start, end) counted from an origin, in tiers (DESIGN §6). Pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/config.h"

struct pane_times {
    int64_t origin_ms;
    int64_t tiers_ms[TIER_MAX]; /* each a whole multiple of the one before */
    uint32_t tier_count;
    int64_t lateness_ms, horizon_ms;
};

struct pane_times pane_times_of(const struct config *config);

/* The start of the pane of `tier` that holds ts. */
static inline int64_t pane_start(const struct pane_times *times, uint32_t tier, int64_t ts_ms)
{
    int64_t length = times->tiers_ms[tier];
    int64_t offset = (ts_ms - times->origin_ms) % length;
    return ts_ms - (offset < 0 ? offset + length : offset);
}

static inline int64_t pane_end(const struct pane_times *times, uint32_t tier, int64_t ts_ms)
{
    return pane_start(times, tier, ts_ms) + times->tiers_ms[tier];
}

/* Does a pane of `tier` end (and another start) at this time? */
static inline int pane_is_boundary(const struct pane_times *times, uint32_t tier, int64_t ts_ms)
{
    return pane_start(times, tier, ts_ms) == ts_ms;
}

/* Index of the first of `count` panes of `size` bytes each that does not start before. Each begins with its
 * start, an int64_t, and they ascend by it. O(log count). */
uint32_t pane_position(const void *panes, uint32_t count, size_t size, int64_t start_ms);

/* ts − length that stops at INT64_MIN instead of wrapping: clocks may be "none yet". */
static inline int64_t time_minus(int64_t ts_ms, int64_t length_ms)
{
    int64_t out;
    return __builtin_sub_overflow(ts_ms, length_ms, &out) ? INT64_MIN : out;
}

/* ts + length that stops at INT64_MAX. */
static inline int64_t time_plus(int64_t ts_ms, int64_t length_ms)
{
    int64_t out;
    return __builtin_add_overflow(ts_ms, length_ms, &out) ? INT64_MAX : out;
}

#endif
