/* event_outcome.c: what events say of predictions and labels, by the options of their model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "detectors/event_outcome.h"

static struct value number(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x, .text = text_of("?")};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

static void test_classes(void **state)
{
    (void)state;
    struct value one = number(1), zero = number(0), half = number(0.5), yes = string("yes"),
                 no = string("no");
    struct value text_one = string("1"), text_false = string("false"), absent = {.type = VALUE_ABSENT};
    struct value truth = {.type = VALUE_BOOL, .number = 1, .text = text_of("true")};
    assert_int_equal(class_of_value(&one, NULL), 1);
    assert_int_equal(class_of_value(&zero, NULL), 0);
    assert_int_equal(class_of_value(&half, NULL), -1);
    assert_int_equal(class_of_value(&truth, NULL), 1);
    assert_int_equal(class_of_value(&text_one, NULL), 1);
    assert_int_equal(class_of_value(&text_false, NULL), 0);
    assert_int_equal(class_of_value(&yes, NULL), -1);
    assert_int_equal(class_of_value(&yes, "yes"), 1);
    assert_int_equal(class_of_value(&no, "yes"), 0);
    assert_int_equal(class_of_value(&absent, "yes"), -1);
}

static void test_predictions(void **state)
{
    (void)state;
    static const struct {
        enum task task;
        struct value score, prediction;
        bool says;
        int kind, predicted;
        double value;
    } rows[] = {
        {TASK_AUTO, {.type = VALUE_NUMBER, .number = 0.5}, {0}, true, OUTCOME_BINARY, 1, 0.5},
        {TASK_AUTO, {.type = VALUE_NUMBER, .number = 0.4999}, {0}, true, OUTCOME_BINARY, 0, 0.4999},
        /* the event's own class decides */
        {TASK_AUTO,
         {.type = VALUE_NUMBER, .number = 0.9},
         {.type = VALUE_NUMBER, .number = 0},
         true,
         OUTCOME_BINARY,
         0,
         0.9},
        {TASK_AUTO, {0}, {.type = VALUE_NUMBER, .number = 12.5}, true, OUTCOME_REGRESSION, 0, 12.5},
        {TASK_BINARY, {0}, {.type = VALUE_NUMBER, .number = 1}, true, OUTCOME_BINARY, 1, NAN},
        {TASK_BINARY, {0}, {.type = VALUE_NUMBER, .number = 12.5}, false, 0, 0, 0},
        {TASK_BINARY, {.type = VALUE_NUMBER, .number = INFINITY}, {0}, false, 0, 0, 0},
        {TASK_NONE, {.type = VALUE_NUMBER, .number = 0.5}, {0}, false, 0, 0, 0},
        {TASK_AUTO, {0}, {0}, false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct event event = {
            .kind = EVENT_PREDICTION, .score = rows[i].score, .prediction = rows[i].prediction};
        struct model_options options = {.task = rows[i].task, .threshold = 0.5, .unit = 1};
        struct outcome outcome = {0};
        assert_int_equal(event_prediction(&event, &options, &outcome), rows[i].says);
        if (!rows[i].says)
            continue;
        assert_int_equal(outcome.kind, rows[i].kind);
        assert_int_equal(outcome.predicted, rows[i].predicted);
        assert_true(isnan(rows[i].value) ? isnan(outcome.value) : outcome.value == rows[i].value);
    }
}

static void test_labels(void **state)
{
    (void)state;
    struct event event = {.kind = EVENT_PREDICTION, .label = number(3)};
    struct model_options options = {.threshold = 0.5, .unit = 1};
    double truth;
    assert_true(event_label(&event, &options, &truth) && truth == 3);
    assert_false(label_fits(OUTCOME_BINARY, truth));
    assert_true(label_fits(OUTCOME_REGRESSION, truth));
    options.task = TASK_BINARY;
    assert_false(event_label(&event, &options, &truth));
    event.label = string("yes");
    char yes[] = "yes";
    options.positive = yes;
    assert_true(event_label(&event, &options, &truth) && truth == 1);
    options.task = TASK_NONE;
    assert_false(event_label(&event, &options, &truth));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes), cmocka_unit_test(test_predictions),
                                       cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
