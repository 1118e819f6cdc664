/* Files that the configuration names, and secrets: what they hold appears in no message and not in the hash.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/digest.h"
#include "agent/base/text.h"
#include "agent/config_internal.h"

enum { SECRET_FILE_BYTES_MAX = 65536, SECRET_MIN = 24, SECRET_MAX = 64, ENTRIES_MAX = 256 };

/* ---- files ---- */

static char *resolve(struct config_reader *reader, const char *text)
{
    if (*text == '/' || *reader->directory == '\0')
        return option_strdup(reader, text);
    size_t size = strlen(reader->directory) + strlen(text) + 2;
    char *path = option_alloc(reader, size);
    if (path)
        (void)snprintf(path, size, "%s/%s", reader->directory, text);
    return path;
}

/* An open descriptor of a regular file, or -1 after a message. */
static int open_file(struct config_reader *reader, const char *what, struct yaml_node *node, const char *path,
                     struct stat *out_stat)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, out_stat) != 0) {
        option_error(reader, node, "`%s`: cannot read %.200s: %s", what, path, strerror(errno));
    } else if (!S_ISREG(out_stat->st_mode)) {
        option_error(reader, node, "`%s`: %.200s is not a file", what, path);
    } else {
        return fd;
    }
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static void read_file(struct config_reader *reader, const struct config_option *option,
                      struct yaml_node *node, void *target)
{
    char *path = NULL;
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    if (text && *text == '\0')
        option_error(reader, node, "`%s` must not be empty", option->key);
    else if (text && (path = resolve(reader, text))) {
        struct stat stat;
        int fd = open_file(reader, option->key, node, path, &stat);
        if (fd >= 0)
            (void)close(fd);
    }
    memcpy(target, &path, sizeof(path));
}

static void dump_text(const struct config_option *option, const void *target, struct json *json)
{
    option_string.dump(option, target, json);
}

static void schema_text(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "$ref", "#/$defs/text");
}

const struct option_type option_file = {"file", read_file, dump_text, schema_text};

static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, out + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

/* The content without its last line end, in the configuration's memory; NULL after a message. */
static char *read_secret_file(struct config_reader *reader, const char *what, struct yaml_node *node)
{
    const char *text = option_text(reader, what, node);
    char *path = text ? resolve(reader, text) : NULL;
    struct stat stat;
    int fd = path ? open_file(reader, what, node, path, &stat) : -1;
    if (fd < 0)
        return NULL;
    char *content = option_alloc(reader, SECRET_FILE_BYTES_MAX + 2);
    ssize_t len = content ? read_all(fd, content, SECRET_FILE_BYTES_MAX + 1) : -1;
    int saved_errno = errno;
    (void)close(fd);
    if (!content)
        return NULL;
    if (stat.st_mode & S_IROTH)
        diagnostics_warning(reader->diagnostics, node->line, node->column,
                            "`%s`: every user of this machine can read %.200s; chmod o-r it", what, path);
    if (len > 0 && content[len - 1] == '\n')
        content[--len] = '\0';
    if (len > 0 && content[len - 1] == '\r')
        content[--len] = '\0';
    if (len < 0)
        option_error(reader, node, "`%s`: cannot read %.200s: %s", what, path, strerror(saved_errno));
    else if (len == 0)
        option_error(reader, node, "`%s`: %.200s is empty", what, path);
    else if (len > SECRET_FILE_BYTES_MAX || strlen(content) != (size_t)len)
        option_error(reader, node, "`%s`: %.200s does not look like a secret", what, path);
    else
        return content;
    return NULL;
}

/* ---- mappings of names to texts, where NAME_file: PATH takes the text from a file ---- */

struct pair {
    const char *name; /* without _file */
    const char *value;
    bool from_file;
};

static bool ends_in_file(const char *key)
{
    size_t len = strlen(key);
    return len > strlen("_file") && strcmp(key + len - strlen("_file"), "_file") == 0;
}

/* False after a message. */
static bool read_pair(struct config_reader *reader, struct yaml_node *child, struct pair *out)
{
    *out = (struct pair){child->key, NULL, ends_in_file(child->key)};
    if (!out->from_file) {
        out->value = option_text(reader, child->key, child);
        return out->value != NULL;
    }
    char *name = option_strdup(reader, child->key);
    if (!name)
        return false;
    name[strlen(name) - strlen("_file")] = '\0';
    out->name = name;
    out->value = read_secret_file(reader, child->key, child);
    return out->value != NULL;
}

static bool is_pairs(struct config_reader *reader, const struct config_option *option, struct yaml_node *node)
{
    if (!node || node->is_null)
        return false;
    if (node->kind == YAML_MAPPING && node->count <= ENTRIES_MAX)
        return true;
    option_error(reader, node, "`%s` must be a mapping of at most %d names to values", option->key,
                 ENTRIES_MAX);
    return false;
}

static void schema_pairs(const struct config_option *option, struct json *json)
{
    (void)option;
    json_member_string(json, "type", "object");
    json_key(json, "additionalProperties");
    json_object_begin(json);
    json_member_string(json, "$ref", "#/$defs/text");
    json_object_end(json);
}

/* ---- kafka ---- */

static bool is_secret_property(const char *name)
{
    static const char *const words[] = {"password", "secret", "key", "pem", "oauthbearer.config", "token"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strstr(name, words[i]))
            return true;
    return false;
}

static void read_kafka(struct config_reader *reader, const struct config_option *option,
                       struct yaml_node *node, void *target)
{
    struct config *config = target;
    if (!is_pairs(reader, option, node))
        return;
    config->kafka = option_alloc(reader, (node->count + (size_t)1) * sizeof(*config->kafka));
    if (!config->kafka)
        return;
    for (struct yaml_node *child = node->first; child; child = child->next) {
        struct pair pair;
        if (!read_pair(reader, child, &pair))
            continue;
        bool is_known = false;
        for (uint32_t i = 0; i < config->kafka_count; i++)
            is_known = is_known || strcmp(config->kafka[i].name, pair.name) == 0;
        if (is_known) {
            option_error(reader, child, "`%.100s` is given twice, as a value and as a file", pair.name);
            continue;
        }
        struct kafka_property *property = &config->kafka[config->kafka_count];
        *property =
            (struct kafka_property){option_strdup(reader, pair.name), option_strdup(reader, pair.value)};
        if (property->name && property->value)
            config->kafka_count++;
    }
}

static void dump_kafka(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const struct config *config = target;
    json_object_begin(json);
    for (uint32_t i = 0; i < config->kafka_count; i++) {
        if (is_secret_property(config->kafka[i].name))
            continue;
        json_member_string(json, config->kafka[i].name, config->kafka[i].value);
    }
    json_object_end(json);
}

const struct option_type option_kafka = {"mapping of librdkafka properties", read_kafka, dump_kafka,
                                         schema_pairs};

/* ---- headers ---- */

/* RFC 9110: a name is a token; a value that could end the line would smuggle in a header. */
static bool header_is_valid(const char *name, const char *value)
{
    static const char token[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (*name == '\0' || name[strspn(name, token)] != '\0')
        return false;
    for (; *value; value++)
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

/* What the sender writes itself. */
static bool header_is_ours(const char *name)
{
    static const char *const ours[] = {"content-length",    "host",
                                       "transfer-encoding", "webhook-id",
                                       "webhook-timestamp", "webhook-signature"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static char *make_header(struct config_reader *reader, struct yaml_node *child)
{
    struct pair pair;
    if (!read_pair(reader, child, &pair))
        return NULL;
    if (!header_is_valid(pair.name, pair.value)) {
        option_error(reader, child, "`%.100s` is not a valid HTTP header", pair.name);
        return NULL;
    }
    if (header_is_ours(pair.name)) {
        option_error(reader, child, "the header `%.100s` is written by driftd itself", pair.name);
        return NULL;
    }
    size_t size = strlen(pair.name) + strlen(pair.value) + 3;
    char *header = option_alloc(reader, size);
    if (header)
        (void)snprintf(header, size, "%s: %s", pair.name, pair.value);
    return header;
}

static void read_headers(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    char **headers = NULL;
    if (is_pairs(reader, option, node))
        headers = option_alloc(reader, (node->count + (size_t)1) * sizeof(*headers));
    uint32_t count = 0;
    for (struct yaml_node *child = headers ? node->first : NULL; child; child = child->next) {
        char *header = make_header(reader, child);
        if (header)
            headers[count++] = header;
    }
    memcpy(target, &headers, sizeof(headers));
}

static void dump_nothing(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    (void)target;
    json_null(json);
}

const struct option_type option_headers = {"mapping of HTTP headers", read_headers, dump_nothing,
                                           schema_pairs};

/* ---- webhook secrets ---- */

static bool secret_is_valid(const char *text)
{
    unsigned char key[SECRET_MAX + 3];
    if (strncmp(text, "whsec_", 6) != 0 || strlen(text) - 6 > 4 * ((SECRET_MAX + 2) / 3))
        return false;
    int len = base64_decode(text + 6, strlen(text) - 6, key);
    return len >= SECRET_MIN && len <= SECRET_MAX;
}

static const char SECRET_FORM[] = "is not `whsec_` and the base64 of 24 to 64 bytes";

static void read_secrets(struct config_reader *reader, const struct config_option *option,
                         struct yaml_node *node, void *target)
{
    char **secrets = NULL;
    option_strings.read(reader, option, node, &secrets);
    struct yaml_node *item = node ? node->first : NULL;
    for (uint32_t i = 0; secrets && item; item = item->next)
        if (!item->is_bad && secrets[i] && !secret_is_valid(secrets[i++]))
            option_error(reader, item, "an entry of `%s` %s", option->key, SECRET_FORM);
    memcpy(target, &secrets, sizeof(secrets));
}

/* Cuts the content into lines; blank ones and comments do not count. */
static uint32_t secret_lines(struct config_reader *reader, const struct config_option *option,
                             struct yaml_node *node, char *content, char **out, uint32_t max)
{
    uint32_t count = 0, number = 0;
    char *rest = content;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        number++;
        line[strcspn(line, "\r")] = '\0';
        if (*line == '\0' || *line == '#')
            continue;
        if (count == max) {
            option_error(reader, node, "`%s` holds more than %u secrets", option->key, max);
            break;
        }
        if (!secret_is_valid(line))
            option_error(reader, node, "`%s`: line %u of the file %s", option->key, number, SECRET_FORM);
        out[count++] = line;
    }
    if (count == 0)
        option_error(reader, node, "`%s`: the file holds no secret", option->key);
    return count;
}

enum { SECRETS_MAX = 8 };

static void read_secrets_file(struct config_reader *reader, const struct config_option *option,
                              struct yaml_node *node, void *target)
{
    char **before = NULL;
    memcpy(&before, target, sizeof(before));
    char *content = node ? read_secret_file(reader, option->key, node) : NULL;
    if (!content)
        return;
    if (before) {
        option_error(reader, node, "give `secrets` or `%s`, not both", option->key);
        return;
    }
    char **secrets = option_alloc(reader, (SECRETS_MAX + 1) * sizeof(*secrets));
    if (secrets)
        (void)secret_lines(reader, option, node, content, secrets, SECRETS_MAX);
    memcpy(target, &secrets, sizeof(secrets));
}

static void schema_secrets(const struct config_option *option, struct json *json)
{
    option_strings.schema(option, json);
}

const struct option_type option_secrets = {"list of secrets", read_secrets, dump_nothing, schema_secrets};
const struct option_type option_secrets_file = {"file of secrets, one a line", read_secrets_file,
                                                dump_nothing, schema_text};

/* ---- URLs ---- */

struct text url_origin(const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return (struct text){"", 0};
    size_t len = (size_t)(host - url) + 3 + strcspn(host + 3, "/?#");
    return (struct text){url, (uint32_t)len};
}

static bool url_is_valid(const char *url)
{
    static const char host_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%";
    bool is_http = strncmp(url, "http://", 7) == 0;
    if (!is_http && strncmp(url, "https://", 8) != 0)
        return false;
    const char *host = url + (is_http ? 7 : 8);
    size_t len = strcspn(host, "/?#");
    if (len == 0 || strspn(host, host_bytes) < len)
        return false;
    for (const char *at = url; *at; at++)
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f)
            return false;
    return true;
}

static void read_url(struct config_reader *reader, const struct config_option *option, struct yaml_node *node,
                     void *target)
{
    char *url = NULL;
    const char *text = node ? option_text(reader, option->key, node) : NULL;
    if (text && !url_is_valid(text))
        option_error(reader, node,
                     "`%s` is not an https:// address with a host and without user name, spaces or non-ASCII",
                     option->key);
    else if (text)
        url = option_strdup(reader, text);
    memcpy(target, &url, sizeof(url));
}

static void dump_url(const struct config_option *option, const void *target, struct json *json)
{
    (void)option;
    const char *url = NULL;
    memcpy(&url, target, sizeof(url));
    json_text(json, url ? url_origin(url) : (struct text){"", 0});
}

const struct option_type option_url = {"URL", read_url, dump_url, schema_text};
