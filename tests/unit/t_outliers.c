/* outliers.c: terms against the definition in quality.h, scores, the limit, windows with and without
 * outliers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "detectors/outlier_slots.h"
#include "detectors/outliers.h"
#include "detectors/quality.h"
#include "detectors/reference.h"
#include "detectors/special.h"
#include "tests/unit/reference_document.h"

enum { REFERENCE_EVENTS = 4000, WINDOW_EVENTS = 4000, FIELDS = 5 };

static const struct model_options options = {.n_min = 200, .threshold = 0.5, .unit = 1};

static double unit_of(uint64_t i)
{
    return ((double)(hash_mix((i + 1) * UINT64_C(0x9e3779b97f4a7c15)) >> 11) + 0.5) * 0x1p-53;
}

struct made {
    struct field fields[FIELDS];
    struct event ev;
    char id[16];
};

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

/* x normal, zero mostly 0, steps 0…4, city, gap missing in one of ten. */
static void make(struct made *made, uint64_t i, double shift)
{
    static const char *const cities[] = {"north", "north", "south", "south", "south", "east"};
    double u = unit_of(8 * i + 1);
    made->fields[0] = (struct field){text_of("x"), 0, number(normal_ppf(unit_of(8 * i)) + shift)};
    made->fields[1] = (struct field){text_of("zero"), 1, number(u < 0.7 ? 0 : -log(unit_of(8 * i + 2)))};
    made->fields[2] = (struct field){text_of("steps"), 2, number(floor(5 * unit_of(8 * i + 3)))};
    made->fields[3] = (struct field){
        text_of("city"), 3, {.type = VALUE_STRING, .text = text_of(cities[(int)(6 * unit_of(8 * i + 4))])}};
    made->fields[4] = (struct field){text_of("gap"), 4, number(unit_of(8 * i + 5))};
    if (unit_of(8 * i + 6) < 0.1)
        made->fields[4].value = (struct value){.type = VALUE_NULL};
    made->id[0] = 'i';
    for (int d = 0; d < 10; d++)
        made->id[1 + d] = (char)('0' + i / (uint64_t)pow(10, d) % 10);
    made->id[11] = '\0';
    made->ev = (struct event){.kind = EVENT_PREDICTION,
                              .model = text_of("m"),
                              .id = text_of(made->id),
                              .ts_ms = (int64_t)i,
                              .score = number(u),
                              .features = {made->fields, FIELDS}};
}

struct world {
    struct reference *reference;
    struct feature_binding *binding;
    struct feature_row *row;
    struct family_tools tools;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct reference_options wanted = {.name = "r", .model = "m", .options = &options};
    struct reference_builder *builder = reference_builder_new(&wanted);
    for (uint64_t i = 0; i < REFERENCE_EVENTS; i++) {
        struct made made;
        make(&made, i, 0);
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    w->reference = finished(builder);
    w->binding = feature_binding_new(w->reference->grid);
    w->row = feature_row_new(w->reference->grid->feature_count);
    assert_int_equal(family_tools_init(&w->tools), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    feature_row_free(w->row);
    feature_binding_free(w->binding);
    reference_free(w->reference);
    family_tools_release(&w->tools);
    free(w);
    return 0;
}

static const uint16_t *terms_of(const struct world *w, const char *name)
{
    return w->reference->outliers->terms + OUTLIER_STRIDE * grid_find(w->reference->grid, text_of(name));
}

static void near_bits(uint32_t units, double bits)
{
    if (fabs(units / (double)OUTLIER_UNITS_PER_BIT - bits) > 0.51 / OUTLIER_UNITS_PER_BIT)
        fail_msg("%u units, want %.6f bits", (unsigned)units, bits);
}

/* On the coarse histogram, the terms of the definition. */
static void as_defined(const struct reference *r, const char *name)
{
    uint32_t f = grid_find(r->grid, text_of(name));
    const struct feature_grid *grid = &r->grid->features[f];
    const uint64_t *slots = r->features->counters + r->layout->slot_at[f];
    const uint16_t *terms = r->outliers->terms + OUTLIER_STRIDE * f;
    double edges[GRID_COARSE_BINS + 1], want[GRID_COARSE_BINS + 2];
    uint64_t counts[GRID_COARSE_BINS] = {0};
    edges[0] = grid->edges[0];
    for (uint32_t s = 1; s < grid->edge_count; s++) {
        counts[grid->coarse_slot[s] - 1] += slots[s];
        edges[grid->coarse_slot[s]] = grid->edges[s];
    }
    hbos_terms(edges, counts, grid->coarse_bin_count, want);
    for (uint32_t s = 1; s < grid->edge_count; s++)
        near_bits(terms[s], want[grid->coarse_slot[s]]);
    near_bits(terms[0], want[0]);
    near_bits(terms[grid->edge_count], want[grid->coarse_bin_count + 1]);
    assert_int_equal(terms[SLOT_NONE], 0);
}

static void test_numeric_terms(void **state)
{
    const struct world *w = *state;
    as_defined(w->reference, "x");
}

/* A bin from far below zero to far above is no bin of one value, though their bits differ by more than a
 * signed number holds. */
static void test_both_sides_of_zero(void **state)
{
    (void)state;
    struct reference_options wanted = {.name = "r", .model = "m", .options = &options};
    struct reference_builder *builder = reference_builder_new(&wanted);
    struct reference *reference;
    for (uint64_t i = 0; i < REFERENCE_EVENTS; i++) {
        struct made made;
        make(&made, i, 0);
        made.fields[0].value = number((i % 2 ? 1 : -1) * (1000 + unit_of(8 * i)));
        assert_int_equal(reference_builder_add(builder, &made.ev), 0);
    }
    reference = finished(builder);
    as_defined(reference, "x");
    reference_free(reference);
}

static void test_other_terms(void **state)
{
    const struct world *w = *state;
    const struct reference *r = w->reference;
    uint32_t city = grid_find(r->grid, text_of("city")), gap = grid_find(r->grid, text_of("gap"));
    const struct feature_grid *grid = &r->grid->features[city];
    const uint64_t *slots = r->features->counters + r->layout->slot_at[city];
    double n = REFERENCE_EVENTS, most = (double)slots[0];
    for (uint32_t c = 0; c < grid->category_count; c++)
        near_bits(terms_of(w, "city")[c], log2(most / (double)slots[c]));
    near_bits(terms_of(w, "city")[feature_slot_unseen(grid)], log2(most / (0.5 * n / (n + 1))));
    /* Missing in one of ten: less rare than a twentieth, so no surprise; invalid never was. */
    grid = &r->grid->features[gap];
    assert_int_equal(terms_of(w, "gap")[feature_slot_missing(grid, GRID_FINE)], 0);
    assert_true(terms_of(w, "gap")[feature_slot_invalid(grid, GRID_FINE)] > 6 * OUTLIER_UNITS_PER_BIT);
    /* A point mass is where density is highest; what is beside it is not absurdly rare. */
    uint32_t zero = grid_find(r->grid, text_of("zero"));
    grid = &r->grid->features[zero];
    uint32_t at = grid_lower_bound(grid->edges, grid->edge_count, 0.0);
    assert_int_equal(terms_of(w, "zero")[at], 0);
    for (uint32_t s = 1; s < grid->edge_count; s++)
        assert_true(terms_of(w, "zero")[s] < 20 * OUTLIER_UNITS_PER_BIT);
    for (uint32_t s = 0; s < OUTLIER_STRIDE; s++)
        assert_int_equal(terms_of(w, FEATURE_SCORE)[s], 0); /* no input */
}

static void window(const struct world *w, double share, double shift, struct report_row *row)
{
    struct tally *tally = tally_new(outliers_family.size(&w->tools, w->reference));
    uint64_t activity[EVENT_KIND_COUNT] = {WINDOW_EVENTS};
    uint64_t sum = 0;
    for (uint64_t i = 0; i < WINDOW_EVENTS; i++) {
        struct made made;
        make(&made, REFERENCE_EVENTS + i, i < share * WINDOW_EVENTS ? shift : 0);
        assert_int_equal(feature_row_resolve(w->row, w->binding, &made.ev), 0);
        struct count_input input = {.event = &made.ev,
                                    .options = &options,
                                    .tools = &w->tools,
                                    .reference = w->reference,
                                    .row = w->row};
        assert_true(outliers_family.applies(&input));
        outliers_family.add(tally, &input, 1);
        sum += outlier_score(w->reference->outliers, w->row);
    }
    struct family_report report = {.current = tally,
                                   .baseline = w->reference->counts[COUNT_OUTLIERS],
                                   .reference = w->reference,
                                   .options = &options,
                                   .tools = &w->tools,
                                   .activity = activity,
                                   .window_ms = 3600000};
    struct text name;
    assert_int_equal(outliers_family.report(&report, row, &name), 1);
    assert_true(text_equal(name, text_of("@outliers")));
    assert_true(fabs(row->slots[OUTLIER_MEAN] - (double)sum / OUTLIER_UNITS_PER_BIT / WINDOW_EVENTS) < 1e-12);
    tally_free(tally);
}

static void test_windows(void **state)
{
    const struct world *w = *state;
    struct report_row row;
    window(w, 0, 0, &row);
    assert_true(row.n == WINDOW_EVENTS && row.reference_n == REFERENCE_EVENTS && row.flags == 0);
    assert_true(row.slots[OUTLIER_RATE] > 0.003 && row.slots[OUTLIER_RATE] < 0.017);
    assert_true(row.slots[OUTLIER_RATE_P] > 0.001);
    assert_true(fabs(row.slots[OUTLIER_MEAN] - row.slots[OUTLIER_REFERENCE_MEAN]) < 0.3);
    window(w, 0.1, 50, &row); /* a tenth far away */
    assert_true(row.slots[OUTLIER_RATE] > 0.095 && row.slots[OUTLIER_RATE] < 0.125);
    assert_true(row.slots[OUTLIER_RATE_LOW] < row.slots[OUTLIER_RATE] &&
                row.slots[OUTLIER_RATE] < row.slots[OUTLIER_RATE_HIGH]);
    assert_true(row.slots[OUTLIER_RATE_P] < 1e-20 && row.slots[OUTLIER_DELTA_LOW] > 0.05);
}

/* The reference's own scores: at most 1 % at or above the limit. */
static void test_limit(void **state)
{
    const struct world *w = *state;
    const struct tally *own = w->reference->counts[COUNT_OUTLIERS];
    struct report_row row;
    window(w, 0, 0, &row);
    uint64_t above = 0, all = 0;
    for (uint32_t bin = 0; bin < OUTLIER_BINS; bin++) {
        double bits = (double)((uint64_t)bin << w->reference->outliers->shift) / OUTLIER_UNITS_PER_BIT;
        above += bits >= row.slots[OUTLIER_LIMIT] ? own->counters[bin] : 0;
        all += own->counters[bin];
    }
    assert_int_equal(all, REFERENCE_EVENTS);
    assert_true(above <= REFERENCE_EVENTS / 100 && above > REFERENCE_EVENTS / 200);
}

/* The tables are made from what is written, so a reference that is read has the same. */
static void test_read_again(void **state)
{
    const struct world *w = *state;
    struct strbuf bytes = written_bytes(w->reference);
    struct reference *again = NULL;
    struct err err;
    assert_int_equal(reference_read(bytes.bytes, bytes.len, &again, &err), 0);
    size_t size = OUTLIER_STRIDE * w->reference->grid->feature_count * sizeof(uint16_t);
    assert_int_equal(again->outliers->shift, w->reference->outliers->shift);
    assert_memory_equal(again->outliers->terms, w->reference->outliers->terms, size);
    reference_free(again);
    strbuf_release(&bytes);
}

/* No baseline, no events, no reference: no numbers, no crash. */
static void test_degenerate(void **state)
{
    const struct world *w = *state;
    struct tally_size size = outliers_family.size(&w->tools, NULL);
    assert_int_equal(size.counters + size.sums, 0);
    struct tally *tally = tally_new(outliers_family.size(&w->tools, w->reference));
    struct family_report report = {
        .current = tally, .reference = w->reference, .options = &options, .tools = &w->tools};
    struct report_row row;
    struct text name;
    assert_int_equal(outliers_family.report(&report, &row, &name), 0);
    tally->counters[3] = 1;
    tally->sums[0] = 900;
    assert_int_equal(outliers_family.report(&report, &row, &name), 1);
    assert_true(isnan(row.slots[OUTLIER_RATE]) && row.flags & REPORT_INSUFFICIENT);
    assert_true(row.slots[OUTLIER_MEAN] == 900.0 / OUTLIER_UNITS_PER_BIT);
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numeric_terms),
        cmocka_unit_test(test_other_terms),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_read_again),
        cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_both_sides_of_zero),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
