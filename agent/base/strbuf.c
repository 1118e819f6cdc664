#include "agent/base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `bytes` points to while nothing was allocated: read-only in practice, since capacity is 0 then. */
static char empty[1];

void strbuf_init(struct strbuf *buf, size_t max_bytes)
{
    *buf = (struct strbuf){empty, 0, 0, max_bytes, false};
}

void strbuf_release(struct strbuf *buf)
{
    if (buf->capacity)
        free(buf->bytes);
    strbuf_init(buf, buf->max);
}

void strbuf_reset(struct strbuf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->capacity)
        buf->bytes[0] = '\0';
}

static void fail(struct strbuf *buf)
{
    buf->failed = true;
    buf->len = 0;
    if (buf->capacity)
        buf->bytes[0] = '\0';
}

static bool reserve(struct strbuf *buf, size_t more)
{
    if (buf->failed)
        return false;
    if (more > buf->max || buf->len > buf->max - more) {
        fail(buf);
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity ? buf->capacity * 2 : 64;
    if (capacity < need)
        capacity = need;
    char *bytes = realloc(buf->capacity ? buf->bytes : NULL, capacity);
    if (!bytes) {
        fail(buf);
        return false;
    }
    buf->bytes = bytes;
    buf->capacity = capacity;
    return true;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len))
        return;
    if (len)
        memcpy(buf->bytes + buf->len, bytes, len);
    buf->len += len;
    buf->bytes[buf->len] = '\0';
}

void strbuf_adds(struct strbuf *buf, const char *string)
{
    strbuf_add(buf, string, strlen(string));
}

void strbuf_addc(struct strbuf *buf, char c)
{
    strbuf_add(buf, &c, 1);
}

void strbuf_addf(struct strbuf *buf, const char *format, ...)
{
    char stack[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(stack, sizeof(stack), format, args);
    va_end(args);
    if (len < 0) {
        fail(buf);
    } else if ((size_t)len < sizeof(stack)) {
        strbuf_add(buf, stack, (size_t)len);
    } else if (reserve(buf, (size_t)len)) {
        (void)vsnprintf(buf->bytes + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_add_varint(struct strbuf *buf, uint64_t value)
{
    unsigned char bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (unsigned char)value;
    strbuf_add(buf, bytes, len);
}

void strbuf_add_svarint(struct strbuf *buf, int64_t value)
{
    strbuf_add_varint(buf, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

char *strbuf_detach(struct strbuf *buf, size_t *out_len)
{
    char *out = NULL;
    if (!buf->failed) {
        if (reserve(buf, 0)) {
            out = buf->bytes;
            out[buf->len] = '\0';
            if (out_len)
                *out_len = buf->len;
        }
        if (out)
            strbuf_init(buf, buf->max);
    }
    return out;
}

uint64_t cursor_varint(struct cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        unsigned char byte = *cursor->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    cursor->failed = true;
    cursor->at = cursor->end;
    return 0;
}

int64_t cursor_svarint(struct cursor *cursor)
{
    uint64_t raw = cursor_varint(cursor);
    return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

const void *cursor_bytes(struct cursor *cursor, size_t len)
{
    if ((size_t)(cursor->end - cursor->at) < len) {
        cursor->failed = true;
        cursor->at = cursor->end;
        return NULL;
    }
    const void *out = cursor->at;
    cursor->at += len;
    return out;
}
