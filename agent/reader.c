#include "agent/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/store_internal.h"

struct reader {
    sqlite3 *db;
    char *path;
    int64_t schema;
    int64_t deadline_ms; /* monotonic; INT64_MAX: none */
};

enum { PROGRESS_STEPS = 20000, READER_BUSY_MS = 2000 };

static int past_deadline(void *context)
{
    const struct reader *reader = context;
    return clock_system.monotonic_ms(&clock_system) >= reader->deadline_ms;
}

static int read_error(struct reader *reader, int rc, struct err *err)
{
    if ((rc & 0xff) == SQLITE_INTERRUPT)
        return err_set(err, ERR_LIMIT, "the query took too long; ask for less time or fewer models");
    return err_set(err, store_code(rc), "cannot read the store %s: %s", reader->path,
                   sqlite3_errmsg(reader->db));
}

/* Says it in terms of the file, not of SQLite. */
static int open_error(const char *path, sqlite3 *db, int rc, struct err *err)
{
    int primary = rc & 0xff;
    if (primary == SQLITE_NOTADB)
        return err_set(err, ERR_CONFIG, "%s is not a store of driftd", path);
    if (primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY)
        return err_set(
            err, ERR_CONFIG,
            "cannot read the store %s: %s; reading needs %s-wal and %s-shm beside it, or the right to "
            "make them (`driftd store export` makes a copy that needs neither)",
            path, sqlite3_errmsg(db), path, path);
    return err_set(err, ERR_CONFIG, "cannot read the store %s: %s", path, sqlite3_errmsg(db));
}

static int check_identity(struct reader *reader, struct err *err)
{
    int64_t application = 0;
    int rc = store_query_integer(reader->db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = store_query_integer(reader->db, "PRAGMA user_version", &reader->schema);
    if (rc != SQLITE_OK)
        return open_error(reader->path, reader->db, rc, err);
    if (application != STORE_APPLICATION_ID)
        return err_set(err, ERR_CONFIG, "%s is not a store of driftd", reader->path);
    if (reader->schema < STORE_SCHEMA_VERSION)
        return err_set(err, ERR_CONFIG,
                       "the store %s has schema %" PRId64
                       ", this driftd reads %d; run `driftd store migrate`",
                       reader->path, reader->schema, STORE_SCHEMA_VERSION);
    return 0;
}

int reader_open(struct reader **out, const char *path, struct err *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_set(err, ERR_CONFIG, "cannot read the store %s: %s", path, strerror(errno));
    struct reader *reader = calloc(1, sizeof(*reader));
    char *copy = strdup(path);
    if (!reader || !copy) {
        free(reader);
        free(copy);
        return err_set(err, ERR_NOMEM, "out of memory while opening the store %s", path);
    }
    reader->path = copy;
    reader->deadline_ms = INT64_MAX;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &reader->db, flags, NULL);
    if (rc == SQLITE_OK)
        rc = store_harden(reader->db);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(reader->db, READER_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = store_exec(reader->db, "PRAGMA query_only=ON");
    int code = rc == SQLITE_OK ? check_identity(reader, err) : open_error(path, reader->db, rc, err);
    if (code != 0) {
        reader_close(reader);
        return code;
    }
    sqlite3_progress_handler(reader->db, PROGRESS_STEPS, past_deadline, reader);
    *out = reader;
    return 0;
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    (void)sqlite3_close(reader->db);
    free(reader->path);
    free(reader);
}

int64_t reader_schema(const struct reader *reader)
{
    return reader->schema;
}

static int bind_cell(sqlite3_stmt *statement, int index, const struct reader_cell *cell)
{
    switch (cell->type) {
    case READER_INTEGER:
        return sqlite3_bind_int64(statement, index, cell->integer);
    case READER_REAL:
        return sqlite3_bind_double(statement, index, cell->real);
    case READER_TEXT:
        return sqlite3_bind_text64(statement, index, cell->text.ptr, cell->text.len, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case READER_BLOB:
        return sqlite3_bind_blob64(statement, index, cell->text.ptr, cell->text.len, SQLITE_STATIC);
    case READER_NULL:
    default:
        return sqlite3_bind_null(statement, index);
    }
}

static struct reader_cell read_cell(sqlite3_stmt *row, int column)
{
    struct reader_cell cell = {READER_NULL, 0, 0, {NULL, 0}};
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        cell.type = READER_INTEGER;
        cell.integer = sqlite3_column_int64(row, column);
        break;
    case SQLITE_FLOAT:
        cell.type = READER_REAL;
        cell.real = sqlite3_column_double(row, column);
        break;
    case SQLITE_TEXT:
        cell.type = READER_TEXT;
        cell.text.ptr = (const char *)sqlite3_column_text(row, column);
        break;
    case SQLITE_BLOB:
        cell.type = READER_BLOB;
        cell.text.ptr = sqlite3_column_blob(row, column);
        break;
    default:
        break;
    }
    if (cell.type == READER_TEXT || cell.type == READER_BLOB) {
        cell.text.len = (uint32_t)sqlite3_column_bytes(row, column);
        if (!cell.text.ptr)
            cell.text.ptr = "";
    }
    return cell;
}

/* The end of the rows is SQLITE_DONE; SQLITE_OK is the cap. *out_result is what the callback said. */
static int run_rows(sqlite3_stmt *statement, uint64_t rows_max, reader_row_fn *fn, void *context,
                    int *out_result)
{
    const char *names[READER_COLUMNS_MAX];
    struct reader_cell cells[READER_COLUMNS_MAX];
    struct reader_row row = {0, names, cells};
    int rc = SQLITE_DONE;
    uint64_t rows = 0;
    while (*out_result == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (rows_max && rows == rows_max)
            return SQLITE_OK;
        /* Only now: the first step may prepare the statement anew, and its columns with it. */
        if (rows++ == 0) {
            row.count = (uint32_t)sqlite3_column_count(statement);
            if (row.count > READER_COLUMNS_MAX)
                return SQLITE_TOOBIG;
            for (uint32_t i = 0; i < row.count; i++)
                names[i] = sqlite3_column_name(statement, (int)i);
        }
        for (uint32_t i = 0; i < row.count; i++)
            cells[i] = read_cell(statement, (int)i);
        *out_result = fn(context, &row);
    }
    return *out_result != 0 ? SQLITE_DONE : rc;
}

int reader_query(struct reader *reader, const struct reader_query *query, reader_row_fn *fn, void *context,
                 bool *out_truncated, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    reader->deadline_ms =
        query->time_ms ? clock_system.monotonic_ms(&clock_system) + query->time_ms : INT64_MAX;
    int rc = sqlite3_prepare_v2(reader->db, query->sql, -1, &statement, NULL);
    for (uint32_t i = 0; i < query->parameter_count && rc == SQLITE_OK; i++)
        rc = bind_cell(statement, (int)i + 1, &query->parameters[i]);
    int result = 0;
    if (rc == SQLITE_OK) {
        rc = run_rows(statement, query->rows_max, fn, context, &result);
        if (out_truncated)
            *out_truncated = rc == SQLITE_OK;
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    if (rc != SQLITE_OK)
        result = read_error(reader, rc, err);
    (void)sqlite3_finalize(statement);
    return result;
}

struct single {
    struct reader_cell cell;
    char *out;
    size_t out_size;
    bool found;
};

static int take_single(void *context, const struct reader_row *row)
{
    struct single *single = context;
    single->cell = row->cells[0];
    single->found = row->count > 0 && single->cell.type != READER_NULL;
    if (single->found && single->out)
        (void)snprintf(single->out, single->out_size, "%.*s", (int)single->cell.text.len,
                       single->cell.text.ptr ? single->cell.text.ptr : "");
    return 0;
}

static int query_single(struct reader *reader, const char *sql, struct single *single)
{
    struct reader_query query = {.sql = sql, .rows_max = 1};
    int rc = reader_query(reader, &query, take_single, single, NULL, NULL);
    if (rc != 0)
        return rc;
    return single->found ? 0 : ERR_NOT_FOUND;
}

int reader_integer(struct reader *reader, const char *sql, int64_t *out)
{
    struct single single = {.out = NULL};
    int rc = query_single(reader, sql, &single);
    if (rc == 0)
        *out = single.cell.integer;
    return rc;
}

int reader_string(struct reader *reader, const char *sql, char *out, size_t out_size)
{
    struct single single = {.out = out, .out_size = out_size};
    return query_single(reader, sql, &single);
}

bool reader_store_holder(const char *path, char *out, size_t out_size)
{
    char lock_path[4096];
    if (snprintf(lock_path, sizeof(lock_path), "%s.lock", path) >= (int)sizeof(lock_path))
        return false;
    int fd = open(lock_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    /* Held for an instant only; store_open waits longer than that. */
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held && out_size) {
        ssize_t len = pread(fd, out, out_size - 1, 0);
        out[len > 0 ? len : 0] = '\0';
        out[strcspn(out, "\n")] = '\0';
    }
    (void)close(fd);
    return held;
}
