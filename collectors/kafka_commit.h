#ifndef DRIFTD_COLLECTORS_KAFKA_COMMIT_H
#define DRIFTD_COLLECTORS_KAFKA_COMMIT_H
/*
 * Commits to the consumer group: information for lag tools, never where reading goes on. One at a time, only
 * what has changed, nothing without a group. Internal to collectors/kafka*.c; the thread that serves the
 * handle.
 */
#include "collectors/kafka_slot.h"

struct kafka_commit {
    rd_kafka_t *rk;
    bool has_group;
    bool in_flight;
};

/* Where `group` is NULL or empty, everything below does nothing. */
void kafka_commit_init(struct kafka_commit *commit, rd_kafka_t *rk, const char *group);
/* Sends slot->durable of the slots where it is not committed yet; no wait. False: refused, `*out_code` says
 * why, and the next call sends all again. */
bool kafka_commit_send(struct kafka_commit *commit, struct kafka_slot *const *slots, uint32_t count,
                       rd_kafka_resp_err_t *out_code);
/* The broker's answer (kafka_handle_calls.committed). False: as above. */
bool kafka_commit_answered(struct kafka_commit *commit, struct kafka_slot *const *slots, uint32_t count,
                           rd_kafka_resp_err_t code);
/* The last offsets, if a broker takes them within timeout_ms; answers come through the handle that is served.
 */
void kafka_commit_last(struct kafka_commit *commit, struct kafka_handle *handle,
                       struct kafka_slot *const *slots, uint32_t count, int timeout_ms);

#endif
