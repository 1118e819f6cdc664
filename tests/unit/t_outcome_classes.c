/* outcome_classes.c: slots per model, the cap, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "agent/outcome_classes.h"

static void test_slots(void **state)
{
    (void)state;
    struct outcome_classes *classes = outcome_classes_new();
    struct text names[OUTCOME_CLASS_SLOTS];
    bool is_new;
    assert_non_null(classes);
    assert_int_equal(outcome_class_names(classes, "m", names), 0);
    for (uint32_t i = 0; i < OUTCOME_CLASSES_KNOWN; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "c%u", (unsigned)i);
        assert_int_equal(outcome_class_slot(classes, "m", name, &is_new), i < 64 ? i : i + 1);
        assert_true(is_new);
        assert_int_equal(outcome_class_slot(classes, "m", name, &is_new), i < 64 ? i : i + 1);
        assert_false(is_new);
    }
    assert_int_equal(outcome_class_slot(classes, "m", "one more", &is_new), OUTCOME_CLASS_OTHER);
    assert_false(is_new);
    assert_int_equal(outcome_class_slot(classes, "m", "", &is_new), OUTCOME_CLASS_OTHER);
    for (int i = 0; i < 40; i++) { /* models are apart */
        char model[24];
        (void)snprintf(model, sizeof(model), "other%d", i);
        assert_int_equal(outcome_class_slot(classes, model, "one more", &is_new), 0);
    }
    assert_int_equal(outcome_class_names(classes, "m", names), OUTCOME_CLASS_SLOTS);
    assert_true(text_equal(names[63], text_of("class=c63")));
    assert_int_equal(names[OUTCOME_CLASS_OTHER].len, 0);
    assert_true(text_equal(names[65], text_of("class=c64")));
    assert_true(text_equal(names[126], text_of("class=c125")));
    assert_int_equal(outcome_class_names(classes, "other39", names), 1);
    outcome_classes_free(classes);
    outcome_classes_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
