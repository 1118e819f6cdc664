#ifndef DRIFTD_AGENT_WHOLE_FILE_H
#define DRIFTD_AGENT_WHOLE_FILE_H
/* Files that are read or written in one piece. "-" is standard input or output. */
#include <stddef.h>

#include "agent/base/err.h"
#include "agent/base/strbuf.h"

/* Appends the file to `out`, whose bound is the file's. ERR_NOT_FOUND: cannot be opened; ERR_IO; ERR_LIMIT:
 * larger than the bound. */
int whole_file_read(const char *path, struct strbuf *out, struct err *err) MUST_USE;

/* Replaces the file at once, or leaves what was there: no reader ever sees half of it. ERR_IO. */
int whole_file_write(const char *path, const struct strbuf *bytes, struct err *err) MUST_USE;

#endif
