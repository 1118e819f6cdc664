#include "detectors/grid_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/compiler.h"

/* The next double below a finite one. */
static double next_below(double x)
{
    uint64_t bits;
    if (x == 0)
        return -4.9406564584124654e-324;
    memcpy(&bits, &x, sizeof(bits));
    bits = x > 0 ? bits - 1 : bits + 1;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint64_t weight_at(const uint64_t *weights, size_t i)
{
    return weights ? weights[i] : 1;
}

static uint64_t total_weight(const uint64_t *weights, size_t count)
{
    if (!weights)
        return count;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += weights[i];
    return total;
}

/* The mass of the run of equal values at *at, which moves behind it. */
static uint64_t run_weight(const double *values, const uint64_t *weights, size_t count, size_t *at)
{
    double value = values[*at];
    uint64_t mass = 0;
    for (; *at < count && values[*at] == value; (*at)++)
        mass += weight_at(weights, *at);
    return mass;
}

static size_t count_distinct(const double *values, size_t count, size_t enough)
{
    size_t distinct = 0;
    for (size_t i = 0; i < count && distinct <= enough; i++)
        distinct += i == 0 || values[i] != values[i - 1];
    return distinct;
}

/* A bin of its own for `value`, with a gap bin in front where the last edge is further below. */
static uint32_t push_singleton(double *edges, uint32_t edge_count, double value)
{
    double below = next_below(value);
    if (below > edges[edge_count - 1])
        edges[edge_count++] = below;
    edges[edge_count++] = value;
    return edge_count;
}

static uint32_t discrete_edges(const double *values, size_t count, double *edges)
{
    uint32_t edge_count = 1;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || values[i] != values[i - 1])
            edge_count = push_singleton(edges, edge_count, values[i]);
    return edge_count;
}

static uint32_t quantile_edges(const double *values, const uint64_t *weights, size_t count, uint32_t bins,
                               double *edges)
{
    uint128 total = total_weight(weights, count);
    uint32_t edge_count = 1;
    uint64_t open_mass = 0;
    for (size_t i = 0; i < count;) {
        double value = values[i];
        uint64_t mass = run_weight(values, weights, count, &i);
        if (mass >= 2 && (uint128)mass * bins >= total) {
            edge_count = push_singleton(edges, edge_count, value);
            open_mass = 0;
            continue;
        }
        open_mass += mass;
        if ((uint128)open_mass * bins >= total) {
            edges[edge_count++] = value;
            open_mass = 0;
        }
    }
    if (open_mass)
        edges[edge_count++] = values[count - 1];
    return edge_count;
}

uint32_t grid_edges_of_sorted(const double *values, const uint64_t *weights, size_t count, uint32_t fine_bins,
                              uint32_t discrete_max, double *out_edges, bool *out_discrete)
{
    *out_discrete = false;
    if (count == 0 || fine_bins == 0)
        return 0;
    size_t distinct = count_distinct(values, count, discrete_max);
    uint32_t step = fine_bins >= 10 ? fine_bins / 10 : 1;
    for (uint32_t bins = fine_bins;; bins -= step) {
        out_edges[0] = next_below(values[0]);
        *out_discrete = distinct <= bins && distinct <= discrete_max;
        uint32_t edge_count = *out_discrete ? discrete_edges(values, count, out_edges)
                                            : quantile_edges(values, weights, count, bins, out_edges);
        /* At most 2·bins + 2 edges: point masses close bins early. */
        if (edge_count <= GRID_EDGES_MAX || bins <= step)
            return edge_count <= GRID_EDGES_MAX ? edge_count : 0;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

uint32_t grid_build_edges(double *values, size_t count, uint32_t fine_bins, uint32_t discrete_max,
                          double *out_edges, bool *out_discrete)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]) && isfinite(next_below(values[i])))
            values[kept++] = values[i] + 0.0; /* one zero */
    qsort(values, kept, sizeof(*values), compare_doubles);
    return grid_edges_of_sorted(values, NULL, kept, fine_bins, discrete_max, out_edges, out_discrete);
}

void grid_moments_of_sorted(const double *values, const uint64_t *weights, size_t count, double *out_location,
                            double *out_scale)
{
    *out_location = 0;
    *out_scale = 1;
    if (count == 0)
        return;
    /* Relative to the minimum, so that a constant gives exactly itself; long double against overflow. */
    long double origin = values[0], sum = 0, squares = 0;
    long double total = (long double)total_weight(weights, count);
    for (size_t i = 0; i < count; i++)
        sum += ((long double)values[i] - origin) * (long double)weight_at(weights, i);
    long double mean = sum / total;
    for (size_t i = 0; i < count; i++) {
        long double deviation = (long double)values[i] - origin - mean;
        squares += deviation * deviation * (long double)weight_at(weights, i);
    }
    double scale = (double)sqrtl(squares / total);
    *out_location = (double)(origin + mean);
    *out_scale = scale > 0 ? scale : 1;
}

/* Greedy from the left: a group closes when it holds its even share of the mass not yet closed. A group never
 * opens for bins without mass, and leaves later parents at least one group each. */
static uint32_t merge_bins(const uint64_t *counts, uint32_t bin_count, uint32_t groups, const uint8_t *parent,
                           uint8_t *out_group)
{
    if (bin_count == 0 || groups == 0)
        return 0;
    uint64_t mass_left = total_weight(counts, bin_count), mass = 0;
    uint32_t groups_left = groups;
    uint8_t group = 0;
    for (uint32_t bin = 0; bin < bin_count; bin++) {
        out_group[bin] = group;
        mass += counts[bin];
        if (bin + 1 == bin_count)
            break;
        uint32_t parents_left = parent ? parent[bin_count - 1] - parent[bin + 1] + 1u : 1u;
        bool border = parent && parent[bin] != parent[bin + 1];
        bool full = mass > 0 && mass < mass_left && (uint128)mass * groups_left >= mass_left;
        if (border || (full && groups_left > parents_left)) {
            mass_left -= mass;
            mass = 0;
            groups_left--;
            group++;
        }
    }
    return group + 1u;
}

uint32_t grid_coarse_groups(const uint64_t *counts, uint32_t bin_count, uint32_t coarse_bins,
                            uint8_t *out_group)
{
    return merge_bins(counts, bin_count, coarse_bins, NULL, out_group);
}

uint32_t grid_nested_groups(const uint64_t *counts, uint32_t bin_count, uint32_t coarse_bins,
                            const uint8_t *parent, uint8_t *out_group)
{
    return merge_bins(counts, bin_count, coarse_bins, parent, out_group);
}

int feature_grid_from_sorted(struct feature_grid *feature, const double *values, const uint64_t *weights,
                             size_t count)
{
    double edges[2 * GRID_FINE_BINS + 2];
    uint64_t counts[GRID_EDGES_MAX] = {0};
    uint8_t coarse[GRID_EDGES_MAX], psi[GRID_EDGES_MAX];
    double location, scale;
    bool discrete;
    grid_moments_of_sorted(values, weights, count, &location, &scale);
    /* The lowest double has none below it that could be an edge: it counts as below the range. */
    size_t skip = 0;
    while (skip < count && !isfinite(next_below(values[skip])))
        skip++;
    values += skip;
    weights = weights ? weights + skip : NULL;
    count -= skip;
    uint32_t edge_count =
        grid_edges_of_sorted(values, weights, count, GRID_FINE_BINS, GRID_DISCRETE_MAX, edges, &discrete);
    uint32_t bins = edge_count ? edge_count - 1 : 0;
    for (size_t i = 0; i < count; i++)
        counts[grid_lower_bound(edges, edge_count, values[i]) - 1] += weight_at(weights, i);
    (void)grid_coarse_groups(counts, bins, GRID_PSI_BINS, psi);
    (void)grid_nested_groups(counts, bins, GRID_COARSE_BINS, psi, coarse);
    return feature_grid_set_numeric(feature, edges, edge_count, discrete, location, scale, coarse, psi);
}
