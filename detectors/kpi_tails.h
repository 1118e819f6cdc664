#ifndef DRIFTD_DETECTORS_KPI_TAILS_H
#define DRIFTD_DETECTORS_KPI_TAILS_H
/*
 * The family of winsorised KPIs (METHODS §12: heavy tails), for KPIs that ask for it: values held between the
 * 0.1 % and the 99.9 % quantile of the KPI's own first period, which are not known when they are counted. So
 * counted is a DDSketch of each (1 % from 10⁻⁴ to 10⁶ units, of both signs), and values are those that stand
 * for their buckets, held between the limits: a mean is within 1 % of the mean |value|, and what a rounded
 * value is does not depend on the window. Whole models only.
 */
#include "detectors/families.h"

enum { KPI_TAILS_MAX = 4 /* of a model */ };

enum kpi_tails_slot { /* part of stored rows: append, never renumber */
                      KPI_TAILS_MEAN,
                      KPI_TAILS_DIFFERENCE,
                      KPI_TAILS_DIFFERENCE_LOW,
                      KPI_TAILS_DIFFERENCE_HIGH,
                      KPI_TAILS_DIFFERENCE_P,
                      KPI_TAILS_REFERENCE_MEAN,
                      KPI_TAILS_LOW,
                      KPI_TAILS_HIGH,
                      KPI_TAILS_HELD,
                      KPI_TAILS_SLOT_COUNT
};

extern const struct family_ops kpi_tails_family;

/* The n-th KPI by name that asks for it; NULL: there are not so many. O(count²). */
const struct kpi_scale *kpi_tails_scale(const struct model_options *options, uint32_t n);

/* Adds the n-th KPI of a pane's tally to a tally of the same size: its first period. */
void kpi_tails_add(struct tally *into, const struct tally *pane, uint32_t n);

#endif
