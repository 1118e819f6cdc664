/* Making, checking and migrating the file; the contract (views, metric table) that is made anew when it
 * differs. */
#include "agent/store_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/hash.h"
#include "agent/base/timestamp.h"

static const char *const schema_1[] = {SQL_SCHEMA_1, NULL};
static const char *const schema_2[] = {SQL_SCHEMA_2, NULL};
static const char *const views[] = {SQL_VIEWS, NULL};

static const struct store_migration migrations_current[] = {
    {1, schema_1},
    {2, schema_2},
};

/* Pieces, because a compiler need not take a string as long as the whole. */
static int exec_pieces(sqlite3 *db, const char *const *pieces)
{
    struct strbuf sql;
    strbuf_init(&sql, 1 << 20);
    for (; *pieces; pieces++)
        strbuf_adds(&sql, *pieces);
    int rc = strbuf_failed(&sql) ? SQLITE_NOMEM : store_exec(db, sql.bytes);
    strbuf_release(&sql);
    return rc;
}

/* ---- the contract ---- */

/* A fingerprint of everything that refresh_contract would write. */
static void contract_signature(char out[17])
{
    uint64_t hash = hash64(DRIFTD_VERSION, sizeof(DRIFTD_VERSION) - 1, 0);
    for (const char *const *piece = views; *piece; piece++)
        hash = hash64(*piece, strlen(*piece), hash);
    for (uint32_t i = 0; i < metric_count; i++) {
        const struct metric *m = &metric_table[i];
        const int numbers[] = {(int)m->family, m->kinds,    m->slot,      m->p_slot,
                               m->floor_slot,  m->low_slot, m->high_slot, m->has_minimum_n};
        const double reals[] = {m->floor_scale, m->warning, m->critical};
        const char *method = metric_method(m);
        hash = hash64(m->name, strlen(m->name) + 1, hash);
        hash = hash64(method ? method : "", method ? strlen(method) : 0, hash);
        hash = hash64(m->summary, strlen(m->summary) + 1, hash);
        hash = hash64(numbers, sizeof(numbers), hash);
        hash = hash64(reals, sizeof(reals), hash);
    }
    (void)snprintf(out, 17, "%016" PRIx64, hash);
}

static int put_metric(struct store *store, const struct metric *metric)
{
    sqlite3_stmt *statement = store_statement(store, STATEMENT_PUT_METRIC);
    if (!statement)
        return sqlite3_extended_errcode(store->db);
    const int numbers[] = {metric->kinds, metric->slot, metric->p_slot, metric->floor_slot};
    const int flags[] = {metric->low_slot, metric->high_slot, metric->has_minimum_n};
    int rc = store_bind_text(statement, 1, metric->name);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(statement, 2, (int)metric->family);
    if (rc == SQLITE_OK)
        rc = store_bind_text(statement, 3, family_monitor(metric->family));
    for (int i = 0; i < 4 && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int(statement, 4 + i, numbers[i]);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_double(statement, 8, metric->floor_slot < 0 ? 0 : metric->floor_scale);
    for (int i = 0; i < 3 && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int(statement, 9 + i, flags[i]);
    if (rc == SQLITE_OK)
        rc = store_bind_real(statement, 12, metric->warning);
    if (rc == SQLITE_OK)
        rc = store_bind_real(statement, 13, metric->critical);
    if (rc == SQLITE_OK)
        rc = store_bind_text(statement, 14, metric->summary);
    if (rc == SQLITE_OK)
        rc = store_bind_text(statement, 15, metric_method(metric));
    return rc == SQLITE_OK ? store_step(statement) : rc;
}

static int drop_views(sqlite3 *db)
{
    for (;;) {
        sqlite3_stmt *find = NULL;
        int rc = sqlite3_prepare_v2(
            db, "SELECT format('DROP VIEW \"%w\"', name) FROM sqlite_schema WHERE type = 'view' LIMIT 1", -1,
            &find, NULL);
        if (rc != SQLITE_OK)
            return rc;
        char drop[256] = "";
        rc = sqlite3_step(find);
        if (rc == SQLITE_ROW)
            (void)snprintf(drop, sizeof(drop), "%s", (const char *)sqlite3_column_text(find, 0));
        (void)sqlite3_finalize(find);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        rc = store_exec(db, drop);
        if (rc != SQLITE_OK)
            return rc;
    }
}

/* Inside the caller's transaction. */
static int write_contract(struct store *store, const char *signature)
{
    int rc = drop_views(store->db);
    if (rc == SQLITE_OK)
        rc = exec_pieces(store->db, views);
    sqlite3_stmt *clear = rc == SQLITE_OK ? store_statement(store, STATEMENT_CLEAR_METRICS) : NULL;
    if (rc == SQLITE_OK)
        rc = clear ? store_step(clear) : sqlite3_extended_errcode(store->db);
    for (uint32_t i = 0; i < metric_count && rc == SQLITE_OK; i++)
        rc = put_metric(store, &metric_table[i]);
    if (rc == SQLITE_OK)
        rc = store_apply_meta(store, "contract", signature);
    if (rc == SQLITE_OK)
        rc = store_apply_meta(store, "app_version", DRIFTD_VERSION);
    return rc;
}

int store_refresh_contract(struct store *store, struct err *err)
{
    char wanted[17], have[64] = "";
    contract_signature(wanted);
    if (store_read_meta(store->db, "contract", have, sizeof(have)) == 0 && strcmp(have, wanted) == 0)
        return 0;
    int rc = store_exec(store->db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = write_contract(store, wanted);
    if (rc == SQLITE_OK)
        rc = store_exec(store->db, "COMMIT");
    if (rc == SQLITE_OK)
        return 0;
    int code = store_sql_error(store, rc, err, "refresh the views of");
    (void)store_exec(store->db, "ROLLBACK");
    return code;
}

/* ---- migration ---- */

static int read_version(struct store *store, int64_t *out)
{
    return store_query_integer(store->db, "PRAGMA user_version", out);
}

static int set_version(sqlite3 *db, int version)
{
    char sql[96];
    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version=%d; PRAGMA application_id=%d", version,
                   STORE_APPLICATION_ID);
    return store_exec(db, sql);
}

/* What a new store knows of itself, and the first link of the audit chain. */
static int write_birth(struct store *store)
{
    unsigned char random[16];
    char id[2 * sizeof(random) + 1], now[32], details[512];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return SQLITE_IOERR;
    (void)hex_encode(random, sizeof(random), id);
    int64_t wall_ms = store_wall_ms();
    (void)snprintf(now, sizeof(now), "%" PRId64, wall_ms);
    (void)snprintf(details, sizeof(details), "{\"audit\":\"sha256-1\",\"store\":\"%s\"}", id);
    const char *pairs[][2] = {
        {"store", id}, {"created_ms", now}, {"pipeline", store->pipeline}, {"commits", "0"}};
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_LEN(pairs) && rc == SQLITE_OK; i++)
        rc = store_apply_meta(store, pairs[i][0], pairs[i][1]);
    if (rc == SQLITE_OK)
        rc = store_apply_audit(
            store, &(struct op_audit){wall_ms, "driftd", "store.created", store->pipeline, details});
    return rc;
}

/* All steps in one transaction: views and metrics are those of the last one and would not fit those between.
 */
static int run_steps(struct store *store, const struct store_migration *steps, size_t count, int64_t version)
{
    char text[16], signature[17];
    int last = steps[count - 1].version;
    (void)snprintf(text, sizeof(text), "%d", last);
    contract_signature(signature);
    int rc = store_exec(store->db, "BEGIN IMMEDIATE");
    /* Views stand in the way of ALTER TABLE. */
    if (rc == SQLITE_OK)
        rc = drop_views(store->db);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        if (steps[i].version > version)
            rc = exec_pieces(store->db, steps[i].sql);
    if (rc == SQLITE_OK && version == 0)
        rc = write_birth(store);
    if (rc == SQLITE_OK)
        rc = store_apply_meta(store, "schema", text);
    if (rc == SQLITE_OK)
        rc = write_contract(store, signature);
    if (rc == SQLITE_OK)
        rc = set_version(store->db, last);
    if (rc == SQLITE_OK)
        rc = store_exec(store->db, "COMMIT");
    return rc;
}

/* A whole copy beside the store, under a name that is not taken. */
static int back_up(struct store *store, int64_t version, struct err *err)
{
    char stamp[32], path[4096];
    (void)timestamp_format(store_wall_ms(), stamp);
    for (char *c = stamp; *c; c++)
        if (*c == ':')
            *c = '-';
    if (snprintf(path, sizeof(path), "%s.v%" PRId64 "-%s.bak", store->path, version, stamp) >=
        (int)sizeof(path))
        return err_set(err, ERR_CONFIG, "the path of the store is too long: %s", store->path);
    sqlite3_stmt *copy = NULL;
    int rc = sqlite3_prepare_v2(store->db, "VACUUM INTO ?1", -1, &copy, NULL);
    if (rc == SQLITE_OK)
        rc = store_bind_text(copy, 1, path);
    if (rc == SQLITE_OK)
        rc = store_step(copy);
    (void)sqlite3_finalize(copy);
    if (rc == SQLITE_OK) {
        log_write(store->log, LOG_INFO, "store", "copied the store to %s before migrating it", path);
        return 0;
    }
    (void)store_sql_error(store, rc, err, "back up");
    (void)unlink(path);
    err_prefix(err, "the store is left as it was");
    return ERR_CONFIG;
}

int store_migrate(struct store *store, const struct store_migration *migrations, size_t count,
                  struct err *err)
{
    int64_t version;
    int rc = read_version(store, &version);
    if (rc != SQLITE_OK)
        return store_sql_error(store, rc, err, "read the version of");
    int last = migrations[count - 1].version;
    if (version >= last)
        return 0;
    if (version > 0) {
        int code = back_up(store, version, err);
        if (code != 0)
            return code;
    }
    rc = run_steps(store, migrations, count, version);
    if (rc != SQLITE_OK) {
        int code = store_sql_error(store, rc, err, version ? "migrate" : "create");
        (void)store_exec(store->db, "ROLLBACK");
        return code;
    }
    if (version > 0)
        log_write(store->log, LOG_INFO, "store", "migrated the store from schema %" PRId64 " to %d", version,
                  last);
    return 0;
}

int store_migrate_current(struct store *store, struct err *err)
{
    _Static_assert(STORE_SCHEMA_VERSION == ARRAY_LEN(migrations_current), "one migration a version");
    return store_migrate(store, migrations_current, ARRAY_LEN(migrations_current), err);
}

/* ---- checks ---- */

struct deadline {
    int64_t at_ms;
    bool passed;
};

static int stop_at_deadline(void *context)
{
    struct deadline *deadline = context;
    deadline->passed = clock_system.monotonic_ms(&clock_system) >= deadline->at_ms;
    return deadline->passed;
}

int store_quick_check(sqlite3 *db, int64_t limit_ms, bool *out_complete, char *message, size_t message_size)
{
    struct deadline deadline = {clock_system.monotonic_ms(&clock_system) + limit_ms, false};
    if (limit_ms > 0)
        sqlite3_progress_handler(db, 10000, stop_at_deadline, &deadline);
    sqlite3_stmt *check = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(check);
    int code = 0;
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(check, 0);
        if (!text || strcmp(text, "ok") != 0)
            code = ERR_CORRUPT;
        (void)snprintf(message, message_size, "%s", text ? text : "no answer");
        /* Only the first line is for people. */
        message[strcspn(message, "\n")] = '\0';
    } else if (!deadline.passed) {
        code = store_code(rc) ? store_code(rc) : ERR_CORRUPT;
        (void)snprintf(message, message_size, "%s", sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(check);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    *out_complete = !deadline.passed;
    return deadline.passed ? 0 : code;
}

int store_read_meta(sqlite3 *db, const char *key, char *out, size_t out_size)
{
    sqlite3_stmt *find = NULL;
    int rc = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?1", -1, &find, NULL);
    if (rc == SQLITE_OK)
        rc = store_bind_text(find, 1, key);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(find);
    int code = rc == SQLITE_ROW ? 0 : rc == SQLITE_DONE ? ERR_NOT_FOUND : store_code(rc);
    if (rc == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(find, 0);
        size_t len = (size_t)sqlite3_column_bytes(find, 0);
        if (!value || len >= out_size)
            code = ERR_LIMIT;
        else
            memcpy(out, value, len + 1);
    }
    (void)sqlite3_finalize(find);
    return code;
}
