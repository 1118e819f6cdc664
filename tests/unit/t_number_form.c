/* What a form reads is what number_scan reads, to the bit and to the byte; what has another form it refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/hash.h"
#include "agent/base/number.h"
#include "agent/base/number_form.h"
#include "tests/unit/skip.h"

enum { TEXT_BYTES = 64, ROOM = 32, ROUNDS = 200 };

/* A number and what follows it, in bytes that may be read on both sides. */
struct line {
    char bytes[ROOM + TEXT_BYTES];
    char *text;
    size_t len; /* of the number */
};

static void put(struct line *line, const char *number, const char *behind)
{
    memset(line->bytes, 'x', sizeof(line->bytes));
    line->text = line->bytes + ROOM;
    line->len = strlen(number);
    memcpy(line->text, number, line->len);
    memcpy(line->text + line->len, behind, strlen(behind));
}

static unsigned key_of(const char *number, const char *behind)
{
    struct line line;
    put(&line, number, behind);
    return number_form_key(line.text, line.text + line.len);
}

static void test_keys(void **unused)
{
    (void)unused;
    assert_int_equal(key_of("1", ","), key_of("7", ","));
    assert_int_equal(key_of("-12.50", "}"), key_of("-99.07", "}"));
    const char *const others[] = {"1", "12", "-1", "1.2", "12.3", "1.23", "-1.2"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(key_of(others[i], ","), key_of(others[j], ","));
    assert_int_not_equal(key_of("1", ","), key_of("1", "}"));

    assert_int_equal(key_of("1", " "), NUMBER_FORM_NONE);
    assert_int_equal(key_of("1", "]"), NUMBER_FORM_NONE);
    assert_int_equal(key_of("1e5", ","), NUMBER_FORM_NONE);
    assert_int_equal(key_of("1.5E-7", ","), NUMBER_FORM_NONE);
    assert_int_equal(key_of("1234567890123456", ","), NUMBER_FORM_NONE);
    assert_int_equal(key_of("-12345678.123456", ","), NUMBER_FORM_NONE);
    assert_int_not_equal(key_of("123456789012345", ","), NUMBER_FORM_NONE);
    assert_int_not_equal(key_of("-1234567.123456", ","), NUMBER_FORM_NONE);
}

#if defined(__x86_64__)

static uint64_t draw(uint64_t *state)
{
    return hash_mix((*state)++);
}

/* A number of so many digits; the first of several before the point is not 0. */
static void write_number(char *out, bool negative, unsigned integer, unsigned fraction, uint64_t *state)
{
    if (negative)
        *out++ = '-';
    for (unsigned i = 0; i < integer; i++)
        *out++ = (char)(i == 0 && integer > 1 ? '1' + draw(state) % 9 : '0' + draw(state) % 10);
    if (fraction > 0)
        *out++ = '.';
    for (unsigned i = 0; i < fraction; i++)
        *out++ = (char)('0' + draw(state) % 10);
    *out = '\0';
}

/* The form accepts the line if its number has it, and then says what number_scan says. */
static void check_line(const struct number_form *form, const struct line *line, unsigned key)
{
    double expected = 0, value = 77;
    const char *end = number_scan(line->bytes, line->text, &expected);
    bool has_form = end && number_form_key(line->text, end) == key;
    const char *found = number_form_read(form, line->text, &value);
    if ((found != NULL) != has_form)
        fail_msg("`%.24s`: %s", line->text, found ? "accepted" : "refused");
    if (!found)
        return;
    assert_ptr_equal(found, end);
    assert_memory_equal(&value, &expected, sizeof(value));
}

static void check_form(bool negative, unsigned integer, unsigned fraction, const char *behind,
                       uint64_t *state)
{
    static const char bytes[] = "0123456789.-+eE,}] \"x/:\x80";
    struct number_form form;
    struct line line;
    char number[TEXT_BYTES];
    write_number(number, negative, integer, fraction, state);
    unsigned key = key_of(number, behind);
    assert_int_not_equal(key, NUMBER_FORM_NONE);
    number_form_make(&form, key);
    for (int round = 0; round < ROUNDS; round++) {
        write_number(number, negative, integer, fraction, state);
        put(&line, number, behind);
        check_line(&form, &line, key);
        double value;
        assert_non_null(number_form_read(&form, line.text, &value));
        assert_true(value == strtod(number, NULL));
        line.text[draw(state) % (line.len + 2)] = bytes[draw(state) % (sizeof(bytes) - 1)];
        check_line(&form, &line, key);
    }
}

static void test_read(void **unused)
{
    (void)unused;
    if (!__builtin_cpu_supports("avx2"))
        skip_because("this processor has no AVX2, forms are not used on it");
    uint64_t state = 1;
    for (unsigned negative = 0; negative < 2; negative++)
        for (unsigned integer = 1; negative + integer <= NUMBER_FORM_BYTES_MAX; integer++)
            for (unsigned fraction = 0;
                 negative + integer + (fraction > 0) + fraction <= NUMBER_FORM_BYTES_MAX; fraction++) {
                check_form(negative, integer, fraction, ",\"a\":1}", &state);
                check_form(negative, integer, fraction, "}", &state);
            }
}

#else

static void test_read(void **unused)
{
    (void)unused;
    skip_because("forms are for x86-64");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys), cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
