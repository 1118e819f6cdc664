/* features.c and feature_cell.c: meaning of values, sparse = dense = naive counting, coarse = merged fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "detectors/features_private.h"
#include "detectors/grid_build.h"

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(*state);
}

static double random_unit(uint64_t *state)
{
    return (double)(random_next(state) >> 11) * 0x1p-53;
}

/* age: discrete 20 … 59; income: continuous; empty: no finite value; region: categories; @score, @prediction.
 */
static struct grid *make_grid(void)
{
    uint64_t state = 5;
    enum { COUNT = 3000 };
    double ages[COUNT], incomes[COUNT], scores[COUNT], income = -4000;
    for (unsigned i = 0; i < COUNT; i++) {
        ages[i] = 20 + i / 75;
        incomes[i] = income += random_unit(&state) * 7;
        scores[i] = i / (double)COUNT;
    }
    static const struct text regions[] = {{"north", 5}, {"south", 5}, {"1", 1}, {"true", 4}};
    static const struct text classes[] = {{"yes", 3}, {"no", 2}};
    uint64_t rare = hash_text(text_of("rare"), 0);
    struct grid *grid = grid_new(6);
    static const char *const names[] = {"region", "income", "@score", "age", "empty", "@prediction"};
    for (unsigned i = 0; i < 6; i++)
        grid->features[i].name = strdup(names[i]);
    assert_int_equal(feature_grid_set_categories(&grid->features[0], regions, 4, &rare, 1), 0);
    assert_int_equal(feature_grid_from_sorted(&grid->features[1], incomes, NULL, COUNT), 0);
    assert_int_equal(feature_grid_from_sorted(&grid->features[2], scores, NULL, COUNT), 0);
    assert_int_equal(feature_grid_from_sorted(&grid->features[3], ages, NULL, COUNT), 0);
    assert_int_equal(feature_grid_from_sorted(&grid->features[4], NULL, NULL, 0), 0);
    assert_int_equal(feature_grid_set_categories(&grid->features[5], classes, 2, NULL, 0), 0);
    assert_int_equal(grid_finish(grid), 0);
    return grid;
}

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

static struct value boolean(bool truth)
{
    return (struct value){.type = VALUE_BOOL, .number = truth, .text = text_of(truth ? "true" : "false")};
}

static struct value of_type(enum value_type type)
{
    return (struct value){.type = type};
}

struct slot_case {
    const char *feature;
    struct value value;
    unsigned slot;
    int64_t z_sign; /* −1, 0, 1 */
};

static void test_slots_of_values(void **unused)
{
    (void)unused;
    struct grid *grid = make_grid();
    struct feature_binding *binding = feature_binding_new(grid);
    struct feature_row *row = feature_row_new(grid->feature_count);
    const struct feature_grid *age = &grid->features[grid_find(grid, text_of("age"))];
    const struct feature_grid *region = &grid->features[grid_find(grid, text_of("region"))];
    unsigned above = age->edge_count, missing = feature_slot_missing(age, GRID_FINE), invalid = missing + 1;
    unsigned no_region = feature_slot_missing(region, GRID_FINE);
    unsigned unseen = feature_slot_unseen(region), other = feature_slot_other(region);
    const struct slot_case cases[] = {
        {"age", number(20), 1, -1},
        {"age", number(19.99), 0, -1},
        {"age", number(59), above - 1, 1},
        {"age", number(60), above, 1},
        {"age", number(INFINITY), above, 1},
        {"age", number(-INFINITY), 0, -1},
        {"age", number(NAN), missing, 0},
        {"age", of_type(VALUE_NULL), missing, 0},
        {"age", string("20"), invalid, 0},
        {"age", boolean(true), invalid, 0},
        {"age", of_type(VALUE_VECTOR), invalid, 0},
        {"age", of_type(VALUE_OTHER), invalid, 0},
        {"empty", number(3), 0, 1},
        {"empty", number(INFINITY), 0, 1},
        {"empty", of_type(VALUE_NULL), 1, 0},
        {"empty", string("x"), 2, 0},
        {"region", string("north"), 0, 0},
        {"region", string("south"), 1, 0},
        {"region", string("1"), 2, 0},
        {"region", number(1), 2, 0},
        {"region", number(1.5), no_region + 1, 0},
        {"region", number(1e300), no_region + 1, 0},
        {"region", number(-7), unseen, 0},
        {"region", string("true"), 3, 0},
        {"region", boolean(true), 3, 0},
        {"region", boolean(false), unseen, 0},
        {"region", string("rare"), other, 0},
        {"region", string(""), unseen, 0},
        {"region", of_type(VALUE_NULL), no_region, 0},
        {"region", of_type(VALUE_OTHER), no_region + 1, 0},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct field field = {text_of(cases[i].feature), 1000 - i % 3, cases[i].value};
        field.name_id = (uint32_t)strlen(cases[i].feature) * 100; /* ids out of order, the table grows */
        struct event ev = {.kind = EVENT_FEATURES, .features = {&field, 1}};
        assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
        uint32_t f = grid_find(grid, text_of(cases[i].feature));
        assert_int_equal(row->slot[f], cases[i].slot);
        assert_int_equal((row->z[f] > 0) - (row->z[f] < 0), cases[i].z_sign);
        for (uint32_t g = 0; g < grid->feature_count;
             g++) { /* the others are missing, reserved ones silent */
            if (g != f)
                assert_int_equal(row->slot[g], grid->features[g].name[0] == '@'
                                                   ? SLOT_NONE
                                                   : feature_slot_missing(&grid->features[g], GRID_FINE));
        }
    }
    feature_row_free(row);
    feature_binding_free(binding);
    grid_free(grid);
}

static void test_silence_and_reserved_names(void **unused)
{
    (void)unused;
    struct grid *grid = make_grid();
    struct feature_binding *binding = feature_binding_new(grid);
    struct feature_row *row = feature_row_new(grid->feature_count);
    uint32_t score = grid_find(grid, text_of("@score")), outcome = grid_find(grid, text_of("@prediction"));
    struct event ev = {.kind = EVENT_LABEL, .score = number(0.5), .prediction = string("yes")};
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    for (uint32_t f = 0; f < grid->feature_count; f++)
        assert_true(row->slot[f] == SLOT_NONE && row->z[f] == 0);

    ev.kind = EVENT_PREDICTION; /* without features: they stay silent */
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    for (uint32_t f = 0; f < grid->feature_count; f++)
        assert_int_equal(row->slot[f] == SLOT_NONE, f != score && f != outcome);
    assert_int_equal(row->slot[outcome], 0);
    const struct feature_grid *g = &grid->features[score];
    assert_int_equal(row->slot[score], grid_lower_bound(g->edges, g->edge_count, 0.5));

    ev.score = of_type(VALUE_ABSENT);
    ev.prediction = of_type(VALUE_OTHER);
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[score], feature_slot_missing(g, GRID_FINE));
    assert_int_equal(row->slot[outcome], feature_slot_invalid(&grid->features[outcome], GRID_FINE));

    /* A feature cannot pose as the score; names that the grid lacks, and names without a number, do no harm.
     */
    struct field fields[] = {{text_of("@score"), 0, number(0.9)},
                             {text_of("unknown"), 1, number(1)},
                             {text_of("age"), UINT32_MAX, number(20)}};
    ev = (struct event){.kind = EVENT_FEATURES, .features = {fields, 3}};
    assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
    assert_int_equal(row->slot[score], SLOT_NONE);
    assert_int_equal(row->slot[grid_find(grid, text_of("age"))], 1);
    feature_row_free(row);
    feature_binding_free(binding);
    grid_free(grid);
}

/* A random event on the grid; some values hostile, some absent. */
struct random_event {
    struct field fields[8];
    struct event ev;
};

static void make_event(struct random_event *out, uint64_t *state)
{
    static const char *const regions[] = {"north", "south", "rare", "elsewhere"};
    uint32_t count = 0;
    if (random_next(state) % 8) {
        double age = floor(18 + random_unit(state) * 44), income = random_unit(state) * 20000 - 6000;
        if (random_next(state) % 16 == 0)
            income = random_next(state) % 2 ? 1e9 : -1e9;
        struct value values[] = {number(age), number(income), string(regions[random_next(state) % 4]),
                                 number(random_unit(state))};
        static const char *const names[] = {"age", "income", "region", "empty"};
        for (uint32_t i = 0; i < 4; i++)
            if (random_next(state) % 8)
                out->fields[count++] = (struct field){
                    text_of(names[i]), i, random_next(state) % 16 ? values[i] : of_type(VALUE_OTHER)};
    }
    out->ev = (struct event){.kind = random_next(state) % 3 ? EVENT_PREDICTION : EVENT_FEATURES,
                             .features = {out->fields, count},
                             .score = number(random_unit(state) * 1.1),
                             .prediction = string(random_next(state) % 2 ? "yes" : "no")};
}

/* Counting by the book: no cells, no kernels. */
static void count_naively(const struct feature_layout *layout, const struct feature_row *row,
                          struct tally *into)
{
    into->counters[0]++;
    for (uint32_t f = 0; f < row->count; f++) {
        const struct feature_grid *feature = &layout->grid->features[f];
        if (row->slot[f] == SLOT_NONE)
            continue;
        unsigned slot = row->slot[f];
        into->counters[layout->slot_at[f] +
                       (layout->resolution == GRID_COARSE ? feature->coarse_slot[slot] : slot)]++;
        if (feature->type != FEATURE_NUMERIC)
            continue;
        into->counters[layout->clipped_at[f]] += row->clipped[f];
        int128 *sums = &into->sums[layout->sums_at[f]];
        sums[0] += row->z[f];
        sums[1] += row->z2[f];
        if (slot == 0)
            sums[2] += row->z[f];
        else if (slot == feature->edge_count)
            sums[3] += row->z[f];
    }
}

static bool equal(const struct tally *a, const struct tally *b)
{
    return memcmp(a->counters, b->counters, a->size.counters * sizeof(*a->counters)) == 0 &&
           memcmp(a->sums, b->sums, a->size.sums * sizeof(*a->sums)) == 0;
}

/* `count` events into one cell, into three cells turn by turn, and by the book. */
static void check_cells(const struct feature_layout *layout, const struct bin_kernels *kernels,
                        uint32_t count)
{
    uint64_t state = count;
    struct feature_binding *binding = feature_binding_new_with(layout->grid, kernels);
    struct feature_row *row = feature_row_new(layout->grid->feature_count);
    struct feature_cell *whole = feature_cell_new(layout), *parts[3];
    for (unsigned i = 0; i < 3; i++)
        parts[i] = feature_cell_new(layout);
    struct tally *naive = tally_new(layout->size), *merged = tally_new(layout->size),
                 *direct = tally_new(layout->size);
    for (int reset = 0; reset < 2; reset++) { /* a cell that was reset counts like a new one */
        tally_reset(naive);
        tally_reset(direct);
        feature_cell_reset(whole);
        for (uint32_t i = 0; i < count; i++) {
            struct random_event random;
            make_event(&random, &state);
            assert_int_equal(feature_row_resolve(row, binding, &random.ev), 0);
            count_naively(layout, row, naive);
            assert_int_equal(feature_cell_add(whole, row), 0);
            if (reset == 0)
                assert_int_equal(feature_cell_add(parts[random_next(&state) % 3], row), 0);
            feature_row_tally(layout, row, 2, direct);
        }
        assert_int_equal(feature_cell_events(whole), count);
        tally_reset(merged);
        feature_cell_merge(whole, merged);
        assert_true(equal(merged, naive));
        tally_add(merged, naive);
        assert_true(equal(merged, direct));
        if (reset == 0) {
            tally_reset(merged);
            for (unsigned i = 3; i-- > 0;)
                feature_cell_merge(parts[i], merged);
            assert_true(equal(merged, naive));
        }
    }
    struct tally *tallies[] = {naive, merged, direct};
    struct feature_cell *cells[] = {whole, parts[0], parts[1], parts[2]};
    for (unsigned i = 0; i < 3; i++)
        tally_free(tallies[i]);
    for (unsigned i = 0; i < 4; i++)
        feature_cell_free(cells[i]);
    feature_row_free(row);
    feature_binding_free(binding);
}

static void test_cells(void **unused)
{
    (void)unused;
    static const uint32_t counts[] = {0, 1, 7, 8, 9, 63, 64, 65, 200, 8191, 8192, 8193, 20000};
    const struct bin_kernels *kernels[] = {&bin_kernels_portable, bin_kernels_best()};
    struct grid *grid = make_grid();
    for (unsigned k = 0; k < 2; k++)
        for (int r = GRID_FINE; r < GRID_RESOLUTION_COUNT; r++) {
            struct feature_layout *layout =
                feature_layout_new_with(grid, (enum grid_resolution)r, kernels[k]);
            for (size_t i = 0; i < ARRAY_LEN(counts); i++)
                check_cells(layout, kernels[k], counts[i]);
            feature_layout_free(layout);
        }
    grid_free(grid);
}

static void test_coarse_is_merged_fine(void **unused)
{
    (void)unused;
    uint64_t state = 41;
    struct grid *grid = make_grid();
    struct feature_layout *fine = feature_layout_new(grid, GRID_FINE);
    struct feature_layout *coarse = feature_layout_new(grid, GRID_COARSE);
    struct feature_binding *binding = feature_binding_new(grid);
    struct feature_row *row = feature_row_new(grid->feature_count);
    struct tally *a = tally_new(fine->size), *b = tally_new(coarse->size), *folded = tally_new(coarse->size);
    struct feature_cell *fine_cell = feature_cell_new(fine), *coarse_cell = feature_cell_new(coarse);
    for (unsigned i = 0; i < 5000; i++) {
        struct random_event random;
        make_event(&random, &state);
        assert_int_equal(feature_row_resolve(row, binding, &random.ev), 0);
        assert_int_equal(feature_cell_add(fine_cell, row), 0);
        assert_int_equal(feature_cell_add(coarse_cell, row), 0);
    }
    feature_cell_merge(fine_cell, a);
    feature_cell_merge(coarse_cell, b);
    folded->counters[0] = a->counters[0];
    for (uint32_t f = 0; f < grid->feature_count; f++) {
        const struct feature_grid *g = &grid->features[f];
        for (unsigned slot = 0; slot < g->slot_count[GRID_FINE]; slot++)
            folded->counters[coarse->slot_at[f] + g->coarse_slot[slot]] +=
                a->counters[fine->slot_at[f] + slot];
        if (g->type == FEATURE_NUMERIC)
            folded->counters[coarse->clipped_at[f]] = a->counters[fine->clipped_at[f]];
    }
    memcpy(folded->sums, a->sums, a->size.sums * sizeof(*a->sums));
    assert_true(equal(folded, b));
    assert_true(b->size.counters < a->size.counters);

    /* Cells of few events are small, and their bytes are told. */
    struct feature_cell *small = feature_cell_new(fine);
    assert_int_equal(feature_cell_add(small, row), 0);
    assert_true(feature_cell_bytes(small) < 600);
    assert_true(feature_cell_bytes(fine_cell) > fine->size.counters * 4);
    feature_cell_free(small);
    feature_cell_free(fine_cell);
    feature_cell_free(coarse_cell);
    feature_cell_free(NULL);
    tally_free(a);
    tally_free(b);
    tally_free(folded);
    feature_row_free(row);
    feature_binding_free(binding);
    feature_layout_free(fine);
    feature_layout_free(coarse);
    grid_free(grid);
}

/* Mean and deviation come back from the integers. */
static void test_moments_from_sums(void **unused)
{
    (void)unused;
    uint64_t state = 43;
    struct grid *grid = make_grid();
    struct feature_layout *layout = feature_layout_new(grid, GRID_FINE);
    struct feature_binding *binding = feature_binding_new(grid);
    struct feature_row *row = feature_row_new(grid->feature_count);
    struct feature_cell *cell = feature_cell_new(layout);
    long double sum = 0, squares = 0;
    enum { COUNT = 30000 };
    for (unsigned i = 0; i < COUNT; i++) {
        double x = random_unit(&state) * 9000 - 3000;
        struct field field = {text_of("income"), 3, number(x)};
        struct event ev = {.kind = EVENT_FEATURES, .features = {&field, 1}};
        assert_int_equal(feature_row_resolve(row, binding, &ev), 0);
        assert_int_equal(feature_cell_add(cell, row), 0);
        sum += x;
        squares += (long double)x * x;
    }
    struct tally *tally = tally_new(layout->size);
    feature_cell_merge(cell, tally);
    uint32_t f = grid_find(grid, text_of("income"));
    const struct feature_grid *g = &grid->features[f];
    long double mean_z = (long double)tally->sums[layout->sums_at[f]] / Z_UNIT / COUNT;
    long double mean_z2 = (long double)tally->sums[layout->sums_at[f] + 1] / Z2_UNIT / COUNT;
    double mean = (double)(g->location + g->scale * mean_z);
    double deviation = (double)(g->scale * sqrtl(mean_z2 - mean_z * mean_z));
    double want_mean = (double)(sum / COUNT);
    double want_deviation = (double)sqrtl(squares / COUNT - (sum / COUNT) * (sum / COUNT));
    assert_true(fabs(mean - want_mean) <= 1e-11 * g->scale);
    assert_true(fabs(deviation - want_deviation) <= 1e-11 * want_deviation);
    tally_free(tally);
    feature_cell_free(cell);
    feature_row_free(row);
    feature_binding_free(binding);
    feature_layout_free(layout);
    grid_free(grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_of_values),
        cmocka_unit_test(test_silence_and_reserved_names),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_coarse_is_merged_fine),
        cmocka_unit_test(test_moments_from_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
