/*
 * The loop. Deltas come in from workers, panes close, batches go to the store, committed alerts go out.
 * Nothing here waits; what takes long is cut into slices that re-arm themselves.
 */
#include "agent/agent.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/base/resident.h"
#include "agent/inputs.h"
#include "alerting/alerting.h"
#include "alerting/webhook.h"
#include "collectors/file.h"
#include "collectors/kafka.h"

enum {
    TICK_MS = 100,
    SLICE_US = 2000,
    STOP_DEADLINE_MS = 4500,
    DRAIN_DEADLINE_MS = 15000,
    OUTBOX_PAGE = 10000,
    TRIM_AFTER_MS = 500
};

enum phase {
    PHASE_RESTORING, /* workers read already, what has closed is loaded, nothing is merged */
    PHASE_RUNNING,
    PHASE_STOPPING,  /* workers were asked to stop; their last deltas are merged */
    PHASE_FINISHING, /* the input is at its end; last commits and deliveries */
    PHASE_COMMITTING /* the last batch is on its way */
};

struct agent {
    struct agent_settings settings;
    const struct config *config;
    struct event_base *base;
    struct event *tick, *advance, *worker_event, *store_event, *inputs_event, *signals[4];
    int worker_fd;

    struct store *store;
    struct alerting *alerting;
    struct webhook *webhook;
    struct engine *engine;
    struct inputs *inputs;
    struct mapping **mappings;
    struct worker **workers;
    uint32_t worker_count;

    enum phase phase;
    int64_t phase_since_ms;
    int stop_signals;
    bool was_failing, was_missing;
    bool limits_owed; /* a worker's ring was full */
    bool trimmed;
    int result;
    struct err failure;
};

static int64_t now_ms(const struct agent *agent)
{
    return agent->settings.clock->monotonic_ms(agent->settings.clock);
}

static void fail(struct agent *agent, int code, const char *message)
{
    if (agent->result == 0)
        agent->result = err_set(&agent->failure, code, "%s", message);
    event_base_loopbreak(agent->base);
}

/* ---- deliveries ---- */

static void on_outcome(void *context, const struct delivery_outcome *outcome)
{
    struct agent *agent = context;
    engine_put_outcome(agent->engine, outcome);
    if (outcome->state == DELIVERY_DEAD)
        log_write(agent->settings.log, LOG_ERROR, "webhook",
                  "gave up on %s for sink %s after %u attempts: %s", outcome->id, outcome->sink,
                  outcome->attempts, outcome->error ? outcome->error : "");
    if (agent->settings.delivered)
        agent->settings.delivered(agent->settings.context, outcome);
}

static void send_committed(struct agent *agent)
{
    for (const struct engine_outbox *item; (item = engine_next_outbox(agent->engine));) {
        int code = webhook_submit(agent->webhook, item->id, item->sink, item->entity_key, item->body,
                                  item->body_len, item->created_ms, 0, 0);
        if (code != 0) /* it stays pending in the store and is sent after the next start */
            log_write(agent->settings.log, LOG_WARNING, "webhook",
                      "queue of sink %s is full: %s waits in the store", item->sink, item->id);
    }
}

static int resubmit(void *context, const struct stored_outbox *item)
{
    struct agent *agent = context;
    int code = webhook_submit(agent->webhook, item->id, item->sink, item->entity_key, item->body,
                              item->body_len, item->created_ms, item->next_ms, item->attempts);
    if (code == ERR_NOT_FOUND)
        log_write(agent->settings.log, LOG_WARNING, "webhook",
                  "no sink `%s` any more: %s stays in the outbox", item->sink, item->id);
    return code == ERR_NOT_FOUND || code == ERR_BUSY ? 0 : code;
}

/* ---- workers ---- */

static void tell_limits(struct agent *agent)
{
    int64_t undecided_ms, ahead_ms;
    bool changed = engine_limits(agent->engine, &undecided_ms, &ahead_ms);
    if (!changed && !agent->limits_owed)
        return;
    agent->limits_owed = false;
    for (uint32_t i = 0; i < agent->worker_count; i++) {
        int code = worker_set_limits(agent->workers[i], undecided_ms, ahead_ms);
        if (code == ERR_NOMEM)
            fail(agent, ERR_NOMEM, "no memory for a command to a worker");
        agent->limits_owed |= code == ERR_BUSY; /* said again at the next tick: a partition may wait for it */
    }
}

static void on_profile(void *context, const char *model, const char *version, const struct profile *profile)
{
    struct agent *agent = context;
    for (uint32_t i = 0; i < agent->worker_count; i++)
        if (worker_set_profile(agent->workers[i], model, version, profile) != 0)
            fail(agent, ERR_NOMEM, "a worker does not take commands any more");
}

static void on_dormant(void *context, const char *model, bool dormant)
{
    struct agent *agent = context;
    for (uint32_t i = 0; i < agent->worker_count; i++)
        if (worker_set_dormant(agent->workers[i], model, dormant) != 0)
            fail(agent, ERR_NOMEM, "a worker does not take commands any more");
}

/* One delta of each worker in turn, so that none waits for another. */
static bool merge_some(struct agent *agent)
{
    bool any = false;
    for (uint32_t i = 0; i < agent->worker_count && !engine_is_backlogged(agent->engine); i++) {
        struct delta *delta = worker_take(agent->workers[i]);
        if (!delta)
            continue;
        any = true;
        int code = engine_merge(agent->engine, i, delta);
        worker_return(agent->workers[i], delta);
        if (code != 0)
            fail(agent, code,
                 "out of memory while merging; what is committed is safe, the rest is read again");
    }
    return any;
}

static void schedule_advance(struct agent *agent)
{
    event_active(agent->advance, EV_TIMEOUT, 0);
}

static void on_advance(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct agent *agent = context;
    if (agent->phase == PHASE_RESTORING)
        return;
    bool merged = merge_some(agent);
    tell_limits(agent);
    enum engine_progress progress = engine_advance(agent->engine, SLICE_US);
    if (engine_failure(agent->engine)) {
        fail(agent, engine_failure(agent->engine),
             "cannot go on: out of memory, or a stored pane that does not decode");
        return;
    }
    int code = engine_commit(agent->engine, false);
    if (code < 0 && code != ERR_BUSY)
        fail(agent, code, "cannot prepare a commit");
    tell_limits(agent);
    if (merged || progress == ENGINE_MORE)
        schedule_advance(agent);
}

static void on_worker(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    uint64_t drained;
    ssize_t got = read(fd, &drained, sizeof(drained));
    (void)got; /* the rings say what there is */
    schedule_advance(context);
}

/* ---- store ---- */

static void on_committed(void *context, uint64_t ticket)
{
    struct agent *agent = context;
    engine_on_committed(agent->engine, ticket);
    send_committed(agent);
    uint32_t count;
    const struct engine_partition *partitions = engine_partitions(agent->engine, &count);
    for (uint32_t i = 0; i < count; i++)
        if (!agent->settings.files && partitions[i].durable_offset >= 0 &&
            worker_set_durable(agent->workers[partitions[i].worker], partitions[i].slot,
                               partitions[i].durable_offset) != 0)
            return; /* information for lag tools only: the next commit says it again */
}

static void on_panes(void *context, uint64_t ticket, struct store_panes *panes)
{
    struct agent *agent = context;
    engine_on_panes(agent->engine, ticket, panes);
}

static void on_store(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct agent *agent = context;
    struct store_listener listener = {on_committed, on_panes, agent};
    store_completions(agent->store, &listener);
    schedule_advance(agent);
}

static void watch_store(struct agent *agent)
{
    char reason[256];
    bool failing = store_is_failing(agent->store, reason, sizeof(reason));
    if (failing && !agent->was_failing)
        log_write(agent->settings.log, LOG_ERROR, "store",
                  "cannot commit: %s; consuming stops until it works again, nothing is lost", reason);
    else if (!failing && agent->was_failing)
        log_write(agent->settings.log, LOG_INFO, "store", "commits work again");
    agent->was_failing = failing;
}

/* ---- inputs ---- */

static int add_slot(void *context, const struct input_slot *wanted)
{
    struct agent *agent = context;
    uint32_t worker = wanted->worker_hint % agent->worker_count;
    struct worker_slot slot;
    int code = engine_add_partition(agent->engine, wanted->input, worker, wanted->name, wanted->partition,
                                    wanted->fingerprint, wanted->start_offset, wanted->end_offset, &slot);
    if (code == 1 && agent->settings.files)
        log_write(agent->settings.log, LOG_WARNING, "input",
                  "%s is skipped: another file with the same name begins with the same bytes", wanted->path);
    if (code != 0)
        return code < 0 ? code : 0;
    slot.csv = wanted->csv;
    (void)snprintf(slot.topic, sizeof(slot.topic), "%s", wanted->path);
    return worker_add_slot(agent->workers[worker], &slot);
}

/* What cannot be had does not hold up the rest for ever. */
static void watch_inputs(struct agent *agent)
{
    char reason[512];
    enum inputs_state state = inputs_state(agent->inputs, reason, sizeof(reason));
    bool missing = state == INPUTS_MISSING;
    if (missing && !agent->was_missing)
        log_write(agent->settings.log, LOG_ERROR, "inputs", "%s; the other inputs go on without it", reason);
    agent->was_missing = missing;
    engine_set_assignment(agent->engine, state != INPUTS_PENDING, missing);
    if (missing && agent->settings.until_end && agent->phase == PHASE_RUNNING) {
        agent->result = err_set(&agent->failure, ERR_IO, "%s", reason);
        agent_stop(agent);
    }
}

static void on_inputs(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct agent *agent = context;
    uint64_t drained;
    if (fd >= 0) {
        ssize_t got = read(fd, &drained, sizeof(drained));
        (void)got;
    }
    struct err err = {0};
    int code = inputs_take(agent->inputs, add_slot, agent, &err);
    if (code != 0)
        fail(agent, code, err.message);
    watch_inputs(agent);
    schedule_advance(agent);
}

/* ---- the end ---- */

static void enter(struct agent *agent, enum phase phase)
{
    agent->phase = phase;
    agent->phase_since_ms = now_ms(agent);
}

static bool workers_are_done(const struct agent *agent)
{
    for (uint32_t i = 0; i < agent->worker_count; i++)
        if (!worker_is_done(agent->workers[i]))
            return false;
    return true;
}

void agent_stop(struct agent *agent)
{
    if (agent->phase == PHASE_STOPPING || agent->phase == PHASE_COMMITTING)
        return;
    enter(agent, PHASE_STOPPING);
    for (uint32_t i = 0; i < agent->worker_count; i++)
        worker_request_stop(agent->workers[i]);
    schedule_advance(agent);
}

/* Workers end, their last deltas are merged and committed; a store that is stuck is given up after a while
 * (Kafka has it all). */
static void drive_stop(struct agent *agent)
{
    bool overdue = now_ms(agent) - agent->phase_since_ms > STOP_DEADLINE_MS;
    if (agent->phase == PHASE_STOPPING) {
        bool drained = workers_are_done(agent) && !merge_some(agent);
        if (drained || overdue)
            agent->phase = PHASE_COMMITTING;
        else
            schedule_advance(agent);
    }
    if (agent->phase == PHASE_COMMITTING) {
        (void)engine_advance(agent->engine,
                             10 * SLICE_US); /* a step that has begun must end before a commit */
        int code = engine_commit(agent->engine, true);
        if (engine_is_committed(agent->engine) || (code < 0 && code != ERR_BUSY) || overdue) {
            if (!engine_is_committed(agent->engine)) {
                static const char message[] =
                    "stopped before the last commit; it is read again at the next start";
                log_write(agent->settings.log, LOG_WARNING, "agent", message);
                fail(agent, ERR_TEMPORARY, message);
            }
            event_base_loopbreak(agent->base);
        }
    }
}

static bool inputs_failed(struct agent *agent)
{
    uint32_t count;
    const struct engine_partition *partitions = engine_partitions(agent->engine, &count);
    for (uint32_t i = 0; i < count; i++)
        if (partitions[i].now.failed) {
            char message[1024];
            (void)snprintf(message, sizeof(message), "%s[%d] could not be read to its end%s%s",
                           partitions[i].topic, (int)partitions[i].partition,
                           partitions[i].now.detail[0] ? ": " : "", partitions[i].now.detail);
            fail(agent, ERR_IO, message);
            return true;
        }
    return false;
}

static void drive_finish(struct agent *agent)
{
    if (agent->phase == PHASE_RUNNING) {
        if (!engine_is_finished(agent->engine) || engine_advance(agent->engine, SLICE_US) != ENGINE_IDLE ||
            !engine_is_finished(agent->engine))
            return;
        enter(agent, PHASE_FINISHING);
    }
    int code = engine_commit(agent->engine, true);
    if (code < 0 && code != ERR_BUSY)
        fail(agent, code, "cannot prepare the last commit");
    bool overdue = now_ms(agent) - agent->phase_since_ms > DRAIN_DEADLINE_MS;
    if (engine_is_committed(agent->engine) && (webhook_pending(agent->webhook) == 0 || overdue))
        event_base_loopbreak(agent->base);
}

/* What only the start needed; a run of files ends soon. */
static void trim_once(struct agent *agent)
{
    if (agent->trimmed || agent->settings.until_end || agent->phase != PHASE_RUNNING ||
        now_ms(agent) - agent->phase_since_ms < TRIM_AFTER_MS)
        return;
    agent->trimmed = true;
    resident_trim();
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct agent *agent = context;
    if (agent->phase == PHASE_RESTORING)
        return;
    watch_store(agent);
    watch_inputs(agent);
    trim_once(agent);
    for (uint32_t i = 0; i < agent->worker_count; i++)
        if (worker_failure(agent->workers[i]) && agent->phase == PHASE_RUNNING) {
            agent->result = err_set(&agent->failure, ERR_TEMPORARY, "%s", worker_failure(agent->workers[i]));
            agent_stop(agent);
        }
    on_advance(-1, 0, agent);
    if (agent->phase == PHASE_STOPPING || agent->phase == PHASE_COMMITTING)
        drive_stop(agent);
    else if (agent->settings.until_end && !inputs_failed(agent))
        drive_finish(agent);
    if (agent->settings.progress)
        agent->settings.progress(agent->settings.context, agent);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)what;
    struct agent *agent = context;
    if (number == SIGHUP)
        return; /* nothing to reload yet; it must not kill */
    log_write(agent->settings.log, LOG_INFO, "agent", "signal %d: %s", (int)number,
              agent->stop_signals ? "stopping at once" : "stopping");
    if (agent->stop_signals++)
        event_base_loopbreak(agent->base);
    else
        agent_stop(agent);
}

/* ---- start ---- */

static int make_alerting(struct agent *agent, struct err *err)
{
    const struct config *config = agent->config;
    const char **names = calloc(config->sink_count + 1u, sizeof(*names));
    if (!names)
        return err_set(err, ERR_NOMEM, "no memory for sinks");
    for (uint32_t i = 0; i < config->sink_count; i++)
        names[i] = config->sinks[i].name;
    struct alerting_settings settings = {.rules = config->rules,
                                         .rule_count = config->rule_count,
                                         .sinks = names,
                                         .pipeline = config->pipeline,
                                         .store_hint = config->store_path};
    int code = alerting_new(&agent->alerting, &settings, err);
    free(names);
    return code;
}

/* What could not be restored may be a damaged file's fault. */
static int blame_store(const struct agent *agent, int code, struct err *err)
{
    struct err damage = {0, ""};
    if (store_settle(agent->store, &damage) == 0)
        return code;
    *err = damage;
    return damage.code;
}

static int make_engine(struct agent *agent, struct err *err)
{
    const struct config *config = agent->config;
    struct store_settings store = {.path = config->store_path,
                                   .full_sync = config->full_sync,
                                   .pipeline = config->pipeline,
                                   .log = agent->settings.log,
                                   .check_aside = true};
    int code = store_open(&agent->store, &store, err);
    if (code != 0)
        return code;
    struct engine_settings engine = {.config = config,
                                     .store = agent->store,
                                     .alerting = agent->alerting,
                                     .clock = agent->settings.clock,
                                     .log = agent->settings.log,
                                     .until_end = agent->settings.until_end,
                                     .profile_changed = on_profile,
                                     .dormant_changed = on_dormant,
                                     .context = agent};
    code = engine_new(&agent->engine, &engine, err);
    if (code != 0)
        return code;
    code = engine_restore(agent->engine, err);
    return code ? blame_store(agent, code, err) : 0;
}

static int make_webhook(struct agent *agent, struct err *err)
{
    struct webhook_settings settings = {.sinks = agent->config->sinks,
                                        .sink_count = agent->config->sink_count,
                                        .outcome = on_outcome,
                                        .context = agent,
                                        .clock = agent->settings.clock,
                                        .log = agent->settings.log};
    int code = webhook_new(&agent->webhook, agent->base, &settings, err);
    return code ? code : store_load_outbox(agent->store, 0, OUTBOX_PAGE, resubmit, agent, err);
}

static int add_event(struct agent *agent, struct event **out, int fd, short what, event_callback_fn callback)
{
    *out = event_new(agent->base, fd, what, callback, agent);
    return *out && event_add(*out, NULL) == 0 ? 0 : ERR_NOMEM;
}

static int make_events(struct agent *agent, struct err *err)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int code = add_event(agent, &agent->worker_event, agent->worker_fd, EV_READ | EV_PERSIST, on_worker);
    if (code == 0)
        code = add_event(agent, &agent->store_event, store_event_fd(agent->store), EV_READ | EV_PERSIST,
                         on_store);
    if (code == 0)
        code =
            add_event(agent, &agent->inputs_event, inputs_fd(agent->inputs), EV_READ | EV_PERSIST, on_inputs);
    for (size_t i = 0; code == 0 && i < ARRAY_LEN(signals); i++)
        code = add_event(agent, &agent->signals[i], signals[i], EV_SIGNAL | EV_PERSIST, on_signal);
    struct timeval every = {0, TICK_MS * 1000};
    agent->tick = event_new(agent->base, -1, EV_PERSIST, on_tick, agent);
    agent->advance = event_new(agent->base, -1, 0, on_advance, agent);
    if (code != 0 || !agent->tick || !agent->advance || event_add(agent->tick, &every) != 0)
        return err_set(err, ERR_NOMEM, "cannot set up the event loop");
    return 0;
}

static uint32_t workers_wanted(const struct config *config)
{
    long cores = config->workers ? (long)config->workers : sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (uint32_t)cores : 1;
}

static int start_workers(struct agent *agent, struct err *err)
{
    uint32_t count = workers_wanted(agent->config);
    agent->workers = calloc(count, sizeof(struct worker *));
    if (!agent->workers)
        return err_set(err, ERR_NOMEM, "no memory for workers");
    for (; agent->worker_count < count; agent->worker_count++) {
        struct source *source = NULL;
        int code = inputs_new_source(agent->inputs, &source, err);
        if (code != 0)
            return code;
        struct worker_settings settings = {.config = agent->config,
                                           .mappings = agent->mappings,
                                           .input_count = agent->config->input_count,
                                           .source = source,
                                           .book = engine_profile_book(agent->engine),
                                           .clock = agent->settings.clock,
                                           .wake_fd = agent->worker_fd,
                                           .dead_letter = inputs_dead_letter,
                                           .dead_letter_context = agent->inputs,
                                           .files = agent->settings.files != NULL};
        code = worker_start(&agent->workers[agent->worker_count], &settings, err);
        if (code != 0)
            return code;
    }
    return 0;
}

/* Partitions are found and given to workers, signals are heard. */
static int while_restoring(void *context)
{
    struct agent *agent = context;
    (void)event_base_loop(agent->base, EVLOOP_NONBLOCK);
    if (agent->result == 0 && agent->phase == PHASE_RESTORING)
        return 0;
    return agent->result ? agent->result : ERR_TEMPORARY; /* told to stop */
}

/* Workers start before what has closed is loaded: the brokers' first answers take as long as that. */
static int start(struct agent *agent, struct err *err)
{
    int code = start_workers(agent, err);
    if (code == 0)
        code = inputs_start(agent->inputs, err);
    if (code != 0)
        return code;
    code = engine_restore_closed(agent->engine, while_restoring, err);
    if (agent->result != 0)
        return err_set(err, agent->result, "%s", agent->failure.message);
    if (agent->phase != PHASE_RESTORING)
        return 0;
    if (code != 0)
        return blame_store(agent, code, err);
    enter(agent, PHASE_RUNNING);
    return store_start(agent->store, err);
}

static int compile_mappings(struct agent *agent, struct err *err)
{
    agent->mappings = calloc(agent->config->input_count + 1u, sizeof(struct mapping *));
    if (!agent->mappings)
        return err_set(err, ERR_NOMEM, "no memory for mappings");
    for (uint32_t i = 0; i < agent->config->input_count; i++) {
        int code = mapping_compile(&agent->mappings[i], &agent->config->inputs[i].mapping,
                                   agent->config->inputs[i].name, err);
        if (code != 0)
            return code;
    }
    return 0;
}

int agent_new(struct agent **out, const struct agent_settings *settings, struct err *err)
{
    /* Freed buffers of the consumer stay in the heap instead of going back to the kernel and faulting in
     * again. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
    resident_limit_heaps((int)workers_wanted(settings->config));
    (void)signal(SIGPIPE, SIG_IGN);
    struct agent *agent = calloc(1, sizeof(*agent));
    if (!agent)
        return err_set(err, ERR_NOMEM, "no memory for the agent");
    agent->settings = *settings;
    agent->settings.until_end |= settings->files != NULL;
    agent->config = settings->config;
    agent->worker_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    agent->base = event_base_new();
    int code =
        agent->base && agent->worker_fd >= 0 ? 0 : err_set(err, ERR_NOMEM, "cannot make an event loop");
    if (code == 0)
        code = compile_mappings(agent, err);
    if (code == 0)
        code = make_alerting(agent, err);
    if (code == 0)
        code = make_engine(agent, err);
    if (code == 0)
        code = make_webhook(agent, err);
    if (code == 0)
        code = inputs_new(&agent->inputs, &agent->settings, err);
    if (code == 0)
        code = make_events(agent, err);
    if (code != 0) {
        agent_free(agent);
        return code;
    }
    *out = agent;
    return 0;
}

int agent_run(struct agent *agent, struct err *err)
{
    int code = start(agent, err);
    if (code != 0 || agent->phase != PHASE_RUNNING)
        return code;
    on_inputs(-1, 0, agent);
    if (agent->result != 0) /* to break a loop that has not begun has no effect */
        return err_set(err, agent->result, "%s", agent->failure.message);
    if (event_base_dispatch(agent->base) < 0)
        return err_set(err, ERR_IO, "the event loop failed: %s", strerror(errno));
    if (agent->result != 0)
        return err_set(err, agent->result, "%s", agent->failure.message);
    return 0;
}

/*
 * Without a broker every Kafka client takes seconds to close: they do so side by side, and the store is
 * closed meanwhile. A client that is left behind eats time that the store should not have to wait for.
 */
static void close_ends(struct agent *agent)
{
    for (uint32_t i = 0; i < agent->worker_count; i++)
        worker_request_close(agent->workers[i]);
    for (uint32_t i = 0; i < agent->worker_count; i++)
        while (!worker_is_done(agent->workers[i])) /* it may still use `inputs`; a poll takes 20 ms */
            (void)usleep(1000);
    webhook_free(agent->webhook);
    store_close(agent->store);
    inputs_free(agent->inputs);
    for (uint32_t i = 0; i < agent->worker_count; i++)
        worker_free(agent->workers[i]);
    free(agent->workers);
}

void agent_free(struct agent *agent)
{
    if (!agent)
        return;
    close_ends(agent);
    engine_free(agent->engine);
    alerting_free(agent->alerting);
    for (uint32_t i = 0; agent->mappings && i < agent->config->input_count; i++)
        mapping_free(agent->mappings[i]);
    free(agent->mappings);
    struct event *events[] = {agent->tick,         agent->advance,    agent->worker_event, agent->store_event,
                              agent->inputs_event, agent->signals[0], agent->signals[1],   agent->signals[2]};
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (events[i])
            event_free(events[i]);
    if (agent->base)
        event_base_free(agent->base);
    if (agent->worker_fd >= 0)
        (void)close(agent->worker_fd);
    free(agent);
}

struct engine *agent_engine(struct agent *agent)
{
    return agent->engine;
}

struct event_base *agent_event_base(struct agent *agent)
{
    return agent->base;
}

uint32_t agent_webhooks_pending(const struct agent *agent)
{
    return webhook_pending(agent->webhook);
}
