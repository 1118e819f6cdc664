#ifndef DRIFTD_AGENT_PAST_PANES_H
#define DRIFTD_AGENT_PAST_PANES_H
/*
 * The panes of the second tier that a version's windows are compared with (METHODS §13): coarse counts of all
 * features, encoded, and which features are left out of a pane because an alert was open. Loop thread only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "detectors/tally.h"

struct past_pane {
    int64_t start_ms;
    uint32_t grid;   /* number in the store */
    uint64_t events; /* that said something about features */
    uint32_t feature_count;
    uint8_t *left_out; /* a bit per feature */
    char *bytes;       /* encoded coarse tally */
    size_t len;
    bool changed; /* since the last commit */
};

struct past_panes {
    struct past_pane *items; /* ascending by start */
    uint32_t count, capacity;
};

void past_panes_release(struct past_panes *panes);
/* Index of the first pane that does not start before. O(log panes). */
uint32_t past_panes_position(const struct past_panes *panes, int64_t start_ms);
/* NULL: none, or of another grid. */
const struct past_pane *past_panes_find(const struct past_panes *panes, int64_t start_ms, uint32_t grid);
/* A pane after all others. */
int past_panes_add(struct past_panes *panes, int64_t start_ms, uint32_t grid, uint32_t feature_count,
                   uint64_t events, const struct tally *coarse) MUST_USE;
/* Leaves a feature out of the panes with from ≤ start < to. The start of the first of them that had it so
 * far; INT64_MAX: none had. */
int64_t past_panes_leave_out(struct past_panes *panes, uint32_t grid, uint32_t feature, int64_t from_ms,
                             int64_t to_ms);
static inline bool past_pane_leaves_out(const struct past_pane *pane, uint32_t feature)
{
    return pane->left_out[feature / 8] >> (feature % 8) & 1;
}
/* Forgets panes that start before. */
void past_panes_drop(struct past_panes *panes, int64_t before_ms);

/* What the store keeps of a pane beside its key; reading gives a pane after all others. ERR_CORRUPT,
 * ERR_NOMEM. */
void past_pane_encode(const struct past_pane *pane, struct strbuf *out);
int past_panes_restore(struct past_panes *panes, int64_t start_ms, uint32_t grid, const void *bytes,
                       size_t len) MUST_USE;

#endif
