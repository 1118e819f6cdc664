/* lag.c: which events have a lag, quantiles within 1 %, negative and endless lags, degenerate windows. */
#include "tests/unit/near.h"

#include <stdlib.h>

#include "detectors/ddsketch.h"
#include "detectors/lag.h"

static const struct model_options wanted = {.n_min = 200, .record_lag = true}, unwanted = {.n_min = 200};
static const int64_t EVENT_MS = INT64_C(1772366400000);

static bool applies(const struct model_options *options, enum event_kind kind, int64_t record_ms)
{
    struct event ev = {.kind = kind, .ts_ms = EVENT_MS};
    struct count_input input = {.event = &ev, .options = options, .record_ms = record_ms};
    return lag_family.applies(&input);
}

static void test_which_events(void **state)
{
    (void)state;
    assert_true(applies(&wanted, EVENT_PREDICTION, EVENT_MS));
    assert_true(applies(&wanted, EVENT_FEATURES, EVENT_MS - 5));
    assert_false(applies(&wanted, EVENT_KPI, EVENT_MS));
    assert_false(applies(&wanted, EVENT_PREDICTION, 0)); /* files */
    assert_false(applies(&unwanted, EVENT_PREDICTION, EVENT_MS));
}

static void add(struct tally *tally, const struct family_tools *tools, int64_t lag_ms)
{
    struct event ev = {.kind = EVENT_PREDICTION, .ts_ms = EVENT_MS};
    struct count_input input = {
        .event = &ev, .options = &wanted, .tools = tools, .record_ms = EVENT_MS + lag_ms};
    lag_family.add(tally, &input, 1);
}

static uint32_t report_of(const struct family_tools *tools, const struct tally *tally, struct report_row *row)
{
    struct family_report report = {.current = tally, .options = &wanted, .tools = tools};
    struct text name;
    uint32_t rows = lag_family.report(&report, row, &name);
    assert_true(rows <= lag_family.rows_max(NULL));
    assert_true(rows == 0 || text_equal(name, text_of("@lag_ms")));
    return rows;
}

enum { N = 5000 };

static void test_quantiles(void **state)
{
    (void)state;
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    struct tally *tally = tally_new(lag_family.size(&tools, NULL));
    for (int i = 0; i < N; i++)
        add(tally, &tools, 3 * i); /* 0, 3, … */
    struct report_row row;
    assert_int_equal(report_of(&tools, tally, &row), 1);
    static const struct {
        enum lag_slot slot;
        double q;
    } quantiles[] = {{LAG_P50, 0.50}, {LAG_P95, 0.95}, {LAG_P99, 0.99}};
    for (size_t i = 0; i < 3; i++) {
        const double *slots = row.slots + quantiles[i].slot;
        double rank = quantiles[i].q, half = 3.29 * sqrt(N * rank * (1 - rank));
        double want = 3 * floor(rank * (N - 1)), low = 3 * floor(N * rank - half);
        double high = 3 * ceil(N * rank + half);
        assert_near(slots[0], want, 0.01 * want);
        assert_near(slots[1], low, 0.01 * low);
        assert_near(slots[2], high, 0.01 * high);
    }
    assert_near(row.slots[LAG_NEGATIVE], 0, 0);
    assert_near(row.slots[LAG_CLIPPED], 0, 0);
    assert_true(row.n == N && row.flags == 0 && row.family == FAMILY_LAG);
    tally_free(tally);
    family_tools_release(&tools);
}

static void test_degenerate(void **state)
{
    (void)state;
    struct family_tools tools;
    assert_int_equal(family_tools_init(&tools), 0);
    struct tally *tally = tally_new(lag_family.size(&tools, NULL));
    struct report_row row;
    assert_int_equal(report_of(&tools, tally, &row), 0);
    add(tally, &tools, -7); /* a record before its event */
    assert_int_equal(report_of(&tools, tally, &row), 1);
    assert_near(row.slots[LAG_P50], 0, 0);
    assert_nan(row.slots[LAG_P99_HIGH]);
    assert_near(row.slots[LAG_NEGATIVE], 1, 0);
    assert_int_equal(row.flags, REPORT_INSUFFICIENT);
    add(tally, &tools, INT64_C(1000000000000));
    add(tally, &tools, 0);
    add(tally, &tools, 1);
    assert_int_equal(report_of(&tools, tally, &row), 1);
    assert_int_equal(row.n, 4);
    assert_near(row.slots[LAG_NEGATIVE], 0.25, 0);
    assert_near(row.slots[LAG_CLIPPED], 0.25, 0);
    assert_near(row.slots[LAG_P99], 1, 0.02); /* rank 2 of 0 … 3 */
    tally_free(tally);
    family_tools_release(&tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_events),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_degenerate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
