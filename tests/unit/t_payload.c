/*
 * Bodies of webhooks. The golden ones in tests/golden/ are what alerting/README.md shows; each is one line.
 * To look at a new one: DRIFTD_GOLDEN_DIR=/tmp build/…/t_payload writes what it got there.
 */
#include "tests/unit/alert_fixture.h"
#include "tests/unit/alert_recorder.h"

#include <stdio.h>

#include <cjson/cJSON.h>

#include "agent/base/json.h"
#include "alerting/payload.h"
#include "alerting/sentence.h"

enum { MINUTE = 60000, PANE = 5 * MINUTE, HOUR = 60 * MINUTE };
static const int64_t START = INT64_C(1772366400000); /* 2026-03-01T12:00:00Z */
static const char *const SINKS[] = {"pager", NULL};
static char RULE[] = "psi-any", PSI[] = "psi", ANY[] = "*";

static struct alerting *alerting_of(const struct rule_spec *rule)
{
    struct alerting *alerting = NULL;
    struct alerting_settings settings = {.rules = rule,
                                         .rule_count = 1,
                                         .sinks = SINKS,
                                         .pipeline = "eu-credit",
                                         .store_hint = "/var/lib/driftd/driftd.db",
                                         .external_url = "https://drift.example.com/"};
    assert_int_equal(alerting_new(&alerting, &settings, NULL), 0);
    return alerting;
}

static void income_bins(void *context, const struct report_row *row, struct strbuf *out)
{
    (void)context;
    (void)row;
    strbuf_adds(out,
                "[{\"bin\":\"(0, 1200]\",\"reference_share\":0.4,\"share\":0.31,\"psi_term\":0.02294},"
                "{\"bin\":\"(1200, 3400]\",\"reference_share\":0.041,\"share\":0.193,\"psi_term\":0.2354},"
                "{\"bin\":\"(3400, inf]\",\"reference_share\":0.549,\"share\":0.487,\"psi_term\":0.00743},"
                "{\"bin\":\"missing\",\"reference_share\":0.01,\"share\":0.01,\"psi_term\":null}]");
}

static void feed(struct alerting *alerting, const char *segment, int64_t window_end_ms, const char *feature,
                 const struct report_row *row,
                 void (*bins)(void *, const struct report_row *, struct strbuf *))
{
    struct finding_context context = {.model = text_of("credit"),
                                      .version = text_of("7"),
                                      .segment = text_of(segment),
                                      .window_start_ms = window_end_ms - HOUR,
                                      .window_end_ms = window_end_ms,
                                      .reference_name = "training-2026-02",
                                      .reference_hash = "9f2c61aa",
                                      .bins_json = bins};
    struct text name = text_of(feature);
    assert_int_equal(alerting_feed(alerting, &context, row, &name, 1), 0);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    char *text = calloc(1, PAYLOAD_MAX_BYTES + 2);
    assert_non_null(text);
    size_t len = fread(text, 1, PAYLOAD_MAX_BYTES + 1, file);
    assert_int_equal(fclose(file), 0);
    while (len && text[len - 1] == '\n')
        text[--len] = '\0';
    return text;
}

static void assert_golden(const char *name, const char *body)
{
    char path[256];
    const char *directory = getenv("DRIFTD_GOLDEN_DIR");
    if (directory) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fprintf(file, "%s\n", body) > 0);
        assert_int_equal(fclose(file), 0);
    }
    (void)snprintf(path, sizeof(path), "tests/golden/%s", name);
    char *golden = read_file(path);
    if (!golden)
        fail_msg("%s is missing (run from the top of the project)", path);
    assert_string_equal(body, golden);
    free(golden);
}

static cJSON *parse(const char *body)
{
    assert_true(strlen(body) < PAYLOAD_MAX_BYTES);
    cJSON *root = cJSON_Parse(body);
    if (!root)
        fail_msg("no JSON: %s", body);
    return root;
}

static const cJSON *at(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item)
        fail_msg("no `%s`", name);
    return item;
}

static const char *string_at(const cJSON *object, const char *name)
{
    const char *string = cJSON_GetStringValue(at(object, name));
    assert_non_null(string);
    return string;
}

static int integer_at(const cJSON *object, const char *name)
{
    return at(object, name)->valueint;
}

static void test_golden(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    rule.segment = ANY;
    struct alerting *alerting = alerting_of(&rule);
    struct recorder *recorder = recorder_new();
    struct report_row income = row_of(.3125), region = row_of(.125);
    income.slots[SLOT_PSI_FLOOR] = .008;
    income.slots[SLOT_PSI_P] = 1e-12;
    income.slots[SLOT_MEAN] = 2715.5;
    income.slots[SLOT_SD] = 810.25;
    region.flags = REPORT_CATEGORICAL | REPORT_INCOMPLETE;
    region.n = 800;
    feed(alerting, "", START, "income", &income, income_bins);
    feed(alerting, "channel=web", START, "region", &region, NULL);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->item_count, 1);
    assert_golden("alert_firing.json", recorder->items[0].body);

    recorder_reset(recorder);
    income.slots[SLOT_PSI] = .05;
    feed(alerting, "", START + PANE, "income", &income, income_bins);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_golden("alert_resolved.json", recorder->items[0].body);

    recorder_reset(recorder);
    region.slots[SLOT_PSI] = .5;
    income.slots[SLOT_PSI] = .2;
    feed(alerting, "channel=web", START + 2 * PANE, "region", &region, NULL);
    feed(alerting, "", START + 2 * PANE, "income", &income, income_bins);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_golden("alert_escalated.json", recorder->items[0].body);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_what_a_body_says(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule);
    struct recorder *recorder = recorder_new();
    struct report_row row = row_of(.3125);
    feed(alerting, "", START, "income", &row, income_bins);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    cJSON *root = parse(recorder->items[0].body);
    const cJSON *data = at(root, "data"), *alert = at(data, "alerts")->child;
    assert_string_equal(string_at(root, "type"), "driftd.alert.firing");
    assert_string_equal(string_at(root, "timestamp"), "2026-03-01T12:00:00Z");
    assert_string_equal(string_at(data, "model"), "credit");
    assert_string_equal(string_at(at(data, "window"), "length"), "1h");
    const char *summary = string_at(data, "summary");
    static const char *const said[] = {"credit",       "income", "0.3125", "critical", "2026-03-01T12:00:00Z",
                                       "(1200, 3400]", "4.1 %",  "19.3 %", "4200",     "10000"};
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (!strstr(summary, said[i]))
            fail_msg("`%s` is not in: %s", said[i], summary);
    assert_string_equal(string_at(alert, "severity"), "critical");
    assert_string_equal(string_at(alert, "state"), "firing");
    assert_true(cJSON_IsNull(at(alert, "noise_floor")));
    assert_true(cJSON_IsNull(at(alert, "p_value")));
    assert_true(cJSON_IsNull(at(alert, "resolved")));
    assert_int_equal(integer_at(alert, "n"), 4200);
    assert_int_equal(cJSON_GetArraySize(at(alert, "bins")), 4);
    assert_string_equal(string_at(at(alert, "bins")->child, "bin"),
                        "(1200, 3400]"); /* the one that carries most */
    assert_int_equal(integer_at(alert, "bins_total"), 4);
    assert_non_null(strstr(string_at(at(data, "where_to_look"), "command"),
                           "model = 'credit' AND window_end_s = 1772366400"));
    cJSON_Delete(root);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void many_bins(void *context, const struct report_row *row, struct strbuf *out)
{
    struct json json;
    char label[200];
    (void)context;
    (void)row;
    memset(label, '\x01', sizeof(label) - 1); /* six bytes each in JSON */
    label[sizeof(label) - 1] = '\0';
    json_init(&json, out);
    json_array_begin(&json);
    for (int i = 0; i < 40; i++) {
        json_object_begin(&json);
        json_key(&json, "bin");
        json_string(&json, label);
        json_key(&json, "reference_share");
        json_number(&json, i / 1000.0);
        json_key(&json, "share");
        json_number(&json, (40 - i) / 997.0);
        json_object_end(&json);
    }
    json_array_end(&json);
}

static void test_size_bound(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule);
    struct recorder *recorder = recorder_new();
    for (int i = 0; i < 500; i++) {
        char feature[32];
        struct report_row row = row_of(.1 + i / 1000.0);
        (void)snprintf(feature, sizeof(feature), "feature_%d", i);
        feed(alerting, "", START, feature, &row, many_bins);
    }
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->row_count, 500);
    assert_int_equal(recorder->transition_count, 500);
    assert_int_equal(recorder->item_count, 1); /* a storm is one message */
    cJSON *root = parse(recorder->items[0].body);
    const cJSON *data = at(root, "data");
    int shown = cJSON_GetArraySize(at(data, "alerts"));
    assert_true(shown >= 8);
    assert_int_equal(integer_at(at(data, "truncated"), "alerts"), 500 - shown);
    assert_int_equal(integer_at(at(data, "counts"), "fired"), 500);
    assert_int_equal(integer_at(at(data, "counts"), "still_firing"), 500);
    /* The worst come first, and with their bins. */
    assert_string_equal(string_at(at(data, "alerts")->child, "feature"), "feature_499");
    assert_string_equal(string_at(at(data, "alerts")->child->next, "feature"), "feature_498");
    assert_int_equal(cJSON_GetArraySize(at(at(data, "alerts")->child, "bins")), BINS_SHOWN);
    assert_int_equal(integer_at(at(data, "alerts")->child, "bins_total"), 40);
    assert_non_null(strstr(string_at(data, "summary"), "500 fired (350 critical)"));
    cJSON_Delete(root);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_hostile_names(void **state)
{
    (void)state;
    static char controls[3001], quotes[3001], invalid[3001], long_utf8[3001];
    memset(controls, '\x1b', 3000);
    memset(quotes, '"', 3000);
    memset(invalid, '\xff', 3000);
    for (size_t i = 0; i < 3000; i += 3)
        memcpy(long_utf8 + i, "駅", 3);
    const char *const names[] = {controls,
                                 quotes,
                                 invalid,
                                 long_utf8,
                                 "a'b; DROP TABLE x --",
                                 "$(reboot)`reboot`",
                                 "%s%n%s",
                                 "<script>alert(1)</script>",
                                 "\r\nwebhook-id: evil",
                                 "",
                                 "\\",
                                 "*",
                                 "a\0b"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
        rule.segment = ANY;
        struct alerting *alerting = alerting_of(&rule);
        struct recorder *recorder = recorder_new();
        struct report_row row = row_of(.9);
        struct text name = text_of(names[i]);
        if (i == ARRAY_LEN(names) - 1)
            name.len = 3; /* the NUL in the middle is part of it */
        struct finding_context context = {.model = name,
                                          .version = name,
                                          .segment = name,
                                          .window_start_ms = START - HOUR,
                                          .window_end_ms = START,
                                          .reference_name = names[i],
                                          .reference_hash = names[i],
                                          .bins_json = many_bins};
        assert_int_equal(alerting_feed(alerting, &context, &row, &name, 1), 0);
        assert_int_equal(recorder_flush(recorder, alerting), 0);
        assert_int_equal(recorder->item_count, 1);
        const char *body = recorder->items[0].body;
        for (const char *c = body; *c; c++)
            assert_true((unsigned char)*c >= 0x20);
        cJSON *root = parse(body);
        const cJSON *data = at(root, "data"), *hint = at(data, "where_to_look");
        assert_int_equal(cJSON_GetArraySize(at(data, "alerts")), 1); /* there is always room for the worst */
        for (const char *c = string_at(data, "summary"); *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
        static const char *const never[] = {"DROP", "reboot", "script", "evil"};
        for (size_t k = 0; k < ARRAY_LEN(never); k++) {
            assert_null(strstr(string_at(hint, "sql"), never[k]));
            assert_null(strstr(string_at(hint, "command"), never[k]));
        }
        if (i < 2)
            assert_true(strlen(string_at(data, "model")) < 310);
        cJSON_Delete(root);
        recorder_free(recorder);
        alerting_free(alerting);
    }
}

static void test_bad_bins(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "null",
                                      "[]",
                                      "{\"bin\":\"x\"}",
                                      "[{\"bin\":\"x\"}]",
                                      "[{\"bin\":1,\"share\":1,\"reference_share\":1}]",
                                      "[{\"bin\":\"x\",\"share\":1e999,\"reference_share\":1}]",
                                      "[1,2",
                                      "[[[["};
    struct arena *arena = arena_new(1024, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (bins_read(arena, bad[i], strlen(bad[i])))
            fail_msg("read: %s", bad[i]);
    static const char good[] =
        "[{\"bin\":\"a\",\"share\":0.5,\"reference_share\":0.5},{\"bin\":\"b\",\"share\":0,"
        "\"reference_share\":0.2,\"psi_term\":null}]";
    const struct bin_moves *moves = bins_read(arena, good, sizeof(good) - 1);
    assert_non_null(moves);
    assert_int_equal(moves->count, 2);
    assert_string_equal(moves->moves[0].label, "b");
    /* (1e-4 − 0.2)·ln(1e-4/0.2) */
    assert_true(fabs(moves->moves[0].contribution - 1.5194203) < 1e-6);
    assert_true(fabs(moves->moves[1].contribution) < 1e-15);
    arena_free(arena);
}

static void test_clipping(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t max;
        const char *clipped;
    } cases[] = {
        {"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abc…"},       {"äöü", 6, "äöü"},    {"äöüß", 7, "äö…"},
        {"a\"b", 4, "a\"b"},     {"a\"bcd", 5, "a…"},          {"駅駅駅", 8, "駅…"}, {"\x01", 6, "\x01"},
        {"\x01x", 6, "…"},       {"\xff\xff\xff", 6, "\xff…"}, {"", 3, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf out;
        strbuf_init(&out, 100);
        sentence_add_clipped(&out, text_of(cases[i].text), cases[i].max);
        assert_string_equal(out.bytes, cases[i].clipped);
        strbuf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_what_a_body_says),
        cmocka_unit_test(test_size_bound), cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_bad_bins),   cmocka_unit_test(test_clipping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
