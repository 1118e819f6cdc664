/* driftd audit: is the log of who changed what still the one that was written? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "audit";

static const char help[] =
    "usage: driftd audit verify [--expect SEQ:HASH] [--store PATH | -c FILE]\n"
    "       driftd audit list   [--json | --csv] [--store PATH | -c FILE]\n\n"
    "verify walks the hash chain of the audit log and prints its head as SEQ:HASH. A chain alone cannot\n"
    "show that its end was cut off or that all of it was rewritten: compare with a head that was kept\n"
    "elsewhere (the agent logs one whenever it adds an entry). Status 1 when something does not fit.\n\n"
    "      --expect SEQ:HASH  entry SEQ must be there and have this hash\n"
    "      --json, --csv      list for machines\n"
    "  -s, --store PATH       the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE      the configuration that names the store\n"
    "  -h, --help             this text\n";

struct audit_options {
    struct cli_source source;
    const char *expect_hash;
    int64_t expect_seq;
    enum output_format format;
    bool list;
};

static int take_expectation(void *context, const char *text)
{
    struct audit_options *options = context;
    char *colon;
    options->expect_seq = strtoll(text, &colon, 10);
    options->expect_hash = colon + 1;
    if (options->expect_seq > 0 && *colon == ':' && strlen(colon + 1) == 64)
        return CLI_GO_ON;
    return cli_usage(command, "--expect: `%s` is not SEQ:HASH as `audit verify` prints it", text);
}

static int parse(int argc, char **argv, struct audit_options *options)
{
    static const char *const actions[] = {"verify", "list", NULL};
    const struct cli_option rows[] = {
        CLI_SOURCE_OPTIONS(options->source),
        {.name = "expect", .take = take_expectation, .context = options},
        CLI_FORMAT_OPTIONS(options->format),
    };
    struct cli_operands operands;
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows), .actions = actions};
    int status = cli_parse(&words, argc, argv, &operands);
    options->list = status == CLI_GO_ON && operands.action == 1;
    return status;
}

static int list(const struct audit_options *options)
{
    const struct cli_query query = {.select =
                                        options->format == OUTPUT_TABLE
                                            ? "SELECT seq, ts, actor, action, subject, details FROM v1_audit"
                                            : "SELECT * FROM v1_audit",
                                    .tail = " ORDER BY seq",
                                    .format = options->format,
                                    .none = "no entries"};
    return cli_print_source(command, &options->source, &query);
}

static int verify(const struct audit_options *options)
{
    char path[CLI_PATH_BYTES];
    struct err err = {0, ""};
    struct audit_summary summary;
    int status = cli_store_path(command, &options->source, path);
    if (status != EXIT_OK)
        return status;
    int rc = store_verify_audit(path, options->expect_seq, options->expect_hash, &summary, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    (void)printf("%" PRId64 " entries, the chain is whole, head %" PRId64 ":%s\n", summary.entries,
                 summary.entries, summary.head);
    return EXIT_OK;
}

int command_audit(int argc, char **argv)
{
    struct audit_options options = {.format = OUTPUT_TABLE};
    int status = parse(argc, argv, &options);
    if (status != CLI_GO_ON)
        return status;
    return options.list ? list(&options) : verify(&options);
}
