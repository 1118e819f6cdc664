/* UTF-8 and JSON string escapes: the parts that both walks of the decoder share. */
#include "collectors/decode_internal.h"

unsigned utf8_sequence_len(const unsigned char *at, const unsigned char *end)
{
    unsigned lead = at[0];
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    unsigned len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if ((size_t)(end - at) < len)
        return 0;
    /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (unsigned i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

static uint32_t hex4(const char *at)
{
    return hex_value(at[0]) << 12 | hex_value(at[1]) << 8 | hex_value(at[2]) << 4 | hex_value(at[3]);
}

static size_t utf8_write(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The code point of the \u at `at` (behind the u), with its second half; 0 when it is refused. */
static uint32_t unescape_unicode(const char **at, const char *end)
{
    uint32_t code = hex4(*at);
    *at += 4;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
        return 0;
    uint32_t low = hex4(*at + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *at += 6;
    return 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
}

int64_t json_unescape(const char *at, const char *end, char *out)
{
    char *start = out;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        char c = at[1];
        at += 2;
        if (c == 'u') {
            uint32_t code = unescape_unicode(&at, end);
            if (code == 0)
                return -1;
            out += utf8_write(code, out);
        } else {
            *out++ = (char)(c == 'n'   ? '\n'
                            : c == 't' ? '\t'
                            : c == 'r' ? '\r'
                            : c == 'b' ? '\b'
                            : c == 'f' ? '\f'
                                       : c);
        }
    }
    return out - start;
}
