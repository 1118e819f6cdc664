#ifndef DRIFTD_COLLECTORS_KAFKA_DEAD_LETTER_H
#define DRIFTD_COLLECTORS_KAFKA_DEAD_LETTER_H
/*
 * The producing half of the administrator. Its handle is made with the first letter, so that an agent without
 * dead letters has none. Internal to collectors/kafka*.c.
 */
#include "collectors/kafka_handle.h"

struct kafka_dead_letters;

/* Copies nothing: `settings` and `log` must outlive it. */
struct kafka_dead_letters *kafka_dead_letters_new(const struct kafka_settings *settings, struct log *log);
/* Waits up to a second for what is under way, then closes; all within timeout_ms. No other call may be
 * running.
 */
void kafka_dead_letters_free(struct kafka_dead_letters *letters, int timeout_ms);
/* Any thread. ERR_BUSY: the queue is full; ERR_INVALID, ERR_CONFIG, ERR_NOMEM. */
int kafka_dead_letters_put(struct kafka_dead_letters *letters, const char *topic, const struct record *record,
                           const char *reason, const char *detail) MUST_USE;
/* Collects delivery reports; one thread. */
void kafka_dead_letters_serve(struct kafka_dead_letters *letters);
void kafka_dead_letters_counts(const struct kafka_dead_letters *letters, uint64_t *out_delivered,
                               uint64_t *out_failed);

#endif
