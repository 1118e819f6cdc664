#ifndef DRIFTD_BENCH_H
#define DRIFTD_BENCH_H
/* What the micro-benchmarks share: CPU clock, medians, and events in memory. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collectors/decode.h"
#include "tests/bench/events.h"

static inline double bench_cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts. */
static inline double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), bench_compare);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

struct bench_events {
    char *bytes;
    size_t *starts; /* count + 1 */
    size_t count;
};

static inline void bench_fail(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline struct bench_events bench_events_new(size_t count, const struct event_options *options)
{
    struct bench_events events = {malloc(count * EVENT_BYTES_MAX / 4 + EVENT_BYTES_MAX),
                                  malloc((count + 1) * sizeof(size_t)), count};
    struct event_stream stream;
    if (!events.bytes || !events.starts)
        bench_fail("out of memory");
    events_begin(&stream, options);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        events.starts[i] = at;
        at += events_next(&stream, events.bytes + at);
    }
    events.starts[count] = at;
    memset(events.bytes + at, 0, RECORD_PADDING);
    return events;
}

static inline void bench_events_free(struct bench_events *events)
{
    free(events->bytes);
    free(events->starts);
}

static inline struct record bench_record(const struct bench_events *events, size_t i)
{
    return (struct record){
        .payload = {events->bytes + events->starts[i], (uint32_t)(events->starts[i + 1] - events->starts[i])},
        .offset = (int64_t)events->starts[i],
        .next_offset = (int64_t)events->starts[i + 1],
        .ts_ms = INT64_MIN};
}

#endif
