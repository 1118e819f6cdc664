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
 * the text and that 16 bytes behind that byte are readable. `room`: NUMBER_ROOM bytes before every address
 * from it on are readable too; numbers that end before it take longer. O(length).
 */
enum { NUMBER_ROOM = 24 };
static inline __attribute__((always_inline)) const char *number_scan(const char *room, const char *at,
                                                                     double *out);

/* ---- what number_scan needs in the open ---- */

/* Any number: eight digits at a time. */
const char *number_scan_any(const char *start, double *out);

#if defined(__SSE2__)

/* Up to 19 digits without an exponent, the rest is handed on. */
const char *number_scan_long(const char *room, const char *start, double *out);

enum { NUMBER_DIGITS_SHORT = 15 /* of a number that fits 16 bytes with its point */ };
/* ±10^n: of positive numbers, then of negative ones. */
extern const double number_signed_powers[2 * (NUMBER_DIGITS_SHORT + 1)];
/* 16 bytes at + n keep the values of the last n digits of 16 and clear what precedes them. */
extern const unsigned char number_last_digits[32];

static inline __m128i number_load16(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* What moves digits to the smallest signed bytes, and the first byte above them. Constants in the open are
 * made anew for each number. */
extern const _Alignas(16) signed char number_digit_shift[16], number_digit_limit[16], number_digit_last[16];

static inline __m128i number_constant(const void *at)
{
    return _mm_load_si128(at);
}

/* A bit for each of 16 bytes that is a digit. */
static inline unsigned number_digit_bits(const char *at)
{
    __m128i shifted = _mm_add_epi8(number_load16(at), number_constant(number_digit_shift));
    return (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(number_constant(number_digit_limit), shifted));
}

/* A bit for each of 16 bytes that is none. */
static inline unsigned number_other_bits(const char *at)
{
    __m128i shifted = _mm_add_epi8(number_load16(at), number_constant(number_digit_shift));
    return (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(shifted, number_constant(number_digit_last)));
}

/* Eight times 10 · 256 + 1: in the open, compilers take four instructions to multiply with it. */
extern const _Alignas(16) uint16_t number_pair_factors[8];

/* The value of 16 decimal digits, the first of the highest order: pairs, fours, eights. */
static inline uint64_t number_of_digits(__m128i digits)
{
    const __m128i factors = _mm_load_si128((const __m128i *)(const void *)number_pair_factors);
    __m128i pairs = _mm_srli_epi16(_mm_mullo_epi16(digits, factors), 8);
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
    __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    return (both & UINT32_MAX) * 100000000 + (both >> 32);
}

/* Whether an integer part of so many digits may begin with the digit `first` (no digit: above 9). */
static inline bool number_may_begin(unsigned first, unsigned integer_len)
{
    /* 0 wraps when more follow; the factor keeps 10, minus one, away from 9. */
    return 2 * first - (integer_len > 1) <= 18;
}

/* The last `count` digits before `end`, at most 16. */
static inline uint64_t number_last(const char *end, unsigned count)
{
    return number_of_digits(
        _mm_and_si128(number_load16(end - 16), number_load16((const char *)number_last_digits + count)));
}

/* The same with a point between them: `fraction` digits are behind it, those before it are read from one byte
 * further ahead. */
static inline uint64_t number_last_around(const char *end, unsigned count, unsigned fraction)
{
    __m128i behind = number_load16((const char *)number_last_digits + fraction);
    __m128i all = number_load16((const char *)number_last_digits + count);
    __m128i ahead = _mm_andnot_si128(behind, _mm_and_si128(number_load16(end - 17), all));
    return number_of_digits(_mm_or_si128(_mm_and_si128(number_load16(end - 16), behind), ahead));
}

#endif

static inline __attribute__((always_inline)) const char *number_scan(const char *room, const char *start,
                                                                     double *out)
{
#if defined(__SSE2__)
    /* Numbers within 16 bytes: where their digits end is read off all at once, without a loop to mispredict
     * and without waiting for the sign; then they are taken from behind, where they stand aligned. */
    unsigned others = number_other_bits(start + 1) | 0x30000; /* behind the first byte, digit or sign */
    unsigned negative = *start == '-', integer_end = (unsigned)__builtin_ctz(others) + 1, end = integer_end;
    unsigned first = (unsigned char)start[negative] - (unsigned)'0', fraction = 0;
    const char *behind;
    uint64_t digits;
    if (start[integer_end] == '.') {
        others &= others - 1;
        end = (unsigned)__builtin_ctz(others) + 1;
        fraction = end - integer_end - 1;
        behind = start + end;
        if (UNLIKELY(end > 15 || behind < room))
            return number_scan_long(room, start, out);
        if (UNLIKELY(fraction == 0))
            return NULL;
        digits = number_last_around(behind, end - 1 - negative, fraction);
    } else {
        behind = start + end;
        if (UNLIKELY(end > 15 || behind < room))
            return number_scan_long(room, start, out);
        digits = number_last(behind, end - negative);
    }
    if (UNLIKELY(!number_may_begin(first, integer_end - negative)))
        return NULL;
    if (UNLIKELY(*behind != ',') && (*behind | 0x20) == 'e')
        return number_scan_any(start, out);
    *out = (double)(int64_t)digits / number_signed_powers[negative * (NUMBER_DIGITS_SHORT + 1) + fraction];
    return behind;
#else
    (void)room;
    return number_scan_any(start, out);
#endif
}

#endif
