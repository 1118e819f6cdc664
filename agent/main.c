/* Entry point: finds the subcommand and hands over. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/compiler.h"
#include "agent/commands.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("driftd %s\n", DRIFTD_VERSION);
    return EXIT_OK;
}

static const struct command commands[] = {
    {"check", command_check, "check a configuration and say what it would run"},
    {"run", command_run, "monitor models: Kafka in, statistics in windows, alerts out"},
    {"replay", command_replay, "the same from files, at full speed"},
    {"demo", command_demo, "see it work: needs no server"},
    {"check", command_check, "check a configuration"},
    {"map", command_map, "see what the fields of sample events resolve to (map test)"},
    {"reference", command_reference, "build, list and show references"},
    {"results", command_results, "list window results"},
    {"compare", command_compare, "compare a stretch of history with a reference or another stretch"},
    {"status", command_status, "what a store holds: lag, counters, models, alerts"},
    {"alerts", command_alerts, "list alerts"},
    {"outbox", command_outbox, "list, retry or drop webhook deliveries"},
    {"audit", command_audit, "verify the audit log"},
    {"store", command_store, "info, migrate, backup, export, verify"},
    {"version", command_version, "print the version"},
};

static void usage(FILE *out)
{
    (void)fputs("usage: driftd COMMAND [OPTIONS]\n\ncommands:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fputs("\n`driftd COMMAND --help` explains each.\n", out);
}

int main(int argc, char **argv)
{
    /* Numbers are read and written in the C locale, whatever the environment says. */
    (void)setlocale(LC_ALL, "C");
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_OK;
    }
    const char *name = strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 ? "version" : argv[1];
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    (void)fprintf(stderr, "driftd: unknown command `%s`; `driftd --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
