#include "detectors/performance.h"

#include <math.h>

#include "detectors/special.h"

static double ratio(double numerator, double denominator)
{
    return denominator > 0 ? numerator / denominator : NAN;
}

static double matthews(const struct confusion *c)
{
    double margins[4] = {c->tp + c->fp, c->tp + c->fn, c->tn + c->fp, c->tn + c->fn};
    double root = 1;
    for (unsigned i = 0; i < 4; i++) {
        if (margins[i] <= 0)
            return 0;
        root *= sqrt(margins[i]);
    }
    double mcc = (c->tp * c->tn - c->fp * c->fn) / root;
    return fmin(1, fmax(-1, mcc));
}

struct binary_metrics binary_metrics(const struct confusion *c)
{
    double n = c->tp + c->fp + c->fn + c->tn;
    struct binary_metrics m = {
        .n = n,
        .accuracy = ratio(c->tp + c->tn, n),
        .precision = ratio(c->tp, c->tp + c->fp),
        .recall = ratio(c->tp, c->tp + c->fn),
        .specificity = ratio(c->tn, c->tn + c->fp),
        .fpr = ratio(c->fp, c->tn + c->fp),
        .fnr = ratio(c->fn, c->tp + c->fn),
        .npv = ratio(c->tn, c->tn + c->fn),
        .fdr = ratio(c->fp, c->tp + c->fp),
        .for_rate = ratio(c->fn, c->tn + c->fn),
        .f1 = ratio(2 * c->tp, 2 * c->tp + c->fp + c->fn),
        .mcc = n > 0 ? matthews(c) : NAN,
        .prevalence = ratio(c->tp + c->fn, n),
        .selection_rate = ratio(c->tp + c->fp, n),
    };
    m.balanced_accuracy = (m.recall + m.specificity) / 2;
    double chance = m.prevalence * m.selection_rate + (1 - m.prevalence) * (1 - m.selection_rate);
    m.kappa = chance < 1 ? (m.accuracy - chance) / (1 - chance) : NAN;
    return m;
}

/* √(Σ p g² − (Σ p g)²)/√n of four cells with gradient g by share. */
static double delta_error(const double counts[4], const double gradient[4])
{
    double n = counts[0] + counts[1] + counts[2] + counts[3];
    double mean = 0;
    double square = 0;
    for (unsigned i = 0; i < 4; i++) {
        mean += counts[i] / n * gradient[i];
        square += counts[i] / n * gradient[i] * gradient[i];
    }
    return sqrt(fmax(0, square - mean * mean) / n);
}

double f1_standard_error(const struct confusion *c)
{
    double n = c->tp + c->fp + c->fn + c->tn;
    double denominator = 2 * c->tp + c->fp + c->fn;
    if (denominator <= 0)
        return NAN;
    double f1 = 2 * c->tp / denominator;
    double scale = n / denominator;
    double counts[4] = {c->tp, c->fp, c->fn, c->tn};
    double gradient[4] = {2 * (1 - f1) * scale, -f1 * scale, -f1 * scale, 0};
    return delta_error(counts, gradient);
}

double mcc_standard_error(const struct confusion *c)
{
    double n = c->tp + c->fp + c->fn + c->tn;
    double predicted = c->tp + c->fp;
    double actual = c->tp + c->fn;
    double not_predicted = c->tn + c->fn;
    double not_actual = c->tn + c->fp;
    if (predicted <= 0 || actual <= 0 || not_predicted <= 0 || not_actual <= 0)
        return NAN;
    double mcc = matthews(c);
    double root = sqrt(predicted) * sqrt(actual) * sqrt(not_predicted) * sqrt(not_actual);
    double half = mcc / 2;
    double counts[4] = {c->tp, c->fp, c->fn, c->tn};
    double gradient[4] = {n * (c->tn / root - half * (1 / predicted + 1 / actual)),
                          n * (-c->fn / root - half * (1 / predicted + 1 / not_actual)),
                          n * (-c->fp / root - half * (1 / actual + 1 / not_predicted)),
                          n * (c->tp / root - half * (1 / not_predicted + 1 / not_actual))};
    return delta_error(counts, gradient);
}

uint32_t score_bin(double score)
{
    if (!(score >= 0 && score <= 1))
        return UINT32_MAX;
    uint32_t bin = (uint32_t)(score * SCORE_BINS);
    return bin < SCORE_BINS ? bin : SCORE_BINS - 1;
}

struct class_totals {
    double positives, negatives;
};

static struct class_totals totals(const struct score_histogram *h)
{
    struct class_totals t = {0, 0};
    for (size_t b = 0; b < h->bins; b++) {
        t.positives += h->positives[b];
        t.negatives += h->negatives[b];
    }
    return t;
}

static double delong_variance(const struct score_histogram *h, struct class_totals t, double auc)
{
    if (t.positives <= 1 || t.negatives <= 1)
        return NAN;
    double below_negatives = 0;
    double below_positives = 0;
    double sum1 = 0;
    double sum0 = 0;
    for (size_t b = 0; b < h->bins; b++) {
        double v10 = (below_negatives + h->negatives[b] / 2) / t.negatives;
        double v01 = (t.positives - below_positives - h->positives[b] / 2) / t.positives;
        sum1 += h->positives[b] * (v10 - auc) * (v10 - auc);
        sum0 += h->negatives[b] * (v01 - auc) * (v01 - auc);
        below_negatives += h->negatives[b];
        below_positives += h->positives[b];
    }
    return sum1 / (t.positives * (t.positives - 1)) + sum0 / (t.negatives * (t.negatives - 1));
}

struct auc score_auc(const struct score_histogram *h)
{
    struct class_totals t = totals(h);
    if (!(t.positives > 0) || !(t.negatives > 0))
        return (struct auc){NAN, NAN, NAN};
    double below = 0;
    double wins = 0;
    double ties = 0;
    for (size_t b = 0; b < h->bins; b++) {
        wins += h->positives[b] * (below + h->negatives[b] / 2);
        ties += h->positives[b] * h->negatives[b];
        below += h->negatives[b];
    }
    struct auc auc = {.value = wins / t.positives / t.negatives,
                      .half_width = ties / 2 / t.positives / t.negatives};
    auc.variance = delong_variance(h, t, auc.value);
    return auc;
}

struct interval auc_interval(const struct auc *auc, double alpha)
{
    double a = auc->value;
    if (!(a > 0 && a < 1) || !(auc->variance >= 0))
        return (struct interval){NAN, NAN};
    double centre = log(a) - log1p(-a);
    double half = -normal_ppf(alpha / 2) * sqrt(auc->variance) / (a * (1 - a));
    return (struct interval){1 / (1 + exp(half - centre)), 1 / (1 + exp(-half - centre))};
}

double auc_variance_hanley_mcneil(double auc, double positives, double negatives)
{
    if (!(positives > 0) || !(negatives > 0))
        return NAN;
    double q1 = auc / (2 - auc);
    double q2 = 2 * auc * auc / (1 + auc);
    return (auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)) /
           (positives * negatives);
}

/* Digamma(x) − log x for x ≥ 16, absolute error 1e-15. */
static double digamma_rest(double x)
{
    double x2 = 1 / (x * x);
    return -0.5 / x - x2 * (1.0 / 12 - x2 * (1.0 / 120 - x2 * (1.0 / 252 - x2 / 240)));
}

/* Σ_{i=1..k} 1/(a + i), k whole: a million positives in a bin must not cost a million divisions. */
static double harmonic_stretch(double a, double k)
{
    enum { DIRECT = 32 };
    double sum = 0;
    for (unsigned i = 0; i < DIRECT && k >= 1; i++, k--)
        sum += 1 / ++a;
    if (k >= 1)
        sum += log1p(k / (a + 1)) + digamma_rest(a + k + 1) - digamma_rest(a + 1);
    return sum;
}

/*
 * Sum of precisions over the positives of one bin when they come before (or after) all its negatives:
 * Σ_{i=1..k} (tp + i)/(tp + fp + i) = k − fp·Σ 1/(tp + fp + i), with fp the negatives before them.
 */
static double ordered_precision(double tp, double fp, double positives)
{
    double whole = floor(positives);
    double rest = positives - whole;
    double sum = whole - fp * harmonic_stretch(tp + fp, whole);
    if (rest > 0) /* expected counts are fractional: the last part weighs what it is */
        sum += rest * (tp + positives) / (tp + fp + positives);
    return sum;
}

struct average_precision score_average_precision(const struct score_histogram *h)
{
    struct class_totals t = totals(h);
    if (!(t.positives > 0))
        return (struct average_precision){NAN, NAN, NAN};
    struct average_precision ap = {0, 0, 0};
    double tp = 0;
    double fp = 0;
    for (size_t b = h->bins; b-- > 0;) {
        double positives = h->positives[b];
        double negatives = h->negatives[b];
        if (positives > 0) {
            ap.value += positives * (tp + positives) / (tp + positives + fp + negatives);
            ap.upper += ordered_precision(tp, fp, positives);
            ap.lower += ordered_precision(tp, fp + negatives, positives);
        }
        tp += positives;
        fp += negatives;
    }
    ap.value /= t.positives;
    ap.upper /= t.positives;
    ap.lower /= t.positives;
    return ap;
}

double average_precision_standard_error(const struct score_histogram *h)
{
    struct class_totals t = totals(h);
    double ap = score_average_precision(h).value;
    if (isnan(ap))
        return NAN;
    /* From low scores to high: what one more event in this bin does to the precision at every threshold at or
     * below it, weighted with the positives there. */
    double tp = t.positives;
    double fp = t.negatives;
    double by_positive = 0;
    double by_negative = 0;
    double square = 0;
    for (size_t b = 0; b < h->bins; b++) {
        double at = tp + fp;
        if (h->positives[b] > 0) {
            by_positive += h->positives[b] * fp / (at * at);
            by_negative -= h->positives[b] * tp / (at * at);
        }
        double gradient1 = ((at > 0 ? tp / at : 0) - ap + by_positive) / t.positives;
        double gradient0 = by_negative / t.positives;
        square += h->positives[b] * gradient1 * gradient1 + h->negatives[b] * gradient0 * gradient0;
        tp -= h->positives[b];
        fp -= h->negatives[b];
    }
    /* The value does not change when all counts are scaled, so the mean of the gradient is 0. */
    return sqrt(square);
}

double score_ks_separation(const struct score_histogram *h)
{
    struct class_totals t = totals(h);
    if (!(t.positives > 0) || !(t.negatives > 0))
        return NAN;
    double positives = 0;
    double negatives = 0;
    double largest = 0;
    for (size_t b = 0; b < h->bins; b++) {
        positives += h->positives[b];
        negatives += h->negatives[b];
        largest = fmax(largest, fabs(positives / t.positives - negatives / t.negatives));
    }
    return largest;
}

static struct lift lift_of(double k, double hits, double positives, double n)
{
    if (!(n > 0) || !(k > 0))
        return (struct lift){NAN, NAN, NAN};
    double captured = ratio(hits, positives);
    return (struct lift){k, captured * (n / k), captured};
}

struct lift score_lift(const struct score_histogram *h, double fraction)
{
    struct class_totals t = totals(h);
    double n = t.positives + t.negatives;
    double k = fmin(n, ceil(fraction * n));
    double left = k;
    double hits = 0;
    for (size_t b = h->bins; b-- > 0 && left > 0;) {
        double here = h->positives[b] + h->negatives[b];
        hits += here <= left ? h->positives[b] : h->positives[b] * (left / here);
        left -= fmin(left, here);
    }
    return lift_of(k, hits, t.positives, n);
}

struct lift ranked_lift(const uint8_t *labels, size_t n, double fraction)
{
    double k = fmin((double)n, ceil(fraction * (double)n));
    double hits = 0;
    double positives = 0;
    for (size_t i = 0; i < n; i++) {
        positives += labels[i] != 0;
        if ((double)i < k)
            hits += labels[i] != 0;
    }
    return lift_of(k, hits, positives, (double)n);
}

double log_loss_term(double p, double label, double clip)
{
    /* Both sides are clipped by themselves: 1 − (1 − 1e-15) is not 1e-15 in doubles. */
    double positive = fmin(fmax(p, clip), 1 - clip);
    double negative = fmin(fmax(1 - p, clip), 1 - clip);
    return -(label * log(positive) + (1 - label) * log(negative));
}
