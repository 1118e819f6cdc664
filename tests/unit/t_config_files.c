#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/compiler.h"
#include "agent/config.h"

static const char CANARY[] = "canary-7f3a";

struct fixture {
    char directory[64];
    struct strbuf messages;
    struct config *config;
};

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.directory = "/tmp/t_config_files.XXXXXX"};
    assert_non_null(mkdtemp(fixture->directory));
    strbuf_init(&fixture->messages, 1 << 20);
}

static void path_of(const struct fixture *fixture, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", fixture->directory, name);
}

static void put_file(const struct fixture *fixture, const char *name, const void *bytes, size_t len,
                     mode_t mode)
{
    char path[128];
    path_of(fixture, name, path, sizeof(path));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* The configuration lies beside the files; messages get the directory replaced by DIR. */
static int parse(struct fixture *fixture, const char *text)
{
    char path[128];
    struct strbuf raw;
    path_of(fixture, "c.yaml", path, sizeof(path));
    strbuf_init(&raw, 1 << 20);
    strbuf_reset(&fixture->messages);
    config_free(fixture->config);
    fixture->config = NULL;
    int code = config_parse(&fixture->config, text, strlen(text), path, &raw);
    size_t len = strlen(fixture->directory);
    for (const char *at = raw.bytes; *at;) {
        bool is_directory = strncmp(at, fixture->directory, len) == 0;
        strbuf_add(&fixture->messages, is_directory ? "DIR" : at, is_directory ? 3 : 1);
        at += is_directory ? len : 1;
    }
    strbuf_release(&raw);
    assert_null(strstr(fixture->messages.bytes, CANARY));
    return code;
}

static void end(struct fixture *fixture)
{
    static const char *const names[] = {"secret", "open",  "empty",    "big",
                                        "nul",    "hooks", "ref.json", "c.yaml"};
    char path[128];
    config_free(fixture->config);
    strbuf_release(&fixture->messages);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_of(fixture, names[i], path, sizeof(path));
        (void)unlink(path);
    }
    assert_int_equal(rmdir(fixture->directory), 0);
}

static void test_kafka_secrets(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    put_file(&fixture, "secret", "canary-7f3a\n", 12, 0600);
    put_file(&fixture, "open", "canary-7f3a", 11, 0644);
    put_file(&fixture, "empty", "\n", 1, 0600);
    put_file(&fixture, "nul", "a\0b", 3, 0600);
    char *big = calloc(1, 70000);
    assert_non_null(big);
    memset(big, 'x', 70000);
    put_file(&fixture, "big", big, 70000, 0600);
    free(big);

    assert_int_equal(parse(&fixture, "api_version: 1\nkafka: {sasl.password_file: secret}\n"), 0);
    assert_string_equal(fixture.messages.bytes, "");
    assert_string_equal(fixture.config->kafka[0].name, "sasl.password");
    assert_string_equal(fixture.config->kafka[0].value, CANARY);

    assert_int_equal(parse(&fixture, "api_version: 1\nkafka: {sasl.password_file: open}\n"), 0);
    assert_string_equal(fixture.messages.bytes,
                        "warning: DIR/c.yaml:2:29: `sasl.password_file`: every user of this "
                        "machine can read DIR/open; chmod o-r it\n");

    assert_int_equal(parse(&fixture, "api_version: 1\n"
                                     "kafka:\n"
                                     "  a_file: none\n"
                                     "  b_file: empty\n"
                                     "  c_file: nul\n"
                                     "  d_file: big\n"
                                     "  e_file: .\n"
                                     "  sasl.password: x\n"
                                     "  sasl.password_file: secret\n"),
                     ERR_CONFIG);
    assert_string_equal(fixture.messages.bytes,
                        "DIR/c.yaml:3:11: `a_file`: cannot read DIR/none: No such file or directory\n"
                        "DIR/c.yaml:4:11: `b_file`: DIR/empty is empty\n"
                        "DIR/c.yaml:5:11: `c_file`: DIR/nul does not look like a secret\n"
                        "DIR/c.yaml:6:11: `d_file`: DIR/big does not look like a secret\n"
                        "DIR/c.yaml:7:11: `e_file`: DIR/. is not a file\n"
                        "DIR/c.yaml:9:23: `sasl.password` is given twice, as a value and as a file\n");
    end(&fixture);
}

static void test_webhook_secrets(void **state)
{
    (void)state;
    static const char lines[] = "# rotated in May\n\nwhsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\r\n"
                                "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI0\n";
    struct fixture fixture;
    begin(&fixture);
    put_file(&fixture, "hooks", lines, sizeof(lines) - 1, 0600);
    assert_int_equal(
        parse(&fixture, "api_version: 1\nsinks: [{name: s, url: 'https://h/', secrets_file: hooks}]\n"), 0);
    assert_string_equal(fixture.config->sinks[0].secrets[0], "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    assert_string_equal(fixture.config->sinks[0].secrets[1], "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI0");
    assert_null(fixture.config->sinks[0].secrets[2]);

    put_file(&fixture, "hooks", "#\nwhsec_canary-7f3a\n", 20, 0600);
    assert_int_equal(parse(&fixture,
                           "api_version: 1\nsinks:\n"
                           "  - {name: s, url: 'https://h/', secrets_file: hooks}\n"
                           "  - {name: t, url: 'https://h/', secrets: [canary-7f3a, whsec_c2hvcnQ=]}\n"
                           "  - {name: u, url: 'https://h/', secrets: canary-7f3a}\n"),
                     ERR_CONFIG);
    assert_string_equal(
        fixture.messages.bytes,
        "DIR/c.yaml:3:48: `secrets_file`: line 2 of the file is not `whsec_` and the base64 of 24 "
        "to 64 bytes\n"
        "DIR/c.yaml:4:44: an entry of `secrets` is not `whsec_` and the base64 of 24 to 64 bytes\n"
        "DIR/c.yaml:4:57: an entry of `secrets` is not `whsec_` and the base64 of 24 to 64 bytes\n"
        "DIR/c.yaml:5:43: `secrets` must be a list: [(hidden)]\n");

    put_file(&fixture, "hooks", "#\n", 2, 0600);
    assert_int_equal(
        parse(&fixture, "api_version: 1\nsinks: [{name: s, url: 'https://h/', secrets_file: hooks}]\n"),
        ERR_CONFIG);
    assert_string_equal(fixture.messages.bytes,
                        "DIR/c.yaml:2:52: `secrets_file`: the file holds no secret\n");
    end(&fixture);
}

static void test_headers(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    put_file(&fixture, "secret", "Bearer canary-7f3a\n", 19, 0600);
    assert_int_equal(setenv("T_CONFIG_TOKEN", CANARY, 1), 0);
    assert_int_equal(parse(&fixture, "api_version: 1\nsinks: [{name: s, url: 'https://h/', headers: "
                                     "{Authorization_file: secret, X-Key: \"${T_CONFIG_TOKEN}\"}}]\n"),
                     0);
    assert_string_equal(fixture.config->sinks[0].headers[0], "Authorization: Bearer canary-7f3a");
    assert_string_equal(fixture.config->sinks[0].headers[1], "X-Key: canary-7f3a");

    put_file(&fixture, "secret", "canary-7f3a\r\nX-Evil: 1", 22, 0600);
    assert_int_equal(parse(&fixture, "api_version: 1\nsinks: [{name: s, url: 'https://h/', headers: "
                                     "{A_file: secret, 'a b': canary-7f3a, Host: x, B: \"x\\ny\"}}]\n"),
                     ERR_CONFIG);
    assert_string_equal(fixture.messages.bytes,
                        "DIR/c.yaml:2:56: `A` is not a valid HTTP header\n"
                        "DIR/c.yaml:2:71: `a b` is not a valid HTTP header\n"
                        "DIR/c.yaml:2:90: the header `Host` is written by driftd itself\n"
                        "DIR/c.yaml:2:96: `B` is not a valid HTTP header\n");
    end(&fixture);
}

static void test_secrets_stay_out_of_messages(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture);
    assert_int_equal(setenv("T_CONFIG_TOKEN", CANARY, 1), 0);
    assert_int_equal(parse(&fixture, "api_version: 1\n"
                                     "pipeline: ok\n"
                                     "sinks:\n"
                                     "  - {name: s, url: 'http://h/canary-7f3a'}\n"
                                     "  - {name: t, url: 'ftp://canary-7f3a/'}\n"
                                     "  - {name: u, url: 'https://h/', secrets: ['${T_CONFIG_TOKEN}']}\n"
                                     "  - {name: v, url: 'https://h/', timeout: '${T_CONFIG_TOKEN}'}\n"),
                     ERR_CONFIG);
    assert_non_null(strstr(fixture.messages.bytes, ":4:20: `url` is not https"));
    assert_non_null(strstr(fixture.messages.bytes, ":5:20: `url` is not an https"));
    assert_non_null(strstr(fixture.messages.bytes, ":6:44: an entry of `secrets`"));
    assert_non_null(
        strstr(fixture.messages.bytes, ":7:43: `timeout`: `${T_CONFIG_TOKEN}` is not a duration"));
    end(&fixture);
}

static void test_reference_files(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[128];
    begin(&fixture);
    put_file(&fixture, "ref.json", "{}", 2, 0644);
    assert_int_equal(parse(&fixture, "api_version: 1\nmodels: [{name: a, reference: {file: ref.json}}]\n"),
                     0);
    path_of(&fixture, "ref.json", path, sizeof(path));
    assert_string_equal(fixture.config->models[0].reference.path, path);
    assert_int_equal(fixture.config->models[0].reference.kind, REFERENCE_FILE);
    assert_int_equal(
        parse(&fixture, "api_version: 1\nmodels: [{name: a, reference: {file: ref.json, name: x}}]\n"),
        ERR_CONFIG);
    assert_string_equal(fixture.messages.bytes,
                        "DIR/c.yaml:2:31: `reference` must be one of {file: PATH}, {name: "
                        "NAME}, {capture: {...}} or none\n");
    assert_int_equal(
        parse(&fixture, "api_version: 1\nsinks: [{name: s, url: 'https://h/', ca_file: ca.pem}]\n"),
        ERR_CONFIG);
    assert_string_equal(fixture.messages.bytes,
                        "DIR/c.yaml:2:47: `ca_file`: cannot read DIR/ca.pem: No such file or directory\n");
    end(&fixture);
}

static void test_load(void **state)
{
    (void)state;
    struct fixture fixture;
    char path[128];
    struct strbuf messages;
    begin(&fixture);
    strbuf_init(&messages, 10000);
    put_file(&fixture, "c.yaml", "api_version: 1\npipeline: p\n", 27, 0644);
    path_of(&fixture, "c.yaml", path, sizeof(path));
    assert_int_equal(config_load(&fixture.config, path, &messages), 0);
    assert_string_equal(fixture.config->pipeline, "p");
    assert_string_equal(fixture.config->path, path);
    struct config *none = NULL;
    assert_int_equal(config_load(&none, "/nowhere/c.yaml", &messages), ERR_CONFIG);
    assert_string_equal(messages.bytes, "/nowhere/c.yaml: cannot read: No such file or directory\n");
    strbuf_reset(&messages);
    assert_int_equal(config_load(&none, "/", &messages), ERR_CONFIG);
    assert_string_equal(messages.bytes, "/: cannot read: Is a directory\n");
    assert_null(none);
    strbuf_release(&messages);
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_secrets),   cmocka_unit_test(test_webhook_secrets),
        cmocka_unit_test(test_headers),         cmocka_unit_test(test_secrets_stay_out_of_messages),
        cmocka_unit_test(test_reference_files), cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
