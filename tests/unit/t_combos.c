/* combos.c: one number for what is the same, announced once; hostile names and numbers stay within caps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/combos.h"

static struct members *members_of(uint32_t model, uint32_t segment, const char *group)
{
    struct members *members = calloc(1, sizeof(*members));
    members_begin(members, model);
    if (segment)
        members_add_series(members, segment);
    struct field field = {.name = text_of("sex"),
                          .value = {.type = VALUE_STRING, .text = text_of(group ? group : "")}};
    struct fields groups = {.items = &field, .count = 1};
    if (group)
        members_add_groups(members, &groups);
    return members;
}

static uint32_t number_of(struct combos *combos, struct delta *delta, uint32_t model, uint32_t segment,
                          const char *group)
{
    struct members *members = members_of(model, segment, group);
    uint32_t number = combos_number(combos, delta, members);
    free(members);
    return number;
}

static void test_numbers(void **state)
{
    (void)state;
    struct combos *combos = combos_new();
    struct delta *delta = delta_new();
    assert_int_equal(number_of(combos, delta, 1, 5, "F"), 0);
    assert_int_equal(number_of(combos, delta, 1, 5, "M"), 1);
    assert_int_equal(number_of(combos, delta, 1, 6, "F"), 2);
    assert_int_equal(number_of(combos, delta, 2, 5, "F"), 3);
    assert_int_equal(number_of(combos, delta, 1, 5, "F"), 0);
    assert_int_equal(combos_model(combos, delta, text_of("m")), 4);
    assert_int_equal(combos_model(combos, delta, text_of("n")), 5);
    assert_int_equal(combos_model(combos, delta, text_of("m")), 4);
    assert_int_equal(combos_model(combos, delta, text_of("m")), 4);
    uint32_t count;
    const struct delta_combo *announced = delta_new_combos(delta, &count);
    assert_int_equal(count, 6);
    assert_true(announced[1].series_count == 2 && announced[1].series[0] == 1 && announced[1].series[1] == 5);
    assert_string_equal(announced[1].groups[0], "sex=M");
    assert_true(announced[4].series_count == 0 && announced[4].group_count == 1);
    assert_string_equal(announced[5].groups[0], "n");
    delta_free(delta);
    combos_free(combos);
}

/* Beyond the cap predictions count for their model alone; models beyond theirs are not told apart. */
static void test_caps(void **state)
{
    (void)state;
    struct combos *combos = combos_new();
    struct delta *delta = delta_new();
    char name[32];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "model %d", i);
        assert_int_equal(combos_model(combos, delta, text_of(name)) == COMBO_NONE, i >= 1024);
    }
    uint32_t whole = number_of(combos, delta, 7, 0, NULL);
    for (uint32_t i = 0; i < 70000; i++) {
        (void)snprintf(name, sizeof(name), "g%u", (unsigned)i);
        uint32_t number = number_of(combos, delta, 7, 0, name);
        assert_true(number != COMBO_NONE && (i < 64000 ? number == whole + 1 + i : number >= whole));
        if (i > 66000)
            assert_int_equal(number, whole);
    }
    char *longest = calloc(1, 5000);
    memset(longest, 'x', 4999);
    assert_int_equal(combos_model(combos, delta, text_of(longest)), COMBO_NONE);
    struct members *members = members_of(7, 0, longest); /* does not fit: left out */
    assert_int_equal(members->group_count, 0);
    for (uint32_t i = 0; i < 100; i++)
        members_add_series(members, i);
    assert_int_equal(members->series_count, COMBO_MEMBERS_MAX);
    free(members);
    free(longest);
    delta_free(delta);
    combos_free(combos);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_caps)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
