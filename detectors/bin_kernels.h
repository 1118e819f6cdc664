#ifndef DRIFTD_DETECTORS_BIN_KERNELS_H
#define DRIFTD_DETECTORS_BIN_KERNELS_H
/*
 * The inner loops of features.c, in portable C and for AVX2, bit-equal: bin lookup, standardisation and the
 * fixed-point sums. Arrays "by feature" are padded to BIN_LANES entries. Private to detectors/.
 */
#include <stdint.h>

enum {
    BIN_LANES = 8,
    BIN_BLOCK = 16, /* edges of a block, and blocks of a table */
    BIN_SUMS = 4
};

/* The edges of one numeric feature in two levels: the last edge of each block, and the blocks; +inf behind
 * the end. The last pivot is +inf, so that a lookup never leaves the blocks. */
struct bin_table {
    const double *pivots; /* BIN_BLOCK entries; NULL when there is but one block */
    const double *blocks;
    uint32_t feature;
};

struct bin_plan {
    const struct bin_table *tables; /* single blocks first */
    uint32_t single_count, table_count;
    uint32_t padded;                /* features, rounded up to BIN_LANES */
    const double *location, *scale; /* by feature; 0 and 1 for categorical */
};

struct bin_kernels {
    const char *name;
    /* slot[feature] = number of edges strictly below x[feature]; unchanged where x is NaN. */
    void (*lookup)(const struct bin_plan *plan, const double *x, uint8_t *slot);
    /* z = (x − location)/scale clipped; rne(z·2^40), rne(z²·2^32), clipped; all 0 where x is NaN. */
    void (*standardise)(const struct bin_plan *plan, const double *x, int64_t *z, int64_t *z2,
                        uint8_t *clipped);
    /* Four arrays of `padded` sums behind each other: z, z2, z where slot is 0, z where slot is above[]. */
    void (*add_sums)(uint32_t padded, const uint8_t *slot, const int64_t *z, const int64_t *z2,
                     const int64_t *above, int64_t *sums);
};

extern const struct bin_kernels bin_kernels_portable;
/* The fastest set that this processor can run. */
const struct bin_kernels *bin_kernels_best(void);

#endif
