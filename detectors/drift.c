#include "detectors/drift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/distance.h"
#include "detectors/feature_slots.h"
#include "detectors/ordered.h"
#include "detectors/quality.h"

enum {
    PERMUTATION_BELOW = 50,  /* events in the smaller sample: the χ² limit is checked by permutation */
    PERMUTATION_DRAWS = 1000 /* and only where it matters */
};
#define PERMUTATION_P    0.1
#define EXPECTED_MIN     5.0
#define WINSORISED_SHARE 0.01
#define VARIANCE_UNIT    (1 / Z2_UNIT) /* what Σz² cannot tell from zero */

/* ---- one feature of one tally ----------------------------------------------------------------------------
 */

struct side {
    const struct feature_layout *layout;
    const struct tally *tally;
};

static const uint64_t *slots_of(struct side side, uint32_t feature)
{
    return side.tally->counters + side.layout->slot_at[feature];
}

/* A feature's counts of both samples in one resolution. */
struct subject {
    const struct feature_grid *grid;
    enum grid_resolution resolution;
    uint32_t valid_slots; /* the first ones; missing and invalid follow */
    uint64_t reference[COUNT_BINS_MAX], current[COUNT_BINS_MAX];
    double edges[COUNT_BINS_MAX]; /* numeric: valid_slots − 1 */
};

static void load_counts(struct side side, uint32_t feature, enum grid_resolution resolution, uint64_t *out)
{
    const struct feature_grid *grid = &side.layout->grid->features[feature];
    const uint64_t *slots = slots_of(side, feature);
    if (side.layout->resolution == resolution || grid->type == FEATURE_CATEGORICAL) {
        memcpy(out, slots, grid->slot_count[resolution] * sizeof *out);
        return;
    }
    memset(out, 0, grid->slot_count[resolution] * sizeof *out);
    for (uint32_t s = 0; s < grid->slot_count[GRID_FINE]; s++)
        out[grid->coarse_slot[s]] += slots[s];
}

/* Coarse edges are those fine ones that a coarse bin ends with. */
static void load_edges(struct subject *subject)
{
    const struct feature_grid *grid = subject->grid;
    for (uint32_t e = 0; e < grid->edge_count; e++) {
        uint32_t slot = subject->resolution == GRID_FINE ? e : grid->coarse_slot[e];
        subject->edges[slot] = grid->edges[e];
    }
}

static void subject_load(struct subject *subject, struct side reference, struct side current,
                         uint32_t feature)
{
    bool fine = reference.layout->resolution == GRID_FINE && current.layout->resolution == GRID_FINE;
    subject->grid = &current.layout->grid->features[feature];
    subject->resolution = fine ? GRID_FINE : GRID_COARSE;
    subject->valid_slots = feature_slot_missing(subject->grid, subject->resolution);
    BUG_ON(subject->valid_slots + 2 > COUNT_BINS_MAX);
    load_counts(reference, feature, subject->resolution, subject->reference);
    load_counts(current, feature, subject->resolution, subject->current);
    if (subject->grid->type == FEATURE_NUMERIC)
        load_edges(subject);
}

/* The bins of PSI and its relatives: tenths of the reference, or the categories with other and unseen. */
struct psi_bins {
    uint64_t reference[COUNT_BINS_MAX], current[COUNT_BINS_MAX];
    uint32_t place[COUNT_BINS_MAX]; /* of each bin among those that are compared; COUNT_BINS_MAX: left out */
    uint32_t bins;
    struct count_pair pair;
};

/*
 * `other` and `unseen` of a closed vocabulary are empty in both samples. Smoothing with unequal sizes would
 * see a difference there (4·10^-4 of PSI at n = 5,000 against M = 50,000): such a cell is no category, so it
 * is left out.
 */
static uint32_t drop_empty_categories(struct psi_bins *bins, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t b = 0; b < count; b++) {
        bool empty = bins->reference[b] == 0 && bins->current[b] == 0;
        bins->place[b] = empty ? COUNT_BINS_MAX : kept;
        if (empty)
            continue;
        bins->reference[kept] = bins->reference[b];
        bins->current[kept++] = bins->current[b];
    }
    return kept;
}

static void psi_bins_load(struct psi_bins *bins, const struct subject *subject)
{
    const struct feature_grid *grid = subject->grid;
    bool numeric = grid->type == FEATURE_NUMERIC;
    const uint8_t *map = subject->resolution == GRID_FINE ? grid->psi_bin : grid->coarse_psi_bin;
    uint32_t count = numeric ? grid->psi_bin_count : subject->valid_slots;
    memset(bins->reference, 0, count * sizeof *bins->reference);
    memset(bins->current, 0, count * sizeof *bins->current);
    for (uint32_t s = 0; s < subject->valid_slots; s++) {
        uint32_t bin = numeric ? map[s] : s;
        bins->reference[bin] += subject->reference[s];
        bins->current[bin] += subject->current[s];
    }
    bins->bins = count;
    for (uint32_t b = 0; b < count; b++)
        bins->place[b] = b;
    if (!numeric)
        count = drop_empty_categories(bins, count);
    bins->pair = count_pair_of(bins->reference, bins->current, count);
}

/* ---- distances on PSI bins ---------------------------------------------------------------------------- */

/* One non-empty bin in both samples: nothing can differ, although smoothing with unequal sizes would say so.
 */
static void fill_equal(double *slots)
{
    static const uint8_t zeros[] = {SLOT_PSI,
                                    SLOT_PSI_DEBIASED,
                                    SLOT_KL,
                                    SLOT_JS,
                                    SLOT_HELLINGER,
                                    SLOT_TOTAL_VARIATION,
                                    SLOT_LINF,
                                    SLOT_DIVERGENCE_FLOOR,
                                    SLOT_ROOT_FLOOR,
                                    SLOT_CHI2,
                                    SLOT_TOTAL_VARIATION_FLOOR,
                                    SLOT_LINF_FLOOR,
                                    SLOT_G,
                                    SLOT_CRAMERS_V};
    for (size_t i = 0; i < sizeof zeros; i++)
        slots[zeros[i]] = 0;
    slots[SLOT_PSI_P] = 1;
    slots[SLOT_CHI2_P] = 1;
}

static double small_sample_p(const struct count_pair *pair, double p)
{
    bool small = pair->n < PERMUTATION_BELOW || pair->M < PERMUTATION_BELOW;
    if (!small || !(p < PERMUTATION_P))
        return p;
    struct count_pair ordered =
        pair->n <= pair->M ? *pair : count_pair_of(pair->current, pair->reference, pair->bins);
    return chi2_permutation_p(&ordered, PERMUTATION_DRAWS);
}

static void fill_tests(const struct count_pair *pair, double *slots)
{
    uint64_t reference[COUNT_BINS_MAX], current[COUNT_BINS_MAX];
    uint32_t columns = count_pool(pair, EXPECTED_MIN, reference, current);
    if (columns < 2)
        return; /* too little data for a table: undefined */
    struct count_pair pooled = count_pair_of(reference, current, columns);
    struct count_tests tests = count_tests(&pooled);
    slots[SLOT_CHI2] = tests.chi2;
    slots[SLOT_CHI2_P] = small_sample_p(&pooled, tests.chi2_p);
    slots[SLOT_G] = tests.g;
    slots[SLOT_CRAMERS_V] = tests.cramers_v;
}

/* Most features of a grid have ten bins: the quantile is found once. */
struct threshold {
    double alpha;
    uint32_t df;
    double quantile; /* of χ²_df at 1 − alpha */
};

static double threshold_of(struct threshold *known, uint32_t df)
{
    if (known->df != df)
        *known = (struct threshold){known->alpha, df, psi_null(1, df, known->alpha).threshold};
    return known->quantile;
}

static void fill_frequency(const struct count_pair *pair, struct threshold *known, double *slots)
{
    if (pair->n == 0 || pair->M == 0)
        return;
    if (pair->nonempty == 1) {
        fill_equal(slots);
        return;
    }
    struct frequency_distances d = frequency_distances(pair, JEFFREYS);
    double v = count_pair_variance(pair);
    uint32_t df = pair->nonempty - 1;
    double threshold = v * threshold_of(known, df);
    slots[SLOT_PSI] = d.psi;
    slots[SLOT_PSI_P] = psi_p(d.psi, v, df);
    slots[SLOT_PSI_DEBIASED] = d.psi - v * df;
    slots[SLOT_KL] = d.kl;
    slots[SLOT_JS] = d.js_distance;
    slots[SLOT_HELLINGER] = d.hellinger;
    slots[SLOT_TOTAL_VARIATION] = d.total_variation;
    slots[SLOT_LINF] = d.linf;
    slots[SLOT_DIVERGENCE_FLOOR] = threshold;
    slots[SLOT_ROOT_FLOOR] = sqrt(threshold);
    slots[SLOT_TOTAL_VARIATION_FLOOR] = total_variation_floor(pair, known->alpha);
    slots[SLOT_LINF_FLOOR] = linf_floor(pair, known->alpha);
}

/* ---- moments and ordered distances --------------------------------------------------------------------- */

struct moments {
    double mean, sd;
};

static const int128 *sums_of(struct side side, uint32_t feature)
{
    return side.tally->sums + side.layout->sums_at[feature];
}

/* mean = location + scale·Σz/n, in long double so that the variance does not cancel. */
static struct moments moments_of(struct side side, uint32_t feature, uint64_t n)
{
    const struct feature_grid *grid = &side.layout->grid->features[feature];
    const int128 *sums = sums_of(side, feature);
    if (n == 0)
        return (struct moments){NAN, NAN};
    long double z = (long double)sums[0] / (long double)Z_UNIT / (long double)n;
    long double z2 = (long double)sums[1] / (long double)Z2_UNIT / (long double)n;
    long double variance = z2 - z * z;
    if (!(variance > (long double)VARIANCE_UNIT))
        variance = 0;
    return (struct moments){(double)((long double)grid->location + (long double)grid->scale * z),
                            (double)((long double)grid->scale * sqrtl(variance))};
}

/* share × mean distance from the edge = |Σ(x − edge)|/n over the values beyond it. */
static double tail_area(const struct feature_grid *grid, int128 sum_z, uint64_t count, double edge,
                        uint64_t n)
{
    long double sum_x = (long double)count * ((long double)grid->location - (long double)edge) +
                        (long double)grid->scale * ((long double)sum_z / (long double)Z_UNIT);
    return (double)(fabsl(sum_x) / (long double)n);
}

static struct tails tails_of(struct side side, uint32_t feature, const struct subject *subject,
                             const uint64_t *counts, uint64_t n)
{
    const struct feature_grid *grid = subject->grid;
    const int128 *sums = sums_of(side, feature);
    uint32_t last = subject->valid_slots - 1;
    if (grid->edge_count == 0 || n == 0)
        return (struct tails){0, 0};
    return (struct tails){.below = tail_area(grid, sums[2], counts[0], subject->edges[0], n),
                          .above = tail_area(grid, sums[3], counts[last], subject->edges[last - 1], n)};
}

/* What W1 is divided by: outliers of the reference would hide everything else, so they are clipped; where
 * that leaves nothing (a rare second value), they are not. From the reference's own bins, which may be finer
 * than those compared. */
static double reference_spread(const struct subject *subject, struct side reference, uint32_t feature,
                               double population_sd)
{
    const struct feature_grid *grid = subject->grid;
    bool fine = reference.layout->resolution == GRID_FINE;
    const uint64_t *counts = fine ? slots_of(reference, feature) : subject->reference;
    const double *edges = fine ? grid->edges : subject->edges;
    uint32_t bins = fine ? feature_slot_missing(grid, GRID_FINE) : subject->valid_slots;
    double sd = winsorised_sd(counts, edges, bins, WINSORISED_SHARE);
    return sd > 0 ? sd : population_sd;
}

/* Both samples in fine bins when one of them is known in coarse bins only. */
struct refined {
    uint64_t reference[COUNT_BINS_MAX], current[COUNT_BINS_MAX];
};

/* Statistics in units of the feature suffer from coarse bins (a tail bin may span most of the range), so the
 * coarse sample takes the shape of the fine one inside each bin. */
static struct ordered_pair refine(const struct ordered_pair *pair, const struct feature_grid *grid,
                                  struct side reference, struct side current, uint32_t feature,
                                  struct refined *refined)
{
    struct ordered_pair fine = *pair;
    uint32_t bins = feature_slot_missing(grid, GRID_FINE);
    size_t bytes = bins * sizeof(uint64_t);
    if (reference.layout->resolution == current.layout->resolution)
        return fine;
    if (reference.layout->resolution == GRID_FINE) {
        memcpy(refined->reference, slots_of(reference, feature), bytes);
        refine_counts(pair->counts.current, grid->coarse_slot, refined->reference, bins, refined->current);
    } else {
        memcpy(refined->current, slots_of(current, feature), bytes);
        refine_counts(pair->counts.reference, grid->coarse_slot, refined->current, bins, refined->reference);
    }
    fine.edges = grid->edges;
    fine.counts = count_pair_of(refined->reference, refined->current, bins);
    return fine;
}

static void fill_by_value(const struct ordered_pair *pair, const struct ordered_distances *d, double spread,
                          double *slots)
{
    slots[SLOT_W1] = d->w1;
    slots[SLOT_W1_NORMALIZED] = normalised_distance(d->w1, spread);
    slots[SLOT_W1_NOISE] = normalised_distance(w1_noise(pair), spread);
    slots[SLOT_ENERGY] = d->energy;
}

static void fill_ordered(const struct subject *subject, struct side reference, struct side current,
                         uint32_t feature, double alpha, double *slots)
{
    struct ordered_pair pair = {.edges = subject->edges};
    pair.counts = count_pair_of(subject->reference, subject->current, subject->valid_slots);
    uint64_t M = pair.counts.M, n = pair.counts.n;
    struct moments moments = moments_of(current, feature, n);
    slots[SLOT_MEAN] = moments.mean;
    slots[SLOT_SD] = moments.sd;
    if (n == 0 || M == 0)
        return;
    pair.reference_tails = tails_of(reference, feature, subject, subject->reference, M);
    pair.current_tails = tails_of(current, feature, subject, subject->current, n);
    struct refined refined;
    struct ordered_pair by_value = refine(&pair, subject->grid, reference, current, feature, &refined);
    struct ordered_distances d = ordered_distances(&pair);
    bool refined_any = by_value.counts.reference != pair.counts.reference;
    struct ordered_distances d_by_value = refined_any ? ordered_distances(&by_value) : d;
    fill_by_value(&by_value, &d_by_value,
                  reference_spread(subject, reference, feature, moments_of(reference, feature, M).sd), slots);
    slots[SLOT_KS] = d.ks;
    slots[SLOT_KS_P] = ks_p(d.ks, n, M, false);
    slots[SLOT_KS_FLOOR] = ks_critical(alpha, count_pair_variance(&pair.counts));
    slots[SLOT_KS_UPPER] = d.ks_upper;
    slots[SLOT_CVM] = cvm_binned(&pair);
    slots[SLOT_CVM_P] = cvm_p(slots[SLOT_CVM], n, M);
    slots[SLOT_ANDERSON_DARLING] = anderson_darling(&pair.counts);
}

/* ---- rates -----------------------------------------------------------------------------------------------
 */

struct rate {
    uint64_t count, total;
};

/* Three slots in a row: rate, difference from the reference, p. */
static void fill_rate(struct rate current, struct rate reference, double *slots)
{
    struct rate_change change = rate_change(current.count, current.total, reference.count, reference.total);
    slots[0] = current.total ? (double)current.count / (double)current.total : NAN;
    slots[1] = change.difference;
    slots[2] = change.test.p;
}

static uint64_t outside_count(const struct subject *subject, const uint64_t *counts)
{
    if (subject->grid->type == FEATURE_CATEGORICAL)
        return counts[feature_slot_unseen(subject->grid)];
    uint32_t last = subject->valid_slots - 1;
    return last > 0 ? counts[0] + counts[last] : counts[0];
}

static uint64_t sum_of(const uint64_t *counts, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += counts[i];
    return sum;
}

static void fill_rates(const struct subject *subject, uint64_t n, uint64_t M, double *slots)
{
    const uint64_t *c = subject->current, *r = subject->reference;
    uint32_t valid = subject->valid_slots;
    uint64_t all = n + c[valid] + c[valid + 1], reference_all = M + r[valid] + r[valid + 1];
    fill_rate((struct rate){c[valid], all}, (struct rate){r[valid], reference_all},
              &slots[SLOT_MISSING_RATE]);
    fill_rate((struct rate){c[valid + 1], all}, (struct rate){r[valid + 1], reference_all},
              &slots[SLOT_INVALID_RATE]);
    struct rate outside = {outside_count(subject, c), n}, known = {outside_count(subject, r), M};
    fill_rate(outside, known, &slots[SLOT_OUTSIDE_RATE]);
    /* The grid's own reference has nothing outside by construction: the limits are its extremes. */
    if (subject->grid->type == FEATURE_NUMERIC && known.count == 0 && n > 0 && M >= 2)
        slots[SLOT_OUTSIDE_P] = out_of_range_p(outside.count, n, M);
    if (subject->grid->type == FEATURE_CATEGORICAL && n > 0)
        slots[SLOT_OTHER_RATE] = (double)c[feature_slot_other(subject->grid)] / (double)n;
}

/* ---- the report
 * -------------------------------------------------------------------------------------------- */

static bool same_grid(struct side a, struct side b)
{
    return a.layout->grid == b.layout->grid || strcmp(a.layout->grid->id, b.layout->grid->id) == 0;
}

static void row_init(struct report_row *row, uint32_t feature)
{
    *row = (struct report_row){.family = FAMILY_FEATURES, .subject = feature};
    report_row_undefine(row);
}

static void fill_row(struct report_row *row, struct side reference, struct side current,
                     const struct drift_options *options, struct threshold *known)
{
    struct subject subject;
    struct psi_bins bins;
    subject_load(&subject, reference, current, row->subject);
    psi_bins_load(&bins, &subject);
    bool numeric = subject.grid->type == FEATURE_NUMERIC;
    row->n = sum_of(subject.current, subject.valid_slots);
    row->reference_n = sum_of(subject.reference, subject.valid_slots);
    row->flags |= numeric ? 0 : REPORT_CATEGORICAL;
    row->flags |= row->n < options->n_min ? REPORT_INSUFFICIENT : 0;
    fill_frequency(&bins.pair, known, row->slots);
    if (!options->without_tables && bins.pair.n && bins.pair.M && bins.pair.nonempty > 1)
        fill_tests(&bins.pair, row->slots);
    if (numeric)
        fill_ordered(&subject, reference, current, row->subject, options->alpha, row->slots);
    fill_rates(&subject, row->n, row->reference_n, row->slots);
    for (uint32_t i = 0; i < REPORT_SLOTS; i++)
        if (isinf(row->slots[i])) /* widths beyond what double holds */
            row->slots[i] = NAN;
}

void drift_report(const struct feature_layout *current_layout, const struct tally *current,
                  const struct feature_layout *reference_layout, const struct tally *reference,
                  const struct drift_options *options, struct report_row *rows)
{
    struct side left = {reference_layout, reference}, right = {current_layout, current};
    struct threshold known = {.alpha = options->alpha};
    bool comparable = same_grid(left, right);
    for (uint32_t f = 0; f < current_layout->grid->feature_count; f++) {
        row_init(&rows[f], f);
        if (comparable)
            fill_row(&rows[f], left, right, options, &known);
        else
            rows[f].flags = REPORT_GRID_MISMATCH;
    }
}

void drift_report_feature(const struct feature_layout *current_layout, const struct tally *current,
                          const struct feature_layout *reference_layout, const struct tally *reference,
                          const struct drift_options *options, uint32_t feature, struct report_row *row)
{
    struct side left = {reference_layout, reference}, right = {current_layout, current};
    struct threshold known = {.alpha = options->alpha};
    row_init(row, feature);
    if (same_grid(left, right))
        fill_row(row, left, right, options, &known);
    else
        row->flags = REPORT_GRID_MISMATCH;
}

uint32_t drift_psi_counts(const struct feature_layout *layout, const struct tally *tally, uint32_t feature,
                          uint64_t *out_counts)
{
    const struct feature_grid *grid = &layout->grid->features[feature];
    const uint64_t *slots = slots_of((struct side){layout, tally}, feature);
    uint32_t valid = feature_slot_missing(grid, layout->resolution);
    if (grid->type == FEATURE_CATEGORICAL) {
        memcpy(out_counts, slots, valid * sizeof *out_counts);
        return valid;
    }
    const uint8_t *map = layout->resolution == GRID_FINE ? grid->psi_bin : grid->coarse_psi_bin;
    memset(out_counts, 0, grid->psi_bin_count * sizeof *out_counts);
    for (uint32_t s = 0; s < valid; s++)
        out_counts[map[s]] += slots[s];
    return grid->psi_bin_count;
}

/* ---- bins for people ----------------------------------------------------------------------------------- */

static void label_interval(struct drift_bin *bin)
{
    char lower[40], upper[40];
    for (int digits = 6; digits <= 17; digits += 11) {
        snprintf(lower, sizeof lower, "%.*g", digits, bin->lower);
        snprintf(upper, sizeof upper, "%.*g", digits, bin->upper);
        if (strcmp(lower, upper) != 0)
            break;
    }
    if (isinf(bin->lower) && isinf(bin->upper))
        snprintf(bin->label, sizeof bin->label, "any value");
    else if (nextafter(bin->upper, -INFINITY) <= bin->lower)
        snprintf(bin->label, sizeof bin->label, "%.15g", bin->upper);
    else
        snprintf(bin->label, sizeof bin->label, "(%s, %s%c", lower, upper, isinf(bin->upper) ? ')' : ']');
}

/* Cut before a UTF-8 continuation byte, never inside a character. */
static void label_text(struct drift_bin *bin, const char *text)
{
    size_t len = strlen(text);
    if (len >= sizeof bin->label)
        for (len = sizeof bin->label - 1; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    memcpy(bin->label, text, len);
    bin->label[len] = '\0';
}

static void bounds_of(const struct subject *subject, uint32_t psi_bin, struct drift_bin *bin)
{
    const struct feature_grid *grid = subject->grid;
    const uint8_t *map = subject->resolution == GRID_FINE ? grid->psi_bin : grid->coarse_psi_bin;
    bin->lower = -INFINITY;
    bin->upper = INFINITY;
    for (uint32_t s = 0; s + 1 < subject->valid_slots; s++) {
        if (map[s] < psi_bin && map[s + 1] == psi_bin)
            bin->lower = subject->edges[s];
        if (map[s] == psi_bin && map[s + 1] > psi_bin)
            bin->upper = subject->edges[s];
    }
}

static void describe(const struct subject *subject, uint32_t index, struct drift_bin *bin)
{
    const struct feature_grid *grid = subject->grid;
    bin->lower = bin->upper = NAN;
    if (grid->type == FEATURE_NUMERIC) {
        bounds_of(subject, index, bin);
        label_interval(bin);
    } else if (index < grid->category_count) {
        label_text(bin, grid->categories[index]);
    } else {
        label_text(bin, index == feature_slot_other(grid) ? "other" : "unseen");
    }
}

static void count_into(struct drift_bin *bin, uint64_t reference, uint64_t current, uint64_t reference_all,
                       uint64_t all)
{
    bin->reference_count = reference;
    bin->count = current;
    bin->reference_share = reference_all ? (double)reference / (double)reference_all : NAN;
    bin->share = all ? (double)current / (double)all : NAN;
}

static void special_bin(struct drift_bin *bin, const char *label)
{
    label_text(bin, label);
    bin->lower = bin->upper = bin->psi_term = NAN;
}

uint32_t drift_bins(const struct feature_layout *current_layout, const struct tally *current,
                    const struct feature_layout *reference_layout, const struct tally *reference,
                    uint32_t feature, struct drift_bin *bins, uint32_t max)
{
    struct side left = {reference_layout, reference}, right = {current_layout, current};
    struct subject subject;
    struct psi_bins psi;
    double terms[COUNT_BINS_MAX];
    if (!same_grid(left, right) || feature >= current_layout->grid->feature_count)
        return 0;
    subject_load(&subject, left, right, feature);
    psi_bins_load(&psi, &subject);
    psi_terms(&psi.pair, JEFFREYS, terms);
    uint32_t valid = subject.valid_slots, count = 0;
    uint64_t reference_all = sum_of(subject.reference, valid + 2), all = sum_of(subject.current, valid + 2);
    for (uint32_t b = 0; b < psi.bins && count < max; b++, count++) {
        uint32_t at = psi.place[b];
        bool left_out = at == COUNT_BINS_MAX;
        describe(&subject, b, &bins[count]);
        count_into(&bins[count], left_out ? 0 : psi.reference[at], left_out ? 0 : psi.current[at],
                   reference_all, all);
        bins[count].psi_term = left_out || (psi.pair.nonempty == 1 && !isnan(terms[at])) ? 0 : terms[at];
    }
    for (uint32_t s = 0; s < 2 && count < max; s++, count++) {
        special_bin(&bins[count], s == 0 ? "missing" : "invalid");
        count_into(&bins[count], subject.reference[valid + s], subject.current[valid + s], reference_all,
                   all);
    }
    return count;
}
