#include "detectors/volume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detectors/quality.h"
#include "detectors/volume_slots.h"

enum { WEEKS_COMPARED = 4, WEEKS_SEEN = 5, WEEKS_LEAST = 2, EMPTY_LEAST = 2 };

struct volume {
    int64_t newest; /* INT64_MIN: none yet */
    uint32_t week, slots;
    uint64_t counts[];
};

struct volume *volume_new(uint32_t panes_per_week)
{
    uint32_t slots = panes_per_week * VOLUME_WEEKS;
    struct volume *volume = calloc(1, sizeof(*volume) + slots * sizeof(volume->counts[0]));
    if (!volume)
        return NULL;
    volume->newest = INT64_MIN;
    volume->week = panes_per_week;
    volume->slots = slots;
    return volume;
}

void volume_free(struct volume *volume)
{
    free(volume);
}

static size_t place_of(const struct volume *volume, int64_t pane)
{
    int64_t place = pane % volume->slots;
    return (size_t)(place < 0 ? place + volume->slots : place);
}

void volume_put(struct volume *volume, int64_t pane, uint64_t events)
{
    if (volume->newest == INT64_MIN || pane - volume->newest >= volume->slots) {
        memset(volume->counts, 0, volume->slots * sizeof(volume->counts[0]));
        volume->newest = pane;
    }
    while (volume->newest < pane)
        volume->counts[place_of(volume, ++volume->newest)] = 0;
    if (volume->newest - pane < volume->slots)
        volume->counts[place_of(volume, pane)] = events;
}

uint64_t volume_at(const struct volume *volume, int64_t pane)
{
    bool known =
        volume->newest != INT64_MIN && pane <= volume->newest && volume->newest - pane < volume->slots;
    return known ? volume->counts[place_of(volume, pane)] : 0;
}

/* The first pane of the five weeks up to `pane` that holds something; before it nothing is known. */
static int64_t first_of(const struct volume *volume, int64_t pane)
{
    int64_t first = pane - (int64_t)volume->week * WEEKS_SEEN;
    while (first < pane && volume_at(volume, first) == 0)
        first++;
    return first;
}

struct weeks {
    double mean, squares; /* Σ(c − mean)² */
    uint32_t count;
};

/* The same time of the week, in the four weeks before `until`. */
static struct weeks weeks_before(const struct volume *volume, int64_t pane, int64_t first)
{
    struct weeks weeks = {0, 0, 0};
    double counts[WEEKS_COMPARED] = {0};
    for (int k = 1; k <= WEEKS_COMPARED && pane - k * (int64_t)volume->week >= first; k++)
        counts[weeks.count++] = (double)volume_at(volume, pane - k * (int64_t)volume->week);
    for (uint32_t i = 0; i < weeks.count; i++)
        weeks.mean += counts[i] / weeks.count;
    for (uint32_t i = 0; i < weeks.count; i++)
        weeks.squares += (counts[i] - weeks.mean) * (counts[i] - weeks.mean);
    return weeks;
}

/* Pearson's estimate from all times of the week: Σ(c − mean)²/mean over its degrees of freedom. */
static double dispersion(const struct volume *volume, int64_t pane, int64_t first)
{
    double sum = 0, freedom = 0;
    for (int64_t p = pane; p > pane - (int64_t)volume->week; p--) {
        struct weeks weeks = weeks_before(volume, p, first);
        if (weeks.count < WEEKS_LEAST || !(weeks.mean > 0))
            continue;
        sum += weeks.squares / weeks.mean;
        freedom += weeks.count - 1;
    }
    return freedom > 0 ? fmax(1, sum / freedom) : 1;
}

static void fill_volume(const struct volume *volume, int64_t pane, int64_t first, double *slots)
{
    struct weeks weeks = weeks_before(volume, pane, first);
    if (weeks.count < WEEKS_LEAST)
        return;
    slots[VOLUME_EXPECTED] = weeks.mean;
    slots[VOLUME_DISPERSION] = dispersion(volume, pane, first);
    slots[VOLUME_Z] = volume_z(slots[VOLUME_EVENTS], weeks.mean, slots[VOLUME_DISPERSION]);
    slots[VOLUME_Z_SIZE] = fabs(slots[VOLUME_Z]);
}

static void fill_empty(const struct volume *volume, int64_t pane, int64_t first, double *slots)
{
    int64_t run = 0, longest = 0, now = 0;
    while (pane - run > first && volume_at(volume, pane - run) == 0)
        run++;
    slots[VOLUME_EMPTY] = (double)run;
    if (pane - first < volume->week)
        return; /* a week must have shown what is usual */
    int64_t from = pane - (int64_t)volume->week * WEEKS_COMPARED;
    for (int64_t p = from > first ? from : first; p <= pane - run; p++) {
        now = volume_at(volume, p) == 0 ? now + 1 : 0;
        longest = now > longest ? now : longest;
    }
    slots[VOLUME_EMPTY_USUAL] = (double)longest;
    slots[VOLUME_STALE] = run > (longest > EMPTY_LEAST ? longest : EMPTY_LEAST);
}

void volume_report(const struct volume *volume, int64_t pane, struct report_row *row)
{
    int64_t first = first_of(volume, pane);
    *row = (struct report_row){.family = FAMILY_ACTIVITY, .n = volume_at(volume, pane)};
    report_row_undefine(row);
    row->slots[VOLUME_EVENTS] = (double)row->n;
    fill_volume(volume, pane, first, row->slots);
    fill_empty(volume, pane, first, row->slots);
}
