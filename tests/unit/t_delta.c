#include "agent/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct profile no_profile = {.state = PROFILE_NONE};
static const struct profile other_profile = {.state = PROFILE_WAITING};

static uint32_t count_cells(const struct delta *delta)
{
    uint32_t count = 0;
    for (const struct delta_cell *cell = delta_cells(delta); cell; cell = cell->next)
        count++;
    return count;
}

static void test_cells_by_key(void **state)
{
    (void)state;
    struct delta *delta = delta_new();
    struct delta_cell *cell = delta_cell(delta, 1, 300000, false, &no_profile);
    cell->activity[0] = 5;
    struct delta_cell *others[] = {
        delta_cell(delta, 2, 300000, false, &no_profile), delta_cell(delta, 1, 600000, false, &no_profile),
        delta_cell(delta, 1, 300000, true, &no_profile), delta_cell(delta, 1, -300000, false, &no_profile)};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_ptr_not_equal(others[i], cell);
        assert_int_equal(others[i]->activity[0], 0);
    }
    assert_ptr_equal(delta_cell(delta, 1, 300000, false, &no_profile), cell);
    assert_int_equal(count_cells(delta), 5);
    assert_false(delta_is_empty(delta));
    delta_free(delta);
}

/* The table grows past its first size; cells are found again and come back empty after a reset. */
static void test_many_cells_and_reuse(void **state)
{
    (void)state;
    struct delta *delta = delta_new();
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            struct delta_cell *cell = delta_cell(delta, i % 50, (int64_t)(i / 50) * 300000 - 9000000,
                                                 i % 3 == 0, round == 1 ? &other_profile : &no_profile);
            assert_int_equal(cell->activity[1], 0);
            cell->activity[1] = i + 1;
        }
        for (uint32_t i = 0; i < 5000; i += 7)
            assert_int_equal(
                delta_cell(delta, i % 50, (int64_t)(i / 50) * 300000 - 9000000, i % 3 == 0, &no_profile)
                    ->activity[1],
                i + 1);
        assert_int_equal(count_cells(delta), 5000);
        assert_true(delta_bytes(delta) >= 5000 * sizeof(struct delta_cell));
        delta_reset(delta);
        assert_true(delta_is_empty(delta));
        assert_int_equal(count_cells(delta), 0);
    }
    delta_free(delta);
}

static void test_names_and_partitions(void **state)
{
    (void)state;
    struct delta *delta = delta_new();
    char model[] = "credit";
    assert_int_equal(delta_add_series(delta, 0, text_of(model), text_of("7"), text_of("")), 0);
    model[0] = 'X'; /* names are copies */
    uint32_t count;
    const struct delta_series *series = delta_new_series(delta, &count);
    assert_int_equal(count, 1);
    assert_string_equal(series[0].model, "credit");
    assert_string_equal(series[0].version, "7");
    assert_string_equal(series[0].segment, "");
    for (uint32_t slot = 0; slot < 100; slot++)
        assert_int_equal(
            delta_set_partition(delta, &(struct delta_partition){.slot = slot, .next_offset = slot * 10}), 0);
    const struct delta_partition *partitions = delta_partitions(delta, &count);
    assert_int_equal(count, 100);
    assert_int_equal(partitions[99].next_offset, 990);
    delta_reset(delta);
    (void)delta_partitions(delta, &count);
    assert_int_equal(count, 0);
    (void)delta_new_series(delta, &count);
    assert_int_equal(count, 0);
    delta_free(delta);
}

static void sum_counts(void *context, const struct delta_count *count)
{
    uint64_t *sums = context;
    sums[0] += count->n;
    if (count->fate == FATE_REJECTED && count->reject == REJECT_SYNTAX && count->input == 3)
        sums[1] = count->n;
    if (count->fate == FATE_LATE && count->input == 0)
        sums[2] = count->n;
}

static void test_counts(void **state)
{
    (void)state;
    struct delta *delta = delta_new();
    delta_count(delta, 3, FATE_REJECTED, REJECT_SYNTAX);
    delta_count(delta, 3, FATE_REJECTED, REJECT_SYNTAX);
    delta_count(delta, 3, FATE_REJECTED, REJECT_LIMIT);
    delta_count(delta, 0, FATE_LATE, REJECT_NONE);
    assert_false(delta_is_empty(delta));
    uint64_t sums[3] = {0};
    delta_each_count(delta, sum_counts, sums);
    assert_int_equal(sums[0], 4);
    assert_int_equal(sums[1], 2);
    assert_int_equal(sums[2], 1);
    delta_reset(delta);
    memset(sums, 0, sizeof(sums));
    delta_each_count(delta, sum_counts, sums);
    assert_int_equal(sums[0], 0);
    assert_true(delta_is_empty(delta));
    delta_free(delta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_by_key),
        cmocka_unit_test(test_many_cells_and_reuse),
        cmocka_unit_test(test_names_and_partitions),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
