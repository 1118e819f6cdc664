/* Faults: a disk that fills and empties, a process killed at any instant, a file that is not what was
 * written, a migration cut short. */
#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define T0 INT64_C(1772366400000)

static void put_blob(struct store_batch *batch, int64_t start_ms, size_t len, uint64_t seed)
{
    unsigned char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) { /* does not compress */
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (unsigned char)(seed >> 56);
    }
    store_put_pane(batch, &(struct stored_pane){0, start_ms, 1, 0, 0, PANE_ON_TIME, bytes, len});
    free(bytes);
}

/* ---- full disks ---- */

static void test_full_file_rolls_back(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    assert_int_equal(store_exec(store->db, "PRAGMA max_page_count=60"), SQLITE_OK);
    struct store_batch *batch = store_batch_new();
    store_put_meta(batch, "k", "v");
    store_prune_results(batch, T0, INT64_MAX);
    put_blob(batch, T0, 1 << 20, 1);
    assert_int_equal(store_commit_batch(store, batch) & 0xff, SQLITE_FULL);
    assert_query(fixture, "SELECT count(*) FROM pane", "0");
    assert_query(fixture, "SELECT value FROM meta WHERE key = 'k'", "");
    assert_true(store->prune_results_before_ms == INT64_MIN); /* undone as well */
    assert_int_equal(store_exec(store->db, "PRAGMA max_page_count=100000"), SQLITE_OK);
    commit_now(store, batch);
    assert_query(fixture, "SELECT count(*) FROM pane", "1");
    store_close(store);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file that may not grow is as good as a disk that is full: write(2) fails. */
static void test_thread_waits_for_space(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct err err;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(store_start(store, &err), 0);
    struct fixture_log log = {.committed = 0};
    struct store_batch *batch = store_batch_new();
    store_put_meta(batch, "first", "1");
    assert_int_equal(store_submit(store, batch, 1), 0);
    fixture_wait(store, &log, 1, 0);
    limit_files(300000);
    batch = store_batch_new();
    put_blob(batch, T0, 1 << 20, 2);
    store_put_audit(batch, T0, "a", "b", "c", "{}");
    assert_int_equal(store_submit(store, batch, 2), 0);
    batch = store_batch_new();
    store_put_meta(batch, "third", "3");
    assert_int_equal(store_submit(store, batch, 3), 0);
    char reason[256] = "";
    for (int i = 0; i < 200 && !store_is_failing(store, reason, sizeof(reason)); i++)
        (void)usleep(10000);
    assert_non_null(strstr(reason, fixture->path));
    assert_query(fixture, "SELECT count(*) FROM pane", "0");
    assert_query(fixture, "SELECT count(*) FROM meta WHERE key = 'third'", "0"); /* nothing overtakes */
    limit_files(RLIM_INFINITY);
    fixture_wait(store, &log, 3, 0);
    assert_int_equal(log.tickets[1], 2);
    assert_false(store_is_failing(store, reason, sizeof(reason)));
    assert_string_equal(reason, "");
    store_close(store);
    assert_query(fixture, "SELECT (SELECT count(*) FROM pane), (SELECT count(*) FROM audit)", "1|2");
    assert_query(fixture, "PRAGMA integrity_check", "ok");
}

/* Stopping while the disk is full: the batch is given up, and so is everything behind it. */
static void test_stop_while_failing(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct err err;
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(300000);
    assert_int_equal(store_start(store, &err), 0);
    struct store_batch *batch = store_batch_new();
    put_blob(batch, T0, 1 << 20, 2);
    assert_int_equal(store_submit(store, batch, 1), 0);
    batch = store_batch_new();
    store_put_meta(batch, "behind", "1");
    assert_int_equal(store_submit(store, batch, 2), 0);
    store_stop(store);
    struct fixture_log log = {.committed = 0};
    fixture_wait(store, &log, 0, 0);
    limit_files(RLIM_INFINITY);
    store_close(store);
    assert_query(fixture,
                 "SELECT (SELECT count(*) FROM pane), (SELECT count(*) FROM meta WHERE key = 'behind')",
                 "0|0");
}

/* What the disk swallowed after it was reported as committed cannot be repaired here. */
static void test_lost_commits_fail_for_good(void **state)
{
    struct store *store = fixture_open(*state);
    struct err err;
    store->commits += 2;
    store->reopen = true;
    assert_int_equal(store_start(store, &err), 0);
    assert_int_equal(store_submit(store, store_batch_new(), 1), 0);
    char reason[256] = "";
    for (int i = 0; i < 200 && !store_is_failing(store, reason, sizeof(reason)); i++)
        (void)usleep(10000);
    assert_non_null(strstr(reason, "restart driftd"));
    store_close(store);
}

/* The commit reported an error but is in the file: it must not be done twice. */
static void test_commit_that_was_there_after_all(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct err err;
    struct store_batch *batch = store_batch_new();
    store_put_audit(batch, T0, "a", "b", "c", "{}");
    assert_int_equal(store_commit_batch(store, batch), SQLITE_OK);
    store->commits--; /* as if that had not returned OK */
    store->reopen = true;
    assert_int_equal(store_start(store, &err), 0);
    assert_int_equal(store_submit(store, batch, 1), 0);
    struct fixture_log log = {.committed = 0};
    fixture_wait(store, &log, 1, 0);
    store_close(store);
    assert_query(fixture, "SELECT count(*) FROM audit", "2");
}

/* ---- kill -9 ---- */

/* Batch number k says so in five places. */
static struct store_batch *numbered_batch(int64_t k)
{
    char text[32];
    struct store_batch *batch = store_batch_new();
    (void)snprintf(text, sizeof(text), "%d", (int)k);
    store_put_offset(batch, &(struct stored_offset){.topic = "t", .next_offset = k, .records = (uint64_t)k});
    put_blob(batch, k, 3000, (uint64_t)k);
    store_put_count(batch, "t", "applied", "", (uint64_t)k);
    store_put_meta(batch, "number", text);
    store_put_audit(batch, k, "t", "number", text, "{}");
    return batch;
}

static int take_offset(void *context, const struct stored_offset *offset)
{
    *(int64_t *)context = offset->next_offset;
    return 0;
}

static void commit_until_killed(const struct fixture *fixture)
{
    struct store *store;
    struct err err;
    int64_t k = 0;
    if (fixture_try(fixture, &store, &err) != 0 || store_load_offsets(store, take_offset, &k, NULL) != 0 ||
        store_start(store, &err) != 0)
        _exit(1);
    struct fixture_log log = {.committed = 0};
    struct store_listener listener = {fixture_committed, fixture_panes, &log};
    for (;;) {
        struct store_batch *batch = numbered_batch(++k);
        while (store_submit(store, batch, (uint64_t)k) == ERR_BUSY) {
            struct pollfd wait = {store_event_fd(store), POLLIN, 0};
            (void)poll(&wait, 1, 100);
            store_completions(store, &listener);
        }
    }
}

static void test_kill_while_committing(void **state)
{
    const struct fixture *fixture = *state;
    int64_t last = 0;
    unsigned wait_us = 1000;
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            commit_until_killed(fixture);
        wait_us = (wait_us * 31 + 7919) % 120000;
        (void)usleep(wait_us);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct store *store = fixture_open(fixture);
        int64_t k = 0;
        char want[64], got[64];
        assert_int_equal(store_load_offsets(store, take_offset, &k, NULL), 0);
        assert_true(k >= last); /* what was there stays there */
        last = k;
        (void)snprintf(want, sizeof(want), "%d|%d|%d|%d", (int)k, (int)k, (int)k, (int)k + 1);
        (void)query_text(fixture,
                         "SELECT (SELECT count(*) FROM pane), coalesce((SELECT total FROM event_count), 0),"
                         " coalesce((SELECT value FROM meta WHERE key = 'number'), 0),"
                         " (SELECT count(*) FROM audit)",
                         got, sizeof(got));
        assert_string_equal(got, want);
        assert_int_equal(store->commits, k);
        store_close(store);
        assert_query(fixture, "PRAGMA integrity_check", "ok");
    }
    assert_true(last > 0); /* how many commits fit between kills is the machine's business */
}

static void test_kill_while_creating(void **state)
{
    const struct fixture *fixture = *state;
    for (unsigned round = 0; round < 12; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct store *store;
            struct err err;
            (void)fixture_try(fixture, &store, &err);
            for (;;)
                (void)pause();
        }
        (void)usleep(round * 1500);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        store_close(fixture_open(fixture));
        assert_query(fixture, "SELECT count(*) FROM v1_meta WHERE schema = 2", "1");
        assert_query(fixture, "SELECT count(*) FROM audit", "1");
        char command[160];
        (void)snprintf(command, sizeof(command), "rm -f '%s'*", fixture->path);
        assert_int_equal(system(command), 0);
    }
}

/* ---- damaged files ---- */

static int ignore_pane(void *context, const struct stored_pane *pane)
{
    *(uint64_t *)context += pane->len;
    return 0;
}

static int ignore_subject(void *context, uint32_t subject, struct text name)
{
    *(uint64_t *)context += subject + name.len;
    return 0;
}

/* Refused with a sentence, or good enough to be read: never a crash. Returns whether it was refused. */
static bool survives(const struct fixture *fixture)
{
    struct store *store;
    struct err err;
    uint64_t sum = 0;
    int rc = fixture_try(fixture, &store, &err);
    if (rc != 0) {
        assert_int_equal(rc, ERR_CONFIG);
        assert_non_null(strstr(err.message, fixture->path));
        return true;
    }
    (void)!store_load_panes(store, 0, INT64_MIN, INT64_MAX, ignore_pane, &sum, &err);
    (void)!store_load_subjects(store, ignore_subject, &sum, &err);
    struct store_batch *batch = store_batch_new();
    put_blob(batch, 99, 100, 1);
    (void)!store_commit_batch(store, batch);
    store_batch_free(batch);
    store_close(store);
    return false;
}

static void test_damaged_files(void **state)
{
    const struct fixture *fixture = *state;
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    for (uint32_t i = 1; i <= 20; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "feature %u", i);
        store_put_subject(batch, i, text_of(name));
        put_blob(batch, i, 5000, i);
    }
    commit_now(store, batch);
    store_close(store);
    size_t len;
    unsigned char *good = slurp(fixture->path, &len), *bad = malloc(len);
    uint64_t seed = 12345;
    int refused = 0;
    for (int copy = 0; copy < 60; copy++) {
        memcpy(bad, good, len);
        for (int flip = 0; flip <= copy % 32; flip++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            bad[(seed >> 33) % len] ^= (unsigned char)(1 << (seed >> 20 & 7));
        }
        spill(fixture->path, bad, len);
        refused += survives(fixture);
    }
    assert_true(refused > 10);
    static const size_t cuts[] = {50, 100, 4096, 20480, 20481};
    for (size_t i = 0; i < 5; i++) {
        spill(fixture->path, good, cuts[i]);
        assert_true(survives(fixture));
    }
    spill(fixture->path, good, 0); /* nothing at all is a new store */
    assert_false(survives(fixture));
    free(bad);
    free(good);
}

static void test_log_of_another_file(void **state)
{
    const struct fixture *fixture = *state;
    char log_path[160], command[400];
    (void)snprintf(log_path, sizeof(log_path), "%s-wal", fixture->path);
    struct store *store = fixture_open(fixture);
    commit_now(store, numbered_batch(1));
    size_t len;
    unsigned char *log = slurp(log_path, &len);
    store_close(store);
    (void)snprintf(command, sizeof(command), "rm -f '%s'*", fixture->path);
    assert_int_equal(system(command), 0);
    store_close(fixture_open(fixture));
    spill(log_path, log, len);
    free(log);
    /* Either it is seen and refused, or the pages of the other make a whole store. */
    if (!survives(fixture))
        assert_query(fixture, "PRAGMA integrity_check", "ok");
}

/* ---- migration ---- */

static const char *const step_2[] = {"ALTER TABLE subject ADD COLUMN note TEXT;",
                                     "CREATE TABLE extra(a INTEGER) STRICT;",
                                     "INSERT INTO extra SELECT subject FROM subject;", NULL};
static const char *const step_3[] = {"DROP TABLE extra;", NULL};
static const char *const broken[] = {"CREATE TABLE more(a INTEGER) STRICT;", "INSERT INTO nowhere VALUES(1);",
                                     NULL};
/* On top of what this build makes. */
enum { NOW = STORE_SCHEMA_VERSION };
static const struct store_migration two_more[] = {{NOW, NULL}, {NOW + 1, step_2}, {NOW + 2, step_3}};
static const struct store_migration to_broken[] = {{NOW, NULL}, {NOW + 1, step_2}, {NOW + 2, broken}};

static void assert_version(const struct fixture *fixture, int version)
{
    char want[16];
    (void)snprintf(want, sizeof(want), "%d", version);
    assert_query(fixture, "PRAGMA user_version", want);
    assert_query(fixture, "SELECT schema FROM v1_meta", want);
}

static void make_old(const struct fixture *fixture)
{
    struct store *store = fixture_open(fixture);
    struct store_batch *batch = store_batch_new();
    for (uint32_t i = 1; i <= 50; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "feature %u", i);
        store_put_subject(batch, i, text_of(name));
    }
    commit_now(store, batch);
    store_close(store);
}

static void test_migration(void **state)
{
    const struct fixture *fixture = *state;
    make_old(fixture);
    struct store *store = fixture_open(fixture);
    struct err err;
    assert_int_equal(store_migrate(store, two_more, 3, &err), 0);
    assert_int_equal(store_migrate(store, two_more, 3, &err), 0); /* nothing left to do */
    store_close(store);
    assert_version(fixture, NOW + 2);
    assert_query(fixture, "SELECT count(*), count(note) FROM subject", "50|0");
    assert_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'", "0");
    assert_query(fixture, "SELECT count(*) FROM v1_results", "0");
    /* The copy is the store as it was. */
    char command[256];
    (void)snprintf(command, sizeof(command), "mv '%s'.v%d-*.bak '%s/copy'", fixture->path, NOW,
                   fixture->directory);
    assert_int_equal(system(command), 0);
    struct fixture copy = *fixture;
    (void)snprintf(copy.path, sizeof(copy.path), "%s/copy", fixture->directory);
    assert_version(&copy, NOW);
    assert_query(&copy, "SELECT count(*) FROM subject", "50");
    store_close(fixture_open(&copy)); /* and can be used as it is */
}

static void test_migration_that_fails(void **state)
{
    const struct fixture *fixture = *state;
    make_old(fixture);
    struct store *store = fixture_open(fixture);
    struct err err;
    assert_int_not_equal(store_migrate(store, to_broken, 3, &err), 0);
    assert_non_null(strstr(err.message, "nowhere"));
    store_close(store);
    /* All or nothing: nothing, and the views are there. */
    assert_version(fixture, NOW);
    assert_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name IN ('more', 'extra')", "0");
    assert_query(fixture, "SELECT count(*) FROM v1_results", "0");
}

static int kill_at_zero(void *context)
{
    int64_t *left = context;
    if (--*left < 0)
        (void)kill(getpid(), SIGKILL);
    return 0;
}

/* Old or new at every instant, never between. */
static void test_kill_during_migration(void **state)
{
    const struct fixture *fixture = *state;
    bool was_old = false, was_new = false;
    for (int64_t steps = 1; steps < 1000000 && !was_new; steps += 1 + steps / 2) {
        char command[160], got[32];
        (void)snprintf(command, sizeof(command), "rm -f '%s'*", fixture->path);
        assert_int_equal(system(command), 0);
        make_old(fixture);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct store *store = fixture_open(fixture);
            sqlite3_progress_handler(store->db, 1, kill_at_zero, &steps);
            int rc = store_migrate(store, two_more, 3, NULL);
            _exit(rc == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
        int version = atoi(query_text(fixture, "PRAGMA user_version", got, sizeof(got)));
        assert_true(version == NOW || version == NOW + 2);
        was_old |= version == NOW;
        was_new |= version == NOW + 2;
        assert_query(fixture, "PRAGMA integrity_check", "ok");
        assert_query(fixture, "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'", "0");
        assert_query(fixture, "SELECT count(*) > 10 FROM sqlite_schema WHERE type = 'view'", "1");
        assert_query(fixture, "SELECT count(*) FROM subject", "50");
    }
    assert_true(was_old && was_new);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(test_full_file_rolls_back),
        WITH_STORE(test_thread_waits_for_space),
        WITH_STORE(test_stop_while_failing),
        WITH_STORE(test_lost_commits_fail_for_good),
        WITH_STORE(test_commit_that_was_there_after_all),
        WITH_STORE(test_kill_while_committing),
        WITH_STORE(test_kill_while_creating),
        WITH_STORE(test_damaged_files),
        WITH_STORE(test_log_of_another_file),
        WITH_STORE(test_migration),
        WITH_STORE(test_migration_that_fails),
        WITH_STORE(test_kill_during_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
