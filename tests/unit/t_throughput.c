/* volume.c: counts by kind, and events per second. */
#include "tests/unit/near.h"

#include "detectors/throughput.h"

static void counts(void **state)
{
    (void)state;
    static const uint64_t activity[EVENT_KIND_COUNT] = {
        [EVENT_PREDICTION] = 700, [EVENT_FEATURES] = 20, [EVENT_KPI] = 60};
    struct report_row row;
    throughput_report(activity, 60000, &row);
    assert_true(row.family == FAMILY_THROUGHPUT && row.n == 780 && row.flags == 0);
    assert_near(row.slots[THROUGHPUT_EVENTS_PER_S], 13, 1e-15);
    assert_near(row.slots[THROUGHPUT_PREDICTIONS], 700, 0);
    assert_near(row.slots[THROUGHPUT_FEATURES], 20, 0);
    assert_near(row.slots[THROUGHPUT_KPIS], 60, 0);
    throughput_report(activity, 0, &row);
    assert_nan(row.slots[THROUGHPUT_EVENTS_PER_S]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
