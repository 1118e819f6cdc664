#ifndef DRIFTD_DETECTORS_LABELLED_H
#define DRIFTD_DETECTORS_LABELLED_H
/*
 * The labelled reference of a model: outcomes (outcomes.h) in up to ten chunks that follow one another in
 * time, and what is learned from them once: the calibrator of CBPE and how much the metrics of a chunk
 * usually vary (METHODS §7.3, §7.4; mean ± 3 sd of ten chunks of the reference is NannyML's convention).
 * Comes from the labels of a reference, or from the first matured outcomes of a version (§4.7). Owned by
 * whoever made it; immutable once finished. Undefined is NaN.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "detectors/cbpe.h"
#include "detectors/group_counts.h"
#include "detectors/label_classes.h"
#include "detectors/outcomes.h"
#include "detectors/tally.h"

enum { LABELLED_CHUNKS = 10 };

enum labelled_metric {
    LABELLED_ACCURACY,
    LABELLED_PRECISION,
    LABELLED_RECALL,
    LABELLED_F1,
    LABELLED_AUC,
    LABELLED_METRICS
};

/* A metric among the chunks; sd with divisor n. NaN with fewer than two chunks that have it. */
struct usual {
    double mean, sd;
};

struct labelled {
    double unit; /* of regression sums, as given to outcomes_add */
    uint32_t chunk_count;
    struct tally *chunks[LABELLED_CHUNKS]; /* oldest first; binary and regression */
    struct label_classes classes;          /* of models with several: no names in chunks */
    struct named_counts groups;            /* of first outcomes; a reference has its own (reference.h) */
    /* from here on: set by labelled_finish */
    struct tally *total;
    uint64_t labels;              /* of both kinds */
    double bin_labels[1000];      /* labels per score bin */
    struct calibrator calibrator; /* of the middles of score bins */
    double chunk_n;               /* mean binary labels of a chunk */
    struct usual usual[LABELLED_METRICS];
};

struct labelled *labelled_new(double unit);
void labelled_free(struct labelled *labelled);
/* Adds the outcomes that follow those before. When there is no room, the two neighbours that hold least
 * become one: chunks are a function of what was added in which order. `outcomes` of outcomes_size(). O(size).
 */
int labelled_add(struct labelled *labelled, const struct tally *outcomes) MUST_USE;
/* Binary and regression labels of a tally of outcomes. */
uint64_t labelled_labels_of(const struct tally *outcomes);
/* Labels so far, of all kinds. */
uint64_t labelled_count(const struct labelled *labelled);
/* Fits. A calibrator stays only if it lowers the error of every third chunk, which it has not seen (fewer
 * than three chunks: no check); then it is fitted again on everything. ERR_NOMEM. */
int labelled_finish(struct labelled *labelled) MUST_USE;

/* Frees the chunks of a finished one: for those who will not write it. */
void labelled_forget_chunks(struct labelled *labelled);

/* Compact bytes, without what labelled_finish makes; equal chunks give equal bytes. ERR_CORRUPT also when
 * they were counted by another layout. */
void labelled_encode(const struct labelled *labelled, struct strbuf *out);
int labelled_decode(const void *bytes, size_t len, struct labelled **out) MUST_USE;

/* One labelled event of a reference. */
struct labelled_row {
    int64_t ts_ms;
    uint64_t hash; /* of the event: decides among equal times, so that such chunks are alike */
    uint64_t times;
    struct outcome outcome;
};
/* Sorts the rows and cuts them into chunks of equal counts, at least 100 labels each. *out NULL when there
 * are none. Finished. O(rows log rows). */
int labelled_from_rows(struct labelled_row *rows, size_t count, double unit, struct labelled **out) MUST_USE;

/* Scores and labels of a tally of outcomes, as tables. */
struct labelled_scores {
    double cells[4][1000]; /* [label · 2 + predicted][bin] */
    double class_only[4];
};
void labelled_scores_of(const struct tally *outcomes, struct labelled_scores *out);
/* `with_class_only`: also outcomes without a score. */
struct confusion labelled_confusion(const struct labelled_scores *scores, bool with_class_only);

#endif
