#ifndef DRIFTD_AGENT_SCORE_POOL_H
#define DRIFTD_AGENT_SCORE_POOL_H
/*
 * Scores of several classes beside the few entries that have them: blocks of 4, 8, 16 or 32 codes, each found
 * by a handle of 32 bits. Freed blocks are used again and never given back, so memory is what was needed at
 * most: at most 64 bytes for each entry that waits. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/class_scores.h"

#define SCORES_NONE 0u

struct score_pool;
struct score_pool *score_pool_new(void);
void score_pool_free(struct score_pool *pool);

/* A copy. SCORES_NONE: no memory. O(count) */
uint32_t score_pool_put(struct score_pool *pool, const struct class_scores *scores) MUST_USE;
/* As put, maybe with further zeros. */
void score_pool_get(const struct score_pool *pool, uint32_t handle, struct class_scores *out);
void score_pool_drop(struct score_pool *pool, uint32_t handle);
size_t score_pool_bytes(const struct score_pool *pool);

#endif
