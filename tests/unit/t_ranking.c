/* ranking.c against performance_ranking.c, and lists that take no part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "detectors/performance_ranking.h"
#include "detectors/ranking.h"
#include "tests/unit/near.h"

static const struct model_options options = {.n_min = 200, .threshold = 0.5, .unit = 1};

static void add(struct tally *tally, const struct family_tools *tools, const double *relevance, uint32_t n,
                uint64_t times)
{
    struct event event = {.kind = EVENT_PREDICTION,
                          .label = {.type = VALUE_VECTOR, .vector = relevance, .count = n}};
    struct count_input input = {.event = &event, .options = &options, .tools = tools};
    assert_true(ranking_family.applies(&input));
    ranking_family.add(tally, &input, times);
}

static double report(const struct tally *tally, const struct family_tools *tools, const char *name)
{
    struct report_row row;
    struct text subject;
    uint64_t activity[EVENT_KIND_COUNT] = {0};
    struct family_report in = {
        .current = tally, .options = &options, .tools = tools, .activity = activity, .window_ms = 1000};
    return ranking_family.report(&in, &row, &subject) ? row.slots[metric_find(name)->slot] : NAN;
}

static void test_lists(void **state)
{
    (void)state;
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    struct tally *tally = tally_new(ranking_family.size(&tools, NULL));
    assert_non_null(tally);
    assert_true(isnan(report(tally, &tools, "ndcg"))); /* nothing */
    double sums[3] = {0}, list[RANKING_LENGTH_MAX + 1];
    static const size_t cuts[3] = {5, 10, 0};
    uint64_t seed = 5, queries = 0;
    for (uint32_t n = 1; n <= 40; n++) {
        for (uint32_t i = 0; i < n; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            list[i] = (double)(seed >> 33 & 3) + (i == n - 1);
        }
        uint64_t times = n % 3 + 1;
        add(tally, &tools, list, n, times);
        queries += times;
        for (int k = 0; k < 3; k++) {
            double ndcg;
            assert_int_equal(ranking_ndcg(list, n, cuts[k], &ndcg), 0);
            sums[k] += ndcg * (double)times;
        }
    }
    assert_near(report(tally, &tools, "ndcg_5"), sums[0] / (double)queries, 1e-11);
    assert_near(report(tally, &tools, "ndcg_10"), sums[1] / (double)queries, 1e-11);
    assert_near(report(tally, &tools, "ndcg"), sums[2] / (double)queries, 1e-11);
    memset(list, 0, sizeof(list));
    double before = report(tally, &tools, "ndcg");
    add(tally, &tools, list, 7, 1);
    add(tally, &tools, list, 0, 1);
    assert_near(report(tally, &tools, "queries_without_relevance"), 2.0 / (double)(queries + 2), 1e-15);
    add(tally, &tools, list, RANKING_LENGTH_MAX + 1, 1);
    list[3] = -1;
    add(tally, &tools, list, 7, 1);
    list[3] = 1e308;
    add(tally, &tools, list, 7, 1);
    assert_near(report(tally, &tools, "queries_refused"), 3.0 / (double)(queries + 5), 1e-15);
    assert_near(report(tally, &tools, "ndcg"), before, 0);
    tally_free(tally);
    family_tools_release(&tools);
}

static void test_what_applies(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_PREDICTION, .label = {.type = VALUE_NUMBER, .number = 1}};
    struct count_input input = {.event = &event, .options = &options};
    assert_false(ranking_family.applies(&input));
    event.label.type = VALUE_VECTOR;
    event.kind = EVENT_FEATURES;
    assert_false(ranking_family.applies(&input));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_what_applies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
