/*
 * Decoding speed on the event of PERFORMANCE §1: 610 bytes, 16 numeric and 4 categorical features, against
 * cJSON walked in order. Prints nanoseconds an event (CPU), the best of several rounds, and the ratio.
 *
 *   bench_decode [events [rounds]]
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/base/hash.h"
#include "collectors/decode_internal.h"

enum style { STYLE_TIGHT, STYLE_SPACED, STYLE_DIGITS, STYLE_SHUFFLED, STYLE_COUNT };

static const char *const style_names[STYLE_COUNT] = {"tight", "spaced", "17 digits", "shuffled keys"};

struct events {
    char *bytes;
    size_t *starts; /* count + 1 */
    size_t count;
};

static uint64_t stream_next(uint64_t *state)
{
    return hash_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static double uniform(uint64_t *state)
{
    return (double)(stream_next(state) >> 11) / 9007199254740992.0;
}

static int write_numeric(char *out, size_t size, int feature, enum style style, uint64_t *state)
{
    static const char *const names[16] = {"income",      "age",         "tenure",    "debt_ratio",
                                          "balance",     "utilization", "num_open",  "num_late",
                                          "loan_amt",    "int_rate",    "term_left", "score_ext",
                                          "velocity_1h", "velocity_1d", "dist_home", "emb_norm"};
    double value = uniform(state) * (feature % 3 == 0 ? 10000 : feature % 3 == 1 ? 1 : 100);
    const char *space = style == STYLE_SPACED ? " " : "";
    if (style == STYLE_DIGITS || feature >= 14)
        return snprintf(out, size, "\"%s\":%s%.17g", names[feature], space, value);
    if (feature % 4 == 2)
        return snprintf(out, size, "\"%s\":%s%d", names[feature], space, (int)(value * 7));
    return snprintf(out, size, "\"%s\":%s%.*f", names[feature], space, 2 + feature % 5, value);
}

static int write_category(char *out, size_t size, int feature, const char *space, uint64_t *state)
{
    static const char *const names[4] = {"region", "channel", "product", "device"};
    static const char *const values[4][4] = {{"north", "south", "east", "west"},
                                             {"web", "branch", "phone", "partner"},
                                             {"basic", "plus", "premium", "student"},
                                             {"ios", "android", "desktop", "tablet"}};
    return snprintf(out, size, "\"%s\":%s\"%s\"", names[feature], space,
                    values[feature][stream_next(state) % 4]);
}

static size_t write_event(char *out, size_t size, enum style style, uint64_t *state)
{
    const char *space = style == STYLE_SPACED ? " " : "", *comma = style == STYLE_SPACED ? ", " : ",";
    uint64_t a = stream_next(state), b = stream_next(state);
    size_t len = (size_t)snprintf(
        out, size,
        "{\"type\":%s\"prediction\"%s\"model\":%s\"credit_risk\"%s\"version\":%s\"%d.4.2\"%s\"id\":%s"
        "\"%08x-%04x-4%03x-a%03x-%012llx\"%s\"ts\":%s%llu%s\"features\":%s{",
        space, comma, space, comma, space, 3 + (int)(a % 2), comma, space, (unsigned)a,
        (unsigned)(a >> 32) & 0xffff, (unsigned)(a >> 48) & 0xfff, (unsigned)b & 0xfff,
        (unsigned long long)(b >> 16), comma, space,
        (unsigned long long)(UINT64_C(1772366400000) + a % 1000000), comma, space);
    int order[20];
    for (int i = 0; i < 20; i++)
        order[i] = i;
    for (int i = 19; i > 0 && style == STYLE_SHUFFLED; i--) {
        int other = (int)(stream_next(state) % (uint64_t)(i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    for (int i = 0; i < 20; i++) {
        if (i)
            len += (size_t)snprintf(out + len, size - len, "%s", comma);
        len += (size_t)(order[i] < 16 ? write_numeric(out + len, size - len, order[i], style, state)
                                      : write_category(out + len, size - len, order[i] - 16, space, state));
    }
    len += (size_t)snprintf(
        out + len, size - len,
        "}%s\"score\":%s%.6f%s\"prediction\":%s%d%s\"groups\":%s{\"sex\":%s\"%c\"%s\"age_band\":%s"
        "\"%d0-%d9\"}%s\"latency_ms\":%s%.2f}",
        comma, space, uniform(state), comma, space, (int)(a & 1), comma, space, space, a & 2 ? 'F' : 'M',
        comma, space, 2 + (int)(b % 5), 2 + (int)(b % 5), comma, space, uniform(state) * 40);
    return len;
}

static struct events make_events(size_t count, enum style style)
{
    enum { EVENT_BYTES_MAX = 2048 };
    struct events events = {malloc(count * EVENT_BYTES_MAX), malloc((count + 1) * sizeof(size_t)), count};
    uint64_t state = 42 + (uint64_t)style;
    if (!events.bytes || !events.starts)
        exit(1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        events.starts[i] = at;
        at += write_event(events.bytes + at, EVENT_BYTES_MAX, style, &state);
    }
    events.starts[count] = at;
    memset(events.bytes + at, 0, RECORD_PADDING);
    return events;
}

static double cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

struct sums {
    double numbers;
    uint64_t texts;
};

/* Features and score, by the decoder. */
static struct sums run_decoder(struct decoder *decoder, const struct events *events, bool padded, bool slowly)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < events->count; i++) {
        struct record record = {.payload = {events->bytes + events->starts[i],
                                            (uint32_t)(events->starts[i + 1] - events->starts[i])},
                                .padded = padded,
                                .ts_ms = INT64_MIN};
        struct event ev;
        enum reject reject =
            slowly ? decoder_decode_slowly(decoder, &record, &ev) : decoder_decode(decoder, &record, &ev);
        if (reject != REJECT_NONE) {
            (void)fprintf(stderr, "%s: %s\n", reject_name(reject), decoder_detail(decoder));
            exit(1);
        }
        for (uint32_t k = 0; k < ev.features.count; k++) {
            const struct value *value = &ev.features.items[k].value;
            if (value->type == VALUE_NUMBER)
                sums.numbers += value->number;
            else
                sums.texts += value->text.len;
        }
        sums.numbers += ev.score.number;
        sums.numbers += ev.latency_ms.number;
        sums.texts += ev.id.len + ev.model.len + ev.version.len;
    }
    return sums;
}

static struct sums run_cjson(const struct events *events)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < events->count; i++) {
        cJSON *tree = cJSON_ParseWithLength(events->bytes + events->starts[i],
                                            events->starts[i + 1] - events->starts[i]);
        for (const cJSON *item = tree->child; item; item = item->next) {
            if (strcmp(item->string, "features") == 0) {
                for (const cJSON *feature = item->child; feature; feature = feature->next) {
                    if (cJSON_IsNumber(feature))
                        sums.numbers += feature->valuedouble;
                    else
                        sums.texts += strlen(feature->valuestring);
                }
            } else if (strcmp(item->string, "score") == 0 || strcmp(item->string, "latency_ms") == 0) {
                sums.numbers += item->valuedouble;
            } else if (strcmp(item->string, "id") == 0 || strcmp(item->string, "model") == 0 ||
                       strcmp(item->string, "version") == 0) {
                sums.texts += strlen(item->valuestring);
            }
        }
        cJSON_Delete(tree);
    }
    return sums;
}

static void bench_style(size_t count, int rounds, enum style style)
{
    struct events events = make_events(count, style);
    struct mapping_spec spec = {0};
    struct mapping *mapping;
    struct decoder *decoder;
    struct err err;
    if (mapping_compile(&mapping, &spec, "bench", &err) != 0 || decoder_new(&decoder, mapping, NULL) != 0)
        exit(1);
    double best[4] = {1e18, 1e18, 1e18, 1e18};
    struct sums sums[4];
    for (int round = 0; round < rounds; round++) {
        for (int which = 0; which < 4; which++) {
            double start = cpu_ns();
            sums[which] =
                which == 3 ? run_cjson(&events) : run_decoder(decoder, &events, which == 0, which == 2);
            double ns = (cpu_ns() - start) / (double)count;
            if (ns < best[which])
                best[which] = ns;
        }
    }
    for (int which = 0; which < 3; which++)
        if (sums[which].numbers != sums[3].numbers || sums[which].texts != sums[3].texts)
            (void)printf("DIFFERENT SUMS: %.17g %llu, cJSON %.17g %llu\n", sums[which].numbers, (unsigned long long)sums[which].texts, sums[3].numbers, (unsigned long long)sums[3].texts);
    (void)printf("%-14s %5zu bytes: padded %6.0f ns, copied %6.0f, slow path %6.0f, cJSON %6.0f: 1/%.1f "
                 "(fallbacks %llu)\n",
                 style_names[style], events.starts[count] / count, best[0], best[1], best[2], best[3],
                 best[3] / best[0],
                 (unsigned long long)(decoder_fallbacks(decoder) - count * (uint64_t)rounds));
    decoder_free(decoder);
    mapping_free(mapping);
    free(events.bytes);
    free(events.starts);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    for (int style = 0; style < STYLE_COUNT; style++)
        bench_style(count, rounds, (enum style)style);
    return 0;
}
