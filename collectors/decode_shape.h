#ifndef DRIFTD_COLLECTORS_DECODE_SHAPE_H
#define DRIFTD_COLLECTORS_DECODE_SHAPE_H
/*
 * What the scanner has learned of the objects at each place of the events: their keys, what is done with each
 * one's value, and which key follows which. A producer writes its keys in the same order again and again, so
 * the next key is a guess that one comparison of bytes confirms. Bounded; only learning allocates.
 */
#include "collectors/decode_internal.h"

enum { KEY_RAW_BYTES = 32 };

/* What the value of a key needs besides being stored at its target. */
enum key_flag {
    KEY_GROUPED = 1, /* it is a member of `group`: its target is the group's next item */
    KEY_SHARED = 2,  /* several places want it: more groups, or a slot too */
    KEY_PLACE = 4,   /* groups expect their object here */
    KEY_LONG = 8     /* its spelling goes on in raw_rest */
};

struct shape;

/* A member's key, or the items of an array, and its value's place. Its address never changes. */
struct shape_key {
    unsigned char raw[KEY_RAW_BYTES]; /* the start of `"name":` as last spelled */
    uint32_t raw_bits;      /* which bytes of raw count; unguessable keys have one that never matches */
    uint32_t raw_len;       /* of the whole spelling */
    struct shape_key *next; /* the key that followed last time, or scanner->nothing */
    uint64_t stamp;         /* serial of the object that had it last: finds duplicates */
    struct value *target;   /* its slot, or scanner->nowhere */
    uint8_t flags;          /* enum key_flag */
    uint8_t group;          /* KEY_GROUPED: which */
    uint8_t more_groups;    /* KEY_SHARED: bits of further groups */
    uint8_t place_groups;   /* KEY_PLACE: bits */
    uint32_t name_id;       /* KEY_GROUPED */
    struct text name;       /* unescaped */
    uint32_t slot, node;    /* MAP_NONE: none */
    const char *raw_rest;   /* what follows raw[] of a long key */
    uint64_t hash;
    struct shape *child;     /* objects found here; arrays when the mapping has a place inside them */
    struct shape_key *items; /* items of arrays found here */
};

struct shape {
    struct shape *older;      /* all shapes, for freeing */
    uint32_t node;            /* of the mapping's trie, MAP_NONE: an object nobody asks about */
    uint32_t count;           /* of keys */
    struct shape_key *first;  /* the key an object began with last time, or scanner->nothing */
    struct shape_key **table; /* open addressing; NULL: free */
    uint32_t table_mask;
};

struct scanner {
    struct arena *arena;
    struct shape *shapes; /* newest first */
    struct shape *root;
    struct shape_key *nothing; /* a key that no bytes match: the guess when there is none */
    struct value nowhere;      /* where values go that nobody asks for */
    uint32_t shape_count, plain_key_count;
    uint64_t serial; /* of objects */
    uint64_t seed;   /* of the hash: not known to those who write events */
};

/* The key with this name in the shape, learned when new; NULL when it cannot be (limits, memory, a name that
 * no table may hold). */
struct shape_key *shape_key_find(struct decoder *decoder, struct shape *shape, struct text name);
/* Remembers how the key is spelled: [raw, raw + len) is `"…":`. */
void shape_key_spell(struct scanner *scanner, struct shape_key *key, const char *raw, size_t len);
/* The shape of objects at the key; NULL when it cannot be made. */
struct shape *shape_child(struct scanner *scanner, struct shape_key *key);
/* The place of the items of arrays at the key; NULL when it cannot be made. */
struct shape_key *shape_items(struct scanner *scanner, struct shape_key *key);

#endif
