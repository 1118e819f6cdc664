#include "detectors/volume.h"

#include <math.h>

void volume_report(const uint64_t *activity, int64_t window_ms, struct report_row *row)
{
    *row = (struct report_row){.family = FAMILY_VOLUME};
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = (double)NAN;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        row->n += activity[kind];
    row->slots[VOLUME_PREDICTIONS] = (double)activity[EVENT_PREDICTION];
    row->slots[VOLUME_FEATURES] = (double)activity[EVENT_FEATURES];
    row->slots[VOLUME_KPIS] = (double)activity[EVENT_KPI];
    if (window_ms > 0)
        row->slots[VOLUME_EVENTS_PER_S] = (double)row->n * 1000.0 / (double)window_ms;
}
