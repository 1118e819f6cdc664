/* Which form a place remembers, and when it gives up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/decode_form.h"

enum { TRIAL = 64, MISSES = 24, PAUSE = 8 * TRIAL };

struct fixture {
    struct forms forms;
    struct form_place place;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    fixture->forms.arena = arena_new(4096, 0);
    *state = fixture;
    return fixture->forms.arena ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_free(fixture->forms.arena);
    free(fixture);
    return 0;
}

static void miss_at(struct fixture *fixture, struct form_place *place, const char *text)
{
    form_missed(&fixture->forms, place, text, text + strcspn(text, ",}"));
}

static void miss(struct fixture *fixture, const char *text)
{
    miss_at(fixture, &fixture->place, text);
}

static void test_first_number_decides(void **state)
{
    struct fixture *fixture = *state;
    miss(fixture, "1e5,"); /* has none */
    assert_null(fixture->place.form);
    miss(fixture, "1.25,");
    const struct number_form *form = fixture->place.form;
    assert_non_null(form);
    assert_int_equal(form->len, 4);
    miss(fixture, "12.5,");
    assert_ptr_equal(fixture->place.form, form);
}

static void test_forms_are_shared(void **state)
{
    struct fixture *fixture = *state;
    struct form_place same = {0}, other = {0};
    miss(fixture, "-3,");
    miss_at(fixture, &same, "-4,");
    miss_at(fixture, &other, "4,");
    assert_ptr_equal(same.form, fixture->place.form);
    assert_ptr_not_equal(other.form, fixture->place.form);
}

static void test_few_misses_in_each_trial(void **state)
{
    struct fixture *fixture = *state;
    miss(fixture, "7,");
    for (int trial = 1; trial <= 20; trial++) {
        fixture->forms.events += TRIAL;
        for (int i = 0; i < MISSES; i++)
            miss(fixture, "77,");
        assert_non_null(fixture->place.form);
    }
}

static void test_many_misses_rest(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < MISSES; i++)
        miss(fixture, "7,");
    assert_non_null(fixture->place.form);
    miss(fixture, "77,");
    assert_null(fixture->place.form);
    fixture->forms.events += PAUSE - 1;
    miss(fixture, "77,");
    assert_null(fixture->place.form);
    fixture->forms.events++;
    miss(fixture, "77,");
    assert_non_null(fixture->place.form);
    assert_int_equal(fixture->place.form->len, 2);
}

/* Trials are numbered modulo 2^32: an agent runs longer than that. */
static void test_numbers_of_trials_wrap(void **state)
{
    struct fixture *fixture = *state;
    fixture->forms.events = ((UINT64_C(1) << 32) - 1) * TRIAL;
    for (int i = 0; i <= MISSES; i++)
        miss(fixture, "7,");
    assert_null(fixture->place.form);
    fixture->forms.events += PAUSE;
    miss(fixture, "7,");
    assert_non_null(fixture->place.form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_number_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forms_are_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_misses_in_each_trial, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_misses_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers_of_trials_wrap, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
