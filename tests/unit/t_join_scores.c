/* join.c with scores of several classes: pairs come with the scores of their prediction for any order of
 * arrival, after expiry, growth and dropping, and whichever of two alike predictions came first. */
#include "agent/join.h"

#include <stdlib.h>

#include "agent/base/hash.h"
#include "detectors/outcomes.h"
#include "tests/unit/near.h"

enum { EVENTS = 2000, IDS = 400, HOUR_MS = 3600000 };

struct world {
    struct join *join;
    uint64_t pairs, hash, scored;
};

static int on_seen(void *context, const struct join_entry *prediction, int sign)
{
    (void)context;
    (void)prediction;
    (void)sign;
    return 0;
}

static int on_joined(void *context, const struct join_entry *prediction, const struct join_entry *label,
                     int sign, bool revises)
{
    struct world *world = context;
    struct class_scores scores;
    uint64_t hash = hash_mix(prediction->id_hash ^ hash_mix((uint64_t)prediction->ts_ms) ^
                             hash_mix((uint64_t)label->ts_ms + 77));
    bool has_scores = join_scores(world->join, prediction, &scores);
    for (uint32_t i = 0; has_scores && i < scores.count; i++)
        hash = hash_mix(hash + (uint64_t)scores.codes[i] * (i + 1)); /* further zeros change it, in order */
    (void)revises;
    world->pairs += (uint64_t)(int64_t)sign;
    world->scored += (uint64_t)(int64_t)(has_scores ? sign : 0);
    world->hash += hash * (uint64_t)(int64_t)sign;
    return 0;
}

static int compare_scores(void *context, const struct join_entry *prediction, const struct class_scores *a,
                          const struct class_scores *b)
{
    (void)context;
    (void)prediction;
    if (!a || !b)
        return (a == NULL) - (b == NULL);
    for (uint32_t i = 0; i < CLASS_SCORES_MAX; i++) {
        uint16_t of_a = i < a->count ? a->codes[i] : 0, of_b = i < b->count ? b->codes[i] : 0;
        if (of_a != of_b)
            return of_a < of_b ? -1 : 1;
    }
    return 0;
}

static void make(struct world *world)
{
    *world = (struct world){.join = NULL};
    struct join_settings settings = {.entries_max = 1000000,
                                     .horizon_ms = HOUR_MS,
                                     .late_ms = 2 * HOUR_MS,
                                     .seen = on_seen,
                                     .joined = on_joined,
                                     .compare_scores = compare_scores,
                                     .context = world};
    assert_int_equal(join_new(&world->join, &settings), 0);
}

struct item {
    bool is_label, has_scores;
    struct join_entry entry;
    struct class_scores scores;
};

/* Many of the same id and time that differ in their scores alone. */
static void fill(struct item items[EVENTS])
{
    uint64_t random = 9;
    for (int i = 0; i < EVENTS; i++) {
        struct item *item = &items[i];
        *item = (struct item){.is_label = random_bits(&random) % 3 == 0,
                              .has_scores = random_bits(&random) % 4 != 0};
        item->entry = (struct join_entry){.id_hash = hash_mix(random_bits(&random) % IDS),
                                          .ts_ms = (int64_t)(random_bits(&random) % 3) * HOUR_MS,
                                          .wait_s = 10 * 3600,
                                          .value = 0.5,
                                          .kind = item->is_label ? JOIN_FIRST : OUTCOME_MULTICLASS};
        item->scores.count = 8; /* blocks of one width: further zeros do not differ */
        for (uint32_t k = 0; k < item->scores.count; k++)
            item->scores.codes[k] = (uint16_t)(random_bits(&random) % 3);
    }
}

static void add(struct world *world, const struct item *item)
{
    enum join_fate fate;
    int code = item->is_label ? join_add_label(world->join, &item->entry, &fate)
                              : join_add_scored(world->join, &item->entry,
                                                item->has_scores ? &item->scores : NULL, &fate);
    assert_int_equal(code, 0);
}

static void test_any_order(void **state)
{
    (void)state;
    struct item *items = calloc(EVENTS, sizeof(*items));
    assert_non_null(items);
    fill(items);
    struct world first = {0};
    uint64_t random = 10;
    for (int round = 0; round < 30; round++) {
        struct world world;
        make(&world);
        for (int i = 0; i < EVENTS; i++)
            add(&world, &items[i]);
        if (round == 0)
            first = world;
        assert_true(world.pairs > IDS / 2 && world.scored > IDS / 4);
        assert_true(world.pairs == first.pairs && world.scored == first.scored && world.hash == first.hash);
        join_free(world.join);
        for (int i = EVENTS - 1; i > 0; i--) {
            int j = (int)(random_bits(&random) % (uint64_t)(i + 1));
            struct item swap = items[i];
            items[i] = items[j];
            items[j] = swap;
        }
    }
    free(items);
}

static struct join_entry entry_at(uint64_t id, int64_t ts_ms)
{
    return (struct join_entry){.id_hash = hash_mix(id), .ts_ms = ts_ms, .wait_s = 3600};
}

static bool is_third(void *context, const struct join_entry *entry, bool is_label)
{
    (void)context;
    return is_label || entry->ts_ms % 3 == 0;
}

/* Tables grow, expired entries go, others are dropped: each keeps its own, and memory is used again. */
static void test_moves(void **state)
{
    (void)state;
    struct world world;
    enum join_fate fate;
    struct join_stats before, after;
    make(&world);
    for (int64_t hour = 0; hour < 40; hour++) {
        join_set_time(world.join, hour * HOUR_MS);
        for (uint64_t i = 0; i < 3000; i++) {
            uint64_t id = (uint64_t)hour * 3000 + i;
            struct join_entry prediction = entry_at(id, hour * HOUR_MS + (int64_t)i);
            struct class_scores scores = {.count = 2, .codes = {(uint16_t)id, (uint16_t)(id >> 16)}};
            assert_int_equal(join_add_scored(world.join, &prediction, i % 2 ? &scores : NULL, &fate), 0);
        }
        if (hour == 20)
            join_get_stats(world.join, &before);
    }
    join_get_stats(world.join, &after);
    assert_true(after.bytes <= before.bytes * 3 / 2);
    assert_int_equal(join_keep(world.join, is_third, NULL), 0);
    uint64_t pairs = 0, scored = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t id = 39 * UINT64_C(3000) + i;
        struct join_entry label = entry_at(id, 39 * HOUR_MS + (int64_t)i);
        uint64_t hash = world.hash, scored_before = world.scored;
        assert_int_equal(join_add_label(world.join, &label, &fate), 0);
        bool kept = (39 * HOUR_MS + (int64_t)i) % 3 == 0;
        pairs += kept;
        scored += kept && i % 2;
        assert_int_equal(world.scored - scored_before, kept && i % 2);
        uint64_t wanted =
            hash_mix(label.id_hash ^ hash_mix((uint64_t)label.ts_ms) ^ hash_mix((uint64_t)label.ts_ms + 77));
        const uint16_t codes[4] = {(uint16_t)id, (uint16_t)(id >> 16), 0, 0};
        for (uint32_t k = 0; i % 2 && k < 4; k++)
            wanted = hash_mix(wanted + (uint64_t)codes[k] * (k + 1));
        assert_true(world.hash - hash == (kept ? wanted : 0));
    }
    assert_true(world.pairs == pairs && world.scored == scored && pairs == 1000);
    join_free(world.join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_order), cmocka_unit_test(test_moves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
