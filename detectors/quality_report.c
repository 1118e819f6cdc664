#include "detectors/quality_report.h"

#include <math.h>
#include <string.h>

#include "detectors/quality.h"
#include "detectors/quality_slots.h"
#include "detectors/special.h"
#include "detectors/value_types.h"

#define CERTAIN 0.001 /* what the reference gives with less than this is no accident */

/* One feature of both samples. */
struct side {
    const uint64_t *slots;
    uint64_t valid, missing, invalid, outside, all;
};

struct subject {
    const struct feature_grid *feature;
    uint32_t index, valid_slots;
    enum grid_resolution resolution; /* of both sides */
    bool own;                        /* the reference is of the same segment, or of the whole model as this */
    struct side current, reference;
    const uint64_t *shape; /* the whole model's reference in fine slots */
    uint64_t coarsened[GRID_SLOTS_MAX + 1];
};

static struct side side_of(const struct feature_grid *feature, enum grid_resolution resolution,
                           const uint64_t *slots)
{
    uint32_t missing = feature_slot_missing(feature, resolution);
    struct side side = {.slots = slots, .missing = slots[missing], .invalid = slots[missing + 1]};
    for (uint32_t s = 0; s < missing; s++)
        side.valid += slots[s];
    side.all = side.valid + side.missing + side.invalid;
    if (feature->type == FEATURE_CATEGORICAL)
        side.outside = slots[feature_slot_unseen(feature)];
    else
        side.outside = slots[0] + (missing > 1 ? slots[missing - 1] : 0);
    return side;
}

static uint32_t slot_in(const struct feature_grid *feature, enum grid_resolution resolution, uint32_t fine)
{
    bool same = resolution == GRID_FINE || feature->type == FEATURE_CATEGORICAL;
    return same ? fine : feature->coarse_slot[fine];
}

static void subject_load(struct subject *subject, const struct quality_input *input, uint32_t index)
{
    const struct feature_grid *feature = &input->layout->grid->features[index];
    const uint64_t *whole = input->reference->counters + input->reference_layout->slot_at[index];
    const uint64_t *reference = whole;
    uint32_t at = input->layout->slot_at[index];
    subject->feature = feature;
    subject->index = index;
    subject->resolution = input->layout->resolution;
    subject->valid_slots = feature_slot_missing(feature, subject->resolution);
    subject->shape = whole;
    subject->own = subject->resolution == GRID_FINE || input->segment;
    if (input->segment) {
        reference = input->segment->counters + at;
    } else if (subject->resolution == GRID_COARSE) {
        memset(subject->coarsened, 0, sizeof(subject->coarsened));
        for (uint32_t s = 0; s < feature->slot_count[GRID_FINE]; s++)
            subject->coarsened[slot_in(feature, GRID_COARSE, s)] += whole[s];
        reference = subject->coarsened;
    }
    subject->current = side_of(feature, subject->resolution, input->current->counters + at);
    subject->reference = side_of(feature, subject->resolution, reference);
}

/* Could all of n new events be like k of the reference's M by accident? The chance of it by Jeffreys' rule:
 * a small reference is not sure of its own rate. */
static bool is_accident(uint64_t k, uint64_t M, uint64_t n)
{
    double a = (double)k + 0.5, b = (double)M + 1, more = (double)n;
    return k == M || log_gamma(a + more) - log_gamma(a) - log_gamma(b + more) + log_gamma(b) >= log(CERTAIN);
}

/* ---- rates ---- */

static void put_change(double *slots, uint64_t k, uint64_t n, uint64_t reference_k, uint64_t reference_n)
{
    struct rate_change change = rate_change(k, n, reference_k, reference_n);
    slots[0] = change.difference;
    slots[1] = change.interval.low;
    slots[2] = change.interval.high;
    slots[3] = change.test.p;
}

static void fill_rates(const struct subject *subject, double *slots)
{
    const struct side *c = &subject->current, *r = &subject->reference;
    put_change(&slots[QUALITY_MISSING], c->missing, c->all, r->missing, r->all);
    put_change(&slots[QUALITY_INVALID], c->invalid, c->all, r->invalid, r->all);
    put_change(&slots[QUALITY_OUTSIDE], c->outside, c->valid, r->outside, r->valid);
    /* The grid's own reference has nothing outside by construction: the limits are its extremes. Those of a
     * segment of it lie inside them, so its p is an upper bound. */
    if (subject->feature->type == FEATURE_NUMERIC && r->outside == 0 && c->valid > 0 && r->valid >= 2)
        slots[QUALITY_OUTSIDE_P] = out_of_range_p(c->outside, c->valid, r->valid);
}

/* ---- where values lie ---- */

static bool is_one_value(double lower, double upper)
{
    return nextafter(upper, -INFINITY) <= lower;
}

/* Where a share of the values between two edges lies, if they lie as `shape` between them. */
static double inside_bin(const struct feature_grid *feature, const uint64_t *shape, uint32_t first,
                         uint32_t last, double share)
{
    uint64_t all = 0;
    for (uint32_t s = first; shape && s <= last; s++)
        all += shape[s];
    uint32_t from = first, to = last;
    if (first < last && all > 0) {
        double target = share * (double)all, before = 0;
        while (from < last && (shape[from] == 0 || before + (double)shape[from] < target))
            before += (double)shape[from++];
        to = from;
        share = shape[from] ? fmin((target - before) / (double)shape[from], 1) : 1;
    }
    double low = feature->edges[from - 1], high = feature->edges[to];
    return is_one_value(low, high) ? high : low * (1 - share) + high * share;
}

struct bin_quantile quality_quantile(const struct feature_grid *feature, enum grid_resolution resolution,
                                     const uint64_t *slots, const uint64_t *shape, unsigned percent)
{
    uint32_t valid = feature_slot_missing(feature, resolution), s = 0, first = 0;
    uint64_t n = 0, before = 0;
    struct bin_quantile out = {(double)NAN, (double)NAN, (double)NAN};
    for (uint32_t i = 0; i < valid; i++)
        n += slots[i];
    if (n == 0 || feature->edge_count == 0)
        return out;
    uint64_t rank = (uint64_t)(((uint128)n * percent + 99) / 100);
    rank = rank ? rank : 1;
    while (before + slots[s] < rank)
        before += slots[s++];
    while (slot_in(feature, resolution, first) < s)
        first++;
    uint32_t last = first;
    while (last < feature->edge_count && slot_in(feature, resolution, last + 1) == s)
        last++;
    if (first > 0)
        out.low = feature->edges[first - 1];
    if (last < feature->edge_count)
        out.high = feature->edges[last];
    if (first == 0 || last == feature->edge_count)
        return out;
    out.value = inside_bin(feature, shape, first, last, ((double)(rank - before) - 0.5) / (double)slots[s]);
    if (is_one_value(out.low, out.high))
        out.low = out.high;
    return out;
}

static void put_quantile(double *slots, struct bin_quantile quantile)
{
    slots[0] = quantile.value;
    slots[1] = quantile.low;
    slots[2] = quantile.high;
}

static struct bin_quantile quantile_of(const struct subject *subject, unsigned percent)
{
    return quality_quantile(subject->feature, subject->resolution, subject->current.slots, subject->shape,
                            percent);
}

static uint32_t fullest(const struct subject *subject)
{
    uint32_t best = 0;
    for (uint32_t s = 1; s < subject->valid_slots; s++)
        if (subject->current.slots[s] > subject->current.slots[best])
            best = s;
    return best;
}

static bool is_one_category(const struct subject *subject, uint32_t slot)
{
    return slot < subject->feature->category_count; /* `other` and `unseen` may be several */
}

/*
 * n equal values give Σz = n·a and Σz² = n·b with a = rne(z·2^40), b = rne(z²·2^32), so both are divisible by
 * n and b is a² but for its rounding. Values that differ by less than about 2·10^-5 scales look equal too.
 * Clipped values may be anything.
 */
static bool is_one_number(const int128 *sums, uint64_t clipped, uint64_t n)
{
    if (clipped || sums[0] % (int128)n || sums[1] % (int128)n)
        return false;
    int128 a = sums[0] / (int128)n, b = sums[1] / (int128)n;
    int128 square = (a * a) >> 48; /* 2^80 → 2^32 */
    int128 slack = 2 + ((a < 0 ? -a : a) >> 47);
    return b - square <= slack && square - b <= slack;
}

static double stuck(const struct quality_input *input, const struct subject *subject, uint32_t slot)
{
    const struct side *c = &subject->current;
    const struct side *r = &subject->reference;
    if (c->valid < input->n_min || c->valid == 0 || r->valid == 0 || !subject->own)
        return (double)NAN;
    if (c->slots[slot] != c->valid || is_accident(r->slots[slot], r->valid, c->valid))
        return 0;
    if (subject->feature->type == FEATURE_CATEGORICAL)
        return is_one_category(subject, slot);
    const struct feature_layout *layout = input->layout;
    return is_one_number(&input->current->sums[layout->sums_at[subject->index]],
                         input->current->counters[layout->clipped_at[subject->index]], c->valid);
}

static void fill_values(const struct quality_input *input, const struct subject *subject, double *slots)
{
    const struct side *c = &subject->current, *r = &subject->reference;
    uint32_t mode = fullest(subject);
    slots[QUALITY_STUCK] = stuck(input, subject, mode);
    if (c->valid == 0)
        return;
    slots[QUALITY_MODE_SHARE] = (double)c->slots[mode] / (double)c->valid;
    if (r->valid)
        slots[QUALITY_MODE_DELTA] = slots[QUALITY_MODE_SHARE] - (double)r->slots[mode] / (double)r->valid;
    if (subject->feature->type != FEATURE_NUMERIC)
        return;
    put_quantile(&slots[QUALITY_P05], quantile_of(subject, 5));
    put_quantile(&slots[QUALITY_P50], quantile_of(subject, 50));
    put_quantile(&slots[QUALITY_P95], quantile_of(subject, 95));
    uint64_t clipped = input->current->counters[input->layout->clipped_at[subject->index]];
    slots[QUALITY_CLIPPED] = (double)clipped / (double)c->valid;
}

/* ---- types and fields ---- */

static void fill_types(const struct quality_input *input, const struct subject *subject, double *slots)
{
    uint64_t now[CLASS_COUNT], then[CLASS_COUNT];
    uint64_t n = subject->current.valid + subject->current.invalid;
    value_classes(subject->feature, subject->index, subject->current.slots, input->types, now);
    value_classes(subject->feature, subject->index, subject->reference.slots, input->reference_types, then);
    enum value_class usual = value_class_majority(then);
    if (n == 0 || usual == CLASS_COUNT)
        return;
    if (subject->feature->type == FEATURE_CATEGORICAL && !input->reference_types)
        return; /* its categories may have been numbers or booleans */
    slots[QUALITY_TYPE_CHANGED] = value_class_majority(now) != usual;
    slots[QUALITY_OTHER_TYPE] = (double)(n - (now[usual] < n ? now[usual] : n)) / (double)n;
    if (subject->feature->type == FEATURE_NUMERIC && input->types)
        slots[QUALITY_NOT_FINITE] =
            (double)input->types->counters[value_types_at(subject->index, VALUE_ODD_NOT_FINITE)] / (double)n;
}

/* A segment counts what is no number, not what it is instead: text, boolean or other. */
static void fill_segment_types(const struct subject *subject, double *slots)
{
    const struct side *c = &subject->current, *r = &subject->reference;
    uint64_t n = c->valid + c->invalid;
    if (subject->feature->type != FEATURE_NUMERIC || n == 0 || r->valid == 0 || r->valid < r->invalid)
        return; /* of categories only the dictionary is known */
    slots[QUALITY_OTHER_TYPE] = (double)c->invalid / (double)n;
    bool same = c->valid >= c->invalid, changed = c->invalid > 3 * c->valid; /* each surely */
    if (subject->own && (same || changed))
        slots[QUALITY_TYPE_CHANGED] = changed;
}

static double removed(const struct subject *subject)
{
    const struct side *c = &subject->current, *r = &subject->reference;
    if (c->all == 0 || r->all == r->missing || !subject->own)
        return (double)NAN;
    return c->missing == c->all && !is_accident(r->missing, r->all, c->all);
}

/* ---- the report ---- */

/* A reference may say what it likes. */
static const struct tally *fitting(const struct tally *types, const struct grid *grid)
{
    uint32_t counters = value_types_at(grid->feature_count, (enum value_odd)0);
    return types && types->size.counters == counters ? types : NULL;
}

void quality_report(const struct quality_input *given, struct report_row *rows)
{
    const struct feature_layout *layout = given->layout;
    struct quality_input checked = *given;
    const struct quality_input *input = &checked;
    checked.types = fitting(given->types, layout->grid);
    checked.reference_types = fitting(given->reference_types, layout->grid);
    for (uint32_t f = 0; f < layout->grid->feature_count; f++) {
        struct subject subject;
        subject_load(&subject, input, f);
        struct report_row *row = &rows[f];
        *row = (struct report_row){.family = FAMILY_QUALITY,
                                   .subject = f,
                                   .n = subject.current.valid,
                                   .reference_n = subject.reference.valid};
        report_row_undefine(row);
        row->flags = subject.feature->type == FEATURE_CATEGORICAL ? REPORT_CATEGORICAL : 0;
        row->flags |= row->n < input->n_min ? REPORT_INSUFFICIENT : 0;
        fill_rates(&subject, row->slots);
        fill_values(input, &subject, row->slots);
        if (subject.resolution == GRID_FINE)
            fill_types(input, &subject, row->slots);
        else
            fill_segment_types(&subject, row->slots);
        row->slots[QUALITY_REMOVED] = removed(&subject);
    }
}

uint32_t quality_top(const struct feature_grid *feature, const uint64_t *slots, uint16_t *out, uint32_t max)
{
    uint32_t count = 0;
    for (uint16_t s = 0; s < feature->category_count; s++) {
        uint32_t at = count;
        while (at > 0 && slots[out[at - 1]] < slots[s])
            at--;
        if (slots[s] == 0 || at >= max)
            continue;
        count += count < max;
        for (uint32_t i = count - 1; i > at; i--)
            out[i] = out[i - 1];
        out[at] = s;
    }
    return count;
}
