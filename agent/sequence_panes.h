#ifndef DRIFTD_AGENT_SEQUENCE_PANES_H
#define DRIFTD_AGENT_SEQUENCE_PANES_H
/*
 * Single outcomes of the panes that have not matured, for detectors that look at one after the other
 * (DESIGN §8): of each finest pane the `cap` outcomes of lowest id hash. What is kept is a function of the
 * set of outcomes, not of their order, also when outcomes are taken back, as long as fewer than `cap` of a
 * pane are: twice as many are held in reserve. Loop thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"

struct sequence_outcome {
    uint64_t id_hash;
    int64_t ts_ms;
    double value; /* what detectors are fed is made of these; NaN: no score */
    double truth;
    uint32_t kind; /* enum outcome_kind */
    uint32_t predicted;
};

struct sequence_pane {
    int64_t start_ms;
    struct sequence_outcome *items; /* ascending by (id hash, time, bits of the rest) */
    uint32_t count, capacity;
    bool cut; /* outcomes from `bound` on were refused */
    struct sequence_outcome bound;
};

struct sequence_panes {
    struct sequence_pane *items; /* ascending by start */
    uint32_t count, capacity;
};

void sequence_panes_release(struct sequence_panes *panes);
/* O(log panes + cap). */
int sequence_panes_add(struct sequence_panes *panes, int64_t start_ms, const struct sequence_outcome *outcome,
                       uint32_t cap) MUST_USE;
/* The same outcome again; nothing when it is not held. */
void sequence_panes_take_back(struct sequence_panes *panes, int64_t start_ms,
                              const struct sequence_outcome *outcome);
/* The outcomes of a pane that matures, at most `cap`, in the order (time, id hash): *out_count of them, valid
 * until the next call with `panes`. O(cap log cap). */
const struct sequence_outcome *sequence_panes_mature(struct sequence_panes *panes, int64_t start_ms,
                                                     uint32_t cap, uint32_t *out_count);
/* Forgets the panes that start before. */
void sequence_panes_drop(struct sequence_panes *panes, int64_t before_ms);

#endif
