/* outcome_event.c: what kind of prediction an event is, what its label says, what may pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "agent/outcome_event.h"
#include "detectors/outcomes.h"
#include "tests/unit/near.h"

static struct value number(double x, const char *text)
{
    return (struct value){.type = VALUE_NUMBER, .number = x, .text = text_of(text)};
}

static struct value string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .text = text_of(text)};
}

static const struct field three[] = {{.name = {"b", 1}, .value = {.type = VALUE_NUMBER, .number = 0.4}},
                                     {.name = {"a", 1}, .value = {.type = VALUE_NUMBER, .number = 0.4}},
                                     {.name = {"c", 1}, .value = {.type = VALUE_NUMBER, .number = 0.2}}};
static const int64_t tier_ms[] = {1000};

static struct model_config config_of(enum task task)
{
    return (struct model_config){.options = {.task = task, .threshold = 0.5, .unit = 1}};
}

static void test_predictions(void **state)
{
    (void)state;
    const struct value none = {.type = VALUE_ABSENT};
    const struct fields scores = {three, 3}, empty = {NULL, 0};
    const struct {
        enum task task;
        struct value score, prediction;
        struct fields scores;
        int kind;          /* −1: nothing to join */
        const char *class; /* of several classes */
        double value;
    } cases[] = {
        {TASK_AUTO, none, none, scores, OUTCOME_MULTICLASS, "a", 0.4}, /* equal scores: by name */
        {TASK_AUTO, none, string("c"), scores, OUTCOME_MULTICLASS, "c", 0.2},
        {TASK_AUTO, none, string("x"), scores, OUTCOME_MULTICLASS, "x", NAN},
        {TASK_AUTO, none, string("cat"), empty, OUTCOME_MULTICLASS, "cat", NAN},
        {TASK_AUTO, number(0.7, "0.7"), string("cat"), empty, OUTCOME_MULTICLASS, "cat", 0.7},
        {TASK_AUTO, number(0.7, "0.7"), number(1, "1"), scores, OUTCOME_BINARY, NULL, 0.7},
        {TASK_AUTO, number(0.7, "0.7"), none, empty, OUTCOME_BINARY, NULL, 0.7},
        {TASK_AUTO, none, string("true"), empty, OUTCOME_BINARY, NULL, NAN},
        {TASK_AUTO, none, number(3, "3"), empty, OUTCOME_REGRESSION, NULL, 3},
        {TASK_MULTICLASS, none, number(3, "3"), empty, OUTCOME_MULTICLASS, "3", NAN},
        {TASK_MULTICLASS, number(0.7, "0.7"), none, empty, -1, NULL, 0},
        {TASK_BINARY, none, string("cat"), empty, -1, NULL, 0},
        {TASK_NONE, number(0.7, "0.7"), none, empty, -1, NULL, 0},
    };
    struct pane_times times = {.tier_count = 1};
    times.tiers_ms[0] = tier_ms[0];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct model_config config = config_of(cases[i].task);
        struct event event = {
            .score = cases[i].score, .prediction = cases[i].prediction, .scores = cases[i].scores};
        struct join_entry entry;
        struct text class;
        bool taken = outcome_of_prediction(&event, &config, &times, &entry, &class);
        assert_int_equal(taken, cases[i].kind >= 0);
        if (!taken)
            continue;
        assert_int_equal(entry.kind, cases[i].kind);
        assert_int_equal(class.ptr != NULL, cases[i].class != NULL);
        if (class.ptr)
            assert_true(text_equal(class, text_of(cases[i].class)));
        assert_true(isnan(cases[i].value) ? isnan(entry.value) : entry.value == cases[i].value);
    }
}

static void test_labels(void **state)
{
    (void)state;
    const struct value bare = {.type = VALUE_ABSENT}, vector = {.type = VALUE_VECTOR};
    const struct {
        enum task task;
        struct value label;
        bool taken, class_only, has_class, binary, regression; /* what it may pair with */
    } cases[] = {
        {TASK_AUTO, number(1, "1"), true, false, true, true, true},
        {TASK_AUTO, number(7, "7"), true, false, true, false, true},
        {TASK_AUTO, number(7.5, "7.5"), true, false, false, false, true},
        {TASK_AUTO, number(1234, "1234"), true, false, false, false, true},
        {TASK_AUTO, string("true"), true, false, true, true, true},
        {TASK_AUTO, string("cat"), true, true, true, false, false},
        {TASK_AUTO, bare, false, false, false, false, false},
        {TASK_AUTO, vector, false, false, false, false, false},
        {TASK_MULTICLASS, number(7.5, "7.5"), true, true, true, false, false},
        {TASK_BINARY, string("cat"), false, false, false, false, false},
        {TASK_BINARY, number(1, "1"), true, false, false, true, true},
        {TASK_REGRESSION, number(7, "7"), true, false, false, false, true},
        {TASK_NONE, number(1, "1"), false, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct model_config config = config_of(cases[i].task);
        struct event event = {.label = cases[i].label};
        struct outcome_label label;
        assert_int_equal(outcome_of_label(&event, &config, &label), cases[i].taken);
        if (!cases[i].taken)
            continue;
        assert_int_equal(label.name_alone, cases[i].class_only);
        assert_int_equal(label.class.ptr != NULL, cases[i].has_class);
        struct join_entry entry = {.value = label.value,
                                   .predicted = (uint8_t)(!label.class.ptr   ? OUTCOME_CLASS_NONE
                                                          : label.name_alone ? 3 | OUTCOME_NAME_ALONE
                                                                             : 3)};
        struct join_entry binary = {.kind = OUTCOME_BINARY}, regression = {.kind = OUTCOME_REGRESSION};
        struct join_entry several = {.kind = OUTCOME_MULTICLASS};
        assert_int_equal(join_may_pair(&binary, &entry), cases[i].binary);
        assert_int_equal(join_may_pair(&regression, &entry), cases[i].regression);
        assert_int_equal(join_may_pair(&several, &entry), cases[i].has_class);
    }
}

static void test_ids_and_samples(void **state)
{
    (void)state;
    struct event a = {.model = text_of("m"), .version = text_of("1"), .id = text_of("x")}, b = a;
    b.version = text_of("2");
    assert_true(outcome_id_hash(&a) == outcome_id_hash(&b)); /* a label names no version */
    b.model = text_of("n");
    assert_true(outcome_id_hash(&a) != outcome_id_hash(&b));
    struct model_config config = config_of(TASK_AUTO);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_predictions), cmocka_unit_test(test_labels),
                                       cmocka_unit_test(test_ids_and_samples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
