/* kafka_record.c: when what lies behind a payload may be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collectors/kafka_record.h"

static void padded_only_before_a_close_neighbour(void **state)
{
    (void)state;
    static char batch[4096];
    static const struct {
        size_t from, len, next_from, next_len;
        bool padded;
    } cases[] = {
        {0, 600, 612, 600, true},  {0, 600, 600, 64, true},   {0, 600, 612, 52, true},
        {0, 600, 612, 51, false},                             /* 63 bytes are known to be there */
        {0, 600, 728, 600, true},  {0, 600, 729, 600, false}, /* another buffer, for all that is known */
        {700, 600, 0, 600, false}, {0, 600, 599, 600, false}, {0, 0, 10, 64, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rd_kafka_message_t message = {.payload = batch + cases[i].from, .len = cases[i].len};
        rd_kafka_message_t next = {.payload = batch + cases[i].next_from, .len = cases[i].next_len};
        assert_int_equal(kafka_record_is_padded(&message, &next), cases[i].padded);
        assert_false(kafka_record_is_padded(&message, NULL));
        next.payload = NULL; /* a tombstone, an error */
        assert_false(kafka_record_is_padded(&message, &next));
    }
    rd_kafka_message_t tombstone = {.payload = NULL}, next = {.payload = batch, .len = 600};
    assert_false(kafka_record_is_padded(&tombstone, &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padded_only_before_a_close_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
