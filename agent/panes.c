#include "agent/panes.h"

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
