/* volume.c: counts by kind, and events per second. */
#include "tests/unit/near.h"

#include "detectors/volume.h"

static void counts(void **state)
{
    (void)state;
    static const uint64_t activity[EVENT_KIND_COUNT] = {
        [EVENT_PREDICTION] = 700, [EVENT_FEATURES] = 20, [EVENT_KPI] = 60};
    struct report_row row;
    volume_report(activity, 60000, &row);
    assert_true(row.family == FAMILY_VOLUME && row.n == 780 && row.flags == 0);
    assert_near(row.slots[VOLUME_EVENTS_PER_S], 13, 1e-15);
    assert_near(row.slots[VOLUME_PREDICTIONS], 700, 0);
    assert_near(row.slots[VOLUME_FEATURES], 20, 0);
    assert_near(row.slots[VOLUME_KPIS], 60, 0);
    volume_report(activity, 0, &row);
    assert_nan(row.slots[VOLUME_EVENTS_PER_S]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
