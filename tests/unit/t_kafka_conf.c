/* collectors/kafka_conf.c: which properties are taken, which refused, and that no secret is ever said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collectors/kafka_conf.h"

#define CANARY "canary-secret-7Q"

struct conf_case {
    const char *name;
    const char *properties[8]; /* name, value, … */
    int code;
    const char *words; /* of the message */
};

static const struct conf_case cases[] = {
    {"the least", {"bootstrap.servers", "127.0.0.1:1"}, 0, NULL},
    {"no brokers", {"client.id", "x"}, ERR_CONFIG, "kafka.bootstrap.servers is missing"},
    {"empty brokers", {"bootstrap.servers", " , "}, ERR_CONFIG, "kafka.bootstrap.servers is empty"},
    {"unknown", {"bootstrap.servers", "b:1", "fetch.size", "1"}, ERR_CONFIG, "kafka.fetch.size: librdkafka"},
    {"wrong value",
     {"bootstrap.servers", "b:1", "fetch.wait.max.ms", "soon"},
     ERR_CONFIG,
     "kafka.fetch.wait.max.ms"},
    {"ours to decide",
     {"bootstrap.servers", "b:1", "auto.offset.reset", "earliest"},
     ERR_CONFIG,
     "on_offset_gap"},
    {"ours, the same", {"bootstrap.servers", "b:1", "auto.offset.reset", "error"}, 0, NULL},
    {"ours, another word for it", {"bootstrap.servers", "b:1", "enable.auto.commit", "0"}, 0, NULL},
    {"ours, by its old name",
     {"bootstrap.servers", "b:1", "auto.commit.enable", "true"},
     ERR_CONFIG,
     "auto.commit.enable"},
    {"ours, eof",
     {"bootstrap.servers", "b:1", "enable.partition.eof", "false"},
     ERR_CONFIG,
     "enable.partition.eof"},
    {"a default may be changed", {"bootstrap.servers", "b:1", "fetch.max.bytes", "5000000"}, 0, NULL},
    {"password, wrong mechanism",
     {"bootstrap.servers", "b:1", "security.protocol", "sasl_ssl", "sasl.mechanism", "NONSENSE",
      "sasl.password", CANARY},
     ERR_CONFIG,
     "NONSENSE"},
    {"no such certificate",
     {"bootstrap.servers", "b:1", "security.protocol", "ssl", "ssl.ca.location", "/no/such/ca.pem"},
     ERR_CONFIG,
     "ssl.ca.location"},
    {"a bad key is not repeated",
     {"bootstrap.servers", "b:1", "security.protocol", "ssl", "ssl.key.pem", CANARY},
     ERR_CONFIG,
     "ssl.key"},
    {"oauth, no such method",
     {"bootstrap.servers", "b:1", "sasl.oauthbearer.method", "oidcx"},
     ERR_CONFIG,
     "oauthbearer.method"},
};

static void check_case(const struct conf_case *c)
{
    struct kafka_property properties[4] = {{NULL, NULL}};
    struct kafka_settings settings = {
        .properties = properties, .client_id = "driftd-test", .on_offset_gap = OFFSET_GAP_HALT};
    struct err err = {0};

    for (size_t i = 0; i + 1 < ARRAY_LEN(c->properties) && c->properties[i]; i += 2) {
        properties[i / 2] = (struct kafka_property){strdup(c->properties[i]), strdup(c->properties[i + 1])};
        settings.property_count++;
    }
    int code = kafka_settings_check(&settings, &err);
    if (code != c->code)
        fail_msg("%s: %d, %s", c->name, code, err.message);
    if (c->words && !strstr(err.message, c->words))
        fail_msg("%s: `%s` lacks `%s`", c->name, err.message, c->words);
    if (strstr(err.message, CANARY))
        fail_msg("%s: the secret is in `%s`", c->name, err.message);
    for (uint32_t i = 0; i < settings.property_count; i++) {
        free(properties[i].name);
        free(properties[i].value);
    }
}

static void test_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_case(&cases[i]);
}

static void test_secret_names(void **state)
{
    static const struct {
        const char *name;
        bool secret;
    } names[] = {
        {"sasl.password", true},  {"ssl.key.password", true},        {"ssl.key.pem", true},
        {"ssl.ca.pem", true},     {"sasl.oauthbearer.config", true}, {"sasl.oauthbearer.client.secret", true},
        {"sasl.username", false}, {"bootstrap.servers", false},      {"ssl.ca.location", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (kafka_property_is_secret(names[i].name) != names[i].secret)
            fail_msg("%s", names[i].name);
}

static void test_redact(void **state)
{
    static char password[] = "sasl.password", value[] = "pass", longer[] = "ssl.key.password",
                longer_value[] = "password1";
    static char path[] = "ssl.key.location", path_value[] = "/etc/key";
    struct kafka_property properties[] = {{password, value}, {longer, longer_value}, {path, path_value}};
    struct kafka_settings settings = {
        .properties = properties, .property_count = ARRAY_LEN(properties), .on_offset_gap = OFFSET_GAP_HALT};
    static const char *const texts[][2] = {
        {"nothing here", "nothing here"},
        {"pass", "***"},
        {"is password1 or pass?", "is *** or ***?"},
        {"passpass\nnext", "****** next"},
        {"cannot read /etc/key", "cannot read /etc/key"},
        {"", ""},
    };
    struct strbuf out;

    (void)state;
    struct kafka_secrets *secrets = kafka_secrets_new(&settings);
    assert_non_null(secrets);
    strbuf_init(&out, 1024);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        strbuf_reset(&out);
        kafka_redact(secrets, texts[i][0], &out);
        assert_string_equal(out.bytes, texts[i][1]);
    }
    strbuf_release(&out);
    kafka_secrets_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_secret_names),
        cmocka_unit_test(test_redact),
    };
    return cmocka_run_group_tests_name("kafka_conf", tests, NULL, NULL);
}
