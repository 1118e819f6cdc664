/* What the fast path learns of one event, and that no other event shows it. */
#include <malloc.h>

#include "collectors/decode_shape.h"
#include "tests/unit/decode_judge.h"

/* Alike enough to be taken for one another: keys that begin alike, also across 16 and 32 bytes; the same keys
 * in another order, spelled otherwise, with other blanks; values that hold what usually follows them. */
static const char *const alike[] = {
    E "\"id\":\"i\",\"features\":{\"a\":1,\"ab\":2,\"abc\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"ab\":1,\"a\":2,\"abc\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"ab\":1,\"ab\":2,\"abc\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"ab\":2,\"a\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"\\u0061\":2,\"abc\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"\\u0061\":1,\"ab\":2,\"abc\":3,\"b\":\"x\"},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"abc\":3},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1},\"ab\":2,\"abc\":3,\"b\":\"x\",\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"ab\":2,\"abc\":3,\"b\":\"x\",\"score\":0.5}}",
    E "\"id\":\"\\\",\\\"features\\\":{\\\"a\\\":1\",\"features\":{\"a\":\",\\\"ab\\\":2\"},\"score\":0.5}",
    E "\"id\":\",'features':{'a':1\",\"features\":{\"a\":\"},:{\",\"b\":\"}\"},\"score\":1e-1}",
    E "\"id\": \"i\", \"features\": {\"a\": 1, \"ab\": 2, \"abc\": 3, \"b\": \"x\"}, \"score\": 0.5}",
    E " \"id\" : \"i\" , \"features\" :\t{ \"a\" :1\n, \"ab\": 2,\"abc\":  3 } , \"score\" : 0.5 } ",
    E "\"id\":\"i\",\"features\":{\"a\":null,\"ab\":true,\"abc\":[1,2],\"b\":{\"a\":1}},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":null,\"score\":0.5}",
    E "\"id\":\"i\",\"features\":[],\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":01,\"ab\":2},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1 \"ab\":2},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"ab\" 2},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,,\"ab\":2},\"score\":0.5}",
    E "\"id\":\"i\",\"features\":{\"a\":1,\"ab\":2,},\"score\":0.5}",
    E
    "\"id\":\"i\",\"features\":{\"a\":12345678901234567,\"ab\":-0.00012345678901234567,\"b\":\"\xc3\xa9\"}}",
    E "\"features\":{\"abcdefghijklm\":1,\"abcdefghijklmn\":2,\"abcdefghijklmno\":3,\"abcdefghijklmnop\":4,"
      "\"abcdefghijklmnopq\":5,\"abcdefghijklmnopqrstuvwxyzabc\":6,\"abcdefghijklmnopqrstuvwxyzabcd\":7,"
      "\"abcdefghijklmnopqrstuvwxyzabcdef\":8}}",
    E "\"features\":{\"abcdefghijklmnopqrstuvwxyzabcdef\":1,\"abcdefghijklmnopqrstuvwxyzabcd\":2,"
      "\"abcdefghijklmnopqrstuvwxyzabc\":3,\"abcdefghijklmnopq\":4,\"abcdefghijklmnop\":5}}",
    E "\"features\":{\"abcdefghijklmnopqrstuvwxyzabcdef\":1,\"abcdefghijklmnopqrstuvwxyzabcdeg\":2,"
      "\"abcdefghijklmnopqrstuvwxyzabcdef\":3}}",
};

static void what_one_event_taught_does_not_show_in_another(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(alike); i++)
        for (size_t k = 0; k < ARRAY_LEN(alike); k++) {
            (void)judge(&fixture, &plain_record, alike[i], strlen(alike[i]), NULL);
            (void)judge(&fixture, &plain_record, alike[k], strlen(alike[k]), NULL);
        }
    fixture_close(&fixture);
}

/* Cut at every byte, with the very bytes behind it that the decoder has learned to expect there; and begun as
 * one event, continued as another. */
static void cut_where_the_learned_goes_on(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(alike); i++) {
        size_t whole = strlen(alike[i]);
        const char *other = alike[(i + 1) % ARRAY_LEN(alike)];
        (void)judge(&fixture, &plain_record, alike[i], whole, NULL);
        for (size_t len = 0; len < whole; len++) {
            struct event fast, slow;
            char *copy = malloc(len + RECORD_PADDING);
            assert_non_null(copy);
            for (size_t k = 0; k < len + RECORD_PADDING; k++)
                copy[k] = alike[i][k % whole];
            struct record record = {.payload = {copy, (uint32_t)len}, .padded = true, .ts_ms = INT64_MIN};
            enum reject by_slow = decoder_decode_slowly(fixture.slow, &record, &slow);
            assert_int_equal(decoder_decode(fixture.fast, &record, &fast), by_slow);
            if (by_slow == REJECT_NONE) /* only blanks were cut */
                assert_null(event_difference(fixture.fast, &fast, fixture.slow, &slow));
            free(copy);
            char mixed[1024];
            size_t at = len < strlen(other) ? len : strlen(other);
            int mixed_len = snprintf(mixed, sizeof(mixed), "%.*s%s", (int)len, alike[i], other + at);
            (void)judge(&fixture, &plain_record, mixed, (size_t)mixed_len, NULL);
        }
    }
    fixture_close(&fixture);
}

/* The same when orders change so often that keys are not guessed any more. */
static void cut_where_keys_are_not_guessed(void **state)
{
    (void)state;
    static const char *const orders[] = {
        "{\"id\":\"i\",\"ts\":1,\"type\":\"prediction\",\"features\":{\"b\":\"x\",\"a\":1,"
        "\"abcdefghijklmnop\":2},"
        "\"model\":\"m\"}",
        "{\"features\":{\"abcdefghijklmnop\":2,\"b\":\"x\",\"a\":1},\"ts\":1,\"type\":\"prediction\","
        "\"model\":\"m\","
        "\"id\":\"i\"}",
        "{\"model\":\"m\",\"features\":{\"a\":1,\"abcdefghijklmnop\":2,\"b\":\"x\"},\"id\":\"i\","
        "\"type\":\"prediction\",\"ts\":1}",
    };
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        size_t whole = strlen(orders[i]);
        for (size_t len = 0; len < whole; len++) {
            struct event fast, slow;
            for (size_t k = 0; k < ARRAY_LEN(orders); k++)
                (void)judge(&fixture, &plain_record, orders[k], strlen(orders[k]), NULL);
            char *copy = malloc(len + RECORD_PADDING);
            assert_non_null(copy);
            for (size_t k = 0; k < len + RECORD_PADDING; k++)
                copy[k] = orders[i][k % whole];
            struct record record = {.payload = {copy, (uint32_t)len}, .padded = true, .ts_ms = INT64_MIN};
            enum reject by_slow = decoder_decode_slowly(fixture.slow, &record, &slow);
            assert_int_not_equal(by_slow, REJECT_NONE);
            assert_int_equal(decoder_decode(fixture.fast, &record, &fast), by_slow);
            /* A key ends where the event does: '}' in its place, the rest of it behind. */
            for (char end = '}'; len > 0 && end; end = end == '}' ? '"' : 0) {
                copy[len - 1] = end;
                by_slow = decoder_decode_slowly(fixture.slow, &record, &slow);
                assert_int_equal(decoder_decode(fixture.fast, &record, &fast), by_slow);
            }
            free(copy);
        }
    }
    fixture_close(&fixture);
}

static void well_formed_events_take_the_fast_path(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, NULL, NULL);
    for (int i = 0; i < 2000; i++) {
        char payload[400];
        /* Members come, go and change places; strings have escapes. */
        int len = snprintf(payload, sizeof(payload),
                           "{%s\"type\":\"prediction\",\"model\":\"m\",\"ts\":%d,\"features\":{\"a\":%d%s%s},"
                           "\"n\\u00e9w\":\"caf\\u00e9 \xc3\xa9\",\"x\":{\"y\":[{\"z\":%d}]}}",
                           i % 3 ? "" : "\"id\":7,", i, i, i % 5 ? "" : ",\"b\":null",
                           i % 7 ? "" : ",\"long_feature_name_that_fills_more_than_32\":[1]", i);
        struct record record = {.payload = {payload, (uint32_t)len}, .ts_ms = INT64_MIN};
        assert_int_equal(decoder_decode(fixture.fast, &record, &ev), REJECT_NONE);
        assert_true(ev.ts_ms == i);
    }
    assert_true(decoder_fallbacks(fixture.fast) == 0);
    fixture_close(&fixture);
}

/* Bytes in use by the C library's allocator; 0 under sanitizers, which bring their own. */
static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void memory_does_not_grow(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    size_t warm = 0;
    fixture_open(&fixture, NULL, NULL);
    for (int i = 0; i < 20000; i++) {
        char payload[300];
        /* Every third is refused, every fifth is refused by the tree of the slow path. */
        int len =
            snprintf(payload, sizeof(payload), E "\"features\":{\"a\":%d,\"b\":[%d,2]%s},\"x\":{\"y\":%d}%s}",
                     i, i, i % 5 ? "" : ",\"\":1", i, i % 3 ? "" : ",");
        struct record record = {.payload = {payload, (uint32_t)len}, .ts_ms = INT64_MIN};
        enum reject reject = decoder_decode(fixture.fast, &record, &ev);
        assert_int_equal(reject, i % 3 == 0 ? REJECT_SYNTAX : i % 5 == 0 ? REJECT_NAME : REJECT_NONE);
        if (i == 1000)
            warm = heap_bytes();
    }
    assert_int_equal(decoder_decode(fixture.fast, &plain_record, &ev), REJECT_EMPTY);
    assert_true(heap_bytes() <= warm);
    fixture_close(&fixture);
}

/* Sixty keys in ever new orders: looked up, not guessed; the values stay with their names. */
static void keys_in_any_order(void **state)
{
    (void)state;
    enum { KEYS = 60 };
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    uint64_t random = 1;
    for (int round = 0; round < 200; round++) {
        unsigned order[KEYS];
        char payload[4096];
        size_t len = (size_t)snprintf(payload, sizeof(payload), E "\"features\":{");
        for (unsigned i = 0; i < KEYS; i++)
            order[i] = i;
        for (unsigned i = KEYS - 1; i > 0; i--) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            unsigned other = (unsigned)(random >> 33) % (i + 1), kept = order[i];
            order[i] = order[other];
            order[other] = kept;
        }
        for (unsigned i = 0; i < KEYS; i++)
            len += (size_t)snprintf(payload + len, sizeof(payload) - len, "%s\"%.*s%u\":%u", i ? "," : "",
                                    (int)(order[i] % 30), "abcdefghijklmnopqrstuvwxyzabcdef", order[i],
                                    order[i]);
        (void)snprintf(payload + len, sizeof(payload) - len, "}}");
        struct event ev;
        assert_int_equal(judge(&fixture, &plain_record, payload, len + 2, &ev), REJECT_NONE);
        assert_int_equal(ev.features.count, KEYS);
        for (unsigned i = 0; i < KEYS; i++)
            assert_true(ev.features.items[i].value.number == order[i]);
    }
    assert_true(decoder_fallbacks(fixture.fast) == 0);
    fixture_close(&fixture);
}

/* One key for each name, found whether its name is short or long. */
static void names_have_one_key(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    struct decoder *decoder = fixture.fast;
    struct shape *root = decoder->scanner->root;
    static const char name[] = "abcdefghijklmnopqrstuvwxyz";
    struct shape_key *keys[sizeof(name)];
    for (uint32_t len = 0; len < sizeof(name); len++) {
        keys[len] = shape_key_find(decoder, root, (struct text){name, len});
        assert_non_null(keys[len]);
        assert_int_equal(keys[len]->name.len, len);
        for (uint32_t k = 0; k < len; k++)
            assert_ptr_not_equal(keys[k], keys[len]);
    }
    for (uint32_t len = 0; len < sizeof(name); len++)
        assert_ptr_equal(shape_key_find(decoder, root, (struct text){name, len}), keys[len]);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_one_event_taught_does_not_show_in_another),
        cmocka_unit_test(cut_where_the_learned_goes_on),
        cmocka_unit_test(cut_where_keys_are_not_guessed),
        cmocka_unit_test(well_formed_events_take_the_fast_path),
        cmocka_unit_test(memory_does_not_grow),
        cmocka_unit_test(keys_in_any_order),
        cmocka_unit_test(names_have_one_key),
    };
    return cmocka_run_group_tests_name("decode_shape", tests, NULL, NULL);
}
