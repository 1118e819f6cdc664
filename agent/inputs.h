#ifndef DRIFTD_AGENT_INPUTS_H
#define DRIFTD_AGENT_INPUTS_H
/*
 * What there is to read: the files of a replay, or the partitions of Kafka topics as they become known. Turns
 * both into slots for workers and makes their sources.
 */
#include "agent/agent.h"
#include "collectors/source.h"

struct inputs;

struct input_slot {
    uint32_t input;
    const char *name; /* identity in the store: the topic, or "file:" and the file's last component */
    const char *path; /* what the source is asked for: the topic or the path */
    int32_t partition;
    uint64_t fingerprint;
    int64_t start_offset, end_offset;
    uint32_t worker_hint;
    bool csv;
};

int inputs_new(struct inputs **out, const struct agent_settings *settings, struct err *err) MUST_USE;
/* Kafka: begins to look for topics. Files are there at once. */
int inputs_start(struct inputs *inputs, struct err *err) MUST_USE;
void inputs_free(struct inputs *inputs);
int inputs_new_source(struct inputs *inputs, struct source **out, struct err *err) MUST_USE;
/* Readable when inputs_take has something. */
int inputs_fd(const struct inputs *inputs);
/* Calls fn for every slot that is new; stops at its first error. */
int inputs_take(struct inputs *inputs, int (*fn)(void *context, const struct input_slot *slot), void *context,
                struct err *err) MUST_USE;
enum inputs_state {
    INPUTS_PENDING,
    INPUTS_COMPLETE, /* every topic is known and its partitions were taken */
    INPUTS_MISSING /* brokers answer, and for absent_timeout a topic has not been there; the rest was taken */
};
/* `reason` gets a sentence on what is missing. */
enum inputs_state inputs_state(struct inputs *inputs, char *reason, size_t size);
/* For worker_settings.dead_letter; `inputs` is the context. Any thread. */
int inputs_dead_letter(void *inputs, uint32_t input, const struct record *record, enum reject reject,
                       const char *detail);

#endif
