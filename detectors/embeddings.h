#ifndef DRIFTD_DETECTORS_EMBEDDINGS_H
#define DRIFTD_DETECTORS_EMBEDDINGS_H
/*
 * The family of embeddings: array-valued features (METHODS §6). What counts is the direction of a vector:
 * numbers are rounded to single precision and the vector scaled to length 1. Vectors of another dimension
 * than the reference's are invalid, vectors of length 0 have no direction; both are counted and nothing else.
 */
#include "detectors/centroid_null.h"
#include "detectors/families.h"
#include "detectors/mean_embedding.h"

enum { EMBEDDINGS_MAX = 16, EMBEDDING_DIMENSION_MAX = 4096 };

struct embedding {
    char *name; /* owned */
    uint32_t dimension;
    struct mean_embedding mean;
    struct centroid_null null; /* of centroids of its rows */
};

struct embeddings {
    uint32_t count;
    struct embedding items[EMBEDDINGS_MAX]; /* by name */
};

extern const struct family_ops embeddings_family;

struct embeddings *embeddings_new(void);
void embeddings_free(struct embeddings *embeddings);

enum embedding_fate {
    EMBEDDING_COUNTED,
    EMBEDDING_MISSING,
    EMBEDDING_INVALID,
    EMBEDDING_ZERO,
    EMBEDDING_FATES
};
/* The unit vector that a value stands for, into `dimension` numbers. */
enum embedding_fate embedding_unit(const struct value *value, uint32_t dimension, double *out);
/* The value of a feature of that name; NULL: the event has none. */
const struct value *embedding_value(const struct event *ev, struct text name);

#endif
