#include "collectors/decode_scalar.h"

const char *scan_space(const struct scan *scan, const char *at)
{
    while (at < scan->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
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

const char *scan_string_rest(struct scan *scan, const char *from, const char *at, struct value *out)
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

const char *scan_word(const char *at, struct value *out)
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
