#ifndef DRIFTD_DETECTORS_MULTIVARIATE_FAMILY_H
#define DRIFTD_DETECTORS_MULTIVARIATE_FAMILY_H
/*
 * The family of all features together (METHODS §6): MMD, PCA reconstruction, Hotelling, correlations. An
 * event is a row of standardised numbers: numeric features as they are, categories by their frequency in the
 * reference, missing and invalid values at the reference's mean. How a row is made belongs to the reference,
 * which holds a struct multivariate when it was built for a model that asks for one.
 */
#include "detectors/families.h"
#include "detectors/mean_embedding.h"

enum {
    MULTIVARIATE_FEATURES_MAX = 64,
    MULTIVARIATE_BINS = 21,  /* of the reconstruction error: 20 of equal shares of the reference, the last one
                                cut at 99 % */
    MULTIVARIATE_SCORES = 2, /* of one event, in bins: reconstruction error, squared distance */
    MULTIVARIATE_LEVELS = 6  /* sizes of chunks: a 10th, 20th … of the reference */
};

struct multivariate_chunks {
    double size; /* rows of each */
    double sd;   /* of their mean errors */
};

struct multivariate {
    uint32_t d;
    uint32_t feature[MULTIVARIATE_FEATURES_MAX]; /* of the grid, ascending */
    double mean[MULTIVARIATE_FEATURES_MAX], scale[MULTIVARIATE_FEATURES_MAX];
    double
        *encoding; /* d × 256: slot of a categorical feature → frequency in the reference, NaN: none; owned */
    struct mean_embedding embedding;
    /* Of standardised rows; NULL when nothing varies; owned. The reference's errors, here and in its counts,
     * are those of rows that the components were not fitted to: fitted rows have smaller errors than new
     * ones. */
    struct pca *pca;
    double error_edges[MULTIVARIATE_BINS - 1];
    /* The same of the squared Mahalanobis distance; references of earlier versions have none. */
    bool has_distance;
    double distance_edges[MULTIVARIATE_BINS - 1];
    uint32_t level_count; /* 0 with a small reference */
    struct multivariate_chunks levels[MULTIVARIATE_LEVELS];
};

extern const struct family_ops multivariate_family;

void multivariate_free(struct multivariate *multivariate);
/* `encoding` from the reference's counts, once `feature` is set. ERR_NOMEM. */
int multivariate_encode(struct multivariate *multivariate, const struct reference *reference) MUST_USE;
/* The d numbers of an event before they are standardised; NaN where it has no value. False: it has none at
 * all. */
bool multivariate_numbers(const struct multivariate *multivariate, const struct grid *grid,
                          const struct feature_row *row, double *out);
/* Standardised, clipped to ±256, 0 for NaN; returns how many were NaN. */
uint32_t multivariate_standardise(const struct multivariate *multivariate, double *x);

/* Counts an event; its reconstruction error only if `with_error`. */
void multivariate_count(struct tally *tally, const struct count_input *input, uint64_t times,
                        bool with_error);
/* Counts by bin of one of the scores; NULL: the tally has none of it. */
extern const char *const multivariate_score_names[MULTIVARIATE_SCORES];
const uint64_t *multivariate_score_counts(const struct tally *tally, uint32_t score);
/* Is the event one of those that multivariate families count? */
bool multivariate_selects(const struct count_input *input);

#endif
