/* score_pool.c: what was put is got back, blocks are used again, memory stays within what was needed at most.
 */
#include "agent/score_pool.h"

#include <stdlib.h>

#include "tests/unit/near.h"

enum { ENTRIES = 20000 };

static struct class_scores scores_of(uint32_t seed)
{
    struct class_scores out = {.count = seed % (CLASS_SCORES_MAX + 1)};
    for (uint32_t i = 0; i < out.count; i++)
        out.codes[i] = (uint16_t)(seed * 31 + i * 7 + 1);
    return out;
}

static void assert_held(const struct score_pool *pool, uint32_t handle, uint32_t seed)
{
    struct class_scores wanted = scores_of(seed), got;
    score_pool_get(pool, handle, &got);
    assert_true(got.count >= wanted.count && got.count <= CLASS_SCORES_MAX);
    for (uint32_t i = 0; i < got.count; i++)
        assert_int_equal(got.codes[i], i < wanted.count ? wanted.codes[i] : 0);
}

static void test_put_get_drop(void **state)
{
    (void)state;
    struct score_pool *pool = score_pool_new();
    struct {
        uint32_t handle, seed;
    } *held = calloc(ENTRIES, sizeof(*held));
    assert_true(pool && held);
    uint64_t random = 3;
    for (int round = 0; round < 5 * ENTRIES; round++) {
        uint32_t at = (uint32_t)(random_bits(&random) % ENTRIES);
        if (held[at].handle)
            assert_held(pool, held[at].handle, held[at].seed);
        score_pool_drop(pool, held[at].handle);
        held[at].seed = (uint32_t)round;
        struct class_scores scores = scores_of(held[at].seed);
        held[at].handle = score_pool_put(pool, &scores);
        assert_int_not_equal(held[at].handle, SCORES_NONE);
    }
    for (uint32_t at = 0; at < ENTRIES; at++)
        if (held[at].handle)
            assert_held(pool, held[at].handle, held[at].seed);
    assert_true(score_pool_bytes(pool) < ENTRIES * 64);
    size_t bytes = score_pool_bytes(pool);
    for (int i = 0; i < 100000; i++) { /* the same place again and again */
        struct class_scores scores = scores_of((uint32_t)i);
        score_pool_drop(pool, held[0].handle);
        held[0].handle = score_pool_put(pool, &scores);
    }
    assert_true(score_pool_bytes(pool) <= bytes + 4096);
    score_pool_drop(pool, SCORES_NONE);
    score_pool_free(pool);
    score_pool_free(NULL);
    free(held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_put_get_drop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
