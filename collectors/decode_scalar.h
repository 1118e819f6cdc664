#ifndef DRIFTD_COLLECTORS_DECODE_SCALAR_H
#define DRIFTD_COLLECTORS_DECODE_SCALAR_H
/*
 * Blanks, strings, words and numbers, for those who walk a payload (decode_track.c, decode_scan.c).
 *
 * Bounds. The payload's last byte is known to be '}', which ends every run of digits and is part of no word;
 * strings and spaces check the end themselves; so do keys and the ends of objects and arrays, the only things
 * that a '}' can be in or be. A value therefore begins and ends inside the payload, and what is looked at
 * behind it (a guessed key, sixteen bytes of a number) stays within RECORD_PADDING and is never part of an
 * accepted event.
 */
#include "agent/base/number.h"
#include "collectors/decode_shape.h"

/* The walk of one member is one function for the compiler; calls would cost a tenth of it. */
#define HOT_INLINE static inline __attribute__((always_inline))
#define NO_INLINE  __attribute__((noinline))

struct scan {
    struct decoder *decoder;
    struct scanner *scanner;
    const char *room, *end; /* room: for number_scan */
    uint32_t depth_max, members_max;
};

/* Behind the blanks at `at`, at most the end. */
const char *scan_space(const struct scan *scan, const char *at);
/* A string with something other than plain ASCII at `at`; it began at `from`. */
const char *scan_string_rest(struct scan *scan, const char *from, const char *at, struct value *out);
/* true, false or null. */
const char *scan_word(const char *at, struct value *out);
/* `at` is behind the opening bracket. Numbers only: a vector. Anything else: VALUE_OTHER. */
const char *scan_array(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                       uint32_t depth);
/* The mapping asks for items of arrays at the key. */
bool scan_has_item_places(const struct scan *scan, const struct shape_key *key);

HOT_INLINE const char *skip_space_rarely(const struct scan *scan, const char *at)
{
    return UNLIKELY((unsigned char)*at <= ' ') ? scan_space(scan, at) : at;
}

/* Field by field: built elsewhere and copied whole, a value waits for its own stores. What only vectors have
 * is left as it was. */
HOT_INLINE void set_value(struct value *out, enum value_type type, double number, const char *from,
                          const char *end)
{
    out->type = type;
    out->number = number;
    out->text.ptr = from;
    out->text.len = (uint32_t)(end - from);
}

#if defined(__SSE2__)
/* A bit for each of the 16 bytes that is no plain character inside a string. */
HOT_INLINE unsigned string_stops(__m128i bytes)
{
    /* The quote moved next to the control characters; as signed bytes, those from 0x80 on are below too. */
    __m128i moved = _mm_xor_si128(bytes, _mm_set1_epi8('"' ^ ' '));
    __m128i below = _mm_cmpgt_epi8(_mm_set1_epi8(' ' + 1), moved);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), below));
}
#endif

/* `at` is behind the opening quote and not behind the end. Returns the byte behind the closing quote, NULL
 * when in doubt; a closing quote behind the end is for the caller to notice. */
HOT_INLINE const char *scan_string(struct scan *scan, const char *at, struct value *out)
{
    const char *from = at;
#if defined(__SSE2__)
    do {
        unsigned stops = string_stops(number_load16(at));
        if (stops != 0) {
            at += __builtin_ctz(stops);
            if (UNLIKELY(*at != '"'))
                return scan_string_rest(scan, from, at, out);
            set_value(out, VALUE_STRING, 0, from, at);
            return at + 1;
        }
        at += 16;
    } while (at < scan->end);
    return NULL;
#else
    return scan_string_rest(scan, from, at, out);
#endif
}

static inline bool starts_number(char c)
{
    return c == '-' || (unsigned char)(c - '0') <= 9;
}

#endif
