/* base/grow.h: doubling, what stays, what is zeroed, no memory. */
#include "tests/unit/near.h"

#include "agent/base/grow.h"

static void test_grow(void **state)
{
    (void)state;
    uint32_t *items = NULL, capacity = 0, count = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        if (count == capacity) {
            uint32_t before = capacity, *grown = grow_array(items, &capacity, 5, sizeof(*grown));
            assert_non_null(grown);
            items = grown;
            assert_int_equal(capacity, before ? 2 * before : 5);
        }
        items[count++] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

static void test_zeroed(void **state)
{
    (void)state;
    uint64_t *items = NULL;
    uint32_t capacity = 0;
    for (int round = 0; round < 6; round++) {
        uint32_t before = capacity;
        uint64_t *grown = grow_zeroed(items, &capacity, 3, sizeof(*grown));
        assert_non_null(grown);
        items = grown;
        for (uint32_t i = 0; i < capacity; i++) {
            assert_int_equal(items[i], i < before ? i + 1 : 0);
            items[i] = i + 1;
        }
    }
    assert_int_equal(capacity, 3 << 5);
    free(items);
}

static void test_refused(void **state)
{
    (void)state;
    uint32_t capacity = UINT32_C(1) << 31;
    char *items = malloc(1);
    assert_null(grow_array(items, &capacity, 1, 1)); /* 2^32 items are not counted in 32 bits */
    assert_null(grow_zeroed(items, &capacity, 1, 1));
    assert_int_equal(capacity, UINT32_C(1) << 31);
    items[0] = 'x'; /* it is still there */
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_grow), cmocka_unit_test(test_zeroed),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
