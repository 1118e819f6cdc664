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
 * the text, and that 8 bytes behind that byte are readable. O(length).
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

static inline __attribute__((always_inline)) const char *number_scan(const char *start, double *out)
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

#endif
