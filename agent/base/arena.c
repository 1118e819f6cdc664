#include "agent/base/arena.h"

#include <stdint.h>
#include <stdlib.h>

struct block {
    struct block *next; /* older */
    size_t size, used;
    _Alignas(16) unsigned char bytes[];
};

struct arena {
    struct block *blocks; /* newest first; the last one is the first ever, kept over resets */
    size_t block_bytes, max_bytes, total_bytes;
};

static struct block *block_new(size_t size)
{
    struct block *block = malloc(sizeof(*block) + size);
    if (block)
        *block = (struct block){NULL, size, 0};
    return block;
}

struct arena *arena_new(size_t block_bytes, size_t max_bytes)
{
    struct arena *arena = malloc(sizeof(*arena));
    if (!arena)
        return NULL;
    *arena =
        (struct arena){NULL, block_bytes ? block_bytes : 4096, max_bytes ? max_bytes : (size_t)1 << 30, 0};
    return arena;
}

void arena_free(struct arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks && arena->blocks->next) {
        struct block *old = arena->blocks;
        arena->blocks = old->next;
        arena->total_bytes -= old->size;
        free(old);
    }
    if (arena->blocks)
        arena->blocks->used = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->max_bytes)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    if (size == 0)
        size = 16;
    struct block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t block_size = size > arena->block_bytes ? size : arena->block_bytes;
        if (arena->total_bytes + block_size > arena->max_bytes)
            return NULL;
        block = block_new(block_size);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->total_bytes += block_size;
    }
    void *out = block->bytes + block->used;
    block->used += size;
    return out;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *out = arena_alloc(arena, size);
    if (out)
        memset(out, 0, size);
    return out;
}

char *arena_text(struct arena *arena, struct text text)
{
    char *out = arena_alloc(arena, (size_t)text.len + 1);
    if (!out)
        return NULL;
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return out;
}

char *arena_strdup(struct arena *arena, const char *string)
{
    return arena_text(arena, text_of(string));
}

size_t arena_bytes(const struct arena *arena)
{
    return arena->total_bytes;
}
