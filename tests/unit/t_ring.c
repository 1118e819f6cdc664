#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "agent/base/ring.h"

enum { ITEMS = 200000 };

static void test_order_and_bounds(void **state)
{
    (void)state;
    int items[5];
    struct ring *ring = ring_new(3); /* rounded up to 4 */
    assert_non_null(ring);
    assert_null(ring_pop(ring));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            assert_false(ring_is_full(ring));
            assert_true(ring_push(ring, &items[i]));
        }
        assert_true(ring_is_full(ring));
        assert_false(ring_push(ring, &items[4]));
        for (int i = 0; i < 4; i++)
            assert_ptr_equal(ring_pop(ring), &items[i]);
        assert_null(ring_pop(ring));
        /* Shifts where the next round starts. */
        assert_true(ring_push(ring, &items[0]));
        assert_ptr_equal(ring_pop(ring), &items[0]);
    }
    ring_free(ring);
    ring_free(NULL);
}

struct producer {
    struct ring *ring;
    uint32_t *values;
};

/* Writes each value just before it pushes it: the consumer must never see the old one. */
static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (uint32_t i = 0; i < ITEMS; i++) {
        producer->values[i] = i + 1;
        while (!ring_push(producer->ring, &producer->values[i]))
            (void)sched_yield();
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    static uint32_t values[ITEMS];
    struct producer producer = {ring_new(64), values};
    assert_non_null(producer.ring);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, &producer), 0);
    uint32_t wrong = 0;
    for (uint32_t taken = 0; taken < ITEMS;) {
        const uint32_t *value = ring_pop(producer.ring);
        if (!value) {
            (void)sched_yield();
            continue;
        }
        wrong += value != &values[taken] || *value != taken + 1;
        taken++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(wrong, 0);
    assert_null(ring_pop(producer.ring));
    ring_free(producer.ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_bounds),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
