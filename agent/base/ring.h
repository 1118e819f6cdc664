#ifndef DRIFTD_BASE_RING_H
#define DRIFTD_BASE_RING_H
/*
 * A single-producer single-consumer queue of pointers. Exactly one thread pushes, exactly one pops;
 * wait-free; what was written before ring_push is visible after the ring_pop that returns it. Does not own
 * what it carries.
 */
#include <stdbool.h>
#include <stdint.h>

struct ring;

/* `capacity` is rounded up to a power of two. */
struct ring *ring_new(uint32_t capacity);
void ring_free(struct ring *ring);
bool ring_push(struct ring *ring, void *item); /* false: full */
void *ring_pop(struct ring *ring);             /* NULL: empty */
bool ring_is_full(const struct ring *ring);    /* producer side */

#endif
