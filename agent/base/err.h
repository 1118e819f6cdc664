#ifndef DRIFTD_BASE_ERR_H
#define DRIFTD_BASE_ERR_H
/*
 * Errors. A fallible function returns 0 or a negative ERR_*; functions at a boundary (configuration, store,
 * files, brokers) also take a last `struct err *`, untouched on success, that holds a sentence for the user:
 * what happened, where, what to do. `err` may be NULL when the caller does not want the sentence. Lower
 * layers never log; the edge that handles an error logs once.
 */
#include "agent/base/compiler.h"

enum err_code {
    ERR_NOMEM = -1,       /* memory, or a fixed capacity of ours */
    ERR_INVALID = -2,     /* the input is wrong and will stay wrong */
    ERR_IO = -3,          /* the operating system said no */
    ERR_LIMIT = -4,       /* a configured maximum was met */
    ERR_NOT_FOUND = -5,   /* asked for something that is not there */
    ERR_CONFIG = -6,      /* unusable configuration, store or reference: exit 78 */
    ERR_TEMPORARY = -7,   /* may work later: exit 75 */
    ERR_CORRUPT = -8,     /* stored bytes are not what was written */
    ERR_BUSY = -9,        /* held by another process, or a queue is full */
    ERR_UNSUPPORTED = -10 /* this build or this version cannot */
};

struct err {
    int code; /* 0 or ERR_* */
    char message[1024];
};

/* Fills *err (when not NULL) and returns `code`, so that a caller can `return err_set(...)`. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the message that is already there. */
void err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* A short English name for a code, for messages that have nothing better. */
const char *err_name(int code);

/* Exit status of a process that stops with this code: 78 configuration, 75 temporary, 2 is for usage, else 1.
 */
int err_exit_status(int code);

/* A broken invariant of our own: prints and aborts. Never for input. */
NO_RETURN void bug(const char *file, int line, const char *what);
#define BUG_ON(cond)                                                                                         \
    do {                                                                                                     \
        if (UNLIKELY(cond))                                                                                  \
            bug(__FILE__, __LINE__, #cond);                                                                  \
    } while (0)

#endif
