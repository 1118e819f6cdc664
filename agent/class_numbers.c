#include "agent/class_numbers.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/intern.h"

enum { NAMES_MAX = UINT16_MAX, NAME_BYTES_MAX = 2048, ALL_BYTES_MAX = 8 << 20 };

struct class_numbers {
    size_t bytes;                      /* of all names */
    struct intern *names;              /* "model", NUL, class */
    uint32_t before[CLASS_SCORES_MAX]; /* what the event before had there */
    struct delta_score scores[CLASS_SCORES_MAX];
};

struct class_numbers *class_numbers_new(void)
{
    struct class_numbers *numbers = calloc(1, sizeof(*numbers));
    if (numbers && !(numbers->names = intern_new(NAMES_MAX))) {
        free(numbers);
        return NULL;
    }
    for (uint32_t i = 0; numbers && i < CLASS_SCORES_MAX; i++)
        numbers->before[i] = INTERN_NONE;
    return numbers;
}

void class_numbers_free(struct class_numbers *numbers)
{
    if (!numbers)
        return;
    intern_free(numbers->names);
    free(numbers);
}

static bool is_name(struct text whole, struct text model, struct text class)
{
    return whole.len == model.len + 1 + class.len && memcmp(whole.ptr, model.ptr, model.len) == 0 &&
           whole.ptr[model.len] == '\0' && memcmp(whole.ptr + model.len + 1, class.ptr, class.len) == 0;
}

/* *out INTERN_NONE: no room for it. */
static int find(struct class_numbers *numbers, struct delta *delta, struct text model, struct text class,
                uint32_t *out)
{
    char bytes[NAME_BYTES_MAX];
    size_t len = (size_t)model.len + 1 + class.len;
    *out = INTERN_NONE;
    if (len > sizeof(bytes))
        return 0;
    memcpy(bytes, model.ptr, model.len);
    bytes[model.len] = '\0';
    if (class.len)
        memcpy(bytes + model.len + 1, class.ptr, class.len);
    struct text whole = {bytes, (uint32_t)len};
    *out = intern_find(numbers->names, whole);
    if (*out != INTERN_NONE || numbers->bytes + len > ALL_BYTES_MAX)
        return 0;
    *out = intern_add(numbers->names, whole);
    if (*out == INTERN_NONE)
        return 0;
    numbers->bytes += len;
    const char *name = intern_text(numbers->names, *out).ptr;
    struct delta_class announced = {(uint16_t)*out, name, name + model.len + 1};
    return delta_add_class(delta, &announced);
}

static int number_of(struct class_numbers *numbers, struct delta *delta, const struct event *event,
                     uint32_t at, uint32_t *out)
{
    uint32_t *before = &numbers->before[at];
    struct text class = event->scores.items[at].name;
    if (*before != INTERN_NONE && is_name(intern_text(numbers->names, *before), event->model, class)) {
        *out = *before;
        return 0;
    }
    int code = find(numbers, delta, event->model, class, out);
    *before = *out;
    return code;
}

static bool are_valid(const struct fields *scores)
{
    for (uint32_t i = 0; i < scores->count; i++)
        if (scores->items[i].value.type != VALUE_NUMBER ||
            !class_score_is_valid(scores->items[i].value.number))
            return false;
    return scores->count > 0;
}

int class_numbers_take(struct class_numbers *numbers, struct delta *delta, const struct event *event,
                       struct delta_waiting *out)
{
    const struct fields *scores = &event->scores;
    out->score_count = 0;
    out->scores = numbers->scores;
    out->scores_refused = scores->count > CLASS_SCORES_MAX;
    if (out->scores_refused || !are_valid(scores))
        return 0;
    for (uint32_t i = 0; i < scores->count; i++) {
        uint32_t number;
        int code = number_of(numbers, delta, event, i, &number);
        if (code != 0)
            return code;
        if (number == INTERN_NONE) {
            out->scores_refused = true;
            return 0;
        }
        numbers->scores[i] =
            (struct delta_score){(uint16_t)number, class_score_encode(scores->items[i].value.number)};
    }
    out->score_count = scores->count;
    return 0;
}
