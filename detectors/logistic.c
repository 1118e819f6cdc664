#include "detectors/logistic.h"

#include <math.h>
#include <stdbool.h>

enum { STEPS_MAX = 100, HALVINGS_MAX = 60 };

static const struct logistic no_fit = {NAN, NAN, NAN};

double logit(double p)
{
    return log(p) - log1p(-p);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* log(1 + e^x) */
static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

double logistic_probability(const struct logistic *fit, double x)
{
    return sigmoid(fit->intercept + fit->slope * x);
}

static double log_likelihood(const struct logistic_point *points, size_t count, double a, double b)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        double eta = a + b * points[i].x;
        sum += points[i].positives * eta - points[i].n * softplus(eta);
    }
    return sum;
}

static bool has_both_classes(const struct logistic_point *points, size_t count)
{
    double positives = 0;
    double n = 0;
    for (size_t i = 0; i < count; i++) {
        positives += points[i].positives;
        n += points[i].n;
    }
    return positives > 0 && positives < n;
}

struct newton {
    double gradient_a, gradient_b, aa, ab, bb;
};

static struct newton derivatives(const struct logistic_point *points, size_t count, double a, double b)
{
    struct newton d = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        double p = sigmoid(a + b * points[i].x);
        double residual = points[i].positives - points[i].n * p;
        double weight = points[i].n * p * (1 - p);
        d.gradient_a += residual;
        d.gradient_b += residual * points[i].x;
        d.aa += weight;
        d.ab += weight * points[i].x;
        d.bb += weight * points[i].x * points[i].x;
    }
    return d;
}

struct logistic logistic_fit(const struct logistic_point *points, size_t count, double ridge)
{
    if (!has_both_classes(points, count))
        return no_fit;
    double a = 0;
    double b = 0;
    double objective = log_likelihood(points, count, a, b);
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        struct newton d = derivatives(points, count, a, b);
        d.gradient_b -= ridge * b;
        d.bb += ridge;
        double determinant = d.aa * d.bb - d.ab * d.ab;
        if (!(determinant > 1e-14 * d.aa * d.bb))
            return no_fit;
        double da = (d.bb * d.gradient_a - d.ab * d.gradient_b) / determinant;
        double db = (d.aa * d.gradient_b - d.ab * d.gradient_a) / determinant;
        double scale = 1;
        double next = -INFINITY;
        for (unsigned half = 0; half < HALVINGS_MAX; half++, scale /= 2) {
            double slope = b + scale * db;
            next = log_likelihood(points, count, a + scale * da, slope) - ridge / 2 * slope * slope;
            if (next >= objective - 1e-13 * fabs(objective))
                break;
        }
        a += scale * da;
        b += scale * db;
        if (!isfinite(a) || !isfinite(b) || fabs(b) > 1000)
            return no_fit;
        if (fabs(scale * da) <= 1e-13 * (1 + fabs(a)) && fabs(scale * db) <= 1e-13 * (1 + fabs(b)))
            break;
        objective = next;
    }
    return (struct logistic){a, b, log_likelihood(points, count, a, b)};
}

double logistic_fit_offset(const struct logistic_point *points, size_t count)
{
    if (!has_both_classes(points, count))
        return NAN;
    /* The gradient falls strictly with a: bracket its root, then bisect with Newton steps inside. */
    double low = -1;
    double high = 1;
    while (derivatives(points, count, low, 1).gradient_a < 0 && low > -1e6)
        low *= 2;
    while (derivatives(points, count, high, 1).gradient_a > 0 && high < 1e6)
        high *= 2;
    double a = 0;
    for (unsigned step = 0; step < 200; step++) {
        struct newton d = derivatives(points, count, a, 1);
        if (d.gradient_a > 0)
            low = a;
        else
            high = a;
        double next = d.aa > 0 ? a + d.gradient_a / d.aa : NAN;
        if (!(next > low && next < high))
            next = (low + high) / 2;
        if (fabs(next - a) <= 1e-14 * (1 + fabs(a)))
            return next;
        a = next;
    }
    return a;
}
