#ifndef DRIFTD_AGENT_VERSIONS_H
#define DRIFTD_AGENT_VERSIONS_H
/*
 * What a worker knows of every (model, version) that its events named: the numbers of its series, how its
 * events are counted, and where the names of each input's decoder lead. New series are announced in the
 * delta. Bounded by limits.models, versions and segments; what does not fit is refused. Worker's thread only.
 */
#include "agent/base/intern.h"
#include "agent/config.h"
#include "agent/delta.h"

enum { SEGMENT_BYTES_MAX = 512 };

struct version_state {
    uint32_t series; /* of the whole model */
    const struct profile *profile;
    const struct model_config *config;
    bool dormant; /* its predictions do not wait for labels */
    uint64_t identity_seeds[EVENT_KIND_COUNT];
    struct feature_binding **bindings; /* by input: name ids belong to a decoder; for profile's grid */
    struct intern *segments;           /* "key=value" */
    uint32_t *segment_series;          /* by id of `segments` */
    uint32_t segment_capacity;
    struct kpi_names *kpis; /* NULL until an event has one */
};

struct versions;
/* What `config` and `book` point to must outlive them. */
struct versions *versions_new(const struct config *config, const struct profile_book *book,
                              uint32_t input_count);
void versions_free(struct versions *versions);
void versions_set_delta(struct versions *versions, struct delta *delta);

/* NULL when a cap refuses it or memory is short: the caller rejects the event. O(1) expected. */
struct version_state *versions_find(struct versions *versions, const struct event *ev);
/* Later events of (model, version) are counted by this profile. */
int versions_set_profile(struct versions *versions, const char *model, const char *version,
                         const struct profile *profile) MUST_USE;
/* One target per KPI of an event (kpi_names.h) and by what they are counted. */
int versions_kpis(struct versions *versions, struct version_state *state, const struct event *ev,
                  const struct kpi_target **out, uint32_t *out_basis) MUST_USE;
/* Of all versions of a model, also those that come later. */
void versions_set_dormant(struct versions *versions, const char *model, bool dormant);
/* The series of one segment of an event; what does not fit the caps joins "key=(other)"; UINT32_MAX: none. */
uint32_t versions_segment(struct versions *versions, struct version_state *state, const struct event *ev,
                          const struct field *segment);
/* What ids of a kind of events of a version are hashed with: versions may score the same ids. */
uint64_t identity_seed(struct text model, struct text version, enum event_kind kind);

#endif
