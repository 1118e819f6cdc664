#ifndef DRIFTD_DETECTORS_REFERENCE_PRIVATE_H
#define DRIFTD_DETECTORS_REFERENCE_PRIVATE_H
/* What the reference*.c files share. Private to detectors/. */
#include "detectors/reference.h"

#define REFERENCE_FORMAT "driftd-reference/1"

enum {
    REFERENCE_BYTES_MAX = 64 << 20,
    REFERENCE_TEXT_MAX = 1024, /* name, model, version, source */
    REFERENCE_IGNORED_MAX = 4096
};

/* Takes `grid` over, also when it fails: layout and an empty tally. NULL when out of memory. */
struct reference *reference_of_grid(struct grid *grid);
int reference_set_texts(struct reference *reference, const char *name, const char *model, const char *version,
                        const char *source) MUST_USE;
/* Takes a copy; in any order, but each once. */
int reference_ignore(struct reference *reference, struct text name) MUST_USE;
/* What follows from grid and features. */
int reference_derive(struct reference *reference) MUST_USE;
/*
 * Counts the segments of a sample: those of at least REFERENCE_SEGMENT_ROWS events, the largest first when
 * they are too many.
 */
enum { REFERENCE_SEGMENTS_MAX = 64, REFERENCE_SEGMENT_ROWS = 20 };
struct sample;
int reference_count_segments(struct reference *reference, const struct sample *sample) MUST_USE;
/* A zeroed segment at the end; names must come in order. NULL: no memory, no order, or too many. */
struct reference_segment *reference_add_segment(struct reference *reference, struct text name);
void reference_free_segments(struct reference *reference);
/* A member that is an array on one line: begin, items, end. */
struct json;
void reference_row_begin(struct json *json, const char *key);
void reference_row_end(struct json *json);
/* An integer from 0 to 2^53. */
struct cJSON;
bool reference_as_count(const struct cJSON *item, uint64_t *out);
/* Different values of the features that want it (reference_cardinality.c). */
int reference_count_values(struct reference *reference, const struct sample *sample,
                           const struct reference_options *options) MUST_USE;
void reference_write_values(struct json *json, const struct reference *reference);
/* ERR_INVALID: `what` says why. */
int reference_read_values(const struct cJSON *root, struct reference *reference, const char **what) MUST_USE;
/* The groups of its binary predictions (reference_groups.c). */
struct model_options;
int reference_count_groups(struct reference *reference, const struct sample *sample,
                           const struct model_options *model,
                           const struct reference_options *options) MUST_USE;
void reference_write_groups(struct json *json, const struct reference *reference);
/* ERR_INVALID: `what` says why. */
int reference_read_groups(const struct cJSON *root, struct reference *reference, const char **what) MUST_USE;
/* Computes the hash. */
int reference_seal(struct reference *reference) MUST_USE;

#endif
