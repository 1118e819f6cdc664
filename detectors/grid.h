#ifndef DRIFTD_DETECTORS_GRID_H
#define DRIFTD_DETECTORS_GRID_H
/*
 * How features are counted (METHODS §2, DESIGN §7): per feature 240 reference-quantile bins or a dictionary
 * of categories. Immutable once built, shared by threads; its id is the hash of its canonical bytes. Panes of
 * two grids never add.
 *
 * Numeric slots of a feature, in this order: [0] below the reference minimum, [1 … edge_count−1] bins
 * (e_{i−1}, e_i], [edge_count] above the maximum (+inf too; −inf is below), then missing, invalid. Index =
 * number of edges strictly below x. At most 255 slots in all. Categorical slots: the top K categories by
 * reference count (ties by name), other, unseen, missing, invalid. The coarse form (segments, PSI, evidence)
 * merges adjacent bins: its slots are below, coarse bins…, above, missing, invalid; categorical features look
 * the same in both forms.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/text.h"

enum feature_type { FEATURE_NUMERIC, FEATURE_CATEGORICAL };

/* Features of a model that are not in `features`: same engine, reserved names. */
#define FEATURE_SCORE      "@score"
#define FEATURE_PREDICTION "@prediction"
#define FEATURE_CONFIDENCE "@confidence" /* confidence.h */
#define FEATURE_MARGIN     "@margin"
#define FEATURE_ENTROPY    "@entropy"

enum {
    GRID_FINE_BINS = 240,
    GRID_DISCRETE_MAX = 64,
    GRID_SLOTS_MAX = 255,
    GRID_CATEGORIES_MAX = 64,
    GRID_COARSE_BINS = 20, /* segments and evidence */
    GRID_PSI_BINS = 10     /* PSI and its relatives */
};

enum grid_resolution { GRID_FINE, GRID_COARSE, GRID_RESOLUTION_COUNT };

struct feature_grid {
    char *name;
    enum feature_type type;
    /* numeric */
    uint16_t edge_count; /* ≥ 2 when any reference value was finite, else 0: every value is out of range */
    bool discrete;       /* every reference value has a bin of its own */
    double *edges;       /* ascending, finite */
    double location, scale;                  /* standardisation of sums; scale > 0 */
    uint8_t coarse_slot[GRID_SLOTS_MAX + 1]; /* fine slot → coarse slot (GRID_COARSE_BINS form); PSI bins are
                                                unions of coarse bins */
    uint8_t psi_bin[GRID_SLOTS_MAX +
                    1]; /* fine slot → 0 … psi_bin_count−1 for valid values; 255 for missing/invalid */
    uint8_t coarse_psi_bin[GRID_SLOTS_MAX + 1]; /* the same from a coarse slot */
    uint8_t psi_bin_count;
    uint8_t coarse_bin_count;
    /* categorical */
    uint16_t category_count;
    char **categories; /* top K, by slot */
    uint32_t known_count;
    uint64_t *known_hashes; /* hash_text(name, 0) of every reference category beyond the top K, ascending:
                               they count as `other` */
    struct category_index *index; /* private */
    /* both */
    uint16_t slot_count[GRID_RESOLUTION_COUNT];
};

struct grid {
    char id[17]; /* hex of the first 8 bytes of SHA-256 of the canonical bytes */
    uint32_t feature_count;
    struct feature_grid *features; /* sorted by name (bytewise); reserved names included */
};

/* Slot numbers with a meaning. */
static inline unsigned feature_slot_missing(const struct feature_grid *f, enum grid_resolution r)
{
    return f->slot_count[r] - 2u;
}
static inline unsigned feature_slot_invalid(const struct feature_grid *f, enum grid_resolution r)
{
    return f->slot_count[r] - 1u;
}
static inline unsigned feature_slot_other(const struct feature_grid *f)
{
    return f->category_count;
}
static inline unsigned feature_slot_unseen(const struct feature_grid *f)
{
    return f->category_count + 1u;
}

/*
 * Edges from reference values (METHODS §2): sorts `values` in place, drops non-finite ones. With more than
 * GRID_SLOTS_MAX−3 edges the target is lowered by tenths until the index fits a byte. out_edges holds at
 * least 2·fine_bins+2. Returns the number of edges (0 when no finite value).
 */
uint32_t grid_build_edges(double *values, size_t count, uint32_t fine_bins, uint32_t discrete_max,
                          double *out_edges, bool *out_discrete);
/* Greedy merge of fine reference counts into at most `coarse_bins` groups: out_group[i] is the group of bin
 * i. Returns how many groups. */
uint32_t grid_coarse_groups(const uint64_t *counts, uint32_t bin_count, uint32_t coarse_bins,
                            uint8_t *out_group);

/* The number of edges strictly below x (lower bound): the fine slot of a number. NaN is the caller's
 * business. Branch-free. */
unsigned grid_lower_bound(const double *edges, unsigned edge_count, double x);
/* The slot of a category (top K, other or unseen). */
unsigned grid_category_slot(const struct feature_grid *feature, struct text category);

/* Index of a feature by name, or UINT32_MAX. */
uint32_t grid_find(const struct grid *grid, struct text name);
void grid_free(struct grid *grid);

#endif
