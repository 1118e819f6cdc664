#include "tests/bench/events.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/base/hash.h"

const char *const event_style_names[STYLE_COUNT] = {"tight", "spaced", "17 digits", "shuffled keys",
                                                    "ragged"};

enum kind { KIND_INTEGER, KIND_DECIMAL, KIND_FULL, KIND_CATEGORY };

/* How one feature looks: mean ± spread, cubed for a heavy tail. */
struct feature {
    const char *name;
    enum kind kind;
    int decimals;
    double mean, spread;
    int heavy;
    const char *categories[5];
};

static const struct feature features[BENCH_FEATURES] = {
    {"income", KIND_DECIMAL, 2, 5200, 900, 1, {0}},
    {"age", KIND_INTEGER, 0, 44, 12, 0, {0}},
    {"tenure_months", KIND_INTEGER, 0, 60, 18, 0, {0}},
    {"debt_ratio", KIND_DECIMAL, 4, 0.35, 0.1, 0, {0}},
    {"balance", KIND_DECIMAL, 2, 12000, 3100, 1, {0}},
    {"utilization", KIND_DECIMAL, 6, 0.5, 0.12, 0, {0}},
    {"open_accounts", KIND_INTEGER, 0, 9, 2.5, 0, {0}},
    {"late_payments", KIND_INTEGER, 0, 3, 1, 0, {0}},
    {"loan_amount", KIND_DECIMAL, 2, 21000, 7000, 1, {0}},
    {"int_rate", KIND_DECIMAL, 3, 7.5, 2, 0, {0}},
    {"pay_ratio", KIND_DECIMAL, 5, 1.4, 0.3, 0, {0}},
    {"velocity_1h", KIND_DECIMAL, 3, 1.2, 0.2, 1, {0}},
    {"velocity_24h", KIND_DECIMAL, 3, 14, 4, 1, {0}},
    {"distance_km", KIND_DECIMAL, 4, 120, 30, 1, {0}},
    {"emb_norm", KIND_FULL, 17, 1, 0.07, 0, {0}},
    {"risk_prior", KIND_FULL, 17, 0.2, 0.04, 0, {0}},
    {"region", KIND_CATEGORY, 0, 0, 0, 0, {"north", "south", "east", "west", "islands"}},
    {"channel", KIND_CATEGORY, 0, 0, 0, 0, {"web", "branch", "phone", "partner", "app"}},
    {"product", KIND_CATEGORY, 0, 0, 0, 0, {"basic", "plus", "premium", "student", "family"}},
    {"device", KIND_CATEGORY, 0, 0, 0, 0, {"ios", "android", "desktop", "tablet", "kiosk"}},
};

static uint64_t draw(struct event_stream *stream)
{
    return hash_mix(stream->state += UINT64_C(0x9e3779b97f4a7c15));
}

static double uniform(struct event_stream *stream)
{
    return (double)(draw(stream) >> 11) * 0x1p-53;
}

/* About normal: the sum of four uniforms, without libm. */
static double normal(struct event_stream *stream)
{
    double sum = uniform(stream) + uniform(stream) + uniform(stream) + uniform(stream);
    return (sum - 2) * 1.7320508075688772;
}

static size_t put_number(char *out, const struct feature *feature, struct event_stream *stream)
{
    const struct event_options *options = &stream->options;
    double z = normal(stream);
    if (feature->heavy)
        z = z * z * z;
    if (options->shift != 0 && strcmp(feature->name, "age") == 0)
        z += options->shift;
    double value = feature->mean + feature->spread * z;
    if (options->style == STYLE_DIGITS || feature->kind == KIND_FULL)
        return (size_t)sprintf(out, "%.17g", value);
    if (feature->kind == KIND_INTEGER)
        return (size_t)sprintf(out, "%d", (int)value);
    return (size_t)sprintf(out, "%.*f", feature->decimals, value);
}

/* Feature i: one of the table, again and again under other names when there are more than 20. */
static size_t put_feature(char *out, uint32_t i, const char *blank, struct event_stream *stream)
{
    bool table = stream->options.features <= BENCH_FEATURES;
    const struct feature *feature = &features[i % BENCH_FEATURES];
    size_t len = table ? (size_t)sprintf(out, "\"%s\":%s", feature->name, blank)
                       : (size_t)sprintf(out, "\"feature_%02u\":%s", i, blank);
    if (feature->kind != KIND_CATEGORY)
        return len + put_number(out + len, feature, stream);
    uint64_t pick = draw(stream) % 16; /* uneven */
    return len +
           (size_t)sprintf(out + len, "\"%s\"", feature->categories[pick < 12 ? pick / 4 : 3 + pick % 2]);
}

static void order_features(struct event_stream *stream, uint32_t *order)
{
    uint32_t count = stream->options.features;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count - 1; i > 0 && stream->options.style == STYLE_SHUFFLED; i--) {
        uint32_t other = (uint32_t)(draw(stream) % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static size_t put_features(char *out, const char *comma, const char *blank, struct event_stream *stream)
{
    uint32_t order[BENCH_FEATURES_MAX];
    bool ragged = stream->options.style == STYLE_RAGGED, first = true;
    size_t len = 0;
    order_features(stream, order);
    for (uint32_t i = 0; i < stream->options.features; i++) {
        if (ragged && draw(stream) % 20 == 0)
            continue;
        if (!first)
            len += (size_t)sprintf(out + len, "%s", comma);
        first = false;
        len += put_feature(out + len, order[i], blank, stream);
    }
    if (ragged && draw(stream) % 10 == 0)
        len += (size_t)sprintf(out + len, "%s\"trace\":%s[1,2]", first ? "" : comma, blank);
    return len;
}

void events_begin(struct event_stream *stream, const struct event_options *options)
{
    *stream = (struct event_stream){*options, hash_mix(options->seed + 1), options->first};
    if (stream->options.models == 0)
        stream->options.models = 1;
    if (stream->options.versions == 0)
        stream->options.versions = 1;
    if (stream->options.features == 0 || stream->options.features > BENCH_FEATURES_MAX)
        stream->options.features = BENCH_FEATURES;
}

size_t events_next(struct event_stream *stream, char *out)
{
    const struct event_options *options = &stream->options;
    bool spaced = options->style == STYLE_SPACED;
    const char *blank = spaced ? " " : "", *comma = spaced ? ", " : ",";
    uint64_t a = draw(stream), b = draw(stream);
    int64_t ts_ms =
        options->start_ms +
        (int64_t)(options->rate_per_s > 0 ? (double)stream->serial / options->rate_per_s * 1000 : 0);
    char model[32] = "credit_risk";
    if (options->models > 1)
        (void)sprintf(model, "model_%02u", (unsigned)(stream->serial % options->models));
    unsigned version = 2;
    if (options->versions > 1)
        version = (unsigned)(stream->serial / options->models % options->versions);
    stream->serial++;
    size_t len =
        (size_t)sprintf(out,
                        "{\"model\":%s\"%s\"%s\"version\":%s\"3.4.%u\"%s\"id\":%s\"%08x-%04x-4%03x-a%03x-%"
                        "012llx\"%s\"ts\":%s%lld"
                        "%s\"features\":%s{",
                        blank, model, comma, blank, version, comma, blank, (unsigned)a,
                        (unsigned)(a >> 32) & 0xffff, (unsigned)(a >> 48) & 0xfff, (unsigned)b & 0xfff,
                        (unsigned long long)(b >> 16), comma, blank, (long long)ts_ms, comma, blank);
    len += put_features(out + len, comma, blank, stream);
    double score = uniform(stream);
    score *= score;
    unsigned age = 2 + (unsigned)(b % 5);
    len += (size_t)sprintf(
        out + len,
        "}%s\"score\":%s%.6f%s\"prediction\":%s%d%s\"groups\":%s{\"sex\":%s\"%c\"%s\"age_band\":"
        "%s\"%u0-%u9\"}%s\"latency_ms\":%s%.2f}",
        comma, blank, score, comma, blank, score > 0.5, comma, blank, blank, a & 2 ? 'F' : 'M', comma, blank,
        age, age, comma, blank, 3 + uniform(stream) * 40);
    return len;
}
