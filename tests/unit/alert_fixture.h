/* What the tests of alerting/ share: a metric table of their own, so that they do not move with the bands of
 * the detectors, and rows for it. To be included by one file of a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "agent/base/compiler.h"
#include "alerting/alerting.h"
#include "detectors/report.h"

enum {
    SLOT_PSI,
    SLOT_PSI_FLOOR,
    SLOT_PSI_P,
    SLOT_KS,
    SLOT_KS_P,
    SLOT_MEAN,
    SLOT_SD,
    SLOT_COVERAGE,
    SLOT_LOW,
    SLOT_HIGH
};

const struct metric metric_table[] = {
    {"psi", FAMILY_FEATURES, METRIC_NUMERIC | METRIC_CATEGORICAL, SLOT_PSI, SLOT_PSI_P, SLOT_PSI_FLOOR, -1,
     -1, 2, 1, 0.1, 0.25, "population stability index"},
    {"ks", FAMILY_FEATURES, METRIC_NUMERIC, SLOT_KS, SLOT_KS_P, -1, -1, -1, 1, 0, 0.1, 0.2,
     "Kolmogorov-Smirnov distance"},
    {"mean", FAMILY_FEATURES, METRIC_NUMERIC, SLOT_MEAN, -1, -1, -1, -1, 1, 0, NAN, NAN, "mean"},
    {"sd", FAMILY_FEATURES, METRIC_NUMERIC, SLOT_SD, -1, -1, -1, -1, 1, 0, NAN, NAN, "standard deviation"},
    {"coverage", FAMILY_FEATURES, METRIC_NUMERIC, SLOT_COVERAGE, -1, -1, SLOT_LOW, SLOT_HIGH, 1, 0, NAN, NAN,
     "a ratio that ends at 1"},
};
const uint32_t metric_count = ARRAY_LEN(metric_table);

const struct metric *metric_find(const char *name)
{
    for (uint32_t i = 0; i < metric_count; i++)
        if (strcmp(metric_table[i].name, name) == 0)
            return &metric_table[i];
    return NULL;
}

static inline struct report_row row_of(double psi)
{
    struct report_row row = {.family = FAMILY_FEATURES, .n = 4200, .reference_n = 10000};
    for (int i = 0; i < REPORT_SLOTS; i++)
        row.slots[i] = NAN;
    row.slots[SLOT_PSI] = psi;
    return row;
}

/* Every glob matches, except that only whole models do; no bands yet. */
static inline struct rule_spec spec_of(char *name, char *metric, double warning, double critical)
{
    static char whole[] = "";
    return (struct rule_spec){.name = name,
                              .segment = whole,
                              .metric = metric,
                              .warning = warning,
                              .critical = critical,
                              .max_p = NAN,
                              .clear_ratio = 0.8,
                              .clear_windows = 1};
}
