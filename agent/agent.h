#ifndef DRIFTD_AGENT_AGENT_H
#define DRIFTD_AGENT_AGENT_H
/*
 * The composition: everything hangs from one struct agent. It starts the parts in order, runs the loop
 * (libevent), and stops them in reverse. Commands (`run`, `replay`, `demo`) differ in where records come from
 * and in what they print.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/config.h"
#include "agent/engine.h"

struct agent;

struct agent_file {
    const char *path; /* "-" for standard input */
    uint32_t input;   /* index of the configuration's input that maps it */
};

struct agent_settings {
    const struct config *config;
    const struct clock *clock;
    struct log *log;
    const struct agent_file *files; /* NULL: Kafka */
    uint32_t file_count;
    bool until_end; /* stop when every input is read, closed and committed; always so for files */
    /* Called about ten times a second on the loop's thread; may be NULL. */
    void (*progress)(void *context, struct agent *agent);
    /* A delivery was decided; may be NULL. */
    void (*delivered)(void *context, const struct delivery_outcome *outcome);
    void *context;
};

/* Opens the store, loads references, checks the inputs. Nothing is consumed before agent_run. */
int agent_new(struct agent **out, const struct agent_settings *settings, struct err *err) MUST_USE;
/* Runs until the input ends, a signal asks to stop, or something fails for good. Returns 0 or ERR_*; *err
 * says why. */
int agent_run(struct agent *agent, struct err *err) MUST_USE;
/* Asks agent_run to come to a clean end: loop's thread only. */
void agent_stop(struct agent *agent);
void agent_free(struct agent *agent);

struct engine *agent_engine(struct agent *agent);
struct event_base *agent_event_base(struct agent *agent);
/* Webhooks that are neither delivered nor given up. */
uint32_t agent_webhooks_pending(const struct agent *agent);

#endif
