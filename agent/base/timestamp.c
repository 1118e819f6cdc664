#include "agent/base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>

enum { MS_PER_SECOND = 1000, MS_PER_MINUTE = 60000, MS_PER_HOUR = 3600000, MS_PER_DAY = 86400000 };

/* Days since 1970-01-01 of a proleptic Gregorian date. Years are counted from March, so that the leap day is
 * the last of its year, in cycles of 400 years (146,097 days). */
static int64_t days_of_date(int64_t year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t cycle = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_cycle = year - cycle * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return cycle * 146097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year -
           719468;
}

static void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t cycle = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_cycle = days - cycle * 146097;
    int64_t year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    int64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = year_of_cycle + cycle * 400 + (*month <= 2);
}

static int days_of_month(int64_t year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Exactly `count` digits; the cursor moves behind them. */
static bool take_digits(struct text *text, uint32_t count, int *out)
{
    if (text->len < count)
        return false;
    int value = 0;
    for (uint32_t i = 0; i < count; i++) {
        unsigned digit = (unsigned char)text->ptr[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + (int)digit;
    }
    text->ptr += count;
    text->len -= count;
    *out = value;
    return true;
}

static bool take_char(struct text *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

static bool take_date(struct text *text, int64_t *out_days)
{
    int year, month, day;
    if (!take_digits(text, 4, &year) || !take_char(text, '-') || !take_digits(text, 2, &month) ||
        !take_char(text, '-') || !take_digits(text, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month))
        return false;
    *out_days = days_of_date(year, month, day);
    return true;
}

/* Fraction digits behind the point, cut to milliseconds. */
static bool take_fraction(struct text *text, int *out_ms)
{
    uint32_t digits = 0;
    int ms = 0;
    for (; digits < text->len; digits++) {
        unsigned digit = (unsigned char)text->ptr[digits] - '0';
        if (digit > 9)
            break;
        if (digits < 3)
            ms = ms * 10 + (int)digit;
    }
    if (digits == 0)
        return false;
    for (uint32_t i = digits; i < 3; i++)
        ms *= 10;
    text->ptr += digits;
    text->len -= digits;
    *out_ms = ms;
    return true;
}

static bool take_time(struct text *text, int64_t *out_ms)
{
    int hour, minute, second, ms = 0;
    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute) ||
        !take_char(text, ':') || !take_digits(text, 2, &second))
        return false;
    if (take_char(text, '.') && !take_fraction(text, &ms))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (second == 60) {
        second = 59;
        ms = 999;
    }
    *out_ms =
        (int64_t)hour * MS_PER_HOUR + (int64_t)minute * MS_PER_MINUTE + (int64_t)second * MS_PER_SECOND + ms;
    return true;
}

/* The rest of the text is a zone, or empty (UTC). */
static bool take_zone(struct text *text, int64_t *out_offset_ms)
{
    *out_offset_ms = 0;
    if (text->len == 0)
        return true;
    if (take_char(text, 'Z') || take_char(text, 'z'))
        return text->len == 0;
    bool minus = text->ptr[0] == '-';
    if (!take_char(text, '-') && !take_char(text, '+'))
        return false;
    int hours, minutes = 0;
    if (!take_digits(text, 2, &hours))
        return false;
    if (text->len > 0) {
        (void)take_char(text, ':');
        if (!take_digits(text, 2, &minutes))
            return false;
    }
    if (text->len != 0 || hours > 23 || minutes > 59)
        return false;
    int64_t offset_ms = (int64_t)hours * MS_PER_HOUR + (int64_t)minutes * MS_PER_MINUTE;
    *out_offset_ms = minus ? -offset_ms : offset_ms;
    return true;
}

bool timestamp_parse(struct text text, int64_t *out_ms)
{
    int64_t days, time_ms = 0, offset_ms = 0;
    if (!take_date(&text, &days))
        return false;
    if (text.len > 0) {
        if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' '))
            return false;
        if (!take_time(&text, &time_ms) || !take_zone(&text, &offset_ms))
            return false;
    }
    int64_t ms = days * MS_PER_DAY + time_ms - offset_ms;
    if (ms < TIME_MIN_MS || ms > TIME_MAX_MS)
        return false;
    *out_ms = ms;
    return true;
}

char *timestamp_format(int64_t ms, char *out)
{
    if (ms < TIME_MIN_MS || ms > TIME_MAX_MS) {
        /* No year of four digits: say the number rather than a wrong date. */
        (void)snprintf(out, 32, "%" PRId64 "ms", ms);
        return out;
    }
    int64_t days = ms / MS_PER_DAY, rest = ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        days--;
    }
    int64_t year;
    int month, day;
    date_of_days(days, &year, &month, &day);
    int seconds = (int)(rest / MS_PER_SECOND), fraction = (int)(rest % MS_PER_SECOND);
    int len = snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month, day, seconds / 3600,
                       seconds / 60 % 60, seconds % 60);
    if (fraction)
        (void)snprintf(out + len, 32 - (size_t)len, ".%03dZ", fraction);
    else
        (void)snprintf(out + len, 32 - (size_t)len, "Z");
    return out;
}

struct unit {
    const char *name;
    int64_t ms;
};

/* Longest first: sums are written in this order. */
static const struct unit units[] = {
    {"w", INT64_C(7) * MS_PER_DAY}, {"d", MS_PER_DAY},    {"h", MS_PER_HOUR},
    {"m", MS_PER_MINUTE},           {"s", MS_PER_SECOND}, {"ms", 1},
};

static bool take_count(struct text *text, int64_t *out)
{
    int64_t value = 0;
    uint32_t digits = 0;
    for (; digits < text->len; digits++) {
        unsigned digit = (unsigned char)text->ptr[digits] - '0';
        if (digit > 9)
            break;
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_add_overflow(value, (int64_t)digit, &value))
            return false;
    }
    text->ptr += digits;
    text->len -= digits;
    *out = value;
    return digits > 0;
}

/* The unit at the start of the text, at `first` or behind it in the table; its index, or -1. */
static int take_unit(struct text *text, int first)
{
    uint32_t len = 0;
    while (len < text->len && text->ptr[len] >= 'a' && text->ptr[len] <= 'z')
        len++;
    for (int i = first; i < (int)ARRAY_LEN(units); i++) {
        if (text_equal(text_of(units[i].name), (struct text){text->ptr, len})) {
            text->ptr += len;
            text->len -= len;
            return i;
        }
    }
    return -1;
}

bool duration_parse(struct text text, int64_t *out_ms)
{
    if (text.len == 1 && text.ptr[0] == '0') {
        *out_ms = 0;
        return true;
    }
    int64_t total = 0;
    int unit = -1;
    do {
        int64_t count, ms;
        if (!take_count(&text, &count))
            return false;
        /* Units get shorter from part to part: "30m1h" and "1m1m" are slips, not sums. */
        unit = take_unit(&text, unit + 1);
        if (unit < 0 || __builtin_mul_overflow(count, units[unit].ms, &ms) ||
            __builtin_add_overflow(total, ms, &total))
            return false;
    } while (text.len > 0);
    *out_ms = total;
    return true;
}

char *duration_format(int64_t ms, char *out)
{
    enum { OUT_BYTES = 48 };
    size_t len = 0;
    if (ms < 0)
        out[len++] = '-';
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    size_t start = len;
    for (size_t i = 1; i < ARRAY_LEN(units); i++) {
        uint64_t count = rest / (uint64_t)units[i].ms;
        rest %= (uint64_t)units[i].ms;
        if (count)
            len += (size_t)snprintf(out + len, OUT_BYTES - len, "%" PRIu64 "%s", count, units[i].name);
    }
    if (len == start)
        (void)snprintf(out + len, OUT_BYTES - len, "0s");
    return out;
}
