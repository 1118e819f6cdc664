#ifndef DRIFTD_BASE_LOG_H
#define DRIFTD_BASE_LOG_H
/*
 * Log lines on standard error: `ts=… level=… component=… msg="…"` (logfmt) or one JSON object a line. Only
 * edges log: main, the loop, kafka, store, webhook. Thread-safe: a line is one write(2). A component may log
 * at most `rate_per_minute` warnings and errors (default 60) of the same format string; what was held back is
 * said with the next line that passes.
 */
#include <stdbool.h>

#include "agent/base/compiler.h"

struct clock;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log;

/* Owns nothing but its state; `fd` stays the caller's. NULL when out of memory. */
struct log *log_new(int fd, enum log_level level, enum log_format format);
void log_free(struct log *log);
void log_set_level(struct log *log, enum log_level level);
/* For tests of time stamps and rates; `clock` must outlive the log. */
void log_set_clock(struct log *log, const struct clock *clock);

/* `log` may be NULL: nothing is written (tests, pure callers). `format` must be a literal: it keys the rate
 * limit. */
void log_write(struct log *log, enum log_level level, const char *component, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Parses "debug", "info", "warning", "error". Returns false on anything else. */
bool log_level_parse(const char *text, enum log_level *out_level);

#endif
