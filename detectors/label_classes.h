#ifndef DRIFTD_DETECTORS_LABEL_CLASSES_H
#define DRIFTD_DETECTORS_LABEL_CLASSES_H
/*
 * How many labels said which class, by name: for models with several classes, whose slots are not the same in
 * two places. Named counts of one cell, and what has no name of its own.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "agent/base/text.h"
#include "detectors/named_counts.h"

enum { LABEL_CLASSES_MAX = 64 };

struct label_classes {
    struct named_counts names;
    uint64_t other; /* labels of further classes */
};

/* The labels of the i-th class by name. */
static inline uint64_t label_class_labels(const struct label_classes *classes, uint32_t i)
{
    return classes->names.items[i].cells[0];
}

void label_classes_release(struct label_classes *classes);
/* O(log count), O(count) for a new name. ERR_NOMEM. */
int label_classes_add(struct label_classes *classes, struct text name, uint64_t labels) MUST_USE;
/* The most frequent ones keep their names, ties by name; the rest is other. O(count²) when there are more. */
void label_classes_keep(struct label_classes *classes, uint32_t most);
uint64_t label_classes_total(const struct label_classes *classes);

/* Two sides over the same bins: a name that one side does not have may be among the other side's `other`, and
 * is counted there when it has any. Returns how many bins; `other` is the last. */
enum { LABEL_CLASS_BINS_MAX = 2 * LABEL_CLASSES_MAX + 1 };
uint32_t label_classes_align(const struct label_classes *a, const struct label_classes *b,
                             uint64_t out_a[LABEL_CLASS_BINS_MAX], uint64_t out_b[LABEL_CLASS_BINS_MAX]);

void label_classes_encode(const struct label_classes *classes, struct strbuf *out);
/* ERR_CORRUPT: more than LABEL_CLASSES_MAX, or names that do not ascend. */
int label_classes_decode(struct cursor *in, struct label_classes *out) MUST_USE;

#endif
