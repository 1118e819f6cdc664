#include "agent/cli_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/text.h"
#include "agent/base/timestamp.h"
#include "agent/commands.h"

enum { NAMES_MAX = 40, HINT_BYTES = 80, LIST_BYTES = 256 };

/* ---- complaints ---- */

static PRINTF_LIKE(2, 0) void complain(const char *command, const char *format, va_list args)
{
    (void)fprintf(stderr, "driftd %s: ", command);
    (void)vfprintf(stderr, format, args);
}

int cli_fail(const char *command, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return status;
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(command, format, args);
    va_end(args);
    (void)fprintf(stderr, "; see `driftd %s --help`\n", command);
    return EXIT_USAGE;
}

/* " (did you mean `model`?)" or nothing. */
static const char *hint(const char *before, const char *word, const char *const *names, char out[HINT_BYTES])
{
    const char *guess = text_suggest(word, names);
    out[0] = '\0';
    if (guess)
        (void)snprintf(out, HINT_BYTES, " (did you mean `%s%s`?)", before, guess);
    return out;
}

/* "ok, warning or critical" */
static void join(const char *const *names, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; names[i] && len < size; i++) {
        const char *between = i == 0 ? "" : names[i + 1] ? ", " : " or ";
        int added = snprintf(out + len, size - len, "%s%s", between, names[i]);
        len += added > 0 ? (size_t)added : 0;
    }
}

static int place_of(const char *word, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return -1;
}

int cli_choose(const char *command, const char *what, const char *word, const char *const *names)
{
    char list[LIST_BYTES], guess[HINT_BYTES];
    int place = word ? place_of(word, names) : -1;
    if (place >= 0)
        return place;
    join(names, list, sizeof(list));
    if (!word)
        (void)cli_usage(command, "say which %s: %s", what, list);
    else if (*hint("", word, names, guess))
        (void)cli_usage(command, "there is no %s `%s`%s", what, word, guess);
    else
        (void)cli_usage(command, "there is no %s `%s`, only %s", what, word, list);
    return -1;
}

/* ---- values ---- */

bool cli_is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool cli_parse_time(const char *text, int64_t *out_ms)
{
    int64_t ago_ms;
    if (timestamp_parse(text_of(text), out_ms))
        return true;
    if (!duration_parse(text_of(text), &ago_ms))
        return false;
    *out_ms = clock_system.wall_ms(&clock_system) - ago_ms;
    return true;
}

static bool parse_unsigned(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return false;
    *out = value;
    return true;
}

static int take_count(const char *command, const struct cli_option *option, const char *value)
{
    uint64_t count, most = option->most ? option->most : UINT64_MAX;
    if (!parse_unsigned(value, &count))
        return cli_usage(command, "--%s: `%s` is not a whole number", option->name, value);
    if (count < option->least || count > most)
        return cli_usage(command, "--%s: `%s` is not a number from %" PRIu64 " to %" PRIu64, option->name,
                         value, option->least, most);
    *option->count = count;
    return CLI_GO_ON;
}

static int take_text(const char *command, const struct cli_option *option, const char *value)
{
    char list[LIST_BYTES];
    if (option->choices && place_of(value, option->choices) < 0) {
        join(option->choices, list, sizeof(list));
        return cli_usage(command, "--%s: `%s` is not %s", option->name, value, list);
    }
    *option->text = value;
    return CLI_GO_ON;
}

static int take_value(const char *command, const struct cli_option *option, const char *value)
{
    if (option->text)
        return take_text(command, option, value);
    if (option->count)
        return take_count(command, option, value);
    if (option->take)
        return option->take(option->context, value);
    if (option->time_ms && !cli_parse_time(value, option->time_ms))
        return cli_usage(command,
                         "--%s: `%s` is no time; write 2026-03-01T00:00:00Z, 2026-03-01 or 24h (that long "
                         "ago)",
                         option->name, value);
    if (option->length_ms && !duration_parse(text_of(value), option->length_ms))
        return cli_usage(command, "--%s: `%s` is no length of time; write 90s, 5m, 24h or 7d", option->name,
                         value);
    return CLI_GO_ON;
}

static bool is_flag(const struct cli_option *option)
{
    return option->flag || option->json || option->csv;
}

static void set_flag(const struct cli_option *option)
{
    if (option->flag)
        *option->flag = true;
    else if (option->json)
        *option->json = OUTPUT_JSON;
    else
        *option->csv = OUTPUT_CSV;
}

/* ---- words ---- */

struct words {
    const struct cli_command *command;
    char **argv;
    int argc, at;
};

static int take_or_next(struct words *words, const struct cli_option *option, const char *value)
{
    if (!value && words->at + 1 < words->argc)
        value = words->argv[++words->at];
    if (!value)
        return cli_usage(words->command->name, "--%s needs a value", option->name);
    return take_value(words->command->name, option, value);
}

static int unknown_name(const struct cli_command *command, const char *name)
{
    const char *names[NAMES_MAX + 2];
    char guess[HINT_BYTES];
    uint32_t count = 0;
    for (; count < command->option_count; count++)
        names[count] = command->options[count].name;
    names[count++] = "help";
    names[count] = NULL;
    return cli_usage(command->name, "there is no option --%s%s", name, hint("--", name, names, guess));
}

/* --name, --name=value, --name value */
static int read_long(struct words *words, char *word)
{
    const struct cli_command *command = words->command;
    char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    for (uint32_t i = 0; i < command->option_count; i++) {
        const struct cli_option *option = &command->options[i];
        if (strlen(option->name) != len || memcmp(option->name, word, len) != 0)
            continue;
        if (!is_flag(option))
            return take_or_next(words, option, equals ? equals + 1 : NULL);
        if (equals)
            return cli_usage(command->name, "--%s takes no value", option->name);
        set_flag(option);
        return CLI_GO_ON;
    }
    if (equals)
        *equals = '\0';
    return unknown_name(command, word);
}

/* -n, -nVALUE, -n VALUE, several flags in one word */
static int read_letters(struct words *words, const char *letters)
{
    const struct cli_command *command = words->command;
    for (; *letters; letters++) {
        const struct cli_option *option = NULL;
        for (uint32_t i = 0; i < command->option_count && !option; i++)
            option = command->options[i].letter == *letters ? &command->options[i] : NULL;
        if (*letters == 'h') {
            (void)fputs(command->help, stdout);
            return EXIT_OK;
        }
        if (!option)
            return cli_usage(command->name, "there is no option -%c", *letters);
        if (!is_flag(option))
            return take_or_next(words, option, letters[1] ? letters + 1 : NULL);
        set_flag(option);
    }
    return CLI_GO_ON;
}

static int check_operands(const struct cli_command *command, struct cli_operands *operands)
{
    if (command->actions) {
        operands->action = cli_choose(command->name, "action", operands->count ? operands->items[0] : NULL,
                                      command->actions);
        if (operands->action < 0)
            return EXIT_USAGE;
        operands->items++;
        operands->count--;
    }
    if (operands->count > command->operands_most)
        return cli_usage(command->name, "unexpected argument `%s`", operands->items[command->operands_most]);
    if (operands->count < command->operands_least)
        return cli_usage(command->name, "%s", command->operand);
    return CLI_GO_ON;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli_operands *out)
{
    struct words words = {.command = command, .argv = argv, .argc = argc, .at = 1};
    struct cli_operands operands = {.items = argv + 1};
    bool options = true;
    BUG_ON(command->option_count > NAMES_MAX);
    for (; words.at < argc; words.at++) {
        char *word = argv[words.at];
        int status = CLI_GO_ON;
        if (!options || word[0] != '-' || !word[1]) {
            operands.items[operands.count++] = word; /* never overtakes words.at */
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else if (cli_is_help(word)) {
            (void)fputs(command->help, stdout);
            return EXIT_OK;
        } else {
            status = word[1] == '-' ? read_long(&words, word + 2) : read_letters(&words, word + 1);
        }
        if (status != CLI_GO_ON)
            return status;
    }
    if (out)
        *out = operands;
    return check_operands(command, out ? out : &operands);
}
