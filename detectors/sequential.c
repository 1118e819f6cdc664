#include "detectors/sequential.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/err.h"
#include "detectors/sequential_kinds.h"

static const struct sequential_kind_ops *const kinds[SEQUENTIAL_KIND_COUNT] = {
    [SEQUENTIAL_ADWIN] = &adwin_ops,
    [SEQUENTIAL_PAGE_HINKLEY] = &page_hinkley_ops,
    [SEQUENTIAL_PAGE_HINKLEY_MOA] = &page_hinkley_moa_ops,
    [SEQUENTIAL_CUSUM] = &cusum_ops,
    [SEQUENTIAL_CUSUM_MOA] = &cusum_moa_ops,
    [SEQUENTIAL_DDM] = &ddm_ops,
    [SEQUENTIAL_EDDM] = &eddm_ops,
    [SEQUENTIAL_HDDM_A] = &hddm_a_ops,
    [SEQUENTIAL_HDDM_W] = &hddm_w_ops,
    [SEQUENTIAL_KSWIN] = &kswin_ops,
    [SEQUENTIAL_EWMA] = &ewma_ops,
    [SEQUENTIAL_ECDD] = &ecdd_ops,
};

struct sequential {
    struct sequential_options options;
    bool drifted; /* the next value starts from scratch */
    size_t words;
    uint64_t state[]; /* a struct of the kind's own */
};

const struct sequential_description *sequential_describe(enum sequential_kind kind)
{
    BUG_ON(kind >= SEQUENTIAL_KIND_COUNT);
    return &kinds[kind]->description;
}

enum sequential_kind sequential_find(const char *name)
{
    unsigned kind = 0;
    while (kind < SEQUENTIAL_KIND_COUNT && strcmp(kinds[kind]->description.name, name) != 0)
        kind++;
    return (enum sequential_kind)kind;
}

struct sequential_options sequential_options(enum sequential_kind kind)
{
    struct sequential_options options = {.kind = kind};
    const struct sequential_parameter *parameters = sequential_describe(kind)->parameters;
    for (unsigned i = 0; parameters[i].name; i++)
        options.values[i] = parameters[i].otherwise;
    return options;
}

int sequential_set(struct sequential_options *options, const char *name, double value)
{
    const struct sequential_parameter *parameters = sequential_describe(options->kind)->parameters;
    for (unsigned i = 0; parameters[i].name; i++) {
        if (strcmp(parameters[i].name, name) != 0)
            continue;
        if (!(value >= parameters[i].minimum && value <= parameters[i].maximum))
            return ERR_INVALID;
        options->values[i] = value;
        return 0;
    }
    return ERR_NOT_FOUND;
}

struct sequential *sequential_new(const struct sequential_options *options)
{
    const struct sequential_kind_ops *ops = kinds[options->kind];
    size_t bytes = ops->state_bytes(options->values);
    struct sequential *detector = malloc(sizeof *detector + bytes);
    if (!detector)
        return NULL;
    detector->options = *options;
    detector->words = bytes / sizeof detector->state[0];
    sequential_reset(detector);
    return detector;
}

void sequential_free(struct sequential *detector)
{
    free(detector);
}

void sequential_reset(struct sequential *detector)
{
    detector->drifted = false;
    memset(detector->state, 0, detector->words * sizeof detector->state[0]);
    kinds[detector->options.kind]->start(detector->state, detector->options.values);
}

enum sequential_state sequential_update(struct sequential *detector, double x)
{
    if (!isfinite(x))
        return SEQUENTIAL_QUIET;
    if (detector->drifted)
        sequential_reset(detector);
    const struct sequential_kind_ops *ops = kinds[detector->options.kind];
    enum sequential_state state = ops->update(detector->state, detector->options.values, x);
    detector->drifted = state == SEQUENTIAL_DRIFT;
    return state;
}

double sequential_statistic(const struct sequential *detector)
{
    return kinds[detector->options.kind]->statistic(detector->state, detector->options.values);
}

const struct sequential_options *sequential_get_options(const struct sequential *detector)
{
    return &detector->options;
}

/*
 * Checkpoint: format 1, kind, parameters, drifted, then the words: runs of (zero words, other words), each
 * other word as 8 bytes, low first.
 */
enum { CHECKPOINT_FORMAT = 1 };

static void add_word(struct strbuf *out, uint64_t word)
{
    unsigned char bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(word >> (8 * i));
    strbuf_add(out, bytes, sizeof bytes);
}

static uint64_t read_word(struct cursor *cursor)
{
    const unsigned char *bytes = cursor_bytes(cursor, 8);
    uint64_t word = 0;
    for (unsigned i = 0; bytes && i < 8; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

void sequential_encode(const struct sequential *detector, struct strbuf *out)
{
    strbuf_add_varint(out, CHECKPOINT_FORMAT);
    strbuf_add_varint(out, detector->options.kind);
    for (unsigned i = 0; i < SEQUENTIAL_PARAMETERS_MAX; i++) {
        uint64_t word;
        memcpy(&word, &detector->options.values[i], sizeof word);
        add_word(out, word);
    }
    strbuf_add_varint(out, detector->drifted);
    for (size_t i = 0; i < detector->words;) {
        size_t zeros = i;
        while (zeros < detector->words && detector->state[zeros] == 0)
            zeros++;
        size_t end = zeros;
        while (end < detector->words && detector->state[end] != 0)
            end++;
        strbuf_add_varint(out, zeros - i);
        strbuf_add_varint(out, end - zeros);
        for (size_t k = zeros; k < end; k++)
            add_word(out, detector->state[k]);
        i = end;
    }
}

static int read_options(struct cursor *cursor, struct sequential_options *out)
{
    if (cursor_varint(cursor) != CHECKPOINT_FORMAT)
        return ERR_CORRUPT;
    uint64_t kind = cursor_varint(cursor);
    if (cursor->failed || kind >= SEQUENTIAL_KIND_COUNT)
        return ERR_CORRUPT;
    *out = sequential_options((enum sequential_kind)kind);
    const struct sequential_parameter *parameters = kinds[kind]->description.parameters;
    bool known = true;
    for (unsigned i = 0; i < SEQUENTIAL_PARAMETERS_MAX; i++) {
        uint64_t word = read_word(cursor);
        double value;
        memcpy(&value, &word, sizeof value);
        known = known && parameters[i].name; /* the list ends at its first NULL */
        if (known && sequential_set(out, parameters[i].name, value))
            return ERR_CORRUPT;
    }
    return cursor->failed ? ERR_CORRUPT : 0;
}

static int read_state(struct cursor *cursor, struct sequential *detector)
{
    for (size_t i = 0; i < detector->words;) {
        uint64_t zeros = cursor_varint(cursor);
        if (cursor->failed || zeros > detector->words - i)
            return ERR_CORRUPT;
        for (; zeros > 0; zeros--)
            detector->state[i++] = 0;
        uint64_t others = cursor_varint(cursor);
        if (cursor->failed || others > detector->words - i || (others == 0 && i < detector->words))
            return ERR_CORRUPT;
        for (; others > 0; others--)
            detector->state[i++] = read_word(cursor);
    }
    return cursor->failed || cursor->at != cursor->end ? ERR_CORRUPT : 0;
}

int sequential_decode(const void *bytes, size_t len, struct sequential **out)
{
    struct cursor cursor = {.at = bytes, .end = (const unsigned char *)bytes + len, .failed = false};
    struct sequential_options options;
    int rc = read_options(&cursor, &options);
    if (rc)
        return rc;
    struct sequential *detector = sequential_new(&options);
    if (!detector)
        return ERR_NOMEM;
    detector->drifted = cursor_varint(&cursor) != 0;
    rc = read_state(&cursor, detector);
    const struct sequential_kind_ops *ops = kinds[options.kind];
    if (rc == 0 && ops->valid && !ops->valid(detector->state, options.values))
        rc = ERR_CORRUPT;
    if (rc) {
        sequential_free(detector);
        return rc;
    }
    *out = detector;
    return 0;
}
