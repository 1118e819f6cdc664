#include "agent/base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static void test_new_is_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        unsigned char *memory = pages_new(sizes[i]);
        assert_non_null(memory);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(memory[at], 0);
        memory[0] = memory[sizes[i] - 1] = 1;
        pages_free(memory, sizes[i]);
    }
    pages_free(NULL, 0);
    pages_free(NULL, 8 * MIB);
}

/* Over every border: heap to heap, heap to pages, pages to pages, within the last page. */
static void test_grown_keeps_and_clears(void **state)
{
    (void)state;
    static const size_t sizes[] = {64,          4096,    3 * MIB,        4 * MIB,
                                   4 * MIB + 8, 8 * MIB, 8 * MIB + 4096, 33 * MIB};
    uint64_t *memory = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        memory = pages_grow(memory, bytes, sizes[i]);
        assert_non_null(memory);
        size_t before = bytes / sizeof(*memory), words = sizes[i] / sizeof(*memory);
        for (size_t at = 0; at < words; at++) {
            assert_int_equal(memory[at], at < before ? at + 1 : 0);
            memory[at] = at + 1;
        }
        bytes = sizes[i];
    }
    pages_free(memory, bytes);
}

static void test_impossible(void **state)
{
    (void)state;
    uint64_t *memory = pages_new(8 * MIB);
    assert_non_null(memory);
    memory[7] = 7;
    assert_null(pages_new((size_t)1 << 60));
    assert_null(pages_grow(memory, 8 * MIB, (size_t)1 << 60));
    assert_int_equal(memory[7], 7);
    pages_free(memory, 8 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_is_zero),
                                       cmocka_unit_test(test_grown_keeps_and_clears),
                                       cmocka_unit_test(test_impossible)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
