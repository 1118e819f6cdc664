/* ordered.c: brackets and estimates against raw values, degenerate inputs, known critical values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/base/hash.h"
#include "detectors/ordered.h"
#include "detectors/special.h"

enum { VALUES_MAX = 4000, EDGES = 240 };

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static double random_unit(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return ((double)(hash_mix(*state) >> 11) + 0.5) * 0x1p-53;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct sample {
    double values[VALUES_MAX];
    size_t count;
    uint64_t counts[EDGES + 1];
    struct tails tails;
};

static void draw(struct sample *s, size_t count, double shift, double scale, uint64_t *seed)
{
    s->count = count;
    for (size_t i = 0; i < count; i++)
        s->values[i] = shift + scale * normal_ppf(random_unit(seed));
    qsort(s->values, count, sizeof *s->values, ascending);
}

static void count_on(struct sample *s, const double *edges, uint32_t edge_count)
{
    memset(s->counts, 0, sizeof s->counts);
    s->tails = (struct tails){0, 0};
    for (size_t i = 0; i < s->count; i++) {
        double x = s->values[i];
        uint32_t b = 0;
        while (b < edge_count && edges[b] < x)
            b++;
        s->counts[b]++;
        if (b == 0)
            s->tails.below += (edges[0] - x) / (double)s->count;
        if (b == edge_count)
            s->tails.above += (x - edges[edge_count - 1]) / (double)s->count;
    }
}

struct truth {
    double ks, w1, energy;
};

/* By merging the sorted values. */
static struct truth exact(const struct sample *a, const struct sample *b)
{
    struct truth t = {0, 0, 0};
    size_t i = 0, j = 0;
    double before = 0, gap = 0, squares = 0;
    while (i < a->count || j < b->count) {
        double x =
            i < a->count && (j >= b->count || a->values[i] <= b->values[j]) ? a->values[i] : b->values[j];
        t.w1 += fabs(gap) * (i + j ? x - before : 0);
        squares += gap * gap * (i + j ? x - before : 0);
        while (i < a->count && a->values[i] == x)
            i++;
        while (j < b->count && b->values[j] == x)
            j++;
        gap = (double)i / (double)a->count - (double)j / (double)b->count;
        t.ks = fmax(t.ks, fabs(gap));
        before = x;
    }
    t.energy = sqrt(2 * squares);
    return t;
}

static struct ordered_pair pair_of(const struct sample *r, const struct sample *c, const double *edges,
                                   uint32_t edge_count)
{
    return (struct ordered_pair){.counts = count_pair_of(r->counts, c->counts, edge_count + 1),
                                 .edges = edges,
                                 .reference_tails = r->tails,
                                 .current_tails = c->tails};
}

/* Brackets hold for any data and grid; with 240 quantile bins estimates are close. */
static void test_brackets(void **state)
{
    static const double shifts[] = {0, 0.1, 1, 8}, scales[] = {1, 0.3, 3};
    static const uint32_t bins[] = {240, 20, 3};
    static struct sample r, c;
    uint64_t seed = 7;
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(shifts) * ARRAY_LEN(scales) * ARRAY_LEN(bins); k++) {
        uint32_t count = bins[k % 3];
        double edges[EDGES];
        draw(&r, 3000, 0, 1, &seed);
        draw(&c, 500, shifts[k / 3 % 4], scales[k / 12], &seed);
        for (uint32_t e = 0; e < count; e++)
            edges[e] = e == 0 ? nextafter(r.values[0], -INFINITY) : r.values[e * 2999 / (count - 1)];
        count_on(&r, edges, count);
        count_on(&c, edges, count);
        struct ordered_pair pair = pair_of(&r, &c, edges, count);
        struct ordered_distances d = ordered_distances(&pair);
        struct truth t = exact(&r, &c);
        assert_true(d.ks <= t.ks + 1e-12 && t.ks <= d.ks_upper + 1e-12);
        assert_true(d.w1_lower <= t.w1 + 1e-12 && t.w1 <= d.w1_upper + 1e-12);
        assert_true(d.w1_lower <= d.w1 + 1e-12 && d.w1 <= d.w1_upper + 1e-12);
        if (count == 240) {
            assert_true(d.ks_upper - d.ks <= 1 / 239.0 + 0.004 || shifts[k / 3 % 4] >= 8 ||
                        scales[k / 12] != 1);
            near(d.w1, t.w1, 0.01 + 0.02 * t.w1);
            /* Of what lies outside the grid only the mean is known. */
            bool outside = c.counts[0] + c.counts[count] > c.count / 20;
            near(d.energy, t.energy, (outside ? 0.25 : 0.05) * t.energy + 0.002);
        }
    }
}

/* Every value with a bin of its own: everything is exact, KS without a bracket. */
static void test_singletons(void **state)
{
    static struct sample r, c;
    double edges[24];
    uint64_t seed = 3;
    (void)state;
    for (int v = 0; v < 12; v++) {
        edges[2 * v] = nextafter(v, -INFINITY);
        edges[2 * v + 1] = v;
    }
    for (int round = 0; round < 20; round++) {
        draw(&r, 400, 5, 2, &seed);
        draw(&c, 90, 6, 2, &seed);
        for (size_t i = 0; i < r.count; i++)
            r.values[i] = fmin(11, fmax(0, floor(r.values[i])));
        for (size_t i = 0; i < c.count; i++)
            c.values[i] = fmin(11, fmax(0, floor(c.values[i])));
        count_on(&r, edges, 24);
        count_on(&c, edges, 24);
        struct ordered_pair pair = pair_of(&r, &c, edges, 24);
        struct ordered_distances d = ordered_distances(&pair);
        struct truth t = exact(&r, &c);
        near(d.ks, t.ks, 1e-14);
        near(d.ks_upper, t.ks, 1e-14);
        near(d.w1, t.w1, 1e-13);
        near(d.w1_upper, t.w1, 1e-13);
        near(d.w1_lower, t.w1, 1e-13);
        near(d.energy, t.energy, 1e-12);
    }
}

/* 70 % zeros: zero is a value of its own although its bin is one denormal wide. */
static void test_zero_inflated(void **state)
{
    static struct sample r, c;
    double edges[22];
    uint64_t seed = 9;
    (void)state;
    edges[0] = nextafter(0, -INFINITY);
    for (int e = 0; e < 21; e++)
        edges[e + 1] = e * 0.2;
    draw(&r, 2000, 0, 1, &seed);
    draw(&c, 300, 0.1, 1, &seed);
    for (size_t i = 0; i < 2000; i++) {
        r.values[i] = fmax(0, r.values[i] - 0.5);
        c.values[i % 300] = fmax(0, c.values[i % 300]);
    }
    count_on(&r, edges, 22);
    count_on(&c, edges, 22);
    struct ordered_pair pair = pair_of(&r, &c, edges, 22);
    struct ordered_distances d = ordered_distances(&pair);
    struct truth t = exact(&r, &c);
    near(d.ks, t.ks, 0.02);
    assert_true(t.ks <= d.ks_upper && d.ks_upper < t.ks + 0.06);
    near(d.w1, t.w1, 0.01);
}

static void test_refine(void **state)
{
    static const uint64_t merged[3] = {7, 10, 5}, shape[7] = {0, 1, 0, 3, 0, 0, 0};
    static const uint8_t map[7] = {0, 1, 1, 1, 2, 2, 2};
    static const uint64_t want[7] = {7, 3, 0, 7, 2, 1, 2};
    uint64_t out[7];
    (void)state;
    refine_counts(merged, map, shape, 7, out);
    for (int b = 0; b < 7; b++)
        assert_int_equal(out[b], want[b]);
}

static void test_degenerate(void **state)
{
    static const uint64_t none[3] = {0, 0, 0}, some[3] = {0, 5, 0}, more[3] = {0, 50, 0};
    const double edges[2] = {nextafter(7, 0), 7};
    (void)state;
    struct ordered_pair empty = {.counts = count_pair_of(some, none, 3), .edges = edges};
    struct ordered_pair constant = {.counts = count_pair_of(some, more, 3), .edges = edges};
    struct ordered_pair single = {.counts = count_pair_of(some + 1, more + 1, 1), .edges = edges};
    struct ordered_distances d = ordered_distances(&empty);
    assert_true(isnan(d.ks) && isnan(d.w1) && isnan(d.energy) && isnan(w1_noise(&empty)));
    assert_true(isnan(cvm_midrank(&empty.counts)) && isnan(cvm_binned(&empty)) &&
                isnan(anderson_darling(&empty.counts)) && isnan(superiority(&empty.counts)));
    assert_true(isnan(ks_p(0.1, 0, 5, false)) && isnan(ks_p_exact(0.1, 0, 5)) && isnan(cvm_p(0.1, 0, 5)));
    for (int i = 0; i < 2; i++) {
        const struct ordered_pair *pair = i ? &single : &constant;
        d = ordered_distances(pair);
        assert_true(d.ks == 0 && d.w1 == 0 && d.w1_upper == 0 && d.energy == 0);
        assert_true(d.ks_upper == i); /* a bin without bounds can hide anything */
        assert_true(cvm_binned(pair) == 0 && anderson_darling(&pair->counts) == 0 && w1_noise(pair) == 0);
        near(superiority(&pair->counts), 0.5, 1e-15);
    }
    assert_true(normalised_distance(0, 0) == 0 && isnan(normalised_distance(1, 0)) &&
                normalised_distance(1, 2) == 0.5);
    assert_true(ks_p(0, 10, 10, true) == 1 && ks_p_exact(0, 10, 10) == 1);
    assert_true(isnan(winsorised_sd(some, edges, 1, 0.01)) && isnan(winsorised_sd(none, edges, 3, 0.01)));
}

/* Small samples where all C(n+M, n) orders can be counted by hand. */
static void test_ks_exact(void **state)
{
    (void)state;
    near(ks_p_exact(1, 1, 1), 1, 1e-15);
    near(ks_p_exact(1, 3, 3), 2 / 20.0, 1e-15); /* two of 20 orders separate the samples */
    near(ks_p_exact(2 / 3.0, 3, 3), 0.6, 1e-14);
    near(ks_p_exact(1, 2, 5), 2 / 21.0, 1e-15);
    near(ks_p_exact(0.2, 50, 60), ks_p(0.2, 50, 60, true), 0.04);
    assert_true(isnan(ks_p_exact(0.5, 1 << 20, 1 << 20)));
}

static void test_critical_values(void **state)
{
    static const double levels[] = {0.1, 0.05, 0.01, 0.001}, cvm[] = {0.3473, 0.4614, 0.7435, 1.1679};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        near(cvm_p(cvm[i], 1000000, 1000000), levels[i], 2e-4 * levels[i] + 1e-5);
        double d = ks_critical(levels[i], 1 / 4000.0 + 1 / 4000.0);
        near(ks_p(d, 4000, 4000, false), levels[i], 0.01 * levels[i]); /* the series' first term */
    }
}

/* J = ∫√(Φ(1−Φ)) = 1.6147 less what lies beyond the range; a normal's winsorised sd. */
static void test_normal_grid(void **state)
{
    static uint64_t counts[EDGES + 1];
    double edges[EDGES];
    (void)state;
    for (int e = 0; e < EDGES; e++)
        edges[e] = normal_ppf((e + 0.02) / (EDGES - 1 + 0.04));
    for (int b = 1; b < EDGES; b++)
        counts[b] = 100;
    struct ordered_pair pair = {.counts = count_pair_of(counts, counts, EDGES + 1), .edges = edges};
    double v = count_pair_variance(&pair.counts);
    near(w1_noise(&pair) / sqrt(2 * v / M_PI), 1.6147, 0.06);
    /* Var of a normal clipped at ±z: z² · 2·share + (1 − 2·share) − 2zφ(z) */
    double z = -normal_ppf(0.01), phi = exp(-z * z / 2) / sqrt(2 * M_PI);
    near(winsorised_sd(counts, edges, EDGES + 1, 0.01), sqrt(0.02 * z * z + 0.98 - 2 * z * phi), 0.003);
    near(winsorised_sd(counts, edges, EDGES + 1, 0), 1, 0.02);
    static const uint64_t two[5] = {0, 500, 0, 500, 0}, rare[5] = {0, 999, 0, 1, 0};
    const double pair_edges[4] = {nextafter(0, -1), 0, nextafter(4, 0), 4};
    near(winsorised_sd(two, pair_edges, 5, 0.01), 2, 1e-9);
    near(winsorised_sd(rare, pair_edges, 5, 0.01), 0, 1e-9);
}

/* The binned form does not grow with the imbalance of the samples, the midrank form does; on values without
 * ties they agree. */
static void test_cvm_forms(void **state)
{
    uint64_t r[20], c[20], seed = 11;
    double edges[19];
    (void)state;
    for (int b = 0; b < 20; b++) {
        r[b] = 500;
        c[b] = 50000;
        if (b < 19)
            edges[b] = b;
    }
    struct ordered_pair equal = {.counts = count_pair_of(r, c, 20), .edges = edges};
    near(cvm_binned(&equal), 0, 1e-12);
    double n = 1e6, M = 1e4;
    near(cvm_midrank(&equal.counts), (n - M) * (n - M) * (n + M) / (12 * 400 * n * M), 1e-4);
    /* 10,000 values in as many bins of one value each: no ties. */
    enum { BINS = 4000 };
    static uint64_t one[BINS], other[BINS];
    static double many_edges[BINS - 1];
    for (int b = 0; b < BINS; b++) {
        bool first = random_unit(&seed) < 0.3 + 0.2 * b / BINS;
        one[b] = first;
        other[b] = !first;
        if (b < BINS - 1)
            many_edges[b] = b;
    }
    struct ordered_pair values = {.counts = count_pair_of(one, other, BINS), .edges = many_edges};
    near(cvm_binned(&values), cvm_midrank(&values.counts), 0.01);
}

/* Size of the tests on 240 bins, 1000 draws: nominal 5 % within 4 standard deviations, floors in 1 %. */
static void test_null_sizes(void **state)
{
    enum { DRAWS = 1000, BINS = 240 };
    static uint64_t r[BINS], c[BINS];
    static double edges[BINS - 1];
    uint64_t seed = 5;
    int ks = 0, cvm = 0, ad = 0, w1 = 0;
    (void)state;
    for (int b = 0; b < BINS - 1; b++)
        edges[b] = b + 1;
    for (int draw_number = 0; draw_number < DRAWS; draw_number++) {
        memset(r, 0, sizeof r);
        memset(c, 0, sizeof c);
        for (int i = 0; i < 2000; i++)
            r[(int)(random_unit(&seed) * BINS)]++;
        for (int i = 0; i < 300; i++)
            c[(int)(random_unit(&seed) * BINS)]++;
        struct ordered_pair pair = {.counts = count_pair_of(r, c, BINS), .edges = edges};
        struct ordered_distances d = ordered_distances(&pair);
        ks += ks_p(d.ks, 300, 2000, false) < 0.05;
        cvm += cvm_p(cvm_binned(&pair), 300, 2000) < 0.05;
        ad += anderson_darling(&pair.counts) > 2.492;
        w1 += d.w1 > 2.5 * w1_noise(&pair);
    }
    assert_in_range(ks, 15, 65);
    assert_in_range(cvm, 22, 80);
    assert_in_range(ad, 22, 80);
    assert_in_range(w1, 0, 15);
}

static void test_superiority(void **state)
{
    static const uint64_t r[3] = {1, 1, 0}, c[3] = {0, 1, 1};
    (void)state;
    struct count_pair pair = count_pair_of(r, c, 3);
    near(superiority(&pair), (1 + 0.5 + 1 + 1) / 4.0, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brackets),        cmocka_unit_test(test_singletons),
        cmocka_unit_test(test_degenerate),      cmocka_unit_test(test_zero_inflated),
        cmocka_unit_test(test_refine),          cmocka_unit_test(test_ks_exact),
        cmocka_unit_test(test_critical_values), cmocka_unit_test(test_normal_grid),
        cmocka_unit_test(test_cvm_forms),       cmocka_unit_test(test_null_sizes),
        cmocka_unit_test(test_superiority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
