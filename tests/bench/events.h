#ifndef DRIFTD_BENCH_EVENTS_H
#define DRIFTD_BENCH_EVENTS_H
/*
 * The event of the benchmarks: a prediction of about 610 bytes with 31 keys and 29 values, of which 20 are
 * numbers (16 features: 4 integers, 10 with two to six decimals, 2 with 17 digits) and 9 strings (4 features,
 * model, version, id, two groups). The same seed gives the same bytes.
 */
#include <stddef.h>
#include <stdint.h>

enum event_style {
    STYLE_TIGHT,
    STYLE_SPACED,   /* blanks after `:` and `,`, as Python's json.dumps writes */
    STYLE_DIGITS,   /* all 16 numbers with 17 digits, as Python prints doubles */
    STYLE_SHUFFLED, /* features in another order in every event */
    STYLE_RAGGED,   /* one feature in 20 is missing, one event in 10 has a field more */
    STYLE_COUNT
};
extern const char *const event_style_names[STYLE_COUNT];

enum { EVENT_BYTES_MAX = 4096, BENCH_FEATURES = 20, BENCH_FEATURES_MAX = 100 };

struct event_options {
    enum event_style style;
    uint64_t seed;
    uint32_t models;   /* named credit_risk when 1, model_00 … otherwise */
    uint32_t versions; /* of each model: 3.4.2 when 1, 3.4.0 … otherwise */
    uint32_t features; /* 20: realistic names; else four in five numeric */
    int64_t start_ms;  /* event time of the first */
    double rate_per_s; /* events per second of event time */
    double shift;      /* added to `age` in units of its deviation, to see drift */
    uint64_t first;    /* number of the first event: ids and times go on from there */
};

struct event_stream {
    struct event_options options;
    uint64_t state, serial;
};

void events_begin(struct event_stream *stream, const struct event_options *options);
/* Writes one event without a line end; returns its length. `out` has EVENT_BYTES_MAX bytes. */
size_t events_next(struct event_stream *stream, char *out);

#endif
