/* DDM [Gama04] watches the error rate, EDDM [Baena06] the distance between errors. */
#include <math.h>

#include "detectors/sequential_kinds.h"

enum { WARM_START, WARNING, DRIFT };

struct ddm {
    uint64_t n;
    double errors;
    double p_min, s_min;
};

static size_t ddm_bytes(const double *values)
{
    (void)values;
    return sizeof(struct ddm);
}

static void ddm_start(void *state, const double *values)
{
    struct ddm *s = state;
    (void)values;
    s->p_min = s->s_min = INFINITY;
}

static enum sequential_state ddm_update(void *state, const double *values, double x)
{
    struct ddm *s = state;
    s->n++;
    s->errors += x;
    double p = s->errors / (double)s->n;
    double sd = sqrt(fmax(0, p * (1 - p)) / (double)s->n);
    if ((double)s->n <= values[WARM_START])
        return SEQUENTIAL_QUIET;
    if (p + sd <= s->p_min + s->s_min) {
        s->p_min = p;
        s->s_min = sd;
    }
    if (p + sd > s->p_min + values[DRIFT] * s->s_min)
        return SEQUENTIAL_DRIFT;
    return p + sd > s->p_min + values[WARNING] * s->s_min ? SEQUENTIAL_WARNING : SEQUENTIAL_QUIET;
}

static double ddm_statistic(const void *state, const double *values)
{
    const struct ddm *s = state;
    (void)values;
    return s->n ? s->errors / (double)s->n : (double)NAN;
}

const struct sequential_kind_ops ddm_ops = {
    .description = {.name = "ddm",
                    .binary = true,
                    .summary = "error rate against its best so far",
                    .parameters = {{"warm_start", 30, 1, 1e9},
                                   {"warning", 2, 0, 100},
                                   {"drift", 3, 0, 100},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = ddm_bytes,
    .start = ddm_start,
    .update = ddm_update,
    .statistic = ddm_statistic,
};

enum { EDDM_WARM_START, EDDM_ALPHA, EDDM_BETA, EDDM_POPULATION_SD };

struct eddm {
    uint64_t n, errors, last_error;
    double mean, m2;
    double largest; /* m' + 2s' at its best */
};

static size_t eddm_bytes(const double *values)
{
    (void)values;
    return sizeof(struct eddm);
}

static void eddm_start(void *state, const double *values)
{
    (void)state;
    (void)values;
}

static enum sequential_state eddm_update(void *state, const double *values, double x)
{
    struct eddm *s = state;
    s->n++;
    if (x == 0)
        return SEQUENTIAL_QUIET;
    s->errors++;
    double distance = (double)(s->n - s->last_error);
    s->last_error = s->n;
    double before = distance - s->mean;
    s->mean += before / (double)s->errors;
    s->m2 += before * (distance - s->mean);
    double degrees = (double)s->errors - (values[EDDM_POPULATION_SD] > 0 ? 0 : 1);
    double level = s->mean + 2 * (degrees > 0 ? sqrt(s->m2 / degrees) : 0);
    if ((double)s->n <= values[EDDM_WARM_START])
        return SEQUENTIAL_QUIET;
    if (level > s->largest) {
        s->largest = level;
        return SEQUENTIAL_QUIET;
    }
    if ((double)s->errors <= values[EDDM_WARM_START])
        return SEQUENTIAL_QUIET;
    double share = level / s->largest;
    if (share < values[EDDM_BETA])
        return SEQUENTIAL_DRIFT;
    return share < values[EDDM_ALPHA] ? SEQUENTIAL_WARNING : SEQUENTIAL_QUIET;
}

static double eddm_statistic(const void *state, const double *values)
{
    const struct eddm *s = state;
    (void)values;
    return s->errors ? s->mean : (double)NAN;
}

const struct sequential_kind_ops eddm_ops = {
    .description = {.name = "eddm",
                    .binary = true,
                    .summary = "distance between errors against its best so far",
                    .parameters = {{"warm_start", 30, 1, 1e9},
                                   {"alpha", 0.95, 0, 1},
                                   {"beta", 0.9, 0, 1},
                                   {"population_sd", 0, 0, 1},
                                   {NULL, 0, 0, 0}}},
    .state_bytes = eddm_bytes,
    .start = eddm_start,
    .update = eddm_update,
    .statistic = eddm_statistic,
};
