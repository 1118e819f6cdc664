#ifndef DRIFTD_AGENT_KPI_NAMES_H
#define DRIFTD_AGENT_KPI_NAMES_H
/*
 * The slots that a worker gives to the KPIs of one (model, version): configured names first, then as they
 * come, up to limits.kpis; a slot is announced in the delta before it is used. Worker's thread only.
 */
#include "agent/delta.h"
#include "detectors/kpi.h"

struct kpi_names;
/* `options` must outlive it. */
struct kpi_names *kpi_names_new(const struct model_options *options, uint32_t limit);
void kpi_names_free(struct kpi_names *names);
uint32_t kpi_names_basis(const struct kpi_names *names);
/* One target per KPI of an event, valid until the next call; `series` is the worker's number of the whole
 * model. ERR_NOMEM. O(KPIs of the event) when the names are known. */
int kpi_names_resolve(struct kpi_names *names, struct delta *delta, uint32_t series,
                      const struct fields *kpis, const struct kpi_target **out) MUST_USE;

#endif
