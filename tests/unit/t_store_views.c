/* The contract: what the views v1_* say, and that dashboards' questions use the keys. */
#include "tests/unit/store_fixture.h"

#include "detectors/report.h"

#define END_MS INT64_C(1772366400000) /* 2026-03-01T12:00:00Z */

static void put_names(struct store_batch *batch)
{
    store_put_series(batch, 1, text_of("credit"), text_of("7"), text_of(""));
    store_put_series(batch, 2, text_of("credit"), text_of("7"), text_of("channel=web"));
    store_put_series(batch, 3, text_of("fraud"), text_of(""), text_of(""));
    store_put_subject(batch, 1, text_of("income"));
    store_put_subject(batch, 2, text_of("region"));
    store_put_grid(batch, 1, "0011223344556677");
    store_put_reference(batch, &(struct stored_reference){.reference = 1,
                                                          .grid = 1,
                                                          .name = "credit@7",
                                                          .model = "credit",
                                                          .version = "7",
                                                          .source = "file train.csv",
                                                          .hash = "abcdef",
                                                          .from_ms = INT64_MIN,
                                                          .to_ms = INT64_MIN,
                                                          .created_ms = 1000,
                                                          .effective_from_ms = END_MS,
                                                          .rows = 5000,
                                                          .json = "{}",
                                                          .json_len = 2});
}

static struct report_row empty_row(void)
{
    struct report_row row = {.n = 1000, .reference_n = 5000};
    for (int i = 0; i < REPORT_SLOTS; i++)
        row.slots[i] = NAN;
    return row;
}

static void put_row(struct store_batch *batch, uint32_t series, uint32_t subject, int64_t end_ms,
                    int64_t window_ms, const struct report_row *row)
{
    static const uint8_t bins[] = {0x80, 0x00, 0x7f, 0xff, 0x00, 0x00, 0xff, 0xff};
    store_put_result(batch, &(struct stored_result){.window_end_ms = end_ms,
                                                    .window_ms = window_ms,
                                                    .series = series,
                                                    .subject = subject,
                                                    .reference = 1,
                                                    .revision = 1,
                                                    .closed_wall_ms = end_ms + 70000,
                                                    .row = row,
                                                    .bins = bins,
                                                    .bin_count = 4});
}

/* Sets a metric's value, and the noise floor or p-value it is judged with (NaN: left undefined). */
static void set_metric(struct report_row *row, const char *name, double value, double noise_floor, double p)
{
    const struct metric *metric = metric_find(name);
    assert_non_null(metric);
    row->slots[metric->slot] = value;
    if (metric->floor_slot >= 0)
        row->slots[metric->floor_slot] = noise_floor / metric->floor_scale;
    if (metric->p_slot >= 0)
        row->slots[metric->p_slot] = p;
}

static struct store *open_with(const struct fixture *fixture, struct store_batch **out_batch)
{
    *out_batch = store_batch_new();
    put_names(*out_batch);
    return fixture_open(fixture);
}

/* ---- judgement ---- */

static void test_states(void **state)
{
    /* Bands of psi: 0.1 and 0.25; of missing_delta 0.01 and 0.05 with p < 0.001. */
    static const struct {
        const char *metric;
        double value, noise_floor, p;
        uint32_t flags;
        const char *want; /* value|threshold|state|status */
    } cases[] = {
        {"psi", 0.05, 0.01, NAN, 0, "0.05|0.1|ok|ok"},
        {"psi", 0.1, 0.01, NAN, 0, "0.1|0.1|warning|ok"},
        {"psi", 0.25, 0.01, NAN, 0, "0.25|0.1|critical|ok"},
        {"psi", 0.2, 0.22, NAN, 0, "0.2|0.22|ok|ok"},
        {"psi", 0.27, 0.22, NAN, 0, "0.27|0.22|critical|ok"},
        {"psi", 0.27, 0.3, NAN, 0, "0.27|0.3|ok|ok"},
        {"psi", 0.5, NAN, NAN, 0, "0.5|0.1|critical|ok"},
        {"psi", NAN, 0.01, NAN, 0, "NULL|0.1|NULL|undefined"},
        {"psi", 0.5, 0.01, NAN, REPORT_INSUFFICIENT, "0.5|0.1|NULL|insufficient"},
        {"missing_delta", 0.06, NAN, 0.0005, 0, "0.06|0.01|critical|ok"},
        {"missing_delta", 0.02, NAN, 0.0005, 0, "0.02|0.01|warning|ok"},
        {"missing_delta", 0.06, NAN, 0.2, 0, "0.06|0.01|ok|ok"},
        {"missing_delta", 0.06, NAN, NAN, 0, "0.06|0.01|ok|ok"},
        {"missing_delta", 0.02, NAN, 0.0005, REPORT_INSUFFICIENT, "0.02|0.01|warning|ok"},
        {"mean", 5.0, NAN, NAN, 0, "5.0|NULL|NULL|ok"},
    };
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct report_row row = empty_row();
        set_metric(&row, cases[i].metric, cases[i].value, cases[i].noise_floor, cases[i].p);
        row.flags = cases[i].flags;
        put_row(batch, 1, 1, END_MS + (int64_t)i * 1000, 3600000, &row);
    }
    commit_now(store, batch);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char sql[256], got[256];
        (void)snprintf(sql, sizeof(sql),
                       "SELECT value, round(threshold, 9), state, status FROM v1_results"
                       " WHERE metric = '%s' AND window_end_s = %d",
                       cases[i].metric, (int)(END_MS / 1000) + (int)i);
        if (strcmp(query_text(fixture, sql, got, sizeof(got)), cases[i].want) != 0)
            fail_msg("case %zu: %s, want %s", i, got, cases[i].want);
    }
    store_close(store);
}

/* Nothing is said of it but its values. */
static void test_provisional_rows(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct report_row row = empty_row();
    set_metric(&row, "psi", 0.5, 0.25, 0.5);
    store_put_result(batch, &(struct stored_result){.window_end_ms = END_MS,
                                                    .window_ms = 3600000,
                                                    .series = 1,
                                                    .subject = 1,
                                                    .reference = 1,
                                                    .row = &row});
    commit_now(store, batch);
    assert_query(fixture, "SELECT value, revision, status, state FROM v1_results WHERE metric = 'psi'",
                 "0.5|0|provisional|NULL");
    assert_query(fixture, "SELECT count(*) FROM v1_latest", "0");
    store_close(store);
}

static void test_every_metric_finds_its_slots(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct report_row row = empty_row();
    for (int i = 0; i < REPORT_SLOTS; i++)
        row.slots[i] = 100 + i;
    for (int family = 0; family < FAMILY_COUNT; family++) {
        row.family = (enum family)family;
        row.flags = 0;
        put_row(batch, 1, 1, END_MS, 3600000, &row);
        row.flags = REPORT_CATEGORICAL;
        put_row(batch, 1, 2, END_MS, 3600000, &row);
    }
    commit_now(store, batch);
    for (uint32_t i = 0; i < metric_count; i++) {
        const struct metric *m = &metric_table[i];
        for (int categorical = 0; categorical < 2; categorical++) {
            char sql[256], got[256], want[256] = "", p[32] = "NULL";
            (void)snprintf(sql, sizeof(sql),
                           "SELECT metric, value, p_value, monitor FROM v1_results WHERE metric = '%s'"
                           " AND feature = '%s'",
                           m->name, categorical ? "region" : "income");
            if (m->p_slot >= 0)
                (void)snprintf(p, sizeof(p), "%d.0", 100 + m->p_slot);
            if (m->kinds & (categorical ? METRIC_CATEGORICAL : METRIC_NUMERIC))
                (void)snprintf(want, sizeof(want), "%s|%d.0|%s|%s", m->name, 100 + m->slot, p,
                               family_monitor(m->family));
            assert_string_equal(query_text(fixture, sql, got, sizeof(got)), want);
            if (!want[0] || m->floor_slot < 0)
                continue;
            (void)snprintf(
                sql, sizeof(sql),
                "SELECT abs(noise_floor - %.17g) < 1e-9 FROM v1_results WHERE metric = '%s' LIMIT 1",
                (100 + m->floor_slot) * m->floor_scale, m->name);
            assert_string_equal(query_text(fixture, sql, got, sizeof(got)), "1");
        }
    }
    store_close(store);
}

/* ---- the rest of a row ---- */

static void test_result_columns(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct report_row row = empty_row();
    set_metric(&row, "psi", 0.5, 0.25, 0.5);
    row.flags = REPORT_INCOMPLETE | REPORT_CAPPED;
    put_row(batch, 2, 1, END_MS, 3600000, &row);
    commit_now(store, batch);
    assert_query(
        fixture, "SELECT * FROM v1_results WHERE metric = 'psi'",
        "p|credit|7|drift|psi|income|channel=web|1772362800|1772366400|1000|0.5|0.25|0.5|NULL|NULL|critical"
        "|1|1|ok|0.25|0.1|0.25|credit@7|abcdef|5000|1|0|3600|1772362800000|1772366400000"
        "|2026-03-01T11:00:00Z|2026-03-01T12:00:00Z|1772366470|chi-square null of PSI");
    assert_query(
        fixture, "SELECT group_concat(name) FROM pragma_table_info('v1_results')",
        "pipeline,model,version,monitor,metric,feature,segment,window_start_s,window_end_s,n,value,threshold,"
        "p_value,ci_low,ci_high,state,revision,incomplete,status,noise_floor,warning_band,critical_band,"
        "reference,reference_hash,reference_n,capped,grid_mismatch,window_s,window_start_ms,window_end_ms,"
        "window_start,window_end,closed_s,method");
    assert_query(
        fixture, "SELECT bin, kind, round(share, 4), window_s, reference_hash FROM v1_bins ORDER BY bin",
        "0|bin|0.5|3600|abcdef\n1|bin|0.5|3600|abcdef\n2|missing|0.0|3600|abcdef\n3|invalid|1.0|3600|abcdef");
    assert_query(fixture,
                 "SELECT reference, model, version, source, reference_hash, grid, from_s, created_s,"
                 " effective_from_s, rows, json FROM v1_baselines",
                 "credit@7|credit|7|file train.csv|abcdef|0011223344556677|NULL|1|1772366400|5000|{}");
    store_close(store);
}

static void test_latest(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct report_row row = empty_row();
    for (uint32_t subject = 1; subject <= 2; subject++) {
        for (int i = 0; i < 3; i++) {
            set_metric(&row, "psi", 0.125 * (i + 1), 0, NAN);
            put_row(batch, 1, subject, END_MS + 300000 * i, 3600000, &row);
        }
        put_row(batch, 1, subject, END_MS, 86400000, &row);
        put_row(batch, 3, subject, END_MS, 3600000, &row);
    }
    commit_now(store, batch);
    assert_query(
        fixture,
        "SELECT model, feature, window_s, window_end, value FROM v1_latest WHERE metric = 'psi'"
        " ORDER BY 1, 2, 3",
        "credit|income|3600|2026-03-01T12:10:00Z|0.375\ncredit|income|86400|2026-03-01T12:00:00Z|0.375\n"
        "credit|region|3600|2026-03-01T12:10:00Z|0.375\ncredit|region|86400|2026-03-01T12:00:00Z|0.375\n"
        "fraud|income|3600|2026-03-01T12:00:00Z|0.375\nfraud|region|3600|2026-03-01T12:00:00Z|0.375");
    store_close(store);
}

/* ---- the other views ---- */

static void test_alerts(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct alert_row row = {.key = "k1",
                            .rule = "drift",
                            .metric = "psi",
                            .model = text_of("credit"),
                            .version = text_of("7"),
                            .segment = text_of(""),
                            .feature = text_of("income"),
                            .window_ms = 3600000,
                            .state = ALERT_FIRING,
                            .severity = SEVERITY_CRITICAL,
                            .since_ms = END_MS,
                            .fired_ms = END_MS,
                            .resolved_ms = INT64_MIN,
                            .last_window_end_ms = END_MS,
                            .value = 0.5,
                            .threshold = 0.25,
                            .peak_value = NAN,
                            .peak_ms = INT64_MIN};
    store_put_alert(batch, &row);
    struct alert_transition fired = {"k1", ALERT_OK, ALERT_FIRING, SEVERITY_CRITICAL, END_MS, 0.5, 0.25};
    store_put_transition(batch, &fired);
    (void)snprintf(row.key, sizeof(row.key), "k2");
    row.state = ALERT_OK; /* never fired: not an alert to show */
    store_put_alert(batch, &row);
    (void)snprintf(row.key, sizeof(row.key), "k3");
    row.state = ALERT_RESOLVED;
    row.resolved_ms = END_MS + 1000;
    store_put_alert(batch, &row);
    commit_now(store, batch);
    assert_query(
        fixture,
        "SELECT key, model, feature, window_s, state, severity, open, since_s, resolved_s, value, threshold,"
        " peak_value, peak_s, since FROM v1_alerts ORDER BY key",
        "k1|credit|income|3600|firing|critical|1|1772366400|NULL|0.5|0.25|NULL|NULL|2026-03-01T12:00:00Z\n"
        "k3|credit|income|3600|resolved|critical|0|1772366400|1772366401|0.5|0.25|NULL|NULL"
        "|2026-03-01T12:00:00Z");
    assert_query(fixture,
                 "SELECT key, rule, from_state, to_state, severity, window_end, value FROM v1_alert_events",
                 "k1|drift|ok|firing|critical|2026-03-01T12:00:00Z|0.5");
    assert_query(fixture, "SELECT open_alerts, pending_deliveries, models FROM v1_pipelines", "1|0|2");
    store_close(store);
}

static void test_lag_and_events(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    store_put_offset(batch,
                     &(struct stored_offset){
                         .topic = "a", .next_offset = 5, .clock_ms = {END_MS, INT64_MIN}, .records = 4});
    store_put_offset(batch,
                     &(struct stored_offset){
                         .topic = "b", .next_offset = 9, .clock_ms = {INT64_MAX, INT64_MAX}, .records = 9});
    store_put_count(batch, "a", "applied", "", 3);
    store_put_count(batch, "a", "rejected", "syntax", 1);
    store_put_meta(batch, "config_hash", "cafe");
    commit_now(store, batch);
    assert_query(
        fixture,
        "SELECT topic, partition, next_offset, records, data_clock_s, label_clock_s, finished, data_clock,"
        " behind_s = committed_s - data_clock_s FROM v1_lag ORDER BY topic",
        "a|0|5|4|1772366400|NULL|0|2026-03-01T12:00:00Z|1\nb|0|9|9|NULL|NULL|1|NULL|NULL");
    assert_query(fixture, "SELECT topic, fate, reason, total FROM v1_events ORDER BY fate",
                 "a|applied||3\na|rejected|syntax|1");
    assert_query(fixture, "SELECT schema, app_version, config_hash, pipeline, audit_algorithm FROM v1_meta",
                 "2|" DRIFTD_VERSION "|cafe|p|sha256-1");
    assert_query(fixture, "SELECT config_hash, committed_s >= created_s FROM v1_pipelines", "cafe|1");
    store_close(store);
}

/* A store of an older build gets this build's views and metrics at open, once. */
static void test_contract_is_refreshed(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    assert_int_equal(store_exec(store->db,
                                "DROP VIEW v1_lag; CREATE VIEW v1_old AS SELECT 1; DELETE FROM metric;"
                                "UPDATE meta SET value = 'other' WHERE key = 'contract'"),
                     SQLITE_OK);
    store_close(store);
    store_close(fixture_open(fixture));
    assert_query(fixture, "SELECT count(*) FROM v1_lag", "0");
    assert_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'v1_old'", "0");
    char want[16], got[16];
    (void)snprintf(want, sizeof(want), "%u", metric_count);
    assert_string_equal(query_text(fixture, "SELECT count(*) FROM metric", got, sizeof(got)), want);
}

/* ---- plans: what dashboards ask must not read the whole table ---- */

static const char *plan(const struct fixture *fixture, const char *sql, char *out, size_t size)
{
    char explain[1024], rows[4096];
    (void)snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    (void)query_text(fixture, explain, rows, sizeof(rows));
    /* Only the last column of each line. */
    out[0] = '\0';
    for (char *line = strtok(rows, "\n"); line; line = strtok(NULL, "\n")) {
        const char *text = strrchr(line, '|');
        size_t used = strlen(out);
        (void)snprintf(out + used, size - used, "%s%s", used ? "\n" : "", text ? text + 1 : line);
    }
    return out;
}

static void test_plans(void **state)
{
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"SELECT window_end_s, feature, value, state FROM v1_results"
         " WHERE model = 'credit' AND metric = 'psi' AND window_end_s > 1772360000",
         "SEARCH s USING COVERING INDEX sqlite_autoindex_series_1 (model=?)\n"
         "SEARCH r USING INDEX result_key (series=? AND window_end_s>?)\n"
         "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)\n"
         "SEARCH m USING PRIMARY KEY (name=? AND family=?)"},
        {"SELECT window_end_s, value FROM v1_results WHERE model = 'credit' AND version = '7' AND segment = "
         "''"
         " AND feature = 'income' AND metric = 'psi' AND window_s = 3600 AND window_end_s BETWEEN 1 AND 2",
         "SEARCH s USING COVERING INDEX sqlite_autoindex_series_1 (model=? AND version=? AND segment=?)\n"
         "SEARCH f USING COVERING INDEX sqlite_autoindex_subject_1 (name=?)\n"
         "SEARCH r USING INDEX result_key (series=? AND window_end_s>? AND window_end_s<?)\n"
         "SEARCH m USING PRIMARY KEY (name=? AND family=?)"},
        {"SELECT model, value FROM v1_results WHERE metric = 'psi' AND window_end_s > 1772360000",
         "SEARCH r USING INDEX result_time (window_end_s>?)\n"
         "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)\n"
         "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)\n"
         "SEARCH m USING PRIMARY KEY (name=? AND family=?)"},
        {"SELECT feature, value FROM v1_latest WHERE model = 'credit' AND metric = 'psi'",
         "SEARCH s USING COVERING INDEX sqlite_autoindex_series_1 (model=?)\n"
         "SEARCH l USING PRIMARY KEY (series=?)\n"
         "SEARCH r USING INDEX result_key (series=? AND window_end_s=? AND window_end_ms=? AND window_ms=?)\n"
         "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)\n"
         "SEARCH m USING PRIMARY KEY (name=? AND family=?)"},
        {"SELECT key FROM v1_alerts WHERE open AND model = 'credit'",
         "SEARCH alert USING INDEX alert_open (model=?)"},
        {"DELETE FROM pane WHERE pane IN (SELECT pane FROM pane WHERE tier = 0 AND start_ms < 5 LIMIT 9)",
         "SEARCH pane USING INTEGER PRIMARY KEY (rowid=?)\nLIST SUBQUERY 1\n"
         "SEARCH pane USING COVERING INDEX pane_key (tier=? AND start_ms<?)"},
        {"SELECT item FROM outbox WHERE state = 0 AND item > 5 ORDER BY item LIMIT 9",
         "SEARCH outbox USING INDEX outbox_pending (item>?)"},
    };
    const struct fixture *fixture = *state;
    store_close(fixture_open(fixture));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[4096];
        if (strcmp(plan(fixture, cases[i].sql, got, sizeof(got)), cases[i].want) != 0)
            fail_msg("%s\n--- is\n%s\n--- want\n%s", cases[i].sql, got, cases[i].want);
    }
}

/* Third parties open the views with nothing but the sqlite3 shell of the distribution. */
static void test_plain_shell(void **state)
{
    const struct fixture *fixture = *state;
    struct store_batch *batch;
    struct store *store = open_with(fixture, &batch);
    struct report_row row = empty_row();
    put_row(batch, 1, 1, END_MS, 3600000, &row);
    commit_now(store, batch);
    char command[256], line[256];
    if (system("command -v sqlite3 >/dev/null") == 0) {
        static const char *const views[] = {"results",      "latest",    "bins",  "alerts",
                                            "alert_events", "pipelines", "lag",   "events",
                                            "baselines",    "outbox",    "audit", "meta"};
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            (void)snprintf(command, sizeof(command),
                           "sqlite3 -readonly '%s' 'SELECT count(*) >= 0 FROM v1_%s' 2>&1", fixture->path,
                           views[i]);
            FILE *shell = popen(command, "r");
            assert_non_null(shell);
            assert_non_null(fgets(line, sizeof(line), shell));
            assert_string_equal(line, "1\n");
            assert_int_equal(pclose(shell), 0);
        }
    }
    store_close(store);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_states),
        WITH_STORE(test_provisional_rows),
        WITH_STORE(test_every_metric_finds_its_slots),
        WITH_STORE(test_result_columns),
        WITH_STORE(test_latest),
        WITH_STORE(test_alerts),
        WITH_STORE(test_lag_and_events),
        WITH_STORE(test_contract_is_refreshed),
        WITH_STORE(test_plans),
        WITH_STORE(test_plain_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
