#ifndef DRIFTD_TESTS_STORE_FIXTURE_H
#define DRIFTD_TESTS_STORE_FIXTURE_H
/* What the tests of the store share: a directory of their own, stores in it, and waiting for completions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store_internal.h"

struct fixture {
    char directory[64];
    char path[128];
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/driftd-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/driftd.db", fixture->directory);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fixture->directory);
    int rc = system(command);
    free(fixture);
    return rc;
}

static inline int fixture_try(const struct fixture *fixture, struct store **out, struct err *err)
{
    struct store_settings settings = {.path = fixture->path, .pipeline = "p"};
    *err = (struct err){0, ""};
    return store_open(out, &settings, err);
}

static inline struct store *fixture_open(const struct fixture *fixture)
{
    struct store *store;
    struct err err;
    if (fixture_try(fixture, &store, &err) != 0)
        fail_msg("%s", err.message);
    return store;
}

/* Commits on this thread and frees the batch. */
static inline void commit_now(struct store *store, struct store_batch *batch)
{
    assert_false(store_batch_failed(batch));
    int rc = store_commit_batch(store, batch);
    if (rc != SQLITE_OK)
        fail_msg("commit: %s", sqlite3_errmsg(store->db));
    store_batch_free(batch);
}

struct fixture_log {
    uint64_t tickets[16];
    size_t committed;
    struct store_panes panes;
    size_t pane_answers;
};

static inline void fixture_committed(void *context, uint64_t ticket)
{
    struct fixture_log *log = context;
    log->tickets[log->committed++ % 16] = ticket;
}

static inline void fixture_panes(void *context, uint64_t ticket, struct store_panes *panes)
{
    struct fixture_log *log = context;
    (void)ticket;
    store_panes_free(&log->panes);
    log->panes = *panes;
    log->pane_answers++;
}

/* Waits for so many completions, at most 10 s. */
static inline void fixture_wait(struct store *store, struct fixture_log *log, size_t committed, size_t panes)
{
    struct store_listener listener = {fixture_committed, fixture_panes, log};
    for (int i = 0; i < 100 && (log->committed < committed || log->pane_answers < panes); i++) {
        struct pollfd wait = {store_event_fd(store), POLLIN, 0};
        (void)poll(&wait, 1, 100);
        store_completions(store, &listener);
    }
    assert_int_equal(log->committed, committed);
    assert_int_equal(log->pane_answers, panes);
}

/* The first column of the first row as text, through a connection of its own; "NULL" for NULL, "" for no row.
 */
static inline const char *query_text(const struct fixture *fixture, const char *sql, char *out, size_t size)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    out[0] = '\0';
    assert_int_equal(sqlite3_open_v2(fixture->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 10000); /* a checkpoint may hold the file for a moment */
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    size_t used = 0;
    while (sqlite3_step(statement) == SQLITE_ROW && used < size) {
        for (int i = 0; i < sqlite3_column_count(statement) && used < size; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            used += (size_t)snprintf(out + used, size - used, "%s%s",
                                     i      ? "|"
                                     : used ? "\n"
                                            : "",
                                     text ? text : "NULL");
        }
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return out;
}

#define assert_query(fixture, sql, expected)                                                                 \
    do {                                                                                                     \
        char answer_[8192];                                                                                  \
        assert_string_equal(query_text(fixture, sql, answer_, sizeof(answer_)), expected);                   \
    } while (0)

/* A whole file; the caller frees. */
static inline unsigned char *slurp(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    unsigned char *bytes = malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    (void)fclose(file);
    *out_len = (size_t)size;
    return bytes;
}

static inline void spill(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

#endif
