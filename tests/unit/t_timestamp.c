#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/base/timestamp.h"

struct time_case {
    const char *text;
    bool ok;
    int64_t ms;
};

static const struct time_case times[] = {
    {"1970-01-01T00:00:00Z", true, 0},
    {"2026-03-01T12:00:00.250Z", true, INT64_C(1772366400250)},
    {"2026-03-01t12:00:00.250z", true, INT64_C(1772366400250)},
    {"2026-03-01 12:00:00.2509999", true, INT64_C(1772366400250)},
    {"2026-03-01T13:00:00.25+01:00", true, INT64_C(1772366400250)},
    {"2026-03-01T07:30:00-0430", true, INT64_C(1772366400000)},
    {"2026-03-01T14:00:00+02", true, INT64_C(1772366400000)},
    {"2026-03-01", true, INT64_C(1772323200000)},
    {"1969-12-31T23:59:59.999Z", true, -1},
    {"2016-12-31T23:59:60Z", true, INT64_C(1483228799999)},
    {"2000-02-29T00:00:00Z", true, INT64_C(951782400000)},
    {"0001-01-01T00:00:00Z", true, TIME_MIN_MS},
    {"9999-12-31T23:59:59.999Z", true, TIME_MAX_MS},
    {"9999-12-31T23:59:59-01:00", false, 0},
    {"0001-01-01T00:00:00+01:00", false, 0},
    {"0000-01-01T00:00:00Z", false, 0},
    {"1900-02-29T00:00:00Z", false, 0},
    {"2026-13-01T00:00:00Z", false, 0},
    {"2026-00-01T00:00:00Z", false, 0},
    {"2026-04-31T00:00:00Z", false, 0},
    {"2026-03-01T24:00:00Z", false, 0},
    {"2026-03-01T12:60:00Z", false, 0},
    {"2026-03-01T12:00:61Z", false, 0},
    {"2026-03-01T12:00:00.Z", false, 0},
    {"2026-03-01T12:00:00Zx", false, 0},
    {"2026-03-01T12:00:00+1", false, 0},
    {"2026-03-01T12:00:00+01:", false, 0},
    {"2026-03-01T12:00:00+01:60", false, 0},
    {"2026-03-01T12:00", false, 0},
    {"2026-03-01T", false, 0},
    {"2026-3-01T12:00:00Z", false, 0},
    {" 2026-03-01", false, 0},
    {"1772366400000", false, 0},
    {"", false, 0},
};

static void parses_points_in_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int64_t ms = 77;
        bool ok = timestamp_parse(text_of(times[i].text), &ms);
        if (ok != times[i].ok || ms != (ok ? times[i].ms : 77))
            fail_msg("`%s`: %d %lld", times[i].text, ok, (long long)ms);
    }
}

static void formats_what_it_parses(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(timestamp_format(INT64_C(1772366400250), text), "2026-03-01T12:00:00.250Z");
    assert_string_equal(timestamp_format(INT64_C(1772366400000), text), "2026-03-01T12:00:00Z");
    assert_string_equal(timestamp_format(-1, text), "1969-12-31T23:59:59.999Z");
    /* Steps of a prime number of milliseconds meet every month, weekday and leap rule. */
    for (int64_t ms = TIME_MIN_MS; ms <= TIME_MAX_MS; ms += INT64_C(1234567891011)) {
        int64_t back;
        assert_true(timestamp_parse(text_of(timestamp_format(ms, text)), &back));
        assert_true(back == ms);
    }
    assert_string_equal(timestamp_format(INT64_MAX, text), "9223372036854775807ms");
    assert_string_equal(timestamp_format(INT64_MIN, text), "-9223372036854775808ms");
}

static void parses_every_day_in_order(void **state)
{
    (void)state;
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = TIME_MIN_MS;
    for (int year = 1; year <= 2500; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int days = month_days[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= days; day++, expected += 86400000) {
                char text[] = "0000-00-00";
                for (int i = 3, rest = year; i >= 0; i--, rest /= 10)
                    text[i] = (char)('0' + rest % 10);
                text[5] = (char)('0' + month / 10);
                text[6] = (char)('0' + month % 10);
                text[8] = (char)('0' + day / 10);
                text[9] = (char)('0' + day % 10);
                int64_t ms;
                assert_true(timestamp_parse(text_of(text), &ms));
                assert_true(ms == expected);
            }
        }
    }
}

static const struct time_case durations[] = {
    {"250ms", true, 250},
    {"30s", true, 30000},
    {"5m", true, 300000},
    {"24h", true, 86400000},
    {"7d", true, 604800000},
    {"2w", true, 1209600000},
    {"1h30m", true, 5400000},
    {"1d12h5m6s7ms", true, 129906007},
    {"0", true, 0},
    {"0s", true, 0},
    {"", false, 0},
    {"5", false, 0},
    {"-5m", false, 0},
    {"5 m", false, 0},
    {"1.5h", false, 0},
    {"5min", false, 0},
    {"m", false, 0},
    {"30m1h", false, 0},
    {"1m1m", false, 0},
    {"1h30", false, 0},
    {"5M", false, 0},
    {"9223372036854775807ms", true, INT64_MAX},
    {"9223372036854775808ms", false, 0},
    {"15250284452472w", false, 0},
    {"9223372036854775s1000ms", false, 0},
};

static void parses_lengths_of_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        int64_t ms = 77;
        bool ok = duration_parse(text_of(durations[i].text), &ms);
        if (ok != durations[i].ok || ms != (ok ? durations[i].ms : 77))
            fail_msg("`%s`: %d %lld", durations[i].text, ok, (long long)ms);
    }
}

static void formats_lengths_of_time(void **state)
{
    (void)state;
    char text[48];
    assert_string_equal(duration_format(0, text), "0s");
    assert_string_equal(duration_format(300000, text), "5m");
    assert_string_equal(duration_format(5400000, text), "1h30m");
    assert_string_equal(duration_format(604800000, text), "7d");
    assert_string_equal(duration_format(1500, text), "1s500ms");
    assert_string_equal(duration_format(-90000, text), "-1m30s");
    assert_string_equal(duration_format(INT64_MAX, text), "106751991167d7h12m55s807ms");
    assert_string_equal(duration_format(INT64_MIN, text), "-106751991167d7h12m55s808ms");
    for (int64_t ms = 1; ms < INT64_MAX / 7; ms *= 7) {
        int64_t back;
        assert_true(duration_parse(text_of(duration_format(ms, text)), &back));
        assert_true(back == ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_points_in_time),     cmocka_unit_test(formats_what_it_parses),
        cmocka_unit_test(parses_every_day_in_order), cmocka_unit_test(parses_lengths_of_time),
        cmocka_unit_test(formats_lengths_of_time),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
