#include "detectors/throughput.h"

#include <math.h>

void throughput_report(const uint64_t *activity, int64_t window_ms, struct report_row *row)
{
    *row = (struct report_row){.family = FAMILY_THROUGHPUT};
    report_row_undefine(row);
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        row->n += activity[kind];
    row->slots[THROUGHPUT_PREDICTIONS] = (double)activity[EVENT_PREDICTION];
    row->slots[THROUGHPUT_FEATURES] = (double)activity[EVENT_FEATURES];
    row->slots[THROUGHPUT_KPIS] = (double)activity[EVENT_KPI];
    if (window_ms > 0)
        row->slots[THROUGHPUT_EVENTS_PER_S] = (double)row->n * 1000.0 / (double)window_ms;
}
