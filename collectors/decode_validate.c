#include "collectors/decode_validate.h"

#include <stdlib.h>

#include "agent/base/hash.h"
#include "agent/base/number.h"

/* `"":0,` is the shortest member, `0,` the shortest number. */
enum { MEMBER_BYTES_MIN = 5, NUMBER_BYTES_MIN = 2 };

static uint32_t power_of_two_above(uint32_t value)
{
    uint32_t power = 64;
    while (power <= value && power < (UINT32_C(1) << 31))
        power *= 2;
    return power;
}

int validator_init(struct validator *validator, const struct decode_limits *limits, uint64_t seed)
{
    size_t bytes = limits->event_bytes;
    *validator = (struct validator){.depth_max = limits->depth, .members_max = limits->members, .seed = seed};
    validator->numbers = malloc((bytes / NUMBER_BYTES_MIN + 1) * sizeof(*validator->numbers));
    validator->keys = malloc((bytes / MEMBER_BYTES_MIN + 1) * sizeof(*validator->keys));
    validator->table =
        malloc(power_of_two_above((uint32_t)(bytes / MEMBER_BYTES_MIN) * 2 + 2) * sizeof(*validator->table));
    validator->scratch = malloc(bytes + 1);
    if (validator->numbers && validator->keys && validator->table && validator->scratch)
        return 0;
    validator_release(validator);
    return ERR_NOMEM;
}

void validator_release(struct validator *validator)
{
    free(validator->numbers);
    free(validator->keys);
    free(validator->table);
    free(validator->scratch);
    *validator = (struct validator){0};
}

static bool fail(struct validator *validator, enum reject reject, const char *where, const char *what)
{
    validator->reject = reject;
    validator->where = where;
    validator->what = what;
    return false;
}

static void skip_space(struct validator *validator)
{
    while (validator->at < validator->end && (*validator->at == ' ' || *validator->at == '\t' ||
                                              *validator->at == '\n' || *validator->at == '\r'))
        validator->at++;
}

static bool take(struct validator *validator, char c)
{
    if (validator->at >= validator->end || *validator->at != c)
        return false;
    validator->at++;
    return true;
}

/* ---- strings ---- */

static bool take_hex4(struct validator *validator, uint32_t *out)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++, validator->at++) {
        unsigned char c = validator->at < validator->end ? (unsigned char)*validator->at : 0;
        uint32_t digit = c >= '0' && c <= '9'   ? c - (uint32_t)'0'
                         : c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10
                         : c >= 'A' && c <= 'F' ? c - (uint32_t)'A' + 10
                                                : 16;
        if (digit == 16)
            return fail(validator, REJECT_SYNTAX, validator->at,
                        "four hexadecimal digits expected behind \\u");
        code = code * 16 + digit;
    }
    *out = code;
    return true;
}

static bool check_unicode_escape(struct validator *validator)
{
    const char *where = validator->at - 2;
    uint32_t code, low;
    if (!take_hex4(validator, &code))
        return false;
    if (code == 0)
        return fail(validator, REJECT_UTF8, where, "\\u0000 in a string");
    if (code >= 0xdc00 && code <= 0xdfff)
        return fail(validator, REJECT_UTF8, where, "a lone surrogate");
    if (code < 0xd800 || code > 0xdfff)
        return true;
    if (!take(validator, '\\') || !take(validator, 'u'))
        return fail(validator, REJECT_UTF8, where, "a lone surrogate");
    if (!take_hex4(validator, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(validator, REJECT_UTF8, where, "a lone surrogate");
    return true;
}

static bool check_escape(struct validator *validator)
{
    const char *where = validator->at - 1;
    if (validator->at >= validator->end)
        return fail(validator, REJECT_SYNTAX, where, "unterminated string");
    switch (*validator->at++) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return true;
    case 'u':
        return check_unicode_escape(validator);
    default:
        return fail(validator, REJECT_SYNTAX, where, "unknown escape in a string");
    }
}

/* At the opening quote; `inside` gets what stands between the quotes, as spelled. */
static bool check_string(struct validator *validator, struct text *inside, bool *escaped)
{
    const char *open = validator->at++;
    *escaped = false;
    for (;;) {
        if (validator->at >= validator->end)
            return fail(validator, REJECT_SYNTAX, open, "unterminated string");
        unsigned char c = (unsigned char)*validator->at;
        if (c == '"')
            break;
        if (c < 0x20)
            return fail(validator, REJECT_SYNTAX, validator->at, "control character in a string");
        if (c >= 0x80) {
            unsigned len = utf8_sequence_len((const unsigned char *)validator->at,
                                             (const unsigned char *)validator->end);
            if (len == 0)
                return fail(validator, REJECT_UTF8, validator->at, "invalid UTF-8");
            validator->at += len;
        } else {
            validator->at++;
            if (c == '\\') {
                *escaped = true;
                if (!check_escape(validator))
                    return false;
            }
        }
    }
    *inside = (struct text){open + 1, (uint32_t)(validator->at - open - 1)};
    validator->at++;
    return true;
}

/* ---- values ---- */

static bool check_number(struct validator *validator)
{
    const char *first = validator->at;
    while (validator->at < validator->end && *validator->at && strchr("+-.0123456789eE", *validator->at))
        validator->at++;
    struct text literal = {first, (uint32_t)(validator->at - first)};
    double value;
    switch (number_parse_json(literal, &value)) {
    case NUMBER_OK:
        validator->numbers[validator->number_count++] = literal;
        return true;
    case NUMBER_RANGE:
        return fail(validator, REJECT_NUMBER_RANGE, first, "a number beyond the range of a double");
    case NUMBER_SYNTAX:
        break;
    }
    return fail(validator, REJECT_SYNTAX, first, "not a number of JSON");
}

static bool check_word(struct validator *validator)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t left = (size_t)(validator->end - validator->at);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i]);
        if (left >= len && memcmp(validator->at, words[i], len) == 0) {
            validator->at += len;
            return true;
        }
    }
    return fail(validator, REJECT_SYNTAX, validator->at,
                left ? "a value expected" : "the text ends where a value is expected");
}

/* Remembers a key of an object; false when the object has it already. */
static bool key_is_new(struct validator *validator, struct text name, uint32_t object)
{
    uint64_t hash = hash_text(name, validator->seed ^ hash_mix(object));
    uint32_t slot = (uint32_t)hash & validator->table_mask;
    for (; validator->table[slot]; slot = (slot + 1) & validator->table_mask) {
        const struct seen_key *seen = &validator->keys[validator->table[slot] - 1];
        if (seen->hash == hash && seen->object == object && text_equal(seen->name, name))
            return false;
    }
    validator->keys[validator->key_count] = (struct seen_key){hash, name, object};
    validator->table[slot] = ++validator->key_count;
    return true;
}

static bool check_key(struct validator *validator, uint32_t object)
{
    struct text name;
    bool escaped;
    const char *where = validator->at;
    if (where >= validator->end || *where != '"')
        return fail(validator, REJECT_SYNTAX, where, "a key in double quotes expected");
    if (!check_string(validator, &name, &escaped))
        return false;
    if (escaped) {
        char *to = validator->scratch + validator->scratch_used;
        int64_t len = json_unescape(name.ptr, name.ptr + name.len, to);
        if (len < 0)
            return fail(validator, REJECT_UTF8, where, "a lone surrogate");
        validator->scratch_used += (size_t)len;
        name = (struct text){to, (uint32_t)len};
    }
    if (!key_is_new(validator, name, object))
        return fail(validator, REJECT_DUPLICATE_KEY, where, "a key that the object has already");
    skip_space(validator);
    if (!take(validator, ':'))
        return fail(validator, REJECT_SYNTAX, validator->at, "`:` expected behind a key");
    return true;
}

static bool check_value(struct validator *validator, uint32_t depth);

/* Members or items, up to the closing bracket. */
static bool check_list(struct validator *validator, uint32_t depth, char close)
{
    uint32_t object = validator->object_count++, count = 0;
    const char *open = validator->at++;
    if (depth > validator->depth_max)
        return fail(validator, REJECT_DEPTH, open, "nested too deeply");
    skip_space(validator);
    if (take(validator, close))
        return true;
    do {
        if (++count > validator->members_max)
            return fail(validator, REJECT_TOO_MANY_FIELDS, validator->at,
                        "too many members of one object or items of one array");
        skip_space(validator);
        if (close == '}' && !check_key(validator, object))
            return false;
        skip_space(validator);
        if (!check_value(validator, depth))
            return false;
        skip_space(validator);
    } while (take(validator, ','));
    if (take(validator, close))
        return true;
    return fail(validator, REJECT_SYNTAX, validator->at,
                close == '}' ? "`,` or `}` expected" : "`,` or `]` expected");
}

static bool check_value(struct validator *validator, uint32_t depth)
{
    struct text inside;
    bool escaped;
    switch (validator->at < validator->end ? *validator->at : '\0') {
    case '{':
        return check_list(validator, depth + 1, '}');
    case '[':
        return check_list(validator, depth + 1, ']');
    case '"':
        return check_string(validator, &inside, &escaped);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return check_number(validator);
    default:
        return check_word(validator);
    }
}

enum reject validator_run(struct validator *validator, const char *at, uint32_t len)
{
    validator->start = validator->at = at;
    validator->end = at + len;
    validator->number_count = validator->key_count = validator->object_count = 0;
    validator->scratch_used = 0;
    validator->reject = REJECT_NONE;
    validator->table_mask = power_of_two_above(len / MEMBER_BYTES_MIN * 2 + 2) - 1;
    memset(validator->table, 0, ((size_t)validator->table_mask + 1) * sizeof(*validator->table));
    skip_space(validator);
    const char *root = validator->at;
    if (!check_value(validator, 0))
        return validator->reject;
    skip_space(validator);
    if (validator->at != validator->end)
        (void)fail(validator, REJECT_SYNTAX, validator->at, "something follows the JSON value");
    else if (*root != '{')
        (void)fail(validator, REJECT_NOT_OBJECT, root, "an event is a JSON object");
    return validator->reject;
}
