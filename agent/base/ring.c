#include "agent/base/ring.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ring {
    uint32_t mask;
    _Alignas(64) _Atomic uint32_t head; /* next to pop; written by the consumer */
    _Alignas(64) _Atomic uint32_t tail; /* next to push; written by the producer */
    _Alignas(64) void *items[];
};

struct ring *ring_new(uint32_t capacity)
{
    uint32_t size = 2;
    while (size < capacity && size < UINT32_C(1) << 30)
        size *= 2;
    size_t bytes = sizeof(struct ring) + size * sizeof(void *);
    struct ring *ring = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (!ring)
        return NULL;
    ring->mask = size - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    return ring;
}

void ring_free(struct ring *ring)
{
    free(ring);
}

bool ring_is_full(const struct ring *ring)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    return tail - head > ring->mask;
}

bool ring_push(struct ring *ring, void *item)
{
    if (ring_is_full(ring))
        return false;
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    ring->items[tail & ring->mask] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

void *ring_pop(struct ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head == tail)
        return NULL;
    void *item = ring->items[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}
