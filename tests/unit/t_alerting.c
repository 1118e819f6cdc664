/* The face of alerting/: what feeding and flushing writes, in which order, under which ids. */
#include "tests/unit/alert_fixture.h"
#include "tests/unit/alert_recorder.h"

#include <stdio.h>
#include <time.h>

enum { MINUTE = 60000, PANE = 5 * MINUTE, HOUR = 60 * MINUTE };
static const int64_t START = INT64_C(1772366400000); /* 2026-03-01T12:00:00Z */

static const char *const SINKS[] = {"pager", "mail", NULL};

static struct alerting *alerting_of(const struct rule_spec *rules, uint32_t count, uint32_t alerts_max)
{
    struct alerting *alerting = NULL;
    struct err err = {0};
    struct alerting_settings settings = {.rules = rules,
                                         .rule_count = count,
                                         .sinks = SINKS,
                                         .pipeline = "test",
                                         .store_hint = "/var/lib/driftd/driftd.db",
                                         .alerts_max = alerts_max};
    if (alerting_new(&alerting, &settings, &err))
        fail_msg("%s", err.message);
    return alerting;
}

static struct finding_context context_of(const char *model, const char *segment, int64_t window_end_ms)
{
    return (struct finding_context){.model = text_of(model),
                                    .version = text_of("7"),
                                    .segment = text_of(segment),
                                    .window_start_ms = window_end_ms - HOUR,
                                    .window_end_ms = window_end_ms,
                                    .reference_name = "training",
                                    .reference_hash = "0123abcd"};
}

static void feed(struct alerting *alerting, const char *model, const char *segment, int64_t window_end_ms,
                 const char *feature, double psi)
{
    struct finding_context context = context_of(model, segment, window_end_ms);
    struct report_row row = row_of(psi);
    struct text name = text_of(feature);
    assert_int_equal(alerting_feed(alerting, &context, &row, &name, 1), 0);
}

static char RULE[] = "psi-any", PSI[] = "psi", ANY[] = "*", PAGER[] = "pager", MAIL[] = "mail";

static void test_life_of_an_alert(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    rule.for_ms = PANE;
    struct alerting *alerting = alerting_of(&rule, 1, 0);
    struct recorder *recorder = recorder_new();
    const struct {
        double psi;
        uint32_t rows, transitions, items, kept;
        enum alert_state state;
    } steps[] = {
        {.05, 0, 0, 0, 0, ALERT_OK},       {.15, 1, 1, 0, 1, ALERT_PENDING}, {.15, 1, 1, 2, 1, ALERT_FIRING},
        {.16, 1, 0, 0, 1, ALERT_FIRING},   {.30, 1, 1, 2, 1, ALERT_FIRING},  {NAN, 0, 0, 0, 1, ALERT_FIRING},
        {.01, 1, 1, 2, 0, ALERT_RESOLVED}, {.01, 0, 0, 0, 0, ALERT_OK},      {.15, 1, 1, 0, 1, ALERT_PENDING},
        {.01, 1, 1, 0, 0, ALERT_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        recorder_reset(recorder);
        feed(alerting, "credit", "", START + (int64_t)i * PANE, "income", steps[i].psi);
        assert_int_equal(recorder_flush(recorder, alerting), 0);
        if (recorder->row_count != steps[i].rows || recorder->transition_count != steps[i].transitions ||
            recorder->item_count != steps[i].items || alerting_count(alerting) != steps[i].kept)
            fail_msg("step %zu: %u rows, %u transitions, %u items, %u kept", i, recorder->row_count,
                     recorder->transition_count, recorder->item_count, alerting_count(alerting));
        if (steps[i].rows) {
            assert_int_equal(recorder->rows[0].state, steps[i].state);
            assert_int_equal(strlen(recorder->rows[0].key), 32);
        }
        for (uint32_t k = 0; k < recorder->item_count; k++) {
            assert_string_equal(recorder->items[k].sink, SINKS[k]);
            assert_string_equal(recorder->items[k].kind, "alert");
            assert_string_equal(recorder->items[k].entity_key, "credit");
            assert_int_equal(recorder->items[k].window_end_ms, START + (int64_t)i * PANE);
        }
    }
    recorder_free(recorder);
    alerting_free(alerting);
}

/* The ids are part of the contract: computed with Python's hashlib from the definition in
 * identity.h. */
static void test_ids_are_what_the_definition_says(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule, 1, 0);
    struct recorder *recorder = recorder_new();
    feed(alerting, "credit", "", START, "income", .3);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_string_equal(recorder->rows[0].key, "63987130ec9e3a2293f472e5acdef0e6");
    assert_string_equal(recorder->items[0].id, "4a55ade1491ad325baf5b5416591986a");
    assert_string_equal(recorder->items[1].id, recorder->items[0].id);
    recorder_free(recorder);
    alerting_free(alerting);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void feed_storm(struct alerting *alerting, const int *order, int count)
{
    for (int i = 0; i < count; i++) {
        char feature[16];
        (void)snprintf(feature, sizeof(feature), "f%02d", order[i]);
        feed(alerting, "credit", order[i] % 3 ? "" : "channel=web", START, feature, .1 + order[i] * .01);
    }
}

static void test_order_of_feeding_does_not_show(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    rule.segment = ANY;
    int forward[30], backward[30];
    for (int i = 0; i < 30; i++) {
        forward[i] = i;
        backward[29 - i] = i;
    }
    struct recorder *one = recorder_new(), *two = recorder_new();
    struct alerting *first = alerting_of(&rule, 1, 0), *second = alerting_of(&rule, 1, 0);
    feed_storm(first, forward, 30);
    feed_storm(second, backward, 30);
    assert_int_equal(recorder_flush(one, first), 0);
    assert_int_equal(recorder_flush(two, second), 0);
    assert_int_equal(one->row_count, 30);
    assert_int_equal(two->row_count, 30);
    for (uint32_t i = 0; i < 30; i++) {
        assert_string_equal(one->rows[i].key, two->rows[i].key);
        assert_string_equal(one->transitions[i].key, two->transitions[i].key);
    }
    assert_int_equal(one->item_count, 2);
    assert_string_equal(one->items[0].id, two->items[0].id);
    assert_string_equal(one->items[0].body, two->items[0].body);
    alerting_free(first);
    alerting_free(second);
    recorder_free(one);
    recorder_free(two);
}

static void test_sinks_of_rules(void **state)
{
    (void)state;
    char warn[] = "warn", page[] = "page", x[] = "x";
    char *to_mail[] = {MAIL, NULL}, *to_pager[] = {PAGER, NULL};
    struct rule_spec rules[] = {spec_of(warn, PSI, .1, NAN), spec_of(page, PSI, NAN, .25)};
    rules[0].sinks = to_mail;
    rules[1].sinks = to_pager;
    rules[1].feature = x;
    struct alerting *alerting = alerting_of(rules, 2, 0);
    struct recorder *recorder = recorder_new();
    feed(alerting, "credit", "", START, "y", .9);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->item_count, 1);
    assert_string_equal(recorder->items[0].sink, "mail");
    recorder_reset(recorder);
    feed(alerting, "credit", "", START + PANE, "x", .9);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->item_count, 2); /* each its own rule */
    assert_string_not_equal(recorder->items[0].id, recorder->items[1].id);
    assert_null(strstr(recorder->items[0].body, "\"rule\":\"warn\""));
    assert_null(strstr(recorder->items[1].body, "\"rule\":\"page\""));
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_windows_of_rules(void **state)
{
    (void)state;
    char hourly[] = "hourly", daily[] = "daily";
    struct rule_spec rules[] = {spec_of(hourly, PSI, .1, NAN), spec_of(daily, PSI, .1, NAN)};
    rules[0].window_ms = HOUR;
    rules[1].window_ms = 24 * HOUR;
    struct alerting *alerting = alerting_of(rules, 2, 0);
    struct recorder *recorder = recorder_new();
    feed(alerting, "credit", "", START, "x", .9);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->row_count, 1);
    assert_string_equal(recorder->rows[0].rule, "hourly");
    assert_int_equal(recorder->rows[0].window_ms, HOUR);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_several_models_in_one_flush(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule, 1, 0);
    struct recorder *recorder = recorder_new();
    feed(alerting, "fraud", "", START, "x", .9);
    feed(alerting, "credit", "", START, "x", .9);
    feed(alerting, "credit", "", START + PANE, "y", .9);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->item_count, 6); /* (model, window end): three groups for two sinks */
    char *ids[6];
    for (int i = 0; i < 6; i++)
        ids[i] = recorder->items[i].id;
    qsort(ids, 6, sizeof(ids[0]), compare_strings);
    assert_string_not_equal(ids[1], ids[2]);
    assert_string_not_equal(ids[3], ids[4]);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_restart_goes_on(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    rule.for_ms = 2 * PANE;
    rule.clear_windows = 2;
    const double values[] = {.15, .15, .2, .01, .3, .02, .01};
    struct recorder *whole = recorder_new(), *parts = recorder_new();
    struct alerting *steady = alerting_of(&rule, 1, 0);
    struct alert_row kept[1];
    uint32_t kept_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        /* The one runs through; the other starts anew before every window, with what was written last. */
        struct alerting *fresh = alerting_of(&rule, 1, 0);
        if (kept_count)
            assert_int_equal(alerting_restore(fresh, &kept[0]), 0);
        recorder_reset(whole);
        recorder_reset(parts);
        feed(steady, "credit", "", START + (int64_t)i * PANE, "income", values[i]);
        feed(fresh, "credit", "", START + (int64_t)i * PANE, "income", values[i]);
        assert_int_equal(recorder_flush(whole, steady), 0);
        assert_int_equal(recorder_flush(parts, fresh), 0);
        assert_int_equal(whole->row_count, 1);
        assert_int_equal(parts->row_count, 1);
        kept[0] = parts->rows[0];
        kept_count = 1;
        assert_int_equal(whole->rows[0].state, kept[0].state);
        assert_int_equal(whole->rows[0].clear_run, kept[0].clear_run);
        assert_int_equal(whole->rows[0].since_ms, kept[0].since_ms);
        assert_int_equal(whole->item_count, parts->item_count);
        for (uint32_t k = 0; k < whole->item_count; k++) {
            assert_string_equal(whole->items[k].id, parts->items[k].id);
            assert_string_equal(whole->items[k].body, parts->items[k].body);
        }
        alerting_free(fresh);
    }
    assert_int_equal(kept[0].state, ALERT_RESOLVED);
    alerting_free(steady);
    recorder_free(whole);
    recorder_free(parts);
}

static void test_rule_that_is_gone_ends_its_alerts(void **state)
{
    (void)state;
    char other[] = "other", ks[] = "ks", narrow[] = "age";
    struct rule_spec rules[3] = {spec_of(RULE, PSI, .1, NAN), spec_of(RULE, ks, .1, NAN),
                                 spec_of(other, PSI, .1, NAN)};
    struct rule_spec same = rules[0];
    rules[0].feature = narrow; /* does not match any more */
    struct alerting *before = alerting_of(&same, 1, 0);
    struct recorder *recorder = recorder_new();
    feed(before, "credit", "", START, "income", .3);
    assert_int_equal(recorder_flush(recorder, before), 0);
    struct alert_row row = recorder->rows[0];
    alerting_free(before);
    for (uint32_t i = 0; i < 4; i++) { /* other globs, another metric, another name, no rules at all */
        struct alerting *after = alerting_of(&rules[i % 3], i < 3 ? 1 : 0, 0);
        assert_int_equal(alerting_restore(after, &row), 0);
        recorder_reset(recorder);
        feed(after, "fraud", "", START + PANE, "income", .0);
        assert_int_equal(recorder_flush(recorder, after), 0);
        assert_int_equal(recorder->item_count, 0); /* another model says nothing about it */
        feed(after, "credit", "", START + PANE, "income", .0);
        assert_int_equal(recorder_flush(recorder, after), 0);
        assert_int_equal(recorder->row_count, 1);
        assert_int_equal(recorder->rows[0].state, ALERT_RESOLVED);
        assert_int_equal(recorder->item_count, 2);
        assert_non_null(strstr(recorder->items[0].body, "rule was removed or changed"));
        assert_int_equal(alerting_count(after), 0);
        alerting_free(after);
    }
    recorder_free(recorder);
}

static void test_cap(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule, 1, 3);
    struct recorder *recorder = recorder_new();
    for (int i = 0; i < 10; i++) {
        char feature[16];
        (void)snprintf(feature, sizeof(feature), "f%d", i);
        feed(alerting, "credit", "", START, feature, .9);
    }
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->row_count, 3);
    assert_int_equal(alerting_count(alerting), 3);
    assert_int_equal(alerting_refused(alerting), 7);
    recorder_reset(recorder);
    feed(alerting, "credit", "", START + PANE, "f0", .0); /* room again */
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    feed(alerting, "credit", "", START + 2 * PANE, "f9", .9);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(alerting_count(alerting), 3);
    recorder_free(recorder);
    alerting_free(alerting);
}

static void test_flush_can_be_repeated(void **state)
{
    (void)state;
    struct rule_spec rule = spec_of(RULE, PSI, .1, .25);
    struct alerting *alerting = alerting_of(&rule, 1, 0);
    struct recorder *recorder = recorder_new();
    feed(alerting, "credit", "", START, "income", .9);
    for (uint32_t fail_at = 1; fail_at <= 4; fail_at++) { /* a row, a transition, two items */
        recorder_reset(recorder);
        recorder->fail_at = fail_at;
        assert_int_equal(recorder_flush(recorder, alerting), ERR_NOMEM);
    }
    recorder_reset(recorder);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->row_count, 1);
    assert_int_equal(recorder->transition_count, 1);
    assert_int_equal(recorder->item_count, 2);
    recorder_reset(recorder);
    assert_int_equal(recorder_flush(recorder, alerting), 0);
    assert_int_equal(recorder->calls, 0);
    recorder_free(recorder);
    alerting_free(alerting);
}

/* Not a promise, a guard: 50 features × 10 rules, nothing firing, were measured at about 10 µs. */
static void test_feeding_is_cheap(void **state)
{
    (void)state;
    char names[10][16], features[50][32];
    struct rule_spec rules[10];
    struct report_row rows[50];
    struct text texts[50];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "r%d", i);
        rules[i] = spec_of(names[i], PSI, .1, .25);
        rules[i].model = ANY;
        rules[i].feature = ANY;
    }
    for (int i = 0; i < 50; i++) {
        (void)snprintf(features[i], sizeof(features[i]), "feature_%d", i);
        texts[i] = text_of(features[i]);
        rows[i] = row_of(.05);
    }
    struct alerting *alerting = alerting_of(rules, 10, 0);
    struct recorder *recorder = recorder_new();
    struct timespec from, to;
    const int rounds = 200;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from), 0);
    for (int i = 0; i < rounds; i++) {
        struct finding_context context = context_of("credit", "", START + i * PANE);
        assert_int_equal(alerting_feed(alerting, &context, rows, texts, 50), 0);
        assert_int_equal(recorder_flush(recorder, alerting), 0);
    }
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to), 0);
    double us =
        ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3) / rounds;
    print_message("feeding 50 features to 10 rules: %.1f us\n", us);
    assert_true(us < 2000);
    recorder_free(recorder);
    alerting_free(alerting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_an_alert),
        cmocka_unit_test(test_ids_are_what_the_definition_says),
        cmocka_unit_test(test_order_of_feeding_does_not_show),
        cmocka_unit_test(test_sinks_of_rules),
        cmocka_unit_test(test_windows_of_rules),
        cmocka_unit_test(test_several_models_in_one_flush),
        cmocka_unit_test(test_restart_goes_on),
        cmocka_unit_test(test_rule_that_is_gone_ends_its_alerts),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_flush_can_be_repeated),
        cmocka_unit_test(test_feeding_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
