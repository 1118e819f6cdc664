#include "detectors/confidence.h"

static bool is_probability(const struct value *value)
{
    return value->type == VALUE_NUMBER && value->number >= 0 && value->number <= 1;
}

static struct value number_of(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

static struct confidence_values of_classes(const struct fields *scores)
{
    double first = -1, second = -1;
    for (uint32_t i = 0; i < scores->count; i++) {
        const struct value *value = &scores->items[i].value;
        if (!is_probability(value)) {
            struct value other = {.type = VALUE_OTHER};
            return (struct confidence_values){other, other};
        }
        if (value->number > first) {
            second = first;
            first = value->number;
        } else if (value->number > second) {
            second = value->number;
        }
    }
    struct confidence_values values = {.maximum = number_of(first)};
    if (second >= 0) /* one class alone leads nobody */
        values.margin = number_of(first - second);
    return values;
}

struct confidence_values confidence_of_event(const struct event *ev)
{
    struct confidence_values values = {{.type = VALUE_ABSENT}, {.type = VALUE_ABSENT}};
    if (ev->scores.count)
        return of_classes(&ev->scores);
    if (is_probability(&ev->score))
        values.maximum = number_of(ev->score.number >= 0.5 ? ev->score.number : 1 - ev->score.number);
    else if (ev->score.type == VALUE_NULL || ev->score.type == VALUE_ABSENT)
        values.maximum.type = ev->score.type;
    else
        values.maximum.type = VALUE_OTHER;
    return values;
}
