#include "agent/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/digest.h"
#include "agent/config_internal.h"

enum { MEMORY_MAX_BYTES = 64 << 20, CANONICAL_MAX_BYTES = 16 << 20 };

/* The windows of a configuration that names none, as far as its tiers have their slides. */
static void add_default_windows(struct config *config)
{
    static const struct window_config standard[] = {
        {3600000, 300000, 0}, {INT64_C(24) * 3600000, 3600000, 0}, {INT64_C(30) * DAY_MS, DAY_MS, 0}};
    for (size_t i = 0; i < ARRAY_LEN(standard); i++)
        for (uint32_t tier = 0; tier < config->tier_count; tier++)
            if (config->tiers_ms[tier] == standard[i].slide_ms) {
                struct window_config *window = &config->windows[config->window_count++];
                *window = standard[i];
                window->tier = (uint8_t)tier;
            }
}

static void set_template(struct config_reader *reader, struct config *config)
{
    option_table_read(reader, option_find(&config_table, "models")->table, NULL, &config->model_template);
    config->model_template.name = option_strdup(reader, "*");
    for (uint32_t i = 0; i < config->model_count; i++)
        if (config->models[i].name && strcmp(config->models[i].name, "*") == 0)
            config->model_template = config->models[i];
}

static void set_hash(struct config_reader *reader, struct config *config)
{
    struct strbuf canonical;
    struct json json;
    unsigned char digest[SHA256_BYTES];
    strbuf_init(&canonical, CANONICAL_MAX_BYTES);
    json_init(&json, &canonical);
    option_table_dump(&config_table, config, &json);
    if (strbuf_failed(&canonical) || sha256(canonical.bytes, canonical.len, digest) != 0)
        reader->diagnostics->out_of_memory = true;
    else
        (void)hex_encode(digest, sizeof(digest), config->hash);
    strbuf_release(&canonical);
}

/* `path` up to its last slash, in the configuration's memory. */
static const char *directory_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return "";
    if (slash == path)
        return "/";
    return arena_text(arena, (struct text){path, (uint32_t)(slash - path)});
}

/* `root` NULL: everything at its default. */
static void read_config(struct config_reader *reader, struct config *config, struct yaml_node *root)
{
    if (root && root->kind != YAML_MAPPING) {
        option_error(reader, root, "a configuration is a mapping of options, not %s", yaml_kind_name(root));
        return;
    }
    option_table_read(reader, &config_table, root, config);
    if (!yaml_get(root, "windows") && !yaml_is_bad(yaml_get(yaml_get(root, "time"), "tiers")))
        add_default_windows(config);
    set_template(reader, config);
    if (root)
        config_check(reader, config, root);
    if (!diagnostics_failed(reader->diagnostics))
        set_hash(reader, config);
}

static struct config *new_config(const char *path)
{
    struct arena *arena = arena_new(16384, MEMORY_MAX_BYTES);
    struct config *config = arena ? arena_zalloc(arena, sizeof(*config)) : NULL;
    if (!config || !(config->path = arena_strdup(arena, path))) {
        arena_free(arena);
        return NULL;
    }
    config->memory = arena;
    return config;
}

void config_free(struct config *config)
{
    if (config)
        arena_free(config->memory);
}

int config_parse(struct config **out, const char *bytes, size_t len, const char *path,
                 struct strbuf *messages)
{
    struct config *config = new_config(path);
    if (!config) {
        strbuf_addf(messages, "%s: out of memory\n", path);
        return ERR_CONFIG;
    }
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct config_reader reader = {config->memory, &diagnostics, directory_of(config->memory, path)};
    struct yaml_node *root = NULL;
    if (!reader.directory)
        diagnostics.out_of_memory = true;
    else
        root = yaml_parse(bytes, len, config->memory, &diagnostics);
    if (root)
        read_config(&reader, config, root);
    bool failed = diagnostics_failed(&diagnostics);
    diagnostics_print(&diagnostics, path, messages);
    diagnostics_release(&diagnostics);
    if (failed) {
        config_free(config);
        return ERR_CONFIG;
    }
    *out = config;
    return 0;
}

/* The whole file, at most one byte more than a configuration may have; -1 with errno. */
static ssize_t read_whole(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t used = 0;
    ssize_t got = 1;
    while (used < size && got != 0) {
        got = read(fd, out + used, size - used);
        if (got < 0 && errno != EINTR)
            break;
        used += got > 0 ? (size_t)got : 0;
        if (got < 0)
            got = 1;
    }
    int saved_errno = errno;
    (void)close(fd);
    errno = saved_errno;
    return got < 0 ? -1 : (ssize_t)used;
}

int config_load(struct config **out, const char *path, struct strbuf *messages)
{
    size_t size = YAML_BYTES_MAX + 1;
    char *bytes = malloc(size);
    ssize_t len = bytes ? read_whole(path, bytes, size) : -1;
    int code = ERR_CONFIG;
    if (len < 0)
        strbuf_addf(messages, "%s: cannot read: %s\n", path, strerror(bytes ? errno : ENOMEM));
    else
        code = config_parse(out, bytes, (size_t)len, path, messages);
    free(bytes);
    return code;
}

int config_default(struct config **out)
{
    struct config *config = new_config("(default)");
    if (!config)
        return ERR_NOMEM;
    struct diagnostics diagnostics;
    diagnostics_init(&diagnostics);
    struct config_reader reader = {config->memory, &diagnostics, ""};
    read_config(&reader, config, NULL);
    bool failed = diagnostics_failed(&diagnostics);
    diagnostics_release(&diagnostics);
    if (failed) {
        config_free(config);
        return ERR_NOMEM;
    }
    *out = config;
    return 0;
}

const struct model_config *config_model(const struct config *config, struct text name)
{
    for (uint32_t i = 0; i < config->model_count; i++)
        if (text_equal(text_of(config->models[i].name), name))
            return &config->models[i];
    return &config->model_template;
}

const struct reference_config *config_reference(const struct model_config *model, struct text version)
{
    for (uint32_t i = 0; i < model->version_count; i++)
        if (text_equal(text_of(model->versions[i].version), version))
            return &model->versions[i].reference;
    return &model->reference;
}
