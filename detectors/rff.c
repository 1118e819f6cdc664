#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/multivariate.h"

/*
 * Random Fourier features. Neither the frequencies nor the features call libm (but for sqrt, which
 * IEEE 754 makes exact): the same seed gives the same frequencies, and the same row the same features, on
 * every machine. Products are summed feature by feature, RFF_LANES frequencies side by side, so that the
 * compiler may take several at once without changing the order of any sum.
 */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Horner's rule with the reciprocals of 16·15, 14·13 … and 17·16, 15·14 …: Taylor to a^17. */
static const double cosine_terms[8] = {1.0 / 240, 1.0 / 182, 1.0 / 132, 1.0 / 90,
                                       1.0 / 56,  1.0 / 30,  1.0 / 12,  1.0 / 2};
static const double sine_terms[8] = {1.0 / 272, 1.0 / 210, 1.0 / 156, 1.0 / 110,
                                     1.0 / 72,  1.0 / 42,  1.0 / 20,  1.0 / 6};

/* The nearest integer, |x| < 2^51: above 1.5·2^52 there are no fractions. Exact, and no call. */
#define ROUND_SHIFT 6755399441055744.0

/* What turn_cos_sin does, for four turns or one: `even` and `odd` are 1 − |q| and q(2 − |q|) of the quarter q
 * = −2 … 2, of which one is ±1 and the other 0. |t| < 2^50; by products and sums only, and without a branch.
 */
#define TURN_COS_SIN(t, type, absolute, cosine, sine)                                                        \
    type fraction = (t) - (((t) + ROUND_SHIFT) - ROUND_SHIFT); /* exact */                                   \
    type q = (4 * fraction + ROUND_SHIFT) - ROUND_SHIFT;                                                     \
    type a = 6.283185307179586476925 * (fraction - q / 4);                                                   \
    type a2 = a * a, taylor_cosine = a2 * 0, taylor_sine = a2 * 0;                                           \
    for (int k = 0; k < 8; k++) {                                                                            \
        taylor_cosine = (1 + taylor_cosine) * -a2 * cosine_terms[k];                                         \
        taylor_sine = (1 + taylor_sine) * -a2 * sine_terms[k];                                               \
    }                                                                                                        \
    taylor_cosine = taylor_cosine + 1;                                                                       \
    taylor_sine = a * (1 + taylor_sine);                                                                     \
    type even = 1 - absolute(q), odd = q * (2 - absolute(q));                                                \
    cosine = even * taylor_cosine - odd * taylor_sine;                                                       \
    sine = even * taylor_sine + odd * taylor_cosine;

static void turn_cos_sin(double t, double *out_cos, double *out_sin)
{
    TURN_COS_SIN(t, double, fabs, *out_cos, *out_sin)
}

/* Natural logarithm of a normal number above 0, within 2 units of the last place: 2·atanh((m−1)/(m+1)) of the
 * mantissa. */
static double portable_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double mantissa;
    memcpy(&mantissa, &bits, sizeof(mantissa));
    if (mantissa > 1.4142135623730951) {
        mantissa /= 2;
        exponent++;
    }
    double s = (mantissa - 1) / (mantissa + 1), s2 = s * s, sum = 0;
    for (int k = 23; k > 0; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return exponent * 0.693147180559945309417 + 2 * s * sum;
}

static struct rff *rff_alloc(uint32_t d, uint32_t frequencies)
{
    if (d == 0 || frequencies == 0 || frequencies > RFF_FREQUENCIES_MAX ||
        (uint64_t)d * frequencies > UINT32_MAX / 2)
        return NULL;
    size_t blocks = (frequencies + RFF_LANES - 1u) / RFF_LANES;
    struct rff *rff = calloc(1, sizeof *rff + blocks * RFF_LANES * d * sizeof rff->turns[0]);
    if (rff) {
        rff->d = d;
        rff->frequencies = frequencies;
    }
    return rff;
}

/* Where the i-th coordinate of frequency f is. */
static size_t place_of(const struct rff *rff, uint32_t f, uint32_t i)
{
    return ((size_t)(f / RFF_LANES) * rff->d + i) * RFF_LANES + f % RFF_LANES;
}

static void set_turns(struct rff *rff, size_t number, double turns)
{
    rff->turns[place_of(rff, (uint32_t)(number / rff->d), (uint32_t)(number % rff->d))] = turns;
}

struct rff *rff_new(uint32_t d, uint32_t frequencies, double sigma, uint64_t seed)
{
    struct rff *rff = sigma > 0 ? rff_alloc(d, frequencies) : NULL;
    if (!rff)
        return NULL;
    size_t count = (size_t)d * frequencies;
    for (size_t i = 0; i < count; i += 2) {
        double u = ((double)(splitmix64(&seed) >> 11) + 1) * 0x1p-53; /* (0, 1] */
        double v = (double)(splitmix64(&seed) >> 11) * 0x1p-53;
        double radius = sqrt(-2 * portable_log(u));
        double c, s;
        turn_cos_sin(v, &c, &s);
        set_turns(rff, i, (double)(float)(radius * c / sigma / 6.283185307179586476925));
        if (i + 1 < count)
            set_turns(rff, i + 1, (double)(float)(radius * s / sigma / 6.283185307179586476925));
    }
    return rff;
}

struct rff *rff_from_omega(const double *omega, uint32_t d, uint32_t frequencies)
{
    struct rff *rff = rff_alloc(d, frequencies);
    for (size_t i = 0; rff && i < (size_t)d * frequencies; i++)
        set_turns(rff, i, omega[i] / 6.283185307179586476925);
    return rff;
}

void rff_free(struct rff *rff)
{
    free(rff);
}

/* ---- features: four lanes of IEEE doubles, so the same bits with and without AVX ---- */

typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef int64_t bits __attribute__((vector_size(32)));
enum { LANES = 4, VECTORS = RFF_LANES / LANES };
#define ABSOLUTE(v) ((lanes)((bits)(v)&INT64_MAX))

/* Cosines and sines of RFF_LANES frequencies, scaled; 0 where a turn is so large that it has no fraction, or
 * not a number. */
static inline __attribute__((always_inline)) void
block_features(const double *turns, const double *x, uint32_t d, double scale, double *c, double *s)
{
    lanes t[VECTORS] = {{0}};
    for (uint32_t i = 0; i < d; i++)
        for (unsigned v = 0; v < VECTORS; v++)
            t[v] += *(const lanes *)(const void *)(turns + (size_t)i * RFF_LANES + v * LANES) * x[i];
    for (unsigned v = 0; v < VECTORS; v++) {
        bits has_fraction = t[v] * t[v] < 0x1p100;
        lanes turn = (lanes)((bits)t[v] & has_fraction), cosine, sine;
        lanes weight = (lanes)((bits)(turn * 0 + scale) & has_fraction);
        TURN_COS_SIN(turn, lanes, ABSOLUTE, cosine, sine)
        *(lanes *)(void *)(c + v * LANES) = cosine * weight;
        *(lanes *)(void *)(s + v * LANES) = sine * weight;
    }
}

static inline __attribute__((always_inline)) void all_features(const struct rff *rff, const double *x,
                                                               double *out)
{
    double scale = 1 / sqrt(rff->frequencies), c[RFF_LANES], s[RFF_LANES];
    for (uint32_t first = 0; first < rff->frequencies; first += RFF_LANES) {
        block_features(rff->turns + (size_t)first * rff->d, x, rff->d, scale, c, s);
        uint32_t left = rff->frequencies - first;
        size_t bytes = (left < RFF_LANES ? left : RFF_LANES) * sizeof(double);
        memcpy(out + first, c, bytes);
        memcpy(out + rff->frequencies + first, s, bytes);
    }
}

void rff_features_portable(const struct rff *rff, const double *x, double *out)
{
    all_features(rff, x, out);
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) static void features_avx2(const struct rff *rff, const double *x, double *out)
{
    all_features(rff, x, out);
}

void rff_features(const struct rff *rff, const double *x, double *out)
{
    if (__builtin_cpu_supports("avx2"))
        features_avx2(rff, x, out);
    else
        rff_features_portable(rff, x, out);
}

#else

void rff_features(const struct rff *rff, const double *x, double *out)
{
    rff_features_portable(rff, x, out);
}

#endif
