#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "agent/config.h"
#include "agent/config_manual.h"

/* Run from the root of the project, as make does. */
static char *file_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s: run this from the root of the project", path);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_the_schema_is_checked_in(void **state)
{
    (void)state;
    struct strbuf made;
    char *text = file_text("conf/driftd.schema.json");
    strbuf_init(&made, 1 << 20);
    config_schema(&made);
    assert_false(strbuf_failed(&made));
    if (strcmp(text, made.bytes) != 0)
        fail_msg("conf/driftd.schema.json is old: driftd check --schema > conf/driftd.schema.json");
    strbuf_release(&made);
    free(text);
}

static void test_the_manual_is_checked_in(void **state)
{
    (void)state;
    struct strbuf made;
    char *text = file_text("conf/README.md");
    char *begin = strstr(text, "<!-- options: begin -->\n\n");
    char *end = strstr(text, "\n<!-- options: end -->");
    assert_true(begin && end && begin < end);
    begin += strlen("<!-- options: begin -->\n\n");
    *end = '\0';
    strbuf_init(&made, 1 << 20);
    config_reference_manual(&made);
    assert_false(strbuf_failed(&made));
    if (strcmp(begin, made.bytes) != 0)
        fail_msg("conf/README.md is old: put what `driftd check --options` prints between its marks");
    strbuf_release(&made);
    free(text);
}

struct sample {
    const char *text;
    uint32_t options;
};

/* `key:` at the beginning of a word of the sample, commented out or not. */
static const char *find_key(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = text; (at = strstr(at, key)); at++)
        if ((at == text || strchr(" {\n", at[-1])) && at[len] == ':')
            return at + len + 1;
    return NULL;
}

/* Of the options outside of lists, whose keys may be there several times, the default must be there too. */
static void check_option(void *context, const char *path, const char *key, const char *initial)
{
    struct sample *sample = context;
    sample->options++;
    const char *value = find_key(sample->text, key);
    if (!value)
        fail_msg("conf/driftd.yaml does not show `%s`", path);
    if (!initial || strstr(path, "[]"))
        return;
    char wanted[300];
    (void)snprintf(wanted, sizeof(wanted), "%s: %s", key, initial);
    if (!strstr(sample->text, wanted))
        fail_msg("conf/driftd.yaml does not show the default of `%s`: %s", path, initial);
}

static void test_the_sample_shows_every_option(void **state)
{
    (void)state;
    char *text = file_text("conf/driftd.yaml");
    struct sample sample = {text, 0};
    config_each_option(check_option, &sample);
    assert_true(sample.options > 100);
    free(text);
}

static struct config *load(const char *path)
{
    struct strbuf messages;
    struct config *config = NULL;
    strbuf_init(&messages, 1 << 20);
    if (config_load(&config, path, &messages) != 0 || messages.len)
        fail_msg("%s", messages.bytes);
    strbuf_release(&messages);
    return config;
}

static void test_the_samples_are_good(void **state)
{
    (void)state;
    struct config *config = load("conf/driftd.yaml");
    assert_true(config->rule_count >= 7);
    assert_int_equal(config->input_count, 2);
    assert_int_equal(config->window_count, 3);
    config_free(config);
    config = load("conf/driftd-minimal.yaml");
    assert_int_equal(config->input_count, 1);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_schema_is_checked_in),
        cmocka_unit_test(test_the_manual_is_checked_in),
        cmocka_unit_test(test_the_sample_shows_every_option),
        cmocka_unit_test(test_the_samples_are_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
