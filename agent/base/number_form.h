#ifndef DRIFTD_BASE_NUMBER_FORM_H
#define DRIFTD_BASE_NUMBER_FORM_H
/*
 * The form of a number's text: its sign, how many digits stand before and behind its point, and the byte that
 * follows. What is written to one place mostly has the form of what was written there before. Whether it has
 * is one comparison of sixteen bytes, which also says where the number ends, where each digit stands and what
 * to divide by; nothing of that is looked for.
 *
 * Numbers of up to NUMBER_FORM_BYTES_MAX bytes without an exponent have a form if ',' or '}' follows. For
 * processors with AVX2; number_scan reads everything else.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

enum {
    NUMBER_FORM_BYTES_MAX = 15, /* the byte that follows is looked at too */
    NUMBER_FORM_KEYS = 1024,    /* are below this */
    NUMBER_FORM_NONE = NUMBER_FORM_KEYS
};

struct number_form {
    _Alignas(16) unsigned char base[16]; /* what a byte is at least: '0', the sign, the point, what follows */
    unsigned char above[16];             /* and by how much it may be above: 9, 0, or all of 255 */
    unsigned char never[16];             /* what it must not be: '0' where another digit follows */
    unsigned char order[16];             /* the places of the digits, the last at last */
    double divisor;                      /* ±10^(digits behind the point) */
    uint32_t len;                        /* of the number */
};

/* The key of the form of the number in [from, end), which number_scan has accepted; *end is readable. */
unsigned number_form_key(const char *from, const char *end);
/* The form with that key, which is not NUMBER_FORM_NONE. */
void number_form_make(struct number_form *out, unsigned key);

#if defined(__x86_64__)
#include <immintrin.h>

/* As number_scan, if the number at `at` has the form; else NULL, also when one of the 16 bytes that are read
 * is in no JSON text. */
__attribute__((target("avx2"))) static inline const char *number_form_read(const struct number_form *form,
                                                                           const char *at, double *out)
{
    const __m128i *vectors = (const __m128i *)(const void *)form->base;
    __m128i text = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i values = _mm_sub_epi8(text, vectors[0]);
    __m128i wrong = _mm_or_si128(_mm_subs_epu8(values, vectors[1]), _mm_cmpeq_epi8(text, vectors[2]));
    if (UNLIKELY(!_mm_testz_si128(wrong, wrong)))
        return NULL;
    /* Pairs, fours, eights: the first digit of each has the higher order. */
    __m128i pairs = _mm_maddubs_epi16(_mm_shuffle_epi8(values, vectors[3]), _mm_set1_epi16(1 << 8 | 10));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 100));
    __m128i eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
    uint64_t digits = (both & UINT32_MAX) * 100000000 + (both >> 32);
    *out = (double)(int64_t)digits / form->divisor;
    return at + form->len;
}
#endif

#endif
