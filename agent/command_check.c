/* driftd check: tells what is wrong with a configuration, or what it would run. */
#include <stdio.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/cli_config.h"
#include "agent/cli_options.h"
#include "agent/commands.h"
#include "agent/config_internal.h"
#include "agent/config_manual.h"

enum { OUTPUT_BYTES_MAX = 4 << 20 };
static const char command[] = "check";

static const char help[] =
    "usage: driftd check -c FILE\n\n"
    "Checks a configuration without connecting to anything: every error as file:line:column, then\n"
    "status 78; or a summary of what would run, then status 0. Warnings do not fail.\n\n"
    "  -c, --config FILE   the configuration\n"
    "  -q, --quiet         no summary\n"
    "  -h, --help          this text\n";

static void add_inputs(const struct config *config, struct strbuf *out)
{
    static const char *const formats[] = {"json", "csv", "confluent-json"};
    for (uint32_t i = 0; i < config->input_count; i++) {
        const struct input_config *input = &config->inputs[i];
        strbuf_addf(out, "input    %s: %s, %s", input->name, formats[input->mapping.format],
                    input->topic ? "topic " : "for replay only");
        strbuf_adds(out, input->topic ? input->topic : "");
        if (input->dead_letter_topic)
            strbuf_addf(out, ", dead letters to %s", input->dead_letter_topic);
        strbuf_addc(out, '\n');
    }
}

static void add_windows(const struct config *config, struct strbuf *out)
{
    char text[48];
    strbuf_adds(out, "tiers   ");
    for (uint32_t i = 0; i < config->tier_count; i++)
        strbuf_addf(out, " %s", duration_format(config->tiers_ms[i], text));
    strbuf_adds(out, "\nwindows ");
    for (uint32_t i = 0; i < config->window_count; i++) {
        strbuf_addf(out, "%s %s", i ? "," : "", duration_format(config->windows[i].length_ms, text));
        strbuf_addf(out, " every %s", duration_format(config->windows[i].slide_ms, text));
    }
    strbuf_addf(out, "\nlateness %s\n", duration_format(config->lateness_ms, text));
}

static void add_reference(const struct reference_config *reference, struct strbuf *out)
{
    char text[48];
    switch (reference->kind) {
    case REFERENCE_FILE:
        strbuf_addf(out, "reference file %s", reference->path);
        break;
    case REFERENCE_NAME:
        strbuf_addf(out, "reference %s of the store", reference->name);
        break;
    case REFERENCE_NONE:
        strbuf_adds(out, "no reference");
        break;
    case REFERENCE_CAPTURE:
    default:
        strbuf_addf(out, "reference captured over %s", duration_format(reference->capture_ms, text));
    }
}

static void add_model(const struct model_config *model, const char *name, struct strbuf *out)
{
    strbuf_addf(out, "model    %s: ", name);
    add_reference(&model->reference, out);
    strbuf_addc(out, '\n');
    for (uint32_t i = 0; i < model->version_count; i++) {
        strbuf_addf(out, "         version %s: ", model->versions[i].version);
        add_reference(&model->versions[i].reference, out);
        strbuf_addc(out, '\n');
    }
}

static void add_models(const struct config *config, struct strbuf *out)
{
    for (uint32_t i = 0; i < config->model_count; i++)
        if (strcmp(config->models[i].name, "*") != 0)
            add_model(&config->models[i], config->models[i].name, out);
    if (config->accept_unknown_models)
        add_model(&config->model_template, "any other", out);
}

static void add_rules(const struct config *config, struct strbuf *out)
{
    char text[48];
    for (uint32_t i = 0; i < config->rule_count; i++) {
        const struct rule_spec *rule = &config->rules[i];
        strbuf_addf(out, "rule     %s: %s", rule->name, rule->metric);
        if (rule->warning == rule->warning)
            strbuf_addf(out, ", warning %s %g", rule->below ? "<=" : ">=", rule->warning);
        if (rule->critical == rule->critical)
            strbuf_addf(out, ", critical %s %g", rule->below ? "<=" : ">=", rule->critical);
        if (rule->window_ms)
            strbuf_addf(out, ", window %s", duration_format(rule->window_ms, text));
        strbuf_addc(out, '\n');
    }
}

static void add_sinks(const struct config *config, struct strbuf *out)
{
    for (uint32_t i = 0; i < config->sink_count; i++) {
        const struct sink_spec *sink = &config->sinks[i];
        struct text origin = url_origin(sink->url);
        bool is_signed = sink->secrets && sink->secrets[0];
        strbuf_addf(out, "sink     %s: %.*s, %s\n", sink->name, (int)origin.len, origin.ptr,
                    is_signed ? "signed" : "not signed");
    }
}

static void summarise(const struct config *config, struct strbuf *out)
{
    strbuf_addf(out, "pipeline %s\nstore    %s\nworkers  ", config->pipeline, config->store_path);
    if (config->workers)
        strbuf_addf(out, "%u\n", config->workers);
    else
        strbuf_adds(out, "one per core\n");
    if (config->shard_count > 1)
        strbuf_addf(out, "shard    %u of %u\n", config->shard_index, config->shard_count);
    add_inputs(config, out);
    if (config->input_count == 0)
        strbuf_adds(out, "input    none: `driftd run` has nothing to read, `driftd replay` reads files\n");
    add_windows(config, out);
    add_models(config, out);
    add_rules(config, out);
    if (config->rule_count == 0)
        strbuf_adds(out, "rules    none: nothing will notify\n");
    add_sinks(config, out);
    if (config->sink_count == 0 && config->rule_count > 0)
        strbuf_adds(out, "sinks    none: alerts are stored and sent nowhere\n");
    strbuf_addf(out, "hash     %s\n", config->hash);
}

static int print(void (*make)(const void *context, struct strbuf *out), const void *context)
{
    struct strbuf text;
    int status = EXIT_OK;
    strbuf_init(&text, OUTPUT_BYTES_MAX);
    make(context, &text);
    if (strbuf_failed(&text) || fwrite(text.bytes, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
        status = cli_fail(command, EXIT_FAILURE, "cannot write the output");
    strbuf_release(&text);
    return status;
}

static void make_summary(const void *context, struct strbuf *out)
{
    summarise(context, out);
}

static void make_schema(const void *context, struct strbuf *out)
{
    (void)context;
    config_schema(out);
}

static void make_manual(const void *context, struct strbuf *out)
{
    (void)context;
    config_reference_manual(out);
}

int command_check(int argc, char **argv)
{
    const char *path = NULL;
    bool quiet = false, schema = false, manual = false;
    const struct cli_option rows[] = {
        CLI_CONFIG_OPTION(path),
        {.name = "quiet", .letter = 'q', .flag = &quiet},
        /* These print what is checked in under conf/; not for users. */
        {.name = "schema", .flag = &schema},
        {.name = "options", .flag = &manual},
    };
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows)};
    int status = cli_parse(&words, argc, argv, NULL);
    if (status != CLI_GO_ON)
        return status;
    if (schema || manual)
        return print(schema ? make_schema : make_manual, NULL);
    if (!path)
        return cli_usage(command, "say which configuration: -c FILE");
    struct config *config;
    status = cli_load_config(command, path, &config);
    if (status == EXIT_OK && !quiet)
        status = print(make_summary, config);
    config_free(config);
    return status;
}
