#ifndef DRIFTD_DETECTORS_OUTCOMES_H
#define DRIFTD_DETECTORS_OUTCOMES_H
/*
 * Outcomes: predictions that met their labels, as tallies (METHODS §7.1, §7.2, §8, §9), and the rows they
 * report. Five tallies, each of one size for every series: score, calibration and regression sums; confusion
 * counts per group value; confusion counts of classes; a sketch of residuals; scores of all classes. Counting
 * uses no function of libm, so integers are the same everywhere; reports are pure functions of them.
 * Undefined is NaN.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"
#include "detectors/report.h"
#include "detectors/tally.h"

struct ddsketch_layout;

enum {
    OUTCOME_GROUPS_MAX = 512,      /* slots of a version: values of attributes and cells of crosses */
    OUTCOME_GROUP_VALUES_MAX = 64, /* of one attribute; the rest is "attribute=other" */
    OUTCOME_GROUP_CELLS_MAX = 256, /* of one cross of attributes; the rest is other */
    OUTCOME_CLASSES_MAX = 64,      /* classes with a row in a window */
    OUTCOME_CLASSES_KNOWN = 126,   /* classes of a model with a slot: with OUTCOME_NAME_ALONE it is a byte */
    OUTCOME_CLASS_SLOTS = 127,     /* of them and of the others */
    OUTCOME_CLASS_OTHER = 64,      /* the slot of all further ones; stored, hence in the middle */
    OUTCOME_NAME_ALONE = 128,      /* flag of a label: its name says all, its value nothing */
    OUTCOME_CLASS_NONE = 255,      /* no slot: the value is no class */
    OUTCOME_LABELS_MIN = 30,       /* METHODS §0: labels below which a row is `insufficient`, by default */
    OUTCOME_BIAS_BINS = 20,
    OUTCOME_CALIBRATION_BINS = 10
};

enum outcome_kind { OUTCOME_BINARY, OUTCOME_REGRESSION, OUTCOME_MULTICLASS };

/* A prediction, with its label when it has one. A prediction and its outcome are counted apart: first
 * `labelled` false, for coverage, then once more with the label. */
struct outcome {
    uint8_t kind; /* enum outcome_kind */
    bool labelled;
    uint8_t predicted; /* BINARY: 0 or 1; MULTICLASS: slot of the class */
    double value;      /* BINARY: the score, MULTICLASS: that of the predicted class, NaN when it has none;
                          REGRESSION: the prediction */
    double truth;      /* of labelled: 0 or 1; REGRESSION: the target; MULTICLASS: slot of the class */
};

struct tally_size outcomes_size(void);
/* Binary and regression. Adds (sign 1) or takes back (sign −1). `unit` (> 0) is what a step of regression
 * values is measured in: sums resolve unit/2^40 and values beyond ±2^31 units are clipped, with a counter.
 * O(1). */
void outcomes_add(struct tally *tally, const struct outcome *outcome, double unit, int sign);

struct tally_size outcome_groups_size(void);
/* `slot` < OUTCOME_GROUPS_MAX. Only binary outcomes have a confusion of two: others are ignored. */
void outcome_groups_add(struct tally *tally, uint32_t slot, const struct outcome *outcome, int sign);

struct tally_size outcome_classes_size(void);
/* MULTICLASS. O(1). */
void outcome_classes_add(struct tally *tally, const struct outcome *outcome, int sign);

struct class_scores;
struct tally_size outcome_class_scores_size(void);
/* The scores of all classes of a labelled outcome. `truth`: the slot of the class that was true; those
 * without a score have the score 0. O(classes). */
void outcome_class_scores_add(struct tally *tally, const struct class_scores *scores, uint32_t truth,
                              int sign);

/* Residuals prediction − target in units, to 1 % of their size from 1e-6 to 1e9 units. NULL: no memory. */
struct ddsketch_layout *outcome_residual_layout_new(void);
/* A labelled regression outcome. O(log buckets). */
void outcome_residuals_add(struct tally *tally, const struct ddsketch_layout *layout,
                           const struct outcome *outcome, double unit, int sign);

/* What a user says of the groups of an attribute: configuration owns the strings. */
struct facet_spec {
    char *attribute;
    char *advantaged; /* value of the advantaged group; NULL: each group is compared with all others */
    char *strata;     /* attribute to condition on (CDD); NULL: none */
};
struct cross_spec {
    char **attributes; /* NULL-terminated */
};

/* The cell of an event in a cross, "sex|age=F|30-39", from its groups "attribute=value". False when the event
 * lacks an attribute or the name does not fit. */
bool outcome_cross_name(const char *const *attributes, const char *const *groups, uint32_t count, char *out,
                        size_t size);

struct outcome_options {
    uint64_t n_min; /* labels below which a row is `insufficient`; events below which a group stays out of
                       comparisons */
    double unit;    /* as given to outcomes_add */
    const struct facet_spec *facets;
    uint32_t facet_count;
    const struct ddsketch_layout *residual_layout; /* both or none */
    const struct tally *residuals;
    const struct tally *class_scores; /* NULL: none */
};

enum { OUTCOME_ROWS_MAX = 4 + OUTCOME_CALIBRATION_BINS };
/* The rows of performance, calibration (and one per bin of the reliability diagram) and regression, each only
 * when it has labels; `names[i]` is what row i is about. Returns how many. O(score bins). */
uint32_t outcomes_report(const struct tally *tally, const struct outcome_options *options,
                         struct report_row rows[OUTCOME_ROWS_MAX], struct text names[OUTCOME_ROWS_MAX]);

/* Rows per attribute (FAMILY_FAIRNESS, FAMILY_PARITY), per group (FAMILY_GROUPS) and per disadvantaged group
 * of a facet (FAMILY_FACETS). `names[slot]` is "attribute=value"; out_names[i] is the name of row i, a view
 * into `names`. Both arrays have outcome_group_rows_max(name_count) places. O(groups²). */
uint32_t outcome_group_rows_max(uint32_t name_count);
uint32_t outcome_groups_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                               const struct outcome_options *options, struct report_row *rows,
                               struct text *out_names);

/* Labels by class, into `out`; names as for the report. O(classes²). ERR_NOMEM. */
struct label_classes;
int outcome_classes_labels(const struct tally *tally, const struct text *names, uint32_t name_count,
                           struct label_classes *out) MUST_USE;

/* Were there labelled outcomes of classes without a slot? */
bool outcome_classes_have_other(const struct tally *tally);

enum { OUTCOME_CLASS_ROWS_MAX = OUTCOME_CLASSES_MAX + 2 };
/* A row of the model (FAMILY_MULTICLASS) and one per class that occurs (FAMILY_CLASSES). `names[slot]` is
 * "class=name" of a known class, `name_count` ≤ OUTCOME_CLASS_SLOTS. Of more than
 * OUTCOME_CLASSES_MAX the most frequent have rows, ties by name, the rest is other, and the rows say capped:
 * the same events give the same rows as long as all classes have slots. O(classes²). */
uint32_t outcome_classes_report(const struct tally *tally, const struct text *names, uint32_t name_count,
                                const struct outcome_options *options,
                                struct report_row rows[OUTCOME_CLASS_ROWS_MAX],
                                struct text out_names[OUTCOME_CLASS_ROWS_MAX]);

#endif
