#ifndef DRIFTD_DETECTORS_EVIDENCE_H
#define DRIFTD_DETECTORS_EVIDENCE_H
/*
 * The e-detector of one series of counts (METHODS §4): what it remembers (e_history.h), the reference in the
 * bins that evidence is counted in, and one or two watches with a tolerance, a threshold and a restart of
 * their own. A pure function of the closed panes. Undefined is NaN.
 */
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/compiler.h"
#include "agent/base/strbuf.h"
#include "detectors/dispersion.h"
#include "detectors/e_history.h"
#include "detectors/grid.h"
#include "detectors/report.h"

/* What a user says of a model (METHODS §4.2–§4.6). */
struct evidence_options {
    double false_alarms; /* of all features of the model together, per … ; 0: no evidence at all */
    int64_t per_ms;      /* … so much event time */
    double share;        /* of that budget for these series; (0, 1] */
    double tolerance;    /* nats: less drift than this is none */
    double
        overdispersion; /* φ ≥ 1: how much more counts vary than independent events would; NaN: as measured */
};

/* From slots of counts to bins of evidence: 20 in order when the reference has 5,000 values, else 10, and at
 * most one per 50 of them; missing, invalid and categories as they are. */
struct evidence_bins {
    uint32_t slots, bins;
    uint8_t bin_of[GRID_SLOTS_MAX + 1];
    bool ordered[GRID_SLOTS_MAX + 1]; /* by bin */
};
/* `reference` are the coarse slots of the feature. */
void evidence_bins_of_feature(const struct feature_grid *feature, const uint64_t *reference,
                              struct evidence_bins *out);
/* Slots that are all bins of one ordered score. slots ≤ GRID_SLOTS_MAX. */
void evidence_bins_of_score(const uint64_t *reference, uint32_t slots, struct evidence_bins *out);

struct evidence_settings {
    int64_t origin_ms;
    int64_t tier_ms[E_TIERS];
    const struct evidence_options *options;
    double series;           /* F: how many share the budget at most */
    double tolerance_factor; /* of this watch: 1, or 4 for the fixed reference beside one that moves */
    const struct dispersion *dispersion; /* measured; NULL: not */
};

/* What a watch is at, between panes. Stored with every change. */
enum evidence_level {
    EVIDENCE_NONE,
    EVIDENCE_NOTICE,  /* there is evidence of a change, which is small */
    EVIDENCE_WARNING, /* the change is at least `warning` (METHODS §15) */
    EVIDENCE_CRITICAL
};
struct evidence_watch {
    int64_t restart_ms; /* starts before it do not count any more; INT64_MIN: no crossing yet */
    int64_t onset_ms;   /* of what is open: the estimate of its first crossing */
    int64_t length_ms;  /* of the onset window of the last crossing */
    uint32_t entry;     /* its place in the ladder */
    uint32_t level;     /* enum evidence_level */
    uint64_t crossings;
};
struct evidence_watch evidence_watch_new(void);
void evidence_watch_encode(const struct evidence_watch *watch, struct strbuf *out);
bool evidence_watch_decode(struct cursor *in, struct evidence_watch *out);

/* What is fixed of a watch. */
struct evidence_limits {
    bool moving;      /* against the reference that moves */
    int64_t epoch_ms; /* starts before it do not count; INT64_MIN: all do */
    double threshold; /* h */
    /* By place in the ladder: */
    double rho[E_LADDER_SIZE]; /* radius of the null hypothesis, nats */
    double phi[E_LADDER_SIZE]; /* overdispersion; η is 1/φ */
    double run_length;         /* panes between two crossings without drift, at least, on average */
};

struct evidence;
/* NULL: out of memory, or the reference is empty. `reference` are counts by slot. */
struct evidence *evidence_new(const struct evidence_settings *settings, const struct evidence_bins *bins,
                              const uint64_t *reference);
void evidence_free(struct evidence *evidence);
size_t evidence_bytes(const struct evidence *evidence); /* of memory */
double evidence_reference_n(const struct evidence *evidence, bool moving);
/* Another reference beside the one it was made with, for windows that start at epoch_ms or later. `slots` are
 * its counts, some of them not 0. ERR_NOMEM: the one before stays. */
int evidence_move(struct evidence *evidence, const struct evidence_bins *bins, const uint64_t *slots,
                  int64_t epoch_ms) MUST_USE;
/* Against the reference that moves where there is one and `moving` asks for it. */
struct evidence_limits evidence_limits_of(const struct evidence *evidence,
                                          const struct evidence_settings *settings, bool moving);

/* A new epoch: windows never cross it. */
void evidence_reset(struct evidence *evidence);
/* Counts by slot of the finest pane that has closed. Panes in order of time. O(slots). */
int evidence_close(struct evidence *evidence, int64_t start_ms, const uint64_t *slots) MUST_USE;
/* Panes of coarser tiers were closed instead of the finest ones in them, the first of which began here. */
void evidence_resume(struct evidence *evidence, int64_t begin_ms);

struct evidence_look {
    double log_r;     /* −inf: no start; NaN: certainly below the threshold, and not computed */
    double log_e;     /* of the largest window */
    int64_t onset_ms; /* its start */
    uint32_t entry;
};
/*
 * Evidence at the end of the last pane. Unless `exactly`, R is not computed where an upper bound of it stays
 * below the threshold, which is most of the time. O(24·bins), exactly 24 times that.
 */
struct evidence_look evidence_look(const struct evidence *evidence, const struct evidence_limits *limits,
                                   const struct evidence_watch *watch, bool exactly);
/* Counts by slot from a boundary of the ladder to now; false: it is none. */
bool evidence_window(const struct evidence *evidence, int64_t start_ms, uint64_t *out_slots);
/* Start of the window of that place in the ladder at now_ms, which ends a pane. */
int64_t evidence_start(const struct evidence_settings *settings, uint32_t entry, int64_t now_ms);

#define EVIDENCE_CLEAR_RATIO 0.8 /* of the warning band */

/* Size of the change of a window, in units of the bands of METHODS §15 and above what chance gives. */
struct evidence_effect {
    double warning, critical; /* ≥ 1: at least that band */
    double psi, js, w1, missing_delta;
};

/* Of a feature, from its row of drift. */
struct evidence_effect evidence_effect_of_row(const struct report_row *row);
/* Of a score's slots: debiased PSI and JS. */
struct evidence_effect evidence_effect_of_slots(const uint64_t *reference, const uint64_t *current,
                                                uint32_t slots);

/* R reached the threshold at now_ms: opens or keeps open, restarts. */
void evidence_cross(struct evidence_watch *watch, const struct evidence_look *look,
                    const struct evidence_effect *effect, int64_t now_ms);
/* May what is open be over: no crossing for three onset windows, at least three panes? */
bool evidence_may_clear(const struct evidence_watch *watch, int64_t now_ms, int64_t pane_ms);
/* The effect of the window now; true when it is over. */
bool evidence_clear(struct evidence_watch *watch, const struct evidence_effect *effect);

#endif
