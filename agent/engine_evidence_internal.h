#ifndef DRIFTD_AGENT_ENGINE_EVIDENCE_INTERNAL_H
#define DRIFTD_AGENT_ENGINE_EVIDENCE_INTERNAL_H
/* What engine_evidence.c, which counts and judges, and engine_evidence_store.c, which writes and reads,
 * share. */
#include "agent/engine_evidence.h"
#include "detectors/evidence.h"

enum { WATCHES_MAX = 2 };

struct evidence_subject {
    const char *name;                    /* of the grid, or static */
    uint32_t feature;                    /* of the grid; UINT32_MAX: a score of all of them */
    uint32_t at;                         /* first counter */
    uint32_t slots;                      /* counters */
    struct evidence *evidence;           /* NULL: the reference has no value of it */
    const uint64_t *reference;           /* of a score: its counts */
    const struct dispersion *dispersion; /* NULL: nothing known */
    struct evidence_limits limits[WATCHES_MAX];
    struct evidence_watch watches[WATCHES_MAX];
};

struct evidences {
    const struct known_reference *known; /* of this epoch */
    struct evidence_settings settings;
    struct tally_size size;
    struct evidence_subject *subjects;
    uint32_t subject_count, watch_count;
    struct dispersion dispersion; /* the largest of all features: the scores' */
    int64_t begin_ms;             /* start of the first pane; INT64_MIN: none yet */
    /* Panes of the second and third tier that are open: what the finest ones in them hold. */
    struct open_sum {
        int64_t start_ms; /* INT64_MIN: nothing yet */
        struct tally *sum;
    } open[E_TIERS];      /* [0]: the pane that is closing, to be judged */
    struct tally *window; /* scratch, as the coarse layout */
    struct tally *moving; /* the same: what watch 0 looks at where the model has a past; NULL: none */
    int64_t epoch_ms;     /* of it; INT64_MIN: there was no past yet */
    int64_t tried_ms;     /* the last epoch that could have begun */
    bool due, changed;
    uint32_t next_subject;
};

static inline bool evidence_is_wanted(const struct version *version)
{
    return version->config->evidence.false_alarms > 0;
}

/* The start of the pane that holds t. */
static inline int64_t evidence_bucket(const struct evidence_settings *settings, int tier, int64_t t_ms)
{
    int64_t offset = (t_ms - settings->origin_ms) % settings->tier_ms[tier];
    return t_ms - (offset < 0 ? offset + settings->tier_ms[tier] : offset);
}

/* engine_evidence.c */
/* An epoch, which is one reference: the one before and all that it had go. ERR_NOMEM. */
int engine_evidence_begin(struct engine *engine, struct version *version) MUST_USE;
/* A finest pane, or a coarser one of the history, in order. ERR_NOMEM. */
int engine_evidence_feed(struct evidences *all, const struct tally *pane, int64_t start_ms) MUST_USE;
/* Features look at the moving reference from epoch_ms on. */
int engine_evidence_move(struct evidences *all, bool seasonal) MUST_USE;

/* engine_evidence_store.c */
/* The open pane of a tier. ERR_NOMEM. */
int engine_evidence_put_sum(struct engine *engine, const struct series *series, int tier) MUST_USE;
/* The reference that moves. ERR_NOMEM. */
int engine_evidence_put_moving(struct engine *engine, const struct series *series) MUST_USE;

#endif
