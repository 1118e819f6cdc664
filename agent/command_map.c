/* `driftd map test`: shows, for sample events, what each field resolves to and why an event would be refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/cli_config.h"
#include "agent/cli_options.h"
#include "agent/commands.h"
#include "agent/whole_file.h"
#include "collectors/decode.h"

enum { HEADERS_MAX = 32, OUTPUT_BYTES_MAX = 16 << 20, SAMPLE_BYTES_MAX = 64 << 20 };

static const char command[] = "map test";

struct map_options {
    const char *config_path, *input_name, *sample_path, *key;
    bool csv;
    struct record_header headers[HEADERS_MAX];
    uint32_t header_count;
};

static const char help[] =
    "usage: driftd map test [-c FILE] [--input NAME] [--csv] [--key TEXT] [--header NAME=VALUE] [FILE|-]\n\n"
    "Reads sample events, one a line (or one JSON document over several lines), from FILE or standard\n"
    "input, and prints what every field resolved to and where it was found, or why the event would be\n"
    "rejected. Exit status 1 when any was rejected.\n\n"
    "  -c, --config FILE       configuration with the input's mapping; without it the canonical event\n"
    "  -i, --input NAME        which input, when the configuration has several\n"
    "      --csv               the samples are CSV with a header line (implied by `format: csv`)\n"
    "      --key TEXT          the records' key\n"
    "      --header NAME=VALUE a header of the records; repeatable\n"
    "  -h, --help              this text\n";

static int take_header(void *context, const char *text)
{
    struct map_options *options = context;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return cli_usage(command, "--header: `%s` is not NAME=VALUE", text);
    if (options->header_count == HEADERS_MAX)
        return cli_usage(command, "--header: more than %d headers", HEADERS_MAX);
    options->headers[options->header_count++] =
        (struct record_header){{text, (uint32_t)(equals - text)}, text_of(equals + 1)};
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct map_options *options)
{
    const struct cli_option rows[] = {
        CLI_CONFIG_OPTION(options->config_path),
        {.name = "input", .letter = 'i', .text = &options->input_name},
        {.name = "csv", .flag = &options->csv},
        {.name = "key", .text = &options->key},
        {.name = "header", .take = take_header, .context = options},
    };
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows), .operands_most = 1};
    struct cli_operands operands;
    int status = cli_parse(&words, argc, argv, &operands);
    options->sample_path = status == CLI_GO_ON && operands.count ? operands.items[0] : "-";
    return status;
}

/* ---- samples ---- */

struct samples {
    struct decoder *decoder;
    const struct map_options *options;
    struct record record; /* what every record has */
    unsigned count, rejected;
};

static int show_sample(struct samples *samples, char *bytes, size_t len, struct text csv_header)
{
    struct strbuf out;
    struct record record = samples->record;
    struct event ev;
    record.payload = (struct text){bytes, (uint32_t)len};
    record.csv_header = csv_header;
    record.offset = samples->count;
    record.next_offset = record.offset + 1;
    strbuf_init(&out, OUTPUT_BYTES_MAX);
    decoder_explain(samples->decoder, &record, &out);
    samples->count++;
    samples->rejected += decoder_decode(samples->decoder, &record, &ev) != REJECT_NONE;
    bool failed = strbuf_failed(&out);
    if (!failed)
        (void)printf("event %u\n%s\n", samples->count, out.bytes);
    strbuf_release(&out);
    if (failed)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    return EXIT_OK;
}

static size_t trim(const char *bytes, size_t len)
{
    while (len && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    return len;
}

/* The end of the line at `at`; in CSV line breaks inside quotes do not end it. */
static size_t line_end(const char *bytes, size_t at, size_t len, bool csv)
{
    bool quoted = false;
    for (; at < len; at++) {
        quoted ^= csv && bytes[at] == '"';
        if (bytes[at] == '\n' && !quoted)
            return at + 1;
    }
    return len;
}

static int show_lines(struct samples *samples, char *bytes, size_t len, bool csv)
{
    struct text header = {NULL, 0};
    int status = EXIT_OK;
    for (size_t at = 0, next; at < len && status == EXIT_OK; at = next) {
        next = line_end(bytes, at, len, csv);
        size_t line = trim(bytes + at, next - at);
        if (csv && !header.ptr)
            header = (struct text){bytes + at, (uint32_t)line};
        else if (line > 0)
            status = show_sample(samples, bytes + at, line, header);
    }
    return status;
}

/* One JSON document over several lines rather than one a line: its first line does not close what it opens.
 */
static bool is_one_document(const char *bytes, size_t len)
{
    size_t first = trim(bytes, line_end(bytes, 0, len, false));
    while (first && (bytes[first - 1] == ' ' || bytes[first - 1] == '\t'))
        first--;
    return first > 0 && bytes[0] == '{' && bytes[first - 1] != '}';
}

static int show_all(struct samples *samples, bool csv)
{
    struct strbuf buf;
    struct err err = {0};
    size_t len = 0;
    strbuf_init(&buf, SAMPLE_BYTES_MAX);
    if (whole_file_read(samples->options->sample_path, &buf, &err) != 0) {
        strbuf_release(&buf);
        return cli_fail(command, EXIT_FAILURE, "%s", err.message);
    }
    char *bytes = strbuf_detach(&buf, &len);
    if (!bytes)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    /* A UTF-8 byte-order mark is not part of the first event. */
    size_t skip = len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    int status;
    if (!csv && is_one_document(bytes + skip, len - skip))
        status = show_sample(samples, bytes + skip, trim(bytes + skip, len - skip), (struct text){NULL, 0});
    else
        status = show_lines(samples, bytes + skip, len - skip, csv);
    free(bytes);
    if (status != EXIT_OK)
        return status;
    (void)printf("%u events, %u rejected\n", samples->count, samples->rejected);
    return samples->rejected || samples->count == 0 ? EXIT_FAILURE : EXIT_OK;
}

/* ---- the command ---- */

static int test_input(const struct config *config, const struct input_config *input,
                      const struct map_options *options)
{
    struct mapping_spec spec = {0};
    struct mapping *mapping = NULL;
    struct decoder *decoder = NULL;
    struct err err = {0};
    if (input)
        spec = input->mapping; /* borrowed: the configuration owns its strings */
    /* Samples on disk have no framing. */
    if (spec.format == INPUT_CONFLUENT_JSON)
        spec.format = INPUT_JSON;
    if (options->csv)
        spec.format = INPUT_CSV;
    int status = EXIT_CONFIGURATION;
    if (mapping_compile(&mapping, &spec, input ? input->name : "canonical event", &err) != 0) {
        (void)cli_fail(command, status, "%s", err.message);
    } else if (decoder_new(&decoder, mapping, &config->limits.decode) != 0) {
        status = cli_fail(command, EXIT_FAILURE, "out of memory");
    } else {
        struct samples samples = {.decoder = decoder, .options = options};
        samples.record.topic = text_of(input ? input->topic : NULL);
        samples.record.key = text_of(options->key);
        samples.record.headers = options->headers;
        samples.record.header_count = options->header_count;
        /* Records of a topic have a timestamp of their own; lines of a file have none. */
        samples.record.ts_ms = input && input->topic ? clock_system.wall_ms(&clock_system) : INT64_MIN;
        status = show_all(&samples, spec.format == INPUT_CSV);
    }
    decoder_free(decoder);
    mapping_free(mapping);
    return status;
}

static int map_test(int argc, char **argv)
{
    struct map_options options = {.csv = false};
    struct config *config;
    const struct input_config *input;
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    status = cli_load_config(command, options.config_path, &config);
    if (status != EXIT_OK)
        return status;
    status = cli_find_input(command, config, options.input_name, INPUT_ONLY, &input);
    if (status == EXIT_OK)
        status = test_input(config, input, &options);
    config_free(config);
    return status;
}

int command_map(int argc, char **argv)
{
    static const char *const actions[] = {"test", NULL};
    if (argc > 1 && cli_is_help(argv[1]))
        return map_test(argc, argv);
    if (cli_choose("map", "action", argc > 1 ? argv[1] : NULL, actions) < 0)
        return EXIT_USAGE;
    return map_test(argc - 1, argv + 1);
}
