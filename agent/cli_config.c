#include "agent/cli_config.h"

#include <string.h>

#include "agent/cli_options.h"
#include "agent/commands.h"

enum { MESSAGES_BYTES = 4 << 20 };

int cli_load_config(const char *command, const char *path, struct config **out)
{
    struct strbuf messages;
    *out = NULL;
    strbuf_init(&messages, MESSAGES_BYTES);
    int code = path ? config_load(out, path, &messages) : config_default(out);
    if (messages.len)
        (void)fputs(messages.bytes, stderr);
    strbuf_release(&messages);
    if (code == 0)
        return EXIT_OK;
    config_free(*out);
    *out = NULL;
    if (!path)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    return cli_fail(command, EXIT_CONFIGURATION, "the configuration %s cannot be used", path);
}

int cli_find_input(const char *command, const struct config *config, const char *name,
                   enum input_default unnamed, const struct input_config **out)
{
    const char *names[CONFIG_NAMES_MAX + 1];
    uint32_t count = 0;
    *out = NULL;
    for (; count < config->input_count && count < CONFIG_NAMES_MAX; count++)
        names[count] = config->inputs[count].name;
    names[count] = NULL;
    if (!name && (count < 2 || unnamed == INPUT_FIRST)) {
        *out = count ? &config->inputs[0] : NULL;
        return EXIT_OK;
    }
    if (count == 0)
        return cli_usage(command, "the configuration has no input `%s`: it has none", name);
    int index = cli_choose(command, "input", name, names);
    if (index < 0)
        return EXIT_USAGE;
    *out = &config->inputs[index];
    return EXIT_OK;
}

bool cli_is_csv_name(const char *path)
{
    static const char *const ends[] = {".csv", ".csv.gz"};
    size_t len = strlen(path);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t end_len = strlen(ends[i]);
        if (len >= end_len && strcmp(path + len - end_len, ends[i]) == 0)
            return true;
    }
    return false;
}
