#ifndef DRIFTD_AGENT_INGEST_H
#define DRIFTD_AGENT_INGEST_H
/*
 * One record's way into a delta: decode, find its series, judge its fate, count (DESIGN §5, §6). A pure
 * function of each partition's log apart from the wall clock of `future` and the moments at which limits and
 * profiles arrive; those only hold, never change, an event. Worker's thread only.
 */
#include "agent/worker.h"

struct ingest;
int ingest_new(struct ingest **out, const struct worker_settings *settings, struct err *err) MUST_USE;
void ingest_free(struct ingest *ingest);

int ingest_add_slot(struct ingest *ingest, const struct worker_slot *slot) MUST_USE;
bool ingest_has_slots(const struct ingest *ingest);
/* A partition waits for a command. */
bool ingest_is_holding(const struct ingest *ingest);
void ingest_set_limits(struct ingest *ingest, int64_t undecided_ms, int64_t ahead_ms);
int ingest_set_profile(struct ingest *ingest, const char *model, const char *version,
                       const struct profile *profile) MUST_USE;
/* Do predictions of a model wait for labels? */
void ingest_set_dormant(struct ingest *ingest, const char *model, bool dormant);
void ingest_release_held(struct ingest *ingest, struct source *source);

/* Where events are counted from now on; NULL: nowhere (the source must not be polled). */
void ingest_set_delta(struct ingest *ingest, struct delta *delta);
void ingest_begin_batch(struct ingest *ingest, int64_t wall_ms);
const struct source_sink *ingest_sink(struct ingest *ingest);
void ingest_signal(struct ingest *ingest, uint32_t slot, enum source_signal signal, const char *detail);

/* Something that the loop should know at once: a partition that is held, started, finished or failed. */
bool ingest_is_urgent(const struct ingest *ingest);
/* Is it time to hand the delta over: for its bytes, or for what waits in it? */
bool ingest_is_full(const struct ingest *ingest, size_t delta_bytes_max);
/* Writes where every changed partition stands into the delta. */
void ingest_flush_partitions(struct ingest *ingest, struct source *source);
uint64_t ingest_fallbacks(const struct ingest *ingest);

#endif
