#ifndef DRIFTD_BASE_STRBUF_H
#define DRIFTD_BASE_STRBUF_H
/*
 * A growable byte string with a mandatory maximum. Always NUL-terminated (the NUL is not counted). After a
 * failure (memory, maximum) it stays failed and empty, so that a chain of appends needs one check at its end:
 * strbuf_failed().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct strbuf {
    char *bytes; /* never NULL after init: "" while empty */
    size_t len, capacity, max;
    bool failed;
};

void strbuf_init(struct strbuf *buf, size_t max_bytes);
void strbuf_release(struct strbuf *buf);
void strbuf_reset(struct strbuf *buf); /* empty and not failed; keeps its memory */
void strbuf_add(struct strbuf *buf, const void *bytes, size_t len);
void strbuf_adds(struct strbuf *buf, const char *string);
void strbuf_addc(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Unsigned LEB128, 1–10 bytes; and zig-zag for signed. */
void strbuf_add_varint(struct strbuf *buf, uint64_t value);
void strbuf_add_svarint(struct strbuf *buf, int64_t value);
static inline bool strbuf_failed(const struct strbuf *buf)
{
    return buf->failed;
}
/* Hands the bytes (malloc'ed, NUL-terminated) to the caller; the buffer is empty afterwards. NULL when
 * failed. */
char *strbuf_detach(struct strbuf *buf, size_t *out_len);

/* The reading side of varints: a cursor that fails once and for all. */
struct cursor {
    const unsigned char *at, *end;
    bool failed;
};
uint64_t cursor_varint(struct cursor *cursor);
int64_t cursor_svarint(struct cursor *cursor);
/* NULL and failed when fewer than `len` bytes are left. */
const void *cursor_bytes(struct cursor *cursor, size_t len);

#endif
