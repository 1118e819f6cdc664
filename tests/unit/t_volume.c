/* volume.c: expectation, dispersion and empty runs against the definition; what is too short to say anything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "agent/base/hash.h"
#include "detectors/volume.h"
#include "detectors/volume_slots.h"

enum { WEEK = 168 };

static uint64_t made(int64_t pane)
{
    return (uint64_t)(100 + 50 * (pane % 24 > 7)) + hash_mix((uint64_t)pane) % 21;
}

static void fill(struct volume *volume, int64_t from, int64_t to)
{
    for (int64_t pane = from; pane < to; pane++)
        volume_put(volume, pane, made(pane));
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("got %.17g, want %.17g", got, want);
}

static void test_expected(void **state)
{
    (void)state;
    struct volume *volume = volume_new(WEEK);
    struct report_row row;
    const int64_t at = 20000 + 5 * WEEK + 30;
    fill(volume, 20000, at);
    volume_put(volume, at, 900);
    volume_report(volume, at, &row);
    double mean = 0, sum = 0, freedom = 0;
    for (int k = 1; k <= 4; k++)
        mean += (double)made(at - k * WEEK) / 4;
    for (int64_t p = at; p > at - WEEK; p--) {
        double m = 0, squares = 0;
        for (int k = 1; k <= 4; k++)
            m += (double)made(p - k * WEEK) / 4;
        for (int k = 1; k <= 4 && p - k * WEEK >= at - 5 * WEEK; k++)
            squares += ((double)made(p - k * WEEK) - m) * ((double)made(p - k * WEEK) - m);
        sum += squares / m;
        freedom += 3;
    }
    near(row.slots[VOLUME_EXPECTED], mean);
    near(row.slots[VOLUME_DISPERSION], fmax(1, sum / freedom));
    assert_true(row.slots[VOLUME_EVENTS] == 900);
    near(row.slots[VOLUME_Z], (900 - mean) / sqrt(row.slots[VOLUME_DISPERSION] * mean));
    near(row.slots[VOLUME_Z_SIZE], fabs(row.slots[VOLUME_Z]));
    assert_true(row.slots[VOLUME_EMPTY] == 0 && row.slots[VOLUME_STALE] == 0);
    volume_free(volume);
}

/* Counts ten times as scattered as Poisson's give a dispersion of about ten, and a z of one size. */
static void test_dispersion(void **state)
{
    (void)state;
    struct volume *volume = volume_new(WEEK);
    struct report_row row;
    for (int64_t pane = 0; pane < 5 * WEEK; pane++) {
        double normal = 0;
        for (uint64_t i = 0; i < 12; i++)
            normal += (double)(hash_mix((uint64_t)pane * 12 + i) >> 11) * 0x1p-53 - 0.5;
        volume_put(volume, pane, (uint64_t)(1000 + 100 * normal));
    }
    volume_report(volume, 5 * WEEK - 1, &row);
    assert_true(row.slots[VOLUME_DISPERSION] > 8 && row.slots[VOLUME_DISPERSION] < 12);
    assert_true(row.slots[VOLUME_Z_SIZE] < 4);
    volume_free(volume);
}

/* Silence until there are two weeks. */
static void test_short(void **state)
{
    (void)state;
    struct volume *volume = volume_new(WEEK);
    struct report_row row;
    fill(volume, -50, 2 * WEEK - 50);
    volume_report(volume, 2 * WEEK - 51, &row);
    assert_true(isnan(row.slots[VOLUME_Z]) && isnan(row.slots[VOLUME_EXPECTED]));
    assert_true(row.slots[VOLUME_EMPTY] == 0);
    fill(volume, 2 * WEEK - 50, 2 * WEEK - 49);
    volume_report(volume, 2 * WEEK - 50, &row);
    assert_true(!isnan(row.slots[VOLUME_Z]));
    volume_free(volume);
    volume = volume_new(WEEK);
    volume_report(volume, 7, &row); /* nothing at all */
    assert_true(row.n == 0 && isnan(row.slots[VOLUME_Z]) && row.slots[VOLUME_EMPTY] == 0);
    volume_free(volume);
}

/* Eight empty hours each night are usual, twelve are not. */
static void test_stale(void **state)
{
    (void)state;
    struct volume *volume = volume_new(WEEK);
    struct report_row row;
    for (int64_t pane = 8; pane < 3 * WEEK; pane++)
        if (pane % 24 >= 8)
            volume_put(volume, pane, 10);
    volume_report(volume, 3 * WEEK + 7, &row);
    assert_true(row.slots[VOLUME_EMPTY] == 8 && row.slots[VOLUME_EMPTY_USUAL] == 8);
    assert_true(row.slots[VOLUME_STALE] == 0);
    volume_report(volume, 3 * WEEK + 8, &row);
    assert_true(row.slots[VOLUME_EMPTY] == 9 && row.slots[VOLUME_STALE] == 1);
    volume_free(volume);
}

/* A ring that moved on, in steps or in one leap, forgets; order of what it still knows does not matter. */
static void test_ring(void **state)
{
    (void)state;
    struct volume *volume = volume_new(WEEK);
    fill(volume, 0, 10 * WEEK);
    assert_int_equal(volume_at(volume, 4 * WEEK - 1), 0);
    assert_int_equal(volume_at(volume, 4 * WEEK), made(4 * WEEK));
    volume_put(volume, 3 * WEEK, 5); /* too old */
    assert_int_equal(volume_at(volume, 9 * WEEK), made(9 * WEEK));
    volume_put(volume, 100 * WEEK, 1);
    volume_put(volume, 99 * WEEK, 2);
    assert_int_equal(volume_at(volume, 99 * WEEK), 2);
    assert_int_equal(volume_at(volume, 9 * WEEK), 0);
    assert_int_equal(volume_at(volume, 100 * WEEK + 1), 0);
    volume_free(volume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected), cmocka_unit_test(test_dispersion), cmocka_unit_test(test_short),
        cmocka_unit_test(test_stale),    cmocka_unit_test(test_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
