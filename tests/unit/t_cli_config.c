/* Which configuration and which of its inputs a command works on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/cli_config.h"
#include "agent/commands.h"

static void test_inputs(void **state)
{
    (void)state;
    static const char two[] = "api_version: 1\ninputs: [{name: a}, {name: bees}]\n",
                      none[] = "api_version: 1\n";
    static const struct {
        const char *yaml, *name;
        enum input_default unnamed;
        int status;
        const char *found; /* NULL: none */
    } cases[] = {
        {two, NULL, INPUT_FIRST, EXIT_OK, "a"},     {two, NULL, INPUT_ONLY, EXIT_USAGE, NULL},
        {two, "bees", INPUT_ONLY, EXIT_OK, "bees"}, {two, "bee", INPUT_FIRST, EXIT_USAGE, NULL},
        {none, NULL, INPUT_ONLY, EXIT_OK, NULL},    {none, "a", INPUT_FIRST, EXIT_USAGE, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *config = NULL;
        struct strbuf messages;
        const struct input_config *input;
        strbuf_init(&messages, 65536);
        if (config_parse(&config, cases[i].yaml, strlen(cases[i].yaml), "t.yaml", &messages) != 0)
            fail_msg("%s", messages.bytes);
        int status = cli_find_input("test", config, cases[i].name, cases[i].unnamed, &input);
        bool right = input ? cases[i].found && strcmp(input->name, cases[i].found) == 0 : !cases[i].found;
        if (status != cases[i].status || !right)
            fail_msg("case %zu: status %d", i, status);
        strbuf_release(&messages);
        config_free(config);
    }
}

static void test_load(void **state)
{
    (void)state;
    struct config *config;
    assert_int_equal(cli_load_config("test", "/nonexistent.yaml", &config), EXIT_CONFIGURATION);
    assert_null(config);
    assert_int_equal(cli_load_config("test", NULL, &config), EXIT_OK);
    assert_string_equal(config->store_path, "driftd.db");
    config_free(config);
}

static void test_csv_names(void **state)
{
    (void)state;
    static const char *const csv[] = {"a.csv", "/x/y.csv.gz", ".csv"};
    static const char *const others[] = {"a.json", "csv", "a.csv.b", "a.csv/b.json", "a.csv.gz.txt", ""};
    for (size_t i = 0; i < ARRAY_LEN(csv); i++)
        assert_true(cli_is_csv_name(csv[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(cli_is_csv_name(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_csv_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
