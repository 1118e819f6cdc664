#include "detectors/latency.h"

#include <math.h>

#include "detectors/ddsketch.h"
#include "detectors/intervals.h"
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

#define RANK_Z 3.29 /* standard deviations of a rank: 99.9 %, METHODS §11 */

struct sketch_quantile sketch_quantile(const struct ddsketch_layout *layout, const uint64_t *counters,
                                       double n, double q)
{
    struct interval ranks = interval_order_ranks(n, q, RANK_Z);
    bool has_high = n * q + RANK_Z * sqrt(n * q * (1 - q)) <= n - 1;
    double high = ddsketch_at_rank(layout, counters, ranks.high);
    return (struct sketch_quantile){ddsketch_quantile(layout, counters, q),
                                    ddsketch_at_rank(layout, counters, ranks.low),
                                    has_high ? high : (double)NAN, high};
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

/* The ratio's limits pair the outermost of both. Its floor is where the two intervals part: the ratio is
 * above it when even the lower limit now is above the upper one of the reference. */
static void compare(const struct sketch_quantile *now, const struct sketch_quantile *before, double *slots)
{
    slots[LATENCY_P99_RATIO] = ratio(now->value, before->value);
    slots[LATENCY_P99_RATIO_LOW] = ratio(now->low, before->largest_high);
    slots[LATENCY_P99_RATIO_HIGH] = ratio(now->high, before->low);
    slots[LATENCY_P99_RATIO_FLOOR] = ratio(now->value, now->low) * ratio(before->largest_high, before->value);
    slots[LATENCY_REFERENCE_P99] = before->value;
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
    report_row_undefine(row);
    row->slots[LATENCY_P50] = ddsketch_quantile(layout, counters, 0.50);
    row->slots[LATENCY_P95] = ddsketch_quantile(layout, counters, 0.95);
    struct sketch_quantile p99 = sketch_quantile(layout, counters, (double)n, 0.99);
    row->slots[LATENCY_P99] = p99.value;
    row->slots[LATENCY_P99_LOW] = p99.low;
    row->slots[LATENCY_P99_HIGH] = p99.high;
    row->slots[LATENCY_CLIPPED] = (double)counters[DDSKETCH_CLIPPED] / (double)n;
    row->reference_n = in->baseline ? ddsketch_count(layout, in->baseline->counters) : 0;
    if (row->reference_n) {
        struct sketch_quantile before =
            sketch_quantile(layout, in->baseline->counters, (double)row->reference_n, 0.99);
        compare(&p99, &before, row->slots);
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
