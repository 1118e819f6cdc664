#ifndef DRIFTD_DETECTORS_VOLUME_H
#define DRIFTD_DETECTORS_VOLUME_H
/*
 * How many events come, pane by pane of one length that divides a week (METHODS §10): against the same time
 * of the week in the four weeks before, and how long nothing has come. A pure function of the counts of the
 * last five weeks.
 */
#include <stdint.h>

#include "agent/base/compiler.h"
#include "detectors/report.h"

enum { VOLUME_WEEKS = 6, VOLUME_PANES_MAX = 8192 };

struct volume;
/* NULL when out of memory. `panes_per_week` · VOLUME_WEEKS is at most VOLUME_PANES_MAX. */
struct volume *volume_new(uint32_t panes_per_week);
void volume_free(struct volume *volume);
/* Sets the count of a pane; panes are numbered in time. What is older than VOLUME_WEEKS is passed over. */
void volume_put(struct volume *volume, int64_t pane, uint64_t events);
uint64_t volume_at(const struct volume *volume, int64_t pane); /* 0: none, or not known any more */
/* One row, FAMILY_ACTIVITY, of a pane not older than a week. O(panes of five weeks). */
void volume_report(const struct volume *volume, int64_t pane, struct report_row *row);

#endif
