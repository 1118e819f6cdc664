/* `driftd reference list|show`: what a store knows, and what is in a reference. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/history.h"

enum { REFERENCE_BYTES_MAX = 64 << 20, OPTION_STORE = 256, OPTION_JSON, OPTION_CSV };

struct view_options {
    const char *store, *config;
    enum output_format format;
    bool help;
};

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct view_options *options)
{
    static const struct option longs[] = {{"store", required_argument, NULL, OPTION_STORE},
                                          {"config", required_argument, NULL, 'c'},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"csv", no_argument, NULL, OPTION_CSV},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, "c:h", longs, NULL)) != -1;) {
        if (option == OPTION_STORE) {
            options->store = optarg;
        } else if (option == 'c') {
            options->config = optarg;
        } else if (option == OPTION_JSON) {
            options->format = OUTPUT_JSON;
        } else if (option == OPTION_CSV) {
            options->format = OUTPUT_CSV;
        } else if (option == 'h') {
            puts("see `driftd reference --help`");
            return EXIT_OK;
        } else {
            return EXIT_USAGE;
        }
    }
    return -1;
}

int command_reference_list(int argc, char **argv)
{
    static const char select[] =
        "SELECT reference AS name, model, version, rows, source, substr(reference_hash, 1, 12) AS hash,"
        " datetime(created_s, 'unixepoch') AS created FROM v1_baselines";
    struct view_options options = {.format = OUTPUT_TABLE};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    struct reader *reader = NULL;
    status = cli_open_reader("reference list", options.store, options.config, &reader);
    if (status != 0)
        return status;
    struct cli_filter filter = {.sql = ""};
    status = cli_print("reference list", reader, select, &filter, " ORDER BY model, version, created_s, name",
                       0, options.format, "no references", NULL);
    reader_close(reader);
    return status;
}

static int read_reference_file(const char *path, struct reference **out, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return err_set(err, ERR_NOT_FOUND, "cannot open %s: %s", path, strerror(errno));
    struct strbuf bytes;
    char chunk[65536];
    strbuf_init(&bytes, REFERENCE_BYTES_MAX);
    for (size_t got; (got = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        strbuf_add(&bytes, chunk, got);
    (void)fclose(file);
    int code = strbuf_failed(&bytes) ? err_set(err, ERR_LIMIT, "%s is larger than 64 MiB", path)
                                     : reference_read(bytes.bytes, bytes.len, out, err);
    strbuf_release(&bytes);
    return code;
}

static int print_json(const struct reference *reference)
{
    struct strbuf json;
    strbuf_init(&json, (size_t)REFERENCE_BYTES_MAX * 4);
    int code = reference_write(reference, &json);
    if (code == 0)
        (void)fwrite(json.bytes, 1, json.len, stdout);
    strbuf_release(&json);
    return code ? EXIT_FAILURE : EXIT_OK;
}

static uint64_t slot_count(const struct reference *reference, uint32_t feature, unsigned slot)
{
    return reference->features->counters[reference->layout->slot_at[feature] + slot];
}

/* Categories are whatever the events held: control characters must not reach a terminal. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void print_feature(const struct reference *reference, uint32_t index)
{
    const struct feature_grid *feature = &reference->grid->features[index];
    uint64_t valid = 0;
    unsigned missing = feature_slot_missing(feature, GRID_FINE);
    for (unsigned slot = 0; slot < missing; slot++)
        valid += slot_count(reference, index, slot);
    printf("%-28s %-11s %10" PRIu64 " %9" PRIu64 "  ", feature->name,
           feature->type == FEATURE_NUMERIC ? (feature->discrete ? "discrete" : "numeric") : "categorical",
           valid, slot_count(reference, index, missing));
    if (feature->type == FEATURE_NUMERIC && feature->edge_count > 1) {
        printf("%u bins, %.6g to %.6g, mean %.6g, sd %.6g\n", feature->edge_count - 1u, feature->edges[0],
               feature->edges[feature->edge_count - 1], feature->location, feature->scale);
    } else if (feature->type == FEATURE_NUMERIC) {
        puts("no finite value");
    } else {
        printf("%u categories:", feature->category_count);
        for (unsigned i = 0; i < feature->category_count && i < 4; i++) {
            printf("%s ", i ? "," : "");
            print_clean(feature->categories[i]);
        }
        puts(feature->category_count > 4 ? ", …" : "");
    }
}

static void print_text(const struct reference *reference)
{
    char from[32], to[32];
    printf("name     %s\nmodel    %s%s%s\nsource   %s\nevents   %" PRIu64 "\n", reference->name,
           reference->model, reference->version[0] ? ", version " : "", reference->version, reference->source,
           reference->rows);
    if (reference->from_ms != INT64_MIN)
        printf("span     %s to %s\n", timestamp_format(reference->from_ms, from),
               timestamp_format(reference->to_ms, to));
    printf("grid     %s\nhash     %s\n\n%-28s %-11s %10s %9s\n", reference->grid->id, reference->hash,
           "feature", "type", "values", "missing");
    for (uint32_t i = 0; i < reference->grid->feature_count; i++)
        print_feature(reference, i);
}

int command_reference_show(int argc, char **argv)
{
    struct view_options options = {.format = OUTPUT_TABLE};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    if (optind + 1 != argc)
        return cli_fail("reference show", EXIT_USAGE,
                        "which reference? give its name, or the path of its JSON");
    const char *name = argv[optind];
    struct reference *reference = NULL;
    struct err err = {0};
    int code;
    if (!options.store && !options.config) {
        code = read_reference_file(name, &reference, &err);
    } else {
        struct reader *reader = NULL;
        uint32_t grid;
        status = cli_open_reader("reference show", options.store, options.config, &reader);
        if (status != 0)
            return status;
        code = history_reference(reader, name, "", "", &reference, &grid, &err);
        reader_close(reader);
    }
    if (code != 0)
        return cli_fail("reference show", err_exit_status(code), "%s", err.message);
    status = EXIT_OK;
    if (options.format == OUTPUT_JSON)
        status = print_json(reference);
    else
        print_text(reference);
    reference_free(reference);
    return status;
}
