/*
 * The fast path: one walk over a JSON object, without a tree. It validates all it passes (grammar, UTF-8,
 * duplicate keys, depth, number range) and captures what the mapping asks for. It explains nothing: whatever
 * it does not like ends the walk, and the slow path says what was wrong or does the work.
 */
#include "collectors/decode_scalar.h"
#include "collectors/decode_track.h"

static const char *scan_compound(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                                 uint32_t depth);

/* ---- keys ---- */

/* The spelling of a key goes on behind KEY_RAW_BYTES. */
static NO_INLINE bool key_rest_is_at(const struct scan *scan, const struct shape_key *key, const char *at)
{
    return scan->end - at >= (int64_t)key->raw_len &&
           memcmp(at + KEY_RAW_BYTES, key->raw_rest, key->raw_len - KEY_RAW_BYTES) == 0;
}

/* Whether the bytes at `at` spell the key. Reads KEY_RAW_BYTES. */
HOT_INLINE bool key_is_at(const struct scan *scan, const struct shape_key *key, const char *at)
{
#if defined(__SSE2__)
    const __m128i *raw = (const __m128i *)(const void *)key->raw;
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(number_load16(at), _mm_load_si128(raw)));
    if (UNLIKELY((uint16_t)(same | key->raw_free) != 0xffff))
        return false;
    if (key->raw_len <= 16)
        return true;
    same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(number_load16(at + 16), _mm_load_si128(raw + 1)));
    if (UNLIKELY((same | key->raw_free >> 16) != 0xffff))
        return false;
#else
    size_t head = key->raw_len < KEY_RAW_BYTES ? key->raw_len : KEY_RAW_BYTES;
    if (memcmp(at, key->raw, head) != 0)
        return false;
#endif
    return LIKELY(key->raw_len <= KEY_RAW_BYTES) || key_rest_is_at(scan, key, at);
}

#if defined(__SSE2__)
/* The learned key that begins at `at` (its quote), if it is a short one without escapes; `*out_len` is the
 * length of its name. Its closing quote may be behind the end. */
HOT_INLINE struct shape_key *find_short_key(const struct scan *scan, const struct shape *shape,
                                            const char *at, unsigned *out_len)
{
    static const unsigned char keep[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    __m128i bytes = number_load16(at + 1);
    unsigned len = (unsigned)__builtin_ctz(string_stops(bytes) | 0x10000);
    if (UNLIKELY(at[0] != '"' || at[len + 1] != '"'))
        return NULL;
    *out_len = len;
    __m128i name = _mm_and_si128(bytes, number_load16((const char *)keep + 16 - len));
    return shape_key_find_short(scan->scanner, shape, name);
}
#endif

/* A short learned key without a blank around it or its colon: the usual one where the guess was wrong. NULL:
 * read it the long way. Its value may begin at the end. */
HOT_INLINE const char *scan_short_key(const struct scan *scan, const struct shape *shape, const char *at,
                                      struct shape_key **out_key)
{
#if defined(__SSE2__)
    enum { AROUND = 3 }; /* quotes and colon */
    unsigned len;
    struct shape_key *key = find_short_key(scan, shape, at, &len);
    if (UNLIKELY(!key || at[len + 2] != ':' || (unsigned char)at[len + AROUND] <= ' '))
        return NULL;
    /* No other spelling of the name has this length. */
    if (UNLIKELY(key->raw_len != len + AROUND))
        shape_key_spell(scan->scanner, key, at, len + AROUND);
    *out_key = key;
    return at + len + AROUND;
#else
    (void)scan, (void)shape, (void)at, (void)out_key;
    return NULL;
#endif
}

/* Reads the key at `at`, behind a brace or comma, the long way. Returns where its value begins. */
static NO_INLINE const char *scan_key(struct scan *scan, struct shape *shape, const char *at,
                                      struct shape_key **out_key)
{
    const char *raw = at;
    at = skip_space_rarely(scan, at);
    if (*at != '"' || at >= scan->end)
        return NULL;
    struct value name;
    const char *end = scan_string(scan, at + 1, &name);
    if (!end || end >= scan->end)
        return NULL;
    struct shape_key *key = shape_key_find(scan->decoder, shape, name.text);
    if (!key)
        return NULL;
    at = skip_space_rarely(scan, end);
    if (*at != ':')
        return NULL;
    at = skip_space_rarely(scan, at + 1);
    if (at >= scan->end)
        return NULL;
    if (!key_is_at(scan, key, raw))
        shape_key_spell(scan->scanner, key, raw, (size_t)(at - raw));
    *out_key = key;
    return at;
}

/* ---- values ---- */

/* A value that is neither number nor string, or has blanks before it. */
static NO_INLINE const char *scan_other(struct scan *scan, const char *at, struct shape_key *key,
                                        struct value *out, uint32_t depth)
{
    at = skip_space_rarely(scan, at);
    if (at >= scan->end)
        return NULL;
    if (*at == '{' || *at == '[')
        return scan_compound(scan, at, key, out, depth);
    if (*at == '"')
        return scan_string(scan, at + 1, out);
    if (!starts_number(*at))
        return scan_word(at, out);
    double number;
    const char *end = number_scan(scan->room, at, &number);
    if (end)
        set_value(out, VALUE_NUMBER, number, at, end);
    return end;
}

/* `at` is before the end. */
HOT_INLINE const char *scan_value(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                                  uint32_t depth)
{
    if (starts_number(*at)) {
        double number;
        const char *end = number_scan(scan->room, at, &number);
        if (UNLIKELY(!end))
            return NULL;
        set_value(out, VALUE_NUMBER, number, at, end);
        return end;
    }
    if (LIKELY(*at == '"'))
        return scan_string(scan, at + 1, out);
    return scan_other(scan, at, key, out, depth);
}

/* ---- objects ---- */

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

/* The place of a further member of the group, NULL when it is full. */
HOT_INLINE struct value *group_take(const struct decoder *decoder, const struct shape_key *key)
{
    struct captured_group *group = key->group;
    if (UNLIKELY(group->count >= decoder->limits.features))
        return NULL;
    struct field *field = &group->items[group->count++];
    field->name = key->name;
    field->name_id = key->name_id;
    return &field->value;
}

/* The value of a key that has more to it than one target. */
static NO_INLINE const char *scan_member_rest(struct scan *scan, const char *at, struct shape_key *key,
                                              uint32_t depth)
{
    struct decoder *decoder = scan->decoder;
    struct value *value = key->flags & KEY_GROUPED ? group_take(decoder, key) : key->target;
    at = skip_space_rarely(scan, at);
    if (!value || at >= scan->end)
        return NULL;
    if (key->flags & KEY_PLACE)
        note_groups(decoder, key->place_groups, *at);
    at = scan_other(scan, at, key, value, depth);
    if ((key->flags & KEY_SHARED) && at && !value_share(decoder, key, value))
        return NULL;
    if (key->flags & KEY_GROUPED)
        value_bound(decoder, value);
    return at;
}

HOT_INLINE const char *scan_member(struct scan *scan, const char *at, struct shape_key *key, uint32_t depth)
{
    struct value *value = key->target;
    if (key->flags) {
        if (UNLIKELY(key->flags != KEY_GROUPED))
            return scan_member_rest(scan, at, key, depth);
        value = group_take(scan->decoder, key);
        if (UNLIKELY(!value))
            return NULL;
    }
    at = scan_value(scan, at, key, value, depth);
    if (key->flags)
        value_bound(scan->decoder, value);
    return at;
}

/* Keys in ever new orders: guessing costs more than it saves, and is tried again now and then. Two tries: the
 * first one learns the order anew. */
static void note_disorder(struct shape *shape, uint32_t misses, uint32_t members)
{
    enum { DISORDERS_MAX = 4, TRIES = 2, UNGUESSED_OBJECTS = 126 };
    if (LIKELY(misses * 2 <= members)) {
        shape->disorders = 0;
    } else if (++shape->disorders >= DISORDERS_MAX) {
        shape->disorders = DISORDERS_MAX - TRIES;
        shape->unguessed = UNGUESSED_OBJECTS;
    }
}

/* The key at `at` when it was not guessed. Returns where its value begins. */
HOT_INLINE const char *scan_unguessed_key(struct scan *scan, struct shape *shape, const char *at,
                                          struct shape_key **out_key)
{
    const char *value = scan_short_key(scan, shape, at, out_key);
    return LIKELY(value != NULL) ? value : scan_key(scan, shape, at, out_key);
}

/* `at` is behind the opening brace. */
static const char *scan_object(struct scan *scan, const char *at, struct shape *shape, uint32_t depth)
{
    if (UNLIKELY(depth > scan->depth_max))
        return NULL;
    uint64_t serial = ++scan->scanner->serial;
    struct shape_key **guess = &shape->first, *key;
    uint32_t members = 0, misses = 0;
    const char *inside = skip_space_rarely(scan, at);
    if (UNLIKELY(*inside == '}'))
        return inside + 1;
    bool guessing = shape->unguessed == 0;
    shape->unguessed -= !guessing;
    for (;; at++) {
        key = *guess;
        if (LIKELY(guessing && key_is_at(scan, key, at))) {
            at += key->raw_len;
        } else {
            at = scan_unguessed_key(scan, shape, at, &key);
            if (!at)
                return NULL;
            *guess = key;
            misses++;
        }
        if (UNLIKELY(key->stamp == serial || at >= scan->end))
            return NULL;
        key->stamp = serial;
        members++;
        at = scan_member(scan, at, key, depth);
        if (UNLIKELY(!at))
            return NULL;
        guess = &key->next;
        if (UNLIKELY(*at != ',')) {
            at = skip_space_rarely(scan, at);
            if (*at != ',')
                break;
        }
    }
    if (guessing)
        note_disorder(shape, misses, members);
    return *at == '}' && members <= scan->members_max ? at + 1 : NULL;
}

/* ---- arrays and scalars ---- */

bool scan_has_item_places(const struct scan *scan, const struct shape_key *key)
{
    return key->node != MAP_NONE && scan->decoder->mapping->nodes[key->node].children != MAP_NONE;
}

/* The place of item `index` of an array at `key`; NULL when it cannot be made. */
static struct shape_key *item_place(struct scan *scan, struct shape_key *key, uint32_t index)
{
    if (!scan_has_item_places(scan, key))
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
    return shape ? shape_key_find(scan->decoder, shape, name) : NULL;
}

/* An item that is not simply a number. *numbers becomes false when it is none at all. */
static const char *scan_item(struct scan *scan, const char *at, struct shape_key *place, uint32_t depth,
                             bool *numbers)
{
    struct decoder *decoder = scan->decoder;
    struct value value = {.type = VALUE_NULL};
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

const char *scan_array(struct scan *scan, const char *at, struct shape_key *key, struct value *out,
                       uint32_t depth)
{
    struct decoder *decoder = scan->decoder;
    uint32_t first = decoder->vector_count, items = 0;
    bool numbers = true, places = scan_has_item_places(scan, key);
    if (UNLIKELY(depth > scan->depth_max))
        return NULL;
    at = skip_space_rarely(scan, at);
    while (*at != ']' || items > 0) {
        if (UNLIKELY(items >= scan->members_max))
            return NULL;
        if (starts_number(*at) && !places)
            at = number_scan(scan->room, at, &decoder->vectors[decoder->vector_count++]);
        else
            at = scan_item(scan, at, item_place(scan, key, items), depth, &numbers);
        items++;
        if (UNLIKELY(!at || at >= scan->end))
            return NULL;
        at = skip_space_rarely(scan, at);
        if (*at == ']')
            break;
        if (*at != ',')
            return NULL;
        at = skip_space_rarely(scan, at + 1);
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
    if (*at == '[') {
        at = scan_array(scan, at + 1, key, out, depth + 1);
    } else {
        struct shape *shape = shape_child(scan->scanner, key);
        set_value(out, VALUE_OTHER, 0, NULL, NULL);
        at = shape ? scan_object(scan, at + 1, shape, depth + 1) : NULL;
    }
    /* Whoever reads on must still be inside the payload. */
    return at && at < scan->end ? at : NULL;
}

bool scanner_run(struct decoder *decoder, const char *at, uint32_t len)
{
    const char *end = at + len;
    while (end > at && (end[-1] == ' ' || end[-1] == '\n' || end[-1] == '\r' || end[-1] == '\t'))
        end--;
    if (end - at < 2 || end[-1] != '}')
        return false;
    struct scan scan = {decoder, decoder->scanner,      at + NUMBER_ROOM,
                        end,     decoder->limits.depth, decoder->limits.members};
    at = scan_space(&scan, at);
    if (*at != '{')
        return false;
    if (tracks_follow(decoder->scanner->tracks, &scan, at))
        return true;
    decoder_reset(decoder);
    if (decoder->mapping->nodes[0].groups)
        note_groups(decoder, decoder->mapping->nodes[0].groups, '{');
    if (scan_object(&scan, at + 1, decoder->scanner->root, 1) != end)
        return false;
    tracks_learn(decoder->scanner->tracks, &scan, at);
    return true;
}
