/* outcomes_cross.c: names of cells, and what has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "detectors/outcomes.h"

static void test_names(void **state)
{
    (void)state;
    static const char *const groups[] = {"sex=F", "age=30-39", "sexual=x", "empty=", "odd=a=b"};
    static const struct {
        const char *attributes[4], *name;
    } cases[] = {
        {{"sex", "age"}, "sex|age=F|30-39"},
        {{"age", "sex"}, "age|sex=30-39|F"},
        {{"sexual"}, "sexual=x"},
        {{"empty", "odd", "sex"}, "empty|odd|sex=|a=b|F"},
        {{"sex", "race"}, NULL}, /* the event has no race */
        {{"se"}, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char name[64];
        bool made = outcome_cross_name(cases[i].attributes, groups, 5, name, sizeof(name));
        assert_int_equal(made, cases[i].name != NULL);
        if (made)
            assert_string_equal(name, cases[i].name);
    }
}

static void test_room(void **state)
{
    (void)state;
    static const char *const groups[] = {"a=xx", "b=yy"}, *const attributes[] = {"a", "b", NULL};
    char name[16];
    for (size_t size = 0; size <= sizeof(name); size++) /* "a|b=xx|yy" and its NUL */
        assert_int_equal(outcome_cross_name(attributes, groups, 2, name, size), size >= 10);
    assert_string_equal(name, "a|b=xx|yy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
