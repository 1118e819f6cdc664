#ifndef DRIFTD_AGENT_DEDUP_H
#define DRIFTD_AGENT_DEDUP_H
/*
 * Which ids a partition has seen in its open finest panes (DESIGN §5: duplicates). One set per pane, dropped
 * when the pane closes for that partition. Bounded in bytes; when an insertion would pass the bound the set
 * is closed for good (`full`) and nothing is a duplicate any more in that pane. Worker thread only.
 *
 * What is kept of an id are 54 bits of its hash in 6 bytes; with the free places an id takes 9 to 11. Two of
 * a million ids of one set are taken for each other once in 36,000 sets.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dedup;

/* `budget` is shared by all partitions of a worker: bytes left, taken and given back. */
struct dedup *dedup_new(size_t *budget_bytes);
void dedup_free(struct dedup *dedup);

enum dedup_verdict { DEDUP_NEW, DEDUP_DUPLICATE, DEDUP_OFF };

/* Looks `hash` up in the set of the pane and adds it. `offset` is the record's: the earliest one of each set
 * is remembered. O(1) amortised. */
enum dedup_verdict dedup_check(struct dedup *dedup, int64_t pane_start_ms, uint64_t hash, int64_t offset);
/* Fetches what dedup_check will read: at a distance of some 100 ns the table's size hardly costs. */
void dedup_prefetch(const struct dedup *dedup, int64_t pane_start_ms, uint64_t hash);
/* Drops the sets of panes that start before. */
void dedup_close_before(struct dedup *dedup, int64_t pane_start_ms);
/* The smallest offset that an open set needs, or `otherwise` when there is none. */
int64_t dedup_first_offset(const struct dedup *dedup, int64_t otherwise);

#endif
