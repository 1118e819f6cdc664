#include "detectors/label_classes.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

enum { CELLS = 1 };

void label_classes_release(struct label_classes *classes)
{
    named_counts_release(&classes->names);
    classes->other = 0;
}

int label_classes_add(struct label_classes *classes, struct text name, uint64_t labels)
{
    return named_counts_add(&classes->names, name, &labels, CELLS);
}

void label_classes_keep(struct label_classes *classes, uint32_t most)
{
    struct named_counts *names = &classes->names;
    while (names->count > most) {
        uint32_t rarest = 0;
        for (uint32_t i = 1; i < names->count; i++)
            if (label_class_labels(classes, i) <= label_class_labels(classes, rarest))
                rarest = i;
        classes->other += label_class_labels(classes, rarest);
        free(names->items[rarest].name);
        names->count--;
        memmove(&names->items[rarest], &names->items[rarest + 1],
                (names->count - rarest) * sizeof(*names->items));
    }
}

uint64_t label_classes_total(const struct label_classes *classes)
{
    uint64_t total = classes->other;
    for (uint32_t i = 0; i < classes->names.count; i++)
        total += label_class_labels(classes, i);
    return total;
}

uint32_t label_classes_align(const struct label_classes *a, const struct label_classes *b,
                             uint64_t out_a[LABEL_CLASS_BINS_MAX], uint64_t out_b[LABEL_CLASS_BINS_MAX])
{
    uint64_t other_a = a->other, other_b = b->other;
    uint32_t bins = 0;
    for (uint32_t i = 0, j = 0; i < a->names.count || j < b->names.count;) {
        int order = i == a->names.count   ? 1
                    : j == b->names.count ? -1
                                          : strcmp(a->names.items[i].name, b->names.items[j].name);
        uint64_t of_a = order <= 0 ? label_class_labels(a, i++) : 0;
        uint64_t of_b = order >= 0 ? label_class_labels(b, j++) : 0;
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
    named_counts_encode(&classes->names, CELLS, out);
    strbuf_add_varint(out, classes->other);
}

int label_classes_decode(struct cursor *in, struct label_classes *out)
{
    *out = (struct label_classes){0};
    int code = named_counts_decode(in, LABEL_CLASSES_MAX, CELLS, &out->names);
    out->other = cursor_varint(in);
    if (code == 0 && in->failed)
        code = ERR_CORRUPT;
    if (code != 0)
        label_classes_release(out);
    return code;
}
