#include "detectors/fairness.h"

#include <math.h>
#include <stdbool.h>

#include "detectors/special.h"

struct group_rate group_rate(const struct confusion *g, enum group_metric metric)
{
    double n = g->tp + g->fp + g->fn + g->tn;
    switch (metric) {
    case GROUP_SELECTION_RATE:
        return (struct group_rate){g->tp + g->fp, n};
    case GROUP_TPR:
        return (struct group_rate){g->tp, g->tp + g->fn};
    case GROUP_FPR:
        return (struct group_rate){g->fp, g->fp + g->tn};
    case GROUP_FNR:
        return (struct group_rate){g->fn, g->tp + g->fn};
    case GROUP_TNR:
        return (struct group_rate){g->tn, g->fp + g->tn};
    case GROUP_PPV:
        return (struct group_rate){g->tp, g->tp + g->fp};
    case GROUP_FDR:
        return (struct group_rate){g->fp, g->tp + g->fp};
    case GROUP_FOR:
        return (struct group_rate){g->fn, g->fn + g->tn};
    case GROUP_ACCURACY:
        return (struct group_rate){g->tp + g->tn, n};
    case GROUP_FN_OVER_FP:
        return (struct group_rate){g->fn, g->fp};
    case GROUP_METRIC_COUNT:
        break;
    }
    return (struct group_rate){NAN, NAN};
}

double group_metric(const struct confusion *group, enum group_metric metric)
{
    struct group_rate rate = group_rate(group, metric);
    return rate.n > 0 ? rate.k / rate.n : NAN;
}

static void confusion_add(struct confusion *into, const struct confusion *from, double sign)
{
    into->tp += sign * from->tp;
    into->fp += sign * from->fp;
    into->fn += sign * from->fn;
    into->tn += sign * from->tn;
}

static double confusion_events(const struct confusion *c)
{
    return c->tp + c->fp + c->fn + c->tn;
}

static struct confusion pooled(const struct confusion *groups, size_t count)
{
    struct confusion all = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++)
        confusion_add(&all, &groups[i], 1);
    return all;
}

/* min/max of two non-negative numbers; both 0 is undefined. */
static double folded_ratio(double a, double b)
{
    double largest = fmax(a, b);
    return largest > 0 ? fmin(a, b) / largest : NAN;
}

struct group_aggregate group_aggregate(const struct confusion *groups, size_t count, enum group_metric metric,
                                       struct group_limits limits)
{
    struct group_aggregate a = {0, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    struct confusion all = pooled(groups, count);
    a.overall = group_metric(&all, metric);
    for (size_t i = 0; i < count; i++) {
        struct group_rate rate = group_rate(&groups[i], metric);
        if (!(rate.n > 0) || rate.n < limits.denominator || confusion_events(&groups[i]) < limits.events)
            continue;
        double value = rate.k / rate.n;
        a.groups++;
        /* fmin and fmax take the number when the other is NaN */
        a.minimum = fmin(a.minimum, value);
        a.maximum = fmax(a.maximum, value);
        a.difference_to_overall = fmax(a.difference_to_overall, fabs(value - a.overall));
        a.ratio_to_overall = fmin(a.ratio_to_overall, folded_ratio(value, a.overall));
    }
    a.difference = a.maximum - a.minimum;
    a.ratio = a.maximum > 0 ? a.minimum / a.maximum : NAN;
    return a;
}

struct equalized_odds equalized_odds(const struct group_aggregate *tpr, const struct group_aggregate *fpr)
{
    struct equalized_odds odds = {NAN, NAN, NAN, NAN};
    if (!isnan(tpr->difference) && !isnan(fpr->difference)) {
        odds.difference = fmax(tpr->difference, fpr->difference);
        odds.mean_difference = (tpr->difference + fpr->difference) / 2;
    }
    if (!isnan(tpr->ratio) && !isnan(fpr->ratio)) {
        odds.ratio = fmin(tpr->ratio, fpr->ratio);
        odds.mean_ratio = (tpr->ratio + fpr->ratio) / 2;
    }
    return odds;
}

struct test_result group_against_rest(const struct confusion *groups, size_t count, size_t which,
                                      enum group_metric metric)
{
    if (metric == GROUP_FN_OVER_FP)
        return (struct test_result){NAN, NAN};
    struct confusion rest = pooled(groups, count);
    confusion_add(&rest, &groups[which], -1);
    struct group_rate here = group_rate(&groups[which], metric);
    struct group_rate there = group_rate(&rest, metric);
    struct test_result result = two_proportion_z(here.k, here.n, there.k, there.n);
    if (!isnan(result.p))
        result.p = fmin(1, result.p * (double)count);
    return result;
}

struct null_extremes fairness_null_extremes(const double *denominators, size_t count, double rate)
{
    enum { POINTS = 400 };
    double smallest = INFINITY;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(denominators[i] > 0))
            continue;
        smallest = fmin(smallest, denominators[i]);
        used++;
    }
    if (used < 2 || !(rate >= 0 && rate <= 1))
        return (struct null_extremes){NAN, NAN};
    if (rate <= 0 || rate >= 1)
        return (struct null_extremes){0, rate > 0 ? 1 : NAN};
    /* E[max] = high − ∫ P(max ≤ x) dx and E[min] = high − ∫ P(min ≤ x) dx over [low, high]. */
    double reach = 7 * sqrt(rate * (1 - rate) / smallest);
    double low = fmax(0, rate - reach);
    double high = fmin(1, rate + reach);
    double step = (high - low) / POINTS;
    double maximum = high;
    double minimum = high;
    for (unsigned k = 0; k < POINTS; k++) {
        double x = low + (k + 0.5) * step;
        double all_below = 1;
        double all_above = 1;
        for (size_t i = 0; i < count; i++) {
            if (!(denominators[i] > 0))
                continue;
            double z = (x - rate) / sqrt(rate * (1 - rate) / denominators[i]);
            all_below *= normal_cdf(z);
            all_above *= normal_sf(z);
        }
        maximum -= all_below * step;
        minimum -= (1 - all_above) * step;
    }
    return (struct null_extremes){maximum - minimum, minimum / maximum};
}

struct benefits confusion_benefits(const struct confusion *c)
{
    return (struct benefits){c->fn, c->tp + c->tn, c->fp};
}

/* Terms of Σ n_b f(b/μ). */
static double entropy_term(double share, double alpha)
{
    if (alpha == 1)
        return share > 0 ? share * log(share) : 0;
    if (alpha == 0)
        return share > 0 ? -log(share) : INFINITY;
    return (pow(share, alpha) - 1) / (alpha * (alpha - 1));
}

double generalized_entropy(const struct benefits *b, double alpha)
{
    double counts[3] = {b->n0, b->n1, b->n2};
    double n = b->n0 + b->n1 + b->n2;
    double mean = (b->n1 + 2 * b->n2) / n;
    if (!(n > 0) || !(mean > 0))
        return NAN;
    double sum = 0;
    for (unsigned value = 0; value < 3; value++)
        if (counts[value] > 0)
            sum += counts[value] * entropy_term(value / mean, alpha);
    return isfinite(sum) ? sum / n : NAN;
}

double coefficient_of_variation(const struct benefits *b)
{
    return sqrt(2 * generalized_entropy(b, 2));
}

struct entropy_split generalized_entropy_split(const struct benefits *groups, size_t count)
{
    double n = 0;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        n += groups[i].n0 + groups[i].n1 + groups[i].n2;
        sum += groups[i].n1 + 2 * groups[i].n2;
    }
    if (!(n > 0) || !(sum > 0))
        return (struct entropy_split){NAN, NAN};
    double mean = sum / n;
    struct entropy_split split = {0, 0};
    for (size_t i = 0; i < count; i++) {
        double size = groups[i].n0 + groups[i].n1 + groups[i].n2;
        double total = groups[i].n1 + 2 * groups[i].n2;
        if (!(size > 0))
            continue;
        double share = total / size / mean;
        if (total > 0) /* a group without any benefit is equal inside */
            split.within += size / n * share * share * generalized_entropy(&groups[i], 2);
        split.between += size / n * (share * share - 1) / 2;
    }
    return split;
}

/* The tool's rule: 0/0 = 0, x/0 = ∞. */
static double divide(double numerator, double denominator)
{
    if (denominator != 0)
        return numerator / denominator;
    return numerator == 0 ? 0 : copysign(INFINITY, numerator);
}

void clarify_label_distances(const double *counts_a, const double *counts_d, size_t categories,
                             struct clarify *out)
{
    double n_a = 0;
    double n_d = 0;
    for (size_t i = 0; i < categories; i++) {
        n_a += counts_a[i];
        n_d += counts_d[i];
    }
    double squares = 0;
    out->KL = out->JS = out->LP = out->TVD = out->KS = 0;
    for (size_t i = 0; i < categories; i++) {
        double a = divide(counts_a[i], n_a);
        double d = divide(counts_d[i], n_d);
        out->TVD += fabs(a - d) / 2;
        out->KS = fmax(out->KS, fabs(a - d));
        if (a <= 0 || d <= 0)
            continue;
        double mean = (a + d) / 2;
        out->KL += a * log(a / d);
        out->JS += (a * log(a / mean) + d * log(d / mean)) / 2;
        squares += (a - d) * (a - d);
    }
    out->LP = sqrt(squares);
}

struct clarify clarify_metrics(const struct confusion *a, const struct confusion *d)
{
    struct clarify m = {.CI = 0};
    double n_a = confusion_events(a);
    double n_d = confusion_events(d);
    double positives_a = a->tp + a->fn;
    double positives_d = d->tp + d->fn;
    double selected_a = a->tp + a->fp;
    double selected_d = d->tp + d->fp;
    double labels_a[2] = {n_a - positives_a, positives_a};
    double labels_d[2] = {n_d - positives_d, positives_d};
    clarify_label_distances(labels_a, labels_d, 2, &m);
    m.CI = divide(n_a - n_d, n_a + n_d);
    m.DPL = divide(positives_a, n_a) - divide(positives_d, n_d);
    double rate_a = divide(selected_a, n_a);
    double rate_d = divide(selected_d, n_d);
    m.DPPL = rate_a - rate_d;
    m.DI = divide(rate_d, rate_a);
    m.DCA = divide(positives_a, selected_a) - divide(positives_d, selected_d);
    m.DCR = divide(labels_d[0], n_d - selected_d) - divide(labels_a[0], n_a - selected_a);
    m.RD = divide(a->tp, positives_a) - divide(d->tp, positives_d);
    m.SD = divide(d->tn, labels_d[0]) - divide(a->tn, labels_a[0]);
    m.DAR = divide(a->tp, selected_a) - divide(d->tp, selected_d);
    m.DRR = divide(d->tn, n_d - selected_d) - divide(a->tn, n_a - selected_a);
    m.AD = divide(a->tp + a->tn, n_a) - divide(d->tp + d->tn, n_d);
    m.TE = divide(d->fn, d->fp) - divide(a->fn, a->fp);
    struct confusion all = *a;
    confusion_add(&all, d, 1);
    struct benefits benefits = confusion_benefits(&all);
    m.GE2 = generalized_entropy(&benefits, 2);
    m.theil = generalized_entropy(&benefits, 1);
    m.coefficient_of_variation = coefficient_of_variation(&benefits);
    return m;
}

double conditional_demographic_disparity(const struct stratum *strata, size_t count)
{
    double n = 0;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct stratum *s = &strata[i];
        double disparity = divide(s->rejected_d, s->rejected) - divide(s->accepted_d, s->accepted);
        n += s->accepted + s->rejected;
        sum += (s->accepted + s->rejected) * disparity;
    }
    return n > 0 ? sum / n : NAN;
}
