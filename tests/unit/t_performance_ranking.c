/* performance_ranking.c: ideal order, ties, cut-offs. */
#include "tests/unit/near.h"

#include "detectors/performance_ranking.h"

static void ideal_and_reversed(void **state)
{
    (void)state;
    static const double best[] = {3, 2, 1, 0}, worst[] = {0, 1, 2, 3};
    double value;
    assert_int_equal(ranking_ndcg(best, 4, 0, &value), 0);
    assert_near(value, 1, 1e-15);
    double reversed;
    assert_int_equal(ranking_ndcg(worst, 4, 0, &reversed), 0);
    assert_true(reversed < 1 && reversed > 0);
    assert_near(ranking_dcg(best, 4, 2), 3 + 2 / log2(3), 1e-15);
}

/* A tie is worth the mean over its orders. */
static void ties_are_averaged(void **state)
{
    (void)state;
    static const double relevance[] = {1, 3, 2}, tied[] = {0.5, 0.5, 0.1}, one[] = {0.6, 0.5, 0.1},
                        other[] = {0.5, 0.6, 0.1};
    double mean, a, b;
    for (size_t k = 0; k <= 3; k++) {
        assert_int_equal(ranking_ndcg_by_score(relevance, tied, 3, k, &mean, NULL), 0);
        assert_int_equal(ranking_ndcg_by_score(relevance, one, 3, k, &a, NULL), 0);
        assert_int_equal(ranking_ndcg_by_score(relevance, other, 3, k, &b, NULL), 0);
        assert_near(mean, (a + b) / 2, 1e-15);
    }
}

static void nothing_relevant(void **state)
{
    (void)state;
    static const double none[] = {0, 0}, score[] = {NAN, 0.1};
    double value;
    assert_int_equal(ranking_ndcg(none, 2, 0, &value), 0);
    assert_nan(value);
    assert_int_equal(ranking_ndcg(none, 0, 0, &value), 0);
    assert_nan(value);
    static const double some[] = {1, 2};
    assert_int_equal(ranking_ndcg_by_score(some, score, 2, 0, NULL, &value), 0);
    assert_near(value, 1, 1e-15); /* a score that is no number ranks last */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ideal_and_reversed),
        cmocka_unit_test(ties_are_averaged),
        cmocka_unit_test(nothing_relevant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
