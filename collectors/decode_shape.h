#ifndef DRIFTD_COLLECTORS_DECODE_SHAPE_H
#define DRIFTD_COLLECTORS_DECODE_SHAPE_H
/*
 * What the scanner has learned of the objects at each place of the events: their keys, what is done with each
 * one's value, and which key follows which. A producer writes its keys in the same order again and again, so
 * the next key is a guess that one comparison of bytes confirms. Bounded; only learning allocates.
 */
#include "collectors/decode_internal.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { KEY_RAW_BYTES = 32, KEY_NAME_BYTES = 16 };

/* What the value of a key needs besides being stored at its target. */
enum key_flag {
    KEY_GROUPED = 1, /* it is a member of `group`: its target is the group's next item */
    KEY_SHARED = 2,  /* several places want it: more groups, or a slot too */
    KEY_PLACE = 4    /* groups expect their object here */
};

struct shape;

/* A member's key, or the items of an array, and its value's place. Its address never changes. What every
 * event needs comes first. */
struct shape_key {
    /* The bytes from the brace or comma ahead of the key to its value, blanks too, as last spelled. */
    _Alignas(16) unsigned char raw[KEY_RAW_BYTES];
    uint32_t raw_free;            /* bits of those bytes of raw[] that do not count */
    uint32_t raw_len;             /* of the whole; unguessable keys are longer than any payload */
    struct shape_key *next;       /* the key that followed last time, or scanner->nothing */
    uint64_t stamp;               /* serial of the object that had it last: finds duplicates */
    struct value *target;         /* its slot, or scanner->nowhere */
    struct captured_group *group; /* KEY_GROUPED: whose member it is */
    struct text name;             /* unescaped */
    uint32_t name_id;             /* KEY_GROUPED */
    uint8_t flags;                /* enum key_flag */
    uint8_t more_groups;          /* KEY_SHARED: bits of further groups */
    uint8_t place_groups;         /* KEY_PLACE: bits */
    /* A name of up to 16 bytes, then zeros; longer ones have bytes here that are in no name. */
    _Alignas(16) unsigned char short_name[KEY_NAME_BYTES];
    uint32_t slot, node;     /* MAP_NONE: none */
    const char *raw_rest;    /* what follows raw[] of a long key */
    uint64_t hash;           /* of the name */
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
    uint32_t disorders; /* objects in a row in whose keys most guesses were wrong */
    uint32_t unguessed; /* so many further objects are read without guessing */
};

struct scanner {
    struct arena *arena;
    struct shape *shapes; /* newest first */
    struct shape *root;
    struct shape_key *nothing; /* a key that no bytes match: the guess when there is none */
    struct value nowhere;      /* where values go that nobody asks for */
    uint32_t shape_count, plain_key_count;
    struct tracks *tracks;
    uint64_t serial;          /* of objects */
    uint64_t seed, seed_high; /* of the hash: not known to those who write events */
};

static inline uint64_t shape_hash_short(const struct scanner *scanner, uint64_t low, uint64_t high)
{
    uint128 product = (uint128)(low ^ scanner->seed) * (high ^ scanner->seed_high);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#if defined(__SSE2__)
/* The learned key whose name is the 16 bytes, zeros behind it; NULL: none. */
static inline struct shape_key *shape_key_find_short(const struct scanner *scanner, const struct shape *shape,
                                                     __m128i name)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(name);
    uint64_t high = (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(name, name));
    uint32_t at = (uint32_t)shape_hash_short(scanner, low, high) & shape->table_mask;
    struct shape_key *key;
    for (; (key = shape->table[at]) != NULL; at = (at + 1) & shape->table_mask) {
        __m128i own = _mm_load_si128((const __m128i *)(const void *)key->short_name);
        if (LIKELY(_mm_movemask_epi8(_mm_cmpeq_epi8(own, name)) == 0xffff))
            return key;
    }
    return NULL;
}
#endif

/* The key with this name in the shape, learned when new; NULL when it cannot be (limits, memory, a name that
 * no table may hold). */
struct shape_key *shape_key_find(struct decoder *decoder, struct shape *shape, struct text name);
/* Remembers how the key is spelled: [raw, raw + len) is `"…":`, with the blanks around it. */
void shape_key_spell(struct scanner *scanner, struct shape_key *key, const char *raw, size_t len);
/* The shape of objects at the key; NULL when it cannot be made. */
struct shape *shape_child(struct scanner *scanner, struct shape_key *key);
/* The place of the items of arrays at the key; NULL when it cannot be made. */
struct shape_key *shape_items(struct scanner *scanner, struct shape_key *key);

#endif
