#ifndef DRIFTD_DETECTORS_FEATURES_PRIVATE_H
#define DRIFTD_DETECTORS_FEATURES_PRIVATE_H
/* What features.c, feature_cell.c and reference.c share. Private to detectors/. */
#include "detectors/bin_kernels.h"
#include "detectors/features.h"

/* What feature_layout_new really allocates. */
struct layout {
    struct feature_layout face;
    const struct bin_kernels *kernels;
    uint32_t padded;
    uint8_t *coarse_map; /* 256 per feature: fine slot → slot of this layout; NULL when fine */
};

static inline const struct layout *layout_of(const struct feature_layout *face)
{
    return (const struct layout *)(const void *)face;
}

static inline uint32_t feature_padded(uint32_t feature_count)
{
    return (feature_count + BIN_LANES - 1) / BIN_LANES * BIN_LANES;
}

/* Is it the fine slot of numbers above the range? */
static inline bool feature_slot_is_above(const struct feature_grid *feature, uint32_t slot)
{
    return feature->edge_count > 0 && slot == feature->edge_count;
}

/* @score and its like: names that only what a prediction says may have. */
bool feature_name_is_reserved(struct text name);

enum { CATEGORY_TEXT_MAX = 24 };

/* The category that a value names, if it can name one; integers are written into `buffer`. */
bool feature_category(const struct value *value, char buffer[CATEGORY_TEXT_MAX], struct text *out);

/* Adds an event `times` times to a tally of the layout, without a cell. */
void feature_row_tally(const struct feature_layout *layout, const struct feature_row *row, uint64_t times,
                       struct tally *into);

/* As feature_layout_new and feature_binding_new, with kernels of the caller's choice (tests). */
struct feature_layout *feature_layout_new_with(const struct grid *grid, enum grid_resolution resolution,
                                               const struct bin_kernels *kernels);
struct feature_binding *feature_binding_new_with(const struct grid *grid, const struct bin_kernels *kernels);

#endif
