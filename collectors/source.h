#ifndef DRIFTD_COLLECTORS_SOURCE_H
#define DRIFTD_COLLECTORS_SOURCE_H
/*
 * The face of a source of records: a Kafka consumer or a set of files. A source belongs to one worker thread;
 * every call on it is made by that thread. Partitions ("slots") are given to it with a starting offset; it
 * delivers their records in offset order through a callback.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/err.h"
#include "collectors/decode.h"

/* What the receiver says of one record. */
enum source_verdict {
    SOURCE_TAKEN, /* done with it */
    SOURCE_HOLD   /* not now: deliver this very record again, first of its slot, after source_release(slot);
                     until then none of the slot */
};

enum source_signal {
    SIGNAL_END,      /* caught up: nothing more at the moment (PARTITION_EOF). Sent again after each further
                        stretch of records */
    SIGNAL_FINISHED, /* a finite input is at its end, or with `until_end` the partition reached the end offset
                        it had at the start */
    SIGNAL_GAP,      /* offsets without records were skipped; detail says from where to where */
    SIGNAL_RESET,    /* the next offset is lost and reading goes on elsewhere (on_offset_gap): no record that
                        follows was delivered before; detail says from where to where */
    SIGNAL_FAILED    /* this slot cannot go on (authorisation, unknown topic, on_offset_gap: halt, unreadable
                        file); detail says why */
};

struct source_sink {
    enum source_verdict (*deliver)(void *context, uint32_t slot, const struct record *record);
    void (*signal)(void *context, uint32_t slot, enum source_signal signal, const char *detail);
    void *context;
};

/* A partition to read. `slot` is the caller's number for it, < 2^20, never reused within a run. */
struct source_slot {
    uint32_t slot;
    const char *topic;     /* topic name, or the file's path, "-" for standard input; copied */
    int32_t partition;     /* 0 for files */
    int64_t offset;        /* next offset to deliver; OFFSET_BEGINNING, OFFSET_END */
    int64_t end_offset;    /* stop and signal FINISHED when this offset is reached; INT64_MAX: never (files:
                              their end) */
    int64_t needed_offset; /* records from `offset` to here are wanted but may be gone from the log; 0: none
                              may */
    bool csv;              /* files: the first line is a CSV header */
};
#define OFFSET_BEGINNING INT64_C(-2)
#define OFFSET_END       INT64_C(-1)

struct source; /* first member of each implementation */

struct source_ops {
    int (*add)(struct source *source, const struct source_slot *slot, struct err *err);
    /* Waits up to timeout_ms for records and delivers at most max_records. Returns how many, or ERR_* when
     * the whole source is lost. */
    int (*poll)(struct source *source, int timeout_ms, uint32_t max_records, const struct source_sink *sink,
                struct err *err);
    void (*release)(struct source *source, uint32_t slot);
    /* The store holds everything before next_offset: commit it to the group, for lag tools. Information only.
     * May be NULL. */
    void (*durable)(struct source *source, uint32_t slot, int64_t next_offset);
    /* Log end offset as last heard (LSO), or -1: for lag. May be NULL. */
    int64_t (*end_offset)(struct source *source, uint32_t slot);
    /* Bounded: returns within 3 s. */
    void (*free)(struct source *source);
};

struct source {
    const struct source_ops *ops;
};

static inline int source_add(struct source *source, const struct source_slot *slot, struct err *err)
{
    return source->ops->add(source, slot, err);
}
static inline int source_poll(struct source *source, int timeout_ms, uint32_t max_records,
                              const struct source_sink *sink, struct err *err)
{
    return source->ops->poll(source, timeout_ms, max_records, sink, err);
}
static inline void source_release(struct source *source, uint32_t slot)
{
    source->ops->release(source, slot);
}
static inline void source_free(struct source *source)
{
    if (source)
        source->ops->free(source);
}

#endif
