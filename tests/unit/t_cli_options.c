/* How command lines are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/base/clock.h"
#include "agent/cli_options.h"
#include "agent/commands.h"

struct values {
    struct cli_source source;
    const char *model, *state;
    bool quiet, all;
    uint64_t limit;
    int64_t from_ms, window_ms;
    enum output_format format;
    char taken[32];
    struct cli_operands operands;
};

static int take(void *context, const char *value)
{
    struct values *values = context;
    if (strcmp(value, "bad") == 0)
        return EXIT_USAGE;
    (void)snprintf(values->taken + strlen(values->taken), sizeof(values->taken) - strlen(values->taken),
                   "%s;", value);
    return CLI_GO_ON;
}

/* `line` is split at '|' into words that live as long as `buffer`. */
static int parse(const char *line, char buffer[256], char *argv[32], struct values *values,
                 const char *const *actions)
{
    static const char *const states[] = {"ok", "critical", NULL};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(values->source),
        {.name = "model", .letter = 'm', .text = &values->model},
        {.name = "state", .text = &values->state, .choices = states},
        {.name = "quiet", .letter = 'q', .flag = &values->quiet},
        {.name = "all", .letter = 'a', .flag = &values->all},
        {.name = "limit", .letter = 'n', .count = &values->limit, .least = 1, .most = 10},
        {.name = "from", .time_ms = &values->from_ms},
        {.name = "window", .length_ms = &values->window_ms},
        {.name = "take", .take = take, .context = values},
        CLI_FORMAT_OPTIONS(values->format),
    };
    const struct cli_command command = {.name = "test",
                                        .help = "",
                                        CLI_ROWS(rows),
                                        .actions = actions,
                                        .operands_least = 1,
                                        .operands_most = 2,
                                        .operand = "say what"};
    int argc = 0;
    (void)snprintf(buffer, 256, "test|%s", line);
    for (char *word = buffer, *next; word; word = next) {
        next = strchr(word, '|');
        if (next)
            *next++ = '\0';
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return cli_parse(&command, argc, argv, &values->operands);
}

static void test_forms(void **state)
{
    (void)state;
    static const char *const same[] = {
        "--model|m|--limit|7|-qa|x|y", "--model=m|x|-n7|-q|y|-a", "x|-mm|-n|7|-aq|--|y",
        "-qam|m|--limit=7|--|x|y",     "x|y|--model|m|-qan7",     "-q|--all|-m|other|-m|m|x|y|-n|7",
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct values values = {.model = NULL};
        char buffer[256], *argv[32];
        int status = parse(same[i], buffer, argv, &values, NULL);
        if (status != CLI_GO_ON || !values.model || strcmp(values.model, "m") != 0 || values.limit != 7 ||
            !values.quiet || !values.all || values.operands.count != 2 ||
            strcmp(values.operands.items[0], "x") != 0 || strcmp(values.operands.items[1], "y") != 0)
            fail_msg("%s: status %d", same[i], status);
    }
}

static void test_values(void **state)
{
    (void)state;
    char buffer[256], *argv[32];
    struct values values = {.from_ms = INT64_MIN};
    const char *line =
        "--from|2026-03-01|--window|1h30m|--state|ok|--csv|--take|a|--take|b|-s|p|-c|f|-|--json";
    assert_int_equal(parse(line, buffer, argv, &values, NULL), CLI_GO_ON);
    assert_int_equal(values.from_ms, INT64_C(1772323200000));
    assert_int_equal(values.window_ms, 5400000);
    assert_string_equal(values.state, "ok");
    assert_int_equal(values.format, OUTPUT_JSON); /* the last one counts */
    assert_string_equal(values.taken, "a;b;");
    assert_string_equal(values.source.store, "p");
    assert_string_equal(values.source.config, "f");
    assert_string_equal(values.operands.items[0], "-");
    /* An empty value is a value; what begins with '-' may be one, too. */
    assert_int_equal(parse("--model=|--store|--all|--|-q", buffer, argv, &values, NULL), CLI_GO_ON);
    assert_string_equal(values.model, "");
    assert_string_equal(values.source.store, "--all");
    assert_string_equal(values.operands.items[0], "-q");
}

static void test_ago(void **state)
{
    (void)state;
    int64_t ms, now_ms = clock_system.wall_ms(&clock_system);
    assert_true(cli_parse_time("24h", &ms));
    assert_true(ms >= now_ms - 86400000 && ms < now_ms - 86400000 + 60000);
    assert_true(cli_parse_time("2026-03-01T00:00:00.5Z", &ms));
    assert_int_equal(ms, INT64_C(1772323200500));
    assert_false(cli_parse_time("", &ms));
    assert_false(cli_parse_time("yesterday", &ms));
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "x|y|z",       "x|--modle|m",   "x|--model",     "x|-m",
        "x|--mod|m",  "x|-z",        "x|--all=1",     "x|--limit|0",   "x|-n|11",
        "x|-n|",      "x|-n|1x",     "x|-n|-1",       "x|--state|bad", "x|-n99999999999999999999",
        "x|--from|1", "x|--window|", "x|--window|1y", "x|--take|bad",  "x|--|--all|-q",
    };
    for (size_t i = 1; i < ARRAY_LEN(wrong); i++) {
        struct values values = {.model = NULL};
        char buffer[256], *argv[32];
        if (parse(wrong[i], buffer, argv, &values, NULL) != EXIT_USAGE)
            fail_msg("%s was taken", wrong[i]);
    }
    struct values values = {.model = NULL};
    char buffer[256], *argv[32];
    assert_int_equal(parse("-q", buffer, argv, &values, NULL), EXIT_USAGE);          /* no operand */
    assert_int_equal(parse("-qh|--nonsense", buffer, argv, &values, NULL), EXIT_OK); /* help comes first */
    assert_int_equal(parse("x|--help", buffer, argv, &values, NULL), EXIT_OK);
}

static void test_actions(void **state)
{
    (void)state;
    static const char *const actions[] = {"list", "drop", NULL};
    struct values values = {.model = NULL};
    char buffer[256], *argv[32];
    assert_int_equal(parse("-q|drop|x|-m|m", buffer, argv, &values, actions), CLI_GO_ON);
    assert_int_equal(values.operands.action, 1);
    assert_int_equal(values.operands.count, 1);
    assert_string_equal(values.operands.items[0], "x");
    assert_int_equal(parse("list|x|y", buffer, argv, &values, actions), CLI_GO_ON);
    assert_int_equal(parse("list|x|y|z", buffer, argv, &values, actions), EXIT_USAGE);
    assert_int_equal(parse("list", buffer, argv, &values, actions), EXIT_USAGE);
    assert_int_equal(parse("lst|x", buffer, argv, &values, actions), EXIT_USAGE);
    assert_int_equal(parse("-q", buffer, argv, &values, actions), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_values),  cmocka_unit_test(test_ago),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
