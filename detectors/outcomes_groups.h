#ifndef DRIFTD_DETECTORS_OUTCOMES_GROUPS_H
#define DRIFTD_DETECTORS_OUTCOMES_GROUPS_H
/* The groups of one attribute, read from a tally. Private to outcomes_groups.c, outcomes_facets.c,
 * group_counts.c and gap_drift.c. */
#include "detectors/fairness.h"
#include "detectors/outcomes.h"

struct attribute {
    struct text name;
    uint32_t count, slots[OUTCOME_GROUPS_MAX];   /* ascending by name */
    struct confusion groups[OUTCOME_GROUPS_MAX]; /* labelled */
    struct confusion seen[OUTCOME_GROUPS_MAX];   /* all predictions: positives in tp, negatives in tn */
};

static inline double confusion_n(const struct confusion *c)
{
    return c->tp + c->fp + c->fn + c->tn;
}

/* "sex" of "sex=F". */
struct text outcome_attribute_of(struct text name);
struct text outcome_group_value(struct text name);
/* Of a slot; false when it has nothing. */
bool outcome_read_group(const struct tally *tally, uint32_t slot, struct confusion *out,
                        struct confusion *seen);

/* The different attributes of names, in order of appearance; returns how many. O(names²). */
uint32_t outcome_attributes(const struct text *names, uint32_t name_count,
                            struct text out[OUTCOME_GROUPS_MAX]);
/* The groups of an attribute that have something. O(names · groups). */
void outcome_read_attribute(const struct tally *tally, const struct text *names, uint32_t name_count,
                            struct text name, struct attribute *out);

/* Rows of the facets of an attribute that the user has configured; returns how many. */
uint32_t outcome_facets_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct attribute *attribute, const struct outcome_options *options,
                               struct report_row *rows, struct text *out_names);

#endif
