#include "collectors/file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/grow.h"
#include "agent/base/hash.h"
#include "collectors/file_lines.h"

enum {
    FILE_SLOT_MAX = 4096,
    FILE_CHUNK_RECORDS = 1024,
    FINGERPRINT_BYTES = 4096,
    FINGERPRINT_WAIT_MS = 1000
};

enum file_state { FILE_WAITING, FILE_READING, FILE_DONE };

/* One file. WAITING: opened, nothing read; READING: `lines` stands at the next record; DONE: `lines` NULL. */
struct file_slot {
    uint32_t number;
    enum file_state state;
    bool held;
    bool end_signalled;
    bool csv;
    int64_t offset, end_offset;
    int64_t read_bytes, total_bytes; /* as of when it was closed */
    char *path;
    struct text topic; /* the path, as records carry it */
    char *header;
    uint32_t header_len;
    struct file_stream *stream; /* only while WAITING */
    struct file_lines *lines;   /* only while READING */
};

struct file_source {
    struct source source;
    uint32_t event_bytes;
    struct file_slot **slots;
    uint32_t count, capacity;
    uint32_t cursor; /* index of the slot whose turn is next */
    bool has_preferred;
    uint32_t preferred; /* slot number */
};

static struct file_source *self(struct source *source)
{
    return (struct file_source *)source;
}

static void slot_close(struct file_slot *slot)
{
    const struct file_stream *stream = slot->lines ? file_lines_stream(slot->lines) : slot->stream;
    if (stream)
        file_stream_progress(stream, &slot->read_bytes, &slot->total_bytes);
    file_lines_free(slot->lines);
    file_stream_free(slot->stream);
    slot->lines = NULL;
    slot->stream = NULL;
    slot->state = FILE_DONE;
}

static void slot_free(struct file_slot *slot)
{
    if (!slot)
        return;
    slot_close(slot);
    free(slot->path);
    free(slot->header);
    free(slot);
}

static struct file_slot *slot_find(const struct file_source *files, uint32_t number)
{
    for (uint32_t i = 0; i < files->count; i++)
        if (files->slots[i]->number == number)
            return files->slots[i];
    return NULL;
}

static int slot_new(struct file_slot **out, const struct source_slot *wanted, struct err *err)
{
    struct file_slot *slot = calloc(1, sizeof(*slot));
    if (!slot)
        return err_set(err, ERR_NOMEM, "out of memory opening %s", wanted->topic);
    slot->number = wanted->slot;
    slot->csv = wanted->csv;
    slot->offset = wanted->offset;
    slot->end_offset = wanted->end_offset;
    slot->path = strdup(wanted->topic);
    slot->topic = text_of(slot->path);
    int rc = slot->path ? file_stream_open(&slot->stream, slot->path, err)
                        : err_set(err, ERR_NOMEM, "out of memory opening %s", wanted->topic);
    if (rc < 0) {
        slot_free(slot);
        return rc;
    }
    *out = slot;
    return 0;
}

static int files_add(struct source *source, const struct source_slot *wanted, struct err *err)
{
    struct file_source *files = self(source);
    struct file_slot *slot = NULL;

    if (files->count >= FILE_SLOT_MAX)
        return err_set(err, ERR_LIMIT, "more than %d files at once: read them in several runs",
                       FILE_SLOT_MAX);
    if (slot_find(files, wanted->slot))
        return err_set(err, ERR_INVALID, "slot %u is taken", wanted->slot);
    if (files->count == files->capacity) {
        struct file_slot **grown = grow_array(files->slots, &files->capacity, 16, sizeof(struct file_slot *));
        if (!grown)
            return err_set(err, ERR_NOMEM, "out of memory opening %s", wanted->topic);
        files->slots = grown;
    }
    int rc = slot_new(&slot, wanted, err);
    if (rc < 0)
        return rc;
    files->slots[files->count++] = slot;
    return 0;
}

static int slot_failed(struct file_slot *slot, const struct source_sink *sink, const char *detail)
{
    slot_close(slot);
    sink->signal(sink->context, slot->number, SIGNAL_FAILED, detail);
    return 0;
}

static int slot_finished(struct file_slot *slot, const struct source_sink *sink)
{
    slot_close(slot);
    sink->signal(sink->context, slot->number, SIGNAL_FINISHED, "");
    return 0;
}

/* Makes the buffers, and moves to the starting offset unless the CSV header comes first. */
static int slot_begin(struct file_slot *slot, uint32_t event_bytes, struct err *err)
{
    struct file_stream *stream = slot->stream;

    slot->stream = NULL;
    if (file_lines_new(&slot->lines, stream, event_bytes, slot->csv) < 0)
        return err_set(err, ERR_NOMEM, "out of memory reading %s", slot->path);
    slot->state = FILE_READING;
    return 0;
}

static int slot_move(struct file_slot *slot, struct err *err)
{
    int64_t wanted = slot->offset;

    slot->offset = OFFSET_BEGINNING;
    if (wanted == OFFSET_END)
        return file_lines_skip_to(slot->lines, 0, true, err);
    if (wanted <= file_lines_offset(slot->lines))
        return 0;
    return file_lines_skip_to(slot->lines, wanted, false, err);
}

/* Before the first record: the CSV header, then the starting offset. LINES_RECORD means ready. */
static enum lines_result slot_prepare(struct file_slot *slot, uint32_t event_bytes, int timeout_ms,
                                      struct err *err)
{
    if (slot->state == FILE_WAITING && slot_begin(slot, event_bytes, err) < 0)
        return LINES_FAILED;
    if (slot->csv && !slot->header) {
        struct line line;
        enum lines_result result = file_lines_peek(slot->lines, timeout_ms, &line, err);
        if (result != LINES_RECORD)
            return result;
        if (line.payload.len > event_bytes) {
            (void)err_set(err, ERR_LIMIT,
                          "the CSV header of %s is longer than the %u bytes an event may have", slot->path,
                          event_bytes);
            return LINES_FAILED;
        }
        slot->header = calloc(1, (size_t)line.payload.len + RECORD_PADDING);
        if (!slot->header) {
            (void)err_set(err, ERR_NOMEM, "out of memory reading %s", slot->path);
            return LINES_FAILED;
        }
        memcpy(slot->header, line.payload.ptr, line.payload.len);
        slot->header_len = line.payload.len;
        file_lines_take(slot->lines);
    }
    if (slot->offset != OFFSET_BEGINNING && slot_move(slot, err) < 0)
        return LINES_FAILED;
    return LINES_RECORD;
}

static enum source_verdict slot_deliver(struct file_slot *slot, const struct line *line,
                                        const struct source_sink *sink)
{
    struct record record = {
        .payload = line->payload,
        .padded = true,
        .topic = slot->topic,
        .offset = line->offset,
        .next_offset = line->next_offset,
        .ts_ms = INT64_MIN,
        .csv_header = {slot->header, slot->header_len},
    };
    return sink->deliver(sink->context, slot->number, &record);
}

static void slot_idle(struct file_slot *slot, const struct source_sink *sink)
{
    if (slot->end_signalled)
        return;
    slot->end_signalled = true;
    sink->signal(sink->context, slot->number, SIGNAL_END, "");
}

/* Delivers up to max_records of one slot; returns how many. */
static uint32_t slot_read(struct file_slot *slot, uint32_t event_bytes, int timeout_ms, uint32_t max_records,
                          const struct source_sink *sink)
{
    struct err err = {0};
    struct line line;
    uint32_t delivered = 0;

    while (delivered < max_records && !slot->held && slot->state != FILE_DONE) {
        enum lines_result result = LINES_RECORD;
        if (UNLIKELY(slot->state == FILE_WAITING || slot->offset != OFFSET_BEGINNING ||
                     (slot->csv && !slot->header)))
            result = slot_prepare(slot, event_bytes, timeout_ms, &err);
        if (result == LINES_RECORD)
            result = file_lines_peek(slot->lines, delivered ? 0 : timeout_ms, &line, &err);
        if (result == LINES_RECORD && line.offset < slot->end_offset) {
            if (slot_deliver(slot, &line, sink) == SOURCE_HOLD) {
                slot->held = true;
                break;
            }
            file_lines_take(slot->lines);
            slot->end_signalled = false;
            delivered++;
            continue;
        }
        if (result == LINES_RECORD || result == LINES_END)
            slot_finished(slot, sink);
        else if (result == LINES_FAILED)
            slot_failed(slot, sink, err.message);
        else if (result == LINES_IDLE)
            slot_idle(slot, sink);
        break;
    }
    return delivered;
}

static bool slot_can_read(const struct file_slot *slot)
{
    return slot->state != FILE_DONE && !slot->held;
}

static uint32_t readable_count(const struct file_source *files)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < files->count; i++)
        count += slot_can_read(files->slots[i]);
    return count;
}

static void sleep_ms(int timeout_ms)
{
    if (timeout_ms <= 0)
        return;
    struct timespec wait = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
    (void)nanosleep(&wait, NULL); /* a signal ends it early, as it should */
}

/* In turn, a chunk from each, until max_records are delivered or all have been asked. */
static uint32_t read_in_turn(struct file_source *files, int timeout_ms, uint32_t max_records,
                             const struct source_sink *sink)
{
    uint32_t delivered = 0, readable = readable_count(files);
    int wait_ms = readable == 1 ? timeout_ms : 0;

    for (uint32_t asked = 0; asked < files->count && delivered < max_records; asked++) {
        struct file_slot *slot = files->slots[files->cursor % files->count];
        uint32_t want = max_records - delivered;
        files->cursor = (files->cursor + 1) % files->count;
        if (!slot_can_read(slot))
            continue;
        if (readable > 1 && want > FILE_CHUNK_RECORDS)
            want = FILE_CHUNK_RECORDS;
        delivered += slot_read(slot, files->event_bytes, wait_ms, want, sink);
    }
    return delivered;
}

/* Whether a poll that delivered nothing should wait: not when a slot is at work on a skip or has just ended.
 */
static bool all_are_waiting(const struct file_source *files)
{
    for (uint32_t i = 0; i < files->count; i++)
        if (slot_can_read(files->slots[i]) && !files->slots[i]->end_signalled)
            return false;
    return true;
}

static int files_poll(struct source *source, int timeout_ms, uint32_t max_records,
                      const struct source_sink *sink, struct err *err)
{
    enum { MANY_IDLE_WAIT_MS = 10 };
    struct file_source *files = self(source);
    struct file_slot *preferred = files->has_preferred ? slot_find(files, files->preferred) : NULL;

    (void)err; /* a broken file is its slot's failure, never the source's */
    files->has_preferred = false;
    if (readable_count(files) == 0) {
        sleep_ms(timeout_ms);
        return 0;
    }
    if (preferred && slot_can_read(preferred))
        return (int)slot_read(preferred, files->event_bytes, timeout_ms, max_records, sink);
    uint32_t delivered = read_in_turn(files, timeout_ms, max_records, sink);
    if (delivered == 0 && readable_count(files) > 1 && all_are_waiting(files))
        sleep_ms(timeout_ms < MANY_IDLE_WAIT_MS ? timeout_ms : MANY_IDLE_WAIT_MS);
    return (int)delivered;
}

static void files_release(struct source *source, uint32_t number)
{
    struct file_slot *slot = slot_find(self(source), number);
    if (slot)
        slot->held = false;
}

static void files_free(struct source *source)
{
    struct file_source *files = self(source);
    for (uint32_t i = 0; i < files->count; i++)
        slot_free(files->slots[i]);
    free(files->slots);
    free(files);
}

static const struct source_ops file_ops = {
    .add = files_add,
    .poll = files_poll,
    .release = files_release,
    .free = files_free,
};

struct source *file_source_new(uint32_t event_bytes)
{
    struct file_source *files = calloc(1, sizeof(*files));
    if (!files)
        return NULL;
    files->source.ops = &file_ops;
    files->event_bytes = event_bytes;
    return &files->source;
}

void file_source_prefer(struct source *source, uint32_t slot)
{
    self(source)->preferred = slot;
    self(source)->has_preferred = true;
}

void file_source_progress(struct source *source, int64_t *out_read_bytes, int64_t *out_total_bytes)
{
    const struct file_source *files = self(source);
    int64_t read_bytes = 0, total_bytes = 0;

    for (uint32_t i = 0; i < files->count; i++) {
        const struct file_slot *slot = files->slots[i];
        int64_t slot_read_bytes = slot->read_bytes, slot_total_bytes = slot->total_bytes;
        const struct file_stream *stream = slot->lines ? file_lines_stream(slot->lines) : slot->stream;
        if (stream)
            file_stream_progress(stream, &slot_read_bytes, &slot_total_bytes);
        read_bytes += slot_read_bytes;
        total_bytes = total_bytes < 0 || slot_total_bytes < 0 ? -1 : total_bytes + slot_total_bytes;
    }
    *out_read_bytes = read_bytes;
    *out_total_bytes = total_bytes;
}

int file_fingerprint(const char *path, uint64_t *out, struct err *err)
{
    char bytes[FINGERPRINT_BYTES];
    size_t have = 0;
    struct file_stream *stream = NULL;

    if (strcmp(path, "-") == 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "standard input cannot be recognised again: it has no fingerprint");
    int got = file_stream_open(&stream, path, err);
    if (got < 0)
        return got;
    do {
        got = file_stream_read(stream, bytes + have, sizeof(bytes) - have, FINGERPRINT_WAIT_MS, err);
        have += got > 0 ? (size_t)got : 0;
    } while (got > 0 && have < sizeof(bytes));
    file_stream_free(stream);
    if (got == ERR_BUSY)
        return err_set(err, ERR_TEMPORARY, "cannot read %s: nothing arrived within a second", path);
    if (got < 0)
        return got;
    const char *slash = strrchr(path, '/');
    *out = hash64(bytes, have, hash_text(text_of(slash ? slash + 1 : path), 0));
    return 0;
}
