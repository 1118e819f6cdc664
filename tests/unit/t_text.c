#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/compiler.h"
#include "agent/base/text.h"

static void test_glob(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},           {"", "a", false},
        {"*", "", true},          {"*", "abc", true},
        {"**", "abc", true},      {"a", "a", true},
        {"a", "A", false},        {"a", "ab", false},
        {"ab", "a", false},       {"?", "a", true},
        {"?", "", false},         {"??", "a", false},
        {"a*", "a", true},        {"a*", "ba", false},
        {"*a", "bca", true},      {"*a", "bcab", false},
        {"raw_*", "raw_x", true}, {"raw_*", "raw", false},
        {"a*b*c", "axbyc", true}, {"a*b*c", "acb", false},
        {"*ab", "aab", true},     {"*aab", "aaaab", true},
        {"a?c*", "abcd", true},   {"[a]", "a", false},
        {"[a]", "[a]", true},     {"*x*x*x", "axbx", false},
        {"*?*?", "ab", true},     {"\xc3\xa4*", "\xc3\xa4", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (text_glob(cases[i].pattern, text_of(cases[i].text)) != cases[i].matches)
            fail_msg("glob \"%s\" on \"%s\"", cases[i].pattern, cases[i].text);
}

static void test_glob_stops_at_the_end_of_a_view(void **state)
{
    (void)state;
    assert_true(text_glob("ab", (struct text){"abc", 2}));
    assert_false(text_glob("abc", (struct text){"abc", 2}));
    assert_true(text_glob("*", (struct text){NULL, 0}));
}

/* A pattern made to explode a backtracking matcher: must end within the test's patience. */
static void test_glob_is_not_exponential(void **state)
{
    (void)state;
    char pattern[128] = "", text[4001];
    for (size_t i = 0; i < 30; i++)
        memcpy(pattern + 2 * i, "*a", 3);
    memcpy(pattern + 60, "*b", 3);
    memset(text, 'a', 4000);
    assert_false(text_glob(pattern, (struct text){text, 4000}));
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        uint32_t len;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa4", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98\x80", 4},
        {"", 0},
        {"\x80", 0},
        {"\xc3", 0},
        {"\xc1\x81", 0},
        {"\xc3(", 0},
        {"\xe0\x80\x80", 0},
        {"\xed\xa0\x80", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (text_utf8_length(cases[i].bytes, strlen(cases[i].bytes)) != cases[i].len)
            fail_msg("case %zu", i);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(text_equal(text_of("a"), text_of("a")));
    assert_false(text_equal(text_of("a"), text_of("b")));
    assert_false(text_equal(text_of("a"), text_of("ab")));
    assert_true(text_equal(text_of(""), text_of(NULL)));
}

static void test_suggest(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "sinks", "rules", "lateness", "idle_timeout", "secrets_file", "url", "ttl", "max", "p", NULL};
    static const char *const cases[][2] = {
        {"sinkz", "sinks"},
        {"sink", "sinks"},
        {"isnks", "sinks"},
        {"skins", NULL}, /* two mistakes in five letters */
        {"Rules", "rules"},
        {"latness", "lateness"},
        {"latenses", "lateness"},
        {"idle-timeout", "idle_timeout"},
        {"idleTimeout", "idle_timeout"},
        {"secret_file", "secrets_file"},
        {"secretfile", "secrets_file"},
        {"ulr", "url"},
        {"tll", "ttl"},
        {"q", NULL},
        {"P", "p"},
        {"completely_different", NULL},
        {"", NULL},
        {"a_word_that_is_much_longer_than_any_option_that_anybody_would_ever_think_of", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *found = text_suggest(cases[i][0], keys);
        if (!cases[i][1] ? found != NULL : !found || strcmp(found, cases[i][1]) != 0)
            fail_msg("for \"%s\": %s", cases[i][0], found ? found : "nothing");
    }
    static const char *const none[] = {NULL};
    assert_null(text_suggest("sinks", none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_glob_stops_at_the_end_of_a_view),
        cmocka_unit_test(test_glob_is_not_exponential),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_suggest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
