#include "agent/outcome_groups.h"

#include <string.h>

enum { NAME_BYTES_MAX = 1024 };

struct slots {
    uint16_t *items;
    uint32_t count;
};

static size_t attribute_len(struct text name)
{
    const char *split = memchr(name.ptr, '=', name.len);
    return split ? (size_t)(split - name.ptr) : name.len;
}

/* How many names of this attribute there are. */
static uint32_t count_values(const struct intern *names, struct text name)
{
    uint32_t count = 0;
    size_t len = attribute_len(name);
    for (uint32_t i = 0; i < intern_count(names); i++) {
        struct text known = intern_text(names, i);
        count += attribute_len(known) == len && memcmp(known.ptr, name.ptr, len) == 0;
    }
    return count;
}

/* The name itself, or the attribute's "other" when there are as many values as there may be. */
static uint32_t slot_of(struct version *version, struct text name, uint32_t values_max)
{
    char other[NAME_BYTES_MAX];
    size_t len = attribute_len(name);
    uint32_t slot = intern_find(version->groups, name);
    if (slot != INTERN_NONE)
        return slot;
    if (count_values(version->groups, name) >= values_max && len + sizeof("=other") <= sizeof(other)) {
        version->capped = true;
        memcpy(other, name.ptr, len);
        memcpy(other + len, "=other", sizeof("=other"));
        name = text_of(other);
    }
    slot = intern_add(version->groups, name);
    version->capped |= slot == INTERN_NONE;
    return slot;
}

static void add_slot(struct version *version, struct slots *slots, struct text name, uint32_t values_max)
{
    uint32_t slot = slot_of(version, name, values_max);
    bool known = slot == INTERN_NONE || slots->count == OUTCOME_MEMBERS_MAX;
    for (uint32_t i = 0; i < slots->count && !known; i++)
        known = slots->items[i] == slot;
    if (!known)
        slots->items[slots->count++] = (uint16_t)slot;
}

static void add_cross(struct version *version, struct slots *slots, const char *const *attributes,
                      const char *const *groups, uint32_t count)
{
    char name[NAME_BYTES_MAX];
    if (outcome_cross_name(attributes, groups, count, name, sizeof(name)))
        add_slot(version, slots, text_of(name), OUTCOME_GROUP_CELLS_MAX);
}

uint32_t outcome_group_slots(struct version *version, const char *const *groups, uint32_t count,
                             bool with_crosses, uint16_t out[OUTCOME_MEMBERS_MAX])
{
    struct slots slots = {out, 0};
    if (count == 0)
        return 0;
    if (!version->groups && !(version->groups = intern_new(OUTCOME_GROUPS_MAX))) {
        version->capped = true;
        return 0;
    }
    const struct model_config *config = version->config;
    for (uint32_t i = 0; i < count; i++)
        add_slot(version, &slots, text_of(groups[i]),
                 with_crosses ? OUTCOME_GROUP_VALUES_MAX : OUTCOME_GROUPS_MAX);
    for (uint32_t i = 0; with_crosses && i < config->cross_count; i++)
        add_cross(version, &slots, (const char *const *)config->crosses[i].attributes, groups, count);
    for (uint32_t i = 0; with_crosses && i < config->facet_count; i++)
        if (config->facets[i].strata) {
            const char *const pair[] = {config->facets[i].attribute, config->facets[i].strata, NULL};
            add_cross(version, &slots, pair, groups, count);
        }
    return slots.count;
}
