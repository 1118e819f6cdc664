#ifndef DRIFTD_AGENT_HISTORY_H
#define DRIFTD_AGENT_HISTORY_H
/*
 * Any stretch of stored history as one tally: the sum of the panes that lie in it, the coarsest first, finer
 * ones at the edges (DESIGN §6). Read-only; works while the agent runs.
 */
#include <stdint.h>

#include "agent/base/err.h"
#include "agent/pane_set.h"
#include "agent/reader.h"
#include "detectors/reference.h"

struct history_query {
    const char *model, *version, *segment; /* version NULL: the only one, or an error that lists them */
    int64_t from_ms, to_ms;
    uint32_t grid;                       /* only panes on this grid are added to the features */
    const struct feature_layout *layout; /* of that grid, in the series' resolution */
};

struct history {
    struct pane_set set;           /* on-time and late */
    int64_t first_ms, last_end_ms; /* what was covered; INT64_MIN when nothing */
    uint32_t panes, other_grid_panes;
    bool edges_lost; /* panes that reach over an edge and are kept in no finer tier were left out */
};

int history_sum(struct reader *reader, const struct history_query *query, struct history *out,
                struct err *err) MUST_USE;
void history_release(struct history *history);

/* The reference of that name, else the newest one for (model, version); *out_grid is the number of its grid
 * in the store. */
int history_reference(struct reader *reader, const char *name, const char *model, const char *version,
                      struct reference **out, uint32_t *out_grid, struct err *err) MUST_USE;

/* Resolves a version that was not given: the model's only one. `out` holds out_size bytes. */
int history_version(struct reader *reader, const char *model, char *out, size_t out_size,
                    struct err *err) MUST_USE;

#endif
