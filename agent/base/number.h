#ifndef DRIFTD_BASE_NUMBER_H
#define DRIFTD_BASE_NUMBER_H
/*
 * Decimal text to double, correctly rounded: bit-equal to strtod in the C locale, whatever the locale is, at
 * a few nanoseconds a number. Three steps, each handing on what it cannot do: exact arithmetic in doubles
 * (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990), one or two 64×64-bit products with
 * a table of powers of five (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021), strtod on a bounded
 * copy. Never allocates.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "agent/base/compiler.h"
#include "agent/base/text.h"

enum number_result {
    NUMBER_OK,
    NUMBER_SYNTAX, /* the text is not, as a whole, such a number */
    NUMBER_RANGE   /* it is, but beyond the largest finite double; too small is 0 or subnormal, and OK */
};

/* The grammar of RFC 8259: -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
enum number_result number_parse_json(struct text text, double *out) MUST_USE;
/* What spreadsheets and data frames write: a sign `+` too, leading zeros, "1." and ".5". No hex, no names. */
enum number_result number_parse_plain(struct text text, double *out) MUST_USE;

/*
 * For scanners: the JSON number that starts at `at`. Returns its end, or NULL when there is none or it is not
 * finite (ask number_parse_json which). The caller guarantees that a byte which no number contains follows
 * the text, and that 16 bytes behind that byte are readable. O(length).
 */
static inline __attribute__((always_inline)) const char *number_scan(const char *at, double *out);

/* ---- what number_scan needs in the open ---- */

/* digits·10^exponent10, `digits` exact when !truncated, else the 19 leading ones. The literal is
 * [at, end): it decides when all else fails. False when not finite. */
bool number_compose(uint64_t digits, int64_t exponent10, bool negative, bool truncated, const char *at,
                    const char *end, double *out);

#define NUMBER_POWER_EXACT_MAX 22
extern const double number_exact_powers[NUMBER_POWER_EXACT_MAX + 1];
extern const uint64_t number_integer_powers[9];

/* How many of the eight bytes, from the first, are digits. */
static inline unsigned number_digit_run(uint64_t word)
{
    uint64_t shifted = word ^ UINT64_C(0x3030303030303030);
    uint64_t others = ((shifted + UINT64_C(0x7676767676767676)) | shifted) & UINT64_C(0x8080808080808080);
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The value of the first `count` (1 to 8) bytes, which are digits. */
static inline uint64_t number_digits_value(uint64_t word, unsigned count)
{
    word = (word - UINT64_C(0x3030303030303030)) << (64 - 8 * count);
    word = word * 10 + (word >> 8);
    return (((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
            (((word >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
           32;
}

static inline uint64_t number_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Appends a run of digits to *value (modulo 2^64: the caller checks the number of digits). */
static inline const char *number_take_digits(const char *at, uint64_t *value)
{
    for (;;) {
        uint64_t word = number_load(at);
        unsigned run = number_digit_run(word);
        if (run == 0)
            return at;
        *value = *value * number_integer_powers[run] + number_digits_value(word, run);
        at += run;
        if (run < 8)
            return at;
    }
}

const char *number_scan_rest(const char *start, const char *at, uint64_t digits, int64_t exponent10,
                             double *out);

/* Any number: eight digits at a time, the exponent and what is left to number_scan_rest. */
static inline const char *number_scan_any(const char *start, double *out)
{
    const char *at = start + (*start == '-');
    const char *integer = at;
    uint64_t digits = 0;
    at = number_take_digits(at, &digits);
    int64_t integer_len = at - integer;
    if (integer_len == 0 || (*integer == '0' && integer_len > 1))
        return NULL;
    int64_t fraction_len = 0;
    if (*at == '.') {
        const char *fraction = ++at;
        at = number_take_digits(at, &digits);
        fraction_len = at - fraction;
        if (fraction_len == 0)
            return NULL;
    }
    if (LIKELY((*at | 0x20) != 'e' && integer_len + fraction_len <= 19 && digits <= (UINT64_C(1) << 53) &&
               fraction_len <= NUMBER_POWER_EXACT_MAX)) {
        double value = (double)digits / number_exact_powers[fraction_len];
        *out = *start == '-' ? -value : value;
        return at;
    }
    return number_scan_rest(start, at, digits, -fraction_len, out);
}

static inline __attribute__((always_inline)) const char *number_scan(const char *start, double *out)
{
#if defined(__SSE2__)
    /* The usual numbers, at most eight digits before and behind the point: where their digits end is read off
     * sixteen bytes at once, without a loop to mispredict. */
    const char *at = start + (*start == '-');
    __m128i digits16 = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)at), _mm_set1_epi8('0'));
    __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits16, _mm_set1_epi8(9)), digits16);
    unsigned others = ~(unsigned)_mm_movemask_epi8(is_digit); /* bits from 16 on are set */
    unsigned integer_len = (unsigned)__builtin_ctz(others), end = integer_len;
    uint64_t digits = number_digits_value(number_load(at), ((integer_len - 1) & 7) + 1);
    double value;
    if (at[integer_len] == '.') {
        end = (unsigned)__builtin_ctz(others & (others - 1));
        unsigned fraction_len = end - integer_len - 1;
        if (UNLIKELY(fraction_len - 1 >= 8 || end > 15))
            return number_scan_any(start, out);
        digits = digits * number_integer_powers[fraction_len] +
                 number_digits_value(number_load(at + integer_len + 1), fraction_len);
        value = (double)(int64_t)digits / number_exact_powers[fraction_len];
    } else {
        value = (double)(int64_t)digits;
    }
    if (UNLIKELY(integer_len - 1 >= 8 || (at[end] | 0x20) == 'e' || digits > (UINT64_C(1) << 53) ||
                 (*at == '0' && integer_len > 1)))
        return number_scan_any(start, out);
    *out = at != start ? -value : value;
    return at + end;
#else
    return number_scan_any(start, out);
#endif
}

#endif
