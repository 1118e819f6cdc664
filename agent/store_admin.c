#include "agent/store_admin.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/json.h"
#include "agent/store_internal.h"

enum { ADMIN_PATH_BYTES = 4096 };

static int admin_error(const char *path, sqlite3 *db, int rc, const char *doing, struct err *err)
{
    return err_set(err, store_code(rc), "cannot %s the store %s: %s", doing, path,
                   db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
}

/* A connection that only reads, once the file is known to be ours. NULL: *err says why. */
static sqlite3 *open_for_reading(const char *path, struct err *err)
{
    sqlite3 *db = NULL;
    int64_t application = 0;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK)
        rc = store_harden(db);
    if (rc == SQLITE_OK)
        rc = store_query_integer(db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK && application == STORE_APPLICATION_ID)
        return db;
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_NOTADB)
        (void)err_set(err, ERR_CONFIG, "%s is not a store of driftd", path);
    else
        (void)admin_error(path, db, rc, "read", err);
    (void)sqlite3_close(db);
    return NULL;
}

/* ---- copies ---- */

static int vacuum_into(sqlite3 *db, const char *to)
{
    sqlite3_stmt *copy = NULL;
    int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &copy, NULL);
    if (rc == SQLITE_OK)
        rc = store_bind_text(copy, 1, to);
    if (rc == SQLITE_OK)
        rc = store_step(copy);
    (void)sqlite3_finalize(copy);
    return rc;
}

static int make_like(const char *from, const char *path)
{
    struct stat status;
    if (stat(from, &status) != 0)
        return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 0666);
    return fd < 0 ? -1 : close(fd);
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    int saved_errno = errno;
    (void)close(fd);
    errno = saved_errno;
    return rc;
}

/* Also the directory, so that the new name survives a loss of power. */
static int settle_copy(const char *temporary, const char *to, bool replace)
{
    if (sync_path(temporary, O_RDWR) != 0)
        return -1;
    if (replace ? rename(temporary, to) != 0 : link(temporary, to) != 0 || unlink(temporary) != 0)
        return -1;
    char directory[ADMIN_PATH_BYTES];
    (void)snprintf(directory, sizeof(directory), "%s", to);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0';
    return sync_path(slash ? directory : ".", O_RDONLY | O_DIRECTORY);
}

int store_copy(const char *from, const char *to, bool replace, struct err *err)
{
    char temporary[ADMIN_PATH_BYTES];
    if (snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", to, (long)getpid()) >= (int)sizeof(temporary))
        return err_set(err, ERR_INVALID, "the path is too long: %s", to);
    if (!replace && access(to, F_OK) == 0)
        return err_set(err, ERR_INVALID, "%s exists already; give another name", to);
    sqlite3 *db = open_for_reading(from, err);
    if (!db)
        return ERR_CONFIG;
    /* VACUUM INTO takes an empty file; making it here gives it the rights of the store. */
    if (make_like(from, temporary) != 0) {
        (void)sqlite3_close(db);
        return err_set(err, ERR_IO, "cannot write %s: %s", temporary, strerror(errno));
    }
    int rc = vacuum_into(db, temporary);
    int code = 0;
    if (rc != SQLITE_OK)
        code =
            err_set(err, ERR_IO, "cannot copy the store %s to %s: %s", from, temporary, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    if (code == 0 && settle_copy(temporary, to, replace) != 0)
        code = err_set(err, ERR_IO, "cannot write %s: %s", to, strerror(errno));
    if (code != 0)
        (void)unlink(temporary);
    return code;
}

int store_migrate_file(const char *path, int64_t *out_before, int64_t *out_after, struct err *err)
{
    char pipeline[256] = "";
    sqlite3 *db = open_for_reading(path, err);
    if (!db)
        return ERR_CONFIG;
    int rc = store_query_integer(db, "PRAGMA user_version", out_before);
    int code = rc == SQLITE_OK ? store_read_meta(db, "pipeline", pipeline, sizeof(pipeline)) : store_code(rc);
    (void)sqlite3_close(db);
    if (code != 0)
        return err_set(err, ERR_CONFIG, "cannot read the store %s: %s", path, err_name(code));
    struct store *store;
    struct store_settings settings = {.path = path, .full_sync = true, .pipeline = pipeline};
    code = store_open(&store, &settings, err);
    if (code != 0)
        return code;
    *out_after = STORE_SCHEMA_VERSION;
    store_close(store);
    return 0;
}

/* ---- verification ---- */

static int verify_pages(sqlite3 *db, struct strbuf *report)
{
    sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(20)", -1, &check, NULL);
    bool ok = rc == SQLITE_OK;
    while (ok && (rc = sqlite3_step(check)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(check, 0);
        if (line && strcmp(line, "ok") == 0)
            continue;
        ok = false;
        strbuf_addf(report, "damaged   %s\n", line ? line : "no answer");
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        ok = false;
        strbuf_addf(report, "damaged   %s\n", sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(check);
    if (ok)
        strbuf_adds(report, "ok        pages and indexes\n");
    return ok ? 0 : ERR_CORRUPT;
}

static int verify_panes(sqlite3 *db, struct strbuf *report)
{
    sqlite3_stmt *all = NULL;
    struct arena *arena = arena_new(1 << 16, 0);
    uint64_t panes = 0, bad = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT bytes FROM pane", -1, &all, NULL);
    while (arena && rc == SQLITE_OK && sqlite3_step(all) == SQLITE_ROW) {
        const void *bytes;
        size_t len;
        arena_reset(arena);
        panes++;
        bad += store_unpack(sqlite3_column_blob(all, 0), (size_t)sqlite3_column_bytes(all, 0), arena, &bytes,
                            &len) != 0;
    }
    int end = sqlite3_finalize(all);
    arena_free(arena);
    if (rc != SQLITE_OK || end != SQLITE_OK || bad > 0 || !arena) {
        strbuf_addf(report, "damaged   panes: %" PRIu64 " of %" PRIu64 " cannot be read\n", bad, panes);
        return ERR_CORRUPT;
    }
    strbuf_addf(report, "ok        %" PRIu64 " panes\n", panes);
    return 0;
}

static int verify_views(sqlite3 *db, struct strbuf *report)
{
    sqlite3_stmt *list = NULL;
    int views = 0, code = 0;
    int rc = sqlite3_prepare_v2(
        db,
        "SELECT name, format('SELECT * FROM \"%w\" LIMIT 1', name) FROM sqlite_schema WHERE type = 'view'",
        -1, &list, NULL);
    while (rc == SQLITE_OK && sqlite3_step(list) == SQLITE_ROW) {
        views++;
        if (store_exec(db, (const char *)sqlite3_column_text(list, 1)) == SQLITE_OK)
            continue;
        strbuf_addf(report, "damaged   view %s: %s\n", (const char *)sqlite3_column_text(list, 0),
                    sqlite3_errmsg(db));
        code = ERR_CORRUPT;
    }
    (void)sqlite3_finalize(list);
    if (code == 0 && views == 0)
        code = ERR_CORRUPT;
    if (code == 0)
        strbuf_addf(report, "ok        %d views\n", views);
    return code;
}

int store_verify(const char *path, struct strbuf *report, struct err *err)
{
    sqlite3 *db = open_for_reading(path, err);
    if (!db)
        return ERR_CONFIG;
    int pages = verify_pages(db, report), panes = verify_panes(db, report), views = verify_views(db, report);
    (void)sqlite3_close(db);
    struct audit_summary summary;
    int audit = store_verify_audit(path, 0, NULL, &summary, err);
    if (audit == 0)
        strbuf_addf(report, "ok        %" PRId64 " audit entries, head %" PRId64 ":%s\n", summary.entries,
                    summary.entries, summary.head);
    else
        strbuf_addf(report, "damaged   audit log: %s\n", err ? err->message : "the chain is broken");
    if (pages || panes || views || audit)
        return err_set(err, ERR_CORRUPT, "the store %s is damaged; restore a backup", path);
    return 0;
}

static bool blob_is(sqlite3_stmt *row, int column, const unsigned char hash[SHA256_BYTES])
{
    return sqlite3_column_bytes(row, column) == SHA256_BYTES &&
           memcmp(sqlite3_column_blob(row, column), hash, SHA256_BYTES) == 0;
}

/* One link: the number follows, it names the hash before it, and its own hash is right. */
static bool link_is_right(sqlite3_stmt *row, int64_t seq, unsigned char hash[SHA256_BYTES])
{
    struct audit_entry entry = {
        .seq = sqlite3_column_int64(row, 0),
        .ts_ms = sqlite3_column_int64(row, 1),
        .actor = store_column_text(row, 2),
        .action = store_column_text(row, 3),
        .subject = store_column_text(row, 4),
        .details = store_column_text(row, 5),
        .previous = hash,
    };
    unsigned char own[SHA256_BYTES];
    if (entry.seq != seq || !blob_is(row, 6, hash) || store_audit_hash(&entry, own) != 0 ||
        !blob_is(row, 7, own))
        return false;
    memcpy(hash, own, SHA256_BYTES);
    return true;
}

static int audit_verdict(const char *path, int64_t expect_seq, const struct audit_summary *summary,
                         struct err *err)
{
    if (summary->broken_at)
        return err_set(err, ERR_CORRUPT,
                       "the audit log of %s is broken at entry %" PRId64
                       ": it or the one before it was changed or removed",
                       path, summary->broken_at);
    if (summary->entries == 0)
        return err_set(err, ERR_CORRUPT, "the audit log of %s is empty; every store begins with an entry",
                       path);
    if (expect_seq > 0 && !summary->expected_found)
        return err_set(err, ERR_CORRUPT,
                       "the audit log of %s has no entry %" PRId64
                       " with the expected hash: it was rewritten or cut",
                       path, expect_seq);
    return 0;
}

int store_verify_audit(const char *path, int64_t expect_seq, const char *expect_hash,
                       struct audit_summary *summary, struct err *err)
{
    unsigned char hash[SHA256_BYTES] = {0};
    memset(summary, 0, sizeof(*summary));
    sqlite3 *db = open_for_reading(path, err);
    if (!db)
        return ERR_CONFIG;
    sqlite3_stmt *all = NULL;
    int rc = sqlite3_prepare_v2(db,
                                "SELECT seq, ts_ms, actor, action, subject, details, prev_hash, hash"
                                " FROM audit ORDER BY seq",
                                -1, &all, NULL);
    while (rc == SQLITE_OK && !summary->broken_at && (rc = sqlite3_step(all)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (!link_is_right(all, summary->entries + 1, hash)) {
            summary->broken_at = summary->entries + 1;
            break;
        }
        summary->entries++;
        (void)hex_encode(hash, sizeof(hash), summary->head);
        if (summary->entries == expect_seq)
            summary->expected_found = expect_hash && strcasecmp(summary->head, expect_hash) == 0;
    }
    int code = rc == SQLITE_OK || rc == SQLITE_DONE ? audit_verdict(path, expect_seq, summary, err)
                                                    : admin_error(path, db, rc, "read", err);
    (void)sqlite3_finalize(all);
    (void)sqlite3_close(db);
    return code;
}

/* ---- the outbox ---- */

static int bind_or_null(sqlite3_stmt *statement, int index, const char *text)
{
    return text ? store_bind_text(statement, index, text) : sqlite3_bind_null(statement, index);
}

static int set_outbox(struct store *store, enum outbox_action action, const char *id, const char *sink,
                      uint64_t *out_changed)
{
    bool retry = action == OUTBOX_RETRY;
    sqlite3_stmt *statement = store_statement(store, STATEMENT_OUTBOX_SET);
    if (!statement)
        return sqlite3_extended_errcode(store->db);
    const int64_t numbers[] = {retry ? OUTBOX_PENDING : OUTBOX_DROPPED, OUTBOX_DEAD,
                               retry ? OUTBOX_DEAD : OUTBOX_PENDING, store_wall_ms()};
    int rc = bind_or_null(statement, 1, id);
    if (rc == SQLITE_OK)
        rc = bind_or_null(statement, 2, sink);
    for (int i = 0; i < 4 && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(statement, 3 + i, numbers[i]);
    if (rc == SQLITE_OK)
        rc = store_step(statement);
    *out_changed = rc == SQLITE_OK ? (uint64_t)sqlite3_changes64(store->db) : 0;
    return rc;
}

static void outbox_details(const char *id, const char *sink, uint64_t items, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json);
    json_member_string(&json, "id", id);
    json_member_unsigned(&json, "items", items);
    json_member_string(&json, "sink", sink);
    json_object_end(&json);
}

int store_outbox_act(struct store *store, enum outbox_action action, const char *id, const char *sink,
                     const char *actor, uint64_t *out_changed, struct err *err)
{
    BUG_ON(store->thread_runs);
    struct strbuf details;
    strbuf_init(&details, 1 << 16);
    int rc = store_exec(store->db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = set_outbox(store, action, id, sink, out_changed);
    if (rc == SQLITE_OK && *out_changed > 0) {
        outbox_details(id, sink, *out_changed, &details);
        struct op_audit audit = {store_wall_ms(), actor,
                                 action == OUTBOX_RETRY ? "outbox.retry" : "outbox.drop", id ? id : "*",
                                 details.bytes};
        rc = strbuf_failed(&details) ? SQLITE_NOMEM : store_apply_audit(store, &audit);
    }
    if (rc == SQLITE_OK)
        rc = store_exec(store->db, "COMMIT");
    int code = rc == SQLITE_OK ? 0 : store_sql_error(store, rc, err, "change the outbox of");
    if (code != 0)
        (void)store_exec(store->db, "ROLLBACK");
    strbuf_release(&details);
    return code;
}
