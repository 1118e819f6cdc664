#include "detectors/root_cause.h"

#include <math.h>
#include <stdlib.h>

#include "agent/base/err.h"
#include "detectors/attribution.h"
#include "detectors/distance.h"
#include "detectors/intervals.h"
#include "detectors/root_cause_slots.h"

#define CELL_SMOOTHING 0.5
#define EXPECTED_MIN   5.0 /* bins with fewer expected events are pooled before the test */

static uint64_t sum_of(const uint64_t *counts, uint32_t bins)
{
    uint64_t sum = 0;
    for (uint32_t b = 0; b < bins; b++)
        sum += counts[b];
    return sum;
}

/* NaN when there is nothing to compare. */
static double segment_p(const uint64_t *reference, const uint64_t *current, uint32_t bins)
{
    uint64_t pooled_reference[COUNT_BINS_MAX], pooled_current[COUNT_BINS_MAX];
    struct count_pair pair = count_pair_of(reference, current, bins);
    if (pair.n == 0 || pair.M == 0)
        return (double)NAN;
    uint32_t columns = count_pool(&pair, EXPECTED_MIN, pooled_reference, pooled_current);
    if (columns < 2)
        return (double)NAN;
    struct count_pair pooled = count_pair_of(pooled_reference, pooled_current, columns);
    return count_tests(&pooled).chi2_p;
}

/* Adjusted among the segments that can be tested. */
static int adjust(struct cause *causes, uint32_t segments)
{
    double *p = malloc(2 * (size_t)segments * sizeof(*p));
    if (!p)
        return ERR_NOMEM;
    double *adjusted = p + segments;
    uint32_t count = 0;
    for (uint32_t s = 0; s < segments; s++)
        if (!isnan(causes[s].p))
            p[count++] = causes[s].p;
    int code = count ? adjust_benjamini_hochberg(p, count, adjusted) : 0;
    count = 0;
    for (uint32_t s = 0; code == 0 && s < segments; s++)
        if (!isnan(causes[s].p))
            causes[s].p = adjusted[count++];
    free(p);
    return code;
}

int causes_of(const uint64_t *reference, const uint64_t *current, uint32_t segments, uint32_t bins,
              struct cause *out)
{
    size_t cells = (size_t)segments * bins;
    if (cells == 0)
        return 0;
    double *smoothed = malloc(2 * cells * sizeof(*smoothed));
    struct segment_part *parts = malloc(segments * sizeof(*parts));
    struct segment_sum sum;
    int code = smoothed && parts ? 0 : ERR_NOMEM;
    for (size_t i = 0; code == 0 && i < cells; i++) {
        smoothed[i] = (double)reference[i] + CELL_SMOOTHING;
        smoothed[cells + i] = (double)current[i] + CELL_SMOOTHING;
    }
    if (code == 0)
        code = psi_segments(smoothed, smoothed + cells, segments, bins, parts, NULL, &sum);
    for (uint32_t s = 0; code == 0 && s < segments; s++) {
        const uint64_t *of_reference = reference + (size_t)s * bins, *of_current = current + (size_t)s * bins;
        out[s] = (struct cause){.mix = parts[s].mix,
                                .within = parts[s].within,
                                .part = parts[s].total,
                                .share = sum.psi > 0 ? parts[s].total / sum.psi : (double)NAN,
                                .kl = parts[s].kl_chain,
                                .kl_debiased = parts[s].kl_debiased,
                                .p = segment_p(of_reference, of_current, bins),
                                .n = sum_of(of_current, bins),
                                .reference_n = sum_of(of_reference, bins)};
    }
    free(smoothed);
    free(parts);
    return code ? code : adjust(out, segments);
}

void cause_row(const struct cause *cause, struct report_row *row)
{
    *row = (struct report_row){.family = FAMILY_CAUSE, .n = cause->n, .reference_n = cause->reference_n};
    report_row_undefine(row);
    row->slots[CAUSE_PART] = cause->part;
    row->slots[CAUSE_MIX] = cause->mix;
    row->slots[CAUSE_WITHIN] = cause->within;
    row->slots[CAUSE_SHARE] = cause->share;
    row->slots[CAUSE_KL] = cause->kl;
    row->slots[CAUSE_KL_DEBIASED] = cause->kl_debiased;
    row->slots[CAUSE_P] = cause->p;
}
