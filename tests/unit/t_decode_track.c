/* decode_track.c: whole events learned by heart, and that nothing but their values shows. That the values are
 * those of the slow path is judged by every test of the decoder (decode_judge.h reads each payload many
 * times). */
#include "collectors/decode_shape.h"
#include "collectors/decode_track.h"
#include "tests/unit/decode_judge.h"

static uint64_t followed(const struct fixture *fixture)
{
    return tracks_followed(fixture->fast->scanner->tracks);
}

/* Decodes once, against the slow path; whether the event stayed on a track. */
static bool decode_once(struct fixture *fixture, const char *text)
{
    struct event fast, slow;
    size_t len = strlen(text);
    char *copy = calloc(1, len + RECORD_PADDING);
    assert_non_null(copy);
    memcpy(copy, text, len);
    struct record record = {.payload = {copy, (uint32_t)len}, .padded = true, .ts_ms = INT64_MIN};
    uint64_t before = followed(fixture);
    enum reject by_fast = decoder_decode(fixture->fast, &record, &fast);
    assert_int_equal(by_fast, decoder_decode_slowly(fixture->slow, &record, &slow));
    if (by_fast == REJECT_NONE) {
        const char *difference = event_difference(fixture->fast, &fast, fixture->slow, &slow);
        if (difference)
            fail_msg("`%s`: different: %s", text, difference);
    }
    free(copy);
    return followed(fixture) != before;
}

/* Each is learned when it is first seen; then it is followed whatever came in between, and what the others
 * have that it lacks is not there. */
static void kinds_take_turns(void **state)
{
    (void)state;
    static const char *const events[] = {
        E
        "\"id\":\"i\",\"features\":{\"a\":1,\"b\":\"x\",\"c\":null},\"score\":0.5,\"groups\":{\"g\":\"y\"}}",
        E "\"id\":\"i\",\"features\":{\"a\":1,\"b\":\"x\"},\"score\":0.5}",
        E "\"id\":\"i\",\"features\":{\"b\":\"x\",\"a\":1},\"score\":0.5,\"prediction\":\"p\"}",
        E "\"id\":\"i\",\"features\":{}}",
        E "\"features\":{\"a\":[1,2,3],\"b\":[]}}",
        "{\"type\":\"label\",\"model\":\"m\",\"ts\":2,\"id\":\"i\",\"label\":1}",
        "{ \"type\" : \"label\" , \"model\" : \"m\" , \"ts\" : 2 , \"id\" : \"i\" , \"label\" : true } ",
        E "\"features\":{\"a_name_that_is_longer_than_a_whole_literal_of_a_step\":1,"
          "\"a_name_that_is_longer_than_a_whole_literal_of_a_track\":2}}",
    };
    for (int portable = 0; portable < 2; portable++) {
        struct fixture fixture;
        fixture_open(&fixture, NULL, NULL);
        if (portable)
            tracks_be_portable(fixture.fast->scanner->tracks);
        for (size_t i = 0; i < ARRAY_LEN(events); i++)
            assert_false(decode_once(&fixture, events[i]));
        for (unsigned round = 0; round < 50; round++)
            for (size_t i = 0; i < ARRAY_LEN(events); i++)
                if (!decode_once(&fixture, events[(i * 5 + round) % ARRAY_LEN(events)]))
                    fail_msg("`%s` was not followed", events[(i * 5 + round) % ARRAY_LEN(events)]);
        fixture_close(&fixture);
    }
}

/* Values may change in length and type. */
static void values_may_be_others(void **state)
{
    (void)state;
    static const char *const values[] = {
        "1",
        "-0.25",
        "12345678901234567",
        "1e-7",
        "\"\"",
        "\"text\"",
        "\"\xc3\xa9\\n\"",
        "null",
        "true",
        "false",
        "\"a string that is longer than sixteen bytes, and than thirty-two\""};
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            char text[512];
            (void)snprintf(text, sizeof(text), E "\"features\":{\"a\":%s,\"b\":%s},\"score\":0.5}", values[i],
                           values[k]);
            bool stays = decode_once(&fixture, text);
            assert_true(stays || (i == 0 && k == 0));
        }
    /* What is no value, or one that no track has, leaves it and is judged elsewhere. */
    static const char *const others[] = {"01", "1.", "-",         "nul", "\"\x01\"",
                                         "\"", "{}", "{\"a\":1}", "",    "1 2"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        char text[512];
        (void)snprintf(text, sizeof(text), E "\"features\":{\"a\":1,\"b\":%s},\"score\":0.5}", others[i]);
        assert_false(decode_once(&fixture, text));
    }
    fixture_close(&fixture);
}

/* A value that is a feature, a segment and a field of the event; a string beyond the bound is none. */
static void values_for_several_places(void **state)
{
    (void)state;
    static char country[] = "/f/country", f[] = "/f", name[] = "land";
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    spec.features = (struct group_spec){.set = true, .object = f};
    spec.groups = (struct group_spec){.set = true, .object = f};
    spec.segments = (struct group_spec){.set = true, .names = {name}, .named_count = 1};
    spec.segments.accessors[0].accessors[0] = (struct accessor_spec){ACCESS_POINTER, country};
    spec.segments.accessors[0].count = 1;
    struct decode_limits limits = {.value_bytes = 12};
    struct fixture fixture;
    fixture_open(&fixture, &spec, &limits);
    static const char *const countries[] = {"\"de\"", "\"fr\"", "3", "\"more than twelve\"", "null"};
    for (unsigned round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_LEN(countries); i++) {
            char text[256];
            (void)snprintf(text, sizeof(text),
                           "{\"model\":\"m\",\"ts\":1,\"f\":{\"country\":%s,\"plan\":\"p\"}}", countries[i]);
            assert_true(decode_once(&fixture, text) || (round == 0 && i == 0));
        }
    fixture_close(&fixture);
}

/* Bytes that stand for nothing inside the decoder are still bytes of a payload. */
static void no_byte_is_magic(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    static const char *const broken[] = {
        "{\xff"
        "1}",
        "{\xff:1}",
        "{\xff\"type\":1}",
        "\xff{}",
        E "\xff"
          "1}",
        E "\"score\":0.5\xff"
          "1}",
        E "\"score\":0.5,\xff"
          "1}",
        E "\"score\":0.5}\xff",
        E "\"score\":0.5\xff",
    };
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(broken); i++)
            assert_int_not_equal(judge(&fixture, &plain_record, broken[i], strlen(broken[i]), NULL),
                                 REJECT_NONE);
        (void)judge(&fixture, &plain_record, L(E "\"score\":0.5}"), NULL);
    }
    fixture_close(&fixture);
}

/* The largest event with the most to unescape, and the most numbers: learning reads them a second time. */
static void learning_fits(void **state)
{
    (void)state;
    enum { BYTES = 700 };
    struct decode_limits limits = {.event_bytes = BYTES};
    struct fixture fixture;
    fixture_open(&fixture, NULL, &limits);
    for (int kind = 0; kind < 3; kind++) {
        char text[BYTES + 1];
        size_t len = (size_t)snprintf(text, sizeof(text), E "\"id\":\"\\n\",\"features\":{\"%s\":%s",
                                      kind == 2 ? "\\/" : "a", kind == 1 ? "[" : "\"\\n");
        while (len < BYTES - 8)
            len += (size_t)snprintf(text + len, sizeof(text) - len, kind == 1 ? "0," : "x");
        (void)snprintf(text + len, sizeof(text) - len, kind == 1 ? "0]}}" : "\"}}");
        assert_false(decode_once(&fixture, text));
        assert_true(decode_once(&fixture, text));
        assert_true(decode_once(&fixture, text));
    }
    fixture_close(&fixture);
}

/* Keys in ever new orders: hardly any event is tried, and none is learned; when order returns, tracks do. */
static void disorder_is_left_alone(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    uint32_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        char text[512];
        size_t len = (size_t)snprintf(text, sizeof(text), E "\"features\":{");
        for (unsigned left = 0x3ff; left;) {
            random = random * 1664525 + 1013904223;
            unsigned pick = (random >> 24) % 10;
            if (!(left >> pick & 1))
                continue;
            left &= ~(1u << pick);
            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, "\"f%u\":%u%s", pick, i, left ? "," : "}}");
        }
        (void)decode_once(&fixture, text);
    }
    assert_true(followed(&fixture) < 100);
    unsigned hits = 0;
    for (unsigned i = 0; i < 4000; i++)
        hits += decode_once(&fixture, E "\"features\":{\"f1\":1,\"f0\":0,\"f9\":9},\"score\":0.25}");
    assert_true(hits > 1500);
    fixture_close(&fixture);
}

/* More shapes than may be kept: the first are forgotten, memory is not. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct decode_limits limits = {.names = 100000};
    struct fixture fixture;
    fixture_open(&fixture, NULL, &limits);
    for (unsigned shape = 0; shape < 1500; shape++)
        for (unsigned i = 0; i < 64; i++) {
            char text[4096];
            size_t len = (size_t)snprintf(text, sizeof(text), E "\"features\":{\"n%u\":1", shape);
            for (unsigned k = 0; k < 60; k++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"f%u\":%u", (shape + k) % 100, k);
            (void)snprintf(text + len, sizeof(text) - len, "}}");
            (void)decode_once(&fixture, text);
        }
    assert_true(followed(&fixture) > 1500 * 64 / 2);
    assert_true(tracks_bytes(fixture.fast->scanner->tracks) <= 4 << 20);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_take_turns),
        cmocka_unit_test(values_may_be_others),
        cmocka_unit_test(values_for_several_places),
        cmocka_unit_test(no_byte_is_magic),
        cmocka_unit_test(disorder_is_left_alone),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(learning_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
