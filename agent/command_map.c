/* `driftd map test`: shows, for sample events, what each field resolves to and why an event would be refused.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "collectors/decode.h"

enum { HEADERS_MAX = 32, OUTPUT_BYTES_MAX = 16 << 20 };

struct map_options {
    const char *config_path, *input_name, *sample_path;
    bool csv;
    struct text key;
    struct record_header headers[HEADERS_MAX];
    uint32_t header_count;
};

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd map test [-c FILE] [--input NAME] [--csv] [--key TEXT] [--header NAME=VALUE] "
        "[FILE|-]\n\n"
        "Reads sample events, one a line (or one JSON document over several lines), from FILE or standard\n"
        "input, and prints what every field resolved to and where it was found, or why the event would be\n"
        "rejected. Exit status 1 when any was rejected.\n\n"
        "  -c, --config FILE       configuration with the input's mapping; without it the canonical event\n"
        "  -i, --input NAME        which input, when the configuration has several\n"
        "      --csv               the samples are CSV with a header line (implied by `format: csv`)\n"
        "      --key TEXT          the records' key\n"
        "      --header NAME=VALUE a header of the records; repeatable\n",
        out);
}

static int usage_error(const char *what, const char *value)
{
    (void)fprintf(stderr, "driftd map test: %s%s; `driftd map test --help` explains\n", what, value);
    return EXIT_USAGE;
}

static int add_header(struct map_options *options, char *text)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return usage_error("--header wants NAME=VALUE, not ", text);
    if (options->header_count == HEADERS_MAX)
        return usage_error("too many headers", "");
    options->headers[options->header_count++] =
        (struct record_header){{text, (uint32_t)(equals - text)}, text_of(equals + 1)};
    return EXIT_OK;
}

/* EXIT_OK, a status to return, or -1 after --help. */
static int parse_options(int argc, char **argv, struct map_options *options)
{
    enum { OPTION_CSV = 256, OPTION_KEY, OPTION_HEADER };
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},
        {"input", required_argument, NULL, 'i'},
        {"csv", no_argument, NULL, OPTION_CSV},
        {"key", required_argument, NULL, OPTION_KEY},
        {"help", no_argument, NULL, 'h'},
        {"header", required_argument, NULL, OPTION_HEADER},
        {NULL, 0, NULL, 0},
    };
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:i:h", longs, NULL)) != -1;) {
        int status = EXIT_OK;
        if (option == 'c')
            options->config_path = optarg;
        else if (option == 'i')
            options->input_name = optarg;
        else if (option == OPTION_CSV)
            options->csv = true;
        else if (option == OPTION_KEY)
            options->key = text_of(optarg);
        else if (option == OPTION_HEADER)
            status = add_header(options, optarg);
        else if (option == 'h') {
            usage(stdout);
            return -1;
        } else
            return EXIT_USAGE; /* getopt has said what */
        if (status != EXIT_OK)
            return status;
    }
    if (argc - optind > 1)
        return usage_error("one file of samples at a time, not also ", argv[optind + 1]);
    options->sample_path = optind < argc ? argv[optind] : "-";
    return EXIT_OK;
}

/* The input to test; NULL with *status 0 when the configuration has none (then the canonical event). */
static const struct input_config *choose_input(const struct config *config, const char *name, int *status)
{
    *status = EXIT_OK;
    for (uint32_t i = 0; name && i < config->input_count; i++)
        if (strcmp(config->inputs[i].name, name) == 0)
            return &config->inputs[i];
    if (!name && config->input_count == 1)
        return &config->inputs[0];
    if (!name && config->input_count == 0)
        return NULL;
    (void)fprintf(stderr, "driftd map test: %s%s%s; the configuration has:",
                  name ? "no input `" : "which input? say --input NAME", name ? name : "", name ? "`" : "");
    for (uint32_t i = 0; i < config->input_count; i++)
        (void)fprintf(stderr, " %s", config->inputs[i].name);
    (void)fputc('\n', stderr);
    *status = EXIT_USAGE;
    return NULL;
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
        (void)fputs("driftd map test: out of memory\n", stderr);
    return failed ? EXIT_FAILURE : EXIT_OK;
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

static char *read_all(const char *path, size_t *out_len)
{
    enum { SAMPLE_BYTES_MAX = 64 << 20 };
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    struct strbuf buf;
    char block[65536];
    size_t got;
    strbuf_init(&buf, SAMPLE_BYTES_MAX);
    while (file && (got = fread(block, 1, sizeof(block), file)) > 0)
        strbuf_add(&buf, block, got);
    bool failed = !file || ferror(file);
    if (failed)
        (void)fprintf(stderr, "driftd map test: %s: %s\n", path, strerror(errno));
    else if (strbuf_failed(&buf))
        (void)fprintf(stderr, "driftd map test: %s: more than 64 MiB of samples; give a part of it\n", path);
    if (file && file != stdin)
        (void)fclose(file);
    char *bytes = failed ? NULL : strbuf_detach(&buf, out_len);
    strbuf_release(&buf);
    return bytes;
}

static int show_all(struct samples *samples, bool csv)
{
    size_t len = 0;
    char *bytes = read_all(samples->options->sample_path, &len);
    if (!bytes)
        return EXIT_FAILURE;
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
        (void)fprintf(stderr, "driftd map test: %s\n", err.message);
    } else if (decoder_new(&decoder, mapping, &config->limits.decode) != 0) {
        (void)fputs("driftd map test: out of memory\n", stderr);
        status = EXIT_FAILURE;
    } else {
        struct samples samples = {.decoder = decoder, .options = options};
        samples.record.topic = text_of(input ? input->topic : NULL);
        samples.record.key = options->key;
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
    struct map_options options = {0};
    struct config *config = NULL;
    struct strbuf messages;
    int status = parse_options(argc, argv, &options);
    if (status != EXIT_OK)
        return status < 0 ? EXIT_OK : status;
    strbuf_init(&messages, 1 << 20);
    int result =
        options.config_path ? config_load(&config, options.config_path, &messages) : config_default(&config);
    if (result != 0) {
        (void)fprintf(stderr, "%s", messages.len ? messages.bytes : "driftd map test: no configuration\n");
        status = EXIT_CONFIGURATION;
    } else {
        const struct input_config *input = choose_input(config, options.input_name, &status);
        if (status == EXIT_OK)
            status = test_input(config, input, &options);
    }
    config_free(config);
    strbuf_release(&messages);
    return status;
}

int command_map(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "test") != 0)
        return usage_error("`map` has only `test`, not ", argv[1]);
    return map_test(argc - 1, argv + 1);
}
