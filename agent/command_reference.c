/* `driftd reference build|list|show`: references from files; what a store holds is shown by
 * agent/command_reference_store.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli_config.h"
#include "agent/cli_options.h"
#include "agent/commands.h"
#include "agent/reference_build.h"
#include "agent/whole_file.h"
#include "detectors/cardinality.h"

static const char command[] = "reference build";

const char command_reference_help[] =
    "usage: driftd reference build [OPTIONS] FILE...\n"
    "       driftd reference list [--json | --csv] [--store PATH | -c FILE]\n"
    "       driftd reference show NAME|FILE.json [--json] [--store PATH | -c FILE]\n"
    "\n"
    "build: a reference from training data (CSV or NDJSON, also gzip, `-` is standard input).\n"
    "  -o, --output FILE       where to write the JSON (default: standard output)\n"
    "  -n, --name NAME         its name in stores (default: the model's name and the content's hash)\n"
    "  -m, --model NAME        the model it is for (default: what the events say, else `default`)\n"
    "  -V, --version NAME      the model version it is for (default: any)\n"
    "  -c, --config FILE       map fields as this configuration does; -i, --input NAME says which input;\n"
    "                          groups are crossed as its model does\n"
    "      --csv               the files are CSV (default: by the name)\n"
    "      --time COLUMN --score COLUMN --prediction COLUMN --label COLUMN --id COLUMN\n"
    "                          what these columns are; all others are features\n"
    "      --categorical A,B   --numeric A,B   --exclude GLOB,GLOB\n"
    "      --multivariate          also for features together and embeddings (`multivariate` of a model)\n"
    "      --cardinality A,B   also how many different values these have (`cardinality` of a model)\n"
    "      --sample N          at most N events, a sample by hash (default 1,000,000)\n"
    "\n"
    "list, show: what a store has; show reads a file, too.\n"
    "      --json, --csv       for machines\n"
    "  -s, --store PATH        the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE       the configuration that names the store\n"
    "  -h, --help              this text\n";

enum { LIST_MAX = 256, OUTPUT_BYTES_MAX = 256 << 20 };

struct list {
    char *memory;
    const char *items[LIST_MAX + 1];
};

struct build_options {
    struct reference_build build;
    const char *config, *input, *output;
    uint64_t sample;
    struct list categorical, numeric, exclude, cardinality;
};

static int take_list(void *context, const char *text)
{
    struct list *list = context;
    free(list->memory);
    list->memory = strdup(text);
    if (!list->memory)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    uint32_t count = 0;
    char *save = NULL;
    for (char *item = strtok_r(list->memory, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
        if (count == LIST_MAX)
            return cli_usage(command, "more than %d names in a list", LIST_MAX);
        list->items[count++] = item;
    }
    list->items[count] = NULL;
    return CLI_GO_ON;
}

static const char *const *items_of(const struct list *list)
{
    return list->memory ? list->items : NULL;
}

static int parse(int argc, char **argv, struct build_options *options)
{
    struct reference_build *build = &options->build;
    const struct cli_option rows[] = {
        {.name = "output", .letter = 'o', .text = &options->output},
        {.name = "name", .letter = 'n', .text = &build->name},
        {.name = "model", .letter = 'm', .text = &build->model},
        {.name = "version", .letter = 'V', .text = &build->version},
        CLI_CONFIG_OPTION(options->config),
        {.name = "input", .letter = 'i', .text = &options->input},
        {.name = "csv", .flag = &build->csv},
        {.name = "time", .text = &build->time_column},
        {.name = "score", .text = &build->score_column},
        {.name = "prediction", .text = &build->prediction_column},
        {.name = "label", .text = &build->label_column},
        {.name = "id", .text = &build->id_column},
        {.name = "categorical", .take = take_list, .context = &options->categorical},
        {.name = "numeric", .take = take_list, .context = &options->numeric},
        {.name = "exclude", .take = take_list, .context = &options->exclude},
        {.name = "cardinality", .take = take_list, .context = &options->cardinality},
        {.name = "multivariate", .flag = &build->multivariate},
        {.name = "sample", .count = &options->sample, .least = 2, .most = 100000000},
    };
    const struct cli_command words = {.name = command,
                                      .help = command_reference_help,
                                      CLI_ROWS(rows),
                                      .operands_least = 1,
                                      .operands_most = UINT32_MAX,
                                      .operand = "say which files to read"};
    struct cli_operands operands;
    int status = cli_parse(&words, argc, argv, &operands);
    if (status != CLI_GO_ON)
        return status;
    build->files = (const char *const *)operands.items;
    build->file_count = operands.count;
    build->sample_max = (uint32_t)options->sample;
    build->categorical = items_of(&options->categorical);
    build->numeric = items_of(&options->numeric);
    build->exclude = items_of(&options->exclude);
    build->cardinality = items_of(&options->cardinality);
    for (uint32_t i = 0; build->cardinality && build->cardinality[i]; i++) {
        if (i == CARDINALITY_FEATURES_MAX)
            return cli_usage(command, "more than %d names for --cardinality", CARDINALITY_FEATURES_MAX);
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(build->cardinality[i], build->cardinality[k]) == 0)
                return cli_usage(command, "--cardinality names `%s` twice", build->cardinality[i]);
    }
    for (uint32_t i = 0; i < operands.count; i++)
        build->csv |= cli_is_csv_name(operands.items[i]);
    return CLI_GO_ON;
}

static int write_reference(const struct reference *reference, const char *path, struct err *err)
{
    struct strbuf out;
    strbuf_init(&out, OUTPUT_BYTES_MAX);
    int code = reference_write(reference, &out) == 0
                   ? whole_file_write(path, &out, err)
                   : err_set(err, ERR_NOMEM, "the reference is larger than %d MiB", OUTPUT_BYTES_MAX >> 20);
    strbuf_release(&out);
    return code;
}

static int build_and_write(const struct build_options *options)
{
    struct reference *reference = NULL;
    struct reference_build_counts counts = {0};
    struct err err = {0};
    int code = reference_build(&options->build, &reference, &counts, &err);
    if (code == 0)
        code = write_reference(reference, options->output ? options->output : "-", &err);
    if (code == 0)
        (void)fprintf(stderr, "%s: %u features from %" PRIu64 " events (%" PRIu64 " rejected), hash %.12s\n",
                      reference->name, reference->grid->feature_count, counts.events, counts.rejected,
                      reference->hash);
    reference_free(reference);
    return code == 0 ? EXIT_OK : cli_fail(command, err_exit_status(code), "%s", err.message);
}

/* Of the model that is named, else of the only one. */
static void set_groups(struct reference_build *build, const struct config *config)
{
    const struct model_config *model = build->model ? config_model(config, text_of(build->model))
                                       : config->model_count == 1 ? &config->models[0]
                                                                  : &config->model_template;
    build->crosses = model->crosses;
    build->cross_count = model->cross_count;
    build->facets = model->facets;
    build->facet_count = model->facet_count;
}

/* The mapping of the configuration's input, if there is one. */
static int build_as_configured(struct build_options *options)
{
    struct config *config;
    const struct input_config *input;
    int status = cli_load_config(command, options->config, &config);
    if (status == EXIT_OK)
        status = cli_find_input(command, config, options->input, INPUT_FIRST, &input);
    if (status == EXIT_OK && !input)
        status = cli_fail(command, EXIT_CONFIGURATION, "the configuration %s has no input", options->config);
    if (status == EXIT_OK) {
        options->build.mapping = &input->mapping;
        set_groups(&options->build, config);
        status = build_and_write(options);
    }
    config_free(config);
    return status;
}

static int build(int argc, char **argv)
{
    struct build_options options = {.output = NULL};
    int status = parse(argc, argv, &options);
    if (status == CLI_GO_ON)
        status = options.config ? build_as_configured(&options) : build_and_write(&options);
    free(options.categorical.memory);
    free(options.numeric.memory);
    free(options.exclude.memory);
    free(options.cardinality.memory);
    return status;
}

int command_reference(int argc, char **argv)
{
    static const char *const actions[] = {"build", "list", "show", NULL};
    static int (*const functions[])(int, char **) = {build, command_reference_list, command_reference_show};
    if (argc > 1 && cli_is_help(argv[1]))
        return build(argc, argv);
    int action = cli_choose("reference", "action", argc > 1 ? argv[1] : NULL, actions);
    return action < 0 ? EXIT_USAGE : functions[action](argc - 1, argv + 1);
}
