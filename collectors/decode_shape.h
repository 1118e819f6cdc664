#ifndef DRIFTD_COLLECTORS_DECODE_SHAPE_H
#define DRIFTD_COLLECTORS_DECODE_SHAPE_H
/*
 * What the scanner has learned of the objects at each place of the events: their keys, what is done with each
 * one's value, and which key follows which. A producer writes its keys in the same order again and again, so
 * the next key is a guess that one comparison of bytes confirms. Bounded; only learning allocates.
 */
#include "collectors/decode_internal.h"

enum { KEY_RAW_BYTES = 32, GROUP_NO = 0xff };

struct shape;

/* A member's key, or the items of an array, and its value's place. */
struct shape_key {
    unsigned char raw[KEY_RAW_BYTES]; /* the start of `"name":` as last spelled, zeros behind */
    uint32_t raw_len;                 /* 0: no guess possible */
    uint32_t next;                    /* the key that followed last time, MAP_NONE: none known */
    uint64_t stamp;                   /* serial of the object that had it last: finds duplicates */
    uint32_t slot, node;              /* MAP_NONE: none */
    uint32_t name_id;                 /* when a group takes it */
    uint8_t group;                    /* the group that takes it, GROUP_NO: none */
    uint8_t more_groups;              /* bits of further groups */
    uint8_t place_groups;             /* bits: their object stands here */
    struct text name;                 /* unescaped */
    const char *raw_rest;             /* what follows raw[] of a long key */
    uint64_t hash;
    struct shape *child;     /* objects found here; arrays when the mapping has a place inside them */
    struct shape_key *items; /* items of arrays found here */
};

struct shape {
    struct shape *older; /* all shapes, for freeing */
    uint32_t node;       /* of the mapping's trie, MAP_NONE: an object nobody asks about */
    uint32_t first;      /* the key an object began with last time */
    struct shape_key *keys;
    uint32_t count, capacity;
    uint32_t *table; /* open addressing, key + 1 */
    uint32_t table_mask;
};

struct scanner {
    struct arena *arena;
    struct shape *shapes; /* newest first */
    struct shape *root;
    uint32_t shape_count, plain_key_count;
    uint64_t serial; /* of objects */
    uint64_t seed;   /* of the hash: not known to those who write events */
};

/* Index of the key with this name in the shape, learned when new; MAP_NONE when it cannot be (limits, memory,
 * a name that no table may hold). */
uint32_t shape_key_find(struct decoder *decoder, struct shape *shape, struct text name);
/* Remembers how the key is spelled: [raw, raw + len) is `"…":`. */
void shape_key_spell(struct scanner *scanner, struct shape_key *key, const char *raw, size_t len);
/* The shape of objects at the key; NULL when it cannot be made. */
struct shape *shape_child(struct scanner *scanner, struct shape_key *key);
/* The place of the items of arrays at the key; NULL when it cannot be made. */
struct shape_key *shape_items(struct scanner *scanner, struct shape_key *key);

#endif
