/* Entry point: finds the subcommand and hands over. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/resident.h"
#include "agent/base/text.h"
#include "agent/cli_options.h"
#include "agent/commands.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int command_version(int argc, char **argv)
{
    const struct cli_command words = {.name = "version", .help = "usage: driftd version\n"};
    int status = cli_parse(&words, argc, argv, NULL);
    if (status != CLI_GO_ON)
        return status;
    printf("driftd %s\n", DRIFTD_VERSION);
    return EXIT_OK;
}

static const struct command commands[] = {
    {"run", command_run, "monitor models: Kafka in, statistics in windows, alerts out"},
    {"replay", command_replay, "the same from files, at full speed"},
    {"demo", command_demo, "see it work: needs no server"},
    {"check", command_check, "check a configuration and say what it would run"},
    {"map", command_map, "see what the fields of sample events resolve to (map test)"},
    {"reference", command_reference, "build, list and show references"},
    {"results", command_results, "list window results"},
    {"explain", command_explain, "where a drift comes from: features, bins, segments"},
    {"compare", command_compare, "compare a stretch of history with a reference or another stretch"},
    {"status", command_status, "what a store holds: lag, counters, models, alerts"},
    {"alerts", command_alerts, "list alerts"},
    {"outbox", command_outbox, "list, retry or drop webhook deliveries"},
    {"audit", command_audit, "verify and list the audit log"},
    {"store", command_store, "info, verify, backup, export, migrate"},
    {"version", command_version, "print the version"},
};

static int usage(FILE *out, int status)
{
    (void)fputs("usage: driftd COMMAND [OPTIONS]\n\ncommands:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void)fputs("\n`driftd COMMAND --help` explains each, as `driftd help COMMAND` does.\n", out);
    return status;
}

static int unknown_command(const char *name)
{
    const char *names[ARRAY_LEN(commands) + 2];
    size_t count = 0;
    for (; count < ARRAY_LEN(commands); count++)
        names[count] = commands[count].name;
    names[count++] = "help";
    names[count] = NULL;
    const char *guess = text_suggest(name, names);
    (void)fprintf(stderr, "driftd: there is no command `%s`", name);
    if (guess)
        (void)fprintf(stderr, " (did you mean `%s`?)", guess);
    (void)fputs("; see `driftd --help`\n", stderr);
    return EXIT_USAGE;
}

static int run_command(const char *name, int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc, argv);
    return unknown_command(name);
}

int main(int argc, char **argv)
{
    char version[] = "version", help[] = "--help";
    /* Numbers are read and written in the C locale, whatever the environment says. */
    (void)setlocale(LC_ALL, "C");
    resident_limit_heaps(1); /* a check of the configuration already starts and ends threads */
    if (argc < 2)
        return usage(stderr, EXIT_USAGE);
    char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = version;
    bool asks = cli_is_help(name) || strcmp(name, "help") == 0;
    if (asks && argc == 2)
        return usage(stdout, EXIT_OK);
    if (asks)
        return run_command(argv[2], 2, (char *[]){argv[2], help, NULL});
    return run_command(name, argc - 1, argv + 1);
}
