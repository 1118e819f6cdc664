#ifndef DRIFTD_DETECTORS_KPI_H
#define DRIFTD_DETECTORS_KPI_H
/*
 * The family of business KPIs (METHODS §12): named numbers without a scale of their own. Names have slots,
 * given out by the counting side; a tally has room for all of them: counters [0] values of names that no slot
 * was left for, then per slot n and clipped; sums per slot Σu and Σu², u = x/unit, in 2^-40. A value is
 * first winsorised to [low, high], then clipped to 2^28 units; both are counted. O(1) per value.
 *
 * The baseline is the KPI's own first period, taken from closed panes (struct kpi_past): it depends on
 * nothing but what was on time.
 */
#include "agent/base/intern.h"
#include "detectors/families.h"

enum {
    KPI_SLOTS_MAX = 64,
    KPI_NO_SLOT = 255,
    KPI_MINIMUM_N = 30 /* values of a baseline at least, and of a window that may alert */
};

struct kpi_scale { /* what a user says of a KPI */
    char *name;
    double unit;      /* > 0 */
    double low, high; /* NaN: none */
    bool winsorise;   /* kpi_tails.h */
};

struct kpi_target {
    uint8_t slot; /* or KPI_NO_SLOT: then there may be no scale */
    const struct kpi_scale *scale;
};

extern const struct family_ops kpi_family;

/* The scale of a name: the user's, else unit 1 without limits. Static or the options'. O(count). */
const struct kpi_scale *kpi_scale_of(const struct model_options *options, struct text name);
/* Says how values become integers: panes of two bases never add. 0: every KPI at its defaults. */
uint32_t kpi_basis(const struct model_options *options);

/* Moves every slot to map[slot] (KPI_SLOTS_MAX entries; KPI_NO_SLOT: joins what was refused). No two slots
 * go to one. */
void kpi_rename(struct tally *tally, const uint8_t *map);
uint64_t kpi_refused(const struct tally *tally);

/* ---- baseline ---- */

struct kpi_sums {
    uint64_t n;
    int128 sum, squares;
};
struct kpi_past {
    struct kpi_sums baseline, total; /* total: since the first value */
    int64_t from_ms;                 /* start of the first pane with a value */
    int64_t until_ms;                /* end of the baseline as it is now */
};
/*
 * Adds one closed pane, in order; `past` has KPI_SLOTS_MAX entries, all zero at first. The baseline takes the
 * panes that start before from_ms + length_ms, and more until it holds KPI_MINIMUM_N values.
 */
void kpi_past_add(struct kpi_past *past, const struct tally *pane, int64_t start_ms, int64_t end_ms,
                  int64_t length_ms);
/* Is a pane that starts then of the first period? Before it is added. */
bool kpi_past_takes(const struct kpi_past *past, int64_t start_ms, int64_t length_ms);
void kpi_past_encode(const struct kpi_past *past, struct strbuf *out);
int kpi_past_decode(struct cursor *in, struct kpi_past *past) MUST_USE; /* ERR_CORRUPT */

/* What a report needs besides the tally. */
struct kpi_view {
    const struct intern *names;  /* by slot */
    const struct kpi_past *past; /* NULL: none */
    int64_t window_end_ms;
    const struct tally *tails; /* of kpi_tails.h: first periods; NULL: none */
    bool running;              /* `past` ends with the window: the running mean can be told */
};

#endif
