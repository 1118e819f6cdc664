/* Suite continuous: two-sample statistics of raw values, put on a grid where every value has its own bin, and
 * of ordered bins. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/intervals.h"
#include "detectors/ordered.h"

#include "tests/vectors/vectors.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Edges nextafter(u), u for every distinct value: bin 2i+1 holds the i-th value, the others are gaps. */
static size_t value_edges(struct vector_case *vc, const double *a, size_t na, const double *b, size_t nb,
                          double **out_edges)
{
    size_t count = na + nb, edges = 0;
    double *all = case_alloc(vc, count, sizeof *all);
    *out_edges = case_alloc(vc, 2 * count + 1, sizeof **out_edges);
    memcpy(all, a, na * sizeof *all);
    memcpy(all + na, b, nb * sizeof *all);
    qsort(all, count, sizeof *all, ascending);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && all[i] == all[i - 1])
            continue;
        (*out_edges)[edges++] = nextafter(all[i], -INFINITY);
        (*out_edges)[edges++] = all[i];
    }
    return edges;
}

static uint64_t *count_values(struct vector_case *vc, const double *values, size_t count, const double *edges,
                              size_t edge_count)
{
    uint64_t *counts = case_alloc(vc, edge_count + 1, sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        size_t bin = 0;
        while (bin < edge_count && edges[bin] < values[i])
            bin++;
        counts[bin]++;
    }
    return counts;
}

struct sample_moments {
    double mean, variance; /* population */
};

static struct sample_moments moments_of(const double *values, size_t count)
{
    struct sample_moments m = {0, 0};
    for (size_t i = 0; i < count; i++)
        m.mean += values[i] / (double)count;
    for (size_t i = 0; i < count; i++)
        m.variance += (values[i] - m.mean) * (values[i] - m.mean) / (double)count;
    return m;
}

/* Sample variances of fewer than two values are NaN, and so is the test. */
static void put_welch(struct vector_case *vc, struct sample_moments a, double na, struct sample_moments b,
                      double nb)
{
    struct welch w = welch_test(a.mean, sqrt(a.variance * na / (na - 1)), na, b.mean,
                                sqrt(b.variance * nb / (nb - 1)), nb, 0.05);
    case_put(vc, "welch_t", w.t);
    case_put(vc, "welch_p", w.p);
}

static void put_tests(struct vector_case *vc, const struct count_pair *pair, double d)
{
    double cvm = cvm_midrank(pair), a2 = anderson_darling(pair);
    case_put(vc, "ks_p_asymp_kolmogorov", ks_p(d, pair->n, pair->M, false));
    case_put(vc, "ks_p_stephens", ks_p(d, pair->n, pair->M, true));
    case_put(vc, "ks_p_exact", ks_p_exact(d, pair->n, pair->M));
    case_put(vc, "n_eff", 1 / count_pair_variance(pair));
    case_put(vc, "cvm_T", cvm);
    case_put(vc, "cvm_T_scipy", cvm);
    case_put(vc, "cvm_p_asymp_scipy", cvm_p(cvm, pair->n, pair->M));
    case_put(vc, "ad_A2", a2);
    case_put(vc, "ad_normalised_scipy", anderson_darling_standardised(a2, pair->n, pair->M));
    case_put(vc, "mwu_auc", superiority(pair));
}

static void run_two_sample_raw(struct vector_case *vc)
{
    size_t M, n;
    const double *reference = case_numbers(vc, vc->input, "ref", &M);
    const double *current = case_numbers(vc, vc->input, "cur", &n);
    double *edges;
    size_t edge_count = value_edges(vc, reference, M, current, n, &edges);
    struct ordered_pair pair = {.edges = edges};
    pair.counts = count_pair_of(count_values(vc, reference, M, edges, edge_count),
                                count_values(vc, current, n, edges, edge_count), (uint32_t)edge_count + 1);
    struct ordered_distances d = ordered_distances(&pair);
    struct sample_moments mr = moments_of(reference, M), mc = moments_of(current, n);
    double sd = sqrt(mr.variance);
    case_put(vc, "ks", d.ks);
    case_put(vc, "w1", d.w1);
    case_put(vc, "energy", d.energy);
    case_put(vc, "energy_sq", d.energy * d.energy);
    case_put(vc, "ref_std_pop", sd);
    case_put(vc, "w1_over_refstd", normalised_distance(d.w1, sd));
    case_put(vc, "cvm_binned", cvm_binned(&pair));
    put_tests(vc, &pair.counts, d.ks);
    put_welch(vc, mr, (double)M, mc, (double)n);
}

/* Bins with a lowest and a highest value instead of open ends: empty bins go outside. */
static void run_grid_ks_w1(struct vector_case *vc)
{
    size_t inner, bins, current_bins;
    const double *inner_edges = case_numbers(vc, vc->input, "edges_right_closed", &inner);
    const uint64_t *reference = case_counts(vc, vc->input, "ref", &bins);
    const uint64_t *current = case_counts(vc, vc->input, "cur", &current_bins);
    if (bins != inner + 1 || current_bins != bins) {
        case_fail(vc, "edges and counts do not fit together");
        return;
    }
    double *edges = case_alloc(vc, inner + 2, sizeof *edges);
    uint64_t *r = case_alloc(vc, bins + 2, sizeof *r), *c = case_alloc(vc, bins + 2, sizeof *c);
    edges[0] = case_number(vc, vc->input, "min");
    memcpy(edges + 1, inner_edges, inner * sizeof *edges);
    edges[inner + 1] = case_number(vc, vc->input, "max");
    memcpy(r + 1, reference, bins * sizeof *r);
    memcpy(c + 1, current, bins * sizeof *c);
    struct ordered_pair pair = {.edges = edges, .counts = count_pair_of(r, c, (uint32_t)bins + 2)};
    struct ordered_distances d = ordered_distances(&pair);
    case_put(vc, "ks_grid", d.ks);
    case_put(vc, "ks_upper", d.ks_upper);
    case_put(vc, "w1_lower", d.w1_lower);
    case_put(vc, "w1_upper", d.w1_upper);
    case_put(vc, "w1_trapezoid", d.w1);
    case_put_bracket(vc, "ks_exact", d.ks, d.ks_upper);
    case_put_bracket(vc, "w1_exact", d.w1_lower, d.w1_upper);
    case_put(vc, "energy", d.energy);
    case_put(vc, "w1_noise", w1_noise(&pair));
}

const struct vector_handler continuous_handlers[] = {
    {"two_sample_raw", run_two_sample_raw},
    {"grid_ks_w1", run_grid_ks_w1},
    {NULL, NULL},
};
