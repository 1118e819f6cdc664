/* Rows as table, JSON and CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "agent/cli_output.h"
#include "tests/unit/skip.h"

static const char *const names[] = {"name", "n", "value"};

static struct reader_cell real(double value)
{
    return (struct reader_cell){.type = READER_REAL, .real = value};
}

/* The caller frees. */
static char *print(enum output_format format, const struct reader_cell (*rows)[3], size_t count)
{
    char *bytes = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&bytes, &len);
    assert_non_null(memory);
    struct output *output = output_new(memory, format);
    assert_non_null(output);
    for (size_t i = 0; i < count; i++) {
        struct reader_row row = {3, names, rows[i]};
        assert_int_equal(output_row(output, &row), 0);
    }
    assert_int_equal(output_rows(output), count);
    assert_int_equal(output_end(output, "nothing"), 0);
    assert_int_equal(fclose(memory), 0);
    return bytes;
}

static void check(enum output_format format, size_t count, const char *want)
{
    const struct reader_cell rows[][3] = {
        {reader_string_cell("a\"b,c"), reader_integer_cell(5), real(0.1)},
        {reader_string_cell("\xc3\xa4\x1b[31m\nx"), reader_integer_cell(-12345), {.type = READER_NULL}},
    };
    char *got = print(format, rows, count);
    assert_string_equal(got, want);
    free(got);
}

static void test_table(void **state)
{
    (void)state;
    /* Numbers to the right, escape sequences disarmed, widths in characters. */
    check(OUTPUT_TABLE, 2,
          "name           n  value\n"
          "a\"b,c          5    0.1\n"
          "\xc3\xa4?[31m?x  -12345  -\n");
    check(OUTPUT_TABLE, 0, "nothing\n");
}

static void test_json(void **state)
{
    (void)state;
    check(OUTPUT_JSON, 2,
          "[\n{\"name\":\"a\\\"b,c\",\"n\":5,\"value\":0.1},\n"
          "{\"name\":\"\xc3\xa4\\u001b[31m\\nx\",\"n\":-12345,\"value\":null}\n]\n");
    check(OUTPUT_JSON, 0, "[]\n");
}

static void test_csv(void **state)
{
    (void)state;
    check(OUTPUT_CSV, 2, "name,n,value\r\n\"a\"\"b,c\",5,0.1\r\n\"\xc3\xa4\x1b[31m\nx\",-12345,\r\n");
    check(OUTPUT_CSV, 0, "");
}

static void test_full_disk(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip_because("there is no /dev/full");
    struct output *output = output_new(full, OUTPUT_JSON);
    assert_non_null(output);
    assert_int_equal(output_end(output, NULL), ERR_IO);
    (void)fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
