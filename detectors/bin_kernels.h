#ifndef DRIFTD_DETECTORS_BIN_KERNELS_H
#define DRIFTD_DETECTORS_BIN_KERNELS_H
/*
 * The inner loops of features.c, in portable C and for AVX2, bit-equal: bin lookup, standardisation, and the
 * fixed-point sums. Arrays "by feature" are padded to BIN_LANES entries. Private to
 * detectors/.
 * Values go from one loop to the next through memory; a wide load of what narrow stores have just written
 * waits until they have left the store queue (some 40 ns here), so loads are no wider than the stores.
 */
#include <stdint.h>

#include "collectors/event.h"

enum {
    BIN_LANES = 8,
    BIN_BLOCK = 16, /* edges of a block, and blocks of a table */
    BIN_SUMS = 4
};

/*
 * The table of a numeric feature: its edges in two levels, the last edge of each block (BIN_BLOCK pivots) and
 * then the blocks; +inf behind the end. The last pivot is +inf, so that a lookup never leaves the blocks.
 */

/* What a name id stands for. */
struct bin_name {
    const double *pivots; /* of a numeric feature's table, else NULL */
    uint32_t feature;     /* or NAME_UNBOUND, NAME_UNKNOWN, NAME_FOREIGN */
};
#define NAME_UNKNOWN (UINT32_MAX - 2) /* not in the grid, and the reference never saw it */
#define NAME_UNBOUND (UINT32_MAX - 1) /* not looked up yet */
#define NAME_FOREIGN UINT32_MAX       /* not in the grid */

struct bin_plan {
    uint32_t padded; /* features, rounded up to BIN_LANES */
    uint32_t name_count;
    const struct bin_name *names; /* by name id */
    /* By feature, padded; 0 and 1 for categorical. */
    const double *location, *scale;
    /* By feature, padded: a number not above `low` or above `high` may be clipped or outside the edges. */
    const double *low, *high;
};

struct bin_kernels {
    const char *name;
    /* The number of edges strictly below x, which is not NaN. */
    unsigned (*lookup)(const double *pivots, double x);
    /* Takes fields until the first that is not a number (other than NaN) of a known numeric feature: x is the
     * number, slot what lookup says. Returns how many were taken. */
    uint32_t (*put_numbers)(const struct bin_plan *plan, const struct field *fields, uint32_t count,
                            double *x, uint8_t *slot);
    /* z = (x − location)/scale clipped; rne(z·2^40), rne(z²·2^32). No x is NaN. One bit a feature, eight of
     * them a byte, in `outside`: not above `low` or above `high`. */
    void (*standardise)(const struct bin_plan *plan, const double *x, int64_t *z, int64_t *z2,
                        uint8_t *outside);
    /* sums[i] += z[i] and sums[padded + i] += z2[i] for i < padded. */
    void (*add_sums)(uint32_t padded, const int64_t *z, const int64_t *z2, int64_t *sums);
};

extern const struct bin_kernels bin_kernels_portable;
/* The fastest set that this processor can run. */
const struct bin_kernels *bin_kernels_best(void);

#endif
