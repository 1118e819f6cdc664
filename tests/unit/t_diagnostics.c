#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/diagnostics.h"

static void test_sorted_by_place(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct strbuf out;
    diagnostics_init(&diagnostics);
    strbuf_init(&out, 10000);
    assert_false(diagnostics_failed(&diagnostics));
    diagnostics_warning(&diagnostics, 2, 1, "careful");
    assert_false(diagnostics_failed(&diagnostics));
    diagnostics_error(&diagnostics, 10, 2, "third %d", 3);
    diagnostics_error(&diagnostics, 2, 7, "second");
    diagnostics_error(&diagnostics, 2, 5, "first");
    diagnostics_error(&diagnostics, 2, 5, "an echo of the first");
    diagnostics_error(&diagnostics, 0, 0, "the whole");
    diagnostics_error(&diagnostics, 0, 0, "file");
    assert_true(diagnostics_failed(&diagnostics));
    diagnostics_print(&diagnostics, "a.yaml", &out);
    assert_string_equal(out.bytes, "a.yaml: the whole\n"
                                   "a.yaml: file\n"
                                   "warning: a.yaml:2:1: careful\n"
                                   "a.yaml:2:5: first\n"
                                   "a.yaml:2:7: second\n"
                                   "a.yaml:10:2: third 3\n");
    diagnostics_release(&diagnostics);
    strbuf_release(&out);
}

static void test_bounded(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct strbuf out;
    diagnostics_init(&diagnostics);
    strbuf_init(&out, 100000);
    for (uint32_t i = 1; i <= DIAGNOSTICS_MAX + 5; i++)
        diagnostics_error(&diagnostics, i, 1, "wrong");
    diagnostics_print(&diagnostics, "a.yaml", &out);
    assert_non_null(strstr(out.bytes, "a.yaml:100:1: wrong\na.yaml: and 5 more\n"));
    assert_int_equal(diagnostics.error_count, DIAGNOSTICS_MAX + 5);
    diagnostics_release(&diagnostics);
    strbuf_release(&out);
}

static void test_only_printable(void **state)
{
    (void)state;
    struct diagnostics diagnostics;
    struct strbuf out;
    diagnostics_init(&diagnostics);
    strbuf_init(&out, 10000);
    diagnostics_error(&diagnostics, 1, 1, "a\x1b[2Jb\nc\xc3\xa4\xc3 \x7f");
    diagnostics_print(&diagnostics, "a.yaml", &out);
    assert_string_equal(out.bytes, "a.yaml:1:1: a?[2Jb?c\xc3\xa4? ?\n");
    diagnostics_release(&diagnostics);
    strbuf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_by_place),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_only_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
