#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/event.h"

/* Names are label values of counters and keys of dashboards: complete, distinct, plain. */
static void check_names(const char *(*name)(unsigned), unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(name(i));
        assert_true(strlen(name(i)) > 1);
        assert_int_equal(strspn(name(i), "abcdefghijklmnopqrstuvwxyz_08"), strlen(name(i)));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(name(i), name(k));
    }
}

static const char *name_of_reject(unsigned i)
{
    return reject_name((enum reject)i);
}
static const char *name_of_kind(unsigned i)
{
    return event_kind_name((enum event_kind)i);
}
static const char *name_of_fate(unsigned i)
{
    return fate_name((enum fate)i);
}

static void names_are_complete(void **state)
{
    (void)state;
    check_names(name_of_reject, REJECT_COUNT);
    check_names(name_of_kind, EVENT_KIND_COUNT);
    check_names(name_of_fate, FATE_COUNT);
    assert_string_equal(reject_name(REJECT_TOO_LARGE), "too_large");
    assert_string_equal(event_kind_name(EVENT_FEATURES), "features");
    assert_string_equal(fate_name(FATE_BEYOND_HORIZON), "beyond_horizon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_complete)};
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
