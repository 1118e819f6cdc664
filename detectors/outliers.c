#include "detectors/outliers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/outlier_slots.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

enum { TERM_MAX = UINT16_MAX, REFERENCE_MIN = 1000 };
#define OUTLIER_SHARE 0.01
#define ALPHA         0.05

/* ---- terms ---- */

/* log2 of ratio ≥ 1 in units of 1/256, rounded. By squaring: every step is exact to the last bit or so, and
 * the same on every machine, which log2() is not. */
static uint32_t log2_units(double ratio)
{
    if (!(ratio > 1))
        return 0;
    if (!(ratio < 0x1p200))
        return 200 * OUTLIER_UNITS_PER_BIT;
    uint64_t bits;
    memcpy(&bits, &ratio, sizeof(bits));
    uint32_t log = (uint32_t)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
    memcpy(&ratio, &bits, sizeof(ratio));
    for (uint32_t unit = 1; unit < 2 * OUTLIER_UNITS_PER_BIT; unit *= 2) {
        ratio *= ratio;
        log *= 2;
        if (ratio >= 2) {
            ratio *= 0.5;
            log++;
        }
    }
    return (log + 1) / 2;
}

static uint16_t term_of(double largest, double here)
{
    uint32_t units = largest > 0 ? (here > 0 ? log2_units(largest / here) : TERM_MAX) : 0;
    return (uint16_t)(units < TERM_MAX ? units : TERM_MAX);
}

/* Values of a numeric feature lie in groups of fine slots: the coarse bins, or the bins of single values. */
struct heights {
    double mass[GRID_SLOTS_MAX + 1], width[GRID_SLOTS_MAX + 1]; /* by group */
    uint8_t group[GRID_SLOTS_MAX + 1];                          /* by fine slot 1 … edge_count − 1 */
    uint32_t groups;
    double n, range;
};

/* Does the bin hold one value only? */
static bool is_point(double lower, double upper)
{
    int64_t a, b;
    memcpy(&a, &lower, sizeof(a));
    memcpy(&b, &upper, sizeof(b));
    a = a < 0 ? INT64_MIN - a : a; /* in the order of the numbers */
    b = b < 0 ? INT64_MIN - b : b;
    return (uint64_t)b - (uint64_t)a <= 1; /* in order, but further apart than a signed number holds */
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Widths of fine bins, quartered so that none is infinite. A bin of one value has none to speak of: it takes
 * the median of the others, so that its density is high if its share is. */
static void fine_widths(const struct feature_grid *feature, double *width)
{
    double sorted[GRID_SLOTS_MAX + 1];
    uint32_t bins = feature->edge_count - 1u, wide = 0;
    for (uint32_t b = 0; b < bins; b++) {
        bool point = feature->discrete || is_point(feature->edges[b], feature->edges[b + 1]);
        width[b] = point ? 0 : feature->edges[b + 1] / 4 - feature->edges[b] / 4;
        if (width[b] > 0)
            sorted[wide++] = width[b];
    }
    if (wide)
        qsort(sorted, wide, sizeof(*sorted), compare_doubles);
    for (uint32_t b = 0; b < bins; b++)
        if (!(width[b] > 0))
            width[b] = wide ? sorted[wide / 2] : 1;
}

static void heights_of(const struct feature_grid *feature, const uint64_t *counts, struct heights *out)
{
    double width[GRID_SLOTS_MAX + 1];
    uint32_t bins = feature->edge_count ? feature->edge_count - 1u : 0;
    *out = (struct heights){.groups = feature->discrete ? bins : feature->coarse_bin_count};
    if (bins)
        fine_widths(feature, width);
    for (uint32_t b = 0; b < bins; b++) {
        uint8_t group = (uint8_t)(feature->discrete ? b : feature->coarse_slot[b + 1] - 1u);
        out->group[b + 1] = group;
        out->mass[group] += (double)counts[b + 1];
        out->width[group] += width[b];
        out->n += (double)counts[b + 1];
        out->range += width[b];
    }
}

/* Of values that are not there: their share against that of the fullest group. */
static uint16_t special_term(double modal, double n, double special)
{
    double all = n + special;
    return term_of(modal, fmax(special, 0.5 * all / (all + 1)));
}

static void numeric_terms(const struct feature_grid *feature, const uint64_t *counts, uint16_t *terms)
{
    struct heights h;
    heights_of(feature, counts, &h);
    uint32_t missing = feature_slot_missing(feature, GRID_FINE);
    double floor = h.n > 0 ? 0.5 / (h.n + 1) / h.range : 0, largest = 0, modal = 0;
    for (uint32_t g = 0; g < h.groups && h.n > 0; g++) {
        largest = fmax(largest, h.mass[g] / h.n / h.width[g]);
        modal = fmax(modal, h.mass[g]);
    }
    for (uint32_t s = 0; s < missing && h.n > 0; s++) {
        bool inside = s > 0 && s < feature->edge_count;
        uint32_t g = h.group[s];
        terms[s] = term_of(largest, inside ? fmax(floor, h.mass[g] / h.n / h.width[g]) : floor);
    }
    terms[missing] = special_term(modal, h.n, (double)counts[missing]);
    terms[missing + 1] = special_term(modal, h.n, (double)counts[missing + 1]);
}

static void categorical_terms(const struct feature_grid *feature, const uint64_t *counts, uint16_t *terms)
{
    uint32_t other = feature_slot_other(feature), missing = feature_slot_missing(feature, GRID_FINE);
    double n = 0, largest = 0, floor = 0.5;
    for (uint32_t s = 0; s < missing; s++)
        n += (double)counts[s];
    floor = 0.5 * n / (n + 1);
    /* `other` stands for many names, each as rare as they are on average. */
    double one_other = (double)counts[other] / (feature->known_count ? feature->known_count : 1);
    for (uint32_t s = 0; s < feature->category_count; s++)
        largest = fmax(largest, (double)counts[s]);
    largest = fmax(largest, one_other);
    for (uint32_t s = 0; s < feature->category_count; s++)
        terms[s] = term_of(largest, fmax(floor, (double)counts[s]));
    terms[other] = term_of(largest, fmax(floor, one_other));
    terms[feature_slot_unseen(feature)] = term_of(largest, floor);
    terms[missing] = special_term(largest, n, (double)counts[missing]);
    terms[missing + 1] = special_term(largest, n, (double)counts[missing + 1]);
}

struct outlier_table *outlier_table_new(const struct feature_layout *layout, const struct tally *reference)
{
    const struct grid *grid = layout->grid;
    size_t terms = (size_t)grid->feature_count * OUTLIER_STRIDE;
    struct outlier_table *table = calloc(1, sizeof(*table) + terms * sizeof(table->terms[0]));
    uint64_t most = 0;
    if (!table)
        return NULL;
    table->feature_count = grid->feature_count;
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *feature = &grid->features[f];
        const uint64_t *counts = reference->counters + layout->slot_at[f];
        uint16_t *own = table->terms + (size_t)f * OUTLIER_STRIDE, largest = 0;
        if (feature->name && feature->name[0] == '@')
            continue; /* no input */
        if (feature->type == FEATURE_NUMERIC)
            numeric_terms(feature, counts, own);
        else
            categorical_terms(feature, counts, own);
        for (uint32_t s = 0; s < feature->slot_count[GRID_FINE]; s++)
            largest = own[s] > largest ? own[s] : largest;
        most += largest;
    }
    while (most >> table->shift >= OUTLIER_BINS)
        table->shift++;
    return table;
}

void outlier_table_free(struct outlier_table *table)
{
    free(table);
}

uint32_t outlier_score(const struct outlier_table *table, const struct feature_row *row)
{
    const uint16_t *terms = table->terms;
    uint32_t score = 0;
    for (uint32_t f = 0; f < table->feature_count; f++, terms += OUTLIER_STRIDE)
        score += terms[row->slot[f]];
    return score;
}

/* ---- the family ---- */

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    return reference && reference->outliers ? (struct tally_size){OUTLIER_BINS, 1} : (struct tally_size){0};
}

static bool applies(const struct count_input *input)
{
    return input->event->features.count > 0;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct outlier_table *table = input->reference->outliers;
    uint32_t score = outlier_score(table, input->row);
    tally->counters[score >> table->shift] += times;
    tally->sums[0] += (int128)score * (int128)times;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 1;
}

static uint64_t count_from(const struct tally *tally, uint32_t bin)
{
    uint64_t count = 0;
    for (; bin < OUTLIER_BINS; bin++)
        count += tally->counters[bin];
    return count;
}

/* The first bin from which on at most 1 % of the reference lie. */
static uint32_t limit_bin(const struct tally *reference, uint64_t n)
{
    uint64_t above = 0;
    uint32_t bin = OUTLIER_BINS;
    while (bin > 0 && (double)(above + reference->counters[bin - 1]) <= OUTLIER_SHARE * (double)n)
        above += reference->counters[--bin];
    return bin;
}

static double mean_bits(const struct tally *tally, uint64_t n)
{
    return n ? (double)((long double)tally->sums[0] / (long double)n / OUTLIER_UNITS_PER_BIT) : (double)NAN;
}

static void compare(const struct family_report *in, struct report_row *row)
{
    uint64_t M = row->reference_n, n = row->n;
    uint32_t limit = limit_bin(in->baseline, M);
    uint64_t k = count_from(in->current, limit), K = count_from(in->baseline, limit);
    struct interval rate = interval_wilson((double)k, (double)n, ALPHA);
    struct rate_change change = rate_change(k, n, K, M);
    row->slots[OUTLIER_RATE] = (double)k / (double)n;
    row->slots[OUTLIER_RATE_LOW] = rate.low;
    row->slots[OUTLIER_RATE_HIGH] = rate.high;
    row->slots[OUTLIER_RATE_P] = change.test.p;
    row->slots[OUTLIER_DELTA] = change.difference;
    row->slots[OUTLIER_DELTA_LOW] = change.interval.low;
    row->slots[OUTLIER_DELTA_HIGH] = change.interval.high;
    row->slots[OUTLIER_REFERENCE_MEAN] = mean_bits(in->baseline, M);
    row->slots[OUTLIER_LIMIT] =
        (double)((uint64_t)limit << in->reference->outliers->shift) / OUTLIER_UNITS_PER_BIT;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    uint64_t n = count_from(in->current, 0);
    if (n == 0)
        return 0;
    struct report_row *row = &rows[0];
    *row = (struct report_row){.family = FAMILY_OUTLIERS, .n = n};
    report_row_undefine(row);
    row->reference_n = in->baseline ? count_from(in->baseline, 0) : 0;
    row->slots[OUTLIER_MEAN] = mean_bits(in->current, n);
    if (row->reference_n)
        compare(in, row);
    if (n < in->options->n_min || row->reference_n < REFERENCE_MIN)
        row->flags |= REPORT_INSUFFICIENT;
    names[0] = text_of("@outliers");
    return 1;
}

const struct family_ops outliers_family = {
    .name = "outliers",
    .of_segments = true,
    .of_reference = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
