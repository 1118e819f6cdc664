#include "agent/combos.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/intern.h"

enum { COMBOS_MAX = 65536, LABEL_MODELS_MAX = 1024, MODEL_BYTES_MAX = 1024 };

struct combos {
    struct intern *known; /* by the bytes of series and groups */
    uint32_t models;      /* of them are models */
    struct text recent;   /* the model of the label before, and its number */
    uint32_t recent_number;
};

struct combos *combos_new(void)
{
    struct combos *combos = calloc(1, sizeof(*combos));
    if (combos && !(combos->known = intern_new(COMBOS_MAX))) {
        free(combos);
        return NULL;
    }
    return combos;
}

void combos_free(struct combos *combos)
{
    if (!combos)
        return;
    intern_free(combos->known);
    free(combos);
}

void members_begin(struct members *members, uint32_t whole_model_series)
{
    members->series[0] = whole_model_series;
    members->series_count = 1;
    members->group_count = 0;
    members->text_len = 0;
}

void members_add_series(struct members *members, uint32_t series)
{
    if (members->series_count < COMBO_MEMBERS_MAX)
        members->series[members->series_count++] = series;
}

void members_add_groups(struct members *members, const struct fields *groups)
{
    for (uint32_t i = 0; i < groups->count && members->group_count < COMBO_MEMBERS_MAX; i++) {
        const struct field *group = &groups->items[i];
        const struct value *value = &group->value;
        size_t bytes = (size_t)group->name.len + value->text.len + 2;
        bool scalar = value->type == VALUE_STRING || value->type == VALUE_NUMBER || value->type == VALUE_BOOL;
        if (!scalar || members->text_len + bytes > sizeof(members->text))
            continue;
        char *at = members->text + members->text_len;
        members->groups[members->group_count++] = at;
        memcpy(at, group->name.ptr, group->name.len);
        at[group->name.len] = '=';
        memcpy(at + group->name.len + 1, value->text.ptr, value->text.len);
        at[bytes - 1] = '\0';
        members->text_len += bytes;
    }
}

uint32_t combos_model(struct combos *combos, struct delta *delta, struct text model)
{
    if (combos->recent.ptr && text_equal(combos->recent, model))
        return combos->recent_number;
    char bytes[1 + MODEL_BYTES_MAX + 1];
    if (model.len > MODEL_BYTES_MAX)
        return COMBO_NONE;
    bytes[0] = 0; /* no series: not the bytes of a combination */
    memcpy(bytes + 1, model.ptr, model.len);
    bytes[1 + model.len] = '\0';
    struct text key = {bytes, model.len + 1};
    uint32_t number = intern_find(combos->known, key);
    if (number == INTERN_NONE) {
        const char *name = bytes + 1;
        if (combos->models == LABEL_MODELS_MAX || (number = intern_add(combos->known, key)) == INTERN_NONE)
            return COMBO_NONE;
        combos->models++;
        struct delta_combo entry = {.combo = number, .groups = &name, .group_count = 1};
        if (delta_add_combo(delta, &entry) != 0)
            return COMBO_NONE;
    }
    struct text stored = intern_text(combos->known, number);
    combos->recent = (struct text){stored.ptr + 1, stored.len - 1};
    return combos->recent_number = number;
}

uint32_t combos_number(struct combos *combos, struct delta *delta, const struct members *members)
{
    char bytes[1 + sizeof(members->series) + sizeof(members->text)];
    size_t len = 1 + members->series_count * sizeof(uint32_t);
    bytes[0] = (char)members->series_count;
    memcpy(bytes + 1, members->series, len - 1);
    memcpy(bytes + len, members->text, members->text_len);
    uint32_t count = intern_count(combos->known);
    uint32_t combo = intern_add(combos->known, (struct text){bytes, (uint32_t)(len + members->text_len)});
    if (combo == INTERN_NONE && members->series_count + members->group_count > 1) {
        struct members *whole = calloc(1, sizeof(*whole));
        if (!whole)
            return COMBO_NONE;
        members_begin(whole, members->series[0]);
        combo = combos_number(combos, delta, whole);
        free(whole);
        return combo;
    }
    if (combo == INTERN_NONE || combo < count)
        return combo == INTERN_NONE ? COMBO_NONE : combo;
    struct delta_combo entry = {combo, members->series, members->series_count, members->groups,
                                members->group_count};
    return delta_add_combo(delta, &entry) == 0 ? combo : COMBO_NONE;
}
