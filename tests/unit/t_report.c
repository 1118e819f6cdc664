/* report.c: the table is consistent in itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "detectors/report.h"

static int in_row(int slot)
{
    return slot >= -1 && slot < REPORT_SLOTS;
}

static void test_metrics(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < metric_count; i++) {
        const struct metric *m = &metric_table[i];
        assert_ptr_equal(metric_find(m->name), m); /* so names are unique */
        for (const char *c = m->name; *c; c++)
            assert_true(islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        assert_true(m->family < FAMILY_COUNT && m->kinds != 0 && m->slot < REPORT_SLOTS);
        assert_true(in_row(m->p_slot) && in_row(m->floor_slot) && in_row(m->low_slot) &&
                    in_row(m->high_slot));
        assert_true(m->floor_scale > 0);
        /* What is told by p alone has no second band. */
        assert_true(isnan(m->critical) || m->warning < m->critical);
        bool inferred = m->p_slot >= 0 || m->low_slot >= 0;
        if (inferred != (metric_method(m) != NULL))
            fail_msg("%s: metric_methods.c does not say how its interval or p comes about", m->name);
        assert_true(m->summary && strlen(m->summary) > 10 && strlen(m->summary) < 100);
        for (uint32_t j = 0; j < i;
             j++) /* no value is another one's value, p or floor in the same kind of row */
            if (metric_table[j].family == m->family && (metric_table[j].kinds & m->kinds))
                assert_true(m->slot != metric_table[j].slot && m->slot != metric_table[j].p_slot &&
                            m->slot != metric_table[j].floor_slot && m->p_slot != metric_table[j].slot &&
                            m->floor_slot != metric_table[j].slot);
    }
    assert_null(metric_find("no_such_metric"));
    assert_null(metric_find(NULL));
}

/* METHODS §15, and what dashboards rely on. */
static void test_contract(void **state)
{
    static const struct {
        const char *name;
        double warning, critical;
    } rows[] = {{"psi", 0.10, 0.25},           {"js", 0.10, 0.20},
                {"hellinger", 0.10, 0.20},     {"total_variation", 0.10, 0.20},
                {"linf", 0.10, 0.20},          {"ks", 0.10, 0.20},
                {"w1_normalized", 0.10, 0.25}, {"missing_delta", 0.01, 0.05},
                {"unseen_delta", 0.01, 0.05}};
    static const char *const present[] = {"psi_debiased",
                                          "kl",
                                          "ks_upper",
                                          "w1",
                                          "energy",
                                          "cvm",
                                          "anderson_darling",
                                          "chi2",
                                          "g",
                                          "cramers_v",
                                          "mean",
                                          "sd",
                                          "missing_rate",
                                          "invalid_rate",
                                          "unseen_rate",
                                          "out_of_range_rate",
                                          "other_rate"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct metric *m = metric_find(rows[i].name);
        assert_non_null(m);
        assert_true(m->warning == rows[i].warning && m->critical == rows[i].critical);
    }
    for (size_t i = 0; i < sizeof present / sizeof present[0]; i++)
        assert_non_null(metric_find(present[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_metrics), cmocka_unit_test(test_contract)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
