#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/arena.h"

static void test_alignment_and_separation(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256, 0);
    assert_non_null(arena);
    unsigned char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_equal(pieces[i][k], i);
    assert_ptr_not_equal(arena_alloc(arena, 0), arena_alloc(arena, 0));
    arena_free(arena);
    arena_free(NULL);
}

static void test_maximum(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024, 4096);
    assert_null(arena_alloc(arena, 5000));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_alloc(arena, SIZE_MAX - 8));
    size_t got = 0;
    while (arena_alloc(arena, 512))
        got += 512;
    assert_int_equal(got, 4096);
    assert_true(arena_bytes(arena) <= 4096);
    arena_free(arena);
}

static void test_reset_keeps_the_first_block(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024, 0);
    void *first = arena_alloc(arena, 16);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(arena, 1000));
    arena_reset(arena);
    assert_int_equal(arena_bytes(arena), 1024);
    assert_ptr_equal(arena_alloc(arena, 16), first);
    arena_free(arena);
}

static void test_copies(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64, 0);
    assert_string_equal(arena_strdup(arena, "abc"), "abc");
    assert_string_equal(arena_text(arena, (struct text){"abcdef", 3}), "abc");
    assert_string_equal(arena_text(arena, (struct text){NULL, 0}), "");
    const unsigned char *zeros = arena_zalloc(arena, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_separation),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_reset_keeps_the_first_block),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
