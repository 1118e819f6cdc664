#ifndef DRIFTD_COLLECTORS_FILE_LINES_H
#define DRIFTD_COLLECTORS_FILE_LINES_H
/*
 * Cuts a byte stream into records: lines, or CSV records whose quoted fields may hold line ends. What comes
 * out depends on the bytes alone, never on how the reads cut them. Internal to collectors/file*.c.
 *
 * A quote opens a field only at the record's start or behind one of , ; TAB | : ^ ~ and US. A record that
 * would exceed `event_bytes` because a quote is never closed (or that meets the end of the stream with one
 * open) is cut after its first line, so that one stray quote costs one record and not the rest of the file.
 */
#include "agent/base/text.h"
#include "collectors/file_stream.h"

struct file_lines;

enum lines_result {
    LINES_RECORD, /* *out is valid until file_lines_take */
    LINES_MORE,   /* bytes were read or skipped, no record yet: call again */
    LINES_IDLE,   /* nothing arrived within the timeout */
    LINES_END,
    LINES_FAILED /* err says why; for good */
};

struct line {
    struct text payload; /* at least 64 readable bytes follow it */
    int64_t offset, next_offset;
};

/* Takes over `stream` (also when it fails). */
int file_lines_new(struct file_lines **out, struct file_stream *stream, uint32_t event_bytes,
                   bool csv) MUST_USE;
void file_lines_free(struct file_lines *lines);

/* Move on to an absolute offset before anything is peeked at; backwards is refused (ERR_INVALID). `to_end`
 * moves to the end. The move may be finished by later peeks. */
int file_lines_skip_to(struct file_lines *lines, int64_t offset, bool to_end, struct err *err) MUST_USE;

/* The current record; the same one until file_lines_take. Empty lines are passed over. O(bytes), bounded per
 * call. */
enum lines_result file_lines_peek(struct file_lines *lines, int timeout_ms, struct line *out,
                                  struct err *err);
void file_lines_take(struct file_lines *lines);

/* Where the next record starts. */
int64_t file_lines_offset(const struct file_lines *lines);
const struct file_stream *file_lines_stream(const struct file_lines *lines);

#endif
