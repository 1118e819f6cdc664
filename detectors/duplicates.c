#include "detectors/duplicates.h"

#include <math.h>

#include "detectors/intervals.h"
#include "detectors/quality.h"
#include "detectors/reference.h"

struct tally_size duplicates_size(void)
{
    return (struct tally_size){EVENT_KIND_COUNT, 0};
}

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    (void)reference;
    return duplicates_size();
}

static bool applies(const struct count_input *input)
{
    (void)input;
    return false;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    tally->counters[input->event->kind] += times;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return 0;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    (void)in;
    (void)rows;
    (void)names;
    return 0;
}

const struct family_ops duplicates_family = {
    .name = "duplicates",
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};

bool duplicates_report(const uint64_t *activity, const struct tally *duplicates,
                       const struct duplicate_counts *usual, struct report_row *row)
{
    uint64_t again = 0, n = 0;
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        again += duplicates ? duplicates->counters[kind] : 0;
        n += activity[kind];
    }
    n += again;
    if (n == 0)
        return false;
    *row = (struct report_row){.family = FAMILY_DUPLICATES, .n = n};
    report_row_undefine(row);
    struct interval interval = interval_wilson((double)again, (double)n, 0.05);
    row->slots[DUPLICATES_RATE] = (double)again / (double)n;
    row->slots[DUPLICATES_RATE_LOW] = interval.low;
    row->slots[DUPLICATES_RATE_HIGH] = interval.high;
    row->slots[DUPLICATES_COUNT] = (double)again;
    if (usual && usual->events) {
        struct rate_change change = rate_change(again, n, usual->again, usual->events);
        row->reference_n = usual->events;
        row->slots[DUPLICATES_CHANGE] = change.difference;
        row->slots[DUPLICATES_CHANGE_LOW] = change.interval.low;
        row->slots[DUPLICATES_CHANGE_HIGH] = change.interval.high;
        row->slots[DUPLICATES_CHANGE_P] = change.test.p;
    }
    return true;
}
