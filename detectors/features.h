#ifndef DRIFTD_DETECTORS_FEATURES_H
#define DRIFTD_DETECTORS_FEATURES_H
/*
 * The family of binned features: from an event to slot numbers and fixed-point sums, from those to a delta
 * cell, from cells to a tally. Counters of the tally: [0] events, then per feature its slots, then per
 * numeric feature `clipped`. Sums: per numeric feature Σz (2^-40), Σz² (2^-32), Σz below the range, Σz above
 * the range (2^-40), z = (x − location)/scale clipped to ±256 (DESIGN §3).
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "collectors/event.h"
#include "detectors/grid.h"
#include "detectors/tally.h"

#define Z_CLIP  256.0
#define Z_UNIT  1099511627776.0 /* 2^40 */
#define Z2_UNIT 4294967296.0    /* 2^32 */
enum { FEATURE_SUMS = 4 };      /* Σz, Σz², Σz below, Σz above */
enum { SLOT_NONE = 255 };       /* the event says nothing about this feature: not counted at all */

/* Where each feature's entries are, for one grid and resolution. Owned by the caller; immutable. */
struct feature_layout {
    const struct grid *grid;
    enum grid_resolution resolution;
    struct tally_size size;
    uint32_t *slot_at;    /* by feature: first counter */
    uint32_t *clipped_at; /* by feature: counter; UINT32_MAX for categorical */
    uint32_t *sums_at;    /* by feature: first sum; UINT32_MAX for categorical */
};
struct feature_layout *feature_layout_new(const struct grid *grid, enum grid_resolution resolution);
void feature_layout_free(struct feature_layout *layout);

/* A value that is not what its feature usually gets: see feature_row.odd. Views of the event. */
struct odd_value {
    uint32_t feature; /* or FEATURE_UNKNOWN: a field that the reference does not know */
    struct text name; /* of the field */
    const struct value *value;
};
#define FEATURE_UNKNOWN UINT32_MAX

/* One event on one grid. Arrays have grid->feature_count entries. */
struct feature_row {
    uint8_t *slot;    /* fine slot or SLOT_NONE */
    int64_t *z;       /* rne(z·2^40); 0 when not a number */
    int64_t *z2;      /* rne(z²·2^32) */
    uint8_t *outside; /* eight features a byte: bits of those that may be below, above or clipped */
    uint8_t *clipped;
    bool complete;  /* no slot is SLOT_NONE */
    uint32_t count; /* features */
    /* What data quality wants to know more of, in the event's order: values that are no number where numbers
     * are binned, no string where categories are (null and absent are neither), unseen categories, and fields
     * of unknown names. Owned. */
    struct odd_value *odd;
    uint32_t odd_count, odd_capacity;
};
struct feature_row *feature_row_new(uint32_t feature_count);
void feature_row_free(struct feature_row *row);

/* The decoder's name ids → features of the grid; grows as names appear. One per (decoder, grid). */
struct feature_binding;
struct feature_binding *feature_binding_new(const struct grid *grid);
/* Names beside the grid's that are no surprise, ascending; they must outlive the binding. Before its first
 * event. */
void feature_binding_ignore(struct feature_binding *binding, char *const *names, uint32_t count);
void feature_binding_free(struct feature_binding *binding);
/* The feature that a field of any group of the decoder's events is named after; UINT32_MAX: none of the grid.
 * O(1) for names that were seen as features, else O(log features). */
uint32_t feature_binding_find(const struct feature_binding *binding, const struct field *field);

/*
 * Features that the event has are binned; features of the grid that it lacks are `missing`, except that an
 * event without any features says nothing about them, and only predictions say something about reserved
 * names (@score, @prediction, @confidence, @margin, @entropy). null is missing; a wrong type is invalid; ±inf
 * is out of range. A categorical feature takes strings, booleans and integers ("1" and 1 and 1.0 are the same
 * category). No allocation when the names are known and nothing is odd. Returns 0 or ERR_NOMEM.
 */
int feature_row_resolve(struct feature_row *row, struct feature_binding *binding,
                        const struct event *ev) MUST_USE;

/* Mean of the numbers of a feature in a tally, in units of the feature; `standardised`: in scales of the
 * reference from its location. NaN when it is categorical or has none. O(slots). */
double feature_mean(const struct feature_layout *layout, const struct tally *tally, uint32_t feature,
                    bool standardised);

/* Adds a fine tally to a coarse one of the same grid. */
void feature_tally_coarsen(const struct feature_layout *fine, const struct tally *from,
                           const struct feature_layout *coarse, struct tally *into);
/* Adds (sign 1) one feature of a tally to another of the same layout, or takes it back (−1). */
void feature_tally_add(const struct feature_layout *layout, const struct tally *from, struct tally *into,
                       uint32_t feature, int sign);

/*
 * What a worker adds to: 32-bit counters, 64-bit sums that spill into 128 bits every 2^13 events. Few events
 * are kept as rows of slots (up to 64) and become dense counters after that.
 */
struct feature_cell;
struct feature_cell *feature_cell_new(const struct feature_layout *layout);
void feature_cell_free(struct feature_cell *cell);
void feature_cell_reset(struct feature_cell *cell);
/* `row` is in fine slots whatever the layout's resolution. ERR_NOMEM leaves the cell as it was. */
int feature_cell_add(struct feature_cell *cell, const struct feature_row *row) MUST_USE;
uint64_t feature_cell_events(const struct feature_cell *cell);
const struct feature_layout *feature_cell_layout(const struct feature_cell *cell);
size_t feature_cell_bytes(const struct feature_cell *cell);
/* Adds the cell to a tally of the same layout. */
void feature_cell_merge(const struct feature_cell *cell, struct tally *into);

#endif
