#include "collectors/kafka_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { REASON_BYTES = 512, SECRET_LENGTH_MIN = 3 };

enum property_scope { FOR_ALL, FOR_CONSUMER, FOR_PRODUCER };

struct fixed_property {
    const char *name, *value;
    enum property_scope scope;
    const char *advice; /* why a user cannot choose; NULL: a default, the user may; FORCED */
};

/* Ours, whatever the user says, and not worth an error. */
static const char FORCED[] = "";

/* INTEGRATIONS §1.1 and PERFORMANCE §3. */
static const struct fixed_property fixed_properties[] = {
    {"socket.keepalive.enable", "true", FOR_ALL, NULL},
    {"socket.nagle.disable", "true", FOR_ALL, NULL},
    {"fetch.max.bytes", "2000000", FOR_CONSUMER, NULL},
    {"fetch.wait.max.ms", "50", FOR_CONSUMER, NULL},
    {"queued.min.messages", "1000000", FOR_CONSUMER, NULL},
    {"queued.max.messages.kbytes", "16384", FOR_CONSUMER, NULL},
    {"isolation.level", "read_committed", FOR_CONSUMER, NULL},
    {"check.crcs", "true", FOR_CONSUMER, NULL},
    {"acks", "all", FOR_PRODUCER, NULL},
    {"linger.ms", "50", FOR_PRODUCER, NULL},
    {"message.timeout.ms", "300000", FOR_PRODUCER, NULL},
    {"queue.buffering.max.messages", "10000", FOR_PRODUCER, NULL},
    {"queue.buffering.max.kbytes", "16384", FOR_PRODUCER, NULL},
    {"allow.auto.create.topics", "false", FOR_ALL, "driftd never creates topics"},
    {"enable.partition.eof", "true", FOR_CONSUMER, "driftd needs it to tell idle from stuck"},
    {"auto.offset.reset", "error", FOR_CONSUMER,
     "driftd keeps the offsets itself: use `start` and `on_offset_gap`"},
    {"enable.auto.commit", "false", FOR_CONSUMER,
     "driftd commits to the group what its store holds, and nothing before"},
    {"enable.auto.offset.store", "false", FOR_CONSUMER,
     "driftd commits to the group what its store holds, and nothing before"},
    /* We are no member of the group, so it is no session's: but 2.0.2 lets a commit that finds no coordinator
     * hold up the close for this long, its main thread spinning (seen: a whole core for 45 s). */
    {"session.timeout.ms", "1000", FOR_CONSUMER, FORCED},
    {"log.queue", "false", FOR_ALL, "driftd writes the library's log itself"},
};

static const char *const fixed_aliases[][2] = {
    {"auto.commit.enable", "enable.auto.commit"},
    {"fetch.message.max.bytes", "max.partition.fetch.bytes"},
};

static const struct fixed_property *fixed_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed_aliases); i++)
        if (strcmp(name, fixed_aliases[i][0]) == 0)
            name = fixed_aliases[i][1];
    for (size_t i = 0; i < ARRAY_LEN(fixed_properties); i++)
        if (strcmp(fixed_properties[i].name, name) == 0)
            return &fixed_properties[i];
    return NULL;
}

static bool applies(const struct fixed_property *property, enum kafka_role role)
{
    return property->scope == FOR_ALL ||
           property->scope == (role == KAFKA_PRODUCER ? FOR_PRODUCER : FOR_CONSUMER);
}

const char *kafka_property(const struct kafka_settings *settings, const char *name)
{
    for (uint32_t i = settings->property_count; i-- > 0;)
        if (strcmp(settings->properties[i].name, name) == 0)
            return settings->properties[i].value;
    return NULL;
}

bool kafka_property_is_secret(const char *name)
{
    static const char *const marks[] = {"password", "secret", "key", ".pem", "token", "oauthbearer.config"};
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (strcasestr(name, marks[i]))
            return true;
    return false;
}

/* Sets one; `errstr` of the library is not passed on, because it may hold the value. */
static int conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char reason[REASON_BYTES];
    switch (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason))) {
    case RD_KAFKA_CONF_OK:
        return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        return err_set(err, ERR_CONFIG, "kafka.%s: librdkafka %s knows no such property", name,
                       rd_kafka_version_str());
    case RD_KAFKA_CONF_INVALID:
    default:
        break;
    }
    if (kafka_property_is_secret(name))
        return err_set(err, ERR_CONFIG, "kafka.%s: librdkafka does not accept this value", name);
    return err_set(err, ERR_CONFIG, "kafka.%s: librdkafka does not accept `%s`: %s", name, value, reason);
}

/* As the library reads both: "true" and "1" are the same. */
static bool same_value(const char *a, const char *b)
{
    static const char *const truths[] = {"true", "t", "1"}, *const lies[] = {"false", "f", "0"};
    bool a_true = false, b_true = false, a_false = false, b_false = false;

    for (size_t i = 0; i < ARRAY_LEN(truths); i++) {
        a_true |= strcasecmp(a, truths[i]) == 0;
        b_true |= strcasecmp(b, truths[i]) == 0;
        a_false |= strcasecmp(a, lies[i]) == 0;
        b_false |= strcasecmp(b, lies[i]) == 0;
    }
    return strcasecmp(a, b) == 0 || (a_true && b_true) || (a_false && b_false);
}

/* OpenSSL's own words for a file that is not there name no file. */
static int check_file(const struct kafka_property *property, struct err *err)
{
    static const char suffix[] = ".location";
    size_t len = strlen(property->name);

    if (len <= sizeof(suffix) - 1 || strcmp(property->name + len - (sizeof(suffix) - 1), suffix) != 0 ||
        property->value[0] == '\0' || strcmp(property->value, "probe") == 0 ||
        access(property->value, R_OK) == 0)
        return 0;
    return err_set(err, ERR_CONFIG, "kafka.%s: cannot read %s: %s", property->name, property->value,
                   strerror(errno));
}

static int set_configured(rd_kafka_conf_t *conf, const struct kafka_settings *settings, enum kafka_role role,
                          struct err *err)
{
    for (uint32_t i = 0; i < settings->property_count; i++) {
        const struct kafka_property *property = &settings->properties[i];
        if (role == KAFKA_ADMIN && strncmp(property->name, "group.", 6) == 0)
            continue;
        const struct fixed_property *fixed = fixed_find(property->name);
        if (fixed && fixed->advice && fixed->advice != FORCED && !same_value(property->value, fixed->value))
            return err_set(err, ERR_CONFIG, "kafka.%s cannot be set: %s", property->name, fixed->advice);
        int rc = check_file(property, err);
        if (rc == 0)
            rc = conf_set(conf, property->name, property->value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int set_ours(rd_kafka_conf_t *conf, enum kafka_role role, bool defaults, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed_properties); i++) {
        const struct fixed_property *fixed = &fixed_properties[i];
        if ((fixed->advice == NULL) != defaults || !applies(fixed, role))
            continue;
        int rc = conf_set(conf, fixed->name, fixed->value, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int kafka_conf_new(rd_kafka_conf_t **out, const struct kafka_settings *settings, enum kafka_role role,
                   struct err *err)
{
    const char *brokers = kafka_property(settings, "bootstrap.servers");

    if (!brokers)
        brokers = kafka_property(settings, "metadata.broker.list");
    if (!brokers && !kafka_property(settings, "test.mock.num.brokers"))
        return err_set(err, ERR_CONFIG,
                       "kafka.bootstrap.servers is missing: name at least one broker, host:port");
    if (brokers && brokers[strspn(brokers, " ,")] == '\0')
        return err_set(err, ERR_CONFIG,
                       "kafka.bootstrap.servers is empty: name at least one broker, host:port");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    /* Not known before 2.2.0, where collectors/kafka_wake.h helps. */
    char unknown[REASON_BYTES];
    if (role == KAFKA_CONSUMER)
        (void)rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", unknown, sizeof(unknown));
    int rc = set_ours(conf, role, true, err);
    if (rc == 0 && settings->client_id)
        rc = conf_set(conf, "client.id", settings->client_id, err);
    if (rc == 0)
        rc = set_configured(conf, settings, role, err);
    if (rc == 0)
        rc = set_ours(conf, role, false, err);
    if (rc < 0) {
        rd_kafka_conf_destroy(conf);
        return rc;
    }
    *out = conf;
    return 0;
}

struct kafka_secrets {
    uint32_t count;
    char *values[];
};

/* A path is no secret: messages about a file that cannot be read should name it. */
static bool is_worth_hiding(const struct kafka_property *property)
{
    size_t len = strlen(property->name);
    bool is_path = len > 9 && strcmp(property->name + len - 9, ".location") == 0;
    return kafka_property_is_secret(property->name) && !is_path &&
           strlen(property->value) >= SECRET_LENGTH_MIN;
}

struct kafka_secrets *kafka_secrets_new(const struct kafka_settings *settings)
{
    struct kafka_secrets *secrets =
        calloc(1, sizeof(*secrets) + settings->property_count * sizeof(secrets->values[0]));
    if (!secrets)
        return NULL;
    for (uint32_t i = 0; i < settings->property_count; i++) {
        if (!is_worth_hiding(&settings->properties[i]))
            continue;
        char *copy = strdup(settings->properties[i].value);
        if (!copy) {
            kafka_secrets_free(secrets);
            return NULL;
        }
        secrets->values[secrets->count++] = copy;
    }
    return secrets;
}

void kafka_secrets_free(struct kafka_secrets *secrets)
{
    if (!secrets)
        return;
    for (uint32_t i = 0; i < secrets->count; i++) {
        explicit_bzero(secrets->values[i], strlen(secrets->values[i]));
        free(secrets->values[i]);
    }
    free(secrets);
}

/* The length of the longest secret that `text` begins with, or 0. */
static size_t secret_at(const struct kafka_secrets *secrets, const char *text)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < secrets->count; i++) {
        size_t len = strlen(secrets->values[i]);
        if (len > longest && strncmp(text, secrets->values[i], len) == 0)
            longest = len;
    }
    return longest;
}

void kafka_redact(const struct kafka_secrets *secrets, const char *text, struct strbuf *out)
{
    while (*text) {
        size_t secret = secrets ? secret_at(secrets, text) : 0;
        if (secret > 0) {
            strbuf_adds(out, "***");
            text += secret;
            continue;
        }
        strbuf_addc(out, *text == '\n' || *text == '\r' ? ' ' : *text);
        text++;
    }
}
