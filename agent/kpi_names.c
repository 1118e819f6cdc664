#include "agent/kpi_names.h"

#include <stdlib.h>

struct kpi_names {
    const struct model_options *options;
    uint32_t limit, basis;
    struct intern *names; /* id is the slot */
    const struct kpi_scale *scales[KPI_SLOTS_MAX];
    bool announced[KPI_SLOTS_MAX];
    struct kpi_target *targets; /* of the event at hand */
    uint32_t target_capacity;
};

static uint32_t slot_of(struct kpi_names *names, struct text name)
{
    uint32_t slot = intern_find(names->names, name);
    if (slot != INTERN_NONE || intern_count(names->names) >= names->limit)
        return slot;
    slot = intern_add(names->names, name);
    if (slot != INTERN_NONE)
        names->scales[slot] = kpi_scale_of(names->options, name);
    return slot;
}

struct kpi_names *kpi_names_new(const struct model_options *options, uint32_t limit)
{
    struct kpi_names *names = calloc(1, sizeof(*names));
    if (!names)
        return NULL;
    names->options = options;
    names->limit = limit < KPI_SLOTS_MAX ? limit : KPI_SLOTS_MAX;
    names->basis = kpi_basis(options);
    names->names = intern_new(KPI_SLOTS_MAX);
    if (!names->names) {
        free(names);
        return NULL;
    }
    for (uint32_t i = 0; i < options->kpi_count; i++)
        (void)slot_of(names,
                      text_of(options->kpis[i].name)); /* no slot: its values are refused and counted */
    return names;
}

void kpi_names_free(struct kpi_names *names)
{
    if (!names)
        return;
    intern_free(names->names);
    free(names->targets);
    free(names);
}

uint32_t kpi_names_basis(const struct kpi_names *names)
{
    return names->basis;
}

int kpi_names_resolve(struct kpi_names *names, struct delta *delta, uint32_t series,
                      const struct fields *kpis, const struct kpi_target **out)
{
    if (kpis->count > names->target_capacity) {
        struct kpi_target *grown = realloc(names->targets, kpis->count * sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        names->targets = grown;
        names->target_capacity = kpis->count;
    }
    for (uint32_t i = 0; i < kpis->count; i++) {
        uint32_t slot = slot_of(names, kpis->items[i].name);
        if (slot == INTERN_NONE) {
            names->targets[i] = (struct kpi_target){KPI_NO_SLOT, NULL};
            continue;
        }
        if (!names->announced[slot] && delta_add_kpi(delta, series, slot, kpis->items[i].name) != 0)
            return ERR_NOMEM;
        names->announced[slot] = true;
        names->targets[i] = (struct kpi_target){(uint8_t)slot, names->scales[slot]};
    }
    *out = names->targets;
    return 0;
}
