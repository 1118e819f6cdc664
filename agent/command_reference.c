/* `driftd reference build|list|show`: references from files; what a store holds is shown by
 * agent/command_reference_store.c. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/timestamp.h"
#include "agent/commands.h"
#include "agent/reference_build.h"

static const char help[] =
    "usage: driftd reference build [OPTIONS] FILE...\n"
    "       driftd reference list [--store PATH | -c FILE]\n"
    "       driftd reference show NAME|FILE.json [--store PATH | -c FILE] [--json]\n"
    "\n"
    "build: a reference from training data (CSV or NDJSON, also gzip, `-` is standard input).\n"
    "  -o, --output FILE       where to write the JSON (default: standard output)\n"
    "  -n, --name NAME         its name in stores (default: the model's name and the content's hash)\n"
    "  -m, --model NAME        the model it is for (default: what the events say, else `default`)\n"
    "  -V, --version NAME      the model version it is for (default: any)\n"
    "  -c, --config FILE       map fields as this configuration does; -i, --input NAME says which input\n"
    "      --csv               the files are CSV (default: by the name)\n"
    "      --time COLUMN --score COLUMN --prediction COLUMN --label COLUMN --id COLUMN\n"
    "                          what these columns are; all others are features\n"
    "      --categorical A,B   --numeric A,B   --exclude GLOB,GLOB\n"
    "      --sample N          at most N events, a sample by hash (default 1,000,000)\n"
    "  -h, --help              this text\n";

enum { LIST_MAX = 256, OUTPUT_BYTES_MAX = 256 << 20 };

struct list {
    char *memory;
    const char *items[LIST_MAX + 1];
};

struct build_options {
    struct reference_build build;
    const char *output;
    struct list categorical, numeric, exclude;
};

static int split(struct list *list, const char *text)
{
    free(list->memory);
    list->memory = strdup(text);
    if (!list->memory)
        return -1;
    uint32_t count = 0;
    char *save = NULL;
    for (char *item = strtok_r(list->memory, ",", &save); item && count < LIST_MAX;
         item = strtok_r(NULL, ",", &save))
        list->items[count++] = item;
    list->items[count] = NULL;
    return 0;
}

static int take_option(struct build_options *options, int option, const char *value)
{
    struct reference_build *build = &options->build;
    switch (option) {
    case 'o':
        options->output = value;
        return 0;
    case 'n':
        build->name = value;
        return 0;
    case 'm':
        build->model = value;
        return 0;
    case 'V':
        build->version = value;
        return 0;
    case 'c':
        build->config_path = value;
        return 0;
    case 'i':
        build->input = value;
        return 0;
    case 'C':
        build->csv = true;
        return 0;
    case 'T':
        build->time_column = value;
        return 0;
    case 'S':
        build->score_column = value;
        return 0;
    case 'P':
        build->prediction_column = value;
        return 0;
    case 'L':
        build->label_column = value;
        return 0;
    case 'I':
        build->id_column = value;
        return 0;
    case '1':
        return split(&options->categorical, value);
    case '2':
        return split(&options->numeric, value);
    case '3':
        return split(&options->exclude, value);
    case 's': {
        char *end = NULL;
        errno = 0;
        unsigned long sample = strtoul(value, &end, 10);
        if (*value == '\0' || *end || errno || sample < 2 || sample > 100000000)
            return -1;
        build->sample_max = (uint32_t)sample;
        return 0;
    }
    default:
        return -1;
    }
}

static int parse_build(int argc, char **argv, struct build_options *options)
{
    static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"version", required_argument, NULL, 'V'},
                                          {"config", required_argument, NULL, 'c'},
                                          {"input", required_argument, NULL, 'i'},
                                          {"csv", no_argument, NULL, 'C'},
                                          {"time", required_argument, NULL, 'T'},
                                          {"score", required_argument, NULL, 'S'},
                                          {"prediction", required_argument, NULL, 'P'},
                                          {"label", required_argument, NULL, 'L'},
                                          {"id", required_argument, NULL, 'I'},
                                          {"categorical", required_argument, NULL, '1'},
                                          {"numeric", required_argument, NULL, '2'},
                                          {"exclude", required_argument, NULL, '3'},
                                          {"sample", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "o:n:m:V:c:i:s:h", longs, NULL)) != -1;) {
        if (option == 'h') {
            (void)fputs(help, stdout);
            return 1 + EXIT_OK;
        }
        if (take_option(options, option, optarg) != 0) {
            if (option != '?')
                (void)fputs("driftd reference build: --sample takes a number from 2 to 100000000\n", stderr);
            return 1 + EXIT_USAGE;
        }
    }
    if (optind == argc) {
        (void)fputs("driftd reference build: which file? see `driftd reference --help`\n", stderr);
        return 1 + EXIT_USAGE;
    }
    options->build.files = (const char *const *)argv + optind;
    options->build.file_count = (uint32_t)(argc - optind);
    return 0;
}

/* Whole or not at all: a reference that a running agent may be about to read is never half written. */
static int write_output(const char *path, const struct strbuf *bytes)
{
    if (!path || strcmp(path, "-") == 0)
        return fwrite(bytes->bytes, 1, bytes->len, stdout) == bytes->len && fflush(stdout) == 0 ? 0 : -1;
    char temporary[4096];
    if (snprintf(temporary, sizeof(temporary), "%s.tmp.%ld", path, (long)getpid()) >= (int)sizeof(temporary))
        return -1;
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        return -1;
    bool ok = fwrite(bytes->bytes, 1, bytes->len, file) == bytes->len && fflush(file) == 0 &&
              fsync(fileno(file)) == 0;
    ok = fclose(file) == 0 && ok && rename(temporary, path) == 0;
    if (!ok)
        (void)unlink(temporary);
    return ok ? 0 : -1;
}

static int build(int argc, char **argv)
{
    struct build_options options = {0};
    int stop = parse_build(argc, argv, &options);
    int status = stop ? stop - 1 : EXIT_OK;
    if (!stop) {
        options.build.categorical = options.categorical.memory ? options.categorical.items : NULL;
        options.build.numeric = options.numeric.memory ? options.numeric.items : NULL;
        options.build.exclude = options.exclude.memory ? options.exclude.items : NULL;
        struct reference *reference = NULL;
        struct reference_build_counts counts = {0};
        struct strbuf out;
        struct err err = {0};
        strbuf_init(&out, OUTPUT_BYTES_MAX);
        int code = reference_build(&options.build, &reference, &counts, &err);
        if (code == 0 && reference_write(reference, &out) != 0)
            code = err_set(&err, ERR_NOMEM, "the reference is larger than 256 MiB");
        if (code == 0 && write_output(options.output, &out) != 0)
            code = err_set(&err, ERR_IO, "cannot write %s: %s",
                           options.output ? options.output : "standard output", strerror(errno));
        if (code != 0)
            (void)fprintf(stderr, "driftd reference build: %s\n", err.message);
        else
            (void)fprintf(stderr,
                          "%s: %u features from %" PRIu64 " events (%" PRIu64 " rejected), hash %.12s\n",
                          reference->name, reference->grid->feature_count, counts.events, counts.rejected,
                          reference->hash);
        status = code ? err_exit_status(code) : EXIT_OK;
        strbuf_release(&out);
        reference_free(reference);
    }
    free(options.categorical.memory);
    free(options.numeric.memory);
    free(options.exclude.memory);
    return status;
}

int command_reference(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        (void)fputs(help, stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "build") == 0)
        return build(argc - 1, argv + 1);
    if (strcmp(argv[1], "list") == 0)
        return command_reference_list(argc - 1, argv + 1);
    if (strcmp(argv[1], "show") == 0)
        return command_reference_show(argc - 1, argv + 1);
    (void)fprintf(stderr, "driftd reference: unknown command `%s`; see `driftd reference --help`\n", argv[1]);
    return EXIT_USAGE;
}
