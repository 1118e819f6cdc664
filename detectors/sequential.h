#ifndef DRIFTD_DETECTORS_SEQUENTIAL_H
#define DRIFTD_DETECTORS_SEQUENTIAL_H
/*
 * Change detectors on one stream of numbers (METHODS §5) behind one face. Deterministic; not mergeable: state
 * is a checkpoint of plain bytes. After a drift a detector starts from scratch with the next value. None of
 * them has a false-alarm rate that a user can set: they inform.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"

enum sequential_kind {
    SEQUENTIAL_ADWIN,
    SEQUENTIAL_PAGE_HINKLEY,
    SEQUENTIAL_PAGE_HINKLEY_MOA,
    SEQUENTIAL_CUSUM,
    SEQUENTIAL_CUSUM_MOA,
    SEQUENTIAL_DDM,
    SEQUENTIAL_EDDM,
    SEQUENTIAL_HDDM_A,
    SEQUENTIAL_HDDM_W,
    SEQUENTIAL_KSWIN,
    SEQUENTIAL_EWMA,
    SEQUENTIAL_ECDD,
    SEQUENTIAL_KIND_COUNT
};

enum { SEQUENTIAL_PARAMETERS_MAX = 6 };

struct sequential_parameter {
    const char *name; /* NULL: end of the list */
    double otherwise, minimum, maximum;
};
struct sequential_description {
    const char *name;
    bool binary; /* meant for 0/1 errors */
    const char *summary;
    struct sequential_parameter parameters[SEQUENTIAL_PARAMETERS_MAX + 1];
};
const struct sequential_description *sequential_describe(enum sequential_kind kind);
/* SEQUENTIAL_KIND_COUNT when there is none of that name. */
enum sequential_kind sequential_find(const char *name);

struct sequential_options {
    enum sequential_kind kind;
    double values[SEQUENTIAL_PARAMETERS_MAX]; /* in the order of the description */
};
/* All defaults. */
struct sequential_options sequential_options(enum sequential_kind kind);
/* ERR_NOT_FOUND: no such parameter; ERR_INVALID: outside its limits. Yes/no parameters are 1 and 0. */
int sequential_set(struct sequential_options *options, const char *name, double value) MUST_USE;

enum sequential_state { SEQUENTIAL_QUIET, SEQUENTIAL_WARNING, SEQUENTIAL_DRIFT };

struct sequential;
/* NULL: out of memory. */
struct sequential *sequential_new(const struct sequential_options *options);
void sequential_free(struct sequential *detector);
void sequential_reset(struct sequential *detector);
/* A value that is not finite is ignored. O(1), ADWIN O(log n) amortised, KSWIN O(window log window). */
enum sequential_state sequential_update(struct sequential *detector, double x);

/* What the detector compares with its limit, as of the last value (detectors/README.md says what that is for
 * each kind); NaN before there is any. */
double sequential_statistic(const struct sequential *detector);
const struct sequential_options *sequential_get_options(const struct sequential *detector);

/* Equal state gives equal bytes. Decoding takes the options from the bytes; ERR_CORRUPT, ERR_NOMEM. */
void sequential_encode(const struct sequential *detector, struct strbuf *out);
int sequential_decode(const void *bytes, size_t len, struct sequential **out) MUST_USE;

#endif
