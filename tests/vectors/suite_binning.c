/* Suite binning: grids of reference values, and the seasonal mixture. */
#include <stdlib.h>

#include "detectors/grid.h"
#include "detectors/seasonal.h"
#include "tests/vectors/vectors.h"

/* The range's ends join the outermost coarse bins. */
static void put_coarse_map(struct vector_case *vc, const uint64_t *counts, uint32_t edge_count,
                           uint32_t coarse_bins)
{
    uint32_t bins = edge_count + 1, inner = edge_count - 1;
    uint8_t *map = case_alloc(vc, bins, 1);
    (void)grid_coarse_groups(counts + 1, inner, coarse_bins, map + 1);
    map[0] = map[1];
    map[bins - 1] = map[inner];
    case_put_bytes(vc, "coarse_map", map, bins);
}

/* The values asked about: what the case lists, else nothing. */
static void put_query(struct vector_case *vc, const double *edges, uint32_t edge_count)
{
    const cJSON *query = case_has(vc->input, "query") ? vc->input : vc->expect;
    size_t count;
    if (!query || !case_has(query, "query"))
        return;
    const double *values = case_numbers(vc, query, "query", &count);
    uint64_t *bins = case_alloc(vc, count, sizeof *bins);
    for (size_t i = 0; i < count; i++)
        bins[i] = grid_lower_bound(edges, edge_count, values[i]);
    case_put_numbers(vc, "query", values, count);
    case_put_counts(vc, "query_bin", bins, count);
}

static void run_build_grid(struct vector_case *vc)
{
    size_t count;
    double *values = case_numbers(vc, vc->input, "values", &count);
    uint32_t fine_bins = (uint32_t)case_count(vc, vc->input, "fine_bins");
    uint32_t coarse_bins = (uint32_t)case_count(vc, vc->input, "coarse_bins");
    uint32_t discrete_max = (uint32_t)case_count(vc, vc->input, "discrete_max");
    double *edges = case_alloc(vc, 2 * (size_t)fine_bins + 2, sizeof *edges);
    bool discrete = false;
    uint32_t edge_count = grid_build_edges(values, count, fine_bins, discrete_max, edges, &discrete);
    uint64_t *counts = case_alloc(vc, (size_t)edge_count + 1, sizeof *counts);
    for (size_t i = 0; i < count; i++)
        if (values[i] - values[i] == 0)
            counts[grid_lower_bound(edges, edge_count, values[i])]++;
    case_put_string(vc, "kind", discrete ? "discrete" : "continuous");
    case_put_numbers(vc, "edges", edges, edge_count);
    case_put_counts(vc, "ref_counts", counts, (size_t)edge_count + 1);
    put_query(vc, edges, edge_count);
    if (edge_count >= 2)
        put_coarse_map(vc, counts, edge_count, coarse_bins);
}

static void run_seasonal_reference(struct vector_case *vc)
{
    const cJSON *list = case_item(vc, vc->input, "strata"), *item;
    struct stratum *strata = case_alloc(vc, (size_t)cJSON_GetArraySize(list), sizeof *strata);
    uint32_t count = 0;
    size_t bins = 0, previous = 0;
    cJSON_ArrayForEach(item, list)
    {
        strata[count].reference = case_counts(vc, item, "ref", &bins);
        strata[count].current_n = case_count(vc, item, "cur_n");
        if (count++ > 0 && bins != previous) {
            case_fail(vc, "strata differ in bins");
            return;
        }
        previous = bins;
    }
    double *mixture = case_alloc(vc, bins, sizeof *mixture), effective_rows;
    (void)seasonal_mixture(strata, count, (uint32_t)bins, mixture, &effective_rows);
    case_put_numbers(vc, "mixture", mixture, bins);
    case_put(vc, "M_eff", effective_rows);
}

const struct vector_handler binning_handlers[] = {
    {"build_grid", run_build_grid},
    {"seasonal_reference", run_seasonal_reference},
    {NULL, NULL},
};
