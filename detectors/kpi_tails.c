#include "detectors/kpi_tails.h"

#include <math.h>
#include <string.h>

#include "detectors/ddsketch.h"
#include "detectors/intervals.h"
#include "detectors/kpi.h"

#define ALPHA 0.05
static const double LOW_SHARE = 0.001, HIGH_SHARE = 0.999;

/* ---- which ---- */

static uint32_t rank_of(const struct model_options *options, const struct kpi_scale *scale)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < options->kpi_count; i++)
        rank += options->kpis[i].winsorise && strcmp(options->kpis[i].name, scale->name) < 0;
    return rank;
}

const struct kpi_scale *kpi_tails_scale(const struct model_options *options, uint32_t n)
{
    for (uint32_t i = 0; n < KPI_TAILS_MAX && i < options->kpi_count; i++)
        if (options->kpis[i].winsorise && rank_of(options, &options->kpis[i]) == n)
            return &options->kpis[i];
    return NULL;
}

/* ---- counting ---- */

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)reference;
    return (struct tally_size){KPI_TAILS_MAX * ddsketch_counters(tools->kpi), 0};
}

static bool is_wanted(const struct kpi_target *target)
{
    return target->scale && target->scale->winsorise; /* a name without a slot has no scale */
}

static bool applies(const struct count_input *input)
{
    if (input->event->kind != EVENT_KPI || !input->kpis)
        return false;
    for (uint32_t i = 0; i < input->event->kpis.count; i++)
        if (is_wanted(&input->kpis[i]))
            return true;
    return false;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct ddsketch_layout *layout = input->tools->kpi;
    for (uint32_t i = 0; i < input->event->kpis.count; i++) {
        const struct value *value = &input->event->kpis.items[i].value;
        const struct kpi_scale *scale = input->kpis[i].scale;
        uint32_t rank = is_wanted(&input->kpis[i]) ? rank_of(input->options, scale) : KPI_TAILS_MAX;
        if (rank >= KPI_TAILS_MAX || value->type != VALUE_NUMBER || isnan(value->number))
            continue;
        double x = value->number;
        double held = x < scale->low ? scale->low : x > scale->high ? scale->high : x;
        uint64_t *counters = tally->counters + (size_t)rank * ddsketch_counters(layout);
        bool clipped;
        counters[ddsketch_slot(layout, held / scale->unit, &clipped)] += times;
        if (clipped)
            counters[DDSKETCH_CLIPPED] += times;
    }
}

void kpi_tails_add(struct tally *into, const struct tally *pane, uint32_t n)
{
    uint32_t each = pane->size.counters / KPI_TAILS_MAX;
    for (uint32_t i = n * each; i < (n + 1) * each; i++)
        into->counters[i] += pane->counters[i];
}

/* ---- reporting ---- */

struct held {
    double n, mean, sd, share; /* share: of values that were held */
};

static struct held hold(const struct ddsketch_layout *layout, const uint64_t *counters, double low,
                        double high)
{
    long double sum = 0, squares = 0;
    uint64_t n = 0, held = 0;
    for (int pass = 0; pass < 2; pass++) /* squares around the mean: nothing cancels */
        for (uint32_t slot = 0; slot < ddsketch_counters(layout); slot++) {
            if (counters[slot] == 0 || slot == DDSKETCH_CLIPPED || slot == DDSKETCH_NAN)
                continue;
            double value = ddsketch_slot_value(layout, slot), at = fmin(fmax(value, low), high);
            long double times = (long double)counters[slot];
            if (pass == 0) {
                sum += times * at;
                n += counters[slot];
                held += at != value ? counters[slot] : 0;
            } else {
                long double off = at - sum / (long double)n;
                squares += times * off * off;
            }
        }
    struct held out = {(double)n, (double)NAN, (double)NAN, (double)NAN};
    if (n) {
        out.mean = (double)(sum / (long double)n);
        out.share = (double)held / (double)n;
    }
    if (n > 1)
        out.sd = sqrt((double)(squares / (long double)(n - 1)));
    return out;
}

static void report_one(const struct ddsketch_layout *layout, const uint64_t *now, const uint64_t *before,
                       double unit, struct report_row *row)
{
    double *slots = row->slots;
    double low = ddsketch_quantile(layout, before, LOW_SHARE);
    double high = ddsketch_quantile(layout, before, HIGH_SHARE);
    struct held here = hold(layout, now, low, high), there = hold(layout, before, low, high);
    struct welch welch = welch_test(here.mean, here.sd, here.n, there.mean, there.sd, there.n, ALPHA);
    row->reference_n = ddsketch_count(layout, before);
    slots[KPI_TAILS_MEAN] = here.mean * unit;
    slots[KPI_TAILS_DIFFERENCE] = (here.mean - there.mean) * unit;
    slots[KPI_TAILS_DIFFERENCE_LOW] = welch.interval.low * unit;
    slots[KPI_TAILS_DIFFERENCE_HIGH] = welch.interval.high * unit;
    slots[KPI_TAILS_DIFFERENCE_P] = welch.p;
    slots[KPI_TAILS_REFERENCE_MEAN] = there.mean * unit;
    slots[KPI_TAILS_LOW] = low * unit;
    slots[KPI_TAILS_HIGH] = high * unit;
    slots[KPI_TAILS_HELD] = here.share;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return KPI_TAILS_MAX;
}

/* The first period of a KPI; NULL: it is not over for this window. */
static const struct kpi_past *past_of(const struct kpi_view *view, struct text name)
{
    uint32_t slot = view->names && view->past && view->tails ? intern_find(view->names, name) : INTERN_NONE;
    const struct kpi_past *past = slot == INTERN_NONE ? NULL : &view->past[slot];
    return past && past->baseline.n >= KPI_MINIMUM_N && view->window_end_ms > past->until_ms ? past : NULL;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    const struct ddsketch_layout *layout = in->tools->kpi;
    const struct kpi_scale *scale;
    uint32_t count = 0;
    for (uint32_t n = 0; in->kpi && (scale = kpi_tails_scale(in->options, n)); n++) {
        size_t at = (size_t)n * ddsketch_counters(layout);
        uint64_t values = ddsketch_count(layout, in->current->counters + at);
        names[count] = text_of(scale->name);
        if (values == 0 || !past_of(in->kpi, names[count]))
            continue;
        struct report_row *row = &rows[count++];
        *row = (struct report_row){.family = FAMILY_KPI_TAILS, .n = values};
        report_row_undefine(row);
        report_one(layout, in->current->counters + at, in->kpi->tails->counters + at, scale->unit, row);
        if (values < KPI_MINIMUM_N && values < in->options->n_min)
            row->flags |= REPORT_INSUFFICIENT;
    }
    return count;
}

const struct family_ops kpi_tails_family = {
    .name = "kpi_tails",
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
