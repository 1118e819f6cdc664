#include "collectors/file_lines.h"

#include <stdlib.h>
#include <string.h>

#include "collectors/decode.h"

enum { LINES_CHUNK_BYTES = 128 * 1024, LINES_FILLS_PER_PEEK = 64 };

#define NOT_FOUND SIZE_MAX

/*
 * Invariant: bytes[start, end) is unread input and bytes[start] has the stream offset `base`. `scanned` bytes
 * of it are known to hold no record end. While `overlong`, bytes[0, event_bytes + 1) is the kept head of a
 * line whose following `dropped` bytes are gone, start is 0 and end is event_bytes + 1.
 */
struct file_lines {
    struct file_stream *stream;
    uint32_t event_bytes;
    bool csv;
    bool at_eof;
    bool failed;
    bool begun; /* the byte-order mark has been dealt with */
    bool has_record;
    bool overlong;
    size_t capacity, start, end;
    int64_t base;
    int64_t skip_bytes; /* still to be passed over; INT64_MAX: to the end */
    size_t scanned;
    int64_t dropped;
    /* CSV scan, relative to `start` */
    bool in_quote;
    size_t last_close, first_newline;
    /* the record on offer, and where the next one begins */
    struct text payload;
    size_t next_start;
    int64_t next_base;
    char *bytes;
};

static void scan_reset(struct file_lines *lines)
{
    lines->scanned = 0;
    lines->dropped = 0;
    lines->overlong = false;
    lines->in_quote = false;
    lines->last_close = NOT_FOUND;
    lines->first_newline = NOT_FOUND;
}

int file_lines_new(struct file_lines **out, struct file_stream *stream, uint32_t event_bytes, bool csv)
{
    struct file_lines *lines = calloc(1, sizeof(*lines));
    if (!lines) {
        file_stream_free(stream);
        return ERR_NOMEM;
    }
    lines->stream = stream;
    lines->event_bytes = event_bytes;
    lines->csv = csv;
    lines->capacity = (size_t)event_bytes + 2 + LINES_CHUNK_BYTES;
    lines->bytes = calloc(1, lines->capacity + RECORD_PADDING);
    if (!lines->bytes) {
        file_lines_free(lines);
        return ERR_NOMEM;
    }
    scan_reset(lines);
    *out = lines;
    return 0;
}

void file_lines_free(struct file_lines *lines)
{
    if (!lines)
        return;
    file_stream_free(lines->stream);
    free(lines->bytes);
    free(lines);
}

int file_lines_skip_to(struct file_lines *lines, int64_t offset, bool to_end, struct err *err)
{
    BUG_ON(lines->has_record);
    if (!to_end && offset < lines->base)
        return err_set(err, ERR_INVALID, "%s: byte %lld lies before byte %lld, where the records begin",
                       file_stream_path(lines->stream), (long long)offset, (long long)lines->base);
    int64_t distance = to_end ? INT64_MAX : offset - lines->base;
    if (distance == 0)
        return 0;
    scan_reset(lines);
    lines->begun = true;
    if ((size_t)distance <= lines->end - lines->start) {
        lines->start += (size_t)distance;
        lines->base += distance;
        return 0;
    }
    int64_t position = 0;
    int rc = file_stream_seek(lines->stream, offset, to_end, &position, err);
    if (rc == 0) {
        lines->start = lines->end = 0;
        lines->base = position;
        lines->at_eof = false;
        return 0;
    }
    if (rc != ERR_UNSUPPORTED)
        return rc;
    int64_t buffered = (int64_t)(lines->end - lines->start);
    lines->start = lines->end = 0;
    lines->base += buffered;
    lines->skip_bytes = to_end ? INT64_MAX : distance - buffered;
    return 0;
}

static bool opens_field(const struct file_lines *lines, const char *record, size_t at)
{
    if (at == 0 || lines->last_close == at - 1)
        return true;
    char before = record[at - 1];
    return before != '\0' && strchr(",;\t|:^~\x1f", before) != NULL;
}

/* Follows the quotes in [from, to). */
static void scan_quotes(struct file_lines *lines, const char *record, size_t from, size_t to)
{
    while (from < to) {
        const char *quote = memchr(record + from, '"', to - from);
        if (!quote)
            return;
        size_t at = (size_t)(quote - record);
        if (lines->in_quote) {
            lines->in_quote = false;
            lines->last_close = at;
        } else if (opens_field(lines, record, at)) {
            lines->in_quote = true;
        }
        from = at + 1;
    }
}

/* The index of the line end that ends the record at `start`, or NOT_FOUND. */
static size_t scan(struct file_lines *lines)
{
    const char *record = lines->bytes + lines->start;
    size_t have = lines->end - lines->start;

    while (lines->scanned < have) {
        const char *newline = memchr(record + lines->scanned, '\n', have - lines->scanned);
        size_t stop = newline ? (size_t)(newline - record) : have;
        if (lines->csv && !lines->overlong)
            scan_quotes(lines, record, lines->scanned, stop);
        if (!newline) {
            lines->scanned = have;
            return NOT_FOUND;
        }
        lines->scanned = stop + 1;
        if (!lines->in_quote)
            return stop;
        if (lines->first_newline == NOT_FOUND)
            lines->first_newline = stop;
    }
    return NOT_FOUND;
}

/* Puts the record [start, start + len) on offer; `consumed` bytes from start, line end included, are its. */
static void offer(struct file_lines *lines, size_t len, size_t consumed)
{
    const char *record = lines->bytes + lines->start;

    lines->next_start = lines->start + consumed;
    lines->next_base = lines->base + (int64_t)consumed + lines->dropped;
    if (!lines->overlong && len > 0 && record[len - 1] == '\r')
        len--;
    if (len > lines->event_bytes)
        len = (size_t)lines->event_bytes + 1;
    lines->payload = (struct text){record, (uint32_t)len};
    lines->has_record = true;
}

static bool is_too_long(const struct file_lines *lines, size_t len)
{
    if (len > 0 && lines->bytes[lines->start + len - 1] == '\r')
        len--;
    return len > lines->event_bytes;
}

/* The line end was found at `stop`. */
static void offer_found(struct file_lines *lines, size_t stop)
{
    if (lines->first_newline != NOT_FOUND && is_too_long(lines, stop))
        stop = lines->first_newline;
    offer(lines, stop, stop + 1);
}

/* All input is in the buffer and the record has no line end. */
static void offer_last(struct file_lines *lines)
{
    if (lines->in_quote && lines->first_newline != NOT_FOUND)
        offer(lines, lines->first_newline, lines->first_newline + 1);
    else
        offer(lines, lines->end - lines->start, lines->end - lines->start);
}

/* More than event_bytes without a line end. */
static void begin_overlong(struct file_lines *lines)
{
    size_t have = lines->end - lines->start, keep = (size_t)lines->event_bytes + 1;

    memmove(lines->bytes, lines->bytes + lines->start, keep);
    lines->overlong = true;
    lines->in_quote = false;
    lines->dropped = (int64_t)(have - keep);
    lines->start = 0;
    lines->end = lines->scanned = keep;
}

/* Tries to put a record on offer from what is buffered. */
static void cut(struct file_lines *lines)
{
    size_t stop = scan(lines);
    if (stop != NOT_FOUND) {
        offer_found(lines, stop);
        return;
    }
    size_t have = lines->end - lines->start;
    if (lines->overlong) {
        size_t keep = (size_t)lines->event_bytes + 1;
        lines->dropped += (int64_t)(have - keep);
        lines->end = lines->scanned = keep;
        if (lines->at_eof)
            offer(lines, keep, keep);
        return;
    }
    if (have >= (size_t)lines->event_bytes + 2) {
        if (lines->first_newline != NOT_FOUND)
            offer(lines, lines->first_newline, lines->first_newline + 1);
        else
            begin_overlong(lines);
        return;
    }
    if (lines->at_eof && have > 0)
        offer_last(lines);
}

static enum lines_result fill(struct file_lines *lines, int timeout_ms, struct err *err)
{
    if (lines->start > 0) {
        memmove(lines->bytes, lines->bytes + lines->start, lines->end - lines->start);
        lines->end -= lines->start;
        lines->start = 0;
    }
    int got = file_stream_read(lines->stream, lines->bytes + lines->end, lines->capacity - lines->end,
                               timeout_ms, err);
    if (got == ERR_BUSY)
        return LINES_IDLE;
    if (got < 0) {
        lines->failed = true;
        return LINES_FAILED;
    }
    lines->at_eof = got == 0;
    lines->end += (size_t)got;
    return LINES_MORE;
}

/* Passes over bytes that an earlier run has consumed. */
static enum lines_result skip(struct file_lines *lines, struct err *err)
{
    int64_t have = (int64_t)(lines->end - lines->start);
    int64_t take = have < lines->skip_bytes ? have : lines->skip_bytes;

    lines->start += (size_t)take;
    lines->base += take;
    if (lines->skip_bytes != INT64_MAX)
        lines->skip_bytes -= take;
    if (!lines->at_eof || lines->skip_bytes == 0)
        return LINES_MORE;
    if (lines->skip_bytes == INT64_MAX)
        return LINES_END;
    lines->failed = true;
    (void)err_set(err, ERR_INVALID,
                  "%s ends %lld bytes before the place it was read up to before: it was cut or replaced",
                  file_stream_path(lines->stream), (long long)lines->skip_bytes);
    return LINES_FAILED;
}

/* Passes over a byte-order mark; false while there are too few bytes to tell. */
static bool begin(struct file_lines *lines)
{
    size_t have = lines->end - lines->start;
    if (have < 3 && !lines->at_eof)
        return false;
    if (have >= 3 && memcmp(lines->bytes + lines->start, "\xef\xbb\xbf", 3) == 0) {
        lines->start += 3;
        lines->base += 3;
    }
    lines->begun = true;
    return true;
}

static enum lines_result give(const struct file_lines *lines, struct line *out)
{
    *out = (struct line){lines->payload, lines->base, lines->next_base};
    return LINES_RECORD;
}

enum lines_result file_lines_peek(struct file_lines *lines, int timeout_ms, struct line *out, struct err *err)
{
    if (lines->has_record)
        return give(lines, out);
    if (lines->failed)
        return LINES_FAILED;
    for (int fills = 0; fills < LINES_FILLS_PER_PEEK;) {
        if (lines->skip_bytes > 0) {
            enum lines_result skipped = skip(lines, err);
            if (skipped != LINES_MORE)
                return skipped;
        }
        if (lines->skip_bytes == 0 && (lines->begun || begin(lines))) {
            cut(lines);
            if (lines->has_record && lines->payload.len > 0)
                return give(lines, out);
            if (lines->has_record) {
                file_lines_take(lines);
                continue;
            }
            if (lines->at_eof && !lines->overlong)
                return LINES_END;
        }
        enum lines_result filled = fill(lines, timeout_ms, err);
        if (filled != LINES_MORE)
            return filled;
        fills++;
    }
    return LINES_MORE;
}

void file_lines_take(struct file_lines *lines)
{
    BUG_ON(!lines->has_record);
    lines->start = lines->next_start;
    lines->base = lines->next_base;
    lines->has_record = false;
    scan_reset(lines);
}

int64_t file_lines_offset(const struct file_lines *lines)
{
    return lines->base;
}

const struct file_stream *file_lines_stream(const struct file_lines *lines)
{
    return lines->stream;
}
