/* outcome_panes.c: parts are the sum of their items however they are folded; panes and stale windows in
 * order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/outcome_panes.h"
#include "tests/unit/near.h"

enum { ITEMS = 5000, HOUR_MS = 3600000 };

static const uint16_t two_slots[] = {3, 9};
static const struct combo_groups groups[] = {{NULL, 0}, {two_slots, 2}};

static struct outcome_item random_item(uint64_t *random)
{
    double score = (double)(random_bits(random) % 1000) / 1000;
    return (struct outcome_item){.value = random_bits(random) % 10 ? score : (double)NAN,
                                 .truth = (double)(random_bits(random) % 2),
                                 .combo = (uint32_t)(random_bits(random) % 2),
                                 .predicted = score > 0.5,
                                 .labelled = random_bits(random) % 3 != 0,
                                 .sign = 1};
}

static void direct(struct tally *tallies[2], const struct outcome_item *item)
{
    struct outcome outcome = {item->kind, item->labelled, item->predicted, item->value, item->truth};
    outcomes_add(tallies[0], &outcome, 1, item->sign);
    for (uint32_t i = 0; i < groups[item->combo].count; i++)
        outcome_groups_add(tallies[1], groups[item->combo].slots[i], &outcome, item->sign);
}

static void assert_same(const struct tally *a, const struct tally *b)
{
    assert_memory_equal(a->counters, b->counters, a->size.counters * sizeof(*a->counters));
    assert_memory_equal(a->sums, b->sums, a->size.sums * sizeof(*a->sums));
}

static void free_part(struct outcome_part *part)
{
    free(part->items);
    free(part->codes);
    for (int i = 0; i < OUTCOME_TALLIES; i++)
        free(part->bytes[i]);
}

/* A part holds what adding each item to a tally holds, after any number of items; taken back it is nothing.
 */
static void test_parts_add_up(void **state)
{
    (void)state;
    struct outcome_scratch scratch = {.groups = groups};
    assert_int_equal(outcome_scratch_init(&scratch), 0);
    struct tally *wanted[] = {tally_new(outcomes_size()), tally_new(outcome_groups_size())};
    struct outcome_part part = {0};
    struct outcome_item *items = calloc(ITEMS, sizeof(*items));
    uint64_t random = 3;
    assert_true(outcome_part_is_empty(&part));
    for (int i = 0; i < ITEMS; i++) {
        items[i] = random_item(&random);
        direct(wanted, &items[i]);
        assert_int_equal(outcome_part_add(&part, &items[i], NULL, &scratch, 1, true), 0);
        assert_true(part.changed && !outcome_part_is_empty(&part));
        if (i % 997)
            continue;
        assert_int_equal(outcome_part_fold(&part, &scratch, 1, true), 0);
        assert_int_equal(part.count, 0);
        outcome_scratch_reset(&scratch);
        assert_int_equal(outcome_part_sum(&part, &scratch), 0);
        assert_same(scratch.tallies[0], wanted[0]);
        assert_same(scratch.tallies[1], wanted[1]);
    }
    for (int i = ITEMS - 1; i >= 0; i--) {
        items[i].sign = -1;
        assert_int_equal(outcome_part_add(&part, &items[i], NULL, &scratch, 1, true), 0);
    }
    assert_int_equal(outcome_part_fold(&part, &scratch, 1, true), 0);
    assert_true(outcome_part_is_empty(&part));
    free(items);
    free_part(&part);
    tally_free(wanted[0]);
    tally_free(wanted[1]);
    outcome_scratch_release(&scratch);
}

/* Scores of several classes are listed beside the items and counted with them; some have none. */
static void test_scores_of_classes(void **state)
{
    (void)state;
    struct outcome_scratch scratch = {.groups = groups};
    assert_int_equal(outcome_scratch_init(&scratch), 0);
    struct tally *wanted = tally_new(outcome_class_scores_size());
    struct outcome_part part = {0};
    uint64_t random = 5;
    for (int sign = 1; sign >= -1; sign -= 2) {
        random = 5;
        for (int i = 0; i < ITEMS; i++) {
            struct outcome_item item = {.value = 0.5,
                                        .truth = (double)(random_bits(&random) % 8),
                                        .kind = OUTCOME_MULTICLASS,
                                        .labelled = random_bits(&random) % 5 != 0,
                                        .sign = (int8_t)sign};
            struct class_scores scores = {.count = (uint32_t)(random_bits(&random) % (CLASS_SCORES_MAX + 1))};
            for (uint32_t k = 0; k < scores.count; k++)
                scores.codes[k] = (uint16_t)(random_bits(&random) % CLASS_SCORE_STEPS);
            bool has_scores = item.labelled && i % 3;
            assert_int_equal(outcome_part_add(&part, &item, has_scores ? &scores : NULL, &scratch, 1, true),
                             0);
            if (has_scores && scores.count)
                outcome_class_scores_add(wanted, &scores, (uint32_t)item.truth, sign);
        }
        assert_int_equal(outcome_part_fold(&part, &scratch, 1, true), 0);
        assert_true(!part.codes && part.code_count == 0);
        outcome_scratch_reset(&scratch);
        assert_int_equal(outcome_part_sum(&part, &scratch), 0);
        assert_same(scratch.tallies[OUTCOME_CLASS_SCORES], wanted);
    }
    assert_true(tally_is_zero(wanted) && outcome_part_is_empty(&part));
    tally_free(wanted);
    free_part(&part);
    outcome_scratch_release(&scratch);
}

/* Segments have no groups; bytes of a finer pane add to what is there; damaged bytes are refused. */
static void test_bytes(void **state)
{
    (void)state;
    struct outcome_scratch scratch = {.groups = groups};
    assert_int_equal(outcome_scratch_init(&scratch), 0);
    struct outcome_part fine = {0}, coarse = {0};
    uint64_t random = 4;
    for (int i = 0; i < 10; i++) {
        struct outcome_item item = random_item(&random);
        item.labelled = true;
        assert_int_equal(outcome_part_add(&fine, &item, NULL, &scratch, 1, false), 0);
    }
    assert_int_equal(outcome_part_fold(&fine, &scratch, 1, false), 0);
    assert_true(fine.bytes[0] && !fine.bytes[1]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outcome_part_add_bytes(&coarse, 0, fine.bytes[0], fine.len[0], &scratch), 0);
    outcome_scratch_reset(&scratch);
    for (int i = 0; i < 3; i++)
        assert_int_equal(outcome_part_sum(&fine, &scratch), 0);
    struct tally *thrice = tally_new(outcomes_size());
    tally_copy(thrice, scratch.tallies[0]);
    outcome_scratch_reset(&scratch);
    assert_int_equal(outcome_part_sum(&coarse, &scratch), 0);
    assert_same(thrice, scratch.tallies[0]);
    assert_int_not_equal(outcome_part_add_bytes(&coarse, 0, fine.bytes[0], fine.len[0] - 1, &scratch), 0);
    tally_free(thrice);
    free_part(&fine);
    free_part(&coarse);
    outcome_scratch_release(&scratch);
}

static void test_panes_in_order(void **state)
{
    (void)state;
    static const struct {
        uint8_t tier;
        int64_t hour;
    } made[] = {{1, 4}, {0, 7}, {0, -2}, {2, 0}, {0, 3}, {1, 2}, {0, 7}};
    struct outcome_panes panes = {0};
    assert_null(outcome_panes_find(&panes, 0, 0, false));
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        assert_non_null(outcome_panes_find(&panes, made[i].tier, made[i].hour * HOUR_MS, true));
    assert_int_equal(panes.count, 6);
    for (uint32_t i = 1; i < panes.count; i++)
        assert_true(panes.items[i - 1]->tier < panes.items[i]->tier ||
                    (panes.items[i - 1]->tier == panes.items[i]->tier &&
                     panes.items[i - 1]->start_ms < panes.items[i]->start_ms));
    assert_int_equal(outcome_panes_position(&panes, 0, 3 * HOUR_MS), 1);
    assert_int_equal(outcome_panes_position(&panes, 0, 3 * HOUR_MS + 1), 2);
    assert_int_equal(outcome_panes_position(&panes, 1, INT64_MIN), 3);
    panes.items[0]->stale = true;
    panes.stale_panes = 1;
    outcome_panes_drop(&panes, 0, 7 * HOUR_MS);
    assert_true(panes.count == 4 && panes.stale_panes == 0 && panes.items[0]->start_ms == 7 * HOUR_MS);
    outcome_panes_drop(&panes, 1, INT64_MAX);
    assert_true(panes.count == 2 && panes.items[1]->tier == 2);
    outcome_panes_release(&panes);
    assert_true(panes.count == 0 && !panes.items);
}

static void test_stale_windows(void **state)
{
    (void)state;
    struct outcome_panes panes = {0};
    uint64_t random = 6;
    for (int i = 0; i < 4000; i++)
        assert_int_equal(outcome_panes_mark(&panes, (uint8_t)(random_bits(&random) % 3),
                                            (int64_t)(random_bits(&random) % 40) * HOUR_MS),
                         0);
    assert_int_equal(panes.stale_count, 120); /* each once */
    for (uint32_t i = 0; i < panes.stale_count; i++)
        assert_true(panes.stale[i].end_ms == (int64_t)(i / 3) * HOUR_MS && panes.stale[i].window == i % 3);
    outcome_panes_unmark(&panes, 100);
    assert_true(panes.stale_count == 20 && panes.stale[0].end_ms == 33 * HOUR_MS &&
                panes.stale[0].window == 1);
    outcome_panes_unmark(&panes, 20);
    assert_int_equal(panes.stale_count, 0);
    outcome_panes_release(&panes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts_add_up), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_scores_of_classes),
                                       cmocka_unit_test(test_panes_in_order),
                                       cmocka_unit_test(test_stale_windows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
