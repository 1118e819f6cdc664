/*
 * The worker's thread: commands in, records through, deltas out. It never waits for the loop except when all
 * its deltas are out: then it stops reading, which is the back-pressure. How one event is judged and counted
 * is in agent/ingest.c.
 */
#include "agent/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/ring.h"
#include "agent/ingest.h"

enum { DELTAS = 3, COMMAND_RING = 4096, POLL_RECORDS = 4096, POLL_TIMEOUT_MS = 20 };

enum command_type { COMMAND_ADD_SLOT, COMMAND_LIMITS, COMMAND_PROFILE, COMMAND_DURABLE, COMMAND_DORMANT };

struct worker_command {
    enum command_type type;
    union {
        struct worker_slot slot;
        struct {
            int64_t undecided_ms, ahead_ms;
        } limits;
        struct {
            char *model, *version;
            const struct profile *profile;
        } profile;
        struct {
            char *model;
            bool dormant;
        } dormant;
        struct {
            uint32_t slot;
            int64_t next_offset;
        } durable;
    } as;
};

struct worker {
    pthread_t thread;
    bool joined;
    struct source *source;
    struct ingest *ingest;
    const struct clock *clock;
    int64_t merge_interval_ms;
    size_t delta_bytes_max;

    struct ring *commands; /* loop → worker */
    struct ring *full;     /* worker → loop: deltas with content */
    struct ring *empty;    /* loop → worker: deltas to fill */
    int wake_fd;           /* the loop's */
    int command_fd;        /* the worker's: a command or an empty delta has come while it waits */

    struct delta *deltas[DELTAS]; /* owned; wherever they are */
    struct delta *current;        /* being filled; NULL while all are out */
    int64_t swapped_ms;

    _Atomic bool stop, done, failed, close;
    char failure[sizeof(((struct err *)0)->message)]; /* written before `failed` is set */
    _Atomic uint64_t fallbacks;
};

static void wake(int fd)
{
    uint64_t one = 1;
    ssize_t written = write(fd, &one, sizeof(one));
    (void)written; /* EAGAIN means that it is readable already */
}

/* ---- worker's thread ---- */

static void run_command(struct worker *worker, struct worker_command *command)
{
    struct err err = {0};
    switch (command->type) {
    case COMMAND_ADD_SLOT: {
        const struct worker_slot *slot = &command->as.slot;
        struct source_slot source_slot = {.slot = slot->slot,
                                          .topic = slot->topic,
                                          .partition = slot->partition,
                                          .offset = slot->read_offset,
                                          .end_offset = slot->end_offset,
                                          .needed_offset = slot->resume_offset,
                                          .csv = slot->csv};
        if (ingest_add_slot(worker->ingest, slot) != 0)
            break;
        if (source_add(worker->source, &source_slot, &err) != 0)
            ingest_signal(worker->ingest, slot->slot, SIGNAL_FAILED, err.message);
        break;
    }
    case COMMAND_LIMITS:
        ingest_set_limits(worker->ingest, command->as.limits.undecided_ms, command->as.limits.ahead_ms);
        ingest_release_held(worker->ingest, worker->source);
        break;
    case COMMAND_PROFILE:
        if (ingest_set_profile(worker->ingest, command->as.profile.model, command->as.profile.version,
                               command->as.profile.profile) == 0)
            ingest_release_held(worker->ingest, worker->source);
        free(command->as.profile.model);
        free(command->as.profile.version);
        break;
    case COMMAND_DORMANT:
        ingest_set_dormant(worker->ingest, command->as.dormant.model, command->as.dormant.dormant);
        free(command->as.dormant.model);
        break;
    case COMMAND_DURABLE:
        if (worker->source->ops->durable)
            worker->source->ops->durable(worker->source, command->as.durable.slot,
                                         command->as.durable.next_offset);
        break;
    }
    free(command);
}

static void run_commands(struct worker *worker)
{
    for (struct worker_command *command; (command = ring_pop(worker->commands));)
        run_command(worker, command);
}

/* Hands the current delta over and takes an empty one; false when there is none yet. */
static bool take_empty(struct worker *worker)
{
    if (!worker->current) {
        worker->current = ring_pop(worker->empty);
        if (worker->current)
            ingest_set_delta(worker->ingest, worker->current);
    }
    return worker->current != NULL;
}

static void hand_over(struct worker *worker, int64_t now_ms)
{
    if (!worker->current)
        return;
    ingest_flush_partitions(worker->ingest, worker->source);
    worker->swapped_ms = now_ms;
    if (delta_is_empty(worker->current))
        return;
    BUG_ON(!ring_push(worker->full, worker->current)); /* the ring holds all deltas */
    worker->current = NULL;
    ingest_set_delta(worker->ingest, NULL);
    atomic_store(&worker->fallbacks, ingest_fallbacks(worker->ingest));
    wake(worker->wake_fd);
}

static void wait_for_command(struct worker *worker, int timeout_ms)
{
    struct pollfd fd = {.fd = worker->command_fd, .events = POLLIN};
    uint64_t drained;
    if (poll(&fd, 1, timeout_ms) > 0) {
        ssize_t got = read(worker->command_fd, &drained, sizeof(drained));
        (void)got; /* the rings say what there is to do */
    }
}

static void fail(struct worker *worker, const struct err *err)
{
    (void)snprintf(worker->failure, sizeof(worker->failure), "%s", err->message);
    atomic_store(&worker->failed, true);
    wake(worker->wake_fd);
}

static void read_some(struct worker *worker)
{
    struct err err = {0};
    ingest_begin_batch(worker->ingest, worker->clock->wall_ms(worker->clock));
    /* The source's own wait hears no command. */
    bool may_wait = ingest_has_slots(worker->ingest) && !ingest_is_holding(worker->ingest);
    int timeout_ms = may_wait ? POLL_TIMEOUT_MS : 0;
    int got = source_poll(worker->source, timeout_ms, POLL_RECORDS, ingest_sink(worker->ingest), &err);
    if (got < 0) {
        if (!atomic_load(&worker->failed))
            fail(worker, &err);
        wait_for_command(worker, POLL_TIMEOUT_MS);
    } else if (got == 0) {
        /* Nothing to read: sleep where a command wakes us, except when the source has waited already. */
        wait_for_command(worker, timeout_ms ? 1 : POLL_TIMEOUT_MS);
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    worker->swapped_ms = worker->clock->monotonic_ms(worker->clock);
    while (!atomic_load(&worker->stop)) {
        run_commands(worker);
        if (!take_empty(worker)) {
            wait_for_command(worker, 100);
            continue;
        }
        read_some(worker);
        int64_t now_ms = worker->clock->monotonic_ms(worker->clock);
        if (ingest_is_urgent(worker->ingest) || now_ms - worker->swapped_ms >= worker->merge_interval_ms ||
            ingest_is_full(worker->ingest, worker->delta_bytes_max))
            hand_over(worker, now_ms);
    }
    hand_over(worker, 0);
    atomic_store(&worker->done, true);
    wake(worker->wake_fd);
    while (!atomic_load(&worker->close)) { /* the last commit is on its way: the group may hear of it */
        run_commands(worker);
        wait_for_command(worker, 100);
    }
    run_commands(worker);
    source_free(worker->source); /* can take seconds without a broker: here all workers do so at once */
    worker->source = NULL;
    return NULL;
}

/* ---- loop's thread ---- */

int worker_start(struct worker **out, const struct worker_settings *settings, struct err *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    if (!worker) {
        source_free(settings->source);
        return err_set(err, ERR_NOMEM, "no memory for a worker");
    }
    worker->source = settings->source;
    worker->clock = settings->clock;
    worker->merge_interval_ms = settings->config->merge_interval_ms;
    worker->delta_bytes_max = (size_t)settings->config->limits.delta_bytes;
    worker->wake_fd = settings->wake_fd;
    worker->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->commands = ring_new(COMMAND_RING);
    worker->full = ring_new(DELTAS + 1);
    worker->empty = ring_new(DELTAS + 1);
    worker->joined = true;
    int code = ingest_new(&worker->ingest, settings, err);
    bool ok = code == 0 && worker->command_fd >= 0 && worker->commands && worker->full && worker->empty;
    for (uint32_t i = 0; ok && i < DELTAS; i++) {
        worker->deltas[i] = delta_new();
        ok = worker->deltas[i] && ring_push(worker->empty, worker->deltas[i]);
    }
    if (ok && pthread_create(&worker->thread, NULL, worker_main, worker) == 0)
        worker->joined = false;
    else
        ok = false;
    if (!ok) {
        worker_free(worker);
        return code ? code : err_set(err, ERR_NOMEM, "cannot start a worker thread: %s", strerror(errno));
    }
    *out = worker;
    return 0;
}

void worker_request_stop(struct worker *worker)
{
    atomic_store(&worker->stop, true);
    wake(worker->command_fd);
}

bool worker_is_done(const struct worker *worker)
{
    return atomic_load(&worker->done);
}

void worker_request_close(struct worker *worker)
{
    atomic_store(&worker->stop, true);
    atomic_store(&worker->close, true);
    wake(worker->command_fd);
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    if (!worker->joined) {
        worker_request_close(worker);
        (void)pthread_join(worker->thread, NULL);
    }
    for (struct worker_command *command; worker->commands && (command = ring_pop(worker->commands));) {
        if (command->type == COMMAND_PROFILE) {
            free(command->as.profile.model);
            free(command->as.profile.version);
        }
        if (command->type == COMMAND_DORMANT)
            free(command->as.dormant.model);
        free(command);
    }
    ingest_free(worker->ingest);
    source_free(worker->source);
    for (uint32_t i = 0; i < DELTAS; i++)
        delta_free(worker->deltas[i]);
    ring_free(worker->commands);
    ring_free(worker->full);
    ring_free(worker->empty);
    if (worker->command_fd >= 0)
        (void)close(worker->command_fd);
    free(worker);
}

static int send_command(struct worker *worker, const struct worker_command *command)
{
    struct worker_command *copy = malloc(sizeof(*copy));
    if (!copy)
        return ERR_NOMEM;
    *copy = *command;
    if (!ring_push(worker->commands, copy)) {
        free(copy);
        return ERR_BUSY;
    }
    wake(worker->command_fd);
    return 0;
}

int worker_add_slot(struct worker *worker, const struct worker_slot *slot)
{
    struct worker_command command = {.type = COMMAND_ADD_SLOT};
    command.as.slot = *slot;
    return send_command(worker, &command);
}

int worker_set_limits(struct worker *worker, int64_t undecided_ms, int64_t ahead_ms)
{
    struct worker_command command = {.type = COMMAND_LIMITS};
    command.as.limits.undecided_ms = undecided_ms;
    command.as.limits.ahead_ms = ahead_ms;
    return send_command(worker, &command);
}

int worker_set_profile(struct worker *worker, const char *model, const char *version,
                       const struct profile *profile)
{
    struct worker_command command = {.type = COMMAND_PROFILE};
    command.as.profile.model = strdup(model);
    command.as.profile.version = strdup(version);
    command.as.profile.profile = profile;
    int code =
        command.as.profile.model && command.as.profile.version ? send_command(worker, &command) : ERR_NOMEM;
    if (code != 0) {
        free(command.as.profile.model);
        free(command.as.profile.version);
    }
    return code;
}

int worker_set_dormant(struct worker *worker, const char *model, bool dormant)
{
    struct worker_command command = {.type = COMMAND_DORMANT};
    command.as.dormant.model = strdup(model);
    command.as.dormant.dormant = dormant;
    int code = command.as.dormant.model ? send_command(worker, &command) : ERR_NOMEM;
    if (code != 0)
        free(command.as.dormant.model);
    return code;
}

int worker_set_durable(struct worker *worker, uint32_t slot, int64_t next_offset)
{
    struct worker_command command = {.type = COMMAND_DURABLE};
    command.as.durable.slot = slot;
    command.as.durable.next_offset = next_offset;
    return send_command(worker, &command);
}

struct delta *worker_take(struct worker *worker)
{
    return ring_pop(worker->full);
}

void worker_return(struct worker *worker, struct delta *delta)
{
    delta_reset(delta);
    BUG_ON(!ring_push(worker->empty, delta));
    wake(worker->command_fd);
}

const char *worker_failure(const struct worker *worker)
{
    return atomic_load(&worker->failed) ? worker->failure : NULL;
}

uint64_t worker_fallbacks(const struct worker *worker)
{
    return atomic_load(&worker->fallbacks);
}
