#ifndef DRIFTD_AGENT_OUTCOME_GROUPS_H
#define DRIFTD_AGENT_OUTCOME_GROUPS_H
/* Which slots of its version an event with these groups counts for: the values of its attributes and the
 * cells of the crosses that the model's configuration asks for. Loop thread only. */
#include "agent/engine_internal.h"

enum { OUTCOME_MEMBERS_MAX = 96 };

/* Ascending as given, each slot once. Values beyond the cap of their attribute are "attribute=other", names
 * beyond the cap of the version are left out; either sets `capped`. `with_crosses` false: `groups` has the
 * names of cells already. O(groups · slots) when a name is new. */
uint32_t outcome_group_slots(struct version *version, const char *const *groups, uint32_t count,
                             bool with_crosses, uint16_t out[OUTCOME_MEMBERS_MAX]);

#endif
