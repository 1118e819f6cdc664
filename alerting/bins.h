#ifndef DRIFTD_ALERTING_BINS_H
#define DRIFTD_ALERTING_BINS_H
/*
 * Which bins carry a drift: reads the JSON array that finding_context.bins_json gives (objects with `bin`,
 * `share`, `reference_share` and, if there is one, `psi_term`; other members are ignored) and keeps those
 * that contribute most.
 */
#include <stdint.h>

#include "agent/base/arena.h"

enum { BINS_SHOWN = 6, BINS_JSON_MAX = 64 << 10 };

struct bin_move {
    const char *label;
    double reference_share, share;
    double contribution; /* the bin's term of PSI; of missing and invalid the same formula */
};
struct bin_moves {
    struct bin_move moves[BINS_SHOWN]; /* most contributing first; ties in the order given */
    uint32_t count, total;             /* kept, seen */
};

/* Labels are copied to `arena`. NULL when the text is no such array, is empty, or memory is out. */
const struct bin_moves *bins_read(struct arena *arena, const char *json, size_t len);

#endif
