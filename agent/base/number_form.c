#include "agent/base/number_form.h"

#include <string.h>

/* A key: what follows (1 bit), the sign (1), digits before the point (4), behind it (4). */
enum {
    DIGITS_BITS = 4,
    DIGITS_MASK = (1 << DIGITS_BITS) - 1,
    SIGN_SHIFT = 2 * DIGITS_BITS,
    BRACE_SHIFT,
    NO_TEXT = 0xff,  /* a byte that no JSON text has */
    NO_PLACE = 0x80, /* in an order: no digit is there */
    ANYTHING = 255
};

static unsigned digits_at(const char *at, const char *end)
{
    const char *from = at;
    while (at < end && (unsigned char)(*at - '0') <= 9)
        at++;
    return (unsigned)(at - from);
}

unsigned number_form_key(const char *from, const char *end)
{
    if (end - from > NUMBER_FORM_BYTES_MAX || (*end != ',' && *end != '}'))
        return NUMBER_FORM_NONE;
    unsigned brace = *end == '}', negative = *from == '-', fraction = 0;
    const char *at = from + negative;
    unsigned integer = digits_at(at, end);
    at += integer;
    if (at < end && *at == '.') {
        fraction = digits_at(at + 1, end);
        at += 1 + fraction;
    }
    if (at != end) /* an exponent */
        return NUMBER_FORM_NONE;
    return brace << BRACE_SHIFT | negative << SIGN_SHIFT | integer << DIGITS_BITS | fraction;
}

static void expect(struct number_form *form, unsigned at, char base, unsigned char above)
{
    form->base[at] = (unsigned char)base;
    form->above[at] = above;
}

void number_form_make(struct number_form *out, unsigned key)
{
    unsigned fraction = key & DIGITS_MASK, integer = key >> DIGITS_BITS & DIGITS_MASK;
    unsigned negative = key >> SIGN_SHIFT & 1, place = 16 - integer - fraction; /* of the first digit */
    unsigned len = negative + integer + (fraction > 0) + fraction;
    *out = (struct number_form){.divisor = negative ? -1 : 1, .len = len};
    memset(out->above, ANYTHING, sizeof(out->above));
    memset(out->never, NO_TEXT, sizeof(out->never));
    memset(out->order, NO_PLACE, sizeof(out->order));
    if (negative)
        expect(out, 0, '-', 0);
    if (integer > 1)
        out->never[negative] = '0';
    for (unsigned at = negative; at < len; at++) {
        bool is_point = fraction > 0 && at == negative + integer;
        expect(out, at, is_point ? '.' : '0', is_point ? 0 : 9);
        if (!is_point)
            out->order[place++] = (unsigned char)at;
    }
    for (unsigned i = 0; i < fraction; i++)
        out->divisor *= 10; /* exact */
    expect(out, len, key >> BRACE_SHIFT ? '}' : ',', 0);
}
