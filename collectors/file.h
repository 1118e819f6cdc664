#ifndef DRIFTD_COLLECTORS_FILE_H
#define DRIFTD_COLLECTORS_FILE_H
/*
 * Files as a source: NDJSON or CSV, plain or gzip (by content, not by name), "-" is standard input. A file is
 * one partition; its offsets are byte offsets in the uncompressed stream, so a restart skips what was
 * consumed. With several files the one whose clock is behind is read first (the caller says so with
 * file_source_prefer). Lines end in \n or \r\n; a last line without one counts. A line above `event_bytes` is
 * delivered truncated to event_bytes + 1 (the decoder then rejects it) and skipped to its end. CSV records
 * may span lines inside quotes. A UTF-8 byte-order mark at the start is skipped, and so are empty lines. A
 * quote that is never closed costs its own line, not the rest of the file.
 */
#include "collectors/source.h"

struct source *file_source_new(uint32_t event_bytes);
/* The slot to read from at the next poll; by default round robin in chunks. */
void file_source_prefer(struct source *source, uint32_t slot);
/* 64-bit fingerprint of the first 4 KiB (uncompressed) and the path's last component: identifies the file in
 * the store. */
int file_fingerprint(const char *path, uint64_t *out, struct err *err) MUST_USE;
/* Compressed bytes read and total size of the file if known (else -1), for progress. */
void file_source_progress(struct source *source, int64_t *out_read_bytes, int64_t *out_total_bytes);

#endif
