#include "agent/score_pool.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"

enum {
    SIZES = 4,       /* a handle: index of the block, size in the two lowest bits; plus 1 */
    WIDTH_LEAST = 4, /* codes */
    CHUNK_BLOCKS = 1024,
    BLOCKS_MAX = 1 << 30 /* of a size */
};

struct blocks {
    uint16_t **chunks; /* of CHUNK_BLOCKS blocks each */
    uint32_t chunk_count, chunk_capacity;
    uint32_t used; /* blocks that were ever given out */
    uint32_t
        spare; /* index + 1 of the last that was dropped, whose first bytes say the one before; 0: none */
};

struct score_pool {
    struct blocks sizes[SIZES];
};

struct score_pool *score_pool_new(void)
{
    return calloc(1, sizeof(struct score_pool));
}

void score_pool_free(struct score_pool *pool)
{
    for (uint32_t size = 0; pool && size < SIZES; size++) {
        for (uint32_t i = 0; i < pool->sizes[size].chunk_count; i++)
            free(pool->sizes[size].chunks[i]);
        free(pool->sizes[size].chunks);
    }
    free(pool);
}

static uint32_t width_of(uint32_t size)
{
    return (uint32_t)WIDTH_LEAST << size;
}

static uint16_t *block_at(const struct score_pool *pool, uint32_t size, uint32_t index)
{
    return pool->sizes[size].chunks[index / CHUNK_BLOCKS] + (size_t)(index % CHUNK_BLOCKS) * width_of(size);
}

static bool grow(struct blocks *blocks, uint32_t width)
{
    if (blocks->used < blocks->chunk_count * CHUNK_BLOCKS)
        return true;
    if (blocks->chunk_count == blocks->chunk_capacity) {
        uint16_t **chunks = grow_array(blocks->chunks, &blocks->chunk_capacity, 16, sizeof(uint16_t *));
        if (!chunks)
            return false;
        blocks->chunks = chunks;
    }
    uint16_t *chunk = malloc((size_t)CHUNK_BLOCKS * width * sizeof(uint16_t));
    if (chunk)
        blocks->chunks[blocks->chunk_count++] = chunk;
    return chunk != NULL;
}

uint32_t score_pool_put(struct score_pool *pool, const struct class_scores *scores)
{
    uint32_t size = 0, index;
    while (width_of(size) < scores->count)
        size++;
    struct blocks *blocks = &pool->sizes[size];
    if (blocks->spare) {
        index = blocks->spare - 1;
        memcpy(&blocks->spare, block_at(pool, size, index), sizeof(blocks->spare));
    } else {
        if (blocks->used == BLOCKS_MAX || !grow(blocks, width_of(size)))
            return SCORES_NONE;
        index = blocks->used++;
    }
    uint16_t *block = block_at(pool, size, index);
    memset(block, 0, width_of(size) * sizeof(*block));
    memcpy(block, scores->codes, scores->count * sizeof(*block));
    return (index << 2 | size) + 1;
}

void score_pool_get(const struct score_pool *pool, uint32_t handle, struct class_scores *out)
{
    uint32_t size = (handle - 1) & (SIZES - 1);
    out->count = width_of(size);
    memcpy(out->codes, block_at(pool, size, (handle - 1) >> 2), out->count * sizeof(*out->codes));
}

void score_pool_drop(struct score_pool *pool, uint32_t handle)
{
    if (handle == SCORES_NONE)
        return;
    uint32_t size = (handle - 1) & (SIZES - 1), index = (handle - 1) >> 2;
    struct blocks *blocks = &pool->sizes[size];
    memcpy(block_at(pool, size, index), &blocks->spare, sizeof(blocks->spare));
    blocks->spare = index + 1;
}

size_t score_pool_bytes(const struct score_pool *pool)
{
    size_t bytes = sizeof(*pool);
    for (uint32_t size = 0; size < SIZES; size++)
        bytes += pool->sizes[size].chunk_capacity * sizeof(uint16_t *) +
                 (size_t)pool->sizes[size].chunk_count * CHUNK_BLOCKS * width_of(size) * sizeof(uint16_t);
    return bytes;
}
