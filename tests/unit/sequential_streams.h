#ifndef DRIFTD_TESTS_UNIT_SEQUENTIAL_STREAMS_H
#define DRIFTD_TESTS_UNIT_SEQUENTIAL_STREAMS_H
/* Streams with a known change, and the first drift that a detector finds in them. */
#include "tests/unit/near.h"

#include "detectors/sequential.h"

enum stream { STREAM_QUIET, STREAM_RISE, STREAM_FALL, STREAM_NORMAL_RISE };
enum { CHANGE_AT = 1000, STREAM_END = 2000 };

/* 0/1 with rate 0.2 → 0.7 (or back), or normal with mean 0 → 2. */
static inline double stream_value(enum stream stream, int i, uint64_t *seed)
{
    bool changed = i >= CHANGE_AT;
    double u = random_unit(seed), v = random_unit(seed);
    switch (stream) {
    case STREAM_QUIET:
        return u < 0.2;
    case STREAM_RISE:
        return u < (changed ? 0.7 : 0.2);
    case STREAM_FALL:
        return u < (changed ? 0.2 : 0.7);
    case STREAM_NORMAL_RISE:
        break;
    }
    return sqrt(-2 * log(1 - u)) * cos(2 * M_PI * v) + (changed ? 2 : 0);
}

static inline struct sequential *detector_of(const char *name)
{
    enum sequential_kind kind = sequential_find(name);
    assert_true(kind < SEQUENTIAL_KIND_COUNT);
    struct sequential_options options = sequential_options(kind);
    struct sequential *detector = sequential_new(&options);
    assert_non_null(detector);
    return detector;
}

static inline struct sequential *detector_with(const char *name, const char *parameter, double value)
{
    struct sequential_options options = sequential_options(sequential_find(name));
    assert_int_equal(sequential_set(&options, parameter, value), 0);
    struct sequential *detector = sequential_new(&options);
    assert_non_null(detector);
    return detector;
}

/* Index of the first drift, or −1. Frees the detector. */
static inline int first_drift(struct sequential *detector, enum stream stream, uint64_t seed)
{
    int found = -1;
    for (int i = 0; i < STREAM_END && found < 0; i++)
        if (sequential_update(detector, stream_value(stream, i, &seed)) == SEQUENTIAL_DRIFT)
            found = i;
    sequential_free(detector);
    return found;
}

/* A constant stream has no drift. */
static inline void assert_silent_on_constant(struct sequential *detector, double value)
{
    for (int i = 0; i < 3000; i++)
        assert_int_not_equal(sequential_update(detector, value), SEQUENTIAL_DRIFT);
    sequential_free(detector);
}

#endif
