/* join.c: the same pairs for any order of arrival, and what it counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/join.h"
#include "tests/unit/near.h"

enum { EVENTS = 600, IDS = 150, HOUR_MS = 3600000 };

/* An order-free sum of all pairs that stand. */
struct sums {
    uint64_t pairs, seen, pair_hash, seen_hash;
};

static uint64_t hash_of(const struct join_entry *entry)
{
    uint64_t bits;
    memcpy(&bits, &entry->value, sizeof(bits));
    return hash_mix(entry->id_hash ^ hash_mix((uint64_t)entry->ts_ms + entry->owner) ^
                    hash_mix(bits + entry->late));
}

static int on_seen(void *context, const struct join_entry *prediction, int sign)
{
    struct sums *sums = context;
    sums->seen += (uint64_t)(int64_t)sign;
    sums->seen_hash += hash_of(prediction) * (uint64_t)(int64_t)sign;
    return 0;
}

static int on_joined(void *context, const struct join_entry *prediction, const struct join_entry *label,
                     int sign)
{
    struct sums *sums = context;
    sums->pairs += (uint64_t)(int64_t)sign;
    sums->pair_hash += hash_mix(hash_of(prediction) * 3 + hash_of(label)) * (uint64_t)(int64_t)sign;
    return 0;
}

static struct join *make(struct sums *sums, uint64_t entries_max)
{
    *sums = (struct sums){0};
    struct join_settings settings = {entries_max, HOUR_MS, 2 * HOUR_MS, on_seen, on_joined, sums};
    struct join *join = NULL;
    assert_int_equal(join_new(&join, &settings), 0);
    return join;
}

struct item {
    bool is_label;
    struct join_entry entry;
};

static void add(struct join *join, const struct item *item)
{
    enum join_fate fate;
    assert_int_equal(item->is_label ? join_add_label(join, &item->entry, &fate)
                                    : join_add_prediction(join, &item->entry, &fate),
                     0);
}

static struct join_entry entry_at(uint64_t id, int64_t ts_ms, double value)
{
    return (struct join_entry){.id_hash = hash_mix(id), .ts_ms = ts_ms, .value = value, .wait_s = 10 * 3600};
}

static void test_any_order(void **state)
{
    (void)state;
    struct item items[EVENTS];
    uint64_t random = 5;
    for (int i = 0; i < EVENTS; i++) {
        bool is_label = random_bits(&random) % 2;
        items[i] = (struct item){is_label, entry_at(random_bits(&random) % IDS,
                                                    (int64_t)(random_bits(&random) % (6 * HOUR_MS)),
                                                    (double)(random_bits(&random) % 2))};
        items[i].entry.late = random_bits(&random) % 4 == 0;
        items[i].entry.owner = is_label ? 0 : random_bits(&random) % 2;
    }
    struct sums first = {0};
    for (int round = 0; round < 50; round++) {
        struct sums sums;
        struct join *join = make(&sums, 1000000);
        for (int i = 0; i < EVENTS; i++)
            add(join, &items[i]);
        if (round == 0)
            first = sums;
        assert_true(sums.pairs > IDS / 2 && sums.pairs <= 2 * IDS);
        assert_memory_equal(&sums, &first, sizeof(sums));
        join_free(join);
        for (int i = EVENTS - 1; i > 0; i--) {
            int j = (int)(random_bits(&random) % (uint64_t)(i + 1));
            struct item swap = items[i];
            items[i] = items[j];
            items[j] = swap;
        }
    }
}

static void test_first_label_wins(void **state)
{
    (void)state;
    struct sums sums;
    struct join *join = make(&sums, 100);
    enum join_fate fate;
    struct join_entry prediction = entry_at(1, 5 * HOUR_MS, 0.5), label = entry_at(1, 7 * HOUR_MS, 1);
    assert_int_equal(join_add_label(join, &label, &fate), 0);
    assert_int_equal(fate, JOIN_ADDED);
    assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
    assert_int_equal(sums.pairs, 1);
    uint64_t one = sums.pair_hash;
    assert_int_equal(join_add_label(join, &label, &fate), 0);
    assert_int_equal(fate, JOIN_DUPLICATE);
    struct join_entry later = entry_at(1, 8 * HOUR_MS, 0);
    assert_int_equal(join_add_label(join, &later, &fate), 0);
    assert_int_equal(fate, JOIN_CHANGED);
    assert_true(sums.pairs == 1 && sums.pair_hash == one);
    struct join_entry earlier = entry_at(1, 6 * HOUR_MS, 0);
    assert_int_equal(join_add_label(join, &earlier, &fate), 0);
    assert_int_equal(fate, JOIN_CHANGED);
    assert_true(sums.pairs == 1 && sums.pair_hash != one);
    assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
    assert_int_equal(fate, JOIN_DUPLICATE);
    struct join_stats stats;
    join_get_stats(join, &stats);
    assert_true(stats.duplicates == 2 && stats.changed == 2 && stats.labels == 1 && stats.predictions == 1);
    join_free(join);
}

/* Not before the horizon, not after it expired, not a label that is no class. */
static void test_what_does_not_join(void **state)
{
    (void)state;
    static const struct {
        int64_t label_ms;
        uint64_t pairs;
    } rows[] = {{49 * HOUR_MS, 1}, {49 * HOUR_MS - 1, 0}, {60 * HOUR_MS, 1}, {60 * HOUR_MS + 1, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int no_class = 0; no_class < 2; no_class++) {
            struct sums sums;
            struct join *join = make(&sums, 100);
            enum join_fate fate;
            struct join_entry prediction = entry_at(1, 50 * HOUR_MS, 0.5),
                              label = entry_at(1, rows[i].label_ms, 1);
            label.value = no_class ? 0.5 : 1;
            assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
            assert_int_equal(join_add_label(join, &label, &fate), 0);
            assert_int_equal(sums.pairs, no_class ? 0 : rows[i].pairs);
            join_free(join);
        }
}

static void test_cap_and_expiry(void **state)
{
    (void)state;
    struct sums sums;
    struct join *join = make(&sums, 5000);
    enum join_fate fate;
    for (uint64_t id = 0; id < 6000; id++) {
        struct join_entry prediction = entry_at(id, (int64_t)id, 0.5);
        assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
        assert_int_equal(fate, id < 5000 ? JOIN_ADDED : JOIN_REFUSED);
    }
    join_set_time(join, 10 * HOUR_MS + 4000); /* 4,000 have expired */
    for (uint64_t id = 10000; id < 15000; id++) {
        struct join_entry prediction = entry_at(id, 20 * HOUR_MS, 0.5);
        assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
        assert_int_equal(fate, id < 14000 ? JOIN_ADDED : JOIN_REFUSED);
    }
    struct join_stats stats;
    join_get_stats(join, &stats);
    assert_true(stats.refused == 2000 && stats.predictions == 5000 && stats.unlabelled == 4000);
    assert_true(sums.pairs == 0 && sums.seen == 9000);
    join_free(join);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order), cmocka_unit_test(test_first_label_wins),
        cmocka_unit_test(test_what_does_not_join), cmocka_unit_test(test_cap_and_expiry)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
