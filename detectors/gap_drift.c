#include "detectors/gap_drift.h"

#include <math.h>

#include "detectors/gap_slots.h"
#include "detectors/outcomes_groups.h"
#include "detectors/special.h"

#define ALPHA 0.05

enum { DENOMINATOR_MIN = 10 }; /* of a rate that is compared */

/* ---- one gap ---- */

static double rate_of(struct group_rate rate)
{
    return rate.k / rate.n;
}

static double variance_of(struct group_rate rate)
{
    double n = rate.n + 2, p = (rate.k + 1) / n;
    return p * (1 - p) / n;
}

/* The two groups that are farthest apart on one side; never the same one twice. */
struct extremes {
    const struct gap_group *highest, *lowest;
    double gap;
};

static struct extremes extremes_of(const struct gap_group *groups, size_t count, double denominator_min,
                                   bool before)
{
    struct extremes out = {NULL, NULL, (double)NAN};
    double high = -INFINITY, low = INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (!(fmin(groups[i].now.n, groups[i].before.n) >= denominator_min))
            continue;
        double rate = rate_of(before ? groups[i].before : groups[i].now);
        if (rate > high) { /* the first of equals */
            high = rate;
            out.highest = &groups[i];
        }
        if (rate <= low) { /* the last of them */
            low = rate;
            out.lowest = &groups[i];
        }
    }
    out.gap = high - low;
    return out;
}

static double pair_error(const struct extremes *pair)
{
    return sqrt(variance_of(pair->highest->now) + variance_of(pair->lowest->now) +
                variance_of(pair->highest->before) + variance_of(pair->lowest->before));
}

static struct interval around(double value, double error, double pairs)
{
    double half = -normal_ppf(ALPHA / 2 / pairs) * error;
    return (struct interval){value - half, value + half};
}

/* p and interval from change, error and pairs. */
static void judge(struct gap_change *out)
{
    out->p = fmin(1, out->pairs * fmin(1, 2 * normal_sf(fabs(out->change) / out->error)));
    out->change_interval = around(out->change, out->error, out->pairs);
}

static struct gap_change undefined_change(uint32_t groups)
{
    const double nan = (double)NAN;
    return (struct gap_change){groups, 0, nan, nan, nan, nan, nan, {nan, nan}, nan, {nan, nan}};
}

struct gap_change gap_change(const struct gap_group *groups, size_t count, double denominator_min)
{
    uint32_t taking = 0;
    for (size_t i = 0; i < count; i++)
        taking += fmin(groups[i].now.n, groups[i].before.n) >= fmax(denominator_min, 1);
    struct gap_change out = undefined_change(taking);
    if (taking < 2)
        return out;
    struct extremes now = extremes_of(groups, count, fmax(denominator_min, 1), false);
    struct extremes before = extremes_of(groups, count, fmax(denominator_min, 1), true);
    out.pairs = taking * (taking - 1.0) / 2;
    out.now = now.gap;
    out.before = before.gap;
    out.change = now.gap - before.gap;
    out.error = pair_error(out.change > 0 ? &now : &before);
    judge(&out);
    out.pair = rate_of(before.highest->now) - rate_of(before.lowest->now) - before.gap;
    out.pair_interval = around(out.pair, pair_error(&before), 1);
    return out;
}

struct gap_change gap_change_of_odds(const struct gap_change *tpr, const struct gap_change *fpr)
{
    struct gap_change out = undefined_change(tpr->groups < fpr->groups ? tpr->groups : fpr->groups);
    if (out.groups < 2)
        return out;
    out.pairs = tpr->pairs + fpr->pairs;
    out.now = fmax(tpr->now, fpr->now);
    out.before = fmax(tpr->before, fpr->before);
    out.change = out.now - out.before;
    bool by_tpr = out.change > 0 ? tpr->now >= fpr->now : tpr->before >= fpr->before;
    out.error = by_tpr ? tpr->error : fpr->error;
    judge(&out);
    return out;
}

/* ---- rows ---- */

/* The groups of an attribute that both sides have, in order of their names. */
struct common {
    uint32_t count;
    struct confusion now[OUTCOME_GROUPS_MAX], before[OUTCOME_GROUPS_MAX];
};

static struct confusion confusion_of(const struct named_count *group, bool labelled)
{
    const uint64_t *n = group->cells;
    if (!labelled)
        return (struct confusion){.tp = (double)n[GROUP_CELL_SELECTED], .tn = (double)n[GROUP_CELL_REJECTED]};
    return (struct confusion){(double)n[GROUP_CELL_TP], (double)n[GROUP_CELL_FP], (double)n[GROUP_CELL_FN],
                              (double)n[GROUP_CELL_TN]};
}

static void read_common(const struct attribute *attribute, const struct text *names,
                        const struct named_counts *counts, bool labelled, uint64_t n_min, struct common *out)
{
    out->count = 0;
    for (uint32_t i = 0; counts && i < attribute->count; i++) {
        const struct named_count *known = named_counts_find(counts, names[attribute->slots[i]]);
        if (!known)
            continue;
        struct confusion before = confusion_of(known, labelled);
        const struct confusion *now = labelled ? &attribute->groups[i] : &attribute->seen[i];
        if (fmin(confusion_n(now), confusion_n(&before)) < (double)n_min)
            continue;
        out->now[out->count] = *now;
        out->before[out->count++] = before;
    }
}

static struct gap_change change_of(const struct common *common, enum group_metric metric)
{
    struct gap_group groups[OUTCOME_GROUPS_MAX];
    for (uint32_t i = 0; i < common->count; i++)
        groups[i] =
            (struct gap_group){group_rate(&common->now[i], metric), group_rate(&common->before[i], metric)};
    return gap_change(groups, common->count, DENOMINATOR_MIN);
}

static void put_change(struct report_row *row, int slot, const struct gap_change *change)
{
    double *slots = row->slots + slot;
    slots[0] = change->change;
    slots[1] = change->change_interval.low;
    slots[2] = change->change_interval.high;
    slots[3] = change->p;
    slots[4] = change->before;
}

static void put_pair(struct report_row *row, int slot, const struct gap_change *change)
{
    double *slots = row->slots + slot;
    slots[0] = change->pair;
    slots[1] = change->pair_interval.low;
    slots[2] = change->pair_interval.high;
}

static struct gap_change put(struct report_row *row, int slot, int pair_slot, const struct common *common,
                             enum group_metric metric)
{
    struct gap_change change = change_of(common, metric);
    put_change(row, slot, &change);
    put_pair(row, pair_slot, &change);
    return change;
}

/* Groups of the attribute that only one side has; how many events the reference has of it. */
static void count_groups(const struct attribute *attribute, const struct text *names,
                         const struct named_counts *counts, struct report_row *row)
{
    uint32_t known = 0, shared = 0;
    if (!counts)
        return;
    for (uint32_t i = 0; i < counts->count; i++)
        if (text_equal(outcome_attribute_of(text_of(counts->items[i].name)), attribute->name)) {
            known++;
            row->reference_n += group_count_events(&counts->items[i]);
        }
    if (known == 0)
        return;
    for (uint32_t i = 0; i < attribute->count; i++)
        shared += named_counts_find(counts, names[attribute->slots[i]]) != NULL;
    row->slots[GAP_GROUPS_NEW] = attribute->count - shared;
    row->slots[GAP_GROUPS_MISSING] = known - shared;
}

static void report_attribute(const struct attribute *attribute, const struct text *names,
                             const struct gap_reference *reference, uint64_t n_min, struct report_row *row)
{
    struct common common;
    double n = 0;
    for (uint32_t i = 0; i < attribute->count; i++)
        n += fmax(confusion_n(&attribute->groups[i]), confusion_n(&attribute->seen[i]));
    *row = (struct report_row){.family = FAMILY_GAPS, .n = (uint64_t)n};
    report_row_undefine(row);
    count_groups(attribute, names, reference->predictions ? reference->predictions : reference->labels, row);
    read_common(attribute, names, reference->predictions, false, n_min, &common);
    if (row->reference_n > 0)
        row->slots[GAP_GROUPS] = common.count;
    (void)put(row, GAP_SELECTION, GAP_PAIR_SELECTION, &common, GROUP_SELECTION_RATE);
    read_common(attribute, names, reference->labels, true, n_min, &common);
    struct gap_change tpr = put(row, GAP_TPR, GAP_PAIR_TPR, &common, GROUP_TPR);
    struct gap_change fpr = put(row, GAP_FPR, GAP_PAIR_FPR, &common, GROUP_FPR);
    (void)put(row, GAP_ACCURACY, GAP_PAIR_ACCURACY, &common, GROUP_ACCURACY);
    struct gap_change odds = gap_change_of_odds(&tpr, &fpr);
    put_change(row, GAP_ODDS, &odds);
    if (row->n < n_min || row->reference_n < n_min)
        row->flags |= REPORT_INSUFFICIENT;
}

uint32_t gap_drift_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                          const struct gap_reference *reference, uint64_t n_min, struct report_row *rows,
                          struct text *out_names)
{
    struct text attributes[OUTCOME_GROUPS_MAX];
    uint32_t attribute_count = outcome_attributes(names, name_count, attributes), count = 0;
    for (uint32_t i = 0; i < attribute_count; i++) {
        struct attribute attribute;
        outcome_read_attribute(tally, names, name_count, attributes[i], &attribute);
        if (attribute.count == 0)
            continue;
        report_attribute(&attribute, names, reference, n_min, &rows[count]);
        out_names[count++] = attributes[i];
    }
    return count;
}
