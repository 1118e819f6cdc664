/* outcomes_facets.c: who is compared with whom, intervals, strata, division by zero, order of slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "detectors/fairness.h"
#include "detectors/outcomes.h"
#include "tests/unit/near.h"

static void add_cells(struct tally *tally, uint32_t slot, const int cells[4])
{
    for (int cell = 0; cell < 4; cell++)
        for (int i = 0; i < cells[cell]; i++) {
            struct outcome outcome = {
                .kind = OUTCOME_BINARY, .predicted = cell & 1, .value = NAN, .truth = cell >> 1};
            outcome_groups_add(tally, slot, &outcome, 1);
            outcome.labelled = true;
            outcome_groups_add(tally, slot, &outcome, 1);
        }
}

static const struct report_row *find(const struct report_row *rows, const struct text *names, uint32_t count,
                                     enum family family, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (rows[i].family == family && text_equal(names[i], text_of(name)))
            return &rows[i];
    return NULL;
}

static double metric(const struct report_row *row, const char *name)
{
    assert_non_null(row);
    return row->slots[metric_find(name)->slot];
}

/* TN, FP, FN, TP by sex and branch. */
static const int cells[4][4] = {{40, 10, 20, 30}, {50, 5, 25, 20}, {10, 30, 10, 60}, {60, 2, 30, 10}};
static const char *const cell_names[4] = {"sex|branch=M|north", "sex|branch=F|north", "sex|branch=M|south",
                                          "sex|branch=F|south"};

static uint32_t make(const struct facet_spec *spec, const uint32_t slots[6], struct tally *tally,
                     struct report_row rows[64], struct text out[64], struct text names[6])
{
    struct outcome_options options = {.n_min = 30, .unit = 1, .facets = spec, .facet_count = 1};
    names[slots[0]] = text_of("sex=M");
    names[slots[1]] = text_of("sex=F");
    for (uint32_t i = 0; i < 4; i++) {
        names[slots[2 + i]] = text_of(cell_names[i]);
        add_cells(tally, slots[2 + i], cells[i]);
        add_cells(tally, slots[i & 1], cells[i]);
    }
    return outcome_groups_report(tally, names, 6, &options, rows, out);
}

static void test_advantaged(void **state)
{
    (void)state;
    char attribute[] = "sex", advantaged[] = "M", strata[] = "branch";
    struct facet_spec spec = {attribute, advantaged, strata};
    struct tally *tally = tally_new(outcome_groups_size()), *other = tally_new(outcome_groups_size());
    struct report_row rows[64], other_rows[64];
    struct text out[64], other_out[64], names[6], other_names[6];
    assert_true(tally && other);
    uint32_t count = make(&spec, (uint32_t[]){0, 1, 2, 3, 4, 5}, tally, rows, out, names);
    const struct report_row *row = find(rows, out, count, FAMILY_FACETS, "sex=F");
    assert_null(find(rows, out, count, FAMILY_FACETS, "sex=M"));
    struct confusion a = {.tn = 50, .fp = 40, .fn = 30, .tp = 90},
                     d = {.tn = 110, .fp = 7, .fn = 55, .tp = 30};
    struct clarify m = clarify_metrics(&a, &d);
    assert_near(metric(row, "clarify_ci"), m.CI, 1e-15);
    assert_near(metric(row, "clarify_dpl"), m.DPL, 1e-15);
    assert_near(metric(row, "clarify_kl"), m.KL, 1e-15);
    assert_near(metric(row, "clarify_di"), m.DI, 1e-15);
    assert_near(metric(row, "disparate_impact_shortfall"), 1 - m.DI, 1e-15);
    assert_near(metric(row, "disparate_impact_excess"), m.DI - 1, 1e-15);
    assert_near(metric(row, "clarify_dca"), m.DCA, 1e-15);
    assert_near(metric(row, "clarify_dcr"), m.DCR, 1e-15);
    assert_near(metric(row, "clarify_te"), m.TE, 1e-15);
    assert_near(metric(row, "clarify_ge"), m.GE2, 1e-15);
    static const struct {
        const char *name;
        double k1, n1, k2, n2;
    } differences[] = {{"clarify_dppl", 130, 210, 37, 202}, {"clarify_rd", 90, 120, 30, 85},
                       {"clarify_sd", 110, 117, 50, 90},    {"clarify_dar", 90, 130, 30, 37},
                       {"clarify_drr", 110, 165, 50, 80},   {"clarify_ad", 140, 210, 140, 202}};
    for (size_t i = 0; i < sizeof(differences) / sizeof(*differences); i++) {
        const struct metric *what = metric_find(differences[i].name);
        struct interval interval = interval_newcombe(differences[i].k1, differences[i].n1, differences[i].k2,
                                                     differences[i].n2, 0.05);
        assert_near(row->slots[what->slot],
                    differences[i].k1 / differences[i].n1 - differences[i].k2 / differences[i].n2, 1e-15);
        assert_near(row->slots[what->low_slot], interval.low, 1e-15);
        assert_near(row->slots[what->high_slot], interval.high, 1e-15);
    }
    /* Shares of women among the refused and the accepted of each branch. */
    double north = 75.0 / 135 - 25.0 / 65, south = 90.0 / 110 - 12.0 / 102;
    assert_near(metric(row, "clarify_cddpl"), (200 * north + 212 * south) / 412, 1e-15);
    count = make(&spec, (uint32_t[]){5, 3, 1, 0, 4, 2}, other, other_rows, other_out, other_names);
    const struct report_row *same = find(other_rows, other_out, count, FAMILY_FACETS, "sex=F");
    assert_non_null(same);
    assert_memory_equal(row->slots, same->slots, sizeof(row->slots));
    tally_free(tally);
    tally_free(other);
}

static void test_against_the_rest(void **state)
{
    (void)state;
    char attribute[] = "sex";
    struct facet_spec spec = {attribute, NULL, NULL};
    struct tally *tally = tally_new(outcome_groups_size());
    struct report_row rows[64];
    struct text out[64], names[6];
    assert_non_null(tally);
    uint32_t count = make(&spec, (uint32_t[]){0, 1, 2, 3, 4, 5}, tally, rows, out, names);
    double of_women = metric(find(rows, out, count, FAMILY_FACETS, "sex=F"), "clarify_dppl");
    assert_near(metric(find(rows, out, count, FAMILY_FACETS, "sex=M"), "clarify_dppl"), -of_women, 1e-15);
    assert_true(isnan(metric(find(rows, out, count, FAMILY_FACETS, "sex=M"), "clarify_cddl")));
    tally_free(tally);
}

/* x/0 is infinite in the tool and undefined here; nothing at all is no row. */
static void test_nothing(void **state)
{
    (void)state;
    char attribute[] = "sex", advantaged[] = "M";
    struct facet_spec spec = {attribute, advantaged, NULL};
    struct outcome_options options = {.n_min = 30, .unit = 1, .facets = &spec, .facet_count = 1};
    struct tally *tally = tally_new(outcome_groups_size());
    struct report_row rows[16];
    struct text out[16], names[2] = {text_of("sex=M"), text_of("sex=F")};
    assert_non_null(tally);
    assert_int_equal(outcome_groups_report(tally, names, 2, &options, rows, out), 0);
    add_cells(tally, 1, (int[]){0, 0, 0, 40});
    uint32_t count = outcome_groups_report(tally, names, 2, &options, rows, out);
    assert_null(find(rows, out, count, FAMILY_FACETS, "sex=F")); /* nobody to compare with */
    add_cells(tally, 0, (int[]){50, 0, 5, 0});
    count = outcome_groups_report(tally, names, 2, &options, rows, out);
    const struct report_row *row = find(rows, out, count, FAMILY_FACETS, "sex=F");
    assert_true(isnan(metric(row, "clarify_di")) && isnan(metric(row, "clarify_dca")));
    for (uint32_t i = 0; i < count; i++)
        for (int slot = 0; slot < REPORT_SLOTS; slot++)
            assert_true(!(fabs(rows[i].slots[slot]) > 1e300));
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_advantaged),
                                       cmocka_unit_test(test_against_the_rest),
                                       cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
