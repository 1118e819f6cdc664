#ifndef DRIFTD_COLLECTORS_FILE_STREAM_H
#define DRIFTD_COLLECTORS_FILE_STREAM_H
/*
 * The uncompressed bytes of a file or of standard input ("-"). Gzip is recognised by its first two bytes,
 * several members after each other are one stream. Internal to collectors/file*.c; one thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/err.h"

struct file_stream;

/* Opens, reads nothing. ERR_NOT_FOUND, ERR_IO (also: a directory), ERR_NOMEM. */
int file_stream_open(struct file_stream **out, const char *path, struct err *err) MUST_USE;
void file_stream_free(struct file_stream *stream);

/* 1..len bytes, 0 at the end, ERR_BUSY when nothing came within timeout_ms (pipes and terminals only; regular
 * files never wait), ERR_IO, ERR_CORRUPT (gzip). `len` ≤ INT_MAX. */
int file_stream_read(struct file_stream *stream, void *out, size_t len, int timeout_ms,
                     struct err *err) MUST_USE;

/* Moves to an absolute position. ERR_UNSUPPORTED when the stream can only be read on (gzip, pipes);
 * ERR_INVALID when the file is shorter. `to_end` moves to the end and ignores `offset`. The new position in
 * *out_offset. */
int file_stream_seek(struct file_stream *stream, int64_t offset, bool to_end, int64_t *out_offset,
                     struct err *err) MUST_USE;

const char *file_stream_path(const struct file_stream *stream);

/* Bytes read from the file itself (compressed when it is), and its size, -1 when it has none. */
void file_stream_progress(const struct file_stream *stream, int64_t *out_read_bytes,
                          int64_t *out_total_bytes);

#endif
