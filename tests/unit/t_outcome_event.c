/* outcome_event.c: what events say to the join, by the configuration of their model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/hash.h"
#include "agent/outcome_event.h"
#include "detectors/event_outcome.h"
#include "tests/unit/near.h"

static const struct pane_times times = {
    .tiers_ms = {300000}, .tier_count = 1, .lateness_ms = 60000, .horizon_ms = 6 * 3600000};

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x, .text = text_of(x > 0.5 ? "1" : "0")};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

static struct value boolean(bool on)
{
    return (struct value){.type = VALUE_BOOL, .number = on, .text = text_of(on ? "true" : "false")};
}

static struct model_config config_of(enum task task, char *positive)
{
    struct model_config config = {.label_sample = 1};
    config.options.task = task;
    config.options.threshold = 0.5;
    config.options.positive = positive;
    return config;
}

static void test_classes(void **state)
{
    (void)state;
    char yes[] = "yes";
    const struct {
        struct value value;
        const char *positive;
        int class;
    } rows[] = {{number(1), NULL, 1},
                {number(0), NULL, 0},
                {number(0.5), NULL, -1},
                {number(-0.0), NULL, 0},
                {number(NAN), NULL, -1},
                {string("1"), NULL, 1},
                {string("false"), NULL, 0},
                {string("yes"), NULL, -1},
                {boolean(true), NULL, 1},
                {boolean(false), NULL, 0},
                {string("yes"), yes, 1},
                {string("no"), yes, 0},
                {{.type = VALUE_NULL}, yes, -1},
                {{.type = VALUE_OTHER}, NULL, -1},
                {{.type = VALUE_ABSENT}, NULL, -1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(class_of_value(&rows[i].value, rows[i].positive), rows[i].class);
}

static void test_predictions(void **state)
{
    (void)state;
    const struct value none = {.type = VALUE_ABSENT};
    const struct {
        enum task task;
        struct value score, prediction;
        bool joins;
        int kind, predicted;
        double value;
    } rows[] = {
        {TASK_AUTO, number(0.7), none, true, OUTCOME_BINARY, 1, 0.7},
        {TASK_AUTO, number(0.5), none, true, OUTCOME_BINARY, 1, 0.5},
        {TASK_AUTO, number(0.4), number(1), true, OUTCOME_BINARY, 1, 0.4}, /* what the model said */
        {TASK_AUTO, none, boolean(true), true, OUTCOME_BINARY, 1, NAN},
        {TASK_AUTO, none, number(12.5), true, OUTCOME_REGRESSION, 0, 12.5},
        {TASK_AUTO, none, none, false, 0, 0, 0},
        {TASK_AUTO, none, string("cat"), false, 0, 0, 0},
        {TASK_BINARY, none, number(1), true, OUTCOME_BINARY, 1, NAN},
        {TASK_BINARY, none, number(12.5), false, 0, 0, 0},
        {TASK_BINARY, number(INFINITY), none, false, 0, 0, 0},
        {TASK_REGRESSION, number(0.3), number(2), true, OUTCOME_REGRESSION, 0, 2},
        {TASK_REGRESSION, number(0.3), string("2"), false, 0, 0, 0},
        {TASK_REGRESSION, none, number(INFINITY), false, 0, 0, 0},
        {TASK_NONE, number(0.3), number(1), false, 0, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct model_config config = config_of(rows[i].task, NULL);
        config.label_delay_ms = 3600000;
        struct event event = {.ts_ms = 77, .score = rows[i].score, .prediction = rows[i].prediction};
        struct join_entry entry;
        assert_int_equal(outcome_of_prediction(&event, &config, &times, &entry), rows[i].joins);
        if (!rows[i].joins)
            continue;
        assert_true(entry.ts_ms == 77 && entry.kind == rows[i].kind && entry.predicted == rows[i].predicted);
        assert_true(isnan(rows[i].value) ? isnan(entry.value)
                                         : !(entry.value < rows[i].value || entry.value > rows[i].value));
        assert_int_equal(entry.wait_s, 7 * 3600 + 300 + 1);
    }
}

static void test_labels(void **state)
{
    (void)state;
    char yes[] = "yes";
    const struct {
        enum task task;
        char *positive;
        struct value label;
        bool says;
        double value;
    } rows[] = {{TASK_AUTO, NULL, number(1), true, 1},
                {TASK_AUTO, NULL, number(3.5), true, 3.5},
                {TASK_AUTO, NULL, boolean(false), true, 0},
                {TASK_AUTO, NULL, string("cat"), false, 0},
                {TASK_AUTO, yes, string("yes"), true, 1},
                {TASK_AUTO, yes, string("no"), true, 0},
                {TASK_BINARY, NULL, number(3.5), false, 0},
                {TASK_BINARY, NULL, string("true"), true, 1},
                {TASK_REGRESSION, NULL, number(-4), true, -4},
                {TASK_REGRESSION, NULL, string("4"), false, 0},
                {TASK_REGRESSION, NULL, number(INFINITY), false, 0},
                {TASK_NONE, NULL, number(1), false, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct model_config config = config_of(rows[i].task, rows[i].positive);
        struct event event = {.label = rows[i].label};
        double value = 99;
        assert_int_equal(outcome_of_label(&event, &config, &value), rows[i].says);
        if (rows[i].says)
            assert_true(!(value < rows[i].value) && !(value > rows[i].value));
    }
    struct join_entry binary = {.kind = OUTCOME_BINARY}, regression = {.kind = OUTCOME_REGRESSION};
    assert_true(outcome_may_pair(&binary, 1) && outcome_may_pair(&binary, 0) &&
                !outcome_may_pair(&binary, 0.5));
    assert_true(outcome_may_pair(&regression, 0.5) && !outcome_may_pair(&binary, -1));
}

static void test_ids_and_samples(void **state)
{
    (void)state;
    struct event a = {.model = text_of("m"), .version = text_of("1"), .id = text_of("x")}, b = a;
    b.version = text_of("2");
    assert_true(outcome_id_hash(&a) == outcome_id_hash(&b)); /* a label names no version */
    b.model = text_of("n");
    assert_true(outcome_id_hash(&a) != outcome_id_hash(&b));
    struct model_config config = config_of(TASK_AUTO, NULL);
    uint64_t random = 9;
    for (double share = 0.1; share < 1.05; share += 0.3) {
        config.label_sample = share < 1 ? share : 1;
        double taken = 0;
        for (int i = 0; i < 20000; i++)
            taken += outcome_is_sampled(&config, random_bits(&random));
        assert_true(fabs(taken / 20000 - config.label_sample) < 0.015);
    }
    config.label_sample = 1;
    assert_true(outcome_is_sampled(&config, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes), cmocka_unit_test(test_predictions),
                                       cmocka_unit_test(test_labels), cmocka_unit_test(test_ids_and_samples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
