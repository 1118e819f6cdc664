/* driftd audit: is the log of who changed what still the one that was written? */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cli_store.h"
#include "agent/commands.h"
#include "agent/store_admin.h"

static const char command[] = "audit";
enum { OPTION_STORE = 256, OPTION_EXPECT, OPTION_JSON };

static void usage(FILE *out)
{
    (void)fputs(
        "usage: driftd audit verify (--store PATH | -c FILE) [--expect SEQ:HASH]\n"
        "       driftd audit list   (--store PATH | -c FILE) [--json]\n\n"
        "verify walks the hash chain of the audit log and prints its head as SEQ:HASH. A chain alone cannot\n"
        "show that its end was cut off or that all of it was rewritten: compare with a head that was kept\n"
        "elsewhere (the agent logs one whenever it adds an entry). Status 1 when something does not fit.\n\n"
        "      --expect SEQ:HASH  entry SEQ must be there and have this hash\n"
        "      --json             list for machines\n"
        "      --store PATH       the store\n"
        "  -c, --config FILE      the configuration that names the store\n"
        "  -h, --help             this text\n",
        out);
}

struct audit_options {
    const char *store, *config, *action, *expect_hash;
    int64_t expect_seq;
    bool json;
};

static bool parse_expectation(const char *text, struct audit_options *options)
{
    char *colon;
    long long seq = strtoll(text, &colon, 10);
    options->expect_seq = seq;
    options->expect_hash = colon + 1;
    return seq > 0 && *colon == ':' && strlen(colon + 1) == 64;
}

/* −1: go on; else an exit status. */
static int parse(int argc, char **argv, struct audit_options *options)
{
    static const struct option long_options[] = {
        {"store", required_argument, NULL, OPTION_STORE},
        {"config", required_argument, NULL, 'c'},
        {"expect", required_argument, NULL, OPTION_EXPECT},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
        if (option == OPTION_STORE) {
            options->store = optarg;
        } else if (option == 'c') {
            options->config = optarg;
        } else if (option == OPTION_JSON) {
            options->json = true;
        } else if (option == 'h') {
            usage(stdout);
            return EXIT_OK;
        } else if (option != OPTION_EXPECT) {
            return EXIT_USAGE;
        } else if (!parse_expectation(optarg, options)) {
            return cli_fail(command, EXIT_USAGE, "--expect wants SEQ:HASH as `audit verify` prints it");
        }
    }
    options->action = optind + 1 == argc ? argv[optind] : "";
    if (strcmp(options->action, "verify") == 0 || strcmp(options->action, "list") == 0)
        return -1;
    usage(stderr);
    return EXIT_USAGE;
}

static int list(const struct audit_options *options)
{
    struct reader *reader;
    int status = cli_open_reader(command, options->store, options->config, &reader);
    if (status != EXIT_OK)
        return status;
    status =
        cli_print(command, reader,
                  options->json ? "SELECT * FROM v1_audit"
                                : "SELECT seq, ts, actor, action, subject, details FROM v1_audit",
                  NULL, " ORDER BY seq", 0, options->json ? OUTPUT_JSON : OUTPUT_TABLE, "no entries", NULL);
    reader_close(reader);
    return status;
}

int command_audit(int argc, char **argv)
{
    struct audit_options options = {.expect_seq = 0};
    int status = parse(argc, argv, &options);
    if (status >= 0)
        return status;
    if (strcmp(options.action, "list") == 0)
        return list(&options);
    char path[CLI_PATH_BYTES];
    status = cli_store_path(command, options.store, options.config, path);
    if (status != EXIT_OK)
        return status;
    struct err err = {0, ""};
    struct audit_summary summary;
    int rc = store_verify_audit(path, options.expect_seq, options.expect_hash, &summary, &err);
    if (rc != 0)
        return cli_fail(command, err_exit_status(rc), "%s", err.message);
    (void)printf("%" PRId64 " entries, the chain is whole, head %" PRId64 ":%s\n", summary.entries,
                 summary.entries, summary.head);
    return EXIT_OK;
}
