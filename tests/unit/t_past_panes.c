/* past_panes.c: order, features left out, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/past_panes.h"

enum { HOUR = 3600000, FEATURES = 11 };

static struct past_panes ten_panes(struct tally *tally)
{
    struct past_panes panes = {0};
    for (int i = 0; i < 10; i++) {
        tally->counters[0] = (uint64_t)i + 1;
        assert_int_equal(
            past_panes_add(&panes, (int64_t)i * HOUR, i == 4 ? 2 : 1, FEATURES, (uint64_t)i + 1, tally), 0);
    }
    return panes;
}

static void test_finding(void **state)
{
    (void)state;
    struct tally *tally = tally_new((struct tally_size){3, 1});
    struct past_panes panes = ten_panes(tally);
    assert_int_equal(past_panes_find(&panes, 3 * HOUR, 1)->events, 4);
    assert_null(past_panes_find(&panes, 3 * HOUR + 1, 1));
    assert_null(past_panes_find(&panes, 4 * HOUR, 1)); /* of another grid */
    assert_non_null(past_panes_find(&panes, 4 * HOUR, 2));
    assert_int_equal(past_panes_position(&panes, 3 * HOUR + 1), 4);
    past_panes_drop(&panes, 3 * HOUR);
    assert_int_equal(panes.count, 7);
    assert_null(past_panes_find(&panes, 2 * HOUR, 1));
    tally_reset(tally);
    const struct past_pane *pane = past_panes_find(&panes, 9 * HOUR, 1);
    assert_int_equal(tally_decode_add(pane->bytes, pane->len, tally), 0);
    assert_int_equal(tally->counters[0], 10);
    past_panes_release(&panes);
    tally_free(tally);
}

static void test_leaving_out(void **state)
{
    (void)state;
    struct tally *tally = tally_new((struct tally_size){3, 1});
    struct past_panes panes = ten_panes(tally);
    for (uint32_t i = 0; i < panes.count; i++)
        panes.items[i].changed = false;
    assert_int_equal(past_panes_leave_out(&panes, 1, 10, 2 * HOUR, 6 * HOUR), 2 * HOUR);
    for (uint32_t i = 0; i < panes.count; i++) {
        bool out = i >= 2 && i < 6 && i != 4;
        assert_int_equal(past_pane_leaves_out(&panes.items[i], 10), out);
        assert_int_equal(panes.items[i].changed, out);
        assert_false(past_pane_leaves_out(&panes.items[i], 9));
    }
    assert_int_equal(past_panes_leave_out(&panes, 1, 10, 2 * HOUR, 7 * HOUR), 6 * HOUR);
    assert_int_equal(past_panes_leave_out(&panes, 1, 10, 2 * HOUR, 7 * HOUR), INT64_MAX);
    assert_int_equal(past_panes_leave_out(&panes, 1, FEATURES, 0, 7 * HOUR), INT64_MAX); /* no such feature */
    past_panes_release(&panes);
    tally_free(tally);
}

static void test_bytes(void **state)
{
    (void)state;
    struct tally *tally = tally_new((struct tally_size){3, 1});
    struct past_panes panes = ten_panes(tally), read = {0};
    struct strbuf bytes, again;
    strbuf_init(&bytes, 4096);
    strbuf_init(&again, 4096);
    (void)past_panes_leave_out(&panes, 1, 10, 0, HOUR);
    past_pane_encode(&panes.items[0], &bytes);
    assert_int_equal(past_panes_restore(&read, 0, 1, bytes.bytes, bytes.len), 0);
    assert_true(past_pane_leaves_out(&read.items[0], 10));
    assert_false(read.items[0].changed);
    past_pane_encode(&read.items[0], &again);
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.bytes, again.bytes, bytes.len);
    assert_int_equal(past_panes_restore(&read, 0, 1, bytes.bytes, bytes.len), ERR_CORRUPT); /* not after it */
    assert_int_equal(past_panes_restore(&read, HOUR, 1, bytes.bytes, 2), ERR_CORRUPT);
    strbuf_release(&bytes);
    strbuf_release(&again);
    past_panes_release(&panes);
    past_panes_release(&read);
    tally_free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finding), cmocka_unit_test(test_leaving_out),
                                       cmocka_unit_test(test_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
