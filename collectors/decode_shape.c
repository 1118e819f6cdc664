#include "collectors/decode_shape.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "agent/base/hash.h"
#include "collectors/decode_track.h"

enum {
    SHAPES_MAX = 1024,
    PLAIN_KEYS_MAX = 8192,        /* keys that no group takes: learned only to be guessed */
    PLAIN_KEY_BYTES_MAX = 256,    /* longer ones are left to the slow path */
    SCANNER_BYTES_MAX = 64 << 20, /* arena */
    TABLE_FIRST = 64,
    TABLE_SPARSENESS = 8, /* places for each key: every collision is a mispredicted branch */
};

/* A key that is not guessed: its first byte is in no JSON text, and no payload is as long as its spelling. */
static struct shape_key *key_new(struct scanner *scanner)
{
    struct shape_key *key = arena_zalloc(scanner->arena, sizeof(*key));
    if (!key)
        return NULL;
    key->raw[0] = 0xff;
    key->raw_free = UINT32_MAX - 1;
    key->raw_len = UINT32_MAX;
    memset(key->short_name, 0xff, sizeof(key->short_name));
    key->next = scanner->nothing ? scanner->nothing : key;
    key->target = &scanner->nowhere;
    key->slot = key->node = MAP_NONE;
    return key;
}

static struct shape *shape_new(struct scanner *scanner, uint32_t node)
{
    if (scanner->shape_count >= SHAPES_MAX)
        return NULL;
    struct shape *shape = calloc(1, sizeof(*shape));
    if (!shape)
        return NULL;
    shape->table_mask = TABLE_FIRST - 1;
    shape->table = calloc((size_t)shape->table_mask + 1, sizeof(*shape->table));
    if (!shape->table) {
        free(shape);
        return NULL;
    }
    shape->node = node;
    shape->first = scanner->nothing;
    shape->older = scanner->shapes;
    scanner->shapes = shape;
    scanner->shape_count++;
    return shape;
}

struct scanner *scanner_new(struct decoder *decoder)
{
    struct scanner *scanner = calloc(1, sizeof(*scanner));
    if (!scanner)
        return NULL;
    /* The seed changes how long look-ups take, never what they find. */
    uint64_t seeds[2];
    if (getrandom(seeds, sizeof(seeds), GRND_NONBLOCK) != (ssize_t)sizeof(seeds)) {
        seeds[0] = hash_mix((uint64_t)(uintptr_t)scanner ^ (uint64_t)time(NULL));
        seeds[1] = hash_mix(seeds[0]);
    }
    scanner->seed = seeds[0];
    scanner->seed_high = seeds[1];
    scanner->arena = arena_new(16384, SCANNER_BYTES_MAX);
    scanner->nothing = scanner->arena ? key_new(scanner) : NULL;
    scanner->root = scanner->nothing ? shape_new(scanner, 0) : NULL;
    scanner->tracks = scanner->root ? tracks_new(decoder) : NULL;
    if (!scanner->tracks) {
        scanner_free(scanner);
        return NULL;
    }
    return scanner;
}

void scanner_free(struct scanner *scanner)
{
    if (!scanner)
        return;
    for (struct shape *shape = scanner->shapes, *older; shape; shape = older) {
        older = shape->older;
        free(shape->table);
        free(shape);
    }
    tracks_free(scanner->tracks);
    arena_free(scanner->arena);
    free(scanner);
}

static uint32_t table_slot(const struct shape *shape, struct text name, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & shape->table_mask;
    for (; shape->table[at]; at = (at + 1) & shape->table_mask)
        if (shape->table[at]->hash == hash && text_equal(shape->table[at]->name, name))
            break;
    return at;
}

static bool shape_grow(struct shape *shape)
{
    if ((shape->count + 1) * TABLE_SPARSENESS <= shape->table_mask)
        return true;
    uint32_t mask = shape->table_mask * 2 + 1;
    struct shape_key **table = calloc((size_t)mask + 1, sizeof(*table));
    if (!table)
        return false;
    for (uint32_t i = 0; i <= shape->table_mask; i++) {
        if (!shape->table[i])
            continue;
        uint32_t at = (uint32_t)shape->table[i]->hash & mask;
        while (table[at])
            at = (at + 1) & mask;
        table[at] = shape->table[i];
    }
    free(shape->table);
    shape->table = table;
    shape->table_mask = mask;
    return true;
}

/* Fills the key's place from the mapping. False when the key must not be learned. */
static bool key_place(struct decoder *decoder, const struct shape *shape, struct shape_key *key,
                      struct text name)
{
    const struct mapping *mapping = decoder->mapping;
    struct scanner *scanner = decoder->scanner;
    uint8_t groups = 0;
    if (shape->node != MAP_NONE) {
        key->node = mapping_child(mapping, shape->node, name);
        if (key->node != MAP_NONE) {
            key->slot = mapping->nodes[key->node].slot;
            key->place_groups = mapping->nodes[key->node].groups;
            if (key->slot != MAP_NONE)
                key->target = &decoder->slots[key->slot];
            if (key->place_groups)
                key->flags |= KEY_PLACE;
        }
        groups = mapping_member_groups(mapping, shape->node, name);
    }
    if (groups == 0) {
        if (scanner->plain_key_count >= PLAIN_KEYS_MAX || name.len > PLAIN_KEY_BYTES_MAX)
            return false;
        key->name = (struct text){arena_text(scanner->arena, name), name.len};
        scanner->plain_key_count += key->name.ptr != NULL;
        return key->name.ptr != NULL;
    }
    if (!mapping_name_is_sound(name, decoder->limits.name_bytes))
        return false;
    key->name_id = intern_add(decoder->names, name);
    if (key->name_id == INTERN_NONE)
        return false;
    key->name = intern_text(decoder->names, key->name_id);
    key->group = &decoder->groups[__builtin_ctz(groups)];
    key->more_groups = groups & (uint8_t)(groups - 1);
    key->flags |= KEY_GROUPED | (key->more_groups || key->slot != MAP_NONE ? KEY_SHARED : 0);
    return true;
}

static uint64_t name_hash(const struct scanner *scanner, struct text name)
{
    if (name.len > KEY_NAME_BYTES)
        return hash_text(name, scanner->seed);
    uint64_t words[2] = {0, 0};
    memcpy(words, name.ptr, name.len);
    return shape_hash_short(scanner, words[0], words[1]);
}

struct shape_key *shape_key_find(struct decoder *decoder, struct shape *shape, struct text name)
{
    uint64_t hash = name_hash(decoder->scanner, name);
    struct shape_key *key = shape->table[table_slot(shape, name, hash)];
    if (key)
        return key;
    struct shape_key place = {.slot = MAP_NONE, .node = MAP_NONE, .target = &decoder->scanner->nowhere};
    if (!key_place(decoder, shape, &place, name) || !shape_grow(shape))
        return NULL;
    key = key_new(decoder->scanner);
    if (!key)
        return NULL;
    if (name.len <= KEY_NAME_BYTES) {
        memset(key->short_name, 0, sizeof(key->short_name));
        memcpy(key->short_name, name.ptr, name.len);
    }
    key->hash = hash;
    key->name = place.name;
    key->name_id = place.name_id;
    key->slot = place.slot;
    key->node = place.node;
    key->target = place.target;
    key->flags = place.flags;
    key->group = place.group;
    key->more_groups = place.more_groups;
    key->place_groups = place.place_groups;
    shape->table[table_slot(shape, name, hash)] = key;
    shape->count++;
    return key;
}

void shape_key_spell(struct scanner *scanner, struct shape_key *key, const char *raw, size_t len)
{
    size_t head = len < KEY_RAW_BYTES ? len : KEY_RAW_BYTES;
    if (len > KEY_RAW_BYTES) {
        /* The rest is kept once: spelling a long key in ever new ways must not cost memory. */
        if (key->raw_rest || len > 1024)
            return;
        struct text rest = {raw + KEY_RAW_BYTES, (uint32_t)(len - KEY_RAW_BYTES)};
        key->raw_rest = arena_text(scanner->arena, rest);
        if (!key->raw_rest)
            return;
    }
    memset(key->raw, 0, sizeof(key->raw));
    memcpy(key->raw, raw, head);
    key->raw_free = head == KEY_RAW_BYTES ? 0 : UINT32_MAX << head;
    key->raw_len = (uint32_t)len;
}

struct shape *shape_child(struct scanner *scanner, struct shape_key *key)
{
    if (!key->child)
        key->child = shape_new(scanner, key->node);
    return key->child;
}

struct shape_key *shape_items(struct scanner *scanner, struct shape_key *key)
{
    if (!key->items)
        key->items = key_new(scanner);
    return key->items;
}
