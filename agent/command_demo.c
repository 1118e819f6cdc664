/*
 * `driftd demo`: the main job on real data with nothing installed. Hosts a Kafka in this process, plays
 * 50,000 loan predictions with a real drift in their second half, receives its own webhook, and tells what
 * happens as it happens. The loans are the synthetic car loan set of NannyML (MIT; licence beside the data).
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/timestamp.h"
#include "agent/cli_options.h"
#include "agent/commands.h"
#include "agent/demo_cluster.h"
#include "agent/demo_receiver.h"
#include "agent/reference_build.h"
#include "agent/whole_file.h"
#include "collectors/file.h"

#ifndef DRIFTD_DATADIR
#define DRIFTD_DATADIR "/usr/local/share/driftd"
#endif

enum { PARTITIONS = 4, PATH_BYTES = 4096, FEATURES_SHOWN = 8, BAR_WIDTH = 34 };

static const char command[] = "demo";

static const char help[] =
    "usage: driftd demo [--dir DIR] [--data DIR]\n"
    "\n"
    "Shows the main job on real data; needs no server and no network. Hosts a Kafka cluster in this process, "
    "plays\n"
    "50,000 loan predictions through it, and receives its own signed webhook. Takes a few seconds.\n"
    "\n"
    "      --dir DIR    where the store goes (default: a new directory in the temporary directory)\n"
    "      --data DIR   where the car loan files are (default: installed with the program)\n"
    "  -h, --help       this text\n";

static const char topic[] = "loans";
static const char secret[] =
    "whsec_ZHJpZnRkLWRlbW8tc2VjcmV0LWtleS0wMDAx"; /* of this demo's own receiver, nobody else's */

static const char configuration[] =
    "api_version: 1\n"
    "pipeline: demo\n"
    "store: {path: \"%s/driftd.db\", commit_interval: 1s}\n"
    "kafka: {bootstrap.servers: \"%s\"}\n"
    "inputs: [{topic: loans}]\n"
    "time: {tiers: [2615760s], origin: 2018-10-30T18:00:00Z, lateness: 1h}\n"
    "windows: [{length: 2615760s, slide: 2615760s}]\n"
    "models:\n"
    "  - {name: car_loan, reference: {file: \"%s/car_loan.reference.json\"}, types: {categorical: "
    "[\"@prediction\"]}}\n"
    "rules:\n"
    "  - {name: psi, metric: psi, warning: 0.10, critical: 0.25}\n"
    "  - {name: ks, metric: ks, warning: 0.10, critical: 0.20, max_p: 0.001}\n"
    "sinks: [{name: me, url: \"http://127.0.0.1:%d/hook\", secrets: [%s], allow_http: true, allow_private: "
    "true}]\n"
    "max_alert_age: never\n"
    "log: {level: error}\n";

struct demo {
    char directory[PATH_BYTES], data[PATH_BYTES], program[PATH_BYTES];
    struct demo_cluster *cluster;
    struct demo_receiver *receiver;
    struct agent *agent;
    uint64_t produced;
    uint64_t windows_seen;
    uint32_t received, verified, firing;
    bool picture_shown, color;
};

/* ---- finding the data ---- */

static bool has_data(const char *directory)
{
    char path[PATH_BYTES];
    return snprintf(path, sizeof(path), "%s/car_loan_reference.csv.gz", directory) < (int)sizeof(path) &&
           access(path, R_OK) == 0;
}

/* Installed; beside the program; or in the source tree that it was built in. */
static int find_data(struct demo *demo, const char *wanted)
{
    char self[PATH_BYTES - 64];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    char candidates[4][PATH_BYTES];
    (void)snprintf(candidates[0], PATH_BYTES, "%s", wanted ? wanted : "");
    (void)snprintf(candidates[1], PATH_BYTES, "%s/../share/driftd/demo", self);
    (void)snprintf(candidates[2], PATH_BYTES, "%s/../../tests/data", self);
    (void)snprintf(candidates[3], PATH_BYTES, "%s/demo", DRIFTD_DATADIR);
    for (size_t i = wanted ? 0 : 1; i < (wanted ? 1 : ARRAY_LEN(candidates)); i++)
        if (has_data(candidates[i])) {
            memcpy(demo->data, candidates[i], sizeof(demo->data));
            return 0;
        }
    return cli_fail(command, -1,
                    "cannot find car_loan_reference.csv.gz; it is installed in PREFIX/share/driftd/demo, and "
                    "--data DIR says where else to look");
}

/* How a reader of the story calls this program: by its name when that finds it, else by its path. */
static void find_program(struct demo *demo)
{
    char self[PATH_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[len > 0 ? len : 0] = '\0';
    bool installed = strcmp(self, "/usr/bin/driftd") == 0 || strcmp(self, "/usr/local/bin/driftd") == 0;
    char here[PATH_BYTES];
    size_t here_len = getcwd(here, sizeof(here)) ? strlen(here) : 0;
    bool below = here_len && strncmp(self, here, here_len) == 0 && self[here_len] == '/';
    (void)snprintf(demo->program, sizeof(demo->program), "%s",
                   installed || !*self ? "driftd"
                   : below             ? self + here_len + 1
                                       : self);
}

static int make_directory(struct demo *demo, const char *wanted)
{
    if (wanted) {
        (void)snprintf(demo->directory, sizeof(demo->directory), "%s", wanted);
        if (mkdir(wanted, 0750) == 0 || errno == EEXIST) {
            char store[PATH_BYTES + 16];
            (void)snprintf(store, sizeof(store), "%s/driftd.db", wanted);
            if (access(store, F_OK) != 0)
                return 0;
            return cli_fail(command, -1, "%s is there already; give a new --dir", store);
        }
    } else {
        const char *base = getenv("TMPDIR");
        (void)snprintf(demo->directory, sizeof(demo->directory), "%s/driftd-demo-XXXXXX",
                       base && *base ? base : "/tmp");
        if (mkdtemp(demo->directory))
            return 0;
    }
    return cli_fail(command, -1, "cannot make %s: %s", demo->directory, strerror(errno));
}

/* ---- playing the loans ---- */

struct player {
    struct demo *demo;
    struct decoder *decoder;
    struct strbuf json;
    bool finished;
    int failure;
    struct err err;
};

static void write_value(struct json *json, const struct value *value)
{
    if (value->type == VALUE_NUMBER)
        json_raw(json, value->text.ptr, value->text.len);
    else if (value->type == VALUE_NULL)
        json_null(json);
    else
        json_text(json, value->text);
}

/* A row becomes the event that a model server would have sent. */
static void write_event(struct strbuf *out, const struct event *ev, const char *id)
{
    struct json json;
    char ts[32];
    json_init(&json, out);
    json_object_begin(&json);
    json_member_string(&json, "type", "prediction");
    json_member_string(&json, "model", "car_loan");
    json_member_string(&json, "version", "1");
    json_member_string(&json, "id", id);
    json_member_string(&json, "ts", timestamp_format(ev->ts_ms, ts));
    json_key(&json, "features");
    json_object_begin(&json);
    for (uint32_t i = 0; i < ev->features.count; i++) {
        json_key_text(&json, ev->features.items[i].name);
        write_value(&json, &ev->features.items[i].value);
    }
    json_object_end(&json);
    json_key(&json, "score");
    write_value(&json, &ev->score);
    json_key(&json, "prediction");
    write_value(&json, &ev->prediction);
    json_object_end(&json);
}

static enum source_verdict play_row(void *context, uint32_t slot, const struct record *record)
{
    (void)slot;
    struct player *player = context;
    struct event ev;
    char id[32];
    enum reject reject = decoder_decode(player->decoder, record, &ev);
    if (player->failure)
        return SOURCE_TAKEN;
    if (reject != REJECT_NONE) {
        player->failure = err_set(&player->err, ERR_INVALID, "the demo's data are damaged: %s",
                                  decoder_detail(player->decoder));
        return SOURCE_TAKEN;
    }
    (void)snprintf(id, sizeof(id), "loan-%06" PRIu64, player->demo->produced);
    strbuf_reset(&player->json);
    write_event(&player->json, &ev, id);
    player->failure = demo_cluster_produce(player->demo->cluster, id, player->json.bytes, player->json.len,
                                           ev.ts_ms, &player->err);
    player->demo->produced++;
    return SOURCE_TAKEN;
}

static void play_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    (void)slot;
    struct player *player = context;
    if (signal == SIGNAL_FINISHED)
        player->finished = true;
    else if (signal == SIGNAL_FAILED)
        player->failure =
            err_set(&player->err, ERR_IO, "%s", detail ? detail : "cannot read the demo's data");
}

static char pointer_time[] = "/timestamp", pointer_score[] = "/y_pred_proba",
            pointer_prediction[] = "/y_pred", pointer_label[] = "/repaid", pointer_root[] = "",
            constant_model[] = "car_loan";

static int row_mapping(struct mapping **out, struct err *err)
{
    struct mapping_spec spec = {.format = INPUT_CSV, .has_kind = true, .kind = EVENT_PREDICTION};
    spec.time = (struct field_spec){{{ACCESS_POINTER, pointer_time}}, 1};
    spec.score = (struct field_spec){{{ACCESS_POINTER, pointer_score}}, 1};
    spec.prediction = (struct field_spec){{{ACCESS_POINTER, pointer_prediction}}, 1};
    spec.label = (struct field_spec){{{ACCESS_POINTER, pointer_label}}, 1};
    spec.model = (struct field_spec){{{ACCESS_CONST, constant_model}}, 1};
    spec.features.set = true;
    spec.features.object = pointer_root;
    return mapping_compile(out, &spec, "demo", err);
}

static int play(struct demo *demo, struct err *err)
{
    struct player player = {.demo = demo};
    struct mapping *mapping = NULL;
    struct source *source = file_source_new(65536);
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/car_loan_analysis.csv.gz", demo->data);
    strbuf_init(&player.json, 65536);
    int code = source ? row_mapping(&mapping, err) : err_set(err, ERR_NOMEM, "no memory");
    if (code == 0 && decoder_new(&player.decoder, mapping, NULL) != 0)
        code = err_set(err, ERR_NOMEM, "no memory");
    struct source_slot slot = {
        .topic = path, .offset = OFFSET_BEGINNING, .end_offset = INT64_MAX, .csv = true};
    if (code == 0)
        code = source_add(source, &slot, err);
    struct source_sink sink = {play_row, play_signal, &player};
    while (code == 0 && !player.finished && !player.failure) {
        int got = source_poll(source, 100, 4096, &sink, err);
        code = got < 0 ? got : 0;
    }
    if (code == 0 && player.failure)
        code = err_set(err, player.failure, "%s", player.err.message);
    if (code == 0)
        code = demo_cluster_flush(demo->cluster, 20000, err);
    source_free(source);
    decoder_free(player.decoder);
    mapping_free(mapping);
    strbuf_release(&player.json);
    return code;
}

/* ---- the reference ---- */

static int build_reference(const struct demo *demo, struct err *err)
{
    char path[PATH_BYTES + 64], out_path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof(path), "%s/car_loan_reference.csv.gz", demo->data);
    (void)snprintf(out_path, sizeof(out_path), "%s/car_loan.reference.json", demo->directory);
    const char *files[] = {path};
    static const char *const categorical[] = {"@prediction", NULL};
    struct reference_build build = {.files = files,
                                    .file_count = 1,
                                    .csv = true,
                                    .name = "car_loan-2018",
                                    .model = "car_loan",
                                    .time_column = "timestamp",
                                    .score_column = "y_pred_proba",
                                    .prediction_column = "y_pred",
                                    .label_column = "repaid",
                                    .categorical = categorical};
    struct reference *reference = NULL;
    struct reference_build_counts counts;
    struct strbuf json;
    strbuf_init(&json, 64 << 20);
    int code = reference_build(&build, &reference, &counts, err);
    if (code == 0)
        code = reference_write(reference, &json);
    if (code == 0)
        code = whole_file_write(out_path, &json, err);
    if (code == 0)
        printf("1. Reference: %" PRIu64
               " loans of January to October 2018, %u features incl. score and prediction.\n"
               "   Frozen as %s (hash %.12s).\n",
               counts.events, reference->grid->feature_count, out_path, reference->hash);
    strbuf_release(&json);
    reference_free(reference);
    return code;
}

/* ---- the webhook arrives ---- */

static const char *member(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value ? value : "";
}

static void bar(double share, double full, const char *glyph)
{
    int cells = full > 0 ? (int)(share / full * BAR_WIDTH + 0.5) : 0;
    for (int i = 0; i < cells && i < BAR_WIDTH; i++)
        (void)fputs(glyph, stdout);
    for (int i = cells; i < BAR_WIDTH; i++)
        (void)putchar(' ');
}

/* Reference and current distribution of one feature, bin by bin. */
static void draw(const struct demo *demo, const cJSON *bins, const char *feature)
{
    double full = 0;
    const cJSON *bin;
    cJSON_ArrayForEach(bin, bins)
    {
        full = fmax(full, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(bin, "reference_share")));
        full = fmax(full, cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(bin, "share")));
    }
    printf("\n   %s, reference and now:\n", feature);
    cJSON_ArrayForEach(bin, bins)
    {
        double reference = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(bin, "reference_share"));
        double share = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(bin, "share"));
        if (reference == 0 && share == 0)
            continue;
        printf("   %22s  %5.1f%% ", member(bin, "bin"), 100 * reference);
        bar(reference, full, "░");
        printf("\n   %22s  %5.1f%% ", "", 100 * share);
        (void)fputs(demo->color ? "\033[33m" : "", stdout);
        bar(share, full, "█");
        (void)fputs(demo->color ? "\033[0m" : "", stdout);
        (void)putchar('\n');
    }
}

static void draw_feature(struct demo *demo, const char *feature)
{
    struct strbuf json;
    strbuf_init(&json, 1 << 20);
    if (!demo->picture_shown && engine_picture(agent_engine(demo->agent), "car_loan", feature, &json) == 0) {
        cJSON *bins = cJSON_ParseWithLength(json.bytes, json.len);
        if (bins)
            draw(demo, bins, feature);
        demo->picture_shown = bins != NULL;
        cJSON_Delete(bins);
    }
    strbuf_release(&json);
}

static void on_progress(void *context, struct agent *agent);

static void on_webhook(void *context, const char *id, bool valid, const char *body, size_t len)
{
    struct demo *demo = context;
    on_progress(demo, demo->agent); /* what was read until then comes first in the story */
    demo->received++;
    demo->verified += valid;
    cJSON *root = cJSON_ParseWithLength(body, len);
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");
    const cJSON *alerts = cJSON_GetObjectItemCaseSensitive(data, "alerts");
    bool firing = strcmp(member(root, "type"), "driftd.alert.firing") == 0;
    demo->firing += firing;
    printf("\n   %swebhook%s %.12s… at window end %s, signature %s\n", demo->color ? "\033[1m" : "",
           demo->color ? "\033[0m" : "", id, member(root, "timestamp"), valid ? "verified" : "WRONG");
    printf("   %s\n", member(data, "summary"));
    const cJSON *alert;
    int shown = 0;
    cJSON_ArrayForEach(alert, alerts)
    {
        if (shown++ == FEATURES_SHOWN)
            break;
        double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(alert, "value"));
        double threshold = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(alert, "threshold"));
        printf("     %-9s %-24s %s %.3f (threshold %.3f)\n", member(alert, "severity"),
               member(alert, "feature"), member(alert, "metric"), value, threshold);
    }
    if (firing && alerts && cJSON_GetArraySize(alerts) > 0)
        draw_feature(demo, member(cJSON_GetArrayItem(alerts, 0), "feature"));
    cJSON_Delete(root);
    (void)fflush(stdout);
}

/* ---- the run ---- */

static void on_progress(void *context, struct agent *agent)
{
    struct demo *demo = context;
    struct engine_stats stats;
    engine_get_stats(agent_engine(agent), &stats);
    if (stats.windows_closed == demo->windows_seen)
        return;
    demo->windows_seen = stats.windows_closed;
    char until[32];
    printf("   %6" PRIu64 " events read, %2" PRIu64 " windows of 30 days closed, the last one at %s\n",
           stats.records, stats.windows_closed, timestamp_format(stats.closed_until_ms, until));
    (void)fflush(stdout);
}

static int run_agent(struct demo *demo, const struct config *config, struct log *log, struct err *err)
{
    struct agent_settings settings = {.config = config,
                                      .clock = &clock_system,
                                      .log = log,
                                      .until_end = true,
                                      .progress = on_progress,
                                      .context = demo};
    int code = agent_new(&demo->agent, &settings, err);
    if (code == 0)
        code = demo_receiver_attach(demo->receiver, agent_event_base(demo->agent), err);
    if (code == 0)
        code = agent_run(demo->agent, err);
    if (code == 0) {
        struct engine_stats stats;
        engine_get_stats(agent_engine(demo->agent), &stats);
        if (stats.windows_closed != demo->windows_seen)
            on_progress(demo, demo->agent);
        if (stats.records != demo->produced)
            code = err_set(err, ERR_IO, "%" PRIu64 " events were produced but %" PRIu64 " read",
                           demo->produced, stats.records);
    }
    return code;
}

static int write_configuration(const struct demo *demo, struct strbuf *yaml, char *path, size_t path_size,
                               struct err *err)
{
    strbuf_addf(yaml, configuration, demo->directory, demo_cluster_brokers(demo->cluster), demo->directory,
                demo_receiver_port(demo->receiver), secret);
    (void)snprintf(path, path_size, "%s/demo.yaml", demo->directory);
    return whole_file_write(path, yaml, err);
}

static int tell(struct demo *demo, struct err *err)
{
    struct config *config = NULL;
    struct strbuf yaml, messages;
    char path[PATH_BYTES + 32];
    strbuf_init(&yaml, 65536);
    strbuf_init(&messages, 65536);
    int code = build_reference(demo, err);
    if (code == 0)
        code = demo_cluster_new(&demo->cluster, topic, PARTITIONS, err);
    if (code == 0)
        code = demo_receiver_new(&demo->receiver, secret, on_webhook, demo, err);
    if (code == 0)
        code = play(demo, err);
    if (code == 0) {
        printf("2. Kafka: %" PRIu64
               " loan predictions of the ten months after that, in %d partitions of topic `%s`\n"
               "   (a mock cluster inside this process, at %s; real brokers work the same way).\n",
               demo->produced, PARTITIONS, topic, demo_cluster_brokers(demo->cluster));
        code = write_configuration(demo, &yaml, path, sizeof(path), err);
    }
    if (code == 0 && config_parse(&config, yaml.bytes, yaml.len, path, &messages) != 0)
        code = err_set(err, ERR_CONFIG, "the demo's own configuration is wrong:\n%s", messages.bytes);
    if (code == 0) {
        printf("3. driftd reads them as `driftd run -c %s` would:\n", path);
        (void)fflush(stdout);
        struct log *log = log_new(STDERR_FILENO, config->log_level, config->log_format);
        code = run_agent(demo, config, log, err);
        demo_receiver_free(demo->receiver);
        demo->receiver = NULL;
        agent_free(demo->agent);
        demo->agent = NULL;
        log_free(log);
    }
    config_free(config);
    strbuf_release(&yaml);
    strbuf_release(&messages);
    return code;
}

static void epilogue(const struct demo *demo)
{
    printf("\n4. %u webhook%s received, %u with a valid signature, %u about drift.\n", demo->received,
           demo->received == 1 ? "" : "s", demo->verified, demo->firing);
    printf("\nThe store is an SQLite file with stable views: %s/driftd.db\n"
           "Try:\n"
           "  %s results --store %s/driftd.db --feature car_value --metric psi\n"
           "  %s explain car_loan --store %s/driftd.db\n"
           "  %s status --store %s/driftd.db\n"
           "  sqlite3 -readonly %s/driftd.db \"SELECT window_end, feature, round(value,3) AS psi, state FROM "
           "v1_results\n"
           "     WHERE metric = 'psi' AND state <> 'ok' ORDER BY window_end_s, value DESC\"\n",
           demo->directory, demo->program, demo->directory, demo->program, demo->directory, demo->program,
           demo->directory, demo->directory);
}

/* Everything that the demo is; the exit status. */
static int show(struct demo *demo)
{
    struct err err = {0};
    int64_t started_ms = clock_system.monotonic_ms(&clock_system);
    int code = tell(demo, &err);
    demo_receiver_free(demo->receiver);
    agent_free(demo->agent);
    demo_cluster_free(demo->cluster);
    if (code != 0)
        return cli_fail(command, err_exit_status(code), "%s", err.message);
    epilogue(demo);
    printf("\n%.1f s in all.\n", (double)(clock_system.monotonic_ms(&clock_system) - started_ms) / 1000.0);
    if (demo->firing == 0 || demo->verified != demo->received)
        return cli_fail(command, EXIT_FAILURE,
                        "no alert came, or one with a wrong signature: that is a bug of driftd");
    return EXIT_OK;
}

int command_demo(int argc, char **argv)
{
    const char *directory = NULL, *data = NULL;
    const struct cli_option rows[] = {{.name = "dir", .text = &directory}, {.name = "data", .text = &data}};
    const struct cli_command words = {.name = command, .help = help, CLI_ROWS(rows)};
    int status = cli_parse(&words, argc, argv, NULL);
    if (status != CLI_GO_ON)
        return status;
    struct demo *demo = calloc(1, sizeof(*demo));
    if (!demo)
        return cli_fail(command, EXIT_FAILURE, "out of memory");
    find_program(demo);
    demo->color = isatty(STDOUT_FILENO) == 1;
    status = find_data(demo, data) == 0 && make_directory(demo, directory) == 0 ? show(demo) : EXIT_FAILURE;
    free(demo);
    return status;
}
