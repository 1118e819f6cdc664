#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/base/hash.h"
#include "agent/base/intern.h"

static struct text name_of(uint32_t i, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "name-%u", i);
    return text_of(buffer);
}

static void test_ids_are_dense_and_stable(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    char buffer[32];
    struct intern *intern = intern_new(MANY);
    assert_non_null(intern);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(intern_add(intern, name_of(i, buffer, sizeof(buffer))), i);
    const char *first = intern_text(intern, 0).ptr;
    for (uint32_t i = 0; i < MANY; i++) {
        struct text name = name_of(i, buffer, sizeof(buffer));
        assert_int_equal(intern_find(intern, name), i);
        assert_int_equal(intern_find_hashed(intern, name, hash_text(name, 0)), i);
        assert_int_equal(intern_add(intern, name), i);
        assert_string_equal(intern_text(intern, i).ptr, buffer);
        assert_int_equal(intern_text(intern, i).len, strlen(buffer));
    }
    assert_ptr_equal(intern_text(intern, 0).ptr, first);
    assert_int_equal(intern_count(intern), MANY);
    intern_free(intern);
}

static void test_full_refuses_only_new_names(void **state)
{
    (void)state;
    struct intern *intern = intern_new(2);
    assert_int_equal(intern_add(intern, text_of("a")), 0);
    assert_int_equal(intern_add(intern, text_of("b")), 1);
    assert_int_equal(intern_add(intern, text_of("c")), INTERN_NONE);
    assert_int_equal(intern_add(intern, text_of("a")), 0);
    assert_int_equal(intern_find(intern, text_of("c")), INTERN_NONE);
    assert_int_equal(intern_count(intern), 2);
    intern_free(intern);
}

static void test_odd_names(void **state)
{
    (void)state;
    struct intern *intern = intern_new(8);
    assert_int_equal(intern_find(intern, text_of("")), INTERN_NONE);
    assert_int_equal(intern_add(intern, text_of("")), 0);
    assert_int_equal(intern_add(intern, (struct text){"a\0b", 3}), 1);
    assert_int_equal(intern_add(intern, (struct text){"a\0c", 3}), 2);
    assert_int_equal(intern_find(intern, (struct text){"a\0b", 3}), 1);
    assert_int_equal(intern_find(intern, text_of("a")), INTERN_NONE);
    assert_int_equal(intern_add(intern, (struct text){"", 0}), 0);
    intern_free(intern);
    intern_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_dense_and_stable),
        cmocka_unit_test(test_full_refuses_only_new_names),
        cmocka_unit_test(test_odd_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
