#include "detectors/lag.h"

#include <math.h>

#include "detectors/ddsketch.h"
#include "detectors/latency.h"

/* Counters: those of the sketch, and behind them how many were negative. */

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)reference;
    return (struct tally_size){ddsketch_counters(tools->lag) + 1, 0};
}

static bool applies(const struct count_input *input)
{
    return input->options->record_lag && input->record_ms > 0 &&
           (input->event->kind == EVENT_PREDICTION || input->event->kind == EVENT_FEATURES);
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    bool clipped, negative = input->record_ms < input->event->ts_ms;
    double lag_ms = negative ? 0 : (double)input->record_ms - (double)input->event->ts_ms;
    uint32_t slot = ddsketch_slot(input->tools->lag, lag_ms, &clipped);
    tally->counters[slot] += times;
    if (clipped)
        tally->counters[DDSKETCH_CLIPPED] += times;
    if (negative)
        tally->counters[ddsketch_counters(input->tools->lag)] += times;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    static const struct {
        double q;
        enum lag_slot slot;
    } quantiles[] = {{0.50, LAG_P50}, {0.95, LAG_P95}, {0.99, LAG_P99}};
    const struct ddsketch_layout *layout = in->tools->lag;
    const uint64_t *counters = in->current->counters;
    uint64_t n = ddsketch_count(layout, counters);
    if (n == 0)
        return 0;
    rows[0] = (struct report_row){.family = FAMILY_LAG, .n = n};
    report_row_undefine(&rows[0]);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        struct sketch_quantile got = sketch_quantile(layout, counters, (double)n, quantiles[i].q);
        double *slots = rows[0].slots + quantiles[i].slot;
        slots[0] = got.value;
        slots[LAG_P50_LOW - LAG_P50] = got.low;
        slots[LAG_P50_HIGH - LAG_P50] = got.high;
    }
    rows[0].slots[LAG_NEGATIVE] = (double)counters[ddsketch_counters(layout)] / (double)n;
    rows[0].slots[LAG_CLIPPED] = (double)counters[DDSKETCH_CLIPPED] / (double)n;
    if (n < in->options->n_min)
        rows[0].flags |= REPORT_INSUFFICIENT;
    names[0] = text_of("@lag_ms");
    return 1;
}

const struct family_ops lag_family = {
    .name = "lag",
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
