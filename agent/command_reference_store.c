/* `driftd reference list|show`: what a store knows, and what is in a reference. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/history.h"
#include "agent/whole_file.h"

enum { REFERENCE_BYTES_MAX = 64 << 20 };

static int parse(const char *command, int argc, char **argv, const char *operand, struct cli_source *source,
                 enum output_format *format, struct cli_operands *operands)
{
    const struct cli_option rows[] = {CLI_SOURCE_OPTIONS(*source), CLI_FORMAT_OPTIONS(*format)};
    const struct cli_command words = {.name = command,
                                      .help = command_reference_help,
                                      CLI_ROWS(rows),
                                      .operands_least = operand ? 1 : 0,
                                      .operands_most = operand ? 1 : 0,
                                      .operand = operand};
    return cli_parse(&words, argc, argv, operands);
}

int command_reference_list(int argc, char **argv)
{
    static const char command[] = "reference list";
    struct cli_source source = {NULL, NULL};
    struct cli_query query = {
        .select =
            "SELECT reference AS name, model, version, rows, source, substr(reference_hash, 1, 12) AS hash,"
            " datetime(created_s, 'unixepoch') AS created FROM v1_baselines",
        .tail = " ORDER BY model, version, created_s, name",
        .format = OUTPUT_TABLE,
        .none = "no references"};
    int status = parse(command, argc, argv, NULL, &source, &query.format, NULL);
    return status == CLI_GO_ON ? cli_print_source(command, &source, &query) : status;
}

static int read_reference_file(const char *path, struct reference **out, struct err *err)
{
    struct strbuf bytes;
    strbuf_init(&bytes, REFERENCE_BYTES_MAX);
    int code = whole_file_read(path, &bytes, err);
    if (code == 0)
        code = reference_read(bytes.bytes, bytes.len, out, err);
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

/* Without a store to look in, what is a file or looks like one is meant as a file. */
static bool is_file(const struct cli_source *source, const char *name)
{
    size_t len = strlen(name);
    return !source->store && !source->config &&
           (access(name, F_OK) == 0 || strchr(name, '/') ||
            (len > 5 && strcmp(name + len - 5, ".json") == 0));
}

int command_reference_show(int argc, char **argv)
{
    static const char command[] = "reference show";
    struct cli_source source = {NULL, NULL};
    enum output_format format = OUTPUT_TABLE;
    struct cli_operands operands;
    struct reference *reference = NULL;
    struct err err = {0};
    int code, status = parse(command, argc, argv, "say which reference: its name, or the path of its JSON",
                             &source, &format, &operands);
    if (status != CLI_GO_ON)
        return status;
    if (format == OUTPUT_CSV)
        return cli_usage(command, "a reference cannot be shown as CSV; --json can");
    const char *name = operands.items[0];
    if (is_file(&source, name)) {
        code = read_reference_file(name, &reference, &err);
    } else {
        struct reader *reader = NULL;
        uint32_t grid;
        status = cli_open_reader(command, &source, &reader);
        if (status != EXIT_OK)
            return status;
        code = history_reference(reader, name, "", "", &reference, &grid, &err);
        reader_close(reader);
    }
    if (code != 0)
        return cli_fail(command, err_exit_status(code), "%s", err.message);
    status = EXIT_OK;
    if (format == OUTPUT_JSON)
        status = print_json(reference);
    else
        print_text(reference);
    reference_free(reference);
    return status;
}
