#ifndef DRIFTD_DETECTORS_SAMPLE_H
#define DRIFTD_DETECTORS_SAMPLE_H
/* The rows of a sample, for those that build from it (the face is in reference.h). Private to detectors/. */
#include "agent/base/intern.h"
#include "detectors/reference.h"

enum {
    SAMPLE_DEFAULT = 10000,
    SAMPLE_MAX = 1 << 20,
    SAMPLE_BYTES_MAX = 64 << 20, /* of rows; beyond it the sample holds fewer */
    SAMPLE_VECTOR_MAX = 4096     /* numbers of a vector that is kept */
};

/* Turns rows back into events. The event's views live until the next row. */
struct sample_reader {
    struct intern *names; /* field name ids, dense in order of appearance */
    struct field *fields;
    uint32_t capacity;
    double *vectors; /* of the row at hand */
    uint32_t vector_capacity;
};
int sample_reader_init(struct sample_reader *reader) MUST_USE;
void sample_reader_release(struct sample_reader *reader);

/* How many different rows there are, and the i-th of them, which stands for `out_times` events. The order is
 * not defined. ERR_CORRUPT when its bytes are not a row. The hash is that of its id or, without one, of its
 * content. */
uint32_t sample_row_count(const struct sample *sample);
uint64_t sample_row_hash(const struct sample *sample, uint32_t i);
int sample_row_read(const struct sample *sample, uint32_t i, struct sample_reader *reader, struct event *out,
                    uint64_t *out_times) MUST_USE;

/* All rows, in no defined order, for whoever needs nothing else: until `add` says something else than 0,
 * which is returned then. The event lives during the call. ERR_NOMEM, ERR_CORRUPT. */
typedef int sample_add_fn(void *context, const struct event *ev, uint64_t times);
int sample_each(const struct sample *sample, sample_add_fn *add, void *context) MUST_USE;

/* The rows' numbers by hash, which is an order that has nothing to do with what they say and is always the
 * same: the first few are a random choice. `order` has sample_row_count entries. O(k log k). */
void sample_row_order(const struct sample *sample, uint32_t *order);

#endif
