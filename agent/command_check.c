/* driftd check: tells what is wrong with a configuration, or what it would run. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "agent/config_internal.h"
#include "agent/config_manual.h"

enum { OUTPUT_BYTES_MAX = 4 << 20 };
enum long_option { LONG_SCHEMA = 256, LONG_OPTIONS };

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd check -c FILE\n\n"
        "Checks a configuration without connecting to anything: every error as file:line:column, then\n"
        "status 78; or a summary of what would run, then status 0. Warnings do not fail.\n\n"
        "  -c, --config FILE   the configuration\n"
        "  -q, --quiet         no summary\n"
        "  -h, --help          this text\n",
        out);
}

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

static int print(struct strbuf *text, FILE *out)
{
    int status = EXIT_OK;
    if (strbuf_failed(text) || fwrite(text->bytes, 1, text->len, out) != text->len || fflush(out) != 0) {
        (void)fputs("driftd check: cannot write the output\n", stderr);
        status = 1;
    }
    strbuf_release(text);
    return status;
}

static int print_made(void (*make)(struct strbuf *out))
{
    struct strbuf text;
    strbuf_init(&text, OUTPUT_BYTES_MAX);
    make(&text);
    return print(&text, stdout);
}

static int check(const char *path, bool quiet)
{
    struct strbuf messages, summary;
    struct config *config = NULL;
    strbuf_init(&messages, OUTPUT_BYTES_MAX);
    strbuf_init(&summary, OUTPUT_BYTES_MAX);
    bool is_good = config_load(&config, path, &messages) == 0;
    int status = print(&messages, stderr);
    if (is_good && !quiet)
        summarise(config, &summary);
    if (status == EXIT_OK)
        status = print(&summary, stdout);
    strbuf_release(&summary);
    config_free(config);
    return is_good ? status : EXIT_CONFIGURATION;
}

int command_check(int argc, char **argv)
{
    /* The last two print what is checked in under conf/; not for users. */
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {"schema", no_argument, NULL, LONG_SCHEMA},
                                                 {"options", no_argument, NULL, LONG_OPTIONS},
                                                 {NULL, 0, NULL, 0}};
    const char *path = NULL;
    bool quiet = false;
    int chosen;
    while ((chosen = getopt_long(argc, argv, "c:qh", long_options, NULL)) != -1) {
        switch (chosen) {
        case 'c':
            path = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        case 'h':
            usage(stdout);
            return EXIT_OK;
        case LONG_SCHEMA:
            return print_made(config_schema);
        case LONG_OPTIONS:
            return print_made(config_reference_manual);
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (!path || optind < argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return check(path, quiet);
}
