/* Outcomes of models with several classes: counting and rows (METHODS §7.2, §8). */
#include <stdlib.h>
#include <string.h>

#include "detectors/calibration.h"
#include "detectors/label_classes.h"
#include "detectors/outcome_slots.h"
#include "detectors/outcomes_class_scores.h"
#include "detectors/outcomes_layout.h"
#include "detectors/outcomes_rows.h"
#include "detectors/performance_multiclass.h"

struct tally_size outcome_classes_size(void)
{
    return (struct tally_size){CLASS_COUNTERS, CLASS_SUMS};
}

void outcome_classes_add(struct tally *tally, const struct outcome *outcome, int sign)
{
    if (!outcome->labelled) {
        outcome_count(tally, CLASS_SEEN, sign);
        return;
    }
    uint32_t truth = (uint32_t)outcome->truth;
    if (truth >= CLASS_SLOTS || outcome->predicted >= CLASS_SLOTS)
        return;
    outcome_count(tally, class_cell(truth, outcome->predicted), sign);
    uint32_t bin = calibration_bin_index(outcome->value, OUTCOME_CALIBRATION_BINS);
    if (bin == UINT32_MAX)
        return;
    /* Two classes that are both "other" are not known to be the same: no hit and no miss. */
    if (truth == OUTCOME_CLASS_OTHER && outcome->predicted == OUTCOME_CLASS_OTHER)
        return;
    double p = outcome->value, hit = truth == outcome->predicted;
    outcome_count(tally, CLASS_SCORED + bin, sign);
    if (truth == outcome->predicted)
        outcome_count(tally, CLASS_HITS + bin, sign);
    outcome_sum_add(tally, CLASS_SUM_P + bin, p, sign);
    outcome_sum_add(tally, CLASS_SUM_P2 + bin, p * p, sign);
    outcome_sum_add(tally, CLASS_SUM_PY + bin, p * hit, sign);
}

/* ---- rows ---- */

/* Slots from there on have no names, and nothing is counted there. */
static uint32_t slots_in_use(uint32_t name_count)
{
    uint32_t used = name_count > OUTCOME_CLASS_OTHER ? name_count : OUTCOME_CLASS_OTHER + 1u;
    return used < CLASS_SLOTS ? used : CLASS_SLOTS;
}

/* How often each slot was true or predicted. */
static void count_slots(const struct tally *tally, uint64_t out[CLASS_SLOTS])
{
    memset(out, 0, CLASS_SLOTS * sizeof(*out));
    for (uint32_t truth = 0; truth < CLASS_SLOTS; truth++)
        for (uint32_t predicted = 0; predicted < CLASS_SLOTS; predicted++) {
            uint64_t cell = tally->counters[class_cell(truth, predicted)];
            out[truth] += cell;
            out[predicted] += cell;
        }
}

bool outcome_classes_have_other(const struct tally *tally)
{
    for (uint32_t slot = 0; slot < CLASS_SLOTS; slot++)
        if (tally->counters[class_cell(slot, OUTCOME_CLASS_OTHER)] ||
            tally->counters[class_cell(OUTCOME_CLASS_OTHER, slot)])
            return true;
    return false;
}

/* The rarest of several; of equals the last by name. */
static uint32_t rarest_of(const uint64_t *counts, const uint32_t *slots, uint32_t count)
{
    uint32_t rarest = 0;
    for (uint32_t i = 1; i < count; i++)
        if (counts[slots[i]] <= counts[slots[rarest]])
            rarest = i;
    return rarest;
}

/* Slots by name: their order of appearance must not show, not even in the last bit of a mean, nor in which
 * classes have rows. *out_left: classes that occur are among the others. */
static uint32_t order_slots(const struct tally *tally, const struct text *names, uint32_t name_count,
                            uint32_t out[CLASS_SLOTS], bool *out_left)
{
    uint64_t counts[CLASS_SLOTS];
    uint32_t count = 0;
    *out_left = false;
    for (uint32_t slot = 0; slot < name_count && slot < CLASS_SLOTS; slot++) {
        if (slot == OUTCOME_CLASS_OTHER)
            continue;
        uint32_t at = count++;
        for (; at > 0 && text_compare(names[slot], names[out[at - 1]]) < 0; at--)
            out[at] = out[at - 1];
        out[at] = slot;
    }
    if (count > OUTCOME_CLASSES_MAX)
        count_slots(tally, counts);
    while (count > OUTCOME_CLASSES_MAX) {
        uint32_t rarest = rarest_of(counts, out, count);
        *out_left |= counts[out[rarest]] > 0;
        memmove(&out[rarest], &out[rarest + 1], (--count - rarest) * sizeof(*out));
    }
    out[count++] = OUTCOME_CLASS_OTHER;
    return count;
}

static void put_averages(struct report_row *row, const struct multiclass_metrics *m)
{
    double *slots = row->slots;
    slots[MULTI_MACRO_PRECISION] = m->macro.precision;
    slots[MULTI_MACRO_RECALL] = m->macro.recall;
    slots[MULTI_MACRO_F1] = m->macro.f1;
    slots[MULTI_MICRO_PRECISION] = m->micro.precision;
    slots[MULTI_MICRO_RECALL] = m->micro.recall;
    slots[MULTI_MICRO_F1] = m->micro.f1;
    slots[MULTI_WEIGHTED_PRECISION] = m->weighted.precision;
    slots[MULTI_WEIGHTED_RECALL] = m->weighted.recall;
    slots[MULTI_WEIGHTED_F1] = m->weighted.f1;
    slots[MULTI_BALANCED_ACCURACY] = m->balanced_accuracy;
    slots[MULTI_MCC] = m->mcc;
    slots[MULTI_KAPPA] = m->kappa;
}

static void put_calibration(struct report_row *row, const struct tally *tally)
{
    struct calibration_bin bins[OUTCOME_CALIBRATION_BINS];
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++)
        bins[i] = (struct calibration_bin){.n = (double)tally->counters[CLASS_SCORED + i],
                                           .sum_y = (double)tally->counters[CLASS_HITS + i],
                                           .sum_p = outcome_sum(tally, CLASS_SUM_P + i),
                                           .sum_p2 = outcome_sum(tally, CLASS_SUM_P2 + i),
                                           .sum_py = outcome_sum(tally, CLASS_SUM_PY + i)};
    struct calibration c = calibration_of(bins, OUTCOME_CALIBRATION_BINS);
    double *slots = row->slots;
    if (!(c.n > 0))
        return;
    slots[MULTI_ECE] = c.ece;
    slots[MULTI_ECE_BIAS] = c.ece_bias;
    slots[MULTI_MCE] = c.mce;
    slots[MULTI_DEBIASED] = c.debiased_error;
    slots[MULTI_DEBIASED_P] = c.hosmer_lemeshow_p;
    slots[MULTI_TOP_BRIER] = c.brier;
    slots[MULTI_CONFIDENCE] = c.mean_p;
    slots[MULTI_DIFFERENCE] = c.difference;
    slots[MULTI_DIFFERENCE_P] = c.p;
}

static void report_class(const uint64_t *counts, uint32_t classes, uint32_t which, struct report_row *row,
                         const struct outcome_options *options)
{
    struct class_metrics m = class_metrics(counts, classes, which);
    double hits = (double)counts[which * classes + which], all = 0;
    for (uint32_t i = 0; i < classes * classes; i++)
        all += (double)counts[i];
    outcome_row_start(row, FAMILY_CLASSES, (double)m.truth, options);
    outcome_put_rate(row, CLASS_PRECISION, hits, (double)m.predicted);
    outcome_put_rate(row, CLASS_RECALL, hits, (double)m.truth);
    row->slots[CLASS_F1] = m.f1;
    row->slots[CLASS_SUPPORT] = (double)m.truth;
    row->slots[CLASS_PREDICTED] = (double)m.predicted;
    row->slots[CLASS_SHARE] = (double)m.truth / all;
}

/* K×K counts of the named classes and of the others, by name. NULL: no memory. */
static uint64_t *read_cells(const struct tally *tally, const uint32_t *order, uint32_t classes,
                            uint32_t slots)
{
    uint32_t places[CLASS_SLOTS];
    uint64_t *counts = calloc((size_t)classes * classes, sizeof(*counts));
    for (uint32_t slot = 0; slot < CLASS_SLOTS; slot++)
        places[slot] = classes - 1; /* the others' */
    for (uint32_t i = 0; i < classes; i++)
        places[order[i]] = i;
    for (uint32_t i = 0; counts && i < slots; i++)
        for (uint32_t j = 0; j < slots; j++)
            counts[places[i] * classes + places[j]] += tally->counters[class_cell(i, j)];
    return counts;
}

uint32_t outcome_classes_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                                const struct outcome_options *options,
                                struct report_row rows[OUTCOME_CLASS_ROWS_MAX],
                                struct text out_names[OUTCOME_CLASS_ROWS_MAX])
{
    uint32_t order[CLASS_SLOTS], count = 1, present = 0;
    bool left;
    uint32_t classes = order_slots(tally, names, name_count, order, &left);
    uint64_t *counts = read_cells(tally, order, classes, slots_in_use(name_count));
    if (!counts)
        return 0;
    struct multiclass_metrics m = multiclass_metrics(counts, classes);
    for (uint32_t i = 0; m.n > 0 && i < classes; i++) {
        struct class_metrics one = class_metrics(counts, classes, i);
        bool occurs = one.truth > 0 || one.predicted > 0;
        report_class(counts, classes, i, &rows[count], options);
        bool scored =
            options->class_scores && outcome_class_scores_row(options->class_scores, order[i], &rows[count]);
        present += occurs;
        if (occurs || scored)
            out_names[count++] = order[i] == OUTCOME_CLASS_OTHER ? text_of("class=other") : names[order[i]];
    }
    free(counts);
    if (m.n == 0)
        return 0;
    out_names[0] = text_of("@model");
    outcome_row_start(&rows[0], FAMILY_MULTICLASS, (double)m.n, options);
    outcome_put_rate(&rows[0], MULTI_ACCURACY, round(m.accuracy * (double)m.n), (double)m.n);
    put_averages(&rows[0], &m);
    rows[0].slots[MULTI_CLASSES] = present;
    rows[0].slots[MULTI_COVERAGE] = outcome_ratio((double)m.n, (double)tally->counters[CLASS_SEEN]);
    put_calibration(&rows[0], tally);
    if (options->class_scores)
        outcome_class_scores_whole(options->class_scores, rows + 1, count - 1, (double)m.n, &rows[0]);
    for (uint32_t i = 0; left && i < count; i++)
        rows[i].flags |= REPORT_CAPPED;
    return count;
}

int outcome_classes_labels(const struct tally *tally, const struct text *names, uint32_t name_count,
                           struct label_classes *out)
{
    static const char prefix[] = "class=";
    uint32_t slots = slots_in_use(name_count);
    int code = 0;
    for (uint32_t slot = 0; code == 0 && slot < slots; slot++) {
        uint64_t labels = 0;
        for (uint32_t predicted = 0; predicted < slots; predicted++)
            labels += tally->counters[class_cell(slot, predicted)];
        if (labels == 0)
            continue;
        struct text name = slot < name_count ? names[slot] : (struct text){NULL, 0};
        if (name.len < sizeof(prefix) - 1) {
            out->other += labels;
            continue;
        }
        name.ptr += sizeof(prefix) - 1;
        name.len -= (uint32_t)sizeof(prefix) - 1;
        code = label_classes_add(out, name, labels);
    }
    return code;
}
