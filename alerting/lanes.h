#ifndef DRIFTD_ALERTING_LANES_H
#define DRIFTD_ALERTING_LANES_H
/*
 * The items that wait for one sink. Items of one entity form a lane and leave it one by one in the order they
 * came: the next begins only when the one before is delivered or dead. Lanes with a free head lie in a heap
 * by due time (monotonic) and arrival: O(log lanes) per operation. Owns the items.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"

enum { DELIVERY_ID_MAX = 64 };

struct lane;

struct delivery {
    char id[DELIVERY_ID_MAX + 1];
    char *body;
    size_t body_len;
    int64_t created_ms; /* wall clock */
    int64_t due_ms;     /* monotonic */
    uint32_t attempts;
    uint64_t sequence;
    struct lane *lane;
    struct delivery *next;
};

struct lanes {
    struct lane **buckets; /* by entity */
    struct lane **heap;
    uint32_t heap_count, heap_capacity;
    uint32_t count; /* items, those in flight included */
    size_t bytes;
    uint64_t sequence;
};

int lanes_init(struct lanes *lanes) MUST_USE;
void lanes_release(struct lanes *lanes);
/* Copies everything. 0 and nothing added when that id waits in this lane already. ERR_NOMEM. */
int lanes_push(struct lanes *lanes, const char *id, const char *entity, const char *body, size_t body_len,
               int64_t created_ms, int64_t due_ms, uint32_t attempts) MUST_USE;
/* When the next free head is due; INT64_MAX: there is none. */
int64_t lanes_due_ms(const struct lanes *lanes);
/* Takes the head that is due out of the heap: in flight until lanes_retry or lanes_drop. NULL: none. */
struct delivery *lanes_take(struct lanes *lanes, int64_t now_ms);
void lanes_retry(struct lanes *lanes, struct delivery *delivery, int64_t due_ms);
/* Frees the item; its successor is free now. */
void lanes_drop(struct lanes *lanes, struct delivery *delivery);

#endif
