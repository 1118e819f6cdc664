#include "detectors/named_counts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"

void named_counts_release(struct named_counts *counts)
{
    for (uint32_t i = 0; i < counts->count; i++)
        free(counts->items[i].name);
    free(counts->items);
    *counts = (struct named_counts){0};
}

/* Where the name is, or belongs. */
static uint32_t place_of(const struct named_counts *counts, struct text name, bool *out_found)
{
    uint32_t low = 0, high = counts->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(text_of(counts->items[middle].name), name);
        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found = false;
    return low;
}

static int grow(struct named_counts *counts)
{
    if (counts->count < counts->capacity)
        return 0;
    struct named_count *items = grow_array(counts->items, &counts->capacity, 16, sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    counts->items = items;
    return 0;
}

static int insert(struct named_counts *counts, uint32_t at, struct text name)
{
    char *copy = grow(counts) == 0 ? malloc((size_t)name.len + 1) : NULL;
    if (!copy)
        return ERR_NOMEM;
    if (name.len)
        memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    memmove(&counts->items[at + 1], &counts->items[at], (counts->count - at) * sizeof(*counts->items));
    counts->items[at] = (struct named_count){.name = copy};
    counts->count++;
    return 0;
}

int named_counts_add(struct named_counts *counts, struct text name, const uint64_t *cells, uint32_t width)
{
    bool found;
    const char *nul = name.len ? memchr(name.ptr, 0, name.len) : NULL;
    name.len = nul ? (uint32_t)(nul - name.ptr) : name.len;
    uint32_t at = place_of(counts, name, &found);
    int code = found ? 0 : insert(counts, at, name);
    for (uint32_t cell = 0; code == 0 && cell < width; cell++)
        counts->items[at].cells[cell] += cells[cell];
    return code;
}

const struct named_count *named_counts_find(const struct named_counts *counts, struct text name)
{
    bool found;
    uint32_t at = place_of(counts, name, &found);
    return found ? &counts->items[at] : NULL;
}

/* ---- bytes ---- */

void named_counts_encode(const struct named_counts *counts, uint32_t width, struct strbuf *out)
{
    strbuf_add_varint(out, counts->count);
    for (uint32_t i = 0; i < counts->count; i++) {
        const struct named_count *item = &counts->items[i];
        size_t len = strlen(item->name);
        strbuf_add_varint(out, len);
        strbuf_add(out, item->name, len);
        for (uint32_t cell = 0; cell < width; cell++)
            strbuf_add_varint(out, item->cells[cell]);
    }
}

int named_counts_decode(struct cursor *in, uint32_t most, uint32_t width, struct named_counts *out)
{
    *out = (struct named_counts){0};
    uint64_t count = cursor_varint(in);
    int code = in->failed || count > most ? ERR_CORRUPT : 0;
    for (uint64_t i = 0; code == 0 && i < count; i++) {
        uint64_t cells[NAMED_CELLS_MAX], len = cursor_varint(in);
        const char *bytes = len <= UINT32_MAX ? cursor_bytes(in, len) : NULL;
        for (uint32_t cell = 0; cell < width; cell++)
            cells[cell] = cursor_varint(in);
        if (in->failed || !bytes || memchr(bytes, 0, len)) {
            code = ERR_CORRUPT;
            break;
        }
        struct text name = {bytes, (uint32_t)len};
        bool ascends = i == 0 || text_compare(text_of(out->items[i - 1].name), name) < 0;
        code = ascends ? named_counts_add(out, name, cells, width) : ERR_CORRUPT;
    }
    if (code != 0)
        named_counts_release(out);
    return code;
}
