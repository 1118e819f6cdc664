#include "detectors/e_history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

const struct e_start e_ladder[E_LADDER_SIZE] = {
    {0, 1},  {0, 2},  {0, 3},  {0, 4}, {0, 6}, {0, 8}, {0, 12}, {1, 2}, {1, 3},  {1, 4},  {1, 6},  {1, 8},
    {1, 12}, {1, 16}, {1, 24}, {2, 2}, {2, 3}, {2, 4}, {2, 5},  {2, 7}, {2, 10}, {2, 14}, {2, 21}, {2, 28}};

/* The oldest boundary of each tier that the ladder asks for. */
static const uint32_t depth[E_TIERS] = {12, 24, 28};

/* Cumulative counts before a boundary; a ring, the newest before `next`. Counts are kept modulo 2^32 as long
 * as no window can hold more events than that: differences are exact all the same. */
struct boundary_ring {
    uint32_t used, next;
    int64_t *at_ms;
    uint64_t *events; /* all counters together */
    uint32_t *narrow;
    uint64_t *wide; /* NULL: narrow is in use */
};

struct e_history {
    struct e_history_options options;
    bool started;
    int64_t begin_ms, now_ms; /* start of the first pane, end of the last */
    uint64_t events;          /* Σ total */
    uint64_t *total;          /* cumulative counts at now */
    uint64_t *scratch;
    struct boundary_ring rings[E_TIERS];
};

static bool tiers_nest(const struct e_history_options *o)
{
    if (o->tier_ms[0] <= 0)
        return false;
    for (unsigned tier = 1; tier < E_TIERS; tier++)
        if (o->tier_ms[tier] < o->tier_ms[tier - 1] || o->tier_ms[tier] % o->tier_ms[tier - 1] != 0)
            return false;
    return true;
}

struct e_history *e_history_new(const struct e_history_options *options)
{
    if (!tiers_nest(options) || options->counters == 0)
        return NULL;
    struct e_history *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->options = *options;
    size_t width = options->counters;
    h->total = calloc(2 * width, sizeof *h->total);
    bool complete = h->total != NULL;
    for (unsigned tier = 0; tier < E_TIERS; tier++) {
        h->rings[tier].at_ms = calloc(depth[tier], sizeof *h->rings[tier].at_ms);
        h->rings[tier].events = calloc(depth[tier], sizeof *h->rings[tier].events);
        h->rings[tier].narrow = calloc(depth[tier] * width, sizeof *h->rings[tier].narrow);
        complete = complete && h->rings[tier].at_ms && h->rings[tier].events && h->rings[tier].narrow;
    }
    if (!complete) {
        e_history_free(h);
        return NULL;
    }
    h->scratch = h->total + width;
    return h;
}

void e_history_free(struct e_history *history)
{
    if (!history)
        return;
    for (unsigned tier = 0; tier < E_TIERS; tier++) {
        free(history->rings[tier].at_ms);
        free(history->rings[tier].events);
        free(history->rings[tier].narrow);
        free(history->rings[tier].wide);
    }
    free(history->total);
    free(history);
}

size_t e_history_bytes(const struct e_history *history)
{
    size_t width = history->options.counters, bytes = sizeof *history + 2 * width * sizeof(uint64_t);
    for (unsigned tier = 0; tier < E_TIERS; tier++) {
        size_t each = history->rings[tier].wide ? sizeof(uint64_t) : sizeof(uint32_t);
        bytes += depth[tier] * (sizeof(int64_t) + sizeof(uint64_t) + width * each);
    }
    return bytes;
}

void e_history_resume(struct e_history *history, int64_t begin_ms)
{
    if (history->started)
        history->begin_ms = begin_ms;
}

void e_history_reset(struct e_history *history)
{
    history->started = false;
    history->events = 0;
    memset(history->total, 0, history->options.counters * sizeof *history->total);
    for (unsigned tier = 0; tier < E_TIERS; tier++)
        history->rings[tier].used = history->rings[tier].next = 0;
}

/* The last boundary of the tier at or before t. */
static int64_t boundary_before(const struct e_history *h, unsigned tier, int64_t t)
{
    int64_t length = h->options.tier_ms[tier];
    int64_t offset = (t - h->options.origin_ms) % length;
    return t - (offset < 0 ? offset + length : offset);
}

/* Remembers the total so far as what lies before `at_ms`. */
static void remember(struct e_history *h, unsigned tier, int64_t at_ms)
{
    struct boundary_ring *ring = &h->rings[tier];
    size_t width = h->options.counters, at = ring->next * width;
    ring->at_ms[ring->next] = at_ms;
    ring->events[ring->next] = h->events;
    for (size_t i = 0; i < width; i++) {
        if (ring->wide)
            ring->wide[at + i] = h->total[i];
        else
            ring->narrow[at + i] = (uint32_t)h->total[i];
    }
    ring->next = (ring->next + 1) % depth[tier];
    if (ring->used < depth[tier])
        ring->used++;
}

/* The window from the oldest boundary may hold 2^32 events now: all 64 bits of each counter from here on. */
static int widen(struct e_history *h, struct boundary_ring *ring, unsigned tier)
{
    size_t width = h->options.counters;
    uint64_t *wide = malloc(depth[tier] * width * sizeof *wide);
    if (!wide)
        return ERR_NOMEM;
    for (size_t i = 0; i < depth[tier] * width; i++) {
        uint64_t total = h->total[i % width];
        wide[i] = total - (uint32_t)((uint32_t)total - ring->narrow[i]);
    }
    free(ring->narrow);
    ring->narrow = NULL;
    ring->wide = wide;
    return 0;
}

static int make_room(struct e_history *h, uint64_t events)
{
    int code = 0;
    for (unsigned tier = 0; tier < E_TIERS && code == 0; tier++) {
        struct boundary_ring *ring = &h->rings[tier];
        uint32_t oldest = (ring->next + depth[tier] - ring->used) % depth[tier];
        uint64_t before = ring->used ? ring->events[oldest] : h->events;
        if (!ring->wide && h->events - before + events > UINT32_MAX)
            code = widen(h, ring, tier);
    }
    return code;
}

int e_history_close(struct e_history *history, int64_t start_ms, const uint64_t *counts)
{
    BUG_ON(history->started && start_ms < history->now_ms);
    uint64_t events = 0;
    for (uint32_t i = 0; i < history->options.counters; i++)
        events += counts[i];
    int code = make_room(history, events);
    if (code != 0)
        return code;
    for (unsigned tier = 0; tier < E_TIERS; tier++) {
        int64_t boundary = boundary_before(history, tier, start_ms);
        /* The first pane at or after a boundary fixes what lies before it: nothing came in between. */
        bool passed = history->started && boundary >= history->now_ms;
        if (passed || (!history->started && boundary == start_ms))
            remember(history, tier, boundary);
    }
    if (!history->started) {
        history->started = true;
        history->begin_ms = start_ms;
    }
    for (uint32_t i = 0; i < history->options.counters; i++)
        history->total[i] += counts[i];
    history->events += events;
    history->now_ms = start_ms + history->options.tier_ms[0];
    return 0;
}

/* Counts from start_ms to now: less what came before the oldest remembered boundary at or after it.
 * Boundaries in between were not remembered because no pane came between them. */
static void subtract_before(const struct e_history *h, unsigned tier, int64_t start_ms, uint64_t *out)
{
    const struct boundary_ring *ring = &h->rings[tier];
    uint32_t width = h->options.counters, found = UINT32_MAX;
    for (uint32_t back = 1; back <= ring->used; back++) {
        uint32_t i = (ring->next + depth[tier] - back) % depth[tier];
        if (ring->at_ms[i] < start_ms)
            break;
        found = i;
    }
    for (uint32_t i = 0; i < width; i++) {
        size_t at = (size_t)found * width + i;
        if (found == UINT32_MAX)
            out[i] = 0;
        else if (ring->wide)
            out[i] = h->total[i] - ring->wide[at];
        else
            out[i] = (uint32_t)((uint32_t)h->total[i] - ring->narrow[at]);
    }
}

struct e_evaluation e_history_evaluate(const struct e_history *h, int64_t restart_ms, e_window_fn *f,
                                       const void *context)
{
    struct e_evaluation result = {.log_r = -INFINITY, .onset_ms = INT64_MIN, .log_e = NAN};
    double log_e[E_LADDER_SIZE];
    int64_t starts_ms[E_LADDER_SIZE];
    bool any = false;
    if (!h->started)
        return result;
    for (uint32_t entry = 0; entry < E_LADDER_SIZE; entry++) {
        unsigned tier = e_ladder[entry].tier;
        int64_t newest = boundary_before(h, tier, h->now_ms - 1);
        starts_ms[entry] = newest - (int64_t)(e_ladder[entry].age - 1) * h->options.tier_ms[tier];
        log_e[entry] = NAN;
        if (starts_ms[entry] < h->begin_ms || starts_ms[entry] < restart_ms)
            continue;
        subtract_before(h, tier, starts_ms[entry], h->scratch);
        log_e[entry] = f(h->scratch, entry, context);
        any = true;
    }
    if (!any)
        return result;
    struct e_sum sum = e_sum_of(log_e, E_LADDER_SIZE);
    result.log_r = sum.log_r;
    result.onset_ms = starts_ms[sum.best];
    result.log_e = log_e[sum.best];
    result.entry = sum.best;
    return result;
}

bool e_history_window(const struct e_history *h, int64_t start_ms, uint64_t *out_counts)
{
    if (!h->started || start_ms < h->begin_ms || start_ms >= h->now_ms)
        return false;
    for (unsigned tier = 0; tier < E_TIERS; tier++) {
        int64_t oldest =
            boundary_before(h, tier, h->now_ms - 1) - (int64_t)(depth[tier] - 1) * h->options.tier_ms[tier];
        if (boundary_before(h, tier, start_ms) != start_ms || start_ms < oldest)
            continue;
        subtract_before(h, tier, start_ms, out_counts);
        return true;
    }
    return false;
}
