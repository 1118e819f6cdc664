#ifndef DRIFTD_DETECTORS_E_HISTORY_H
#define DRIFTD_DETECTORS_E_HISTORY_H
/*
 * What one series of evidence remembers (METHODS §4.4): cumulative counts at the recent boundaries of three
 * tiers of panes, so that the counts of the window from any start of the ladder to now are one subtraction. A
 * pure function of the closed panes, whatever empty stretches lie between them: it is rebuilt from panes,
 * never stored.
 */
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/edetector.h"

enum { E_TIERS = 3, E_LADDER_SIZE = 24 };

/* The k-th last boundary of a tier before now. */
struct e_start {
    uint8_t tier, age;
};
extern const struct e_start e_ladder[E_LADDER_SIZE];

struct e_history_options {
    int64_t origin_ms;        /* panes are counted from here */
    int64_t tier_ms[E_TIERS]; /* ascending, each a whole multiple of the one before */
    uint32_t counters;        /* per pane: bins, or (n, sum) of a bounded mean */
};

struct e_history;
/* NULL: out of memory, or tiers that do not nest. About 64 × (4 × counters + 16) bytes; twice that from 2^32
 * events in 28 panes of the third tier on. */
struct e_history *e_history_new(const struct e_history_options *options);
void e_history_free(struct e_history *history);
size_t e_history_bytes(const struct e_history *history); /* of memory */
/* Forgets everything: a new reference, a new grid (windows never cross it). */
void e_history_reset(struct e_history *history);

/* The finest pane [start_ms, start_ms + tier_ms[0]) has closed with these counts. Panes come in order of
 * time; empty ones may be left out. ERR_NOMEM, when windows grow beyond 2^32 events: nothing was added. */
int e_history_close(struct e_history *history, int64_t start_ms, const uint64_t *counts) MUST_USE;

/* Panes of coarser tiers have been closed in place of the finest ones that they hold: the first of those
 * began here. What the ladder asks for stays the same when the last 12 finest and 24 second ones are closed
 * as they are. */
void e_history_resume(struct e_history *history, int64_t begin_ms);

/* ln of the e-value of the counts of one window; `entry` is the place in the ladder (η and ρ differ by it).
 */
typedef double e_window_fn(const uint64_t *counts, uint32_t entry, const void *context);

struct e_evaluation {
    double log_r;     /* −inf: no start yet */
    int64_t onset_ms; /* start of the window with the largest e-value */
    double log_e;     /* that e-value */
    uint32_t entry;   /* its place in the ladder */
};
/*
 * R at the end of the last closed pane, over the starts that exist: not before the first pane of this history
 * and, after a crossing at `restart_ms`, not before that (INT64_MIN: no crossing yet). An entry of the ladder
 * counts even where its start coincides with another's: the threshold pays for 24. O(24 · (counters + f)).
 */
struct e_evaluation e_history_evaluate(const struct e_history *history, int64_t restart_ms, e_window_fn *f,
                                       const void *context);
/* The counts from start_ms to now; false when that is not among the remembered boundaries. */
bool e_history_window(const struct e_history *history, int64_t start_ms, uint64_t *out_counts);

#endif
