#include "agent/base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/number_powers.h"

enum {
    POWER_EXACT_MAX = 22,       /* 10^22 is the last power of ten that a double holds exactly */
    EXPONENT_CLAMP = 100000000, /* beyond it every number is 0 or infinite, however many digits it has */
    DIGITS_EXACT_MAX = 19,      /* fit 64 bits */
    DIGITS_DECIDE = 800,        /* no double, and no midpoint of two, has more than 768 */
};

static const double exact_powers[POWER_EXACT_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};
static const uint64_t integer_powers[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

#if defined(__SSE2__)
const double number_signed_powers[2 * (NUMBER_DIGITS_SHORT + 1)] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10,  1e11,  1e12,  1e13,  1e14,  1e15,
    -1e0, -1e1, -1e2, -1e3, -1e4, -1e5, -1e6, -1e7, -1e8, -1e9, -1e10, -1e11, -1e12, -1e13, -1e14, -1e15,
};
const _Alignas(16) uint16_t number_pair_factors[8] = {2561, 2561, 2561, 2561, 2561, 2561, 2561, 2561};
#define BYTES_16(byte)                                                                                       \
    {                                                                                                        \
        byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte, byte       \
    }
const _Alignas(16) signed char number_digit_shift[16] = BYTES_16(0x80 - '0');
const _Alignas(16) signed char number_digit_limit[16] = BYTES_16(-128 + 10);
const _Alignas(16) signed char number_digit_last[16] = BYTES_16(-128 + 9);
const unsigned char number_last_digits[32] = {[16] = 15, 15, 15, 15, 15, 15, 15, 15,
                                              15,        15, 15, 15, 15, 15, 15, 15};
#endif

static uint64_t high_of_product(uint64_t a, uint64_t b, uint64_t *low)
{
    uint128 product = (uint128)a * b;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
}

/*
 * digits·10^exponent10 when the 128-bit product of the digits with the cut power of five leaves no doubt
 * about the rounding; false when it does, or when the result is subnormal or infinite. `digits` is not 0.
 */
static bool multiply_by_power(uint64_t digits, int64_t exponent10, double *out)
{
    if (exponent10 < POWER_SMALLEST || exponent10 > POWER_LARGEST)
        return false;
    const uint64_t *power = powers_of_five[exponent10 - POWER_SMALLEST];
    int shift = __builtin_clzll(digits);
    digits <<= shift;
    uint64_t low, high = high_of_product(digits, power[0], &low);
    /* 54 bits and one for the position of the top bit decide; if those below are all ones, a carry from the
     * lower half of the power could reach them. */
    if ((high & 0x1ff) == 0x1ff) {
        uint64_t unused, more = high_of_product(digits, power[1], &unused);
        low += more;
        high += low < more;
        if (low == UINT64_MAX && (exponent10 < -27 || exponent10 > 55))
            return false;
    }
    int top = (int)(high >> 63);
    uint64_t mantissa = high >> (top + 9);
    /* ⌊log2 10^e⌋ = ⌊e·log2 10⌋, exact in this range with 16 fraction bits; the
     * offset keeps what is shifted positive. */
    int64_t exponent2 = (217706 * (exponent10 + 65536) >> 16) - 217706 + 63 + top - shift + 1023;
    if (exponent2 <= 0)
        return false;
    /* Exactly half way between two doubles: only small powers of five fit beside 54 bits. Round to even. */
    if (low <= 1 && exponent10 >= -4 && exponent10 <= 23 && (mantissa & 3) == 1 &&
        mantissa << (top + 9) == high)
        mantissa &= ~UINT64_C(1);
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >> 53) {
        mantissa = UINT64_C(1) << 52;
        exponent2++;
    }
    if (exponent2 >= 2047)
        return false;
    uint64_t bits = (mantissa & ((UINT64_C(1) << 52) - 1)) | (uint64_t)exponent2 << 52;
    memcpy(out, &bits, sizeof(bits));
    return true;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* The literal's significant digits, bounded, without a point and hence without a locale. */
struct significand {
    char digits[DIGITS_DECIDE + 1];
    int count;
    int64_t exponent10; /* of the last digit kept, without the literal's own exponent */
};

static const char *collect_digits(struct significand *significand, const char *at, const char *end)
{
    bool after_point = false, sticky = false;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            after_point = true;
            continue;
        }
        bool keep = significand->count > 0 || *at != '0';
        if (keep && significand->count < DIGITS_DECIDE) {
            significand->digits[significand->count++] = *at;
            significand->exponent10 -= after_point;
        } else {
            /* Leading zeros behind the point move it; digits beyond the capacity only say "a bit more". */
            sticky |= keep && *at != '0';
            significand->exponent10 += keep ? !after_point : -(int64_t)after_point;
        }
    }
    if (sticky) {
        significand->digits[significand->count++] = '1';
        significand->exponent10--;
    }
    return at;
}

static int64_t read_exponent(const char *at, const char *end)
{
    if (at >= end || (*at | 0x20) != 'e')
        return 0;
    at++;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    int64_t value = 0;
    for (; at < end && is_digit(*at); at++)
        value = value < EXPONENT_CLAMP ? value * 10 + (*at - '0') : value;
    return negative ? -value : value;
}

static bool compose_by_strtod(const char *at, const char *end, double *out)
{
    struct significand significand;
    significand.count = 0;
    significand.exponent10 = 0;
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    const char *behind = collect_digits(&significand, at, end);
    int64_t exponent10 = significand.exponent10 + read_exponent(behind, end);
    double value = 0;
    if (significand.count > 0) {
        if (exponent10 > 400)
            return false;
        if (exponent10 > -400 - DIGITS_DECIDE) {
            char copy[DIGITS_DECIDE + 16];
            memcpy(copy, significand.digits, (size_t)significand.count);
            (void)snprintf(copy + significand.count, sizeof(copy) - (size_t)significand.count, "e%d",
                           (int)exponent10);
            value = strtod(copy, NULL);
        }
    }
    if (!isfinite(value))
        return false;
    *out = negative ? -value : value;
    return true;
}

/* digits·10^exponent10, `digits` exact when !truncated, else the 19 leading ones. The literal is
 * [at, end): it decides when all else fails. False when not finite. */
static bool compose(uint64_t digits, int64_t exponent10, bool negative, bool truncated, const char *at,
                    const char *end, double *out)
{
    double value, above;
    if (!truncated && digits == 0) {
        *out = negative ? -0.0 : 0.0;
        return true;
    }
    if (!truncated && digits <= (UINT64_C(1) << 53) && exponent10 >= -POWER_EXACT_MAX &&
        exponent10 <= POWER_EXACT_MAX) {
        value = exponent10 < 0 ? (double)digits / exact_powers[-exponent10]
                               : (double)digits * exact_powers[exponent10];
    } else if (!multiply_by_power(digits, exponent10, &value)) {
        return compose_by_strtod(at, end, out);
    } else if (truncated && (!multiply_by_power(digits + 1, exponent10, &above) || above != value)) {
        /* The digits cut off decide. */
        return compose_by_strtod(at, end, out);
    }
    *out = negative ? -value : value;
    return true;
}

/* The 19 leading significant digits of [at, end), which has more than 19; *exponent10 belongs to the last. */
static uint64_t leading_digits(const char *at, const char *end, int64_t *exponent10, bool *truncated)
{
    uint64_t digits = 0;
    int count = 0;
    bool after_point = false;
    *exponent10 = 0;
    *truncated = false;
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            after_point = true;
        } else if (count < DIGITS_EXACT_MAX) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            count += digits > 0;
            *exponent10 -= after_point;
        } else {
            *truncated |= *at != '0';
            *exponent10 += !after_point;
        }
    }
    return digits;
}

/* Digits are counted from the first that is not 0, so the total must be taken again for long literals. */
static bool compose_literal(const char *start, const char *digits_end, const char *end, uint64_t digits,
                            int64_t exponent10, double *out)
{
    bool negative = *start == '-';
    const char *at = start + (*start == '-' || *start == '+');
    bool truncated = false;
    if (digits_end - at > DIGITS_EXACT_MAX)
        digits = leading_digits(at, digits_end, &exponent10, &truncated);
    exponent10 += read_exponent(digits_end, end);
    return compose(digits, exponent10, negative, truncated, start, end, out);
}

/* The exponent and what is left. */
static const char *scan_rest(const char *start, const char *at, uint64_t digits, int64_t exponent10,
                             double *out)
{
    const char *digits_end = at;
    if ((*at | 0x20) == 'e') {
        at++;
        at += *at == '-' || *at == '+';
        const char *first = at;
        while (is_digit(*at))
            at++;
        if (at == first)
            return NULL;
    }
    return compose_literal(start, digits_end, at, digits, exponent10, out) ? at : NULL;
}

/* ---- digits, eight at a time ---- */

static uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* How many of the eight bytes, from the first, are digits. */
static unsigned digit_run(uint64_t word)
{
    uint64_t shifted = word ^ UINT64_C(0x3030303030303030);
    uint64_t others = ((shifted + UINT64_C(0x7676767676767676)) | shifted) & UINT64_C(0x8080808080808080);
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* The value of the first `count` (1 to 8) bytes, which are digits. */
static uint64_t digits_value(uint64_t word, unsigned count)
{
    word = (word - UINT64_C(0x3030303030303030)) << (64 - 8 * count);
    word = word * 10 + (word >> 8);
    return (((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
            (((word >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
           32;
}

/* Appends a run of digits to *value (modulo 2^64: the caller checks the number of digits). */
static const char *take_digits(const char *at, uint64_t *value)
{
    for (;;) {
        uint64_t word = load8(at);
        unsigned run = digit_run(word);
        if (run == 0)
            return at;
        *value = *value * integer_powers[run] + digits_value(word, run);
        at += run;
        if (run < 8)
            return at;
    }
}

const char *number_scan_any(const char *start, double *out)
{
    const char *at = start + (*start == '-');
    const char *integer = at;
    uint64_t digits = 0;
    at = take_digits(at, &digits);
    int64_t integer_len = at - integer;
    if (integer_len == 0 || (*integer == '0' && integer_len > 1))
        return NULL;
    int64_t fraction_len = 0;
    if (*at == '.') {
        const char *fraction = ++at;
        at = take_digits(at, &digits);
        fraction_len = at - fraction;
        if (fraction_len == 0)
            return NULL;
    }
    return scan_rest(start, at, digits, -fraction_len, out);
}

#if defined(__SSE2__)

/* The digits that precede the last 16 before `end`, at most 3; as in number_last_around. Reads 21 bytes. */
static uint64_t leading_before(const char *end, unsigned count, unsigned fraction)
{
    unsigned in_fraction = fraction > 16 ? fraction - 16 : 0;
    uint32_t behind = ~(UINT32_MAX >> (8 * in_fraction)), all = ~(UINT32_MAX >> (8 * count)), ahead, word;
    memcpy(&word, end - 20, sizeof(word));
    memcpy(&ahead, end - 21, sizeof(ahead));
    word = ((word & behind) | (ahead & all & ~behind)) & UINT32_C(0x0f0f0f0f);
    word = (word * 10 + (word >> 8)) & UINT32_C(0x00ff00ff);
    return (word & 0xff) * 100 + (word >> 16);
}

/* What usually is written: the shortest decimal of a double, 16 or 17 digits. */
const char *number_scan_long(const char *room, const char *start, double *out)
{
    /* Short ones come here when they stand too near to the beginning. From here on sixteen bytes are of the
     * number, so sixteen behind them may be read. */
    unsigned low = number_digit_bits(start) | 1;
    unsigned others16 = ~low & 0xffff;
    if ((others16 & (others16 - 1)) != 0 || (others16 && start[__builtin_ctz(others16)] != '.'))
        return number_scan_any(start, out);
    uint64_t others = ~((uint64_t)number_digit_bits(start + 16) << 16 | low);
    unsigned negative = *start == '-', integer_end = (unsigned)__builtin_ctzll(others), end = integer_end;
    unsigned fraction = 0;
    bool point = start[integer_end] == '.';
    if (point) {
        end = (unsigned)__builtin_ctzll(others & (others - 1));
        fraction = end - integer_end - 1;
    }
    unsigned count = end - negative - point, last = count < 16 ? count : 16;
    unsigned first = (unsigned char)start[negative] - (unsigned)'0';
    if (count > DIGITS_EXACT_MAX || (point && fraction == 0) ||
        !number_may_begin(first, integer_end - negative) || (start[end] | 0x20) == 'e' || start + end < room)
        return number_scan_any(start, out);
    const char *behind = start + end;
    uint64_t digits;
    if (point)
        digits = number_last_around(behind, last, fraction < 16 ? fraction : 16);
    else
        digits = number_last(behind, last);
    if (count > 16)
        digits += leading_before(behind, count - 16, point ? fraction : count) * UINT64_C(10000000000000000);
    double value = 0;
    if (digits != 0 && !multiply_by_power(digits, -(int64_t)fraction, &value))
        return number_scan_any(start, out);
    *out = negative ? -value : value;
    return behind;
}

#endif

/* ---- text of known length ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

static enum number_result parse_bounded(struct text text, bool strict, double *out)
{
    const char *at = text.ptr, *end = at + text.len;
    if (text.len == 0)
        return NUMBER_SYNTAX;
    if (*at == '-' || (!strict && *at == '+'))
        at++;
    const char *integer = at;
    at = skip_digits(at, end);
    int64_t integer_len = at - integer, fraction_len = 0;
    if (strict && (integer_len == 0 || (*integer == '0' && integer_len > 1)))
        return NUMBER_SYNTAX;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = skip_digits(at, end);
        fraction_len = at - fraction;
        if (strict && fraction_len == 0)
            return NUMBER_SYNTAX;
    }
    if (integer_len + fraction_len == 0)
        return NUMBER_SYNTAX;
    const char *digits_end = at;
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        const char *first = at;
        at = skip_digits(at, end);
        if (at == first)
            return NUMBER_SYNTAX;
    }
    if (at != end)
        return NUMBER_SYNTAX;
    int64_t exponent10;
    bool truncated;
    uint64_t digits = leading_digits(integer, digits_end, &exponent10, &truncated);
    exponent10 += read_exponent(digits_end, end);
    bool finite = compose(digits, exponent10, *text.ptr == '-', truncated, text.ptr, end, out);
    return finite ? NUMBER_OK : NUMBER_RANGE;
}

enum number_result number_parse_json(struct text text, double *out)
{
    return parse_bounded(text, true, out);
}

enum number_result number_parse_plain(struct text text, double *out)
{
    return parse_bounded(text, false, out);
}
