#include "agent/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/base/err.h"

void json_init(struct json *json, struct strbuf *out)
{
    *json = (struct json){.out = out};
    json->first[0] = true;
}

static void line_break(struct json *json)
{
    strbuf_addc(json->out, '\n');
    for (int i = 0; i < json->depth; i++)
        strbuf_add(json->out, "  ", 2);
}

/* What stands before a value or key at this place. */
static void separate(struct json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (!json->first[json->depth])
        strbuf_addc(json->out, ',');
    json->first[json->depth] = false;
    if (json->pretty && json->depth > 0)
        line_break(json);
}

static void begin(struct json *json, char bracket)
{
    BUG_ON(json->depth >= JSON_DEPTH_MAX);
    separate(json);
    strbuf_addc(json->out, bracket);
    json->first[++json->depth] = true;
}

static void end(struct json *json, char bracket)
{
    BUG_ON(json->depth == 0 || json->after_key);
    bool is_empty = json->first[json->depth--];
    if (json->pretty && !is_empty)
        line_break(json);
    strbuf_addc(json->out, bracket);
}

void json_object_begin(struct json *json)
{
    begin(json, '{');
}

void json_object_end(struct json *json)
{
    end(json, '}');
}

void json_array_begin(struct json *json)
{
    begin(json, '[');
}

void json_array_end(struct json *json)
{
    end(json, ']');
}

/* Length of the well-formed UTF-8 sequence at `at`, 0 when there is none. */
static uint32_t utf8_sequence(const unsigned char *at, uint32_t left)
{
    unsigned lead = at[0];
    if (lead < 0x80)
        return 1;
    uint32_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < len)
        return 0;
    /* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
    unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (uint32_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static void write_escape(struct strbuf *out, unsigned char c)
{
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof(shorts) - 1; i += 2) {
        if ((unsigned char)shorts[i] == c) {
            strbuf_addc(out, '\\');
            strbuf_addc(out, shorts[i + 1]);
            return;
        }
    }
    strbuf_addf(out, "\\u%04x", c);
}

static void write_string(struct strbuf *out, struct text value)
{
    const unsigned char *bytes = (const unsigned char *)value.ptr;
    uint32_t plain_from = 0, i = 0;
    strbuf_addc(out, '"');
    while (i < value.len) {
        unsigned char c = bytes[i];
        uint32_t len = utf8_sequence(bytes + i, value.len - i);
        /* DEL is legal in JSON, but nobody wants it raw in a log or a terminal. */
        if (len > 0 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            i += len;
            continue;
        }
        strbuf_add(out, bytes + plain_from, i - plain_from);
        if (len == 0)
            strbuf_add(out, "\xef\xbf\xbd", 3);
        else
            write_escape(out, c);
        plain_from = ++i;
    }
    if (i > plain_from)
        strbuf_add(out, bytes + plain_from, i - plain_from);
    strbuf_addc(out, '"');
}

void json_key_text(struct json *json, struct text key)
{
    BUG_ON(json->after_key);
    separate(json);
    write_string(json->out, key);
    strbuf_addc(json->out, ':');
    if (json->pretty)
        strbuf_addc(json->out, ' ');
    json->after_key = true;
}

void json_key(struct json *json, const char *key)
{
    json_key_text(json, text_of(key));
}

void json_text(struct json *json, struct text value)
{
    if (!value.ptr) {
        json_null(json);
        return;
    }
    separate(json);
    write_string(json->out, value);
}

void json_string(struct json *json, const char *value)
{
    json_text(json, text_of(value));
}

void json_integer(struct json *json, int64_t value)
{
    separate(json);
    strbuf_addf(json->out, "%" PRId64, value);
}

void json_unsigned(struct json *json, uint64_t value)
{
    separate(json);
    strbuf_addf(json->out, "%" PRIu64, value);
}

void json_number(struct json *json, double value)
{
    char text[32];
    separate(json);
    strbuf_adds(json->out, isfinite(value) ? double_format(value, text) : "null");
}

void json_bool(struct json *json, bool value)
{
    separate(json);
    strbuf_adds(json->out, value ? "true" : "false");
}

void json_null(struct json *json)
{
    separate(json);
    strbuf_adds(json->out, "null");
}

void json_raw(struct json *json, const char *bytes, size_t len)
{
    separate(json);
    strbuf_add(json->out, bytes, len);
}

/* "1e+22" → "1e22", "1e-05" → "1e-5". */
static void shorten_exponent(char *text)
{
    char *from = strchr(text, 'e');
    if (!from)
        return;
    char *to = ++from;
    if (*from == '-')
        to++;
    from++; /* printf always writes a sign */
    while (*from == '0' && from[1] != '\0')
        from++;
    memmove(to, from, strlen(from) + 1);
}

static bool reads_back(const char *text, double value)
{
    return strtod(text, NULL) == value;
}

/*
 * Below a power of two doubles lie twice as dense as above, so the nearest 16 digits may miss while the next
 * ones up hit: 2^-44 is 5.684341886080802e-14. Only powers of two have this.
 */
static bool format_next_up(double value, char *out)
{
    (void)snprintf(out, 32, "%.15e", value);
    char *last = strchr(out, 'e') - 1;
    if (*last == '9')
        return false;
    ++*last;
    return reads_back(out, value);
}

char *double_format(double value, char *out)
{
    enum { OUT_BYTES = 32, INTEGERS_EXACT_BELOW = 53 };
    if (!isfinite(value)) {
        (void)snprintf(out, OUT_BYTES, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return out;
    }
    if (fabs(value) < (double)(INT64_C(1) << INTEGERS_EXACT_BELOW) && value == trunc(value)) {
        (void)snprintf(out, OUT_BYTES, "%s%" PRId64, value == 0 && signbit(value) ? "-" : "", (int64_t)value);
        return out;
    }
    /* Subnormals have fewer digits than 15. */
    int digits = fabs(value) < 2.2250738585072014e-308 ? 1 : 15;
    for (; digits <= 17; digits++) {
        (void)snprintf(out, OUT_BYTES, "%.*g", digits, value);
        if (reads_back(out, value))
            break;
        int exponent;
        if (digits == 16 && frexp(fabs(value), &exponent) == 0.5 && format_next_up(value, out))
            break;
    }
    shorten_exponent(out);
    return out;
}
