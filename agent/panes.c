#include "agent/panes.h"

#include <string.h>

struct pane_times pane_times_of(const struct config *config)
{
    struct pane_times times = {.origin_ms = config->origin_ms,
                               .tier_count = config->tier_count,
                               .lateness_ms = config->lateness_ms,
                               .horizon_ms = config->horizon_ms};
    for (uint32_t tier = 0; tier < config->tier_count; tier++)
        times.tiers_ms[tier] = config->tiers_ms[tier];
    return times;
}

uint32_t pane_position(const void *panes, uint32_t count, size_t size, int64_t start_ms)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int64_t at_ms;
        memcpy(&at_ms, (const char *)panes + middle * size, sizeof(at_ms));
        if (at_ms < start_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
