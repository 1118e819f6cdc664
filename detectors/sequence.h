#ifndef DRIFTD_DETECTORS_SEQUENCE_H
#define DRIFTD_DETECTORS_SEQUENCE_H
/*
 * A change detector that runs (METHODS §5): what sequential.h computes, with how many values it was fed and
 * how many drifts it has found, and the row that says so. It is a function of the sequence of its values
 * alone, is never merged and is checkpointed as bytes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "detectors/report.h"
#include "detectors/sequential.h"

struct sequence;

/* NULL: out of memory. */
struct sequence *sequence_new(const struct sequential_options *options);
void sequence_free(struct sequence *sequence);

/*
 * Feeds the values of one pane, in their order, and fills a row of FAMILY_DETECTOR. The value that decides
 * the row is the first drift, else the first warning, else the last value. Values that are not finite are
 * left out; false, and no row, when none is left.
 */
bool sequence_feed(struct sequence *sequence, const double *values, uint32_t count, struct report_row *row);

/* Equal state gives equal bytes; what is decoded goes on as if nothing had happened. */
void sequence_encode(const struct sequence *sequence, struct strbuf *out);
/* ERR_NOT_FOUND: the bytes are of a detector with other options; ERR_CORRUPT, ERR_NOMEM. */
int sequence_decode(const void *bytes, size_t len, const struct sequential_options *wanted,
                    struct sequence **out) MUST_USE;

#endif
