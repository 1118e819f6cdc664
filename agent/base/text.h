#ifndef DRIFTD_BASE_TEXT_H
#define DRIFTD_BASE_TEXT_H
/* A view of bytes that somebody else owns; not NUL-terminated. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *ptr; /* NULL: absent; an empty text has a pointer */
    uint32_t len;
};

static inline struct text text_of(const char *string)
{
    return (struct text){string, string ? (uint32_t)strlen(string) : 0};
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* By bytes, a prefix first: < 0, 0, > 0. */
static inline int text_compare(struct text a, struct text b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* Length of the well-formed UTF-8 sequence at bytes[0] (Unicode 15, table 3-7), 0 when there is none within
 * `left` bytes. */
uint32_t text_utf8_length(const char *bytes, size_t left);

/* Shell-style match: '*' any run of bytes, '?' one byte; no classes. Linear in |pattern|·|text| at worst. */
bool text_glob(const char *pattern, struct text text);

/* Of `candidates` (NULL-terminated), the one closest to `word` if it is close enough to be a slip of the
 * keyboard, else NULL. */
const char *text_suggest(const char *word, const char *const *candidates);

#endif
