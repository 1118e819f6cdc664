#include "agent/base/resident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/hash.h"

static int written = 42;
static const char constant[] = "a constant";

static long mapped_file_kb(void)
{
    char line[128];
    long kb = -1;
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    while (fgets(line, sizeof(line), status))
        (void)sscanf(line, "RssFile: %ld", &kb);
    (void)fclose(status);
    return kb;
}

/* What was written stays, and code and constants are there when they are wanted. */
static void test_trim_changes_nothing(void **state)
{
    (void)state;
    char *heap = malloc(100000);
    assert_non_null(heap);
    memset(heap, 7, 100000);
    written = 43;
    uint64_t before = hash64("text", 4, 1);
    long kb = mapped_file_kb();
    for (int i = 0; i < 3; i++)
        resident_trim();
    long left_kb = mapped_file_kb();
    assert_true(left_kb > 0 && left_kb < kb);
    assert_int_equal(written, 43);
    assert_string_equal(constant, "a constant");
    assert_true(heap[0] == 7 && heap[99999] == 7);
    assert_true(hash64("text", 4, 1) == before);
    free(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trim_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
