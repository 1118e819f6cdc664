#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "alerting/lanes.h"

static void push(struct lanes *lanes, const char *id, const char *entity, int64_t due_ms)
{
    assert_int_equal(lanes_push(lanes, id, entity, "body", 4, 0, due_ms, 0), 0);
}

static void test_order_within_an_entity(void **state)
{
    (void)state;
    struct lanes lanes;
    assert_int_equal(lanes_init(&lanes), 0);
    assert_int_equal(lanes_due_ms(&lanes), INT64_MAX);
    assert_null(lanes_take(&lanes, INT64_MAX));
    push(&lanes, "fire", "a", 10);
    push(&lanes, "resolve", "a", 0); /* due earlier, came later */
    push(&lanes, "other", "b", 20);
    assert_int_equal(lanes_due_ms(&lanes), 10);
    assert_null(lanes_take(&lanes, 9));
    struct delivery *fire = lanes_take(&lanes, 100);
    assert_string_equal(fire->id, "fire");
    struct delivery *other = lanes_take(&lanes, 100);
    assert_string_equal(other->id, "other"); /* not held up by a */
    assert_null(lanes_take(&lanes, 100));    /* resolve waits for fire */
    lanes_retry(&lanes, fire, 50);
    assert_int_equal(lanes_due_ms(&lanes), 50);
    assert_null(lanes_take(&lanes, 49));
    fire = lanes_take(&lanes, 50);
    assert_string_equal(fire->id, "fire");
    lanes_drop(&lanes, fire);
    struct delivery *resolve = lanes_take(&lanes, 50);
    assert_string_equal(resolve->id, "resolve");
    lanes_drop(&lanes, resolve);
    assert_int_equal(lanes.count, 1);
    lanes_drop(&lanes, other);
    assert_int_equal(lanes.count, 0);
    assert_int_equal(lanes.bytes, 0);
    lanes_release(&lanes);
}

static void test_same_id_once(void **state)
{
    (void)state;
    struct lanes lanes;
    assert_int_equal(lanes_init(&lanes), 0);
    push(&lanes, "x", "a", 0);
    push(&lanes, "x", "a", 0);
    assert_int_equal(lanes.count, 1);
    struct delivery *x = lanes_take(&lanes, 0);
    push(&lanes, "x", "a", 0); /* also while it is in flight */
    assert_int_equal(lanes.count, 1);
    lanes_drop(&lanes, x);
    push(&lanes, "x", "a", 0); /* but when it is done it may come again */
    assert_int_equal(lanes.count, 1);
    char long_id[DELIVERY_ID_MAX + 2];
    memset(long_id, 'x', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    assert_int_equal(lanes_push(&lanes, long_id, "a", "", 0, 0, 0, 0), -2);
    lanes_release(&lanes);
}

/* Against the definition: of the entities' heads the one with the smallest (due, arrival). */
static void test_many(void **state)
{
    (void)state;
    enum { ITEMS = 3000, ENTITIES = 700 };
    static int64_t due[ITEMS];
    static int next_of[ENTITIES];
    struct lanes lanes;
    uint32_t random = 12345;
    assert_int_equal(lanes_init(&lanes), 0);
    for (int i = 0; i < ITEMS; i++) {
        char id[16], entity[16];
        random = random * 1664525u + 1013904223u;
        due[i] = (random >> 16) % 1000;
        (void)snprintf(id, sizeof(id), "%d", i);
        (void)snprintf(entity, sizeof(entity), "e%d", i % ENTITIES);
        push(&lanes, id, entity, due[i]);
    }
    for (int e = 0; e < ENTITIES; e++)
        next_of[e] = e;
    for (int taken = 0; taken < ITEMS; taken++) {
        int best = -1;
        for (int e = 0; e < ENTITIES; e++) {
            int i = next_of[e];
            if (i < ITEMS && (best < 0 || due[i] < due[best] || (due[i] == due[best] && i < best)))
                best = i;
        }
        char id[16];
        (void)snprintf(id, sizeof(id), "%d", best);
        struct delivery *delivery = lanes_take(&lanes, INT64_MAX);
        assert_non_null(delivery);
        assert_string_equal(delivery->id, id);
        next_of[best % ENTITIES] += ENTITIES;
        lanes_drop(&lanes, delivery);
    }
    assert_int_equal(lanes.count, 0);
    lanes_release(&lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_within_an_entity),
        cmocka_unit_test(test_same_id_once),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
