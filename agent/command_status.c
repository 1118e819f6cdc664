/* driftd status: one page about a store. */
#include <inttypes.h>
#include <stdio.h>

#include "agent/base/clock.h"
#include "agent/base/timestamp.h"
#include "agent/cli_store.h"
#include "agent/commands.h"

static const char command[] = "status";

static const char help[] =
    "usage: driftd status [--json] [--store PATH | -c FILE]\n\n"
    "What the store holds: inputs and how far they are read, fates of events, models, references,\n"
    "open alerts, deliveries. Works while the agent runs and after it stopped.\n\n"
    "      --json          an object with one array per section, for machines\n"
    "  -s, --store PATH    the store (default: the configuration's, else driftd.db)\n"
    "  -c, --config FILE   the configuration that names the store\n"
    "  -h, --help          this text\n";

struct section {
    const char *name, *title; /* title NULL: only in JSON */
    const char *sql, *none;
};

static const struct section sections[] = {
    {"pipeline", NULL, "SELECT p.*, m.schema, m.store FROM v1_pipelines p, v1_meta m", NULL},
    {"inputs", "inputs",
     "SELECT topic, partition, next_offset, lag, records, data_clock, label_clock, behind_s, finished FROM "
     "v1_lag"
     " ORDER BY topic, partition",
     "no input was read yet"},
    {"events", "events", "SELECT topic, fate, reason, total FROM v1_events ORDER BY topic, fate, reason",
     "no event was counted yet"},
    {"models", "models",
     "SELECT model, version, count(DISTINCT segment) AS segments, count(DISTINCT feature) AS features,"
     " max(window_end) AS last_window_end, max(n) AS most_events, sum(state = 'warning') AS warnings,"
     " sum(state = 'critical') AS criticals, max(incomplete) AS incomplete, max(capped) AS capped"
     " FROM v1_latest GROUP BY model, version ORDER BY model, version",
     "no window was closed yet"},
    {"labels", "labels",
     "SELECT model, state, waiting, joined, duplicates, changed, orphans, unlabelled, refused FROM v1_labels"
     " ORDER BY model",
     "no prediction waited for a label yet"},
    {"references", "references",
     "SELECT reference, model, version, rows, source, substr(reference_hash, 1, 12) AS hash,"
     " strftime('%Y-%m-%dT%H:%M:%SZ', effective_from_s, 'unixepoch') AS effective_from FROM v1_baselines"
     " ORDER BY model, version, created_s",
     "no references"},
    {"alerts", "open alerts",
     "SELECT state, severity, model, version, segment, feature, metric, value, threshold, since, rule"
     " FROM v1_alerts WHERE open ORDER BY severity, since_s, model, feature",
     "no open alerts"},
    {"deliveries", "deliveries",
     "SELECT sink, state, count(*) AS items, max(attempts) AS most_attempts, max(error) AS an_error"
     " FROM v1_outbox GROUP BY sink, state ORDER BY sink, state",
     "nothing was to be delivered yet"},
};

static void print_head(struct reader *reader, const char *path)
{
    char pipeline[256] = "?", version[64] = "?", config[80] = "", holder[32] = "", when[32] = "never",
         ago[48];
    int64_t committed_s = 0;
    (void)!reader_string(reader, "SELECT pipeline FROM v1_meta", pipeline, sizeof(pipeline));
    (void)!reader_string(reader, "SELECT app_version FROM v1_meta", version, sizeof(version));
    (void)!reader_string(reader, "SELECT substr(config_hash, 1, 12) FROM v1_meta", config, sizeof(config));
    bool running = reader_store_holder(path, holder, sizeof(holder));
    (void)printf("store         %s, schema %" PRId64 ", written by driftd %s\n", path, reader_schema(reader),
                 version);
    (void)printf("pipeline      %s%s%s\n", pipeline, config[0] ? ", configuration " : "", config);
    (void)printf("agent         %s%s\n", running ? "running as process " : "not running", holder);
    if (reader_integer(reader, "SELECT committed_s FROM v1_pipelines", &committed_s) != 0) {
        (void)puts("last commit   never");
        return;
    }
    int64_t age_ms = clock_system.wall_ms(&clock_system) - committed_s * 1000;
    age_ms = age_ms < 0 ? 0 : age_ms - age_ms % 1000;
    (void)printf("last commit   %s, %s ago\n", timestamp_format(committed_s * 1000, when),
                 duration_format(age_ms, ago));
}

static int print_sections(struct reader *reader, enum output_format format)
{
    int status = EXIT_OK;
    const char *comma = "{";
    for (size_t i = 0; i < ARRAY_LEN(sections) && status == EXIT_OK; i++) {
        const struct section *section = &sections[i];
        if (format == OUTPUT_JSON)
            (void)printf("%s\"%s\": ", comma, section->name);
        else if (section->title)
            (void)printf("\n%s\n", section->title);
        else
            continue;
        comma = ",";
        status =
            cli_print(command, reader,
                      &(struct cli_query){.select = section->sql, .format = format, .none = section->none});
    }
    if (format == OUTPUT_JSON && status == EXIT_OK)
        (void)puts("}");
    return status;
}

int command_status(int argc, char **argv)
{
    struct cli_source source = {NULL, NULL};
    enum output_format format = OUTPUT_TABLE;
    const struct cli_option rows[] = {CLI_SOURCE_OPTIONS(source), {.name = "json", .json = &format}};
    char path[CLI_PATH_BYTES];
    struct reader *reader;
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows)};
    int status = cli_parse(&words, argc, argv, NULL);
    if (status != CLI_GO_ON)
        return status;
    status = cli_store_path(command, &source, path);
    if (status == EXIT_OK)
        status = cli_open_path(command, path, &reader);
    if (status != EXIT_OK)
        return status;
    if (format == OUTPUT_TABLE)
        print_head(reader, path);
    status = print_sections(reader, format);
    reader_close(reader);
    return status;
}
