#ifndef DRIFTD_DETECTORS_REFERENCE_H
#define DRIFTD_DETECTORS_REFERENCE_H
/*
 * A reference (DESIGN §7): a frozen, versioned profile on a grid. Immutable; its hash is the SHA-256 of its
 * canonical JSON. JSON on disk and in the store; reading it never trusts it (bounds, order of edges, sums).
 */
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/strbuf.h"
#include "collectors/event.h"
#include "detectors/dispersion.h"
#include "detectors/distinct_sketch.h"
#include "detectors/families.h"
#include "detectors/features.h"
#include "detectors/group_counts.h"
#include "detectors/labelled.h"

/* The events of one segment on the same grid, for the search of causes. */
struct reference_segment {
    char *name;             /* "key=value" */
    struct tally *features; /* GRID_COARSE */
};

/* Events, and how many of them came again. */
struct duplicate_counts {
    uint64_t events, again; /* events 0: not known */
};

struct reference {
    char *name; /* unique in a store */
    char *model;
    char *version;                      /* model version it was built for; "" any */
    char *source;                       /* where it came from, for people: "file train.csv", "capture
                                           2026-03-01T00:00:00Z..2026-03-02T00:00:00Z" */
    int64_t from_ms, to_ms;             /* span of its events' time; INT64_MIN when unknown */
    uint64_t rows;                      /* events it was built from */
    char hash[65];                      /* hex SHA-256 of the canonical JSON without the hash */
    struct grid *grid;                  /* owned */
    struct feature_layout *layout;      /* GRID_FINE; owned */
    struct tally *features;             /* owned */
    struct feature_layout *coarse;      /* GRID_COARSE; owned */
    struct reference_segment *segments; /* of its events, by name; owned */
    uint32_t segment_count;
    struct tally *counts[COUNT_FAMILY_COUNT]; /* of the other families; owned; NULL: nothing known */
    char **ignored; /* names of fields that its events had beside the features, ascending; owned */
    uint32_t ignored_count;
    struct dispersion *dispersion;     /* by feature of the grid; owned; NULL: nothing known */
    struct outlier_table *outliers;    /* derived from grid and features; owned */
    struct labelled *labelled;         /* owned; NULL: it has no labels */
    struct multivariate *multivariate; /* multivariate_family.h; owned; NULL: not wanted */
    struct embeddings *embeddings;     /* embeddings.h; owned; NULL: none, or not wanted */
    struct duplicate_counts duplicates;
    struct named_counts groups;       /* of its binary predictions; owned; none: nothing known */
    struct distinct_sketch *distinct; /* distinct_sketch.h; owned; NULL: not wanted */
};

void reference_free(struct reference *reference);
/* NULL: the reference knows no such segment. O(log segments). */
const struct reference_segment *reference_segment(const struct reference *reference, struct text name);

/* Canonical JSON (sorted, shortest numbers, pretty-printed for review). */
int reference_write(const struct reference *reference, struct strbuf *out) MUST_USE;
int reference_read(const char *bytes, size_t len, struct reference **out, struct err *err) MUST_USE;

/*
 * Builder: whole events in, a reference out. The result does not depend on the order of events. Types are the
 * majority of values (a tie is numeric) unless forced; booleans and strings are categorical. More than
 * `sample_max` events: a bottom-k sample by hash of id (without id, of the decoded content).
 */
struct reference_builder;

struct reference_options {
    const char *name, *model, *version, *source;
    uint32_t sample_max;            /* 0: 10,000 */
    const struct grid *keep_grid;   /* count on this grid instead of building one; NULL: build */
    const char *const *categorical; /* NULL-terminated names forced to be categorical / numeric; NULL: none */
    const char *const *numeric;
    uint64_t total_events;                     /* of which the sample is one; 0: it is all of them */
    const char *const *exclude;                /* globs of features to leave out */
    const struct model_options *options;       /* NULL: defaults */
    bool multivariate;                         /* also when the options say off */
    const struct duplicate_counts *duplicates; /* of its events before they were a sample; NULL: not known */
    const char *const *cardinality;            /* names to count the values of; NULL: those of `options` */
    const struct cross_spec *crosses;          /* combinations of attributes that are groups too */
    uint32_t cross_count;
    const struct facet_spec *facets; /* their strata make such combinations */
    uint32_t facet_count;
};

/* What `options` points to must outlive the builder. */
struct reference_builder *reference_builder_new(const struct reference_options *options);
void reference_builder_free(struct reference_builder *builder);
int reference_builder_add(struct reference_builder *builder, const struct event *ev) MUST_USE;
/* Fails with ERR_INVALID when no event had a feature, score or prediction. */
int reference_builder_finish(struct reference_builder *builder, struct reference **out,
                             struct err *err) MUST_USE;

/*
 * The same sample as mergeable state (capture from a stream): at most k different whole events with the
 * lowest hashes; of several with one id the bytewise smallest. Events without id that say the same are one
 * row with a number of times: k of few contents would be a sample of nothing else. Also bounded in bytes (64
 * MiB of rows). Encoded rows carry names as text, so samples of different workers merge. k = 0: 10,000.
 * Events that say nothing about features, score or prediction are passed over.
 */
struct sample;
struct sample *sample_new(uint32_t k);
void sample_free(struct sample *sample);
/* From now on arrays of at most 4096 numbers are kept, in single precision: embeddings. Otherwise a row only
 * notes that there was one. */
void sample_keep_vectors(struct sample *sample);
void sample_reset(struct sample *sample);
int sample_add(struct sample *sample, const struct event *ev) MUST_USE;
int sample_merge(struct sample *into, const struct sample *from) MUST_USE;
/* Events that the rows stand for. */
uint32_t sample_count(const struct sample *sample);
size_t sample_bytes(const struct sample *sample);
void sample_encode(const struct sample *sample, struct strbuf *out); /* equal samples give equal bytes */
int sample_decode_merge(const void *bytes, size_t len, struct sample *into) MUST_USE;
/* Builds a reference of exactly the sample's events. */
int reference_from_sample(const struct sample *sample, const struct reference_options *options,
                          struct reference **out, struct err *err) MUST_USE;

#endif
