#include "detectors/performance_multiclass.h"

#include <math.h>

#include "agent/base/compiler.h"

static double ratio(double numerator, double denominator)
{
    return denominator > 0 ? numerator / denominator : NAN;
}

static double or_zero(double value)
{
    return isnan(value) ? 0 : value;
}

struct class_metrics class_metrics(const uint64_t *counts, uint32_t classes, uint32_t which)
{
    struct class_metrics m = {.truth = 0};
    for (uint32_t k = 0; k < classes; k++) {
        m.truth += counts[(uint64_t)which * classes + k];
        m.predicted += counts[(uint64_t)k * classes + which];
    }
    double hits = (double)counts[(uint64_t)which * classes + which];
    m.precision = ratio(hits, (double)m.predicted);
    m.recall = ratio(hits, (double)m.truth);
    m.f1 = ratio(2 * hits, (double)m.truth + (double)m.predicted);
    return m;
}

/* Sums of products overflow 64 bits from 2^32 events on. */
struct agreement {
    uint64_t n, hits;
    uint128 truth_predicted, truth_truth, predicted_predicted;
};

static double gorodkin(const struct agreement *a)
{
    uint128 all = (uint128)a->n * a->n;
    uint128 truth_spread = all - a->truth_truth;
    uint128 predicted_spread = all - a->predicted_predicted;
    if (truth_spread == 0 || predicted_spread == 0)
        return 0;
    int128 covariance = (int128)((uint128)a->hits * a->n) - (int128)a->truth_predicted;
    return (double)covariance / (sqrt((double)truth_spread) * sqrt((double)predicted_spread));
}

static void add_weighted(struct multiclass_average *sum, const struct class_metrics *m, double weight)
{
    sum->precision += weight * or_zero(m->precision);
    sum->recall += weight * or_zero(m->recall);
    sum->f1 += weight * or_zero(m->f1);
}

static void divide(struct multiclass_average *sum, double by)
{
    sum->precision = ratio(sum->precision, by);
    sum->recall = ratio(sum->recall, by);
    sum->f1 = ratio(sum->f1, by);
}

struct multiclass_metrics multiclass_metrics(const uint64_t *counts, uint32_t classes)
{
    struct multiclass_metrics result = {.n = 0};
    struct agreement a = {.n = 0};
    double present = 0;
    double in_truth = 0;
    double recalls = 0;
    for (uint32_t k = 0; k < classes; k++) {
        struct class_metrics m = class_metrics(counts, classes, k);
        a.n += m.truth;
        a.hits += counts[(uint64_t)k * classes + k];
        a.truth_predicted += (uint128)m.truth * m.predicted;
        a.truth_truth += (uint128)m.truth * m.truth;
        a.predicted_predicted += (uint128)m.predicted * m.predicted;
        if (m.truth > 0) {
            in_truth++;
            recalls += m.recall;
        }
        if (m.truth > 0 || m.predicted > 0) {
            present++;
            add_weighted(&result.macro, &m, 1);
        }
        add_weighted(&result.weighted, &m, (double)m.truth);
    }
    double n = (double)a.n;
    divide(&result.macro, present);
    divide(&result.weighted, n);
    result.n = a.n;
    result.accuracy = ratio((double)a.hits, n);
    result.balanced_accuracy = ratio(recalls, in_truth);
    result.micro = (struct multiclass_average){result.accuracy, result.accuracy, result.accuracy};
    result.mcc = a.n > 0 ? gorodkin(&a) : NAN;
    double chance = a.n > 0 ? (double)a.truth_predicted / n / n : NAN;
    result.kappa = chance < 1 ? (result.accuracy - chance) / (1 - chance) : NAN;
    return result;
}
