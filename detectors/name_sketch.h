#ifndef DRIFTD_DETECTORS_NAME_SKETCH_H
#define DRIFTD_DETECTORS_NAME_SKETCH_H
/*
 * Names that a stretch of input showed and nobody knows: per subject (a feature, for its unseen categories,
 * or
 * "@fields", for fields) the 32 lowest hashes of names with how often each came (METHODS §10). Merging keeps
 * the lowest again, so order and grouping never matter and a count that is kept is exact: a name among the
 * lowest of all is among the lowest of every part. At most 256 subjects, by the same rule. Cannot be
 * subtracted: windows merge their panes again.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"

enum { NAME_SKETCH_NAMES = 32, NAME_SKETCH_SUBJECTS = 256, NAME_SKETCH_BYTES_MAX = 64 };

struct name_sketch;
struct name_sketch *name_sketch_new(void);
void name_sketch_free(struct name_sketch *sketch);
void name_sketch_reset(struct name_sketch *sketch); /* empty; memory of subjects is freed */
bool name_sketch_is_empty(const struct name_sketch *sketch);
size_t name_sketch_bytes(const struct name_sketch *sketch); /* of memory */

/* A name longer than NAME_SKETCH_BYTES_MAX is kept by its hash and shown cut. O(log subjects + names). */
int name_sketch_add(struct name_sketch *sketch, struct text subject, struct text name,
                    uint64_t times) MUST_USE;
int name_sketch_merge(struct name_sketch *into, const struct name_sketch *from) MUST_USE;

/* Equal sketches give equal bytes. */
void name_sketch_encode(const struct name_sketch *sketch, struct strbuf *out);
/* ERR_CORRUPT: `into` may hold a part of it. */
int name_sketch_decode_merge(const void *bytes, size_t len, struct name_sketch *into) MUST_USE;

struct sketched_name {
    struct text name; /* the sketch's, until it changes */
    uint64_t count;
};
/* The names of a subject by count, the most frequent first, ties by name. Returns how many. */
uint32_t name_sketch_names(const struct name_sketch *sketch, struct text subject,
                           struct sketched_name out[NAME_SKETCH_NAMES]);

#endif
