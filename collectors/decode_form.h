#ifndef DRIFTD_COLLECTORS_DECODE_FORM_H
#define DRIFTD_COLLECTORS_DECODE_FORM_H
/*
 * The forms that numbers have (agent/base/number_form.h) in the places of a stream: a place remembers the one
 * that its numbers mostly have. A number with another costs twice what one saves that has it, so places where
 * more than one in three has another are left alone for a while.
 */
#include "agent/base/arena.h"
#include "agent/base/number_form.h"

struct form_place {                 /* {0}: nothing is known */
    const struct number_form *form; /* NULL: none */
    uint32_t misses;                /* numbers without it, of the trial */
    uint32_t trial;                 /* a later one than now: forms are not looked for before */
};

struct forms {
    struct arena *arena; /* not owned; what it keeps lasts as long as the forms */
    uint64_t events;     /* counted by those who decode: a trial is 64 of them */
    struct number_form *known[NUMBER_FORM_KEYS];
};

/* The number in [at, end), which has at most NUMBER_FORM_BYTES_MAX bytes, has not the form of its place. */
void form_missed(struct forms *forms, struct form_place *place, const char *at, const char *end);

#endif
