#ifndef DRIFTD_DETECTORS_TALLY_H
#define DRIFTD_DETECTORS_TALLY_H
/*
 * The mergeable state of every additive statistic (DESIGN §3): a vector of unsigned counters and a vector of
 * 128-bit fixed-point sums. What each entry means is the business of the family that laid it out (features.h,
 * later performance.h …); merging, subtracting, storing and loading are the same for all, and exact: (a+b)−b
 * = a, order never matters. Minima, maxima and sketches are not tallies.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"

struct tally_size {
    uint32_t counters, sums;
};

struct tally {
    struct tally_size size;
    uint64_t *counters;
    int128 *sums;
};

/* All zero; one allocation. NULL when out of memory. */
struct tally *tally_new(struct tally_size size);
void tally_free(struct tally *tally);
void tally_reset(struct tally *tally);
bool tally_is_zero(const struct tally *tally);
size_t tally_bytes(const struct tally *tally); /* of memory */
/* Sizes must be equal (BUG otherwise). O(size). */
void tally_add(struct tally *into, const struct tally *from);
void tally_subtract(struct tally *from, const struct tally *what);
void tally_copy(struct tally *into, const struct tally *from);

/*
 * Compact bytes: format byte, sizes, runs of zeros and varints. Equal tallies give equal bytes.
 * tally_decode_add adds the stored tally to `into`; ERR_CORRUPT when bytes are malformed or sizes differ
 * (then `into` is unchanged or partly added: treat it as lost).
 */
void tally_encode(const struct tally *tally, struct strbuf *out);
int tally_decode_add(const void *bytes, size_t len, struct tally *into) MUST_USE;
/* The same of bytes that were written before counters were appended: those are 0. */
int tally_decode_grown(const void *bytes, size_t len, struct tally *into) MUST_USE;
int tally_decode_subtract(const void *bytes, size_t len, struct tally *from) MUST_USE;
/* The sizes that the bytes announce. */
int tally_decode_size(const void *bytes, size_t len, struct tally_size *out) MUST_USE;

#endif
