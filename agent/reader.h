#ifndef DRIFTD_AGENT_READER_H
#define DRIFTD_AGENT_READER_H
/*
 * A read-only connection to a store, for commands and the HTTP API: while the agent writes it, and after it
 * stopped. Reads the views v1_* (agent/README.md). One thread. Queries are bounded in rows and time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/base/text.h"

struct reader;

/* ERR_CONFIG with a sentence: no such file, not a store, an older schema than this build reads. */
int reader_open(struct reader **out, const char *path, struct err *err) MUST_USE;
void reader_close(struct reader *reader);
int64_t reader_schema(const struct reader *reader);

enum reader_type { READER_NULL, READER_INTEGER, READER_REAL, READER_TEXT, READER_BLOB };

struct reader_cell {
    enum reader_type type;
    int64_t integer;
    double real;
    struct text text; /* of TEXT and BLOB */
};

struct reader_row {
    uint32_t count;
    const char *const *names;
    const struct reader_cell *cells; /* valid during the call */
};

/* Stops the query when it returns not 0; that is then the result of reader_query. */
typedef int reader_row_fn(void *context, const struct reader_row *row);

struct reader_query {
    const char *sql;
    const struct reader_cell *parameters; /* ?1, ?2 … */
    uint32_t parameter_count;
    uint64_t rows_max; /* 0: no limit */
    int64_t time_ms;   /* 0: no limit */
};

enum { READER_COLUMNS_MAX = 64 };

/* *out_truncated (may be NULL): there were more rows than rows_max. ERR_LIMIT: the time ran out. */
int reader_query(struct reader *reader, const struct reader_query *query, reader_row_fn *fn, void *context,
                 bool *out_truncated, struct err *err) MUST_USE;
/* The first cell of the first row as an integer; ERR_NOT_FOUND when there is none or it is NULL. */
int reader_integer(struct reader *reader, const char *sql, int64_t *out) MUST_USE;
/* The first cell as text, cut to out_size; ERR_NOT_FOUND likewise. */
int reader_string(struct reader *reader, const char *sql, char *out, size_t out_size) MUST_USE;

static inline struct reader_cell reader_text_cell(struct text text)
{
    return (struct reader_cell){text.ptr ? READER_TEXT : READER_NULL, 0, 0, text};
}
static inline struct reader_cell reader_string_cell(const char *string)
{
    return reader_text_cell(text_of(string));
}
static inline struct reader_cell reader_integer_cell(int64_t integer)
{
    return (struct reader_cell){READER_INTEGER, integer, 0, {NULL, 0}};
}

/* True when a process holds the store open for writing; its pid as text into `out`. */
bool reader_store_holder(const char *path, char *out, size_t out_size);

#endif
