/*
 * The store thread: commits batches and reads panes in the order they were asked for, and checkpoints in
 * between. A commit that fails is tried again until it succeeds or the store is stopped; what was reported as
 * committed is in the file, or the store says for good that it is not.
 */
#include "agent/store_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/clock.h"

enum {
    CHECKPOINT_PAGES = 1000,       /* of 4 KiB: what README.md measures */
    CHECKPOINT_HARD_PAGES = 16384, /* 64 MiB: wait a little for readers */
    HARD_WAIT_MS = 100,
    RETRY_FIRST_MS = 100,
    RETRY_MAX_MS = 5000,
    HOUSEKEEPING_MS = 3600000,
    VACUUM_PAGES = 200,
    VACUUM_FREE_PAGES = 4096 /* below that, and below a quarter of the file, free pages wait for new rows */
};
static const int64_t outbox_keep_ms = INT64_C(7) * 86400 * 1000;

enum request_kind { REQUEST_BATCH, REQUEST_PANES };

struct request {
    struct request *next;
    enum request_kind kind;
    uint64_t ticket;
    struct completion *completion;
    struct store_batch *batch;
    uint8_t tier;
    int64_t from_ms, to_ms;
};

struct completion {
    struct completion *next;
    enum request_kind kind;
    uint64_t ticket;
    struct store_panes panes;
};

/* ---- one transaction ---- */

static int vacuum_some(struct store *store)
{
    int64_t pages, free_pages;
    int rc = store_query_integer(store->db, "PRAGMA freelist_count", &free_pages);
    if (rc != SQLITE_OK || free_pages < VACUUM_FREE_PAGES)
        return rc;
    rc = store_query_integer(store->db, "PRAGMA page_count", &pages);
    if (rc != SQLITE_OK || free_pages < pages / 4)
        return rc;
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    return store_exec(store->db, sql);
}

static int prune_outbox(struct store *store, int64_t now_ms)
{
    if (now_ms >= store->housekeeping_ms && now_ms - store->housekeeping_ms < HOUSEKEEPING_MS)
        return SQLITE_OK;
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PRUNE_OUTBOX);
    if (!statement)
        return sqlite3_extended_errcode(store->db);
    int rc = sqlite3_bind_int64(statement, 1, now_ms - outbox_keep_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(statement, 2, STORE_PRUNE_ROWS);
    if (rc == SQLITE_OK)
        rc = store_step(statement);
    if (rc == SQLITE_OK && sqlite3_changes(store->db) < STORE_PRUNE_ROWS)
        store->housekeeping_ms = now_ms;
    return rc;
}

static int put_number(struct store *store, const char *key, int64_t number)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64, number);
    return store_apply_meta(store, key, text);
}

static int run_transaction(struct store *store, const struct store_batch *batch)
{
    int64_t now_ms = store_wall_ms();
    sqlite3_stmt *begin = store_statement(store, STATEMENT_BEGIN);
    int rc = begin ? store_step(begin) : sqlite3_extended_errcode(store->db);
    for (const struct op *op = batch->first; op && rc == SQLITE_OK; op = op->next)
        rc = store_apply_op(store, op);
    if (rc == SQLITE_OK)
        rc = store_apply_prune(store);
    if (rc == SQLITE_OK)
        rc = prune_outbox(store, now_ms);
    if (rc == SQLITE_OK)
        rc = vacuum_some(store);
    if (rc == SQLITE_OK)
        rc = put_number(store, "commits", (int64_t)store->commits + 1);
    if (rc == SQLITE_OK)
        rc = put_number(store, "committed_ms", now_ms);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *commit = store_statement(store, STATEMENT_COMMIT);
    return commit ? store_step(commit) : sqlite3_extended_errcode(store->db);
}

int store_commit_batch(struct store *store, const struct store_batch *batch)
{
    int64_t panes[STORE_TIERS], results = store->prune_results_before_ms;
    int64_t housekeeping = store->housekeeping_ms;
    memcpy(panes, store->prune_panes_before_ms, sizeof(panes));
    int rc = run_transaction(store, batch);
    if (rc == SQLITE_OK) {
        store->commits++;
        return SQLITE_OK;
    }
    /* As if it had never begun; some errors have rolled back already. */
    if (!sqlite3_get_autocommit(store->db)) {
        sqlite3_stmt *rollback = store_statement(store, STATEMENT_ROLLBACK);
        if (!rollback || store_step(rollback) != SQLITE_OK)
            store->reopen = true;
    }
    memcpy(store->prune_panes_before_ms, panes, sizeof(panes));
    store->prune_results_before_ms = results;
    store->housekeeping_ms = housekeeping;
    int primary = rc & 0xff;
    if (primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB ||
        primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN || primary == SQLITE_PROTOCOL)
        store->reopen = true;
    return rc;
}

/* ---- checkpoints ---- */

void store_checkpoint(struct store *store, bool now)
{
    if (!store->db || (!now && store->wal_pages < CHECKPOINT_PAGES))
        return;
    int in_wal = 0, copied = 0;
    bool hard = now || store->wal_pages >= CHECKPOINT_HARD_PAGES;
    if (hard)
        (void)sqlite3_busy_timeout(store->db, HARD_WAIT_MS);
    int rc = sqlite3_wal_checkpoint_v2(
        store->db, NULL, hard ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &in_wal, &copied);
    if (hard)
        (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    int primary = rc & 0xff;
    if (rc == SQLITE_OK || primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return;
    log_write(store->log, LOG_WARNING, "store", "cannot copy the write-ahead log into %s: %s", store->path,
              sqlite3_errmsg(store->db));
    if (primary == SQLITE_IOERR)
        store->reopen = true;
}

void store_update_size(struct store *store)
{
    char path[4096];
    struct stat status;
    uint64_t size = 0;
    if (stat(store->path, &status) == 0)
        size += (uint64_t)status.st_size;
    if (snprintf(path, sizeof(path), "%s-wal", store->path) < (int)sizeof(path) && stat(path, &status) == 0)
        size += (uint64_t)status.st_size;
    atomic_store_explicit(&store->size_bytes, size, memory_order_relaxed);
}

/* ---- failing and coming back ---- */

static void set_failing(struct store *store, const char *reason)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool news = !store->failing || strcmp(store->reason, reason) != 0;
    store->failing = true;
    (void)snprintf(store->reason, sizeof(store->reason), "%s", reason);
    (void)pthread_mutex_unlock(&store->mutex);
    if (news)
        log_write(store->log, LOG_ERROR, "store", "%s; will try again", reason);
}

static void set_well(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool news = store->failing;
    store->failing = false;
    store->reason[0] = '\0';
    (void)pthread_mutex_unlock(&store->mutex);
    if (news)
        log_write(store->log, LOG_INFO, "store", "the store %s accepts commits again", store->path);
}

bool store_is_failing(const struct store *store, char *out_reason, size_t reason_size)
{
    /* The mutex is not part of what `const` promises. */
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&store->mutex;
    (void)pthread_mutex_lock(mutex);
    bool failing = store->failing;
    if (out_reason && reason_size)
        (void)snprintf(out_reason, reason_size, "%s", store->reason);
    (void)pthread_mutex_unlock(mutex);
    return failing;
}

/*
 * A new connection after an error that leaves it open what is on disk. Pages that the kernel failed to write
 * may be gone although a read still returns them, so everything in the WAL is copied into the file and synced
 * anew. *out_committed: the transaction that reported the error is in the file after all.
 */
static int reconnect(struct store *store, bool *out_committed, struct err *err)
{
    store_disconnect(store);
    int rc = store_connect(store, err);
    if (rc != 0)
        return rc;
    int in_wal, copied;
    int sqlite_code = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_FULL, &in_wal, &copied);
    if (sqlite_code != SQLITE_OK && (sqlite_code & 0xff) != SQLITE_BUSY)
        return store_sql_error(store, sqlite_code, err, "recover");
    char text[32];
    rc = store_read_meta(store->db, "commits", text, sizeof(text));
    if (rc != 0)
        return err_set(err, rc, "cannot read the store %s: %s", store->path, sqlite3_errmsg(store->db));
    uint64_t commits = strtoull(text, NULL, 10);
    store->lost_commits = commits < store->commits;
    *out_committed = commits > store->commits;
    store->reopen = false;
    return 0;
}

/* One attempt. */
static int try_batch(struct store *store, const struct store_batch *batch, struct err *err)
{
    bool committed = false;
    if (store->reopen && !store->lost_commits) {
        int rc = reconnect(store, &committed, err);
        if (rc != 0)
            return rc;
    }
    if (store->lost_commits)
        return err_set(err, ERR_CORRUPT,
                       "the disk lost commits of the store %s that had succeeded; restart driftd, it will "
                       "continue from what is there",
                       store->path);
    if (committed) {
        store->commits++;
        return 0;
    }
    int rc = store_commit_batch(store, batch);
    return rc == SQLITE_OK ? 0 : store_sql_error(store, rc, err, "commit to");
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Not longer than until the store is being stopped. */
static void wait_before_retry(struct store *store, int64_t ms)
{
    struct timespec at = after_ms(ms);
    (void)pthread_mutex_lock(&store->mutex);
    while (!store->stopping && pthread_cond_timedwait(&store->wake, &store->mutex, &at) != ETIMEDOUT)
        ;
    (void)pthread_mutex_unlock(&store->mutex);
}

static bool has_audit(const struct store_batch *batch)
{
    for (const struct op *op = batch->first; op; op = op->next)
        if (op->kind == OP_AUDIT)
            return true;
    return false;
}

/* The head of the audit chain leaves the file with the log, where the file's owner cannot rewrite it. */
static void log_audit_head(struct store *store)
{
    sqlite3_stmt *head = store_statement(store, STATEMENT_AUDIT_HEAD);
    if (!head || sqlite3_step(head) != SQLITE_ROW)
        return;
    char hex[2 * SHA256_BYTES + 1];
    if (sqlite3_column_bytes(head, 1) == SHA256_BYTES)
        log_write(store->log, LOG_INFO, "store", "audit head %" PRId64 ":%s",
                  (int64_t)sqlite3_column_int64(head, 0),
                  hex_encode(sqlite3_column_blob(head, 1), SHA256_BYTES, hex));
    (void)sqlite3_reset(head);
}

static bool is_stopping(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool stopping = store->stopping;
    (void)pthread_mutex_unlock(&store->mutex);
    return stopping;
}

static int64_t monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Until it is committed. False: the store was stopped first, after one attempt more. */
static bool commit_request(struct store *store, const struct store_batch *batch)
{
    struct err err;
    int64_t wait_ms = RETRY_FIRST_MS;
    /* What came after a batch that was given up must not be in the file without it. */
    while (!store->gave_up) {
        bool last = is_stopping(store);
        int64_t begin_us = monotonic_us();
        if (try_batch(store, batch, &err) == 0) {
            atomic_store_explicit(&store->commit_us, (uint64_t)(monotonic_us() - begin_us),
                                  memory_order_relaxed);
            set_well(store);
            if (has_audit(batch))
                log_audit_head(store);
            return true;
        }
        set_failing(store, err.message);
        if (last) {
            log_write(store->log, LOG_ERROR, "store",
                      "stopping with a batch that could not be committed: %s; it will be replayed",
                      err.message);
            store->gave_up = true;
            break;
        }
        wait_before_retry(store, wait_ms);
        wait_ms = wait_ms * 2 < RETRY_MAX_MS ? wait_ms * 2 : RETRY_MAX_MS;
    }
    return false;
}

/* ---- queues ---- */

static void complete(struct store *store, struct completion *completion)
{
    (void)pthread_mutex_lock(&store->mutex);
    *store->last_completion = completion;
    store->last_completion = &completion->next;
    (void)pthread_mutex_unlock(&store->mutex);
    uint64_t one = 1;
    /* Only an overflow of the counter could make this fail, and then it is readable already. */
    ssize_t written = write(store->event_fd, &one, sizeof(one));
    (void)written;
}

static struct request *next_request(struct store *store)
{
    (void)pthread_mutex_lock(&store->mutex);
    while (!store->first_request && !store->stopping)
        (void)pthread_cond_wait(&store->wake, &store->mutex);
    struct request *request = store->first_request;
    if (request) {
        store->first_request = request->next;
        if (!store->first_request)
            store->last_request = &store->first_request;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return request;
}

static void finish_request(struct store *store, struct request *request)
{
    (void)pthread_mutex_lock(&store->mutex);
    if (request->kind == REQUEST_BATCH)
        store->queued_batches--;
    else
        store->queued_requests--;
    (void)pthread_mutex_unlock(&store->mutex);
    store_batch_free(request->batch);
    free(request);
}

/* The completion was made together with the request, so that reporting cannot fail. */
static void serve(struct store *store, struct request *request)
{
    struct completion *done = request->completion;
    bool report = true;
    if (request->kind == REQUEST_BATCH) {
        report = commit_request(store, request->batch);
    } else {
        int rc = store_collect_panes(store, request->tier, request->from_ms, request->to_ms, &done->panes);
        done->panes.error = rc;
    }
    finish_request(store, request);
    if (report)
        complete(store, done);
    else
        free(done);
}

static void *store_thread(void *context)
{
    struct store *store = context;
    struct request *request;
    while ((request = next_request(store))) {
        serve(store, request);
        store_checkpoint(store, false);
        store_update_size(store);
    }
    return NULL;
}

/* ---- loop thread ---- */

int store_start(struct store *store, struct err *err)
{
    BUG_ON(store->thread_runs);
    int code = store_settle(store, err);
    if (code != 0)
        return code;
    store->stopping = false;
    /* Signals belong to the loop. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&store->thread, NULL, store_thread, store);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return err_set(err, ERR_IO, "cannot start the store thread: %s", strerror(rc));
    store->thread_runs = true;
    return 0;
}

void store_stop(struct store *store)
{
    if (!store->thread_runs)
        return;
    (void)pthread_mutex_lock(&store->mutex);
    store->stopping = true;
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->mutex);
    (void)pthread_join(store->thread, NULL);
    store->thread_runs = false;
}

void store_drop_requests(struct store *store)
{
    BUG_ON(store->thread_runs);
    for (struct request *request = store->first_request, *next; request; request = next) {
        next = request->next;
        store_batch_free(request->batch);
        free(request->completion);
        free(request);
    }
    store->first_request = NULL;
    store->last_request = &store->first_request;
}

int store_event_fd(const struct store *store)
{
    return store->event_fd;
}

static struct request *request_new(enum request_kind kind, uint64_t ticket)
{
    struct request *request = calloc(1, sizeof(*request));
    struct completion *completion = calloc(1, sizeof(*completion));
    if (!request || !completion) {
        free(request);
        free(completion);
        return NULL;
    }
    request->kind = completion->kind = kind;
    request->ticket = completion->ticket = ticket;
    request->completion = completion;
    return request;
}

static int enqueue(struct store *store, struct request *request, uint32_t *count, uint32_t max)
{
    (void)pthread_mutex_lock(&store->mutex);
    bool full = *count >= max;
    if (!full) {
        (*count)++;
        *store->last_request = request;
        store->last_request = &request->next;
        (void)pthread_cond_signal(&store->wake);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (!full)
        return 0;
    free(request->completion);
    free(request);
    return ERR_BUSY;
}

int store_submit(struct store *store, struct store_batch *batch, uint64_t ticket)
{
    if (store_batch_failed(batch))
        return ERR_NOMEM;
    struct request *request = request_new(REQUEST_BATCH, ticket);
    if (!request)
        return ERR_NOMEM;
    request->batch = batch;
    return enqueue(store, request, &store->queued_batches, STORE_BATCHES_MAX);
}

int store_request_panes(struct store *store, uint64_t ticket, uint8_t tier, int64_t from_ms, int64_t to_ms)
{
    struct request *request = request_new(REQUEST_PANES, ticket);
    if (!request)
        return ERR_NOMEM;
    request->tier = tier;
    request->from_ms = from_ms;
    request->to_ms = to_ms;
    return enqueue(store, request, &store->queued_requests, STORE_REQUESTS_MAX);
}

void store_completions(struct store *store, const struct store_listener *listener)
{
    uint64_t count;
    ssize_t got = read(store->event_fd, &count, sizeof(count));
    (void)got; /* nothing to read is fine */
    (void)pthread_mutex_lock(&store->mutex);
    struct completion *list = store->first_completion;
    store->first_completion = NULL;
    store->last_completion = &store->first_completion;
    (void)pthread_mutex_unlock(&store->mutex);
    for (struct completion *next; list; list = next) {
        next = list->next;
        if (list->kind == REQUEST_BATCH) {
            if (listener->committed)
                listener->committed(listener->context, list->ticket);
        } else if (listener->panes) {
            listener->panes(listener->context, list->ticket, &list->panes);
        } else {
            store_panes_free(&list->panes);
        }
        free(list);
    }
}

uint64_t store_size_bytes(const struct store *store)
{
    return atomic_load_explicit(&store->size_bytes, memory_order_relaxed);
}

double store_commit_ms(const struct store *store)
{
    return (double)atomic_load_explicit(&store->commit_us, memory_order_relaxed) / 1000.0;
}
