#include "collectors/decode_form.h"

enum {
    TRIAL_EVENTS = 64,
    MISSES_MAX = 24, /* of a trial */
    PAUSE_TRIALS = 8
};

/* NULL: no memory. */
static const struct number_form *find(struct forms *forms, unsigned key)
{
    struct number_form **form = &forms->known[key];
    if (!*form) {
        *form = arena_alloc(forms->arena, sizeof(**form));
        if (*form)
            number_form_make(*form, key);
    }
    return *form;
}

void form_missed(struct forms *forms, struct form_place *place, const char *at, const char *end)
{
    uint32_t trial = (uint32_t)(forms->events / TRIAL_EVENTS); /* wraps */
    if ((int32_t)(place->trial - trial) > 0)
        return;
    if (place->trial != trial)
        place->misses = 0;
    place->trial = trial;
    if (++place->misses > MISSES_MAX) {
        *place = (struct form_place){.trial = trial + PAUSE_TRIALS};
    } else if (!place->form) {
        unsigned key = number_form_key(at, end);
        if (key != NUMBER_FORM_NONE)
            place->form = find(forms, key);
    }
}
