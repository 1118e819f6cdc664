#ifndef DRIFTD_AGENT_COMBOS_H
#define DRIFTD_AGENT_COMBOS_H
/*
 * What a prediction counts for once its label is there: its series and its groups, as one number that a few
 * bytes can carry while it waits. Numbers are a worker's own, ascending from 0; a new one is announced in the
 * delta. Worker's thread only.
 */
#include "agent/delta.h"

enum { COMBO_MEMBERS_MAX = 64, COMBO_GROUP_BYTES_MAX = 4096 };
#define COMBO_NONE UINT32_MAX

/* The series and groups of one event, as they are collected; what does not fit is left out. */
struct members {
    uint32_t series[COMBO_MEMBERS_MAX], series_count;
    const char *groups[COMBO_MEMBERS_MAX]; /* into `text` */
    uint32_t group_count;
    char text[COMBO_GROUP_BYTES_MAX]; /* of groups: "attribute=value", each with its NUL */
    size_t text_len;
};

void members_begin(struct members *members, uint32_t whole_model_series);
void members_add_series(struct members *members, uint32_t series);
void members_add_groups(struct members *members, const struct fields *groups);

struct combos;
struct combos *combos_new(void);
void combos_free(struct combos *combos);
/* The number of a model that a label names, among those of combinations: announced with its name and without
 * series. COMBO_NONE: no room for another. */
uint32_t combos_model(struct combos *combos, struct delta *delta, struct text model);
/* The number of a combination. Beyond the cap: that of the whole model alone. COMBO_NONE: no memory. */
uint32_t combos_number(struct combos *combos, struct delta *delta, const struct members *members);

#endif
