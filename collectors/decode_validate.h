#ifndef DRIFTD_COLLECTORS_DECODE_VALIDATE_H
#define DRIFTD_COLLECTORS_DECODE_VALIDATE_H
/*
 * The validating pass: RFC 8259 to the letter, and our rules on top (UTF-8, no lone surrogates, no \u0000, no
 * duplicate keys in any object, finite numbers, depth, sizes). Byte by byte and without cleverness, because
 * it is what the fast path is compared with. Collects the text of every number in document order.
 */
#include "collectors/decode_internal.h"

struct seen_key {
    uint64_t hash;
    struct text name; /* unescaped */
    uint32_t object;
};

struct validator {
    const char *start, *at, *end;
    uint32_t depth_max, members_max;
    uint64_t seed;
    struct text *numbers;
    uint32_t number_count;
    struct seen_key *keys;
    uint32_t key_count;
    uint32_t *table; /* open addressing, key + 1 */
    uint32_t table_mask;
    uint32_t object_count;
    char *scratch; /* unescaped keys */
    size_t scratch_used;
    /* what was wrong, and where */
    enum reject reject;
    const char *what;
    const char *where;
};

/* Everything allocated for payloads of at most `event_bytes`. */
int validator_init(struct validator *validator, const struct decode_limits *limits, uint64_t seed) MUST_USE;
void validator_release(struct validator *validator);
/* REJECT_NONE: valid JSON and an object. */
enum reject validator_run(struct validator *validator, const char *at, uint32_t len);

#endif
