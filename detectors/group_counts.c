#include "detectors/group_counts.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/outcomes_groups.h"
#include "detectors/outcomes_layout.h"

void group_counts_release(struct group_counts *counts)
{
    for (uint32_t i = 0; i < counts->count; i++)
        free(counts->items[i].name);
    free(counts->items);
    *counts = (struct group_counts){0};
}

/* Where the name is, or belongs. */
static uint32_t place_of(const struct group_counts *counts, struct text name, bool *out_found)
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

static int grow(struct group_counts *counts)
{
    if (counts->count < counts->capacity)
        return 0;
    uint32_t capacity = counts->capacity ? 2 * counts->capacity : 16;
    struct group_count *items = realloc(counts->items, capacity * sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    counts->items = items;
    counts->capacity = capacity;
    return 0;
}

int group_counts_add(struct group_counts *counts, struct text name, const uint64_t cells[GROUP_CELLS])
{
    bool found;
    uint32_t at = place_of(counts, name, &found);
    if (!found) {
        char *copy = grow(counts) == 0 ? malloc((size_t)name.len + 1) : NULL;
        if (!copy)
            return ERR_NOMEM;
        if (name.len)
            memcpy(copy, name.ptr, name.len);
        copy[name.len] = '\0';
        memmove(&counts->items[at + 1], &counts->items[at], (counts->count - at) * sizeof(*counts->items));
        counts->items[at] = (struct group_count){.name = copy};
        counts->count++;
    }
    for (int cell = 0; cell < GROUP_CELLS; cell++)
        counts->items[at].cells[cell] += cells[cell];
    return 0;
}

const struct group_count *group_counts_find(const struct group_counts *counts, struct text name)
{
    bool found;
    uint32_t at = place_of(counts, name, &found);
    return found ? &counts->items[at] : NULL;
}

bool group_cells_add(uint64_t cells[GROUP_CELLS], const struct outcome *outcome, uint64_t times)
{
    if (outcome->kind != OUTCOME_BINARY)
        return false;
    cells[outcome->predicted ? GROUP_CELL_SELECTED : GROUP_CELL_REJECTED] += times;
    if (outcome->labelled) {
        bool positive = outcome->truth > 0;
        cells[positive ? (outcome->predicted ? GROUP_CELL_TP : GROUP_CELL_FN)
                       : (outcome->predicted ? GROUP_CELL_FP : GROUP_CELL_TN)] += times;
    }
    return true;
}

uint64_t group_count_events(const struct group_count *group)
{
    const uint64_t *n = group->cells;
    uint64_t labelled = n[GROUP_CELL_TP] + n[GROUP_CELL_FP] + n[GROUP_CELL_FN] + n[GROUP_CELL_TN];
    uint64_t all = n[GROUP_CELL_SELECTED] + n[GROUP_CELL_REJECTED];
    return labelled > all ? labelled : all;
}

int group_counts_add_tally(struct group_counts *counts, const struct tally *tally, const struct text *names,
                           uint32_t name_count)
{
    int code = 0;
    for (uint32_t slot = 0; code == 0 && slot < name_count && slot < OUTCOME_GROUPS_MAX; slot++) {
        const uint64_t *n = tally->counters + slot * GROUP_COUNTERS;
        struct group_count group = {.cells = {n[GROUP_TP], n[GROUP_FP], n[GROUP_FN], n[GROUP_TN],
                                              n[GROUP_SEEN_POSITIVE], n[GROUP_SEEN_NEGATIVE]}};
        if (group_count_events(&group) > 0)
            code = group_counts_add(counts, names[slot], group.cells);
    }
    return code;
}

/* ---- bounds ---- */

static int compare_names(const void *left, const void *right)
{
    const struct group_count *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int compare_sizes(const void *left, const void *right)
{
    const struct group_count *a = left, *b = right;
    uint64_t n_a = group_count_events(a), n_b = group_count_events(b);
    return n_a != n_b ? (n_a > n_b ? -1 : 1) : strcmp(a->name, b->name);
}

/* By attribute, then as above: those that stay of each come first. */
static int compare_in_attribute(const void *left, const void *right)
{
    const struct group_count *a = left, *b = right;
    int order = text_compare(outcome_attribute_of(text_of(a->name)), outcome_attribute_of(text_of(b->name)));
    return order ? order : compare_sizes(left, right);
}

static void cut(struct group_counts *counts, uint32_t most)
{
    while (counts->count > most)
        free(counts->items[--counts->count].name);
}

void group_counts_keep(struct group_counts *counts)
{
    uint32_t kept = 0, of_attribute = 0;
    struct text attribute = {NULL, 0};
    if (counts->count == 0)
        return;
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_in_attribute);
    for (uint32_t i = 0; i < counts->count; i++) {
        struct group_count group = counts->items[i];
        struct text own = outcome_attribute_of(text_of(group.name));
        of_attribute = attribute.ptr && text_equal(own, attribute) ? of_attribute + 1 : 1;
        bool cross = own.len && memchr(own.ptr, '|', own.len);
        if (of_attribute > (uint32_t)(cross ? OUTCOME_GROUP_CELLS_MAX : OUTCOME_GROUP_VALUES_MAX)) {
            free(group.name); /* never the first of its attribute, whose name is still looked at */
            continue;
        }
        counts->items[kept++] = group;
        attribute = own;
    }
    counts->count = kept;
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_sizes);
    cut(counts, OUTCOME_GROUPS_MAX);
    qsort(counts->items, counts->count, sizeof(*counts->items), compare_names);
}

/* ---- bytes ---- */

void group_counts_encode(const struct group_counts *counts, struct strbuf *out)
{
    strbuf_add_varint(out, counts->count);
    for (uint32_t i = 0; i < counts->count; i++) {
        size_t len = strlen(counts->items[i].name);
        strbuf_add_varint(out, len);
        strbuf_add(out, counts->items[i].name, len);
        for (int cell = 0; cell < GROUP_CELLS; cell++)
            strbuf_add_varint(out, counts->items[i].cells[cell]);
    }
}

int group_counts_decode(struct cursor *in, struct group_counts *out)
{
    *out = (struct group_counts){0};
    uint64_t count = cursor_varint(in);
    int code = count > OUTCOME_GROUPS_MAX ? ERR_CORRUPT : 0;
    for (uint64_t i = 0; code == 0 && i < count; i++) {
        uint64_t cells[GROUP_CELLS], len = cursor_varint(in);
        const char *bytes = len <= UINT32_MAX ? cursor_bytes(in, len) : NULL;
        for (int cell = 0; cell < GROUP_CELLS; cell++)
            cells[cell] = cursor_varint(in);
        code = in->failed || !bytes || memchr(bytes, 0, len) ? ERR_CORRUPT : 0;
        struct text name = {bytes, (uint32_t)len};
        if (code == 0 && i > 0 && text_compare(text_of(out->items[i - 1].name), name) >= 0)
            code = ERR_CORRUPT;
        if (code == 0)
            code = group_counts_add(out, name, cells);
    }
    if (code == 0 && in->failed)
        code = ERR_CORRUPT;
    if (code != 0)
        group_counts_release(out);
    return code;
}
