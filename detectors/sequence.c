#include "detectors/sequence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/sequence_slots.h"

enum { CHECKPOINT_FORMAT = 1 };

struct sequence {
    struct sequential *detector;
    uint64_t fed, since_restart, drifts;
    bool restarts; /* the next value is the first after a drift */
};

struct sequence *sequence_new(const struct sequential_options *options)
{
    struct sequence *sequence = calloc(1, sizeof(*sequence));
    if (sequence && !(sequence->detector = sequential_new(options))) {
        free(sequence);
        return NULL;
    }
    return sequence;
}

void sequence_free(struct sequence *sequence)
{
    if (!sequence)
        return;
    sequential_free(sequence->detector);
    free(sequence);
}

static enum sequential_state feed_one(struct sequence *sequence, double value)
{
    if (sequence->restarts)
        sequence->since_restart = 0;
    sequence->fed++;
    sequence->since_restart++;
    enum sequential_state state = sequential_update(sequence->detector, value);
    sequence->restarts = state == SEQUENTIAL_DRIFT;
    sequence->drifts += sequence->restarts;
    return state;
}

bool sequence_feed(struct sequence *sequence, const double *values, uint32_t count, struct report_row *row)
{
    *row = (struct report_row){.family = FAMILY_DETECTOR};
    report_row_undefine(row);
    enum sequential_state worst = SEQUENTIAL_QUIET;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        enum sequential_state state = feed_one(sequence, values[i]);
        sum += values[i];
        row->n++;
        if (state < worst || (state == worst && state != SEQUENTIAL_QUIET))
            continue;
        worst = state;
        row->slots[DETECTOR_STATISTIC] = sequential_statistic(sequence->detector);
        row->slots[DETECTOR_INDEX] = (double)(sequence->fed - 1);
        row->slots[DETECTOR_SINCE_RESTART] = (double)sequence->since_restart;
    }
    if (row->n == 0)
        return false;
    row->slots[DETECTOR_STATE] = (double)worst;
    row->slots[DETECTOR_VALUE] = sum / (double)row->n;
    row->slots[DETECTOR_DRIFTS] = (double)sequence->drifts;
    return true;
}

void sequence_encode(const struct sequence *sequence, struct strbuf *out)
{
    strbuf_add_varint(out, CHECKPOINT_FORMAT);
    strbuf_add_varint(out, sequence->fed);
    strbuf_add_varint(out, sequence->since_restart);
    strbuf_add_varint(out, sequence->drifts);
    strbuf_add_varint(out, sequence->restarts);
    sequential_encode(sequence->detector, out);
}

static bool same_options(const struct sequential_options *a, const struct sequential_options *b)
{
    return a->kind == b->kind && memcmp(a->values, b->values, sizeof(a->values)) == 0;
}

int sequence_decode(const void *bytes, size_t len, const struct sequential_options *wanted,
                    struct sequence **out)
{
    struct cursor in = {.at = bytes, .end = (const unsigned char *)bytes + len, .failed = false};
    if (cursor_varint(&in) != CHECKPOINT_FORMAT)
        return ERR_CORRUPT;
    struct sequence read = {.fed = cursor_varint(&in)};
    read.since_restart = cursor_varint(&in);
    read.drifts = cursor_varint(&in);
    uint64_t restarts = cursor_varint(&in);
    if (in.failed || restarts > 1 || read.since_restart > read.fed || read.drifts > read.fed)
        return ERR_CORRUPT;
    read.restarts = restarts != 0;
    int code = sequential_decode(in.at, (size_t)(in.end - in.at), &read.detector);
    if (code == 0 && !same_options(sequential_get_options(read.detector), wanted))
        code = ERR_NOT_FOUND;
    else if (code == 0 && !(*out = malloc(sizeof(**out))))
        code = ERR_NOMEM;
    if (code == 0)
        **out = read;
    else
        sequential_free(read.detector);
    return code;
}
