/*
 * Any bytes as a configuration: refused with at least one message, or accepted with everything that the rest
 * of the program relies on. Inputs that would set up a Kafka handle are left out: that is librdkafka's
 * ground, costs threads, and may load a library by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

#define REQUIRE(cond)                                                                                        \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                 \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static void check_times(const struct config *config)
{
    REQUIRE(config->tier_count >= 1 && config->tier_count <= TIER_MAX);
    for (uint32_t i = 0; i < config->tier_count; i++) {
        REQUIRE(config->tiers_ms[i] > 0);
        REQUIRE(i == 0 || config->tiers_ms[i] % config->tiers_ms[i - 1] == 0);
    }
    REQUIRE(config->window_count >= 1 && config->window_count <= WINDOW_MAX);
    for (uint32_t i = 0; i < config->window_count; i++) {
        const struct window_config *window = &config->windows[i];
        REQUIRE(window->tier < config->tier_count && window->slide_ms == config->tiers_ms[window->tier]);
        REQUIRE(window->length_ms >= window->slide_ms && window->length_ms % window->slide_ms == 0);
    }
    REQUIRE(config->lateness_ms >= 0 && config->horizon_ms >= config->lateness_ms);
}

static void check_names(const struct config *config)
{
    for (uint32_t i = 0; i < config->input_count; i++)
        REQUIRE(config->inputs[i].name && *config->inputs[i].name);
    for (uint32_t i = 0; i < config->model_count; i++)
        REQUIRE(config->models[i].name && *config->models[i].name);
    for (uint32_t i = 0; i < config->rule_count; i++) {
        const struct rule_spec *rule = &config->rules[i];
        REQUIRE(rule->name && rule->metric && metric_find(rule->metric));
        REQUIRE(rule->warning == rule->warning || rule->critical == rule->critical);
        REQUIRE(rule->model && rule->version && rule->segment && rule->feature);
    }
    for (uint32_t i = 0; i < config->sink_count; i++) {
        REQUIRE(config->sinks[i].name && config->sinks[i].url);
        REQUIRE(config->sinks[i].allow_http || strncmp(config->sinks[i].url, "https://", 8) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct strbuf messages;
    struct config *config = NULL, *again = NULL;
    if (len == 0 || memmem(bytes, len, "ootstrap", 8))
        return 0;
    strbuf_init(&messages, 1 << 20);
    int code = config_parse(&config, (const char *)bytes, len, "/nowhere/fuzz.yaml", &messages);
    REQUIRE(!strbuf_failed(&messages));
    if (code == 0) {
        check_times(config);
        check_names(config);
        REQUIRE(config_parse(&again, (const char *)bytes, len, "/nowhere/fuzz.yaml", &messages) == 0);
        REQUIRE(strlen(config->hash) == 64 && strcmp(config->hash, again->hash) == 0);
        config_free(again);
        config_free(config);
    } else {
        REQUIRE(code == ERR_CONFIG && !config);
        REQUIRE(messages.len > 0 && messages.bytes[messages.len - 1] == '\n');
    }
    strbuf_release(&messages);
    return 0;
}
