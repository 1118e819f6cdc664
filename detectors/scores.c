#include "detectors/scores.h"

#include <assert.h>
#include <math.h>

#include "detectors/estimates.h"
#include "detectors/event_outcome.h"
#include "detectors/performance.h"
#include "detectors/score_slots.h"

#define SUM_SCALE 0x1p40
#define SCORE_MAX 0x1p31
#define ALPHA     0.05

static_assert(SCORES_COUNTERS == SCORES_BINS + 2 * SCORE_BINS, "a bin per predicted class and score bin");

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    (void)reference;
    return (struct tally_size){SCORES_COUNTERS, SCORES_SUMS};
}

static bool applies(const struct count_input *input)
{
    struct outcome outcome;
    return event_prediction(input->event, input->options, &outcome) && outcome.kind == OUTCOME_BINARY;
}

static void add_sum(struct tally *tally, uint32_t at, double score, uint64_t times)
{
    int128 fixed = (int128)rint(score * SUM_SCALE); /* rint is exact everywhere */
    tally->sums[at] = (int128)((uint128)tally->sums[at] + (uint128)fixed * times);
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    struct outcome outcome;
    if (!event_prediction(input->event, input->options, &outcome))
        return;
    uint32_t class = outcome.predicted ? 1 : 0, bin = score_bin(outcome.value);
    if (!isnan(outcome.value)) {
        double kept = fmin(fmax(outcome.value, -SCORE_MAX), SCORE_MAX);
        tally->counters[SCORES_SCORED] += times;
        if (kept < outcome.value || kept > outcome.value)
            tally->counters[SCORES_CLIPPED] += times;
        add_sum(tally, SCORES_SUM, kept, times);
    }
    if (bin == UINT32_MAX) {
        tally->counters[SCORES_CLASS_ONLY + class] += times;
        return;
    }
    tally->counters[SCORES_BINS + class * SCORE_BINS + bin] += times;
    add_sum(tally, SCORES_SUM_INSIDE, outcome.value, times);
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 2;
}

struct classes {
    double negative, positive, scored, mean;
};

static struct classes classes_of(const struct tally *tally)
{
    const uint64_t *counters = tally->counters;
    struct classes out = {.negative = (double)counters[SCORES_CLASS_ONLY],
                          .positive = (double)counters[SCORES_CLASS_ONLY + 1],
                          .scored = (double)counters[SCORES_SCORED]};
    for (uint32_t bin = 0; bin < SCORE_BINS; bin++) {
        out.negative += (double)counters[SCORES_BINS + bin];
        out.positive += (double)counters[SCORES_BINS + SCORE_BINS + bin];
    }
    out.mean = out.scored > 0 ? (double)tally->sums[SCORES_SUM] / SUM_SCALE / out.scored : (double)NAN;
    return out;
}

static void report_predictions(const struct family_report *in, struct report_row *row)
{
    struct classes now = classes_of(in->current);
    double n = now.negative + now.positive, inside = 0;
    for (uint32_t bin = 0; bin < 2 * SCORE_BINS; bin++)
        inside += (double)in->current->counters[SCORES_BINS + bin];
    *row = (struct report_row){.family = FAMILY_PREDICTIONS, .n = (uint64_t)n};
    report_row_undefine(row);
    struct interval rate = interval_wilson(now.positive, n, ALPHA);
    row->slots[PRED_RATE] = now.positive / n;
    row->slots[PRED_RATE_LOW] = rate.low;
    row->slots[PRED_RATE_HIGH] = rate.high;
    row->slots[PRED_MEAN_SCORE] = now.mean;
    row->slots[PRED_SCORED] = now.scored / n;
    row->slots[PRED_OUTSIDE] = now.scored > 0 ? (now.scored - inside) / now.scored : (double)NAN;
    row->flags = row->n < in->options->n_min ? REPORT_INSUFFICIENT : 0;
    if (!in->baseline)
        return;
    struct classes before = classes_of(in->baseline);
    double m = before.negative + before.positive;
    if (m <= 0)
        return;
    struct interval delta = interval_newcombe(now.positive, n, before.positive, m, ALPHA);
    row->reference_n = (uint64_t)m;
    row->slots[PRED_RATE_DELTA] = now.positive / n - before.positive / m;
    row->slots[PRED_RATE_DELTA_LOW] = delta.low;
    row->slots[PRED_RATE_DELTA_HIGH] = delta.high;
    row->slots[PRED_RATE_DELTA_P] = two_proportion_z(now.positive, n, before.positive, m).p;
    row->slots[PRED_MEAN_DELTA] = now.mean - before.mean;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    report_predictions(in, &rows[0]);
    if (rows[0].n == 0)
        return 0;
    names[0] = text_of("@model");
    names[1] = text_of("@model");
    return in->labelled && estimates_report(in->current, in->labelled, in->options, &rows[1]) ? 2 : 1;
}

const struct family_ops scores_family = {
    .name = "scores",
    .of_segments = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
