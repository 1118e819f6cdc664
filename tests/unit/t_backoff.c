#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/base/compiler.h"
#include "alerting/retry.h"
#include "alerting/webhook.h"

static const int64_t schedule_ms[] = {0, 5000, 30000, 120000, 600000, 1800000, 7200000, 21600000};

static void test_schedule(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(schedule_ms); i++) {
        assert_int_equal(backoff_delay_ms(i, 0.5), schedule_ms[i]);
        assert_int_equal(backoff_delay_ms(i, 0), schedule_ms[i] * 4 / 5);
        assert_in_range(backoff_delay_ms(i, 0.999999999), schedule_ms[i], schedule_ms[i] * 6 / 5);
    }
    assert_int_equal(backoff_delay_ms(8, 0.5), -1);
    assert_int_equal(backoff_delay_ms(UINT32_MAX, 0.5), -1);
}

static void test_jitter(void **state)
{
    (void)state;
    double sum = 0, low = 1, high = 0;
    for (int i = 0; i < 2000; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%08x", (unsigned)i);
        double random = retry_random(id, 3);
        assert_true(random >= 0 && random < 1);
        assert_true(random == retry_random(id, 3));
        assert_true(random != retry_random(id, 4));
        sum += random;
        low = random < low ? random : low;
        high = random > high ? random : high;
    }
    /* The mean of 2000 uniforms has a standard deviation of 0.0065. */
    assert_true(sum / 2000 > 0.47 && sum / 2000 < 0.53);
    assert_true(low < 0.01 && high > 0.99);
}

static void test_retry_after(void **state)
{
    (void)state;
    int64_t own_ms = retry_delay_ms("id", 1, 0);
    assert_in_range(own_ms, 4000, 6000);
    assert_int_equal(retry_delay_ms("id", 1, 1), own_ms);
    assert_int_equal(retry_delay_ms("id", 1, 60), 60000);
    assert_int_equal(retry_delay_ms("id", 1, 3600), 3600000);
    assert_int_equal(retry_delay_ms("id", 1, 3601), 3600000);
    assert_int_equal(retry_delay_ms("id", 1, INT64_MAX), 3600000);
    assert_int_equal(retry_delay_ms("id", 1, -5), own_ms);
    assert_int_equal(retry_delay_ms("id", 8, 60), -1);
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        int32_t status;
        enum retry_verdict verdict;
    } cases[] = {
        {0, RETRY_LATER},       {200, RETRY_DELIVERED}, {202, RETRY_DELIVERED}, {204, RETRY_DELIVERED},
        {299, RETRY_DELIVERED}, {300, RETRY_NEVER},     {301, RETRY_NEVER},     {302, RETRY_NEVER},
        {304, RETRY_NEVER},     {308, RETRY_NEVER},     {400, RETRY_NEVER},     {401, RETRY_NEVER},
        {403, RETRY_NEVER},     {404, RETRY_NEVER},     {408, RETRY_LATER},     {409, RETRY_NEVER},
        {410, RETRY_GONE},      {413, RETRY_NEVER},     {422, RETRY_NEVER},     {425, RETRY_LATER},
        {429, RETRY_LATER},     {500, RETRY_LATER},     {501, RETRY_NEVER},     {502, RETRY_LATER},
        {503, RETRY_LATER},     {504, RETRY_LATER},     {505, RETRY_NEVER},     {999, RETRY_NEVER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (retry_verdict_of(cases[i].status) != cases[i].verdict)
            fail_msg("status %d", cases[i].status);
}

static void test_breaker(void **state)
{
    (void)state;
    struct breaker breaker = {0};
    int64_t now_ms = 1000;
    for (int i = 1; i < BREAKER_FAILURES; i++) {
        assert_true(breaker_admit(&breaker, now_ms));
        assert_false(breaker_failure(&breaker, now_ms, 1));
    }
    breaker_success(&breaker); /* in a row, or it does not count */
    for (int i = 1; i <= BREAKER_FAILURES; i++) {
        assert_int_equal(breaker_ready_ms(&breaker), 0);
        assert_true(breaker_admit(&breaker, now_ms));
        assert_int_equal(breaker_failure(&breaker, now_ms, 1), i == BREAKER_FAILURES);
    }
    /* One that began before tells nothing. */
    assert_false(breaker_failure(&breaker, now_ms, 1));
    int64_t wait_ms = BREAKER_OPEN_MS;
    for (int round = 0; round < 8; round++) {
        assert_int_equal(breaker_ready_ms(&breaker), now_ms + wait_ms);
        assert_false(breaker_admit(&breaker, now_ms + wait_ms - 1));
        now_ms += wait_ms;
        assert_true(breaker_admit(&breaker, now_ms));  /* the probe */
        assert_false(breaker_admit(&breaker, now_ms)); /* and only one */
        assert_true(breaker_ready_ms(&breaker) == INT64_MAX);
        assert_true(breaker_failure(&breaker, now_ms, 1));
        wait_ms = wait_ms * 2 > BREAKER_OPEN_MAX_MS ? BREAKER_OPEN_MAX_MS : wait_ms * 2;
    }
    assert_int_equal(wait_ms, BREAKER_OPEN_MAX_MS);
    now_ms += wait_ms;
    assert_true(breaker_admit(&breaker, now_ms));
    breaker_success(&breaker);
    assert_true(breaker_admit(&breaker, now_ms));
    assert_true(breaker_admit(&breaker, now_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule), cmocka_unit_test(test_jitter),  cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_breaker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
