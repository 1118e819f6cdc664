/*
 * The fast path: one walk over a JSON object, without a tree. It validates all it passes (grammar, UTF-8,
 * duplicate keys, depth, number range) and captures what the mapping asks for. It explains nothing: whatever
 * it does not like ends the walk, and the slow path says what was wrong or does the work.
 *
 * Bounds. The payload's last byte is known to be '}', which ends every run of digits and spaces and matches
 * no literal; strings check the end themselves; after every value the position is checked. So at most
 * RECORD_PADDING bytes behind the end are read (never interpreted as part of an accepted event).
 */
#include "agent/base/number.h"
#include "collectors/decode_shape.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The walk of one member is one function for the compiler; calls would cost a tenth of it. */
#define HOT_INLINE static inline __attribute__((always_inline))

struct scan {
    struct decoder *decoder;
    struct scanner *scanner;
    const char *end;
    uint32_t depth_max, members_max;
};

static const char *scan_compound(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                                 uint32_t depth);

static inline const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

static inline const char *skip_space_rarely(const char *at)
{
    return UNLIKELY((unsigned char)*at <= ' ') ? skip_space(at) : at;
}

/* ---- strings and words ---- */

/* Field by field: built elsewhere and copied whole, a value waits for its own stores. */
static inline void set_value(struct value *out, enum value_type type, double number, const char *from,
                             const char *end)
{
    out->type = type;
    out->number = number;
    out->text.ptr = from;
    out->text.len = (uint32_t)(end - from);
    out->vector = NULL;
    out->count = 0;
}

static bool is_hex(char c)
{
    return (unsigned char)(c - '0') <= 9 || (unsigned char)((c | 0x20) - 'a') <= 5;
}

/* Behind a backslash: the end of the escape, NULL when it is none. */
static const char *skip_escape(const char *at, const char *end)
{
    if (end - at < 2)
        return NULL;
    if (*at != 'u')
        return memchr("\"\\/bfnrt", *at, 8) ? at + 1 : NULL;
    if (end - at < 5 || !is_hex(at[1]) || !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4]))
        return NULL;
    return at + 5;
}

/* A string with something other than plain ASCII at `at`; it began at `from`. */
static const char *scan_string_rest(struct scan *scan, const char *from, const char *at, struct value *out)
{
    bool escaped = false;
    for (;;) {
        if (at >= scan->end)
            return NULL;
        unsigned char c = (unsigned char)*at;
        if (c == '"')
            break;
        if (c == '\\') {
            escaped = true;
            at = skip_escape(at + 1, scan->end);
            if (!at)
                return NULL;
        } else if (c >= 0x80) {
            unsigned len = utf8_sequence_len((const unsigned char *)at, (const unsigned char *)scan->end);
            if (len == 0)
                return NULL;
            at += len;
        } else if (c < 0x20) {
            return NULL;
        } else {
            at++;
        }
    }
    set_value(out, VALUE_STRING, 0, from, at);
    if (escaped) {
        struct decoder *decoder = scan->decoder;
        char *to = decoder->scratch + decoder->scratch_used;
        int64_t len = json_unescape(from, at, to);
        if (len < 0)
            return NULL;
        decoder->scratch_used += (size_t)len;
        set_value(out, VALUE_STRING, 0, to, to + len);
    }
    return at + 1;
}

/* `at` is behind the opening quote. Returns the byte behind the closing one, NULL when in doubt. */
HOT_INLINE const char *scan_string(struct scan *scan, const char *at, struct value *out)
{
    const char *from = at;
#if defined(__SSE2__)
    for (; at < scan->end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        unsigned quotes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        /* As signed bytes, those from 0x80 on are below the space too. */
        unsigned others = (unsigned)_mm_movemask_epi8(_mm_or_si128(
            _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20))));
        unsigned stops = quotes | others;
        if (stops == 0)
            continue;
        unsigned first = stops & (0U - stops);
        at += __builtin_ctz(stops);
        if (UNLIKELY(!(first & quotes)))
            return scan_string_rest(scan, from, at, out);
        if (UNLIKELY(at >= scan->end))
            return NULL;
        set_value(out, VALUE_STRING, 0, from, at);
        return at + 1;
    }
    return NULL;
#else
    return scan_string_rest(scan, from, at, out);
#endif
}

static const char *scan_word(const char *at, struct value *out)
{
    static const char true_text[] = "true", false_text[] = "false";
    if (memcmp(at, "true", 4) == 0) {
        set_value(out, VALUE_BOOL, 1, true_text, true_text + 4);
        return at + 4;
    }
    if (memcmp(at, "false", 5) == 0) {
        set_value(out, VALUE_BOOL, 0, false_text, false_text + 5);
        return at + 5;
    }
    set_value(out, VALUE_NULL, 0, NULL, NULL);
    return memcmp(at, "null", 4) == 0 ? at + 4 : NULL;
}

/* ---- keys ---- */

#if defined(__SSE2__)
static const unsigned char key_mask[2 * KEY_RAW_BYTES] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};
#endif

HOT_INLINE bool key_is_at(const struct scan *scan, const struct shape_key *key, const char *at)
{
    uint32_t len = key->raw_len;
    uint32_t head = len < KEY_RAW_BYTES ? len : KEY_RAW_BYTES;
#if defined(__SSE2__)
    const unsigned char *mask = key_mask + KEY_RAW_BYTES - head;
    __m128i low = _mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)at),
                                _mm_loadu_si128((const __m128i *)(const void *)mask));
    __m128i high = _mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)(at + 16)),
                                 _mm_loadu_si128((const __m128i *)(const void *)(mask + 16)));
    __m128i same =
        _mm_and_si128(_mm_cmpeq_epi8(low, _mm_loadu_si128((const __m128i *)(const void *)key->raw)),
                      _mm_cmpeq_epi8(high, _mm_loadu_si128((const __m128i *)(const void *)(key->raw + 16))));
    if (_mm_movemask_epi8(same) != 0xffff || len == 0)
        return false;
#else
    if (len == 0 || memcmp(at, key->raw, head) != 0)
        return false;
#endif
    if (LIKELY(len <= KEY_RAW_BYTES))
        return true;
    return scan->end - at >= (int64_t)len &&
           memcmp(at + KEY_RAW_BYTES, key->raw_rest, len - KEY_RAW_BYTES) == 0;
}

/* Reads the key at `at` (at its quote) the long way. Returns the byte behind the colon. */
static const char *scan_key(struct scan *scan, struct shape *shape, const char *at, uint32_t *out_key)
{
    const char *raw = at;
    struct value name;
    if (*at != '"')
        return NULL;
    at = scan_string(scan, at + 1, &name);
    if (!at || at >= scan->end)
        return NULL;
    bool tight = *at == ':';
    at = skip_space(at);
    if (*at != ':')
        return NULL;
    at++;
    *out_key = shape_key_find(scan->decoder, shape, name.text);
    if (*out_key == MAP_NONE)
        return NULL;
    if (tight)
        shape_key_spell(scan->scanner, &shape->keys[*out_key], raw, (size_t)(at - raw));
    return at;
}

/* ---- values ---- */

static bool starts_number(char c)
{
    return c == '-' || (unsigned char)(c - '0') <= 9;
}

HOT_INLINE const char *scan_value(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                                  uint32_t depth)
{
    if (starts_number(*at)) {
        double number;
        const char *end = number_scan(at, &number);
        if (UNLIKELY(!end))
            return NULL;
        set_value(out, VALUE_NUMBER, number, at, end);
        return end;
    }
    if (LIKELY(*at == '"'))
        return scan_string(scan, at + 1, out);
    if (*at == '{' || *at == '[')
        return scan_compound(scan, at, key, out, depth);
    return scan_word(at, out);
}

/* ---- objects ---- */

/* Where the value of the key goes. NULL when a limit is met. */
HOT_INLINE struct value *value_place(struct decoder *decoder, const struct shape_key *key,
                                     struct value *nowhere)
{
    if (key->group != GROUP_NO) {
        struct captured_group *group = &decoder->groups[key->group];
        if (UNLIKELY(group->count >= decoder->limits.features))
            return NULL;
        struct field *field = &group->items[group->count++];
        field->name = key->name;
        field->name_id = key->name_id;
        return &field->value;
    }
    return key->slot != MAP_NONE ? &decoder->slots[key->slot] : nowhere;
}

/* A value that more than one place wants. */
static bool value_share(struct decoder *decoder, const struct shape_key *key, const struct value *value)
{
    if (key->slot != MAP_NONE)
        decoder->slots[key->slot] = *value;
    for (unsigned more = key->more_groups; more; more &= more - 1) {
        struct captured_group *group = &decoder->groups[__builtin_ctz(more)];
        if (group->count >= decoder->limits.features)
            return false;
        group->items[group->count] = (struct field){key->name, key->name_id, *value};
        value_bound(decoder, &group->items[group->count++].value);
    }
    return true;
}

/* The value begins with `c` and stands where groups expect their object. */
static void note_groups(struct decoder *decoder, unsigned groups, char c)
{
    enum group_state state = c == '{' ? GROUP_PRESENT : c == 'n' ? GROUP_NULL : GROUP_WRONG;
    for (; groups; groups &= groups - 1)
        decoder->groups[__builtin_ctz(groups)].state = state;
}

HOT_INLINE const char *scan_member(struct scan *scan, const char *at, struct shape_key *key, uint32_t depth)
{
    struct decoder *decoder = scan->decoder;
    struct value nowhere, *value = value_place(decoder, key, &nowhere);
    if (UNLIKELY(!value))
        return NULL;
    if (UNLIKELY(key->place_groups))
        note_groups(decoder, key->place_groups, *at);
    at = scan_value(scan, at, key, value, depth);
    if (key->group != GROUP_NO && at) {
        if (UNLIKELY(key->more_groups || key->slot != MAP_NONE) && !value_share(decoder, key, value))
            return NULL;
        value_bound(decoder, value);
    }
    return at;
}

/* `at` is behind the opening brace. */
static const char *scan_object(struct scan *scan, const char *at, struct shape *shape, uint32_t depth)
{
    if (UNLIKELY(depth > scan->depth_max))
        return NULL;
    uint64_t serial = ++scan->scanner->serial;
    uint32_t guess = shape->first, before = MAP_NONE, members = 0;
    at = skip_space_rarely(at);
    if (*at == '}')
        return at + 1;
    for (;;) {
        uint32_t index = guess;
        if (LIKELY(index != MAP_NONE && key_is_at(scan, &shape->keys[index], at))) {
            at += shape->keys[index].raw_len;
        } else {
            at = scan_key(scan, shape, at, &index);
            if (!at)
                return NULL;
            *(before == MAP_NONE ? &shape->first : &shape->keys[before].next) = index;
        }
        struct shape_key *key = &shape->keys[index];
        if (UNLIKELY(key->stamp == serial || ++members > scan->members_max || at >= scan->end))
            return NULL;
        key->stamp = serial;
        at = scan_member(scan, skip_space_rarely(at), key, depth);
        if (UNLIKELY(!at || at >= scan->end))
            return NULL;
        guess = key->next;
        before = index;
        at = skip_space_rarely(at);
        if (*at != ',')
            return *at == '}' ? at + 1 : NULL;
        at = skip_space_rarely(at + 1);
    }
}

/* ---- arrays and scalars ---- */

/* The mapping asks for items of arrays at the key. */
static bool has_item_places(const struct scan *scan, const struct shape_key *key)
{
    return key->node != MAP_NONE && scan->decoder->mapping->nodes[key->node].children != MAP_NONE;
}

/* The place of item `index` of an array at `key`; NULL when it cannot be made. */
static struct shape_key *item_place(struct scan *scan, struct shape_key *key, uint32_t index)
{
    if (!has_item_places(scan, key))
        return shape_items(scan->scanner, key);
    char digits[16];
    uint32_t at = sizeof(digits), rest = index;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    struct text name = {digits + at, (uint32_t)sizeof(digits) - at};
    if (mapping_child(scan->decoder->mapping, key->node, name) == MAP_NONE)
        return shape_items(scan->scanner, key);
    struct shape *shape = shape_child(scan->scanner, key);
    uint32_t found = shape ? shape_key_find(scan->decoder, shape, name) : MAP_NONE;
    return found == MAP_NONE ? NULL : &shape->keys[found];
}

/* An item that is not simply a number. *numbers becomes false when it is none at all. */
static const char *scan_item(struct scan *scan, const char *at, struct shape_key *place, uint32_t depth,
                             bool *numbers)
{
    struct decoder *decoder = scan->decoder;
    struct value value;
    if (!place)
        return NULL;
    if (place->place_groups)
        note_groups(decoder, place->place_groups, *at);
    at = scan_value(scan, at, place, &value, depth);
    if (!at)
        return NULL;
    if (place->slot != MAP_NONE)
        decoder->slots[place->slot] = value;
    if (value.type == VALUE_NUMBER)
        decoder->vectors[decoder->vector_count++] = value.number;
    else
        *numbers = false;
    return at;
}

/* `at` is behind the opening bracket. Numbers only: a vector. Anything else: VALUE_OTHER. */
static const char *scan_array(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                              uint32_t depth)
{
    struct decoder *decoder = scan->decoder;
    uint32_t first = decoder->vector_count, items = 0;
    bool numbers = true, places = has_item_places(scan, key);
    if (UNLIKELY(depth > scan->depth_max))
        return NULL;
    at = skip_space_rarely(at);
    while (*at != ']' || items > 0) {
        if (UNLIKELY(items >= scan->members_max))
            return NULL;
        if (starts_number(*at) && !places)
            at = number_scan(at, &decoder->vectors[decoder->vector_count++]);
        else
            at = scan_item(scan, at, item_place(scan, key, items), depth, &numbers);
        items++;
        if (UNLIKELY(!at || at >= scan->end))
            return NULL;
        at = skip_space_rarely(at);
        if (*at == ']')
            break;
        if (*at != ',')
            return NULL;
        at = skip_space_rarely(at + 1);
    }
    set_value(out, numbers ? VALUE_VECTOR : VALUE_OTHER, 0, NULL, NULL);
    if (numbers) {
        out->vector = decoder->vectors + first;
        out->count = items;
    }
    return at + 1;
}

static const char *scan_compound(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                                 uint32_t depth)
{
    if (*at == '[')
        return scan_array(scan, at + 1, key, out, depth + 1);
    struct shape *shape = shape_child(scan->scanner, key);
    set_value(out, VALUE_OTHER, 0, NULL, NULL);
    return shape ? scan_object(scan, at + 1, shape, depth + 1) : NULL;
}

bool scanner_run(struct decoder *decoder, const char *at, uint32_t len)
{
    const char *end = at + len;
    while (end > at && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t'))
        end--;
    if (end - at < 2 || end[-1] != '}')
        return false;
    struct scan scan = {decoder, decoder->scanner, end, decoder->limits.depth, decoder->limits.members};
    at = skip_space(at);
    if (*at != '{')
        return false;
    if (decoder->mapping->nodes[0].groups)
        note_groups(decoder, decoder->mapping->nodes[0].groups, '{');
    return scan_object(&scan, at + 1, decoder->scanner->root, 1) == end;
}
