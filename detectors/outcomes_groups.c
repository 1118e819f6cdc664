/* Fairness rows from the tally of groups (METHODS §9). */
#include "detectors/outcomes_groups.h"

#include <string.h>

#include "detectors/outcome_slots.h"
#include "detectors/outcomes_layout.h"
#include "detectors/outcomes_rows.h"

enum { DENOMINATOR_MIN = 10 }; /* of a rate that is compared */

static struct group_limits limits_of(const struct outcome_options *options)
{
    return (struct group_limits){(double)options->n_min, DENOMINATOR_MIN};
}

struct text outcome_attribute_of(struct text name)
{
    const char *split = name.len ? memchr(name.ptr, '=', name.len) : NULL;
    return split ? (struct text){name.ptr, (uint32_t)(split - name.ptr)} : name;
}

struct text outcome_group_value(struct text name)
{
    uint32_t skip = outcome_attribute_of(name).len + 1u;
    return skip <= name.len ? (struct text){name.ptr + skip, name.len - skip} : (struct text){name.ptr, 0};
}

bool outcome_read_group(const struct tally *tally, uint32_t slot, struct confusion *out,
                        struct confusion *seen)
{
    const uint64_t *n = tally->counters + slot * GROUP_COUNTERS;
    *out = (struct confusion){(double)n[GROUP_TP], (double)n[GROUP_FP], (double)n[GROUP_FN],
                              (double)n[GROUP_TN]};
    *seen = (struct confusion){.tp = (double)n[GROUP_SEEN_POSITIVE], .tn = (double)n[GROUP_SEEN_NEGATIVE]};
    return confusion_n(out) + confusion_n(seen) > 0;
}

void outcome_read_attribute(const struct tally *tally, const struct text *names, uint32_t name_count,
                            struct text name, struct attribute *out)
{
    out->name = name;
    out->count = 0;
    for (uint32_t slot = 0; slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        struct confusion group, seen;
        if (!text_equal(outcome_attribute_of(names[slot]), name) ||
            !outcome_read_group(tally, slot, &group, &seen))
            continue;
        uint32_t at = out->count++;
        for (; at > 0 && text_compare(names[slot], names[out->slots[at - 1]]) < 0; at--) {
            out->slots[at] = out->slots[at - 1];
            out->groups[at] = out->groups[at - 1];
            out->seen[at] = out->seen[at - 1];
        }
        out->slots[at] = slot;
        out->groups[at] = group;
        out->seen[at] = seen;
    }
}

/* ---- the rows of an attribute ---- */

/* The largest difference between two groups that may take part, with the interval of that difference. */
static void put_difference(struct report_row *row, int slot, const struct confusion *groups, uint32_t count,
                           enum group_metric metric, struct group_limits limits)
{
    struct group_rate lowest = {0, 0}, highest = {0, 0};
    double low = INFINITY, high = -INFINITY;
    uint32_t taking = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct group_rate rate = group_rate(&groups[i], metric);
        if (confusion_n(&groups[i]) < limits.events || rate.n < limits.denominator)
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
    outcome_put(row, slot, high - low,
                interval_newcombe(highest.k, highest.n, lowest.k, lowest.n, OUTCOME_ALPHA));
    if (slot == FAIR_SELECTION_DIFFERENCE && high > 0)
        outcome_put(row, FAIR_DISPARATE_IMPACT, low / high,
                    interval_ratio(lowest.k, lowest.n, highest.k, highest.n, OUTCOME_ALPHA));
}

static void put_null(struct report_row *row, const struct attribute *attribute, struct group_limits limits)
{
    double sizes[OUTCOME_GROUPS_MAX], n = 0, selected = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < attribute->count; i++) {
        double size = confusion_n(&attribute->seen[i]);
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

/* Inequality of benefits over individuals, and how it splits. */
static void put_inequality(struct report_row *row, const struct attribute *attribute)
{
    struct benefits benefits[OUTCOME_GROUPS_MAX], all = {0, 0, 0};
    for (uint32_t i = 0; i < attribute->count; i++) {
        benefits[i] = confusion_benefits(&attribute->groups[i]);
        all.n0 += benefits[i].n0;
        all.n1 += benefits[i].n1;
        all.n2 += benefits[i].n2;
    }
    struct entropy_split split = generalized_entropy_split(benefits, attribute->count);
    row->slots[FAIR_ENTROPY] = split.within + split.between;
    row->slots[FAIR_ENTROPY_BETWEEN] = split.between;
    row->slots[FAIR_ENTROPY_WITHIN] = split.within;
    row->slots[FAIR_THEIL] = generalized_entropy(&all, 1);
    row->slots[FAIR_VARIATION] = coefficient_of_variation(&all);
}

static void report_attribute(const struct attribute *attribute, struct report_row *row,
                             struct group_limits limits)
{
    const struct confusion *groups = attribute->groups;
    uint32_t count = attribute->count;
    put_difference(row, FAIR_SELECTION_DIFFERENCE, attribute->seen, count, GROUP_SELECTION_RATE, limits);
    put_difference(row, FAIR_OPPORTUNITY_DIFFERENCE, groups, count, GROUP_TPR, limits);
    put_difference(row, FAIR_FPR_DIFFERENCE, groups, count, GROUP_FPR, limits);
    put_difference(row, FAIR_FNR_DIFFERENCE, groups, count, GROUP_FNR, limits);
    put_difference(row, FAIR_PARITY_DIFFERENCE, groups, count, GROUP_PPV, limits);
    put_difference(row, FAIR_ACCURACY_DIFFERENCE, groups, count, GROUP_ACCURACY, limits);
    struct group_aggregate tpr = group_aggregate(groups, count, GROUP_TPR, limits);
    struct group_aggregate fpr = group_aggregate(groups, count, GROUP_FPR, limits);
    if (tpr.groups >= 2 && fpr.groups >= 2) {
        struct equalized_odds odds = equalized_odds(&tpr, &fpr);
        row->slots[FAIR_ODDS_DIFFERENCE] = odds.difference;
        row->slots[FAIR_ODDS_RATIO] = odds.ratio;
    }
    put_inequality(row, attribute);
    put_null(row, attribute, limits);
}

/* Both senses of Fairlearn for every metric of groups; fewer than two groups have no aggregate. */
static void report_parity(const struct attribute *attribute, struct report_row *row,
                          struct group_limits limits)
{
    static const struct {
        int slot;
        enum group_metric metric;
    } all[] = {{PAR_SELECTION_DIFFERENCE, GROUP_SELECTION_RATE},
               {PAR_TPR_DIFFERENCE, GROUP_TPR},
               {PAR_FPR_DIFFERENCE, GROUP_FPR},
               {PAR_FNR_DIFFERENCE, GROUP_FNR},
               {PAR_TNR_DIFFERENCE, GROUP_TNR},
               {PAR_PPV_DIFFERENCE, GROUP_PPV},
               {PAR_FOR_DIFFERENCE, GROUP_FOR},
               {PAR_ACCURACY_DIFFERENCE, GROUP_ACCURACY},
               {PAR_TREATMENT_DIFFERENCE, GROUP_FN_OVER_FP}};
    struct group_aggregate tpr = {0}, fpr = {0};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct confusion *groups =
            all[i].metric == GROUP_SELECTION_RATE ? attribute->seen : attribute->groups;
        struct group_aggregate a = group_aggregate(groups, attribute->count, all[i].metric, limits);
        if (all[i].metric == GROUP_TPR)
            tpr = a;
        if (all[i].metric == GROUP_FPR)
            fpr = a;
        if (a.groups < 2)
            continue;
        double *slots = row->slots + all[i].slot;
        slots[0] = a.difference;
        slots[1] = a.ratio;
        slots[2] = a.difference_to_overall;
        slots[3] = a.ratio_to_overall;
    }
    if (tpr.groups < 2 || fpr.groups < 2)
        return;
    struct equalized_odds odds = equalized_odds(&tpr, &fpr);
    double *slots = row->slots;
    slots[PAR_ODDS_MEAN_DIFFERENCE] = odds.mean_difference;
    slots[PAR_ODDS_MEAN_RATIO] = odds.mean_ratio;
    slots[PAR_ODDS_TO_WHOLE] = fmax(tpr.difference_to_overall, fpr.difference_to_overall);
    if (!isnan(tpr.ratio_to_overall) && !isnan(fpr.ratio_to_overall))
        slots[PAR_ODDS_RATIO_TO_WHOLE] = fmin(tpr.ratio_to_overall, fpr.ratio_to_overall);
}

/* ---- the row of a group ---- */

static void put_rate(struct report_row *row, int slot, const struct confusion *group,
                     enum group_metric metric)
{
    struct group_rate rate = group_rate(group, metric);
    outcome_put_rate(row, slot, rate.k, rate.n);
}

/* The rate of a group less that of all others together; p in the slot behind. */
static void put_gap(struct report_row *row, int slot, const struct confusion *groups, uint32_t count,
                    uint32_t which, enum group_metric metric)
{
    struct group_rate own = group_rate(&groups[which], metric), rest = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        struct group_rate rate = group_rate(&groups[i], metric);
        rest.k += i == which ? 0 : rate.k;
        rest.n += i == which ? 0 : rate.n;
    }
    if (own.n < DENOMINATOR_MIN || rest.n < DENOMINATOR_MIN)
        return;
    row->slots[slot] = own.k / own.n - rest.k / rest.n;
    row->slots[slot + 1] = group_against_rest(groups, count, which, metric).p;
}

static void put_gaps(struct report_row *row, const struct attribute *attribute, uint32_t which)
{
    const struct confusion *groups = attribute->groups;
    uint32_t count = attribute->count;
    put_gap(row, GRP_SELECTION_GAP, attribute->seen, count, which, GROUP_SELECTION_RATE);
    put_gap(row, GRP_TPR_GAP, groups, count, which, GROUP_TPR);
    put_gap(row, GRP_FPR_GAP, groups, count, which, GROUP_FPR);
    put_gap(row, GRP_PPV_GAP, groups, count, which, GROUP_PPV);
    put_gap(row, GRP_ACCURACY_GAP, groups, count, which, GROUP_ACCURACY);
    row->slots[GRP_SELECTION_SHORTFALL] = -row->slots[GRP_SELECTION_GAP];
    row->slots[GRP_TPR_SHORTFALL] = -row->slots[GRP_TPR_GAP];
}

/* Calibration within the group: Σ(y−p) of ten bins of scores. */
static void put_calibration(struct report_row *row, const struct tally *tally, uint32_t slot)
{
    double n = (double)tally->counters[slot * GROUP_COUNTERS + GROUP_SCORED], sum = 0, size = 0;
    if (n <= 0)
        return;
    for (uint32_t i = 0; i < OUTCOME_CALIBRATION_BINS; i++) {
        double gap = outcome_sum(tally, slot * GROUP_SUMS + GROUP_GAPS + i);
        sum += gap;
        size += fabs(gap);
    }
    row->slots[GRP_CALIBRATION_GAP] = sum / n;
    row->slots[GRP_ECE] = size / n;
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
    row->slots[GRP_TNR] = group_metric(group, GROUP_TNR);
    row->slots[GRP_FDR] = group_metric(group, GROUP_FDR);
    row->slots[GRP_FOR] = group_metric(group, GROUP_FOR);
    row->slots[GRP_TREATMENT] = group_metric(group, GROUP_FN_OVER_FP);
    row->slots[GRP_PREVALENCE] = outcome_ratio(group->tp + group->fn, confusion_n(group));
    put_gaps(row, attribute, which);
    put_calibration(row, tally, attribute->slots[which]);
}

/* ---- all of it ---- */

uint32_t outcome_group_rows_max(uint32_t name_count)
{
    return 4 * (name_count < OUTCOME_GROUPS_MAX ? name_count : OUTCOME_GROUPS_MAX);
}

static uint32_t report_groups(const struct tally *tally, const struct text *names, uint32_t name_count,
                              const struct attribute *attribute, const struct outcome_options *options,
                              struct report_row *rows, struct text *out_names)
{
    double n = 0;
    uint32_t count = 2;
    for (uint32_t i = 0; i < attribute->count; i++)
        n += fmax(confusion_n(&attribute->groups[i]), confusion_n(&attribute->seen[i]));
    out_names[0] = out_names[1] = attribute->name;
    outcome_row_start(&rows[0], FAMILY_FAIRNESS, n, options);
    report_attribute(attribute, &rows[0], limits_of(options));
    outcome_row_start(&rows[1], FAMILY_PARITY, n, options);
    report_parity(attribute, &rows[1], limits_of(options));
    double smallest = INFINITY;
    for (uint32_t i = 0; i < attribute->count; i++) {
        double events = fmax(confusion_n(&attribute->groups[i]), confusion_n(&attribute->seen[i]));
        outcome_row_start(&rows[count], FAMILY_GROUPS, events, options);
        report_group(tally, attribute, i, &rows[count]);
        rows[count].slots[GRP_SHARE] = events / n;
        smallest = fmin(smallest, rows[count].slots[GRP_SELECTION_GAP_P]); /* NaN takes no part */
        out_names[count++] = names[attribute->slots[i]];
    }
    rows[0].slots[FAIR_SMALLEST_P] = isfinite(smallest) ? smallest : (double)NAN;
    return count + outcome_facets_report(tally, names, name_count, attribute, options, rows + count,
                                         out_names + count);
}

uint32_t outcome_attributes(const struct text *names, uint32_t name_count,
                            struct text out[OUTCOME_GROUPS_MAX])
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        struct text name = outcome_attribute_of(names[slot]);
        uint32_t i = 0;
        while (i < count && !text_equal(out[i], name))
            i++;
        if (i == count)
            out[count++] = name;
    }
    return count;
}

uint32_t outcome_groups_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct outcome_options *options, struct report_row *rows,
                               struct text *out_names)
{
    struct text attributes[OUTCOME_GROUPS_MAX];
    uint32_t count = 0, attribute_count = outcome_attributes(names, name_count, attributes);
    for (uint32_t i = 0; i < attribute_count; i++) {
        struct attribute attribute;
        outcome_read_attribute(tally, names, name_count, attributes[i], &attribute);
        if (attribute.count > 0)
            count +=
                report_groups(tally, names, name_count, &attribute, options, rows + count, out_names + count);
    }
    return count;
}
