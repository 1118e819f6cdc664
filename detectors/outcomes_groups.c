/* Fairness rows from the tally of groups (METHODS §9). */
#include <math.h>
#include <string.h>

#include "detectors/fairness.h"
#include "detectors/outcome_slots.h"
#include "detectors/outcomes_layout.h"

#define ALPHA 0.05
static const struct group_limits limits = {30, 10};

/* The groups of one attribute. */
struct attribute {
    struct text name;
    uint32_t count, slots[OUTCOME_GROUPS_MAX];
    struct confusion groups[OUTCOME_GROUPS_MAX];
    struct confusion seen[OUTCOME_GROUPS_MAX]; /* all predictions: positives in tp, negatives in tn */
};

static struct text attribute_of(struct text name)
{
    const char *split = name.len ? memchr(name.ptr, '=', name.len) : NULL;
    return split ? (struct text){name.ptr, (uint32_t)(split - name.ptr)} : name;
}

static void start_row(struct report_row *row, enum family family, double n,
                      const struct outcome_options *options)
{
    *row = (struct report_row){.family = family, .n = (uint64_t)n};
    row->flags = row->n < options->n_min ? REPORT_INSUFFICIENT : 0;
    for (int i = 0; i < REPORT_SLOTS; i++)
        row->slots[i] = NAN;
}

static double labelled(const struct confusion *c)
{
    return c->tp + c->fp + c->fn + c->tn;
}

static bool is_before(struct text a, struct text b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order < 0 : a.len < b.len;
}

static bool read_group(const struct tally *tally, uint32_t slot, struct confusion *out,
                       struct confusion *seen)
{
    const uint64_t *n = tally->counters + slot * GROUP_COUNTERS;
    *out = (struct confusion){(double)n[GROUP_TP], (double)n[GROUP_FP], (double)n[GROUP_FN],
                              (double)n[GROUP_TN]};
    *seen = (struct confusion){.tp = (double)n[GROUP_SEEN_POSITIVE], .tn = (double)n[GROUP_SEEN_NEGATIVE]};
    return labelled(out) + labelled(seen) > 0;
}

static void read_attribute(const struct tally *tally, const struct text *names, uint32_t name_count,
                           struct text name, struct attribute *out)
{
    out->name = name;
    out->count = 0;
    for (uint32_t slot = 0; slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        struct confusion group, seen;
        if (!text_equal(attribute_of(names[slot]), name) || !read_group(tally, slot, &group, &seen))
            continue;
        /* By name: slots are in the order of appearance, which must not show in a report. */
        uint32_t at = out->count++;
        for (; at > 0 && is_before(names[slot], names[out->slots[at - 1]]); at--) {
            out->slots[at] = out->slots[at - 1];
            out->groups[at] = out->groups[at - 1];
            out->seen[at] = out->seen[at - 1];
        }
        out->slots[at] = slot;
        out->groups[at] = group;
        out->seen[at] = seen;
    }
}

/* ---- the row of an attribute ---- */

/* The largest difference between two groups that may take part, with the interval of that difference. */
static void put_difference(struct report_row *row, int slot, const struct confusion *groups, uint32_t count,
                           enum group_metric metric)
{
    struct group_rate lowest = {0, 0}, highest = {0, 0};
    double low = INFINITY, high = -INFINITY;
    uint32_t taking = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct group_rate rate = group_rate(&groups[i], metric);
        if (labelled(&groups[i]) < limits.events || rate.n < limits.denominator)
            continue;
        taking++;
        double value = rate.k / rate.n;
        if (value < low) {
            low = value;
            lowest = rate;
        }
        if (value > high) {
            high = value;
            highest = rate;
        }
    }
    if (taking < 2)
        return;
    struct interval interval = interval_newcombe(highest.k, highest.n, lowest.k, lowest.n, ALPHA);
    row->slots[slot] = high - low;
    row->slots[slot + 1] = interval.low;
    row->slots[slot + 2] = interval.high;
    if (slot != FAIR_SELECTION_DIFFERENCE)
        return;
    interval = interval_ratio(lowest.k, lowest.n, highest.k, highest.n, ALPHA);
    row->slots[FAIR_DISPARATE_IMPACT] = high > 0 ? low / high : NAN;
    row->slots[FAIR_DISPARATE_IMPACT_LOW] = interval.low;
    row->slots[FAIR_DISPARATE_IMPACT_HIGH] = interval.high;
}

static void put_null(struct report_row *row, const struct attribute *attribute)
{
    double sizes[OUTCOME_GROUPS_MAX], n = 0, selected = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < attribute->count; i++) {
        double size = labelled(&attribute->seen[i]);
        if (size < limits.events)
            continue;
        sizes[count++] = size;
        n += size;
        selected += attribute->seen[i].tp;
    }
    row->slots[FAIR_GROUPS] = count;
    if (count < 2)
        return;
    struct null_extremes null = fairness_null_extremes(sizes, count, selected / n);
    row->slots[FAIR_NULL_DIFFERENCE] = null.difference;
    row->slots[FAIR_NULL_RATIO] = null.ratio;
}

static void report_attribute(const struct attribute *attribute, struct report_row *row)
{
    const struct confusion *groups = attribute->groups;
    uint32_t count = attribute->count;
    put_difference(row, FAIR_SELECTION_DIFFERENCE, attribute->seen, count, GROUP_SELECTION_RATE);
    put_difference(row, FAIR_OPPORTUNITY_DIFFERENCE, groups, count, GROUP_TPR);
    put_difference(row, FAIR_FPR_DIFFERENCE, groups, count, GROUP_FPR);
    put_difference(row, FAIR_PARITY_DIFFERENCE, groups, count, GROUP_PPV);
    put_difference(row, FAIR_ACCURACY_DIFFERENCE, groups, count, GROUP_ACCURACY);
    struct group_aggregate tpr = group_aggregate(groups, count, GROUP_TPR, limits);
    struct group_aggregate fpr = group_aggregate(groups, count, GROUP_FPR, limits);
    if (tpr.groups >= 2 && fpr.groups >= 2) {
        struct equalized_odds odds = equalized_odds(&tpr, &fpr);
        row->slots[FAIR_ODDS_DIFFERENCE] = odds.difference;
        row->slots[FAIR_ODDS_RATIO] = odds.ratio;
    }
    struct benefits benefits[OUTCOME_GROUPS_MAX];
    for (uint32_t i = 0; i < count; i++)
        benefits[i] = confusion_benefits(&groups[i]);
    struct entropy_split split = generalized_entropy_split(benefits, count);
    row->slots[FAIR_ENTROPY] = split.within + split.between;
    row->slots[FAIR_ENTROPY_BETWEEN] = split.between;
    put_null(row, attribute);
}

/* ---- the row of a group ---- */

static void put_rate(struct report_row *row, int slot, const struct confusion *group,
                     enum group_metric metric)
{
    struct group_rate rate = group_rate(group, metric);
    if (rate.n <= 0)
        return;
    struct interval interval = interval_wilson(rate.k, rate.n, ALPHA);
    row->slots[slot] = rate.k / rate.n;
    row->slots[slot + 1] = interval.low;
    row->slots[slot + 2] = interval.high;
}

/* The rate of a group less that of all others together. */
static void put_gap(struct report_row *row, int slot, const struct confusion *groups, uint32_t count,
                    uint32_t which, enum group_metric metric)
{
    struct group_rate own = group_rate(&groups[which], metric), rest = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        struct group_rate rate = group_rate(&groups[i], metric);
        rest.k += i == which ? 0 : rate.k;
        rest.n += i == which ? 0 : rate.n;
    }
    if (own.n < limits.denominator || rest.n < limits.denominator)
        return;
    row->slots[slot] = own.k / own.n - rest.k / rest.n;
    row->slots[slot + 1] = group_against_rest(groups, count, which, metric).p;
}

static void report_group(const struct tally *tally, const struct attribute *attribute, uint32_t which,
                         struct report_row *row)
{
    const struct confusion *group = &attribute->groups[which], *seen = &attribute->seen[which];
    put_rate(row, GRP_SELECTION, seen, GROUP_SELECTION_RATE);
    put_rate(row, GRP_TPR, group, GROUP_TPR);
    put_rate(row, GRP_FPR, group, GROUP_FPR);
    put_rate(row, GRP_FNR, group, GROUP_FNR);
    put_rate(row, GRP_PPV, group, GROUP_PPV);
    put_rate(row, GRP_ACCURACY, group, GROUP_ACCURACY);
    put_gap(row, GRP_SELECTION_GAP, attribute->seen, attribute->count, which, GROUP_SELECTION_RATE);
    put_gap(row, GRP_TPR_GAP, attribute->groups, attribute->count, which, GROUP_TPR);
    const int128 *sums = tally->sums + attribute->slots[which] * GROUP_SUMS;
    if (sums[GROUP_SCORED_N] > 0)
        row->slots[GRP_CALIBRATION_GAP] = (double)sums[GROUP_SUM_P] / (double)sums[GROUP_SCORED_N];
}

uint32_t outcome_groups_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct outcome_options *options, struct report_row *rows,
                               struct text *out_names)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        struct text name = attribute_of(names[slot]);
        bool seen = false;
        for (uint32_t i = 0; i < slot && !seen; i++)
            seen = text_equal(attribute_of(names[i]), name);
        struct attribute attribute;
        if (seen)
            continue;
        read_attribute(tally, names, name_count, name, &attribute);
        if (attribute.count == 0)
            continue;
        double n = 0;
        struct report_row *whole = &rows[count];
        out_names[count++] = name;
        for (uint32_t i = 0; i < attribute.count; i++) {
            double events = fmax(labelled(&attribute.groups[i]), labelled(&attribute.seen[i]));
            n += events;
            start_row(&rows[count], FAMILY_GROUPS, events, options);
            report_group(tally, &attribute, i, &rows[count]);
            out_names[count++] = names[attribute.slots[i]];
        }
        start_row(whole, FAMILY_FAIRNESS, n, options);
        report_attribute(&attribute, whole);
    }
    return count;
}
