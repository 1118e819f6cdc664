#ifndef DRIFTD_AGENT_WORKER_H
#define DRIFTD_AGENT_WORKER_H
/*
 * A worker: one thread that reads its partitions, decodes, and folds events into a delta of its own, without
 * locks (DESIGN §4). The loop talks to it by commands and takes its deltas; both directions are
 * single-producer single-consumer rings with an eventfd.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/config.h"
#include "agent/delta.h"
#include "agent/panes.h"
#include "agent/profile.h"
#include "collectors/source.h"

struct worker_settings {
    const struct config *config;
    struct mapping *const *mappings; /* by input */
    uint32_t input_count;
    struct source *source; /* taken over */
    const struct profile_book *book;
    const struct clock *clock;
    int wake_fd; /* eventfd of the loop: written when a delta is ready */
    /* Sends a rejected record to its input's dead-letter topic; thread-safe; NULL: none. Returns 0 when it
     * was queued. */
    int (*dead_letter)(void *context, uint32_t input, const struct record *record, enum reject reject,
                       const char *detail);
    void *dead_letter_context;
    bool files; /* record time does not exist: `future` is judged by the wall clock only */
};

struct worker;
int worker_start(struct worker **out, const struct worker_settings *settings, struct err *err) MUST_USE;
/* Asks it to stop: it hands over what it holds and ends. Then drain its deltas until worker_is_done, then
 * worker_free. */
void worker_request_stop(struct worker *worker);
bool worker_is_done(const struct worker *worker);
/* After it is done: closes its source, on its own thread. */
void worker_request_close(struct worker *worker);
void worker_free(struct worker *worker);

/* A partition to read: deliver from read_offset, count from resume_offset (between the two only ids are
 * remembered). */
struct worker_slot {
    uint32_t slot, input;
    char topic[256];
    int32_t partition;
    int64_t read_offset, resume_offset, end_offset;
    int64_t clock_ms[2];
    uint64_t records;
    bool csv;
};
int worker_add_slot(struct worker *worker, const struct worker_slot *slot) MUST_USE;
/*
 * What the worker may read: events of finest panes that start at or after `ahead_ms` are held; a capture that
 * no profile has announced yet starts at or after `undecided_ms` (INT64_MIN: not known), which bounds what
 * may be read of its model. Held partitions try again.
 */
int worker_set_limits(struct worker *worker, int64_t undecided_ms, int64_t ahead_ms) MUST_USE;
/* Whether predictions of a model wait for labels. */
int worker_set_dormant(struct worker *worker, const char *model, bool dormant) MUST_USE;
int worker_set_profile(struct worker *worker, const char *model, const char *version,
                       const struct profile *profile) MUST_USE;
/* Everything before the offset is in the store. */
int worker_set_durable(struct worker *worker, uint32_t slot,
                       int64_t next_offset) MUST_USE; /* ERR_BUSY: say it again later */

/* The oldest delta that waits, or NULL; give it back with worker_return. */
struct delta *worker_take(struct worker *worker);
void worker_return(struct worker *worker, struct delta *delta);

/* Set when the source as a whole was lost; the message for people. NULL while all is well. */
const char *worker_failure(const struct worker *worker);
uint64_t worker_fallbacks(const struct worker *worker);

#endif
