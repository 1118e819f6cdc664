/* group_counts.c: cells, tallies, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/group_counts.h"

static void add(struct named_counts *counts, const char *name, uint64_t selected, uint64_t rejected)
{
    const uint64_t cells[GROUP_CELLS] = {[GROUP_CELL_SELECTED] = selected, [GROUP_CELL_REJECTED] = rejected};
    assert_int_equal(named_counts_add(counts, text_of(name), cells, GROUP_CELLS), 0);
}

static void test_cells(void **state)
{
    (void)state;
    static const struct {
        bool labelled;
        uint8_t kind, predicted;
        double truth;
        uint64_t cells[GROUP_CELLS]; /* TP, FP, FN, TN, selected, rejected */
    } cases[] = {
        {true, OUTCOME_BINARY, 1, 1, {3, 0, 0, 0, 3, 0}},
        {true, OUTCOME_BINARY, 1, 0, {0, 3, 0, 0, 3, 0}},
        {true, OUTCOME_BINARY, 0, 1, {0, 0, 3, 0, 0, 3}},
        {true, OUTCOME_BINARY, 0, 0, {0, 0, 0, 3, 0, 3}},
        {false, OUTCOME_BINARY, 1, 1, {0, 0, 0, 0, 3, 0}},
        {true, OUTCOME_REGRESSION, 1, 1, {0}},
        {true, OUTCOME_MULTICLASS, 1, 1, {0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t cells[GROUP_CELLS] = {0};
        struct outcome outcome = {.kind = cases[i].kind,
                                  .labelled = cases[i].labelled,
                                  .predicted = cases[i].predicted,
                                  .truth = cases[i].truth};
        assert_int_equal(group_cells_add(cells, &outcome, 3), cases[i].kind == OUTCOME_BINARY);
        assert_memory_equal(cells, cases[i].cells, sizeof(cells));
    }
}

/* A tally says the same as events one by one. */
static void test_tally(void **state)
{
    (void)state;
    struct tally *tally = tally_new(outcome_groups_size());
    struct text names[3] = {text_of("b=2"), text_of("b=1"), text_of("unused=1")};
    uint64_t cells[2][GROUP_CELLS] = {{0}};
    for (uint32_t i = 0; i < 40; i++) {
        struct outcome outcome = {
            .kind = OUTCOME_BINARY, .predicted = i % 3 == 0, .value = NAN, .truth = i % 5 == 0};
        outcome_groups_add(tally, i % 2, &outcome, 1);
        outcome.labelled = i % 4 < 2;
        if (outcome.labelled)
            outcome_groups_add(tally, i % 2, &outcome, 1);
        assert_true(group_cells_add(cells[i % 2], &outcome, 1));
    }
    struct named_counts counts = {0};
    assert_int_equal(group_counts_add_tally(&counts, tally, names, 3), 0);
    assert_int_equal(counts.count, 2);
    assert_memory_equal(named_counts_find(&counts, names[0])->cells, cells[0], sizeof(cells[0]));
    assert_memory_equal(named_counts_find(&counts, names[1])->cells, cells[1], sizeof(cells[1]));
    named_counts_release(&counts);
    tally_free(tally);
}

/* The largest of each attribute stay; among equals the first by name; cells of crosses may be more. */
static void test_bounds(void **state)
{
    (void)state;
    struct named_counts counts = {0};
    char name[32];
    for (uint32_t i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "zip=%03u", i);
        add(&counts, name, i >= 190 ? 9 : 1, 0);
        (void)snprintf(name, sizeof(name), "a|b=%03u|x", i);
        add(&counts, name, 1, 0);
    }
    add(&counts, "sex=F", 0, 1);
    group_counts_keep(&counts);
    assert_int_equal(counts.count, 1 + 64 + 200);
    assert_non_null(named_counts_find(&counts, text_of("zip=190")));
    assert_non_null(named_counts_find(&counts, text_of("zip=053")));
    assert_null(named_counts_find(&counts, text_of("zip=054")));
    for (uint32_t i = 1; i < counts.count; i++)
        assert_true(strcmp(counts.items[i - 1].name, counts.items[i].name) < 0);
    for (uint32_t i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "%c=%03u", 'A' + i / 60, i);
        add(&counts, name, 5, 0);
    }
    group_counts_keep(&counts);
    assert_int_equal(counts.count, OUTCOME_GROUPS_MAX);
    assert_null(named_counts_find(&counts, text_of("sex=F")));
    named_counts_release(&counts);
    group_counts_keep(&counts);
    assert_int_equal(counts.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells), cmocka_unit_test(test_tally),
                                       cmocka_unit_test(test_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
