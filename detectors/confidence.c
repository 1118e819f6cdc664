#include "detectors/confidence.h"

#include <math.h>

#include "detectors/portable_log.h"

#define ENTROPY_UNIT 0x1p40
#define P_MIN        0x1p-1000 /* less adds nothing, and is no normal number */

static bool is_probability(const struct value *value)
{
    return value->type == VALUE_NUMBER && value->number >= 0 && value->number <= 1;
}

static struct value number_of(double x)
{
    return (struct value){.type = VALUE_NUMBER, .number = x};
}

/* A sum of integers, whatever the order; rint is exact everywhere. */
static struct value entropy_of(const struct fields *scores)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < scores->count; i++) {
        double p = scores->items[i].value.number;
        if (p > P_MIN)
            sum += (int64_t)rint(-p * portable_log(p) * ENTROPY_UNIT);
    }
    return number_of((double)sum / ENTROPY_UNIT / portable_log(scores->count));
}

static struct confidence_values of_classes(const struct fields *scores, bool with_entropy)
{
    double first = -1, second = -1;
    for (uint32_t i = 0; i < scores->count; i++) {
        const struct value *value = &scores->items[i].value;
        if (!is_probability(value)) {
            struct value other = {.type = VALUE_OTHER};
            return (struct confidence_values){other, other, other};
        }
        /* Nobody can predict which is larger: selections, no branches. */
        double p = value->number, lower = p < first ? p : first;
        first = p < first ? first : p;
        second = second < lower ? lower : second;
    }
    struct confidence_values values = {.maximum = number_of(first)};
    if (scores->count < 2)
        return values; /* one class alone leads nobody */
    values.margin = number_of(first - second);
    if (with_entropy)
        values.entropy = entropy_of(scores);
    return values;
}

struct confidence_values confidence_of_event(const struct event *ev, bool with_entropy)
{
    struct confidence_values values = {
        {.type = VALUE_ABSENT}, {.type = VALUE_ABSENT}, {.type = VALUE_ABSENT}};
    if (ev->scores.count)
        return of_classes(&ev->scores, with_entropy);
    if (is_probability(&ev->score))
        values.maximum = number_of(ev->score.number >= 0.5 ? ev->score.number : 1 - ev->score.number);
    else if (ev->score.type == VALUE_NULL || ev->score.type == VALUE_ABSENT)
        values.maximum.type = ev->score.type;
    else
        values.maximum.type = VALUE_OTHER;
    return values;
}
