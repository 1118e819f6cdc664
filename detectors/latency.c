#include "detectors/latency.h"

#include <math.h>

#include "detectors/ddsketch.h"
#include "detectors/latency_slots.h"

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)reference;
    return (struct tally_size){ddsketch_counters(tools->latency), 0};
}

static bool applies(const struct count_input *input)
{
    return input->event->latency_ms.type == VALUE_NUMBER;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    bool clipped = false;
    uint32_t slot = ddsketch_slot(input->tools->latency, input->event->latency_ms.number, &clipped);
    tally->counters[slot] += times;
    if (clipped)
        tally->counters[DDSKETCH_CLIPPED] += times;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

/* The limits of a quantile by order statistics: ranks nq ± 3.29·√(nq(1−q)) (METHODS §11). */
static void quantile_interval(const struct ddsketch_layout *layout, const uint64_t *counters, double n,
                              double q, double *out_low, double *out_high)
{
    double half = 3.29 * sqrt(n * q * (1 - q));
    double low = n * q - half, high = n * q + half;
    *out_low = low < 0 ? (double)NAN : ddsketch_at_rank(layout, counters, floor(low));
    *out_high = high > n - 1 ? (double)NAN : ddsketch_at_rank(layout, counters, ceil(high));
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    const struct ddsketch_layout *layout = in->tools->latency;
    const uint64_t *counters = in->current->counters;
    uint64_t n = ddsketch_count(layout, counters);
    if (n == 0)
        return 0;
    struct report_row *row = &rows[0];
    *row = (struct report_row){.family = FAMILY_LATENCY, .n = n};
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = (double)NAN;
    row->slots[LATENCY_P50] = ddsketch_quantile(layout, counters, 0.50);
    row->slots[LATENCY_P95] = ddsketch_quantile(layout, counters, 0.95);
    row->slots[LATENCY_P99] = ddsketch_quantile(layout, counters, 0.99);
    quantile_interval(layout, counters, (double)n, 0.99, &row->slots[LATENCY_P99_LOW],
                      &row->slots[LATENCY_P99_HIGH]);
    row->slots[LATENCY_CLIPPED] = (double)counters[DDSKETCH_CLIPPED] / (double)n;
    row->slots[LATENCY_EVENTS_PER_S] =
        (double)in->activity[EVENT_PREDICTION] * 1000.0 / (double)in->window_ms;
    row->reference_n = in->baseline ? ddsketch_count(layout, in->baseline->counters) : 0;
    if (row->reference_n) {
        double before = ddsketch_quantile(layout, in->baseline->counters, 0.99);
        row->slots[LATENCY_P99_RATIO] = before > 0 ? row->slots[LATENCY_P99] / before : (double)NAN;
    }
    if (n < in->options->n_min || (in->baseline && row->reference_n < in->options->n_min))
        row->flags |= REPORT_INSUFFICIENT;
    names[0] = text_of("@latency_ms");
    return 1;
}

const struct family_ops latency_family = {
    .name = "latency",
    .of_segments = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
