#ifndef DRIFTD_DETECTORS_DISTINCT_SKETCH_H
#define DRIFTD_DETECTORS_DISTINCT_SKETCH_H
/*
 * How many different values a stretch of input had (METHODS §1, §10): per feature the 1024 lowest 64-bit
 * hashes of values with how often each came, and how many values there were. Merging keeps the lowest again,
 * so order and grouping never matter and a count that is kept is exact: a hash among the lowest of all is
 * among the lowest of every part. Cannot be subtracted: windows merge their panes again.
 *
 * Memory: 32 KiB per feature at most while it is added to, 16 bytes per entry as a result; encoded about 8
 * KiB. At most 32 features, the first by name.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"

enum { DISTINCT_K = 1024, DISTINCT_FEATURES = 32, DISTINCT_NAME_BYTES_MAX = 1024 };

struct distinct_entry {
    uint64_t hash, times;
};

struct distinct_sketch;
struct distinct_sketch *distinct_sketch_new(void);
void distinct_sketch_free(struct distinct_sketch *sketch);
bool distinct_sketch_is_empty(const struct distinct_sketch *sketch);
size_t distinct_sketch_bytes(const struct distinct_sketch *sketch); /* of memory */

/* A value of a feature came `times` times. O(features), now and then O(k log k). ERR_NOMEM: not counted. */
int distinct_sketch_add(struct distinct_sketch *sketch, struct text feature, uint64_t hash,
                        uint64_t times) MUST_USE;
int distinct_sketch_merge(struct distinct_sketch *into, const struct distinct_sketch *from) MUST_USE;

/* Equal sketches give equal bytes. */
void distinct_sketch_encode(const struct distinct_sketch *sketch, struct strbuf *out);
/* ERR_CORRUPT: `into` may hold a part of it. */
int distinct_sketch_decode_merge(const void *bytes, size_t len, struct distinct_sketch *into) MUST_USE;

/* The lowest hashes of a feature, ascending: all of them when there are fewer than DISTINCT_K. */
struct distinct_values {
    struct text feature; /* the sketch's, until it changes */
    uint64_t n;          /* values, equal ones included */
    uint32_t count;
    struct distinct_entry entries[DISTINCT_K];
};
/* False: no value of that feature was added. O(k log k). */
bool distinct_sketch_values(const struct distinct_sketch *sketch, struct text feature,
                            struct distinct_values *out);
/* By name, from 0; false: there are not so many. */
bool distinct_sketch_nth(const struct distinct_sketch *sketch, uint32_t index, struct distinct_values *out);

/* Adds what distinct_sketch_values gave of another sketch. ERR_INVALID: entries do not ascend, one came 0
 * times, or together they came more often than n. */
int distinct_sketch_add_values(struct distinct_sketch *sketch, const struct distinct_values *values) MUST_USE;

#endif
