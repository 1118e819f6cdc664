/* join.c: the same pairs for any order of arrival, and what it counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "agent/join.h"
#include "tests/unit/near.h"

enum { EVENTS = 600, IDS = 150, HOUR_MS = 3600000, PANE_MS = 600000 };

/* An order-free sum of all pairs that stand. */
struct sums {
    uint64_t pairs, seen, pair_hash, seen_hash, revision_hash;
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
                     int sign, bool revises)
{
    struct sums *sums = context;
    if (revises) { /* what a first report says is a sum of its own */
        sums->revision_hash += hash_mix(hash_of(prediction) * 3 + hash_of(label)) * (uint64_t)(int64_t)sign;
        return 0;
    }
    sums->pairs += (uint64_t)(int64_t)sign;
    sums->pair_hash += hash_mix(hash_of(prediction) * 3 + hash_of(label)) * (uint64_t)(int64_t)sign;
    return 0;
}

static bool in_time(void *context, const struct join_entry *prediction, const struct join_entry *label)
{
    (void)context;
    return label->ts_ms < prediction->ts_ms + 2 * HOUR_MS;
}

static struct join *make(struct sums *sums, uint64_t entries_max)
{
    *sums = (struct sums){0};
    struct join_settings settings = {.entries_max = entries_max,
                                     .horizon_ms = HOUR_MS,
                                     .late_ms = 2 * HOUR_MS,
                                     .pane_ms = PANE_MS,
                                     .seen = on_seen,
                                     .joined = on_joined,
                                     .in_time = in_time,
                                     .context = sums};
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
    uint8_t which = *(const uint8_t *)*state;
    struct item items[EVENTS];
    uint64_t random = 5;
    for (int i = 0; i < EVENTS; i++) {
        bool is_label = random_bits(&random) % 2;
        items[i] = (struct item){is_label, entry_at(random_bits(&random) % IDS,
                                                    (int64_t)(random_bits(&random) % (6 * HOUR_MS)),
                                                    (double)(random_bits(&random) % 2))};
        items[i].entry.late = random_bits(&random) % 4 == 0;
        items[i].entry.kind = is_label ? which : 0;
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
    } rows[] = {{49 * HOUR_MS, 1},
                {49 * HOUR_MS - 1, 0},
                {60 * HOUR_MS - PANE_MS, 1},
                {60 * HOUR_MS - PANE_MS + 1, 0}};
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

/* The last one counts in the end, the last one in time before. */
static void test_last_label(void **state)
{
    (void)state;
    struct sums sums, plain;
    enum join_fate fate;
    struct join *join = make(&sums, 100);
    struct join_entry prediction = entry_at(1, 5 * HOUR_MS, 0.5), labels[4];
    static const int64_t after_ms[] = {HOUR_MS / 2, HOUR_MS, 3 * HOUR_MS, 4 * HOUR_MS};
    assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
    for (int i = 0; i < 4; i++) {
        labels[i] = entry_at(1, 5 * HOUR_MS + after_ms[i], i % 2);
        labels[i].kind = JOIN_LAST;
        assert_int_equal(join_add_label(join, &labels[i], &fate), 0);
        assert_int_equal(fate, i ? JOIN_CHANGED : JOIN_ADDED);
        assert_int_equal(sums.pairs, 1);
        uint64_t said = hash_mix(hash_of(&prediction) * 3 + hash_of(&labels[i < 1 ? i : 1]));
        uint64_t last = hash_mix(hash_of(&prediction) * 3 + hash_of(&labels[i]));
        assert_true(sums.pair_hash == said && sums.revision_hash == last - said);
    }
    assert_int_equal(join_add_label(join, &labels[2], &fate), 0);
    assert_int_equal(fate, JOIN_DUPLICATE);
    plain = sums;
    for (int i = 0; i < 20; i++) { /* more than are kept */
        struct join_entry label = entry_at(1, 5 * HOUR_MS + 10 * (i + 1), 1);
        label.kind = JOIN_LAST;
        assert_int_equal(join_add_label(join, &label, &fate), 0);
        assert_int_equal(fate == JOIN_REFUSED, i >= JOIN_LABELS_MAX - 4);
    }
    assert_memory_equal(&sums, &plain, sizeof(sums)); /* none of them was the last */
    join_free(join);
}

/* A label whose partition had moved on beyond the prediction's expiry has come too late, wherever it is. */
static void test_known_too_late(void **state)
{
    (void)state;
    for (uint32_t ahead_s = 4 * 3600; ahead_s <= 4 * 3600 + 1; ahead_s++) {
        struct sums sums;
        enum join_fate fate;
        struct join *join = make(&sums, 100);
        struct join_entry prediction = entry_at(1, 50 * HOUR_MS, 0.5), label = entry_at(1, 56 * HOUR_MS, 1);
        label.late = true;
        label.owner = ahead_s; /* expires at 60 h */
        assert_int_equal(join_add_label(join, &label, &fate), 0);
        assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
        assert_int_equal(sums.pairs, ahead_s == 4 * 3600);
        join_free(join);
    }
}

static int on_met(void *context, const struct join_entry *label)
{
    (void)context, (void)label;
    return ERR_BUSY;
}

/* On time it is the label's own time that counts, with a pane to spare, wherever the clock was. */
static void test_on_time_whatever_came_between(void **state)
{
    (void)state;
    for (uint32_t ahead_s = 0; ahead_s <= 5 * 3600; ahead_s += 3600)
        for (int after_ms = 0; after_ms <= 1; after_ms++) {
            struct sums sums;
            enum join_fate fate;
            struct join *join = make(&sums, 100);
            struct join_entry prediction = entry_at(1, 50 * HOUR_MS, 0.5),
                              label = entry_at(1, 60 * HOUR_MS - PANE_MS + after_ms, 1);
            label.owner = ahead_s;
            assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
            assert_int_equal(join_add_label(join, &label, &fate), 0);
            assert_int_equal(sums.pairs, after_ms == 0);
            join_free(join);
        }
}

/* Of labels of one id the first is kept, and known for as long as what it took the place of. */
static void test_what_is_kept(void **state)
{
    (void)state;
    struct sums sums;
    enum join_fate fate;
    struct join *join = make(&sums, 100);
    struct join_entry second = entry_at(1, 5000, 1), first = entry_at(1, 0, 1), third = entry_at(1, 9000, 1);
    assert_int_equal(join_add_label(join, &second, &fate), 0);
    assert_int_equal(join_added(join)->ts_ms, 5000);
    assert_int_equal(join_add_label(join, &first, &fate), 0);
    assert_true(join_added(join)->ts_ms == 0 && join_added(join)->wait_s == first.wait_s + 5);
    assert_int_equal(join_add_label(join, &third, &fate), 0);
    assert_null(join_added(join));
    struct join_entry prediction = entry_at(1, 0, 0.5), again = entry_at(1, 1, 0.5);
    assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
    assert_non_null(join_added(join));
    assert_int_equal(join_add_prediction(join, &again, &fate), 0);
    assert_null(join_added(join));
    join_free(join);
}

/* A label from the store that has met a prediction is no orphan, and one that meets is said, once. */
static void test_met_before(void **state)
{
    (void)state;
    for (uint8_t kind = JOIN_FIRST; kind <= JOIN_LAST; kind++) {
        struct sums sums;
        enum join_fate fate;
        struct join_stats stats;
        struct join_settings settings = {.entries_max = 100,
                                         .horizon_ms = HOUR_MS,
                                         .seen = on_seen,
                                         .joined = on_joined,
                                         .met = on_met,
                                         .context = &sums};
        struct join *join = NULL;
        assert_int_equal(join_new(&join, &settings), 0);
        struct join_entry labels[3] = {entry_at(1, 0, 1), entry_at(2, 0, 1), entry_at(3, 0, 1)};
        for (int i = 0; i < 3; i++) {
            labels[i].kind = kind;
            labels[i].state = i == 0 ? JOIN_MET : 0;
            assert_int_equal(join_add_label(join, &labels[i], &fate), 0);
        }
        labels[1].state = JOIN_MET; /* what was learned after it had been written first */
        assert_int_equal(join_add_label(join, &labels[1], &fate), 0);
        assert_int_equal(fate, JOIN_DUPLICATE);
        for (uint64_t id = 1; id <= 3; id++) {
            struct join_entry prediction = entry_at(id, 0, 0.5);
            assert_int_equal(join_add_prediction(join, &prediction, &fate), id == 3 ? ERR_BUSY : 0);
        }
        join_free(join);
        assert_int_equal(join_new(&join, &settings), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(join_add_label(join, &labels[i], &fate), 0);
        join_set_time(join, 20 * HOUR_MS);
        join_sweep(join, UINT64_MAX);
        join_get_stats(join, &stats);
        assert_int_equal(stats.orphans, 1);
        join_free(join);
    }
}

static bool is_even(void *context, const struct join_entry *entry, bool is_label)
{
    (void)context;
    return !is_label && entry->ts_ms % 2 == 0;
}

/* What expires is counted once, in steps; what is dropped on purpose is not. */
static void test_sweep_and_keep(void **state)
{
    (void)state;
    struct sums sums;
    struct join *join = make(&sums, 100000);
    enum join_fate fate;
    struct join_stats stats;
    assert_int_equal(join_reserve(join, 20000), 0);
    for (uint64_t id = 0; id < 3000; id++) {
        struct join_entry prediction = entry_at(id, (int64_t)id, 0.5),
                          label = entry_at(id + 2000, (int64_t)id, 1);
        assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
        assert_int_equal(join_add_label(join, &label, &fate), 0);
    }
    assert_true(sums.pairs == 1000 && join_swept_ms(join) == INT64_MIN);
    for (int round = 0; round < 2; round++) {
        join_set_time(join, 10 * HOUR_MS + 500);
        for (int i = 0; i < 1000; i++)
            join_sweep(join, 100);
        join_get_stats(join, &stats);
        assert_true(stats.unlabelled == 500 && join_swept_ms(join) == 10 * HOUR_MS + 500);
        assert_true(stats.predictions == 3000 && stats.orphans == 0); /* those with a pair are no orphans */
    }
    assert_int_equal(join_keep(join, is_even, NULL), 0);
    join_get_stats(join, &stats);
    assert_true(stats.predictions == 1500 && stats.labels == 0 && stats.unlabelled == 500);
    join_free(join);
}

struct shared {
    uint32_t count, owners;
};

static void on_shared(void *context, const struct join_entry *prediction, const struct join_entry *other,
                      const struct join_entry *label)
{
    struct shared *shared = context;
    assert_true(prediction->id_hash == other->id_hash && label->id_hash == other->id_hash);
    shared->count++;
    shared->owners += 10 * prediction->owner + other->owner;
}

/* Two owners scored the same id: each is met with the other, when the label of both was in time. */
static void test_shared(void **state)
{
    (void)state;
    struct sums sums;
    struct join *join = make(&sums, 1000);
    enum join_fate fate;
    for (uint64_t id = 1; id <= 4; id++)
        for (uint32_t owner = 1; owner <= 2; owner++) {
            struct join_entry prediction = {.id_hash = id,
                                            .ts_ms = (int64_t)id * 1000,
                                            .value = 0.5,
                                            .wait_s = 36000,
                                            .owner = owner,
                                            .late = id == 4 && owner == 2};
            assert_int_equal(join_add_prediction(join, &prediction, &fate), 0);
        }
    for (uint64_t id = 1; id <= 4; id++) { /* the third comes too late to count at maturity */
        struct join_entry label = {
            .id_hash = id, .ts_ms = id == 3 ? 3 * HOUR_MS : 5000, .value = 1, .wait_s = 36000};
        assert_int_equal(join_add_label(join, &label, &fate), 0);
    }
    struct shared shared = {0};
    join_each_shared(join, 0, HOUR_MS, on_shared, &shared);
    assert_int_equal(shared.count, 4);
    assert_int_equal(shared.owners, 2 * (12 + 21));
    shared = (struct shared){0};
    join_each_shared(join, 2000, 3000, on_shared, &shared);
    assert_int_equal(shared.count, 2);
    join_free(join);
}

int main(void)
{
    static uint8_t which[] = {JOIN_FIRST, JOIN_LAST};
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared),
                                       cmocka_unit_test_prestate(test_any_order, &which[0]),
                                       cmocka_unit_test_prestate(test_any_order, &which[1]),
                                       cmocka_unit_test(test_first_label_wins),
                                       cmocka_unit_test(test_what_does_not_join),
                                       cmocka_unit_test(test_cap_and_expiry),
                                       cmocka_unit_test(test_last_label),
                                       cmocka_unit_test(test_known_too_late),
                                       cmocka_unit_test(test_on_time_whatever_came_between),
                                       cmocka_unit_test(test_met_before),
                                       cmocka_unit_test(test_what_is_kept),
                                       cmocka_unit_test(test_sweep_and_keep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
