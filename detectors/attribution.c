#include "detectors/attribution.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "agent/base/err.h"

struct ranked_feature {
    double value, tie; /* larger first; the tie-breaker too */
    uint32_t index;
};

static int descending(const void *left, const void *right)
{
    const struct ranked_feature *a = left;
    const struct ranked_feature *b = right;
    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    if (a->tie != b->tie)
        return a->tie > b->tie ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void rank_by(const double *values, const double *ties, uint32_t count, struct ranked_feature *out)
{
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct ranked_feature){values[i], ties[i], i};
    qsort(out, count, sizeof *out, descending);
}

static double discounted_gain(const struct ranked_feature *order, const double *gain, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += gain[order[i].index] / log2(i + 2.0);
    return sum;
}

/* Ranks from an ordering, equal values sharing the mean of theirs. */
static void mid_ranks(const struct ranked_feature *order, uint32_t count, double *ranks)
{
    for (uint32_t first = 0; first < count;) {
        uint32_t end = first + 1;
        while (end < count && order[end].value == order[first].value)
            end++;
        for (uint32_t i = first; i < end; i++)
            ranks[order[i].index] = (first + end - 1) / 2.0;
        first = end;
    }
}

static double pearson(const double *x, const double *y, uint32_t count)
{
    double mean_x = 0;
    double mean_y = 0;
    for (uint32_t i = 0; i < count; i++) {
        mean_x += x[i] / count;
        mean_y += y[i] / count;
    }
    double xx = 0;
    double yy = 0;
    double xy = 0;
    for (uint32_t i = 0; i < count; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx) / sqrt(yy) : NAN;
}

static double total_of(const double *values, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static void compare_shares(const double *baseline, const double *live, uint32_t count,
                           struct attribution_drift *out)
{
    double before = total_of(baseline, count);
    double now = total_of(live, count);
    double js = 0;
    out->share_l1 = 0;
    for (uint32_t i = 0; i < count; i++) {
        out->share_l1 += fabs(live[i] / now - baseline[i] / before);
        js += js_term(baseline[i] / before, live[i] / now);
    }
    out->share_js = sqrt(fmax(0, js / M_LN2));
}

int attribution_drift(const double *baseline, const double *live, uint32_t count,
                      struct attribution_drift *out)
{
    *out = (struct attribution_drift){NAN, NAN, NAN, NAN};
    if (!(total_of(baseline, count) > 0) || !(total_of(live, count) > 0))
        return 0;
    struct ranked_feature *order = malloc(2 * (size_t)count * sizeof *order);
    double *ranks = malloc(2 * (size_t)count * sizeof *ranks);
    if (!order || !ranks) {
        free(order);
        free(ranks);
        return ERR_NOMEM;
    }
    rank_by(live, baseline, count, order);
    rank_by(baseline, baseline, count, order + count);
    out->ndcg = discounted_gain(order, baseline, count) / discounted_gain(order + count, baseline, count);
    mid_ranks(order, count, ranks);
    mid_ranks(order + count, count, ranks + count);
    out->spearman = pearson(ranks, ranks + count, count);
    compare_shares(baseline, live, count, out);
    free(order);
    free(ranks);
    return 0;
}

double psi_term(double p, double q)
{
    if (p == q)
        return 0;
    return p > 0 && q > 0 ? (q - p) * log(q / p) : NAN;
}

double js_term(double p, double q)
{
    double mean = (p + q) / 2;
    double sum = 0;
    if (p > 0)
        sum += p * log(p / mean);
    if (q > 0)
        sum += q * log(q / mean);
    return fmax(0, sum / 2);
}

struct marginals {
    double n, m;               /* totals of current and reference */
    double *p, *q, *log_ratio; /* by bin */
    double mean_log_ratio;
};

static double row_total(const double *row, uint32_t bins)
{
    return total_of(row, bins);
}

static void marginals_of(const double *reference, const double *current, uint32_t segments, uint32_t bins,
                         struct marginals *out)
{
    for (uint32_t b = 0; b < bins; b++)
        out->p[b] = out->q[b] = 0;
    for (uint32_t s = 0; s < segments; s++)
        for (uint32_t b = 0; b < bins; b++) {
            out->p[b] += reference[(size_t)s * bins + b];
            out->q[b] += current[(size_t)s * bins + b];
        }
    out->m = total_of(out->p, bins);
    out->n = total_of(out->q, bins);
    out->mean_log_ratio = 0;
    for (uint32_t b = 0; b < bins; b++) {
        out->p[b] /= out->m;
        out->q[b] /= out->n;
        bool empty = out->p[b] <= 0 && out->q[b] <= 0;
        out->log_ratio[b] = empty ? 0 : log(out->q[b] / out->p[b]);
        if (!isfinite(out->log_ratio[b]))
            out->log_ratio[b] = NAN;
        out->mean_log_ratio += (out->p[b] + out->q[b]) / 2 * out->log_ratio[b];
    }
}

/* Σ q ln(q/p) of two rows of counts. */
static double row_kl(const double *reference, const double *current, uint32_t bins, double m, double n)
{
    double sum = 0;
    for (uint32_t b = 0; b < bins; b++) {
        if (current[b] <= 0)
            continue;
        if (reference[b] <= 0)
            return NAN;
        sum += current[b] / n * log(current[b] / n / (reference[b] / m));
    }
    return sum;
}

static struct segment_part part_of(const double *reference, const double *current, uint32_t bins,
                                   const struct marginals *all)
{
    double m = row_total(reference, bins);
    double n = row_total(current, bins);
    double v = m / all->m;
    double w = n / all->n;
    struct segment_part part = {0, 0, 0, 0, 0};
    for (uint32_t b = 0; b < bins; b++) {
        /* A segment absent on one side has no distribution there: it counts as unchanged inside, so that all
         * of it is mix. */
        double p = m > 0 ? reference[b] / m : n > 0 ? current[b] / n : 0;
        double q = n > 0 ? current[b] / n : p;
        double centred = all->log_ratio[b] - all->mean_log_ratio;
        part.mix += (w - v) * centred * (p + q) / 2;
        part.within += (w + v) / 2 * centred * (q - p);
    }
    part.total = part.mix + part.within;
    if (n > 0) {
        double kl = m > 0 ? row_kl(reference, current, bins, m, n) : NAN;
        part.kl_chain = w * log(w / v) + w * kl;
        part.kl_debiased = w * kl - w * (bins - 1.0) * (1 / n + 1 / m) / 2;
        if (!isfinite(part.kl_chain))
            part.kl_chain = part.kl_debiased = NAN;
    }
    return part;
}

int psi_segments(const double *reference, const double *current, uint32_t segments, uint32_t bins,
                 struct segment_part *parts, double *bin_terms, struct segment_sum *out)
{
    *out = (struct segment_sum){NAN, NAN};
    if (bins == 0)
        return 0;
    double *memory = malloc(3 * (size_t)bins * sizeof *memory);
    if (!memory)
        return ERR_NOMEM;
    struct marginals all = {.p = memory, .q = memory + bins, .log_ratio = memory + 2 * (size_t)bins};
    marginals_of(reference, current, segments, bins, &all);
    out->psi = out->kl_joint = 0;
    for (uint32_t b = 0; b < bins; b++) {
        double term = (all.q[b] - all.p[b]) * all.log_ratio[b];
        out->psi += term;
        if (bin_terms)
            bin_terms[b] = term;
    }
    for (uint32_t s = 0; s < segments; s++) {
        size_t row = (size_t)s * bins;
        parts[s] = part_of(reference + row, current + row, bins, &all);
        out->kl_joint += parts[s].kl_chain;
    }
    free(memory);
    return 0;
}
