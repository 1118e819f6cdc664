/* What people do to a store: copies, verification, the audit chain, the outbox. */
#include "tests/unit/store_fixture.h"

#include "agent/store_admin.h"

#define T0 INT64_C(1772366400000)

static void put_item(struct store_batch *batch, const char *id, const char *sink, enum delivery_state state)
{
    struct outbox_item item = {.sink = sink, .kind = "alert", .entity_key = "m", .body = "{}", .body_len = 2};
    (void)snprintf(item.id, sizeof(item.id), "%s", id);
    store_put_outbox(batch, &item, store_wall_ms() - 60000,
                     false); /* a minute ago: not for the housekeeping */
    store_put_outcome(batch,
                      &(struct delivery_outcome){.id = id, .sink = sink, .state = state, .attempts = 8});
}

static void fill(const struct fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    store_put_pane(batch, &(struct stored_pane){0, T0, 1, 0, 0, PANE_ON_TIME, "abc", 3});
    store_put_audit(batch, T0, "ann", "reference.set", "credit", "{\"a\":1}");
    store_put_audit(batch, T0 + 1, "bob", "outbox.drop", "x", "{}");
    put_item(batch, "1", "hook", DELIVERY_DEAD);
    put_item(batch, "2", "hook", DELIVERY_PENDING);
    put_item(batch, "3", "pager", DELIVERY_DEAD);
    put_item(batch, "4", "pager", DELIVERY_DELIVERED);
    commit_now(store, batch);
    store_close(store);
}

/* ---- copies ---- */

static void test_copy_while_in_use(void **state)
{
    const struct fixture *fixture = *state;
    struct fixture copy = *fixture;
    struct err err = {0, ""};
    fill(fixture);
    (void)snprintf(copy.path, sizeof(copy.path), "%s/copy.db", fixture->directory);
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    store_put_meta(batch, "only in the log", "1");
    commit_now(store, batch);
    assert_int_equal(store_copy(fixture->path, copy.path, false, &err), 0);
    assert_query(&copy, "SELECT value FROM meta WHERE key = 'only in the log'", "1");
    assert_query(&copy, "PRAGMA user_version", "2");
    assert_query(&copy, "PRAGMA application_id", "1146242644");
    assert_query(&copy, "PRAGMA journal_mode", "delete"); /* so that it needs no files beside it */
    struct stat status;
    assert_int_equal(stat(copy.path, &status), 0);
    assert_int_equal(status.st_mode & 0137, 0);
    assert_int_equal(store_copy(fixture->path, copy.path, false, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "exists already"));
    batch = store_batch_new();
    store_put_meta(batch, "later", "1");
    commit_now(store, batch);
    assert_int_equal(store_copy(fixture->path, copy.path, true, &err), 0);
    assert_query(&copy, "SELECT count(*) FROM meta WHERE key = 'later'", "1");
    store_close(store);
    /* A copy is a store. */
    store_close(fixture_open(&copy));
    assert_int_equal(store_copy("/nonexistent.db", copy.path, true, &err), ERR_CONFIG);
    assert_int_equal(store_copy(fixture->path, "/nonexistent/copy.db", true, &err), ERR_IO);
    char listing[160];
    (void)snprintf(listing, sizeof(listing), "test -z \"$(ls %s | grep tmp)\"", fixture->directory);
    assert_int_equal(system(listing), 0); /* nothing half done is left */
}

/* ---- verification ---- */

static void tamper(const struct fixture *fixture, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(fixture->path, &db), SQLITE_OK);
    assert_int_equal(store_exec(db, "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete"), SQLITE_OK);
    if (store_exec(db, sql) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
}

static void test_audit_verification(void **state)
{
    static const struct {
        const char *sql;
        int64_t broken_at;
    } cases[] = {
        {"SELECT 1", 0},
        {"UPDATE audit SET actor = 'eve' WHERE seq = 2", 2},
        {"UPDATE audit SET ts_ms = ts_ms + 1 WHERE seq = 3", 3},
        {"UPDATE audit SET actor = 'an', action = 'nreference.set' WHERE seq = 2", 2},
        {"UPDATE audit SET hash = zeroblob(32) WHERE seq = 1", 1},
        {"UPDATE audit SET prev_hash = zeroblob(32) WHERE seq = 3", 3},
        {"UPDATE audit SET hash = x'00' WHERE seq = 3", 3},
        {"DELETE FROM audit WHERE seq = 2", 2},
        {"DELETE FROM audit WHERE seq = 1", 1},
        {"DELETE FROM audit WHERE seq = 3", 0}, /* a chain cannot see that its end is gone */
    };
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct audit_summary summary;
        struct err err = {0, ""};
        fill(fixture);
        tamper(fixture, cases[i].sql);
        int rc = store_verify_audit(fixture->path, 0, NULL, &summary, &err);
        assert_int_equal(rc, cases[i].broken_at ? ERR_CORRUPT : 0);
        assert_int_equal(summary.broken_at, cases[i].broken_at);
        char command[160];
        (void)snprintf(command, sizeof(command), "rm -f '%s'*", fixture->path);
        assert_int_equal(system(command), 0);
    }
}

static void test_audit_expectation(void **state)
{
    const struct fixture *fixture = *state;
    struct audit_summary summary;
    struct err err = {0, ""};
    fill(fixture);
    assert_int_equal(store_verify_audit(fixture->path, 0, NULL, &summary, &err), 0);
    assert_int_equal(summary.entries, 3);
    char head[65];
    (void)snprintf(head, sizeof(head), "%s", summary.head);
    assert_int_equal(store_verify_audit(fixture->path, 3, head, &summary, &err), 0);
    assert_int_equal(store_verify_audit(fixture->path, 2, head, &summary, &err), ERR_CORRUPT);
    /* The cut that the bare chain did not see. */
    tamper(fixture, "DELETE FROM audit WHERE seq = 3");
    assert_int_equal(store_verify_audit(fixture->path, 3, head, &summary, &err), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "rewritten or cut"));
}

static void test_verify_reads_everything(void **state)
{
    const struct fixture *fixture = *state;
    struct strbuf report;
    struct err err = {0, ""};
    strbuf_init(&report, 1 << 16);
    fill(fixture);
    assert_int_equal(store_verify(fixture->path, &report, &err), 0);
    assert_null(strstr(report.bytes, "damaged"));
    assert_non_null(strstr(report.bytes, "ok        1 panes"));
    tamper(fixture, "UPDATE pane SET bytes = x'07'; DROP TABLE event_count; UPDATE audit SET actor = 'x'");
    strbuf_reset(&report);
    assert_int_equal(store_verify(fixture->path, &report, &err), ERR_CORRUPT);
    assert_non_null(strstr(report.bytes, "panes: 1 of 1"));
    assert_non_null(strstr(report.bytes, "view v1_events"));
    assert_non_null(strstr(report.bytes, "entry 1"));
    strbuf_release(&report);
    spill(fixture->path, "hello", 5);
    assert_int_equal(store_verify(fixture->path, NULL, &err), ERR_CONFIG);
}

static void test_migrate_file(void **state)
{
    const struct fixture *fixture = *state;
    int64_t before = 0, after = 0;
    struct err err = {0, ""};
    fill(fixture);
    assert_int_equal(store_migrate_file(fixture->path, &before, &after, &err), 0);
    assert_int_equal(before, STORE_SCHEMA_VERSION);
    assert_int_equal(after, STORE_SCHEMA_VERSION);
    assert_int_equal(store_migrate_file("/nonexistent.db", &before, &after, &err), ERR_CONFIG);
}

/* ---- the outbox ---- */

static void test_outbox_actions(void **state)
{
    static const struct {
        enum outbox_action action;
        const char *id, *sink;
        uint64_t changed;
        const char *states; /* of 1, 2, 3, 4 */
    } cases[] = {
        {OUTBOX_RETRY, "1", NULL, 1, "pending,pending,dead,delivered"},
        {OUTBOX_RETRY, NULL, NULL, 2, "pending,pending,pending,delivered"},
        {OUTBOX_RETRY, NULL, "pager", 1, "dead,pending,pending,delivered"},
        {OUTBOX_RETRY, "4", NULL, 0, "dead,pending,dead,delivered"},
        {OUTBOX_RETRY, "1", "pager", 0, "dead,pending,dead,delivered"},
        {OUTBOX_DROP, "2", NULL, 1, "dead,dropped,dead,delivered"},
        {OUTBOX_DROP, NULL, NULL, 3, "dropped,dropped,dropped,delivered"},
    };
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0, ""};
        uint64_t changed = 99;
        fill(fixture);
        struct store *store = fixture_open(fixture);
        assert_int_equal(
            store_outbox_act(store, cases[i].action, cases[i].id, cases[i].sink, "cli:ann", &changed, &err),
            0);
        store_close(store);
        assert_int_equal(changed, cases[i].changed);
        assert_query(fixture, "SELECT group_concat(state) FROM (SELECT state FROM v1_outbox ORDER BY id)",
                     cases[i].states);
        assert_query(fixture, "SELECT count(*) FROM v1_audit WHERE actor = 'cli:ann'", changed ? "1" : "0");
        assert_query(fixture,
                     "SELECT count(*) FROM outbox WHERE state = 0 AND id <> '2' AND"
                     " (attempts <> 0 OR created_ms < (SELECT min(created_ms) + 30000 FROM outbox))",
                     "0"); /* what is tried again starts afresh */
        char command[160];
        (void)snprintf(command, sizeof(command), "rm -f '%s'*", fixture->path);
        assert_int_equal(system(command), 0);
    }
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_copy_while_in_use), WITH_STORE(test_audit_verification),
        WITH_STORE(test_audit_expectation), WITH_STORE(test_verify_reads_everything),
        WITH_STORE(test_migrate_file),      WITH_STORE(test_outbox_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
