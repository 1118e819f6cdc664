#ifndef DRIFTD_DETECTORS_CARDINALITY_H
#define DRIFTD_DETECTORS_CARDINALITY_H
/*
 * Cardinality (METHODS §10), opt-in: how many different values a feature has in a window, and how many more
 * or fewer than the reference has among equally many values.
 *
 * Estimate: (k − 1)/u, u the k-th lowest hash as a share of 2^64; relative standard error 1/√(k − 2), 3.1 %
 * for k = 1024. Fewer than k different values are counted exactly.
 *
 * Equally many values: a window of n and a reference of M values are compared at m = min(n, M). Of the larger
 * of both a random choice of m values would have Σ (1 − C(N − c, m)/C(N, m)) different ones, c how often each
 * came (rarefaction: Hurlbert, Ecology 52, 1971); the sum is over the kept hashes below the k-th, by 1/u.
 * Standard error of log(ratio): that of both choices of hashes (Σ g²(1 − u)/u²) and of both samples of values
 * (at most the expected number of values that came once: Efron and Stein, Ann. Stat. 9, 1981).
 */
#include "detectors/distinct_sketch.h"
#include "detectors/families.h"

enum { CARDINALITY_FEATURES_MAX = 16 };

enum cardinality_slot { /* part of stored rows: append, never renumber */
                        DISTINCT_VALUES,
                        DISTINCT_VALUES_LOW,
                        DISTINCT_VALUES_HIGH,
                        DISTINCT_SHARE,
                        DISTINCT_SHARE_LOW,
                        DISTINCT_SHARE_HIGH,
                        DISTINCT_EXPECTED,
                        DISTINCT_RATIO,
                        DISTINCT_RATIO_LOW,
                        DISTINCT_RATIO_HIGH,
                        DISTINCT_CHANGE,
                        DISTINCT_CHANGE_LOW,
                        DISTINCT_CHANGE_HIGH,
                        DISTINCT_CHANGE_FLOOR,
                        CARDINALITY_SLOT_COUNT
};

/* Adds the values of an event to the sketch: strings, booleans and numbers ("1", 1 and 1.0 are one value, as
 * categories are; other numbers by their bits). null, absent, arrays and objects are no values. `features`:
 * names, NULL-terminated, at most CARDINALITY_FEATURES_MAX; `hints` as many numbers that begin at 0 and are
 * the function's: where in an event each was last. O(names) when events look alike, else O(names · fields).
 */
int cardinality_add(struct distinct_sketch *sketch, const char *const *features, uint32_t *hints,
                    const struct event *ev, uint64_t times) MUST_USE;
/* Does the event have a value of one of them? As cardinality_add. */
bool cardinality_applies(const char *const *features, uint32_t *hints, const struct event *ev);

/* Of `m` of a feature's values, chosen at random: how many different ones, and how many that come once.
 * `relative_variance`: of the first number, as far as the choice of hashes makes it. m ≤ values->n. O(k). */
struct rarefied {
    double distinct, once, relative_variance;
};
struct rarefied cardinality_rarefy(const struct distinct_values *values, uint64_t m);

/* A row per feature that has a value in the window, and their names (those of `features`). Returns how many.
 * `reference` NULL: nothing to compare with. */
uint32_t cardinality_report(const struct distinct_sketch *current, const struct distinct_sketch *reference,
                            const char *const *features, uint64_t n_min, struct report_row *rows,
                            struct text *names);

#endif
