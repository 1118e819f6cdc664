#include "agent/outcome_classes.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/intern.h"

enum { MODELS_MAX = 1 << 20, NAME_BYTES_MAX = 2048 };

static const char prefix[] = "class=";

struct outcome_classes {
    struct intern *models;
    struct intern **names; /* by model */
    uint32_t capacity;
};

struct outcome_classes *outcome_classes_new(void)
{
    struct outcome_classes *classes = calloc(1, sizeof(*classes));
    if (classes && !(classes->models = intern_new(MODELS_MAX))) {
        free(classes);
        return NULL;
    }
    return classes;
}

void outcome_classes_free(struct outcome_classes *classes)
{
    if (!classes)
        return;
    for (uint32_t i = 0; i < classes->capacity; i++)
        intern_free(classes->names[i]);
    free(classes->names);
    intern_free(classes->models);
    free(classes);
}

static struct intern *names_of(struct outcome_classes *classes, const char *model)
{
    uint32_t number = intern_add(classes->models, text_of(model));
    if (number == INTERN_NONE)
        return NULL;
    if (number >= classes->capacity) {
        uint32_t capacity = number + 16;
        struct intern **grown = realloc(classes->names, capacity * sizeof(struct intern *));
        if (!grown)
            return NULL;
        memset(grown + classes->capacity, 0, (capacity - classes->capacity) * sizeof(struct intern *));
        classes->names = grown;
        classes->capacity = capacity;
    }
    if (!classes->names[number])
        classes->names[number] = intern_new(OUTCOME_CLASSES_KNOWN);
    return classes->names[number];
}

/* The slot of the others is among those of the names. */
static uint32_t slot_of(uint32_t number)
{
    return number + (number >= OUTCOME_CLASS_OTHER);
}

uint8_t outcome_class_slot(struct outcome_classes *classes, const char *model, const char *name,
                           bool *out_new)
{
    char bytes[NAME_BYTES_MAX];
    size_t len = strlen(name);
    struct intern *names = names_of(classes, model);
    *out_new = false;
    if (!names || len == 0 || len + sizeof(prefix) > sizeof(bytes))
        return OUTCOME_CLASS_OTHER;
    memcpy(bytes, prefix, sizeof(prefix) - 1);
    memcpy(bytes + sizeof(prefix) - 1, name, len + 1);
    uint32_t count = intern_count(names), number = intern_add(names, text_of(bytes));
    *out_new = number == count;
    return number == INTERN_NONE ? OUTCOME_CLASS_OTHER : (uint8_t)slot_of(number);
}

uint32_t outcome_class_names(const struct outcome_classes *classes, const char *model,
                             struct text out[OUTCOME_CLASS_SLOTS])
{
    uint32_t number = intern_find(classes->models, text_of(model));
    const struct intern *names =
        number != INTERN_NONE && number < classes->capacity ? classes->names[number] : NULL;
    uint32_t count = names ? intern_count(names) : 0;
    for (uint32_t i = 0; i < count; i++)
        out[slot_of(i)] = intern_text(names, i);
    if (count <= OUTCOME_CLASS_OTHER)
        return count;
    out[OUTCOME_CLASS_OTHER] = (struct text){NULL, 0};
    return count + 1;
}
