#ifndef DRIFTD_ALERTING_GROUP_H
#define DRIFTD_ALERTING_GROUP_H
/*
 * The transitions collected between two flushes: what is told, with everything a body needs, copied at the
 * moment of the judgement. Memory is one arena, dropped at the flush.
 */
#include "agent/base/arena.h"
#include "alerting/bins.h"
#include "alerting/identity.h"

enum { GROUP_DETAILED = 6 }; /* transitions of a flush that carry bins */

struct member {
    struct alert *alert;
    const struct rule *rule; /* NULL: the rule is gone */
    enum alert_change change;
    enum alert_state from, to;
    enum severity severity;
    int64_t window_start_ms, window_end_ms, since_ms, fired_ms, peak_ms;
    double peak_value;
    struct judgement judgement;
    uint64_t n, reference_n;
    uint32_t flags;                              /* REPORT_* */
    double mean, sd;                             /* of the window; NaN: none */
    const char *reference_name, *reference_hash; /* or NULL */
    const struct bin_moves *bins;                /* or NULL */
    const struct cause_share *causes;            /* segments, the largest part first */
    uint32_t cause_count;
    double excess;
    unsigned char id[IDENTITY_BYTES];
};

struct group {
    struct arena *arena;
    struct member **members;
    uint32_t count, capacity;
    struct member *detailed[GROUP_DETAILED]; /* the worst so far, worst first */
    uint32_t detailed_count;
};

int group_init(struct group *group) MUST_USE;
void group_release(struct group *group);
void group_reset(struct group *group);
/* A zeroed member; NULL when out of memory. */
struct member *group_add(struct group *group);
/* Puts the member among those that carry bins if it is worse than one of them (which then loses its bins). */
bool group_claim_detail(struct group *group, struct member *member);

/* Orders: by names and window end, for writing; by what matters most to a reader. Both are total. */
int member_compare_names(const void *a, const void *b);
int member_compare_worst(const void *a, const void *b);

#endif
