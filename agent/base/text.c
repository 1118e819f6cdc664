#include "agent/base/text.h"

enum { SUGGEST_MAX = 48 }; /* longer words get no suggestion: the table below is on the stack */

uint32_t text_utf8_length(const char *bytes, size_t left)
{
    const unsigned char *at = (const unsigned char *)bytes;
    if (left == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    uint32_t len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    if (len > left)
        return 0;
    for (uint32_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

bool text_glob(const char *pattern, struct text text)
{
    /* After a mismatch only the last '*' needs to take one byte more: what earlier ones took stays right. */
    const char *after_star = NULL;
    uint32_t star_at = 0, at = 0;
    while (at < text.len) {
        if (*pattern == '*') {
            after_star = ++pattern;
            star_at = at;
        } else if (*pattern && (*pattern == '?' || *pattern == text.ptr[at])) {
            pattern++;
            at++;
        } else if (after_star) {
            pattern = after_star;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* ASCII case and the choice between '-', '_', ' ' do not count as mistakes. */
static char plain(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment, Damerau 1964). */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][SUGGEST_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (unsigned k = 0; k <= b_len; k++)
        last[k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_len; k++) {
            unsigned change = plain(a[i - 1]) == plain(b[k - 1]) ? 0 : 1;
            row[k] = least(last[k - 1] + change, least(last[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && plain(a[i - 1]) == plain(b[k - 2]) && plain(a[i - 2]) == plain(b[k - 1]))
                row[k] = least(row[k], before[k - 2] + 1);
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

const char *text_suggest(const char *word, const char *const *candidates)
{
    size_t len = strlen(word);
    if (len == 0 || len > SUGGEST_MAX)
        return NULL;
    /* A third of a long word may be wrong, nothing of a very short one. */
    unsigned allowed = len < 3 ? 0 : len < 6 ? 1 : len < 9 ? 2 : 3;
    const char *best = NULL;
    unsigned best_distance = allowed + 1;
    for (; *candidates; candidates++) {
        size_t candidate_len = strlen(*candidates);
        if (candidate_len == 0 || candidate_len > SUGGEST_MAX)
            continue;
        unsigned found = distance(word, len, *candidates, candidate_len);
        if (found < best_distance) {
            best = *candidates;
            best_distance = found;
        }
    }
    return best;
}
