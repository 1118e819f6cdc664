/* The commands on a store, as a shell sees them: status, what they print, what they change. */
#include "tests/unit/store_fixture.h"

#include "agent/commands.h"
#include "detectors/report.h"

#define END_MS INT64_C(1772366400000)

static void fill(const struct fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    store_put_series(batch, 1, text_of("credit"), text_of("7"), text_of(""));
    store_put_series(batch, 2, text_of("fraud"), text_of("1"), text_of(""));
    store_put_subject(batch, 1, text_of("income"));
    for (int i = 0; i < 6; i++) {
        struct report_row row = {.n = 1000};
        for (int slot = 0; slot < REPORT_SLOTS; slot++)
            row.slots[slot] = NAN;
        row.slots[metric_find("psi")->slot] = 0.0625 * (i + 1);
        store_put_result(batch, &(struct stored_result){.window_end_ms = END_MS + 300000 * (i / 2),
                                                        .window_ms = 3600000,
                                                        .series = 1 + (uint32_t)i % 2,
                                                        .subject = 1,
                                                        .revision = 1,
                                                        .row = &row});
    }
    struct alert_row alert = {.key = "0123456789abcdef",
                              .rule = "drift",
                              .metric = "psi",
                              .model = text_of("credit"),
                              .version = text_of("7"),
                              .segment = text_of(""),
                              .feature = text_of("income"),
                              .state = ALERT_FIRING,
                              .since_ms = END_MS,
                              .fired_ms = END_MS,
                              .resolved_ms = INT64_MIN,
                              .value = 0.5};
    store_put_alert(batch, &alert);
    struct outbox_item item = {
        .id = "m1", .sink = "hook", .kind = "alert", .entity_key = "e", .body = "{}", .body_len = 2};
    store_put_outbox(batch, &item, store_wall_ms(), false);
    store_put_outcome(
        batch, &(struct delivery_outcome){.id = "m1", .sink = "hook", .state = DELIVERY_DEAD, .attempts = 8});
    commit_now(store, batch);
    store_close(store);
}

struct answer {
    int status;
    char out[16384], err[4096];
};

static void read_back(const char *path, char *out, size_t size)
{
    size_t len;
    unsigned char *bytes = slurp(path, &len);
    (void)snprintf(out, size, "%.*s", (int)len, (const char *)bytes);
    free(bytes);
}

static int redirect(int fd, const char *path)
{
    int saved = dup(fd), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(saved >= 0 && file >= 0);
    assert_int_equal(dup2(file, fd), fd);
    (void)close(file);
    return saved;
}

/* `line` is split at spaces; STORE stands for the path. */
static struct answer run(const struct fixture *fixture, int (*command)(int, char **), const char *line)
{
    struct answer answer;
    char words[512], out_path[128], err_path[128], *argv[24];
    int argc = 0;
    (void)snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "STORE") == 0 ? (char *)(uintptr_t)fixture->path : word;
    argv[argc] = NULL;
    (void)snprintf(out_path, sizeof(out_path), "%s/out", fixture->directory);
    (void)snprintf(err_path, sizeof(err_path), "%s/err", fixture->directory);
    (void)fflush(stdout);
    int saved_out = redirect(1, out_path), saved_err = redirect(2, err_path);
    answer.status = command(argc, argv);
    (void)fflush(stdout);
    (void)dup2(saved_out, 1);
    (void)dup2(saved_err, 2);
    (void)close(saved_out);
    (void)close(saved_err);
    read_back(out_path, answer.out, sizeof(answer.out));
    read_back(err_path, answer.err, sizeof(answer.err));
    return answer;
}

static void test_results(void **state)
{
    static const struct {
        const char *line;
        int status;
        const char *out, *err; /* parts; NULL: empty */
    } cases[] = {
        {"results --store STORE --metric psi --model credit", 0,
         "2026-03-01T12:10:00Z      3600  credit  7                 income   psi     0.3125        0.1",
         NULL},
        {"results --store STORE --metric psi --json --from 2026-03-01T12:05:00Z --to 2026-03-01T12:05:00Z "
         "--model fraud",
         0, "\"value\":0.25,\"threshold\":0.1,", NULL},
        {"results --store STORE --metric psi --csv --from 2026-03-01T12:00:00Z --limit 1", 0,
         "pipeline,model,", "only the first 1 rows"},
        {"results --store STORE --model c*t --metric psi --state critical", 0, "critical", NULL},
        {"results --store STORE --model none", 0, "no results", NULL},
        {"results --store STORE --window 1h --version 7 --feature income --metric psi", 0, "credit", NULL},
        {"results --store STORE --window 2h", 0, "no results", NULL},
        {"results --store STORE --window x", 2, NULL, "--window: `x`"},
        {"results --store STORE --state bad", 2, NULL, "--state"},
        {"results --store STORE --limit -1", 2, NULL, "--limit"},
        {"results --store STORE --from yesterday", 2, NULL, "--from"},
        {"results --store STORE surplus", 2, NULL, "surplus"},
        {"results --store /nonexistent.db", 78, NULL, "No such file"},
        {"results --config /nonexistent.yaml", 78, NULL, "/nonexistent.yaml"},
        {"results --help", 0, "usage: driftd results", NULL},
    };
    fill(*state);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer answer = run(*state, command_results, cases[i].line);
        bool out = cases[i].out ? strstr(answer.out, cases[i].out) != NULL : answer.out[0] == '\0';
        bool err = cases[i].err ? strstr(answer.err, cases[i].err) != NULL : answer.err[0] == '\0';
        if (answer.status != cases[i].status || !out || !err)
            fail_msg("%s: status %d\n%s\n%s", cases[i].line, answer.status, answer.out, answer.err);
    }
}

static void test_default_store(void **state)
{
    const struct fixture *fixture = *state;
    char here[4096];
    fill(fixture);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir("/"), 0);
    struct answer answer = run(fixture, command_results, "results");
    assert_int_equal(answer.status, 78);
    assert_non_null(strstr(answer.err, "there is no store driftd.db in the current directory"));
    assert_int_equal(chdir(fixture->directory), 0);
    answer = run(fixture, command_results, "results --metric psi -m credit");
    assert_int_equal(chdir(here), 0);
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(answer.out, "income"));
}

static void test_status_and_alerts(void **state)
{
    fill(*state);
    struct answer answer = run(*state, command_status, "status --store STORE");
    assert_int_equal(answer.status, 0);
    static const char *const parts[] = {"not running", "pipeline      p", "open alerts\nstate", "fraud",
                                        "no references"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!strstr(answer.out, parts[i]))
            fail_msg("no `%s` in\n%s", parts[i], answer.out);
    answer = run(*state, command_status, "status --store STORE --json");
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(answer.out, "\"alerts\": [\n{\"state\":\"firing\""));
    answer = run(*state, command_alerts, "alerts list --store STORE --json");
    assert_non_null(strstr(answer.out, "\"key\":\"0123456789abcdef\""));
    answer = run(*state, command_alerts, "alerts list --store STORE --model other");
    assert_string_equal(answer.out, "no open alerts\n");
    assert_int_equal(run(*state, command_alerts, "alerts --store STORE").status, 2);
}

static void test_outbox(void **state)
{
    const struct fixture *fixture = *state;
    fill(fixture);
    struct answer answer = run(fixture, command_outbox, "outbox list --store STORE --state dead");
    assert_non_null(strstr(answer.out, "m1  hook"));
    struct store *store = fixture_open(fixture); /* the agent runs */
    answer = run(fixture, command_outbox, "outbox retry --all --store STORE");
    assert_int_equal(answer.status, 75);
    assert_non_null(strstr(answer.err, "a store has one writer"));
    store_close(store);
    assert_query(fixture, "SELECT state FROM v1_outbox", "dead");
    answer = run(fixture, command_outbox, "outbox retry m1 --store STORE");
    assert_string_equal(answer.out, "1 delivery will be tried again\n");
    assert_query(fixture, "SELECT state, attempts FROM v1_outbox", "pending|0");
    answer = run(fixture, command_outbox, "outbox retry m1 --store STORE");
    assert_int_equal(answer.status, 1);
    answer = run(fixture, command_outbox, "outbox drop --all --store STORE");
    assert_string_equal(answer.out, "1 delivery dropped\n");
    assert_query(fixture, "SELECT group_concat(action) FROM v1_audit",
                 "store.created,outbox.retry,outbox.drop");
    assert_int_equal(run(fixture, command_outbox, "outbox drop --store STORE").status, 2);
    assert_int_equal(run(fixture, command_outbox, "outbox drop m1 --all --store STORE").status, 2);
}

static void test_store_and_audit(void **state)
{
    const struct fixture *fixture = *state;
    char line[256];
    fill(fixture);
    struct answer answer = run(fixture, command_store, "store info --store STORE");
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(answer.out, "result rows"));
    answer = run(fixture, command_store, "store verify --store STORE");
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(answer.out, " views\n"));
    (void)snprintf(line, sizeof(line), "store backup %s/copy.db --store STORE", fixture->directory);
    assert_int_equal(run(fixture, command_store, line).status, 0);
    assert_int_equal(run(fixture, command_store, line).status, 1);
    (void)snprintf(line, sizeof(line), "store export --to %s/copy.db --store STORE", fixture->directory);
    assert_int_equal(run(fixture, command_store, line).status, 0);
    (void)snprintf(line, sizeof(line), "store verify --store %s/copy.db", fixture->directory);
    assert_int_equal(run(fixture, command_store, line).status, 0);
    answer = run(fixture, command_store, "store migrate --store STORE");
    assert_non_null(strstr(answer.out, "already"));
    assert_int_equal(run(fixture, command_store, "store backup --store STORE").status, 2);
    assert_int_equal(run(fixture, command_store, "store dance --store STORE").status, 2);

    answer = run(fixture, command_audit, "audit verify --store STORE");
    assert_int_equal(answer.status, 0);
    const char *head = strstr(answer.out, "head ");
    assert_non_null(head);
    (void)snprintf(line, sizeof(line), "audit verify --store STORE --expect %.66s", head + 5);
    assert_int_equal(run(fixture, command_audit, line).status, 0);
    line[strlen(line) - 1] ^= 1;
    answer = run(fixture, command_audit, line);
    assert_int_equal(answer.status, 1);
    assert_non_null(strstr(answer.err, "rewritten or cut"));
    assert_int_equal(run(fixture, command_audit, "audit verify --store STORE --expect 1").status, 2);
    assert_non_null(strstr(run(fixture, command_audit, "audit list --store STORE").out, "store.created"));
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_results), WITH_STORE(test_default_store),   WITH_STORE(test_status_and_alerts),
        WITH_STORE(test_outbox),  WITH_STORE(test_store_and_audit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
