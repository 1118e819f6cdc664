/* HDDM [Frias15]: Hoeffding bounds on plain means (A) and on exponentially weighted means (W). */
#include <math.h>

#include "detectors/sequential_kinds.h"

enum { DRIFT_CONFIDENCE, WARNING_CONFIDENCE, TWO_SIDED, LAMBDA };

struct stretch {
    double n, sum;
};

struct hddm_a {
    struct stretch total, lowest, highest; /* cut points: where the mean's bound was smallest and largest */
};

static size_t hddm_a_bytes(const double *values)
{
    (void)values;
    return sizeof(struct hddm_a);
}

static void hddm_a_start(void *state, const double *values)
{
    (void)state;
    (void)values;
}

static double mean_of(struct stretch s)
{
    return s.sum / s.n;
}

static double hoeffding(double n, double confidence)
{
    return sqrt(log(1 / confidence) / (2 * n));
}

/* sign +1: the mean rose since `cut`; −1: it fell. */
static bool mean_moved(struct stretch cut, struct stretch total, double sign, double confidence)
{
    if (cut.n >= total.n)
        return false;
    double m = (total.n - cut.n) / cut.n / total.n;
    return sign * (mean_of(total) - mean_of(cut)) >= sqrt(m / 2 * log(2 / confidence));
}

static enum sequential_state hddm_a_update(void *state, const double *values, double x)
{
    struct hddm_a *s = state;
    s->total.n++;
    s->total.sum += x;
    double bound = hoeffding(s->total.n, values[DRIFT_CONFIDENCE]);
    double mean = mean_of(s->total);
    if (s->lowest.n == 0 ||
        mean_of(s->lowest) + hoeffding(s->lowest.n, values[DRIFT_CONFIDENCE]) >= mean + bound)
        s->lowest = s->total;
    if (s->highest.n == 0 ||
        mean_of(s->highest) - hoeffding(s->highest.n, values[DRIFT_CONFIDENCE]) <= mean - bound)
        s->highest = s->total;
    bool both = values[TWO_SIDED] > 0;
    if (mean_moved(s->lowest, s->total, 1, values[DRIFT_CONFIDENCE]) ||
        (both && mean_moved(s->highest, s->total, -1, values[DRIFT_CONFIDENCE])))
        return SEQUENTIAL_DRIFT;
    if (mean_moved(s->lowest, s->total, 1, values[WARNING_CONFIDENCE]) ||
        (both && mean_moved(s->highest, s->total, -1, values[WARNING_CONFIDENCE])))
        return SEQUENTIAL_WARNING;
    return SEQUENTIAL_QUIET;
}

static double hddm_a_statistic(const void *state, const double *values)
{
    const struct hddm_a *s = state;
    (void)values;
    return s->total.n > 0 ? mean_of(s->total) : (double)NAN;
}

const struct sequential_kind_ops hddm_a_ops = {
    .description = {.name = "hddm_a",
                    .summary = "mean of values in [0, 1] against its best so far, Hoeffding bound",
                    .parameters = {{"drift_confidence", 0.001, 1e-12, 0.5},
                                   {"warning_confidence", 0.005, 1e-12, 0.5},
                                   {"two_sided", 0, 0, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = hddm_a_bytes,
    .start = hddm_a_start,
    .update = hddm_a_update,
    .statistic = hddm_a_statistic,
};

struct weighted {
    uint64_t used;
    double mean, squares; /* Σ of squared weights, 1 before the first value */
};

struct side {
    double cut;
    struct weighted before, after;
};

struct hddm_w {
    struct weighted total;
    struct side rise, fall;
};

static size_t hddm_w_bytes(const double *values)
{
    (void)values;
    return sizeof(struct hddm_w);
}

static const struct weighted no_values = {0, 0, 1};

static void hddm_w_start(void *state, const double *values)
{
    struct hddm_w *s = state;
    (void)values;
    s->total = no_values;
    s->rise = (struct side){INFINITY, no_values, no_values};
    s->fall = s->rise;
}

static void weighted_add(struct weighted *w, double x, double lambda)
{
    w->mean = w->used ? lambda * x + (1 - lambda) * w->mean : x;
    w->squares = lambda * lambda + (1 - lambda) * (1 - lambda) * w->squares;
    w->used = 1;
}

/* `sign` −1 watches for a fall by looking at −mean. */
static void watch(struct side *side, const struct weighted *total, double x, double sign,
                  const double *values)
{
    double bound = sqrt(total->squares * log(1 / values[DRIFT_CONFIDENCE]) / 2);
    if (sign * total->mean + bound < side->cut) {
        side->cut = sign * total->mean + bound;
        side->before = *total;
        side->after = no_values;
    } else {
        weighted_add(&side->after, x, values[LAMBDA]);
    }
}

static bool side_moved(const struct side *side, double sign, double confidence)
{
    if (!side->before.used || !side->after.used)
        return false;
    double bound = sqrt((side->before.squares + side->after.squares) * log(1 / confidence) / 2);
    return sign * (side->after.mean - side->before.mean) > bound;
}

static enum sequential_state hddm_w_update(void *state, const double *values, double x)
{
    struct hddm_w *s = state;
    bool both = values[TWO_SIDED] > 0;
    weighted_add(&s->total, x, values[LAMBDA]);
    watch(&s->rise, &s->total, x, 1, values);
    watch(&s->fall, &s->total, x, -1, values);
    if (side_moved(&s->rise, 1, values[DRIFT_CONFIDENCE]) ||
        (both && side_moved(&s->fall, -1, values[DRIFT_CONFIDENCE])))
        return SEQUENTIAL_DRIFT;
    if (side_moved(&s->rise, 1, values[WARNING_CONFIDENCE]) ||
        (both && side_moved(&s->fall, -1, values[WARNING_CONFIDENCE])))
        return SEQUENTIAL_WARNING;
    return SEQUENTIAL_QUIET;
}

static double hddm_w_statistic(const void *state, const double *values)
{
    const struct hddm_w *s = state;
    (void)values;
    return s->total.used ? s->total.mean : (double)NAN;
}

const struct sequential_kind_ops hddm_w_ops = {
    .description = {.name = "hddm_w",
                    .summary = "weighted mean of values in [0, 1] against its best so far, McDiarmid bound",
                    .parameters = {{"drift_confidence", 0.001, 1e-12, 0.5},
                                   {"warning_confidence", 0.005, 1e-12, 0.5},
                                   {"two_sided", 0, 0, 1},
                                   {"lambda", 0.05, 1e-9, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = hddm_w_bytes,
    .start = hddm_w_start,
    .update = hddm_w_update,
    .statistic = hddm_w_statistic,
};
