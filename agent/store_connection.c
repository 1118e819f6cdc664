/* The writing connection: its settings, its prepared statements, and SQLite's errors as sentences. */
#include "agent/store_internal.h"

#include <math.h>
#include <string.h>

#include "agent/base/clock.h"

enum { CACHE_KIB = 4096 };

int store_exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int store_query_integer(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
            rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_EMPTY;
        }
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

int store_harden(sqlite3 *db)
{
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 100000);
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1); /* VACUUM INTO attaches */
    (void)sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, 128);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, STORE_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = store_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY");
    return rc;
}

/* Called by SQLite after each commit with the number of pages in the WAL. */
static int note_wal_pages(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *store = context;
    (void)db;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

static int configure(struct store *store)
{
    sqlite3 *db = store->db;
    int64_t pages = 0;
    int rc = store_harden(db);
    if (rc == SQLITE_OK)
        rc = store_query_integer(db, "PRAGMA page_count", &pages);
    /* Only a file without pages takes these two; any other would be written to. */
    if (rc == SQLITE_OK && pages == 0)
        rc = store_exec(db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL");
    if (rc == SQLITE_OK)
        rc = store_exec(db, "PRAGMA journal_mode=WAL; PRAGMA journal_size_limit=67108864");
    if (rc == SQLITE_OK)
        rc = store_exec(db, store->full_sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    char cache[64];
    (void)snprintf(cache, sizeof(cache), "PRAGMA cache_size=-%d", CACHE_KIB);
    if (rc == SQLITE_OK)
        rc = store_exec(db, cache);
    /* The -wal and -shm files stay, so that a reader that cannot write the directory works after we stop. */
    int persist = 1;
    if (rc == SQLITE_OK)
        rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
    /* Checkpoints run after the commit has been reported, not inside it: store_checkpoint. */
    if (rc == SQLITE_OK)
        (void)sqlite3_wal_hook(db, note_wal_pages, store);
    return rc;
}

int store_connect(struct store *store, struct err *err)
{
    BUG_ON(store->db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(store->path, &store->db, flags, NULL);
    if (rc == SQLITE_OK)
        rc = configure(store);
    if (rc == SQLITE_OK)
        return 0;
    int code = store_sql_error(store, rc, err, "open");
    store_disconnect(store);
    return code;
}

void store_disconnect(struct store *store)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    (void)sqlite3_close(store->db);
    store->db = NULL;
    store->wal_pages = 0;
}

sqlite3_stmt *store_statement(struct store *store, enum statement which)
{
    static const char *const texts[] = {
#define STATEMENT_TEXT(name, sql) [STATEMENT_##name] = sql,
        STORE_STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
    };
    sqlite3_stmt **statement = &store->statements[which];
    if (!*statement) {
        if (sqlite3_prepare_v3(store->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL))
            return NULL;
    } else {
        (void)sqlite3_reset(*statement);
        (void)sqlite3_clear_bindings(*statement);
    }
    return *statement;
}

int store_step(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);
    int end = sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? end : rc;
}

int store_code(int sqlite_code)
{
    switch (sqlite_code & 0xff) {
    case SQLITE_OK:
        return 0;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_FULL:
        return ERR_LIMIT;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return ERR_INVALID;
    case SQLITE_INTERRUPT:
        return ERR_TEMPORARY;
    default:
        return ERR_IO;
    }
}

int store_sql_error(struct store *store, int sqlite_code, struct err *err, const char *doing)
{
    const char *detail = store->db && sqlite3_extended_errcode(store->db) == sqlite_code
                             ? sqlite3_errmsg(store->db)
                             : sqlite3_errstr(sqlite_code);
    return err_set(err, store_code(sqlite_code), "cannot %s the store %s: %s (SQLite code %d)", doing,
                   store->path, detail, sqlite_code);
}

int store_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    return sqlite3_bind_text(statement, index, text ? text : "", -1, SQLITE_STATIC);
}

struct text store_column_text(sqlite3_stmt *row, int column)
{
    const char *bytes = (const char *)sqlite3_column_text(row, column);
    return (struct text){bytes ? bytes : "", (uint32_t)sqlite3_column_bytes(row, column)};
}

int store_bind_real(sqlite3_stmt *statement, int index, double value)
{
    return isfinite(value) ? sqlite3_bind_double(statement, index, value)
                           : sqlite3_bind_null(statement, index);
}

int64_t store_wall_ms(void)
{
    return clock_system.wall_ms(&clock_system);
}
