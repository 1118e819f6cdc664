#include "detectors/label_classes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

void label_classes_release(struct label_classes *classes)
{
    for (uint32_t i = 0; i < classes->count; i++)
        free(classes->items[i].name);
    free(classes->items);
    *classes = (struct label_classes){0};
}

/* Where the name is, or belongs. */
static uint32_t place_of(const struct label_classes *classes, struct text name, bool *out_found)
{
    uint32_t low = 0, high = classes->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(text_of(classes->items[middle].name), name);
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

static int grow(struct label_classes *classes)
{
    if (classes->count < classes->capacity)
        return 0;
    uint32_t capacity = classes->capacity ? 2 * classes->capacity : 16;
    struct label_class *items = realloc(classes->items, capacity * sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    classes->items = items;
    classes->capacity = capacity;
    return 0;
}

int label_classes_add(struct label_classes *classes, struct text name, uint64_t labels)
{
    bool found;
    const char *nul = memchr(name.ptr, 0, name.len);
    name.len = nul ? (uint32_t)(nul - name.ptr) : name.len; /* names are C strings */
    uint32_t at = place_of(classes, name, &found);
    if (!found) {
        char *copy = grow(classes) == 0 ? malloc((size_t)name.len + 1) : NULL;
        if (!copy)
            return ERR_NOMEM;
        memcpy(copy, name.ptr, name.len);
        copy[name.len] = '\0';
        memmove(&classes->items[at + 1], &classes->items[at],
                (classes->count - at) * sizeof(*classes->items));
        classes->items[at] = (struct label_class){.name = copy};
        classes->count++;
    }
    classes->items[at].labels += labels;
    return 0;
}

void label_classes_keep(struct label_classes *classes, uint32_t most)
{
    while (classes->count > most) {
        uint32_t rarest = 0;
        for (uint32_t i = 1; i < classes->count; i++)
            if (classes->items[i].labels <= classes->items[rarest].labels)
                rarest = i;
        classes->other += classes->items[rarest].labels;
        free(classes->items[rarest].name);
        classes->count--;
        memmove(&classes->items[rarest], &classes->items[rarest + 1],
                (classes->count - rarest) * sizeof(*classes->items));
    }
}

uint64_t label_classes_total(const struct label_classes *classes)
{
    uint64_t total = classes->other;
    for (uint32_t i = 0; i < classes->count; i++)
        total += classes->items[i].labels;
    return total;
}

uint32_t label_classes_align(const struct label_classes *a, const struct label_classes *b,
                             uint64_t out_a[LABEL_CLASS_BINS_MAX], uint64_t out_b[LABEL_CLASS_BINS_MAX])
{
    uint64_t other_a = a->other, other_b = b->other;
    uint32_t bins = 0;
    for (uint32_t i = 0, j = 0; i < a->count || j < b->count;) {
        int order = i == a->count ? 1 : j == b->count ? -1 : strcmp(a->items[i].name, b->items[j].name);
        uint64_t of_a = order <= 0 ? a->items[i++].labels : 0;
        uint64_t of_b = order >= 0 ? b->items[j++].labels : 0;
        if (order < 0 && b->other > 0) {
            other_a += of_a;
        } else if (order > 0 && a->other > 0) {
            other_b += of_b;
        } else {
            out_a[bins] = of_a;
            out_b[bins++] = of_b;
        }
    }
    out_a[bins] = other_a;
    out_b[bins++] = other_b;
    return bins;
}

void label_classes_encode(const struct label_classes *classes, struct strbuf *out)
{
    strbuf_add_varint(out, classes->count);
    for (uint32_t i = 0; i < classes->count; i++) {
        size_t len = strlen(classes->items[i].name);
        strbuf_add_varint(out, len);
        strbuf_add(out, classes->items[i].name, len);
        strbuf_add_varint(out, classes->items[i].labels);
    }
    strbuf_add_varint(out, classes->other);
}

int label_classes_decode(struct cursor *in, struct label_classes *out)
{
    *out = (struct label_classes){0};
    uint64_t count = cursor_varint(in);
    int code = count > LABEL_CLASSES_MAX ? ERR_CORRUPT : 0;
    for (uint64_t i = 0; code == 0 && i < count; i++) {
        uint64_t len = cursor_varint(in);
        const void *bytes = len <= UINT32_MAX ? cursor_bytes(in, len) : NULL;
        uint64_t labels = cursor_varint(in);
        code = in->failed || !bytes || memchr(bytes, 0, len) ? ERR_CORRUPT : 0;
        if (code == 0)
            code = label_classes_add(out, (struct text){bytes, (uint32_t)len}, labels);
        if (code == 0 && (out->count != i + 1 || strncmp(out->items[i].name, bytes, len) != 0))
            code = ERR_CORRUPT;
    }
    out->other = cursor_varint(in);
    if (code == 0 && in->failed)
        code = ERR_CORRUPT;
    if (code != 0)
        label_classes_release(out);
    return code;
}
