#ifndef DRIFTD_DETECTORS_GRID_BUILD_H
#define DRIFTD_DETECTORS_GRID_BUILD_H
/*
 * Making grids: from sorted reference values (reference.c) or from a stored description (reference_json.c).
 * A feature_grid is filled by one of the two setters, then grid_finish makes the grid whole. Private to
 * detectors/.
 */
#include "detectors/grid.h"

enum {
    GRID_EDGES_MAX = GRID_SLOTS_MAX - 3, /* below … above are edge_count + 1 slots, then missing, invalid */
    GRID_CATEGORY_BYTES_MAX = 256,       /* longer names count as `other` */
    GRID_KNOWN_MAX = 1 << 20,            /* reference categories of one feature */
    GRID_FEATURES_MAX = 4096             /* of one grid */
};

/* As grid_build_edges, from ascending finite values with weights (NULL: 1 each); equal values may repeat. */
uint32_t grid_edges_of_sorted(const double *values, const uint64_t *weights, size_t count, uint32_t fine_bins,
                              uint32_t discrete_max, double *out_edges, bool *out_discrete);

/* Mean and population standard deviation (0 becomes 1) of ascending finite values. Exact in the sense that
 * a constant sample has its value as mean. */
void grid_moments_of_sorted(const double *values, const uint64_t *weights, size_t count, double *out_location,
                            double *out_scale);

/* As grid_coarse_groups, but a group never crosses a border of `parent` (group numbers from 0, ascending), of
 * which there are at most `coarse_bins`. */
uint32_t grid_nested_groups(const uint64_t *counts, uint32_t bin_count, uint32_t coarse_bins,
                            const uint8_t *parent, uint8_t *out_group);

/* Takes a copy of the edges. `coarse_group` and `psi_group` have edge_count−1 entries; PSI groups are unions
 * of coarse groups (BUG otherwise). */
int feature_grid_set_numeric(struct feature_grid *feature, const double *edges, uint32_t edge_count,
                             bool discrete, double location, double scale, const uint8_t *coarse_group,
                             const uint8_t *psi_group) MUST_USE;
/* Edges, moments and groups from ascending finite values. */
int feature_grid_from_sorted(struct feature_grid *feature, const double *values, const uint64_t *weights,
                             size_t count) MUST_USE;
/* Takes copies. `categories` in slot order, `known_hashes` ascending. */
int feature_grid_set_categories(struct feature_grid *feature, const struct text *categories,
                                uint32_t category_count, const uint64_t *known_hashes,
                                uint32_t known_count) MUST_USE;

/* A grid of unnamed features, all zero; NULL when out of memory. */
struct grid *grid_new(uint32_t feature_count);
/* Sorts the features by name and computes the id. Names are set and differ. */
int grid_finish(struct grid *grid) MUST_USE;
struct grid *grid_copy(const struct grid *grid);

#endif
