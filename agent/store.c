/*
 * Opening and closing. The order matters: the lock first (two writers must never meet), then a look at the
 * file that changes nothing, and only when the file is ours and sound a connection that may write.
 */
#include "agent/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STORE_MODE = 0640, PATH_BYTES = 4096, LOCK_ATTEMPTS = 5 };

/* ---- the lock ---- */

static int lock_holder(int fd, char *out, size_t size)
{
    ssize_t len = pread(fd, out, size - 1, 0);
    if (len < 0)
        len = 0;
    out[len] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return (int)len;
}

/* A command that looks whether the store is held has the lock for an instant: that is waited for. */
static int lock_patiently(int fd)
{
    const struct timespec pause = {0, 20 * 1000 * 1000};
    int rc = -1;
    for (int i = 0; i < LOCK_ATTEMPTS && rc != 0; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        rc = flock(fd, LOCK_EX | LOCK_NB);
        if (rc != 0 && errno != EWOULDBLOCK)
            break;
    }
    return rc;
}

static int take_lock(struct store *store, struct err *err)
{
    char path[PATH_BYTES], holder[32];
    if (snprintf(path, sizeof(path), "%s.lock", store->path) >= (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path of the store is too long: %s", store->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, STORE_MODE);
    if (fd < 0)
        return err_set(err, ERR_CONFIG, "cannot open the store %s: its lock file %s: %s", store->path, path,
                       strerror(errno));
    if (lock_patiently(fd) != 0) {
        int reason = errno;
        (void)lock_holder(fd, holder, sizeof(holder));
        (void)close(fd);
        if (reason == EWOULDBLOCK)
            return err_set(err, ERR_TEMPORARY, /* it may be about to end */
                           "the store %s is in use by process %s; one store belongs to one driftd",
                           store->path, holder[0] ? holder : "(unknown)");
        return err_set(err, ERR_CONFIG, "cannot lock %s: %s", path, strerror(reason));
    }
    int len = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)len, 0) != len) {
        int reason = errno;
        (void)close(fd);
        return err_set(err, ERR_CONFIG, "cannot write %s: %s", path, strerror(reason));
    }
    store->lock_fd = fd;
    return 0;
}

/* ---- a look at the file ---- */

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static int refuse_version(const struct store *store, int64_t version, struct err *err)
{
    return err_set(err, ERR_CONFIG,
                   "the store %s was written by a newer driftd (schema %" PRId64
                   ", this one knows %d); use that version, or another path",
                   store->path, version, STORE_SCHEMA_VERSION);
}

static int refuse_foreign(const struct store *store, struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s is not a store of driftd; give another path", store->path);
}

/* The first page as it is on disk: enough to refuse without letting SQLite near the file. Makes the file when
 * there is none; *out_empty: SQLite has never written to it. */
static int look_at_header(struct store *store, bool *out_empty, struct err *err)
{
    unsigned char header[100];
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, STORE_MODE);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        int reason = errno;
        if (fd >= 0)
            (void)close(fd);
        return err_set(err, ERR_CONFIG, "cannot open the store %s for writing: %s", store->path,
                       strerror(reason));
    }
    ssize_t len = S_ISREG(status.st_mode) ? pread(fd, header, sizeof(header), 0) : -1;
    (void)close(fd);
    *out_empty = len == 0;
    if (len == 0)
        return 0;
    if (len < (ssize_t)sizeof(header) || memcmp(header, "SQLite format 3", 16) != 0)
        return refuse_foreign(store, err);
    uint32_t application = big_endian(header + 68), version = big_endian(header + 60);
    if (application != 0 && application != STORE_APPLICATION_ID)
        return refuse_foreign(store, err);
    if (application == STORE_APPLICATION_ID && version > STORE_SCHEMA_VERSION)
        return refuse_version(store, version, err);
    return 0;
}

struct identity {
    int64_t application, version, objects;
};

static int read_identity(const char *path, int flags, sqlite3 **out_db, struct identity *out)
{
    int rc = sqlite3_open_v2(path, out_db, flags | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = store_harden(*out_db);
    if (rc == SQLITE_OK)
        rc = store_query_integer(*out_db, "PRAGMA application_id", &out->application);
    if (rc == SQLITE_OK)
        rc = store_query_integer(*out_db, "PRAGMA user_version", &out->version);
    if (rc == SQLITE_OK)
        rc = store_query_integer(*out_db, "SELECT count(*) FROM sqlite_schema", &out->objects);
    return rc;
}

/* The same through a read-only connection, which also sees what is still in the WAL. A process that was
 * killed while it made the file leaves a rollback journal, which only a connection that may write can undo.
 */
static int look_inside(struct store *store, struct err *err)
{
    sqlite3 *db = NULL;
    struct identity identity = {0, 0, 0};
    int rc = read_identity(store->path, SQLITE_OPEN_READONLY, &db, &identity);
    if ((rc & 0xff) == SQLITE_READONLY) {
        (void)sqlite3_close(db);
        db = NULL;
        rc = read_identity(store->path, SQLITE_OPEN_READWRITE, &db, &identity);
    }
    int64_t application = identity.application, version = identity.version;
    int code = 0;
    char name[256] = "";
    if (rc != SQLITE_OK)
        code = store_refuse_damaged(store, sqlite3_errmsg(db), err);
    else if (application != STORE_APPLICATION_ID &&
             (application != 0 || version != 0 || identity.objects != 0))
        code = refuse_foreign(store, err);
    else if (version > STORE_SCHEMA_VERSION)
        code = refuse_version(store, version, err);
    else if (application != 0 && store_read_meta(db, "pipeline", name, sizeof(name)) == 0 &&
             strcmp(name, store->pipeline) != 0)
        code = err_set(err, ERR_CONFIG, "the store %s belongs to the pipeline `%s`, not to `%s`", store->path,
                       name, store->pipeline);
    (void)sqlite3_close(db);
    return code;
}

/* ---- open, close ---- */

/* What may have to be written before the store is used: nothing of it before the check has ended. */
int store_settle(struct store *store, struct err *err)
{
    int rc = store->settled ? 0 : store_check_end(store, err);
    if (rc == 0 && !store->settled)
        rc = store_refresh_contract(store, err);
    if (rc != 0)
        return rc;
    store->settled = true;
    store_checkpoint(store, false);
    store_update_size(store);
    return 0;
}

static void read_commits(struct store *store)
{
    char commits[32];
    if (store_read_meta(store->db, "commits", commits, sizeof(commits)) == 0)
        store->commits = strtoull(commits, NULL, 10);
}

/* Only a file that needs no migration can be read while it is checked. */
static int check_and_migrate(struct store *store, bool empty, bool check_aside, struct err *err)
{
    int64_t version = 0;
    bool aside = check_aside && !empty &&
                 store_query_integer(store->db, "PRAGMA user_version", &version) == SQLITE_OK &&
                 version == STORE_SCHEMA_VERSION;
    int rc = empty ? 0 : aside ? store_check_begin(store, err) : store_check_here(store, err);
    if (rc == 0)
        rc = aside ? 0 : store_migrate_current(store, err);
    if (rc == 0)
        read_commits(store);
    return rc == 0 && !aside ? store_settle(store, err) : rc;
}

static int open_all(struct store *store, bool check_aside, struct err *err)
{
    bool empty = true;
    int rc = take_lock(store, err);
    if (rc == 0)
        rc = look_at_header(store, &empty, err);
    if (rc == 0 && !empty)
        rc = look_inside(store, err);
    if (rc == 0)
        rc = store_connect(store, err);
    if (rc == 0)
        rc = check_and_migrate(store, empty, check_aside, err);
    return rc;
}

static struct store *store_new(const struct store_settings *settings)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    store->lock_fd = -1;
    store->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    store->full_sync = settings->full_sync;
    store->log = settings->log;
    store->packer = store_packer_new();
    store->path = strdup(settings->path);
    store->pipeline = strdup(settings->pipeline ? settings->pipeline : "driftd");
    store->last_request = &store->first_request;
    store->last_completion = &store->first_completion;
    store->prune_waiting_before_ms = INT64_MIN;
    store->prune_results_before_ms = store->prune_results_wall_ms = store->prune_alerts_before_ms = INT64_MIN;
    for (int tier = 0; tier < STORE_TIERS; tier++)
        store->prune_panes_before_ms[tier] = INT64_MIN;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&store->mutex, NULL);
    if (!store->packer || !store->path || !store->pipeline || store->event_fd < 0) {
        store_close(store);
        return NULL;
    }
    return store;
}

int store_open(struct store **out, const struct store_settings *settings, struct err *err)
{
    *out = NULL;
    /* SQLite gives names that are empty or begin with a colon a meaning of their own. */
    if (!settings->path || settings->path[0] == '\0' || settings->path[0] == ':')
        return err_set(err, ERR_CONFIG, "the path of the store must name a file");
    struct store *store = store_new(settings);
    if (!store)
        return err_set(err, ERR_NOMEM, "out of memory while opening the store %s", settings->path);
    struct err reason = {0, ""};
    int rc = open_all(store, settings->check_aside, &reason);
    if (rc != 0) {
        store_close(store);
        return err_set(err, rc == ERR_CORRUPT || rc == ERR_IO ? ERR_CONFIG : rc, "%s", reason.message);
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_stop(store);
    store_check_drop(store);
    store_drop_requests(store);
    struct store_listener nobody = {NULL, NULL, NULL};
    store_completions(store, &nobody);
    if (store->db) {
        if (store->settled)
            store_checkpoint(store, true);
        store_disconnect(store);
    }
    if (store->event_fd >= 0)
        (void)close(store->event_fd);
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_mutex_destroy(&store->mutex);
    store_packer_free(store->packer);
    free(store->path);
    free(store->pipeline);
    free(store);
}
