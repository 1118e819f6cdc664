#include "detectors/kpi.h"

#include <math.h>
#include <string.h>

#include "agent/base/err.h"
#include "agent/base/hash.h"
#include "detectors/intervals.h"
#include "detectors/kpi_slots.h"

enum { REFUSED, SLOTS_AT, COUNTERS = 2 /* of a slot */, N = 0, CLIPPED, SUMS = 2 };
#define UNITS_MAX 0x1p28 /* the square of it 2^31 times still fits 128 bits */
#define SUM_UNIT  0x1p40
#define ALPHA     0.05

/* ---- scales ---- */

static const struct kpi_scale plain_scale = {NULL, 1, (double)NAN, (double)NAN, false};

const struct kpi_scale *kpi_scale_of(const struct model_options *options, struct text name)
{
    for (uint32_t i = 0; i < options->kpi_count; i++)
        if (text_equal(text_of(options->kpis[i].name), name))
            return &options->kpis[i];
    return &plain_scale;
}

static uint64_t hash_double(double value, uint64_t hash)
{
    uint64_t bits = 1; /* every NaN is the same */
    if (!isnan(value)) {
        value += 0.0;
        memcpy(&bits, &value, sizeof(bits));
    }
    return hash_mix(hash ^ bits);
}

uint32_t kpi_basis(const struct model_options *options)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < options->kpi_count; i++) {
        const struct kpi_scale *scale = &options->kpis[i];
        if (scale->unit == 1 && isnan(scale->low) && isnan(scale->high) && !scale->winsorise)
            continue; /* as if it were not listed */
        uint64_t one = hash_text(text_of(scale->name), 0);
        one = hash_double(scale->unit, one);
        one = hash_double(scale->low, one);
        one = hash_double(scale->high, one);
        all ^= scale->winsorise ? hash_mix(one + 1) : one; /* their order says nothing */
    }
    return (uint32_t)(all ^ all >> 32) & 0x7fffffff;
}

/* ---- counting ---- */

static struct tally_size size(const struct family_tools *tools, const struct reference *reference)
{
    (void)tools;
    (void)reference;
    return (struct tally_size){SLOTS_AT + KPI_SLOTS_MAX * COUNTERS, KPI_SLOTS_MAX * SUMS};
}

static bool applies(const struct count_input *input)
{
    return input->event->kind == EVENT_KPI && input->kpis;
}

static int128 fixed(double value)
{
    return (int128)rint(value * SUM_UNIT); /* rint is exact everywhere */
}

static void add_value(struct tally *tally, const struct kpi_target *target, double x, uint64_t times)
{
    const struct kpi_scale *scale = target->scale;
    uint64_t *counters = &tally->counters[SLOTS_AT + target->slot * COUNTERS];
    double held = x < scale->low ? scale->low : x > scale->high ? scale->high : x;
    double u = held / scale->unit;
    double clipped = u < -UNITS_MAX ? -UNITS_MAX : u > UNITS_MAX ? UNITS_MAX : u;
    counters[N] += times;
    if (held != x || clipped != u)
        counters[CLIPPED] += times;
    tally->sums[target->slot * SUMS] += fixed(clipped) * (int128)times;
    tally->sums[target->slot * SUMS + 1] += fixed(clipped * clipped) * (int128)times;
}

static void add(struct tally *tally, const struct count_input *input, uint64_t times)
{
    const struct fields *fields = &input->event->kpis;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct value *value = &fields->items[i].value;
        const struct kpi_target *target = &input->kpis[i];
        if (value->type != VALUE_NUMBER || isnan(value->number))
            continue; /* null; collectors refuse events with anything else */
        if (target->slot == KPI_NO_SLOT)
            tally->counters[REFUSED] += times;
        else
            add_value(tally, target, value->number, times);
    }
}

void kpi_rename(struct tally *tally, const uint8_t *map)
{
    uint64_t counters[KPI_SLOTS_MAX * COUNTERS] = {0};
    int128 sums[KPI_SLOTS_MAX * SUMS] = {0};
    for (uint32_t slot = 0; slot < KPI_SLOTS_MAX; slot++) {
        const uint64_t *from = &tally->counters[SLOTS_AT + slot * COUNTERS];
        if (map[slot] == KPI_NO_SLOT) {
            tally->counters[REFUSED] += from[N];
            continue;
        }
        memcpy(&counters[map[slot] * COUNTERS], from, COUNTERS * sizeof(*from));
        memcpy(&sums[map[slot] * SUMS], &tally->sums[slot * SUMS], SUMS * sizeof(*sums));
    }
    memcpy(&tally->counters[SLOTS_AT], counters, sizeof(counters));
    memcpy(tally->sums, sums, sizeof(sums));
}

uint64_t kpi_refused(const struct tally *tally)
{
    return tally->counters[REFUSED];
}

/* ---- baseline ---- */

static struct kpi_sums sums_of(const struct tally *tally, uint32_t slot)
{
    return (struct kpi_sums){tally->counters[SLOTS_AT + slot * COUNTERS + N], tally->sums[slot * SUMS],
                             tally->sums[slot * SUMS + 1]};
}

static void sums_add(struct kpi_sums *into, const struct kpi_sums *what)
{
    into->n += what->n;
    into->sum += what->sum;
    into->squares += what->squares;
}

bool kpi_past_takes(const struct kpi_past *past, int64_t start_ms, int64_t length_ms)
{
    return past->total.n == 0 || start_ms - past->from_ms < length_ms || past->baseline.n < KPI_MINIMUM_N;
}

void kpi_past_add(struct kpi_past *past, const struct tally *pane, int64_t start_ms, int64_t end_ms,
                  int64_t length_ms)
{
    for (uint32_t slot = 0; slot < KPI_SLOTS_MAX; slot++) {
        struct kpi_sums sums = sums_of(pane, slot);
        struct kpi_past *one = &past[slot];
        if (sums.n == 0)
            continue;
        if (one->total.n == 0) {
            one->from_ms = start_ms;
            one->until_ms = start_ms + length_ms;
        }
        sums_add(&one->total, &sums);
        if (!kpi_past_takes(one, start_ms, length_ms))
            continue;
        sums_add(&one->baseline, &sums);
        if (end_ms > one->until_ms)
            one->until_ms = end_ms;
    }
}

static void put_sums(struct strbuf *out, const struct kpi_sums *sums)
{
    unsigned char bytes[32];
    uint128 words[2] = {(uint128)sums->sum, (uint128)sums->squares};
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(words[i / 16] >> (8 * (i % 16)));
    strbuf_add_varint(out, sums->n);
    strbuf_add(out, bytes, sizeof(bytes));
}

static void get_sums(struct cursor *in, struct kpi_sums *sums)
{
    sums->n = cursor_varint(in);
    const unsigned char *bytes = cursor_bytes(in, 32);
    uint128 words[2] = {0, 0};
    for (int i = 0; bytes && i < 32; i++)
        words[i / 16] |= (uint128)bytes[i] << (8 * (i % 16));
    sums->sum = (int128)words[0];
    sums->squares = (int128)words[1];
}

/* How many slots have a past, and which. */
void kpi_past_encode(const struct kpi_past *past, struct strbuf *out)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < KPI_SLOTS_MAX; slot++)
        count += past[slot].total.n > 0;
    strbuf_add_varint(out, count);
    for (uint32_t slot = 0; slot < KPI_SLOTS_MAX; slot++) {
        if (past[slot].total.n == 0)
            continue;
        strbuf_add_varint(out, slot);
        strbuf_add_svarint(out, past[slot].from_ms);
        strbuf_add_svarint(out, past[slot].until_ms);
        put_sums(out, &past[slot].baseline);
        put_sums(out, &past[slot].total);
    }
}

int kpi_past_decode(struct cursor *in, struct kpi_past *past)
{
    uint64_t count = cursor_varint(in);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        uint64_t slot = cursor_varint(in);
        if (slot >= KPI_SLOTS_MAX)
            return ERR_CORRUPT;
        past[slot].from_ms = cursor_svarint(in);
        past[slot].until_ms = cursor_svarint(in);
        get_sums(in, &past[slot].baseline);
        get_sums(in, &past[slot].total);
    }
    return in->failed ? ERR_CORRUPT : 0;
}

/* ---- report ---- */

struct moments {
    double n, mean, sd; /* in the KPI's own measure; sd is NaN below two values */
};

/* Squares are held to 2^-41 units² and rounded as doubles: a variance below that is none. They are subtracted
 * as long doubles: 64 bits leave something of a small deviation. */
static struct moments moments_of(const struct kpi_sums *sums, double unit)
{
    struct moments moments = {(double)sums->n, (double)NAN, (double)NAN};
    if (sums->n == 0)
        return moments;
    long double n = (long double)sums->n;
    long double mean = (long double)sums->sum / SUM_UNIT / n;
    long double variance = (long double)sums->squares / SUM_UNIT / n - mean * mean;
    bool varies = variance > 0x1p-40L + mean * mean * 0x1p-52L;
    moments.mean = (double)(mean * (long double)unit);
    if (sums->n > 1)
        moments.sd = varies ? unit * sqrt((double)(variance * n / (n - 1))) : 0;
    return moments;
}

static void compare(const struct moments *now, const struct moments *before, double *slots)
{
    slots[KPI_REFERENCE_MEAN] = before->mean;
    slots[KPI_REFERENCE_SD] = before->sd;
    slots[KPI_DIFFERENCE] = now->mean - before->mean;
    if (before->mean != 0)
        slots[KPI_RELATIVE] = slots[KPI_DIFFERENCE] / fabs(before->mean);
    struct welch welch = welch_test(now->mean, now->sd, now->n, before->mean, before->sd, before->n, ALPHA);
    slots[KPI_T] = welch.t;
    slots[KPI_DIFFERENCE_P] = welch.p;
    slots[KPI_DIFFERENCE_LOW] = welch.interval.low;
    slots[KPI_DIFFERENCE_HIGH] = welch.interval.high;
}

/* The sequence is tightest at as many values as this window has. */
static void run(const struct moments *total, double window_n, double *slots)
{
    struct confidence_sequence sequence =
        asymptotic_confidence_sequence(total->n, total->sd, ALPHA, window_n);
    slots[KPI_RUNNING_MEAN] = total->mean;
    slots[KPI_RUNNING_MEAN_LOW] = total->mean - sequence.half_width;
    slots[KPI_RUNNING_MEAN_HIGH] = total->mean + sequence.half_width;
}

static void report_one(const struct family_report *in, uint32_t slot, double unit, struct report_row *row)
{
    struct kpi_sums sums = sums_of(in->current, slot);
    struct moments now = moments_of(&sums, unit);
    const struct kpi_past *past = in->kpi->past ? &in->kpi->past[slot] : NULL;
    *row = (struct report_row){.family = FAMILY_KPI, .subject = slot, .n = sums.n};
    double *slots = row->slots;
    report_row_undefine(row);
    slots[KPI_MEAN] = now.mean;
    slots[KPI_SD] = now.sd;
    slots[KPI_SUM] = (double)((long double)sums.sum / SUM_UNIT * (long double)unit);
    slots[KPI_PER_SECOND] = now.n * 1000 / (double)in->window_ms;
    slots[KPI_CLIPPED] = (double)in->current->counters[SLOTS_AT + slot * COUNTERS + CLIPPED] / now.n;
    if (past && past->baseline.n >= KPI_MINIMUM_N && in->kpi->window_end_ms > past->until_ms) {
        struct moments before = moments_of(&past->baseline, unit);
        row->reference_n = past->baseline.n;
        compare(&now, &before, slots);
    }
    if (past && past->total.n && in->kpi->running) {
        struct moments total = moments_of(&past->total, unit);
        run(&total, now.n, slots);
    }
    if (sums.n < KPI_MINIMUM_N && sums.n < in->options->n_min)
        row->flags |= REPORT_INSUFFICIENT;
}

/* Slots by name, so that rows have an order that does not depend on who came first. */
static uint32_t order_slots(const struct tally *tally, const struct intern *names, uint8_t *out)
{
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < KPI_SLOTS_MAX && slot < intern_count(names); slot++) {
        if (tally->counters[SLOTS_AT + slot * COUNTERS + N] == 0)
            continue;
        uint32_t at = count++;
        for (; at > 0 && strcmp(intern_text(names, out[at - 1]).ptr, intern_text(names, slot).ptr) > 0; at--)
            out[at] = out[at - 1];
        out[at] = (uint8_t)slot;
    }
    return count;
}

static uint32_t rows_max(const struct reference *reference)
{
    (void)reference;
    return KPI_SLOTS_MAX;
}

static uint32_t report(const struct family_report *in, struct report_row *rows, struct text *names)
{
    uint8_t slots[KPI_SLOTS_MAX];
    uint32_t count = in->kpi && in->kpi->names ? order_slots(in->current, in->kpi->names, slots) : 0;
    for (uint32_t i = 0; i < count; i++) {
        names[i] = intern_text(in->kpi->names, slots[i]);
        report_one(in, slots[i], kpi_scale_of(in->options, names[i])->unit, &rows[i]);
    }
    return count;
}

const struct family_ops kpi_family = {
    .name = "kpi",
    .of_segments = true,
    .size = size,
    .applies = applies,
    .add = add,
    .rows_max = rows_max,
    .report = report,
};
