#include "agent/panes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/base/compiler.h"

static const struct pane_times standard = {.tiers_ms = {300000, 3600000, 86400000}, .tier_count = 3};

static void test_start(void **state)
{
    (void)state;
    static const struct {
        uint32_t tier;
        int64_t ts_ms, start_ms;
    } cases[] = {
        {0, 0, 0},
        {0, 299999, 0},
        {0, 300000, 300000},
        {0, -1, -300000},
        {0, -300000, -300000},
        {0, -300001, -600000},
        {1, 3599999, 0},
        {1, -1, -3600000},
        {2, 1772323200000, 1772323200000},
        {2, 1772323199999, 1772236800000},
        {2, -86400000, -86400000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t start_ms = pane_start(&standard, cases[i].tier, cases[i].ts_ms);
        assert_int_equal(start_ms, cases[i].start_ms);
        assert_int_equal(pane_end(&standard, cases[i].tier, cases[i].ts_ms),
                         start_ms + standard.tiers_ms[cases[i].tier]);
        assert_int_equal(pane_is_boundary(&standard, cases[i].tier, cases[i].ts_ms),
                         cases[i].ts_ms == cases[i].start_ms);
    }
}

/* Any origin, before or after the times, moves every boundary by the same amount, and tiers stay nested. */
static void test_origin(void **state)
{
    (void)state;
    static const int64_t origins[] = {0, 66600000, -66600000, 1577903400000, 1, 86399999};
    static const int64_t times[] = {0, 1, -1, 1772323200000, -1772323200001, 66600000, 66599999};
    for (size_t i = 0; i < ARRAY_LEN(origins); i++)
        for (size_t j = 0; j < ARRAY_LEN(times); j++) {
            struct pane_times moved = standard;
            moved.origin_ms = origins[i];
            for (uint32_t tier = 0; tier < 3; tier++) {
                int64_t start_ms = pane_start(&moved, tier, times[j]);
                assert_true(start_ms <= times[j] && times[j] < start_ms + moved.tiers_ms[tier]);
                assert_int_equal((start_ms - origins[i]) % moved.tiers_ms[tier], 0);
                if (tier > 0)
                    assert_true(start_ms <= pane_start(&moved, tier - 1, times[j]));
            }
        }
}

static void test_saturation(void **state)
{
    (void)state;
    assert_int_equal(time_minus(INT64_MIN, 1), INT64_MIN);
    assert_int_equal(time_minus(INT64_MIN + 5, 10), INT64_MIN);
    assert_int_equal(time_minus(5, 10), -5);
    assert_int_equal(time_plus(INT64_MAX, 1), INT64_MAX);
    assert_int_equal(time_plus(INT64_MAX - 5, 10), INT64_MAX);
    assert_int_equal(time_plus(-5, 10), 5);
}

/* Against a search one by one; what is behind the start does not matter. */
static void test_position(void **state)
{
    (void)state;
    static const struct {
        int64_t start_ms;
        char rest[24];
    } panes[] = {{-7, "a"}, {0, "b"}, {5, "c"}, {6, "d"}, {INT64_MAX, "e"}};
    for (uint32_t count = 0; count <= ARRAY_LEN(panes); count++)
        for (int64_t start_ms = -9; start_ms < 9; start_ms++) {
            uint32_t at = 0;
            while (at < count && panes[at].start_ms < start_ms)
                at++;
            assert_int_equal(pane_position(panes, count, sizeof(panes[0]), start_ms), at);
        }
    assert_int_equal(pane_position(panes, 5, sizeof(panes[0]), INT64_MIN), 0);
    assert_int_equal(pane_position(panes, 5, sizeof(panes[0]), INT64_MAX), 4);
    assert_int_equal(pane_position(NULL, 0, sizeof(panes[0]), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_origin),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
