#include "agent/base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/base/err.h"

/* From two huge pages on: what is lost by rounding up is little. */
static const size_t huge_bytes = (size_t)2 << 20, mapped_from_bytes = (size_t)4 << 20;

static size_t mapped_bytes(size_t bytes)
{
    return (bytes + huge_bytes - 1) & ~(huge_bytes - 1);
}

/* Address space on the boundary of a huge page, nothing in it yet. */
static char *reserve(size_t bytes)
{
    size_t slack = bytes + huge_bytes;
    char *memory = mmap(NULL, slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)memory & (huge_bytes - 1);
    if (before)
        (void)munmap(memory, before);
    (void)munmap(memory + before + bytes, slack - before - bytes);
    return memory + before;
}

static bool map_at(char *at, size_t bytes)
{
    if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    (void)madvise(at, bytes, MADV_HUGEPAGE); /* a wish: small pages do as well */
    return true;
}

static char *map_new(size_t bytes)
{
    char *memory = reserve(bytes);
    if (memory && !map_at(memory, bytes)) {
        (void)munmap(memory, bytes);
        return NULL;
    }
    return memory;
}

static char *map_grow(void *memory, size_t old_bytes, size_t bytes)
{
    char *grown = reserve(bytes);
    if (!grown)
        return NULL;
    if (!map_at(grown + old_bytes, bytes - old_bytes) ||
        mremap(memory, old_bytes, old_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, grown) == MAP_FAILED) {
        (void)munmap(grown, bytes);
        return NULL;
    }
    return grown;
}

void *pages_new(size_t bytes)
{
    return bytes < mapped_from_bytes ? calloc(1, bytes) : map_new(mapped_bytes(bytes));
}

void *pages_grow(void *memory, size_t old_bytes, size_t bytes)
{
    BUG_ON(bytes <= old_bytes);
    if (bytes < mapped_from_bytes) {
        char *grown = realloc(memory, bytes);
        if (grown)
            memset(grown + old_bytes, 0, bytes - old_bytes);
        return grown;
    }
    if (old_bytes >= mapped_from_bytes) {
        if (mapped_bytes(bytes) == mapped_bytes(old_bytes))
            return memory; /* nothing was ever written behind its end */
        return map_grow(memory, mapped_bytes(old_bytes), mapped_bytes(bytes));
    }
    char *grown = map_new(mapped_bytes(bytes));
    if (grown && memory)
        memcpy(grown, memory, old_bytes);
    if (grown)
        free(memory);
    return grown;
}

void pages_free(void *memory, size_t bytes)
{
    if (memory && bytes >= mapped_from_bytes)
        (void)munmap(memory, mapped_bytes(bytes));
    else
        free(memory);
}
