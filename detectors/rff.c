#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/multivariate.h"

/*
 * Random Fourier features. Neither the frequencies nor the features call libm (but for sqrt and rint, which
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

/* cos and sin of 2π·t by products and sums only: reduced to an eighth of a turn. */
static void turn_cos_sin(double t, double *out_cos, double *out_sin)
{
    double fraction = t - rint(t); /* exact */
    double quarter = rint(4 * fraction);
    double a = 6.283185307179586476925 * (fraction - quarter / 4);
    double a2 = a * a;
    double sine = 0;
    double cosine = 0;
    for (int k = 0; k < 8; k++) {
        cosine = (1 + cosine) * -a2 * cosine_terms[k];
        sine = (1 + sine) * -a2 * sine_terms[k];
    }
    cosine += 1;
    sine = a * (1 + sine);
    int turn = (int)quarter & 3;
    double c = turn & 1 ? sine : cosine, s = turn & 1 ? cosine : sine;
    *out_cos = turn == 1 || turn == 2 ? -c : c;
    *out_sin = turn >= 2 ? -s : s;
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

void rff_features(const struct rff *rff, const double *x, double *out)
{
    double scale = 1 / sqrt(rff->frequencies);
    const double *turns = rff->turns;
    for (uint32_t first = 0; first < rff->frequencies; first += RFF_LANES) {
        double t[RFF_LANES] = {0};
        for (uint32_t i = 0; i < rff->d; i++, turns += RFF_LANES)
            for (unsigned lane = 0; lane < RFF_LANES; lane++)
                t[lane] += turns[lane] * x[i];
        for (uint32_t f = first; f < first + RFF_LANES && f < rff->frequencies; f++) {
            double c = 0, s = 0;
            if (fabs(t[f - first]) < 0x1p50) /* else no fraction left, or not a number */
                turn_cos_sin(t[f - first], &c, &s);
            out[f] = scale * c;
            out[rff->frequencies + f] = scale * s;
        }
    }
}
