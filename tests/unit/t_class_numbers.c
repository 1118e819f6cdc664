/* class_numbers.c: numbers by name, announced once; what is refused and what has no scores; through a delta.
 */
#include "agent/class_numbers.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/near.h"

enum { NAMES = 40 };

static char names[NAMES][16];

/* Classes [from, from + count) with ascending scores. */
static struct event make(struct field fields[NAMES], const char *model, uint32_t from, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(names[from + i], sizeof(names[0]), "c%u", (unsigned)(from + i));
        fields[i] = (struct field){.name = text_of(names[from + i]),
                                   .value = {.type = VALUE_NUMBER, .number = (from + i) / 100.0}};
    }
    return (struct event){
        .kind = EVENT_PREDICTION, .model = text_of(model), .scores = {.items = fields, .count = count}};
}

static void test_numbers(void **state)
{
    (void)state;
    struct class_numbers *numbers = class_numbers_new();
    struct delta *delta = delta_new();
    struct delta_waiting waiting = {.kind = WAITING_PREDICTION, .model = "m"};
    struct field fields[NAMES];
    uint32_t count;
    struct event event = make(fields, "m", 0, 5);
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_true(waiting.score_count == 5 && !waiting.scores_refused);
    const struct delta_class *classes = delta_new_classes(delta, &count);
    assert_int_equal(count, 5);
    assert_string_equal(classes[3].name, "c3");
    assert_string_equal(classes[3].model, "m");
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(waiting.scores[i].number, classes[i].number);
        assert_int_equal(waiting.scores[i].code, class_score_encode(i / 100.0));
    }
    assert_int_equal(delta_add_waiting(delta, &waiting), 0);
    /* Others first: the same names have the same numbers. */
    struct field swap = fields[0];
    fields[0] = fields[4];
    fields[4] = swap;
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_true(waiting.scores[0].number == 4 && waiting.scores[4].number == 0);
    assert_int_equal(delta_add_waiting(delta, &waiting), 0);
    event = make(fields, "n", 0, 2); /* another model's are others */
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_true(waiting.scores[0].number == 5 && waiting.scores[1].number == 6);
    assert_int_equal(delta_add_waiting(delta, &waiting), 0);
    (void)delta_new_classes(delta, &count);
    assert_int_equal(count, 7);

    struct delta_waiting_reader reader = {0};
    static const uint32_t wanted[][2] = {{5, 0}, {5, 4}, {2, 5}};
    for (int i = 0; i < 3; i++) {
        assert_true(delta_next_waiting(delta, &reader, &waiting));
        assert_int_equal(waiting.score_count, wanted[i][0]);
        assert_int_equal(waiting.scores[0].number, wanted[i][1]);
    }
    assert_false(delta_next_waiting(delta, &reader, &waiting));
    assert_true(delta_bytes(delta) > 0);
    delta_reset(delta);
    assert_true(delta_is_empty(delta));
    class_numbers_free(numbers);
    class_numbers_free(NULL);
    delta_free(delta);
}

static void test_what_has_none(void **state)
{
    (void)state;
    struct class_numbers *numbers = class_numbers_new();
    struct delta *delta = delta_new();
    struct delta_waiting waiting = {.score_count = 9};
    struct field fields[NAMES];
    const struct {
        uint32_t count;
        enum value_type type;
        double number;
        bool refused;
    } rows[] = {{0, VALUE_NUMBER, 0, false},   {3, VALUE_NULL, 0, false},      {3, VALUE_STRING, 0, false},
                {3, VALUE_NUMBER, 1.5, false}, {3, VALUE_NUMBER, -0.1, false}, {3, VALUE_NUMBER, NAN, false},
                {33, VALUE_NUMBER, 0, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct event event = make(fields, "m", 0, rows[i].count);
        fields[rows[i].count ? rows[i].count - 1 : 0].value =
            (struct value){.type = rows[i].type, .number = rows[i].number};
        assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
        assert_int_equal(waiting.score_count, 0);
        assert_int_equal(waiting.scores_refused, rows[i].refused);
    }
    struct event event = make(fields, "m", 0, CLASS_SCORES_MAX);
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_int_equal(waiting.score_count, CLASS_SCORES_MAX);
    char *longest = malloc(3000);
    assert_non_null(longest);
    memset(longest, 'x', 3000);
    fields[0].name = (struct text){longest, 3000};
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_true(waiting.scores_refused && waiting.score_count == 0);
    free(longest);
    class_numbers_free(numbers);
    delta_free(delta);
}

/* Names are bounded over the life of the worker. */
static void test_full(void **state)
{
    (void)state;
    struct class_numbers *numbers = class_numbers_new();
    struct delta *delta = delta_new();
    struct delta_waiting waiting;
    struct field field = {.value = {.type = VALUE_NUMBER, .number = 0.5}};
    struct event event = {.kind = EVENT_PREDICTION, .model = text_of("m"), .scores = {&field, 1}};
    char name[16];
    uint32_t refused = 0;
    for (uint32_t i = 0; i < UINT16_MAX + 10u; i++) {
        (void)snprintf(name, sizeof(name), "n%u", (unsigned)i);
        field.name = text_of(name);
        waiting = (struct delta_waiting){.kind = WAITING_PREDICTION};
        assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
        refused += waiting.scores_refused;
        assert_int_equal(waiting.score_count, !waiting.scores_refused);
    }
    assert_int_equal(refused, 10);
    class_numbers_free(numbers);
    delta_free(delta);
}

/* So are their bytes; names that are known go on. */
static void test_long_names(void **state)
{
    (void)state;
    struct class_numbers *numbers = class_numbers_new();
    struct delta *delta = delta_new();
    struct delta_waiting waiting = {.kind = WAITING_PREDICTION};
    char name[2001];
    struct field field = {.name = {name, 2000}, .value = {.type = VALUE_NUMBER, .number = 0.5}};
    struct event event = {.kind = EVENT_PREDICTION, .model = text_of("m"), .scores = {&field, 1}};
    memset(name, 'x', sizeof(name));
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        (void)snprintf(name, 8, "%07u", (unsigned)i);
        name[7] = 'x';
        assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
        taken += waiting.score_count;
    }
    assert_true(taken > 4000 && taken < 4200);
    (void)snprintf(name, 8, "%07u", 5u);
    name[7] = 'x';
    assert_int_equal(class_numbers_take(numbers, delta, &event, &waiting), 0);
    assert_true(waiting.score_count == 1 && waiting.scores[0].number == 5);
    class_numbers_free(numbers);
    delta_free(delta);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_what_has_none),
                                       cmocka_unit_test(test_full), cmocka_unit_test(test_long_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
