/*
 * The look for damage at start: 100 ms of quick_check, on a connection and a thread of its own when the agent
 * starts, so that what it needs is read meanwhile. Nothing is written before its verdict.
 */
#include "agent/store_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { QUICK_CHECK_MS = 100 };

struct store_check {
    pthread_t thread;
    const char *path; /* the store's */
    bool complete;
    int code;
    char message[256];
};

int store_refuse_damaged(const struct store *store, const char *detail, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "the store %s is damaged (%s); restore a backup, or move it aside to start a new one",
                   store->path, detail);
}

static int verdict(struct store *store, const struct store_check *check, struct err *err)
{
    if (check->code != 0)
        return store_refuse_damaged(store, check->message, err);
    if (!check->complete)
        log_write(store->log, LOG_INFO, "store",
                  "the check of %s was cut short after %d ms; `driftd store verify` does all of it",
                  store->path, QUICK_CHECK_MS);
    return 0;
}

int store_check_here(struct store *store, struct err *err)
{
    struct store_check check = {.path = store->path};
    check.code =
        store_quick_check(store->db, QUICK_CHECK_MS, &check.complete, check.message, sizeof(check.message));
    return verdict(store, &check, err);
}

static void *check_thread(void *context)
{
    struct store_check *check = context;
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(check->path, &db, flags, NULL);
    if (rc == SQLITE_OK)
        rc = store_harden(db);
    if (rc == SQLITE_OK) {
        check->code =
            store_quick_check(db, QUICK_CHECK_MS, &check->complete, check->message, sizeof(check->message));
    } else {
        check->code = store_code(rc) ? store_code(rc) : ERR_IO;
        (void)snprintf(check->message, sizeof(check->message), "%s",
                       db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    }
    (void)sqlite3_close(db);
    return NULL;
}

int store_check_begin(struct store *store, struct err *err)
{
    struct store_check *check = calloc(1, sizeof(*check));
    if (!check)
        return err_set(err, ERR_NOMEM, "out of memory while opening the store %s", store->path);
    check->path = store->path;
    sigset_t all, before; /* signals belong to the loop */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    int rc = pthread_create(&check->thread, NULL, check_thread, check);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free(check);
        return store_check_here(store, err);
    }
    store->check = check;
    return 0;
}

int store_check_end(struct store *store, struct err *err)
{
    struct store_check *check = store->check;
    if (!check)
        return 0;
    (void)pthread_join(check->thread, NULL);
    store->check = NULL;
    int rc = verdict(store, check, err);
    free(check);
    return rc;
}

void store_check_drop(struct store *store)
{
    struct err ignored = {0, ""};
    int rc = store_check_end(store, &ignored);
    (void)rc; /* nobody asks any more */
}
