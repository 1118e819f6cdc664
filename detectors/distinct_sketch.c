#include "detectors/distinct_sketch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"

/*
 * A feature's entries are in a table by hash that holds up to half as many again as are kept in the end. When
 * it is full the highest third is dropped, and `limit` is the highest that stayed: nothing above it is taken
 * any more. What is below it has never been dropped, so its count is complete.
 */
enum { FORMAT = 1, TABLE_FIRST = 16, TABLE_MAX = 2048, ENTRIES_MAX = TABLE_MAX / 4 * 3 };

struct group { /* of one feature */
    char *name;
    uint32_t name_len, count, size; /* size: places of the table, a power of two; 0: none yet */
    uint64_t n, limit;
    struct distinct_entry *table; /* times 0: a free place */
};

struct distinct_sketch {
    uint32_t count;
    struct group *groups[DISTINCT_FEATURES]; /* by name */
};

struct distinct_sketch *distinct_sketch_new(void)
{
    return calloc(1, sizeof(struct distinct_sketch));
}

static void group_free(struct group *group)
{
    free(group->table);
    free(group->name);
    free(group);
}

void distinct_sketch_free(struct distinct_sketch *sketch)
{
    for (uint32_t i = 0; sketch && i < sketch->count; i++)
        group_free(sketch->groups[i]);
    free(sketch);
}

bool distinct_sketch_is_empty(const struct distinct_sketch *sketch)
{
    return sketch->count == 0;
}

size_t distinct_sketch_bytes(const struct distinct_sketch *sketch)
{
    size_t bytes = sizeof(*sketch);
    for (uint32_t i = 0; i < sketch->count; i++)
        bytes += sizeof(struct group) + sketch->groups[i]->name_len +
                 sketch->groups[i]->size * sizeof(struct distinct_entry);
    return bytes;
}

/* ---- one feature ---- */

static struct distinct_entry *place_of(const struct group *group, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (group->size - 1);
    while (group->table[at].times && group->table[at].hash != hash)
        at = (at + 1) & (group->size - 1);
    return &group->table[at];
}

static int resize(struct group *group, uint32_t size)
{
    struct distinct_entry *old = group->table, *table = calloc(size, sizeof(*table));
    uint32_t old_size = group->size;
    if (!table)
        return ERR_NOMEM;
    group->table = table;
    group->size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].times)
            *place_of(group, old[i].hash) = old[i];
    free(old);
    return 0;
}

static void insertion_sort(struct distinct_entry *entries, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct distinct_entry entry = entries[i];
        uint32_t at = i;
        for (; at > 0 && entries[at - 1].hash > entry.hash; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static uint32_t bucket_of(uint64_t hash, uint64_t step, uint32_t count)
{
    uint64_t bucket = hash / step;
    return bucket < count ? (uint32_t)bucket : count - 1;
}

/* All entries, ascending; `out` has room for ENTRIES_MAX. Hashes are even, so each is put about where it
 * belongs, and few are moved after that: O(entries). */
static uint32_t sorted(const struct group *group, struct distinct_entry *out)
{
    uint32_t start[ENTRIES_MAX + 1] = {0}, count = group->count;
    if (count == 0)
        return 0;
    uint64_t step = group->limit / count + (count > 1);
    for (uint32_t i = 0; i < group->size; i++)
        if (group->table[i].times)
            start[bucket_of(group->table[i].hash, step, count) + 1]++;
    for (uint32_t i = 0; i < count; i++)
        start[i + 1] += start[i];
    for (uint32_t i = 0; i < group->size; i++)
        if (group->table[i].times)
            out[start[bucket_of(group->table[i].hash, step, count)]++] = group->table[i];
    insertion_sort(out, count);
    return count;
}

static void prune(struct group *group)
{
    struct distinct_entry all[ENTRIES_MAX];
    (void)sorted(group, all);
    memset(group->table, 0, group->size * sizeof(*group->table));
    for (uint32_t i = 0; i < DISTINCT_K; i++)
        *place_of(group, all[i].hash) = all[i];
    group->count = DISTINCT_K;
    group->limit = all[DISTINCT_K - 1].hash;
}

static int group_add(struct group *group, uint64_t hash, uint64_t times)
{
    if (hash > group->limit)
        return 0;
    if (group->count == group->size / 4 * 3) {
        if (group->size < TABLE_MAX) {
            if (resize(group, group->size ? group->size * 2 : TABLE_FIRST) != 0)
                return ERR_NOMEM;
        } else {
            prune(group);
            if (hash > group->limit)
                return 0;
        }
    }
    struct distinct_entry *entry = place_of(group, hash);
    group->count += entry->times == 0;
    entry->hash = hash;
    entry->times += times;
    return 0;
}

/* ---- features ---- */

static struct text name_of(const struct group *group)
{
    return (struct text){group->name, group->name_len};
}

static struct group *find(const struct distinct_sketch *sketch, struct text name, uint32_t *out_at)
{
    uint32_t at = 0;
    int order = 1;
    while (at < sketch->count && (order = text_compare(name_of(sketch->groups[at]), name)) < 0)
        at++;
    *out_at = at;
    return order == 0 && at < sketch->count ? sketch->groups[at] : NULL;
}

/* Made when it is new; NULL in *out: it is beyond the first by name. */
static int group_of(struct distinct_sketch *sketch, struct text name, struct group **out)
{
    uint32_t at;
    *out = find(sketch, name, &at);
    if (*out || at == DISTINCT_FEATURES || name.len > DISTINCT_NAME_BYTES_MAX)
        return 0;
    struct group *group = calloc(1, sizeof(*group));
    char *copy = group ? malloc(name.len + 1u) : NULL;
    if (!copy) {
        free(group);
        return ERR_NOMEM;
    }
    if (name.len)
        memcpy(copy, name.ptr, name.len);
    copy[name.len] = '\0';
    *group = (struct group){.name = copy, .name_len = name.len, .limit = UINT64_MAX};
    if (sketch->count == DISTINCT_FEATURES)
        group_free(sketch->groups[--sketch->count]);
    memmove(sketch->groups + at + 1, sketch->groups + at, (sketch->count - at) * sizeof(struct group *));
    sketch->groups[at] = group;
    sketch->count++;
    *out = group;
    return 0;
}

int distinct_sketch_add(struct distinct_sketch *sketch, struct text feature, uint64_t hash, uint64_t times)
{
    struct group *group;
    int code = times ? group_of(sketch, feature, &group) : 0;
    if (code != 0 || times == 0 || !group)
        return code;
    code = group_add(group, hash, times);
    group->n += code == 0 ? times : 0;
    return code;
}

int distinct_sketch_merge(struct distinct_sketch *into, const struct distinct_sketch *from)
{
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < from->count; i++) {
        const struct group *other = from->groups[i];
        struct group *group;
        code = group_of(into, name_of(other), &group);
        if (code != 0 || !group)
            continue;
        group->n += other->n;
        for (uint32_t e = 0; code == 0 && e < other->size; e++)
            if (other->table[e].times)
                code = group_add(group, other->table[e].hash, other->table[e].times);
    }
    return code;
}

/* ---- reading ---- */

static void values_of(const struct group *group, struct distinct_values *out)
{
    struct distinct_entry all[ENTRIES_MAX];
    uint32_t count = sorted(group, all);
    out->feature = name_of(group);
    out->n = group->n;
    out->count = count < DISTINCT_K ? count : DISTINCT_K;
    memcpy(out->entries, all, out->count * sizeof(*all));
}

bool distinct_sketch_values(const struct distinct_sketch *sketch, struct text feature,
                            struct distinct_values *out)
{
    uint32_t at;
    const struct group *group = find(sketch, feature, &at);
    if (group)
        values_of(group, out);
    return group;
}

bool distinct_sketch_nth(const struct distinct_sketch *sketch, uint32_t index, struct distinct_values *out)
{
    if (index >= sketch->count)
        return false;
    values_of(sketch->groups[index], out);
    return true;
}

int distinct_sketch_add_values(struct distinct_sketch *sketch, const struct distinct_values *values)
{
    uint64_t left = values->n;
    for (uint32_t i = 0; i < values->count; i++) {
        const struct distinct_entry *entry = &values->entries[i];
        if (entry->times == 0 || entry->times > left || (i && entry->hash <= entry[-1].hash))
            return ERR_INVALID;
        left -= entry->times;
    }
    /* Whoever has seen fewer than k different values has seen every one of them. */
    if (values->n == 0 || (values->count < DISTINCT_K && left > 0))
        return ERR_INVALID;
    struct group *group;
    int code = group_of(sketch, values->feature, &group);
    if (code != 0 || !group)
        return code;
    group->n += values->n;
    for (uint32_t i = 0; code == 0 && i < values->count; i++)
        code = group_add(group, values->entries[i].hash, values->entries[i].times);
    return code;
}

/* ---- bytes ---- */

void distinct_sketch_encode(const struct distinct_sketch *sketch, struct strbuf *out)
{
    strbuf_addc(out, FORMAT);
    strbuf_add_varint(out, sketch->count);
    for (uint32_t i = 0; i < sketch->count; i++) {
        struct distinct_values values;
        uint64_t previous = 0;
        values_of(sketch->groups[i], &values);
        strbuf_add_varint(out, values.feature.len);
        strbuf_add(out, values.feature.ptr, values.feature.len);
        strbuf_add_varint(out, values.n);
        strbuf_add_varint(out, values.count);
        for (uint32_t e = 0; e < values.count; e++) {
            strbuf_add_varint(out, values.entries[e].hash - previous);
            strbuf_add_varint(out, values.entries[e].times);
            previous = values.entries[e].hash;
        }
    }
}

static bool decode_values(struct cursor *in, struct distinct_values *out)
{
    uint64_t len = cursor_varint(in), hash = 0;
    const char *name = len <= DISTINCT_NAME_BYTES_MAX ? cursor_bytes(in, len) : NULL;
    uint64_t n = cursor_varint(in), count = cursor_varint(in);
    if (in->failed || !name || count > DISTINCT_K)
        return false;
    *out = (struct distinct_values){.feature = {name, (uint32_t)len}, .n = n, .count = (uint32_t)count};
    for (uint32_t e = 0; e < count; e++) {
        uint64_t step = cursor_varint(in);
        if (step > UINT64_MAX - hash)
            return false;
        hash += step;
        out->entries[e] = (struct distinct_entry){hash, cursor_varint(in)};
    }
    return !in->failed;
}

int distinct_sketch_decode_merge(const void *bytes, size_t len, struct distinct_sketch *into)
{
    struct cursor in = {.at = bytes, .end = (const unsigned char *)bytes + len};
    const unsigned char *format = cursor_bytes(&in, 1);
    uint64_t groups = cursor_varint(&in);
    if (in.failed || *format != FORMAT || groups > DISTINCT_FEATURES)
        return ERR_CORRUPT;
    while (groups--) {
        struct distinct_values values;
        if (!decode_values(&in, &values))
            return ERR_CORRUPT;
        int code = distinct_sketch_add_values(into, &values);
        if (code != 0)
            return code == ERR_INVALID ? ERR_CORRUPT : code;
    }
    return in.at == in.end ? 0 : ERR_CORRUPT;
}
