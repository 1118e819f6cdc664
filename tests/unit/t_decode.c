/* Verdicts, limits and values; what the fast path learns is in t_decode_shape.c. */
#include "agent/base/hash.h"
#include "tests/unit/decode_judge.h"

struct hostile {
    const char *bytes;
    size_t len;
    enum reject reject;
};

static const struct hostile hostile[] = {
    /* what is fine */
    {L(E "\"score\":0.5}"), REJECT_NONE},
    {L(" \t\r\n" E "\"score\":0.5}\n "), REJECT_NONE},
    {L(E "\"features\":{}}"), REJECT_NONE},
    {L(E "\"features\":null}"), REJECT_NONE},
    {L(E "\"x\":{\"a\":[1,{\"b\":[]}]},\"y\":[[],[[]],{}]}"), REJECT_NONE},
    {L(E "\"features\":{\"a\":1e-400,\"b\":-0,\"c\":4.9e-324,\"d\":1.7976931348623157e308}}"), REJECT_NONE},
    {L(E "\"id\":\"\\u00e9\\ud83d\\ude00\\n\\/\"}"), REJECT_NONE},
    {L(E "\"id\":\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}"), REJECT_NONE},
    {L(E "\"\\u0073core\":1}"), REJECT_NONE},
    {L(E "\"\":1}"), REJECT_NONE},
    /* nothing there */
    {L(""), REJECT_EMPTY},
    {L(" "), REJECT_SYNTAX},
    {L("\0"), REJECT_SYNTAX},
    /* cut, continued, doubled */
    {L("{"), REJECT_SYNTAX},
    {L("{\"a\""), REJECT_SYNTAX},
    {L("{\"a\":"), REJECT_SYNTAX},
    {L("{\"a\":1"), REJECT_SYNTAX},
    {L("{\"a\":1,"), REJECT_SYNTAX},
    {L(E "\"score\":0.5"), REJECT_SYNTAX},
    {L(E "\"score\":{}"), REJECT_SYNTAX},
    {L(E "\"id\":\"abc"), REJECT_SYNTAX},
    {L(E "\"id\":\"abc}"), REJECT_SYNTAX},
    {L(E "\"id\":\"abc\\\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"abc\\"), REJECT_SYNTAX},
    {L(E "\"id\":tru}"), REJECT_SYNTAX},
    {L(E "\"features\":{\"a}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5}}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5}x"), REJECT_SYNTAX},
    {L(E "\"score\":0.5}\0"), REJECT_SYNTAX},
    {L(E "\"score\":0.5}{}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5} {\"a\":1}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5},"), REJECT_SYNTAX},
    {L(E "\"score\":0.5,}"), REJECT_SYNTAX},
    {L(E ",\"score\":0.5}"), REJECT_SYNTAX},
    {L(E "\"score\" 0.5}"), REJECT_SYNTAX},
    {L(E "\"score\"::0.5}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5 \"x\":1}"), REJECT_SYNTAX},
    {L(E "\"x\":[1,]}"), REJECT_SYNTAX},
    {L(E "\"x\":[,1]}"), REJECT_SYNTAX},
    {L(E "\"x\":[1 2]}"), REJECT_SYNTAX},
    {L(E "\"x\":[1,2}"), REJECT_SYNTAX},
    {L(E "\"x\":[1}]}"), REJECT_SYNTAX},
    {L(E "\"x\":{\"a\":1]}"), REJECT_SYNTAX},
    /* not JSON, though some readers take it */
    {L("/* c */{}"), REJECT_SYNTAX},
    {L(E "\"score\":0.5} // c"), REJECT_SYNTAX},
    {L("{'type':'prediction'}"), REJECT_SYNTAX},
    {L("{type:\"prediction\"}"), REJECT_SYNTAX},
    {L("{1:2}"), REJECT_SYNTAX},
    {L("\xef\xbb\xbf{}"), REJECT_SYNTAX},
    {L("\xff\xfe{\0}\0"), REJECT_SYNTAX},
    {L("{\0}\0"), REJECT_SYNTAX},
    {L(E "\"x\":True}"), REJECT_SYNTAX},
    {L(E "\"x\":nul}"), REJECT_SYNTAX},
    {L(E "\"x\":undefined}"), REJECT_SYNTAX},
    {L(E "\"x\":NaN}"), REJECT_SYNTAX},
    {L(E "\"x\":Infinity}"), REJECT_SYNTAX},
    {L(E "\"x\":-Infinity}"), REJECT_SYNTAX},
    {L(E "\"x\":}"), REJECT_SYNTAX},
    {L("{\"a\":1\x0b}"), REJECT_SYNTAX},
    {L("{\"a\":\xc2\xa0"
       "1}"),
     REJECT_SYNTAX},
    /* numbers */
    {L(E "\"score\":01}"), REJECT_SYNTAX},
    {L(E "\"score\":-01}"), REJECT_SYNTAX},
    {L(E "\"score\":+1}"), REJECT_SYNTAX},
    {L(E "\"score\":.5}"), REJECT_SYNTAX},
    {L(E "\"score\":1.}"), REJECT_SYNTAX},
    {L(E "\"score\":1.e5}"), REJECT_SYNTAX},
    {L(E "\"score\":1e}"), REJECT_SYNTAX},
    {L(E "\"score\":1e+}"), REJECT_SYNTAX},
    {L(E "\"score\":-}"), REJECT_SYNTAX},
    {L(E "\"score\":--1}"), REJECT_SYNTAX},
    {L(E "\"score\":0x10}"), REJECT_SYNTAX},
    {L(E "\"score\":1.5.5}"), REJECT_SYNTAX},
    {L(E "\"score\":1e309}"), REJECT_NUMBER_RANGE},
    {L(E "\"score\":-1e309}"), REJECT_NUMBER_RANGE},
    {L(E "\"score\":1e1000000000}"), REJECT_NUMBER_RANGE},
    {L(E "\"ignored\":[{\"deep\":1.8e308}]}"), REJECT_NUMBER_RANGE},
    /* strings */
    {L(E "\"id\":\"a\nb\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"a\tb\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"a\0b\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"\\x41\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"\\u00g0\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"\\u12\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"\\'\"}"), REJECT_SYNTAX},
    {L(E "\"id\":\"a\\u0000b\"}"), REJECT_UTF8},
    {L(E "\"a\\u0000b\":1}"), REJECT_UTF8},
    {L(E "\"id\":\"\\ud800\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\\udc00\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\\ud800\\u0041\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\\ud800\\ud800\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\\ud800x\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xff\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\x80\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xc0\xaf\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xc1\xbf\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xe0\x80\xaf\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xed\xa0\x80\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xed\xbf\xbf\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xf0\x80\x80\xaf\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xf4\x90\x80\x80\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xf8\x88\x80\x80\x80\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xe2\x82\"}"), REJECT_UTF8},
    {L(E "\"id\":\"\xc3(\"}"), REJECT_UTF8},
    {L(E "\"\xff\":1}"), REJECT_UTF8},
    /* duplicates, at any depth, however they are spelled */
    {L(E "\"score\":1,\"score\":1}"), REJECT_DUPLICATE_KEY},
    {L(E "\"score\":1,\"\\u0073core\":2}"), REJECT_DUPLICATE_KEY},
    {L(E "\"features\":{\"a\":1,\"b\":2,\"a\":3}}"), REJECT_DUPLICATE_KEY},
    {L(E "\"ignored\":[{\"x\":1,\"x\":1}]}"), REJECT_DUPLICATE_KEY},
    {L(E "\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1},\"a\":1}"), REJECT_DUPLICATE_KEY},
    {L(E "\"\":1,\"\":1}"), REJECT_DUPLICATE_KEY},
    /* JSON, but no event */
    {L("null"), REJECT_NOT_OBJECT},
    {L("true"), REJECT_NOT_OBJECT},
    {L("17"), REJECT_NOT_OBJECT},
    {L("\"{}\""), REJECT_NOT_OBJECT},
    {L("[]"), REJECT_NOT_OBJECT},
    {L("[{}]"), REJECT_NOT_OBJECT},
    {L("{}"), REJECT_KIND},
    {L("{\"type\":\"Prediction\",\"model\":\"m\",\"ts\":1}"), REJECT_KIND},
    {L("{\"type\":1,\"model\":\"m\",\"ts\":1}"), REJECT_KIND},
    {L("{\"type\":null,\"model\":\"m\",\"ts\":1}"), REJECT_KIND},
    {L("{\"type\":[\"prediction\"],\"model\":\"m\",\"ts\":1}"), REJECT_KIND},
    /* names */
    {L("{\"type\":\"prediction\",\"ts\":1}"), REJECT_MODEL},
    {L("{\"type\":\"prediction\",\"model\":7,\"ts\":1}"), REJECT_MODEL},
    {L("{\"type\":\"prediction\",\"model\":null,\"ts\":1}"), REJECT_MODEL},
    {L("{\"type\":\"prediction\",\"model\":{},\"ts\":1}"), REJECT_MODEL},
    {L("{\"type\":\"prediction\",\"model\":\"\",\"ts\":1}"), REJECT_MODEL},
    {L("{\"type\":\"prediction\",\"model\":\"a\\nb\",\"ts\":1}"), REJECT_MODEL},
    {L(E "\"version\":1.5}"), REJECT_VERSION},
    {L(E "\"version\":1e2}"), REJECT_VERSION},
    {L(E "\"version\":true}"), REJECT_VERSION},
    {L(E "\"version\":[1]}"), REJECT_VERSION},
    {L(E "\"version\":\"a\\u0007\"}"), REJECT_VERSION},
    {L(E "\"id\":1.5}"), REJECT_ID},
    {L(E "\"id\":false}"), REJECT_ID},
    {L(E "\"id\":{}}"), REJECT_ID},
    {L(E "\"id\":\"\"}"), REJECT_ID},
    {L("{\"type\":\"label\",\"model\":\"m\",\"ts\":1,\"label\":1}"), REJECT_ID},
    {L("{\"type\":\"label\",\"model\":\"m\",\"ts\":1,\"label\":1,\"id\":null}"), REJECT_ID},
    {L(E "\"features\":{\"\":1}}"), REJECT_NAME},
    {L(E "\"features\":{\"a\\u001b[31m\":1}}"), REJECT_NAME},
    {L(E "\"features\":{\"a\x7f\":1}}"), REJECT_NAME},
    {L(E "\"features\":{\"a\xc2\x9b\":1}}"), REJECT_NAME},
    {L(E "\"segments\":{\"a\":\"b\\nc\"}}"), REJECT_NAME},
    /* time */
    {L("{\"type\":\"prediction\",\"model\":\"m\"}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":null}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":true}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":[1]}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":\"yesterday\"}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":\"\"}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":\"2026-02-30T00:00:00Z\"}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":1e300}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":9223372036854775807}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":-9223372036854775808}"), REJECT_TIME},
    {L("{\"type\":\"prediction\",\"model\":\"m\",\"ts\":253402300800000}"), REJECT_TIME},
    /* types */
    {L(E "\"score\":\"0.5\"}"), REJECT_TYPE},
    {L(E "\"score\":true}"), REJECT_TYPE},
    {L(E "\"score\":[0.5]}"), REJECT_TYPE},
    {L(E "\"score\":{}}"), REJECT_TYPE},
    {L(E "\"prediction\":{\"a\":1}}"), REJECT_TYPE},
    {L(E "\"prediction\":[1]}"), REJECT_TYPE},
    {L(E "\"latency_ms\":-1}"), REJECT_TYPE},
    {L(E "\"latency_ms\":\"12\"}"), REJECT_TYPE},
    {L(E "\"weight\":-0.5}"), REJECT_TYPE},
    {L(E "\"features\":[1,2]}"), REJECT_TYPE},
    {L(E "\"features\":\"a\"}"), REJECT_TYPE},
    {L(E "\"features\":5}"), REJECT_TYPE},
    {L(E "\"scores\":{\"a\":\"0.1\"}}"), REJECT_TYPE},
    {L(E "\"scores\":{\"a\":true}}"), REJECT_TYPE},
    {L(E "\"groups\":{\"a\":[1]}}"), REJECT_TYPE},
    {L(E "\"segments\":{\"a\":{}}}"), REJECT_TYPE},
    {L(E "\"attributions\":{\"a\":\"x\"}}"), REJECT_TYPE},
    {L("{\"type\":\"label\",\"model\":\"m\",\"ts\":1,\"id\":1}"), REJECT_TYPE},
    {L("{\"type\":\"label\",\"model\":\"m\",\"ts\":1,\"id\":1,\"label\":null}"), REJECT_TYPE},
    {L("{\"type\":\"kpi\",\"model\":\"m\",\"ts\":1}"), REJECT_TYPE},
    {L("{\"type\":\"kpi\",\"model\":\"m\",\"ts\":1,\"kpis\":{\"a\":false}}"), REJECT_TYPE},
    {L("{\"type\":\"features\",\"model\":\"m\",\"ts\":1}"), REJECT_TYPE},
    /* two faults: well-formedness first */
    {L("{\"type\":1,\"x\":\"\xff\"}"), REJECT_UTF8},
    {L("{\"type\":1,\"score\":1e999}"), REJECT_NUMBER_RANGE},
    {L("{\"type\":1,\"a\":1,\"a\":01}"), REJECT_DUPLICATE_KEY},
};

static void hostile_payloads_get_their_verdicts(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    assert_true(ARRAY_LEN(hostile) >= 94);
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        enum reject reject = judge(&fixture, &plain_record, hostile[i].bytes, hostile[i].len, NULL);
        if (reject != hostile[i].reject)
            fail_msg("`%s`: %s (%s), not %s", hostile[i].bytes, reject_name(reject),
                     decoder_detail(fixture.fast), reject_name(hostile[i].reject));
    }
    fixture_close(&fixture);
}

static void tombstones_are_empty(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, NULL, NULL);
    assert_int_equal(decoder_decode(fixture.fast, &plain_record, &ev), REJECT_EMPTY);
    fixture_close(&fixture);
}

/* Every proper beginning of an event is refused, every byte may be anything without harm. */
static void cut_and_spoiled_events(void **state)
{
    (void)state;
    static const char event[] =
        E "\"id\":\"a\\u00e9\",\"version\":\"7\",\"features\":{\"income\":5200.25,\"region\":\"n\xc3\xb6rd\","
          "\"v\":[1,2.5,-3e2],\"f\":false,\"n\":null},\"x\":[{\"a\":1},\"b\"],\"score\":0.83}";
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    assert_int_equal(judge(&fixture, &plain_record, event, sizeof(event) - 1, NULL), REJECT_NONE);
    for (size_t len = 0; len < sizeof(event) - 1; len++)
        assert_int_not_equal(judge(&fixture, &plain_record, event, len, NULL), REJECT_NONE);
    char spoiled[sizeof(event)];
    static const unsigned char bytes[] = {0,   '"', '\\', '{', '}', '[', ']',  ',',  ':',
                                          '0', '9', '-',  '.', 'e', ' ', 0x80, 0xc3, 0xff};
    for (size_t at = 0; at < sizeof(event) - 1; at++) {
        memcpy(spoiled, event, sizeof(event));
        for (size_t i = 0; i < sizeof(bytes); i++) {
            spoiled[at] = (char)bytes[i];
            (void)judge(&fixture, &plain_record, spoiled, sizeof(event) - 1, NULL);
        }
    }
    fixture_close(&fixture);
}

/* ---- limits ---- */

struct builder {
    char *bytes;
    size_t len;
};

static void build(struct builder *builder, const char *text, size_t times)
{
    size_t len = strlen(text);
    builder->bytes = realloc(builder->bytes, builder->len + len * times + 1);
    assert_non_null(builder->bytes);
    for (size_t i = 0; i < times; i++, builder->len += len)
        memcpy(builder->bytes + builder->len, text, len);
}

static enum reject judge_built(struct fixture *fixture, struct builder *builder)
{
    enum reject reject = judge(fixture, &plain_record, builder->bytes, builder->len, NULL);
    free(builder->bytes);
    *builder = (struct builder){0};
    return reject;
}

static void nesting_is_limited(void **state)
{
    (void)state;
    struct fixture fixture;
    struct builder builder = {0};
    fixture_open(&fixture, NULL, NULL);
    static const struct {
        size_t depth;
        enum reject reject;
    } cases[] = {{31, REJECT_NONE}, {32, REJECT_DEPTH}, {30000, REJECT_DEPTH}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build(&builder, E "\"x\":", 1);
        build(&builder, "[", cases[i].depth);
        build(&builder, "]", cases[i].depth);
        build(&builder, "}", 1);
        assert_int_equal(judge_built(&fixture, &builder), cases[i].reject);
        build(&builder, E "\"x\":", 1);
        build(&builder, "{\"a\":", cases[i].depth > 5000 ? 5000 : cases[i].depth);
        build(&builder, "1", 1);
        build(&builder, "}", (cases[i].depth > 5000 ? 5000 : cases[i].depth) + 1);
        assert_int_equal(judge_built(&fixture, &builder), cases[i].reject);
    }
    build(&builder, "[", 60000);
    assert_int_equal(judge_built(&fixture, &builder), REJECT_DEPTH);
    fixture_close(&fixture);
}

static void build_members(struct builder *builder, const char *prefix, unsigned count)
{
    char member[64];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(member, sizeof(member), "%s\"%s%u\":1", i ? "," : "", prefix, i);
        build(builder, member, 1);
    }
}

static void counts_are_limited(void **state)
{
    (void)state;
    struct fixture fixture;
    struct builder builder = {0};
    fixture_open(&fixture, NULL, NULL);
    for (unsigned more = 0; more < 2; more++) {
        enum reject reject = more ? REJECT_TOO_MANY_FIELDS : REJECT_NONE;
        build(&builder, E "\"features\":{", 1);
        build_members(&builder, "f", 1024 + more);
        build(&builder, "}}", 1);
        assert_int_equal(judge_built(&fixture, &builder), reject);
        build(&builder, E "\"ignored\":{", 1);
        build_members(&builder, "", 4096 + more);
        build(&builder, "}}", 1);
        assert_int_equal(judge_built(&fixture, &builder), reject);
        build(&builder, E "\"features\":{\"v\":[1", 1);
        build(&builder, ",1", 4095 + more);
        build(&builder, "]}}", 1);
        assert_int_equal(judge_built(&fixture, &builder), reject);
    }
    fixture_close(&fixture);
}

static void lengths_are_limited(void **state)
{
    (void)state;
    struct fixture fixture;
    struct builder builder = {0};
    fixture_open(&fixture, NULL, NULL);
    static const struct {
        const char *before, *after;
        size_t limit;
        enum reject reject;
    } cases[] = {
        {"{\"type\":\"prediction\",\"ts\":1,\"model\":\"", "\"}", 256, REJECT_MODEL},
        {E "\"version\":\"", "\"}", 256, REJECT_VERSION},
        {E "\"id\":\"", "\"}", 256, REJECT_ID},
        {E "\"features\":{\"", "\":1}}", 256, REJECT_NAME},
        {E "\"segments\":{\"a\":\"", "\"}}", 256, REJECT_NAME},
        {E "\"prediction\":\"", "\"}", 1024, REJECT_TYPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned more = 0; more < 2; more++) {
            build(&builder, cases[i].before, 1);
            build(&builder, "x", cases[i].limit + more);
            build(&builder, cases[i].after, 1);
            assert_int_equal(judge_built(&fixture, &builder), more ? cases[i].reject : REJECT_NONE);
        }
    }
    for (unsigned more = 0; more < 2; more++) {
        static const char before[] = E "\"x\":\"";
        build(&builder, before, 1);
        build(&builder, "x", 65536 - sizeof(before) + 1 - 2 + more);
        build(&builder, "\"}", 1);
        assert_int_equal(judge_built(&fixture, &builder), more ? REJECT_TOO_LARGE : REJECT_NONE);
    }
    fixture_close(&fixture);
}

static void an_overlong_category_is_invalid_not_fatal(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    char payload[2048];
    fixture_open(&fixture, NULL, NULL);
    for (int more = 0; more < 2; more++) {
        int len = snprintf(payload, sizeof(payload), E "\"features\":{\"a\":\"%0*d\"}}", 1024 + more, 0);
        assert_int_equal(judge(&fixture, &plain_record, payload, (size_t)len, &ev), REJECT_NONE);
        assert_int_equal(ev.features.items[0].value.type, more ? VALUE_OTHER : VALUE_STRING);
    }
    fixture_close(&fixture);
}

static void names_are_limited_for_the_life_of_a_decoder(void **state)
{
    (void)state;
    struct fixture fixture;
    struct decode_limits limits = {.names = 10};
    char payload[200];
    fixture_open(&fixture, NULL, &limits);
    for (int i = 0; i < 30; i++) {
        int len = snprintf(payload, sizeof(payload), E "\"features\":{\"f%d\":1}}", i);
        assert_int_equal(judge(&fixture, &plain_record, payload, (size_t)len, NULL),
                         i < 10 ? REJECT_NONE : REJECT_TOO_MANY_FIELDS);
    }
    assert_int_equal(judge(&fixture, &plain_record, L(E "\"features\":{\"f3\":1}}"), NULL), REJECT_NONE);
    fixture_close(&fixture);
}

/* ---- what comes out ---- */

static const struct field *find(const struct fields *fields, const char *name)
{
    for (uint32_t i = 0; i < fields->count; i++)
        if (text_equal(fields->items[i].name, text_of(name)))
            return &fields->items[i];
    fail_msg("no %s", name);
    return NULL;
}

static void assert_text(struct text text, const char *expected)
{
    if (!text_equal(text, text_of(expected)))
        fail_msg("`%.*s`, not `%s`", (int)text.len, text.ptr, expected);
}

static void the_canonical_event(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, NULL, NULL);
    assert_int_equal(
        judge(
            &fixture, &plain_record,
            L("{\"type\":\"prediction\",\"model\":\"credit\",\"version\":\"7\",\"id\":\"a1b2\","
              "\"ts\":\"2026-03-01T12:00:00.250Z\", \"features\" : { \"income\":5200.0,\"region\":\"north\","
              "\"ok\":true,\"gone\":null,\"v\":[1,-2.5,3e2],\"o\":{\"a\":1},\"m\":[1,\"x\"],\"e\":[]},"
              "\"score\":0.83,\"prediction\":1,\"groups\":{\"sex\":\"F\",\"age_band\":\"30-39\"},"
              "\"segments\":{\"channel\":\"web\"},\"latency_ms\":12.4,\"attributions\":{\"income\":0.31},"
              "\"scores\":{\"a\":0.7,\"b\":0.3},\"weight\":2}"),
            &ev),
        REJECT_NONE);
    assert_int_equal(ev.kind, EVENT_PREDICTION);
    assert_text(ev.model, "credit");
    assert_text(ev.version, "7");
    assert_text(ev.id, "a1b2");
    assert_true(ev.ts_ms == INT64_C(1772366400250));
    assert_int_equal(ev.features.count, 8);
    assert_true(find(&ev.features, "income")->value.number == 5200);
    assert_text(find(&ev.features, "income")->value.text, "5200.0");
    assert_text(find(&ev.features, "region")->value.text, "north");
    assert_int_equal(find(&ev.features, "ok")->value.type, VALUE_BOOL);
    assert_text(find(&ev.features, "ok")->value.text, "true");
    assert_int_equal(find(&ev.features, "gone")->value.type, VALUE_NULL);
    const struct value *vector = &find(&ev.features, "v")->value;
    assert_int_equal(vector->type, VALUE_VECTOR);
    assert_int_equal(vector->count, 3);
    assert_true(vector->vector[0] == 1 && vector->vector[1] == -2.5 && vector->vector[2] == 300);
    assert_int_equal(find(&ev.features, "o")->value.type, VALUE_OTHER);
    assert_int_equal(find(&ev.features, "m")->value.type, VALUE_OTHER);
    assert_int_equal(find(&ev.features, "e")->value.type, VALUE_VECTOR);
    assert_true(ev.score.number == 0.83 && ev.prediction.number == 1 && ev.latency_ms.number == 12.4 &&
                ev.weight.number == 2);
    assert_text(find(&ev.groups, "sex")->value.text, "F");
    assert_text(find(&ev.segments, "channel")->value.text, "web");
    assert_true(find(&ev.attributions, "income")->value.number == 0.31);
    assert_true(find(&ev.scores, "b")->value.number == 0.3);
    assert_int_equal(ev.label.type, VALUE_ABSENT);
    /* The same name has the same id wherever it stands. */
    assert_int_equal(find(&ev.attributions, "income")->name_id, find(&ev.features, "income")->name_id);
    fixture_close(&fixture);
}

struct time_case {
    const char *ts;
    enum time_unit unit;
    int64_t ms; /* INT64_MAX: rejected */
};

static const struct time_case times[] = {
    {"1772366400000", TIME_AUTO, INT64_C(1772366400000)},
    {"1772366400000.9", TIME_AUTO, INT64_C(1772366400000)},
    {"-1.5", TIME_AUTO, -2},
    {"1.7723664e12", TIME_AUTO, INT64_C(1772366400000)},
    {"\"1772366400000\"", TIME_AUTO, INT64_C(1772366400000)},
    {"\"2026-03-01T12:00:00Z\"", TIME_AUTO, INT64_C(1772366400000)},
    {"0", TIME_AUTO, 0},
    {"1772366400.250", TIME_S, INT64_C(1772366400250)},
    {"1772366400.2509999", TIME_S, INT64_C(1772366400250)},
    {"-0.0001", TIME_S, -1},
    {"-0.0000000000001", TIME_S, -1},
    {"1772366400250000", TIME_US, INT64_C(1772366400250)},
    {"1772366400250999999", TIME_NS, INT64_C(1772366400250)},
    {"\"1772366400250999999\"", TIME_NS, INT64_C(1772366400250)},
    {"-1", TIME_NS, -1},
    {"\"2026-03-01T12:00:00Z\"", TIME_RFC3339, INT64_C(1772366400000)},
    {"1772366400000", TIME_RFC3339, INT64_MAX},
    {"\"1772366400000\"", TIME_RFC3339, INT64_MAX},
    {"\"2026-03-01T12:00:00Z\"", TIME_MS, INT64_MAX},
    {"100000000000000000000000000000000000000000", TIME_NS, INT64_MAX},
    {"\" 1\"", TIME_MS, INT64_MAX},
};

static void times_in_every_unit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct fixture fixture;
        struct mapping_spec spec = {.time_unit = times[i].unit};
        struct event ev;
        char payload[200];
        fixture_open(&fixture, &spec, NULL);
        int len = snprintf(payload, sizeof(payload), "{\"type\":\"prediction\",\"model\":\"m\",\"ts\":%s}",
                           times[i].ts);
        enum reject reject = judge(&fixture, &plain_record, payload, (size_t)len, &ev);
        if (reject != (times[i].ms == INT64_MAX ? REJECT_TIME : REJECT_NONE) ||
            (reject == REJECT_NONE && ev.ts_ms != times[i].ms))
            fail_msg("%s: %s %lld", times[i].ts, reject_name(reject), (long long)ev.ts_ms);
        fixture_close(&fixture);
    }
}

static void the_records_time_when_the_event_has_none(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    struct record record = {.ts_ms = 12345};
    fixture_open(&fixture, NULL, NULL);
    assert_int_equal(judge(&fixture, &record, L("{\"type\":\"prediction\",\"model\":\"m\"}"), &ev),
                     REJECT_NONE);
    assert_true(ev.ts_ms == 12345);
    assert_int_equal(judge(&fixture, &plain_record, L("{\"type\":\"prediction\",\"model\":\"m\"}"), &ev),
                     REJECT_TIME);
    assert_non_null(strstr(decoder_detail(fixture.fast), "/ts"));
    fixture_close(&fixture);
}

/* ---- mappings ---- */

static struct field_spec field_of(enum accessor_type type, char *argument)
{
    struct field_spec field = {.count = 1};
    field.accessors[0] = (struct accessor_spec){type, argument};
    return field;
}

static void a_mapped_event(void **state)
{
    (void)state;
    char *const texts[] = {
        strdup("/req/id"), strdup("fraud"),  strdup("/model/v"),  strdup("ce_version"),     strdup("0"),
        strdup("/out/0"),  strdup("/req/f"), strdup("country"),   strdup("/req/f/country"), strdup("raw_*"),
        strdup("score"),   strdup("/kind"),  strdup("timestamp"), strdup("/rows/1")};
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    spec.id = field_of(ACCESS_POINTER, texts[0]);
    spec.model = field_of(ACCESS_CONST, texts[1]);
    spec.version = field_of(ACCESS_POINTER, texts[2]);
    spec.version.accessors[1] = (struct accessor_spec){ACCESS_HEADER, texts[3]};
    spec.version.accessors[2] = (struct accessor_spec){ACCESS_CONST, texts[4]};
    spec.version.count = 3;
    spec.score = field_of(ACCESS_POINTER, texts[5]);
    spec.time = field_of(ACCESS_META, texts[12]);
    spec.features = (struct group_spec){.set = true, .object = texts[6], .exclude = {texts[9]}};
    spec.segments = (struct group_spec){.set = true, .names = {texts[7]}, .named_count = 1};
    spec.segments.accessors[0] = field_of(ACCESS_POINTER, texts[8]);
    spec.select = (struct select_spec){texts[11], texts[10]};
    spec.kpis = (struct group_spec){.set = true, .object = texts[13]};
    struct fixture fixture;
    struct event ev;
    struct record_header header = {text_of("ce_version"), text_of("1.10")};
    struct record record = {.ts_ms = 5, .headers = &header, .header_count = 1};
    fixture_open(&fixture, &spec, NULL);
    static const char payload[] =
        "{\"kind\":\"score\",\"req\":{\"id\":12345678901234567890,\"f\":{\"country\":\"DE\","
        "\"raw_x\":1,\"y\":2}},\"out\":[0.25,{\"z\":[1]},3],\"rows\":[{\"a\":1},{\"b\":2}]}";
    assert_int_equal(judge(&fixture, &record, payload, sizeof(payload) - 1, &ev), REJECT_NONE);
    assert_text(ev.id, "12345678901234567890");
    assert_text(ev.model, "fraud");
    assert_text(ev.version, "1.10");
    assert_true(ev.score.number == 0.25 && ev.ts_ms == 5);
    assert_int_equal(ev.features.count, 2);
    assert_text(ev.features.items[0].name, "country");
    assert_text(ev.features.items[1].name, "y");
    assert_text(find(&ev.segments, "country")->value.text, "DE");
    assert_int_equal(ev.kpis.count, 1);
    assert_true(find(&ev.kpis, "b")->value.number == 2);
    record.header_count = 0;
    assert_int_equal(judge(&fixture, &record, payload, sizeof(payload) - 1, &ev), REJECT_NONE);
    assert_text(ev.version, "0");
    assert_int_equal(judge(&fixture, &record, L("{\"kind\":\"other\"}"), NULL), REJECT_NOT_SELECTED);
    assert_int_equal(judge(&fixture, &record, L("{\"kind\":\"score\",\"out\":[0.5,0.25]}"), &ev),
                     REJECT_NONE);
    assert_true(ev.score.number == 0.5);
    fixture_close(&fixture);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
}

static void root_members_that_nothing_names_are_features(void **state)
{
    (void)state;
    char *const root = strdup(""), *const score = strdup("/p/x");
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    spec.features = (struct group_spec){.set = true, .object = root};
    spec.score = field_of(ACCESS_POINTER, score);
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, &spec, NULL);
    assert_int_equal(
        judge(&fixture, &plain_record,
              L("{\"model\":\"m\",\"a\":1,\"ts\":1,\"p\":{\"x\":0.5,\"y\":1},\"b\":\"z\",\"segments\":{}}"),
              &ev),
        REJECT_NONE);
    assert_int_equal(ev.features.count, 2);
    assert_text(ev.features.items[0].name, "a");
    assert_text(ev.features.items[1].name, "b");
    fixture_close(&fixture);
    free(root);
    free(score);
}

static void confluent_framing(void **state)
{
    (void)state;
    struct mapping_spec spec = {.format = INPUT_CONFLUENT_JSON};
    struct fixture fixture;
    fixture_open(&fixture, &spec, NULL);
    assert_int_equal(judge(&fixture, &plain_record, L("\0\0\0\0\1" E "\"score\":1}"), NULL), REJECT_NONE);
    assert_int_equal(judge(&fixture, &plain_record, L("\0\0\0\0"), NULL), REJECT_FORMAT);
    assert_int_equal(judge(&fixture, &plain_record, L("\0\0\0\0\1"), NULL), REJECT_SYNTAX);
    assert_int_equal(judge(&fixture, &plain_record, L(E "\"score\":1}"), NULL), REJECT_FORMAT);
    fixture_close(&fixture);
}

/* ---- how it works ---- */

static void name_ids_are_dense_and_stay(void **state)
{
    (void)state;
    struct fixture fixture;
    struct event ev;
    fixture_open(&fixture, NULL, NULL);
    assert_int_equal(judge(&fixture, &plain_record, L(E "\"features\":{\"a\":1,\"b\":2}}"), &ev),
                     REJECT_NONE);
    assert_int_equal(ev.features.items[0].name_id, 0);
    assert_int_equal(ev.features.items[1].name_id, 1);
    assert_int_equal(judge(&fixture, &plain_record,
                           L(E "\"segments\":{\"c\":1},\"features\":{\"b\":1,\"\\u0061\":2}}"), &ev),
                     REJECT_NONE);
    assert_int_equal(find(&ev.features, "a")->name_id, 0);
    assert_int_equal(find(&ev.features, "b")->name_id, 1);
    assert_int_equal(find(&ev.segments, "c")->name_id, 2);
    fixture_close(&fixture);
}

static void explains_itself(void **state)
{
    (void)state;
    struct fixture fixture;
    struct strbuf out;
    fixture_open(&fixture, NULL, NULL);
    strbuf_init(&out, 65536);
    struct record record = {.payload =
                                text_of(E "\"id\":\"x\\ny\",\"features\":{\"a\":1,\"v\":[1,2,3,4,5]}}"),
                            .ts_ms = INT64_MIN};
    decoder_explain(fixture.fast, &record, &out);
    assert_non_null(strstr(out.bytes, "  model         \"m\"  from /model\n"));
    assert_non_null(strstr(out.bytes, "  id            \"x\\ny\"  from /id\n"));
    assert_non_null(strstr(out.bytes, "  score         absent  tried /score\n"));
    assert_non_null(strstr(out.bytes, "  features      a = 1  from /features\n"));
    assert_non_null(strstr(out.bytes, "v = [1, 2, 3, 4, …] (5 numbers)"));
    strbuf_reset(&out);
    record.payload = text_of(E "\"score\":\"x\"}");
    decoder_explain(fixture.fast, &record, &out);
    assert_string_equal(out.bytes, "  rejected (type): score (/score): a number expected, found a string\n");
    strbuf_release(&out);
    fixture_close(&fixture);
}

/* Random documents of our own grammar, valid and almost valid. */
static void random_events_agree(void **state)
{
    (void)state;
    static const char *const pieces[] = {"{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"a\"",
                                         "\"features\"",
                                         "\"score\"",
                                         "\"model\":\"m\"",
                                         "\"type\":\"prediction\"",
                                         "1",
                                         "0.5",
                                         "-1e3",
                                         "null",
                                         "true",
                                         "\"\\u00e9\"",
                                         " ",
                                         "\"ts\":1",
                                         "\"b\":2",
                                         "\"features\":{\"a\":1}",
                                         "\"x\":[1,2]",
                                         "\"id\":\"z\""};
    struct fixture fixture;
    fixture_open(&fixture, NULL, NULL);
    uint64_t accepted = 0;
    for (uint64_t i = 0; i < 30000; i++) {
        char payload[512] = "{";
        size_t len = 1;
        uint64_t random = hash_mix(i + 1);
        unsigned members = 1 + (unsigned)(random % 8);
        for (unsigned k = 0; k < members; k++) {
            random = hash_mix(random);
            const char *piece = pieces[random % ARRAY_LEN(pieces)];
            /* Mostly whole members with commas between, sometimes anything. */
            if ((random >> 32) % 10 && !strchr(piece, ':'))
                piece = "\"k\":[{}]";
            len += (size_t)snprintf(payload + len, sizeof(payload) - len, "%s%s",
                                    k && (random >> 40) % 30 ? "," : "", piece);
        }
        len += (size_t)snprintf(payload + len, sizeof(payload) - len, "}");
        accepted += judge(&fixture, &plain_record, payload, len, NULL) == REJECT_NONE;
    }
    assert_true(accepted > 0);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_payloads_get_their_verdicts),
        cmocka_unit_test(tombstones_are_empty),
        cmocka_unit_test(cut_and_spoiled_events),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(counts_are_limited),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(an_overlong_category_is_invalid_not_fatal),
        cmocka_unit_test(names_are_limited_for_the_life_of_a_decoder),
        cmocka_unit_test(the_canonical_event),
        cmocka_unit_test(times_in_every_unit),
        cmocka_unit_test(the_records_time_when_the_event_has_none),
        cmocka_unit_test(a_mapped_event),
        cmocka_unit_test(root_members_that_nothing_names_are_features),
        cmocka_unit_test(confluent_framing),
        cmocka_unit_test(name_ids_are_dense_and_stay),
        cmocka_unit_test(explains_itself),
        cmocka_unit_test(random_events_agree),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
