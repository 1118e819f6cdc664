#include "detectors/name_sketch.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/grow.h"
#include "agent/base/hash.h"

enum { FORMAT = 1, SUBJECT_BYTES_MAX = 1024 };

struct entry {
    uint64_t hash, count;
    uint8_t len;
    char name[NAME_SKETCH_BYTES_MAX];
};

struct group { /* of one subject; entries ascend by hash */
    uint64_t hash;
    char *subject;
    uint32_t subject_len, count;
    struct entry entries[NAME_SKETCH_NAMES];
};

struct name_sketch {
    uint32_t count, capacity;
    struct group **groups; /* ascending by (hash, subject) */
};

struct name_sketch *name_sketch_new(void)
{
    return calloc(1, sizeof(struct name_sketch));
}

static void group_free(struct group *group)
{
    free(group->subject);
    free(group);
}

void name_sketch_reset(struct name_sketch *sketch)
{
    for (uint32_t i = 0; i < sketch->count; i++)
        group_free(sketch->groups[i]);
    sketch->count = 0;
}

void name_sketch_free(struct name_sketch *sketch)
{
    if (!sketch)
        return;
    name_sketch_reset(sketch);
    free(sketch->groups);
    free(sketch);
}

bool name_sketch_is_empty(const struct name_sketch *sketch)
{
    return sketch->count == 0;
}

size_t name_sketch_bytes(const struct name_sketch *sketch)
{
    return sizeof(*sketch) + sketch->capacity * sizeof(struct group *) + sketch->count * sizeof(struct group);
}

static struct text subject_of(const struct group *group)
{
    return (struct text){group->subject, group->subject_len};
}

/* The place of a subject, whether it is there or not. */
static uint32_t place_of(const struct name_sketch *sketch, uint64_t hash, struct text subject)
{
    uint32_t low = 0, high = sketch->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct group *group = sketch->groups[middle];
        bool below = group->hash != hash ? group->hash < hash : text_compare(subject_of(group), subject) < 0;
        low = below ? middle + 1 : low;
        high = below ? high : middle;
    }
    return low;
}

static struct group *group_at(const struct name_sketch *sketch, uint32_t at, struct text subject)
{
    bool found = at < sketch->count && text_equal(subject_of(sketch->groups[at]), subject);
    return found ? sketch->groups[at] : NULL;
}

static int reserve(struct name_sketch *sketch)
{
    if (sketch->count < sketch->capacity)
        return 0;
    struct group **groups = grow_array(sketch->groups, &sketch->capacity, 4, sizeof(struct group *));
    if (!groups)
        return ERR_NOMEM;
    sketch->groups = groups;
    return 0;
}

/* The group of a subject, made when it is new; NULL in *out: it is beyond the lowest subjects. */
static int group_of(struct name_sketch *sketch, struct text subject, struct group **out)
{
    uint64_t hash = hash_text(subject, 0);
    uint32_t at = place_of(sketch, hash, subject);
    *out = group_at(sketch, at, subject);
    if (*out || at == NAME_SKETCH_SUBJECTS)
        return 0;
    struct group *group = calloc(1, sizeof(*group));
    char *copy = group ? malloc(subject.len + 1u) : NULL;
    if (!copy || reserve(sketch) != 0) {
        free(copy);
        free(group);
        return ERR_NOMEM;
    }
    if (subject.len)
        memcpy(copy, subject.ptr, subject.len);
    copy[subject.len] = '\0';
    group->hash = hash;
    group->subject = copy;
    group->subject_len = subject.len;
    if (sketch->count == NAME_SKETCH_SUBJECTS)
        group_free(sketch->groups[--sketch->count]);
    memmove(sketch->groups + at + 1, sketch->groups + at, (sketch->count - at) * sizeof(struct group *));
    sketch->groups[at] = group;
    sketch->count++;
    *out = group;
    return 0;
}

/* Cut before a UTF-8 continuation byte, never inside a character. */
static uint8_t cut_length(struct text name)
{
    uint32_t len = name.len;
    if (len > NAME_SKETCH_BYTES_MAX)
        for (len = NAME_SKETCH_BYTES_MAX; len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80;)
            len--;
    return (uint8_t)len;
}

static void group_add(struct group *group, uint64_t hash, struct text cut, uint64_t times)
{
    uint32_t at = group->count;
    while (at > 0 && group->entries[at - 1].hash >= hash)
        at--;
    struct entry *entry = &group->entries[at];
    bool found = at < group->count && entry->hash == hash;
    if (!found && at == NAME_SKETCH_NAMES)
        return;
    if (!found) {
        uint32_t moved = (group->count < NAME_SKETCH_NAMES ? group->count : NAME_SKETCH_NAMES - 1) - at;
        memmove(entry + 1, entry, moved * sizeof(*entry));
        group->count = at + moved + 1;
        *entry = (struct entry){.hash = hash};
    }
    entry->count += times;
    /* Two names of one hash: whichever comes first, the same one is shown. */
    if (!found || text_compare(cut, (struct text){entry->name, entry->len}) < 0) {
        entry->len = (uint8_t)cut.len;
        if (cut.len)
            memcpy(entry->name, cut.ptr, cut.len);
    }
}

int name_sketch_add(struct name_sketch *sketch, struct text subject, struct text name, uint64_t times)
{
    struct group *group = NULL;
    int code = subject.len <= SUBJECT_BYTES_MAX ? group_of(sketch, subject, &group) : 0;
    if (group)
        group_add(group, hash_text(name, 0), (struct text){name.ptr, cut_length(name)}, times);
    return code;
}

int name_sketch_merge(struct name_sketch *into, const struct name_sketch *from)
{
    for (uint32_t i = 0; i < from->count; i++) {
        const struct group *other = from->groups[i];
        struct group *group;
        if (group_of(into, subject_of(other), &group) != 0)
            return ERR_NOMEM;
        for (uint32_t e = 0; group && e < other->count; e++)
            group_add(group, other->entries[e].hash,
                      (struct text){other->entries[e].name, other->entries[e].len}, other->entries[e].count);
    }
    return 0;
}

/* ---- bytes ---- */

void name_sketch_encode(const struct name_sketch *sketch, struct strbuf *out)
{
    strbuf_addc(out, FORMAT);
    strbuf_add_varint(out, sketch->count);
    for (uint32_t i = 0; i < sketch->count; i++) {
        const struct group *group = sketch->groups[i];
        strbuf_add_varint(out, group->subject_len);
        strbuf_add(out, group->subject, group->subject_len);
        strbuf_add_varint(out, group->count);
        for (uint32_t e = 0; e < group->count; e++) {
            const struct entry *entry = &group->entries[e];
            strbuf_add_varint(out, entry->hash);
            strbuf_add_varint(out, entry->count);
            strbuf_add_varint(out, entry->len);
            strbuf_add(out, entry->name, entry->len);
        }
    }
}

static bool decode_entry(struct cursor *in, struct group *group)
{
    uint64_t hash = cursor_varint(in), count = cursor_varint(in), len = cursor_varint(in);
    const char *name = len <= NAME_SKETCH_BYTES_MAX ? cursor_bytes(in, len) : NULL;
    if (in->failed || (len && !name) || len > NAME_SKETCH_BYTES_MAX || count == 0)
        return false;
    if (group)
        group_add(group, hash, (struct text){name, (uint32_t)len}, count);
    return true;
}

int name_sketch_decode_merge(const void *bytes, size_t len, struct name_sketch *into)
{
    struct cursor in = {.at = bytes, .end = (const unsigned char *)bytes + len};
    const unsigned char *format = cursor_bytes(&in, 1);
    uint64_t groups = cursor_varint(&in);
    if (in.failed || *format != FORMAT || groups > NAME_SKETCH_SUBJECTS)
        return ERR_CORRUPT;
    while (groups--) {
        uint64_t subject_len = cursor_varint(&in);
        const char *subject = subject_len <= SUBJECT_BYTES_MAX ? cursor_bytes(&in, subject_len) : NULL;
        uint64_t count = cursor_varint(&in);
        struct group *group;
        if (in.failed || !subject || count > NAME_SKETCH_NAMES)
            return ERR_CORRUPT;
        int code = group_of(into, (struct text){subject, (uint32_t)subject_len}, &group);
        if (code != 0)
            return code;
        while (count--)
            if (!decode_entry(&in, group))
                return ERR_CORRUPT;
    }
    return in.at == in.end ? 0 : ERR_CORRUPT;
}

/* ---- reading ---- */

static int compare_names(const void *a, const void *b)
{
    const struct sketched_name *x = a, *y = b;
    return x->count != y->count ? (x->count > y->count ? -1 : 1) : text_compare(x->name, y->name);
}

uint32_t name_sketch_names(const struct name_sketch *sketch, struct text subject,
                           struct sketched_name out[NAME_SKETCH_NAMES])
{
    const struct group *group = group_at(sketch, place_of(sketch, hash_text(subject, 0), subject), subject);
    if (!group)
        return 0;
    for (uint32_t i = 0; i < group->count; i++)
        out[i] =
            (struct sketched_name){{group->entries[i].name, group->entries[i].len}, group->entries[i].count};
    qsort(out, group->count, sizeof(*out), compare_names);
    return group->count;
}
