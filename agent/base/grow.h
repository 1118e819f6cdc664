#ifndef DRIFTD_BASE_GROW_H
#define DRIFTD_BASE_GROW_H
/*
 * Arrays that grow by doubling, so that n appends cost O(n). The array has room for *capacity items (NULL: 0)
 * and gets room for twice as many, for `first` of them at the beginning. Returns where it is now, which the
 * caller keeps instead of `items`; what is new is not initialised. NULL: no memory, and nothing has changed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline void *grow_array(void *items, uint32_t *capacity, uint32_t first, size_t item_bytes)
{
    uint64_t wanted = *capacity ? 2 * (uint64_t)*capacity : first;
    void *grown = wanted <= UINT32_MAX ? realloc(items, (size_t)wanted * item_bytes) : NULL;
    if (grown)
        *capacity = (uint32_t)wanted;
    return grown;
}

/* The same; what is new is 0. */
static inline void *grow_zeroed(void *items, uint32_t *capacity, uint32_t first, size_t item_bytes)
{
    uint32_t before = *capacity;
    char *grown = grow_array(items, capacity, first, item_bytes);
    if (grown)
        memset(grown + before * item_bytes, 0, (*capacity - before) * item_bytes);
    return grown;
}

#endif
