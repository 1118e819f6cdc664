#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "agent/base/compiler.h"
#include "agent/yaml.h"

struct parsed {
    struct arena *arena;
    struct diagnostics diagnostics;
    struct yaml_node *root;
    struct strbuf messages;
};

static struct yaml_node *parse_bytes(struct parsed *parsed, const char *bytes, size_t len)
{
    parsed->arena = arena_new(4096, 64 << 20);
    assert_non_null(parsed->arena);
    diagnostics_init(&parsed->diagnostics);
    strbuf_init(&parsed->messages, 1 << 20);
    parsed->root = yaml_parse(bytes, len, parsed->arena, &parsed->diagnostics);
    diagnostics_print(&parsed->diagnostics, "y", &parsed->messages);
    return parsed->root;
}

static struct yaml_node *parse(struct parsed *parsed, const char *text)
{
    return parse_bytes(parsed, text, strlen(text));
}

static void release(struct parsed *parsed)
{
    diagnostics_release(&parsed->diagnostics);
    strbuf_release(&parsed->messages);
    arena_free(parsed->arena);
}

static void test_tree_and_places(void **state)
{
    (void)state;
    struct parsed parsed;
    const struct yaml_node *root = parse(&parsed, "a: 1.10\n"
                                                  "b:\n"
                                                  "  - x\n"
                                                  "  - {c: 'no', \"d e\": }\n"
                                                  "\xc3\xa4: [~, null, '', \"null\"]\n");
    assert_non_null(root);
    assert_false(diagnostics_failed(&parsed.diagnostics));
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 3);
    const struct yaml_node *a = yaml_get(root, "a");
    assert_string_equal(a->text, "1.10");
    assert_int_equal(a->line, 1);
    assert_int_equal(a->column, 4);
    assert_int_equal(a->key_column, 1);
    const struct yaml_node *inner = yaml_item(yaml_get(root, "b"), 1);
    assert_int_equal(inner->kind, YAML_MAPPING);
    assert_int_equal(inner->line, 4);
    assert_int_equal(inner->column, 5);
    assert_string_equal(yaml_get(inner, "c")->text, "no");
    assert_true(yaml_get(inner, "d e")->is_null);
    const struct yaml_node *nulls = yaml_get(root, "\xc3\xa4");
    assert_int_equal(nulls->column, 4); /* characters, not bytes */
    assert_true(yaml_item(nulls, 0)->is_null);
    assert_true(yaml_item(nulls, 1)->is_null);
    assert_false(yaml_item(nulls, 2)->is_null);
    assert_false(yaml_item(nulls, 3)->is_null);
    assert_null(yaml_item(nulls, 4));
    assert_null(yaml_get(root, "x"));
    assert_null(yaml_get(nulls, "x"));
    assert_null(yaml_get(NULL, "x"));
    release(&parsed);
}

static void test_aliases_are_copies(void **state)
{
    (void)state;
    struct parsed parsed;
    const struct yaml_node *root = parse(&parsed, "a: &x {b: &y [1, 2]}\nc: *x\nd: *y\ne: [*y, *y]\n");
    assert_non_null(root);
    const struct yaml_node *copy = yaml_get(root, "c");
    assert_ptr_not_equal(copy, yaml_get(root, "a"));
    assert_string_equal(copy->key, "c");
    assert_string_equal(yaml_item(yaml_get(copy, "b"), 1)->text, "2");
    assert_int_equal(yaml_item(yaml_get(root, "e"), 1)->count, 2);
    release(&parsed);
}

static void test_empty_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "~\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct parsed parsed;
        const struct yaml_node *root = parse(&parsed, texts[i]);
        if (!root || root->kind != YAML_MAPPING || root->count != 0)
            fail_msg("case %zu: %s", i, parsed.messages.bytes);
        release(&parsed);
    }
}

static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *messages;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "y:3:1: duplicate key `a`; it is also on line 1\n"},
        {"a: {b: 1, b: 2}\nc: {d: 1, d: 2}\n", "y:1:11: duplicate key `b`; it is also on line 1\n"
                                               "y:2:11: duplicate key `d`; it is also on line 2\n"},
        {"a: 1\n---\nb: 2\n", "y:2:1: a second document; a configuration is one\n"},
        {"a: !!binary aGk=\n", "y:1:4: tags are not supported\n"},
        {"a: !x [1]\n", "y:1:4: tags are not supported\n"},
        {"a: &x {b: 1}\nc:\n  <<: *x\n", "y:3:3: merge keys (`<<`) are not supported\n"},
        {"a: *nobody\n", "y:1:4: this alias names no value before it\n"},
        {"a: &x [1, *x]\n", "y:1:11: this alias stands inside the value that it names\n"},
        {"&x a: 1\n*x : 2\n", "y:2:1: this alias names no value before it\n"},
        {"a: &x b\n*x : 2\n", "y:2:1: an alias cannot be a key\n"},
        {"{[a]: 1}\n", "y:1:2: a key must be a plain text; quote texts that begin with { or [\n"},
        {"a: 1\n  b: 2\n", "y:2:4: not valid YAML: mapping values are not allowed in this context\n"},
        {"a: [1, 2\nb: 3\n", "y:2:2: not valid YAML: did not find expected ',' or ']' (while parsing a flow "
                             "sequence that began on "
                             "line 1)\n"},
        {"a:\n\tb: 1\n", "y:2:1: a tab; YAML is indented with spaces\n"},
        {"a: \"x\n", NULL},
        {"a: b\x01\n", "y:1:5: a control character (0x01); is this a text file?\n"},
        {"a: 1\nb: \xff\xfe\n", "y:2:4: not valid UTF-8 (byte 0xff); is this a text file?\n"},
        {"a: \"x\\0y\"\n", "y:1:4: a text with a NUL character\n"},
        {"\"\": 1\n", "y:1:1: an empty key\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed parsed;
        (void)parse(&parsed, cases[i].text);
        assert_true(diagnostics_failed(&parsed.diagnostics));
        if (cases[i].messages && strcmp(parsed.messages.bytes, cases[i].messages) != 0)
            fail_msg("case %zu:\n%s", i, parsed.messages.bytes);
        release(&parsed);
    }
}

static void expect_failure(const char *bytes, size_t len, const char *part)
{
    struct parsed parsed;
    assert_null(parse_bytes(&parsed, bytes, len));
    if (!strstr(parsed.messages.bytes, part))
        fail_msg("expected \"%s\" in: %s", part, parsed.messages.bytes);
    release(&parsed);
}

static void test_too_deep(void **state)
{
    (void)state;
    char *deep = malloc(200001);
    assert_non_null(deep);
    memset(deep, '[', 200000);
    expect_failure(deep, 200000, "y:1:33: nested too deeply");
    memset(deep, '{', 200000);
    expect_failure(deep, 200000, "a key must be a plain text");
    for (size_t i = 0; i < 100000; i++)
        memcpy(deep + 2 * i, "- ", 2);
    expect_failure(deep, 200000, "y:1:65: nested too deeply");
    free(deep);
}

/* Each level ten times the one before: a thousand million values in a few lines. */
static void test_alias_bomb(void **state)
{
    (void)state;
    struct strbuf bomb;
    strbuf_init(&bomb, 100000);
    strbuf_adds(&bomb, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        strbuf_addf(&bomb, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++)
            strbuf_addf(&bomb, "%s*l%d", k ? ", " : "", i - 1);
        strbuf_adds(&bomb, "]\n");
    }
    expect_failure(bomb.bytes, bomb.len, "the file is too large: more than 50000 values");
    strbuf_release(&bomb);
}

/* Aliases must not nest deeper than lists may. */
static void test_alias_ladder(void **state)
{
    (void)state;
    struct strbuf ladder;
    strbuf_init(&ladder, 100000);
    strbuf_adds(&ladder, "l0: &l0 [x]\n");
    for (int i = 1; i < 100; i++)
        strbuf_addf(&ladder, "l%d: &l%d [*l%d]\n", i, i, i - 1);
    expect_failure(ladder.bytes, ladder.len, "nested too deeply");
    strbuf_release(&ladder);
}

static void test_too_large(void **state)
{
    (void)state;
    char *large = malloc(YAML_BYTES_MAX + 2);
    assert_non_null(large);
    memset(large, 'x', YAML_BYTES_MAX + 1);
    expect_failure(large, YAML_BYTES_MAX + 1, "y: larger than 1 MiB");
    expect_failure(large, YAML_BYTES_MAX, "y:1:1: a text of more than 65536 bytes");
    for (size_t i = 0; i + 4 <= YAML_BYTES_MAX; i += 4)
        memcpy(large + i, "- a\n", 4);
    expect_failure(large, YAML_BYTES_MAX,
                   "y:1025:3: too many entries in one collection (the maximum is 1024)");
    memcpy(large, "a: \"", 4);
    memset(large + 4, 'x', 70000);
    memcpy(large + 70000, "\"\n", 3);
    expect_failure(large, 70002, "y:1:4: a text of more than 65536 bytes");
    free(large);
}

static void test_many_anchors(void **state)
{
    (void)state;
    struct strbuf many;
    strbuf_init(&many, 100000);
    for (int i = 0; i < 300; i++)
        strbuf_addf(&many, "- &a%d x\n", i);
    expect_failure(many.bytes, many.len, "more than 256 anchors");
    strbuf_release(&many);
}

static void test_binary(void **state)
{
    (void)state;
    expect_failure("\x7f"
                   "ELF\x02\x01\x01\0\0",
                   9, "y:1:1: a control character (0x7f)");
    expect_failure("a\0b", 3, "y:1:2: a control character (0x00)");
    expect_failure("\xff\xfe"
                   "a\0",
                   4, "y:1:1: not valid UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_and_places), cmocka_unit_test(test_aliases_are_copies),
        cmocka_unit_test(test_empty_documents), cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_too_deep),        cmocka_unit_test(test_alias_bomb),
        cmocka_unit_test(test_alias_ladder),    cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_many_anchors),    cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
