/*
 * Decoding, against cJSON walked in order that reads the same 29 values. Both run over the same events in
 * turn; what is printed are medians of CPU nanoseconds an event. What they read is summed and must be equal.
 *
 *   bench_decode [--json] [EVENTS [ROUNDS]]
 */
#include <cjson/cJSON.h>

#include "collectors/decode_internal.h"
#include "tests/bench/bench.h"

enum { ROUNDS_MAX = 99 };

struct sums {
    double numbers;
    uint64_t texts;
};

enum way { WAY_DECODER, WAY_COPIED, WAY_SLOW, WAY_CJSON, WAY_COUNT };

static void add_value(struct sums *sums, const struct value *value)
{
    if (value->type == VALUE_NUMBER)
        sums->numbers += value->number;
    else if (value->type == VALUE_STRING)
        sums->texts += value->text.len;
}

static struct sums run_decoder(struct decoder *decoder, const struct bench_events *events, enum way way)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < events->count; i++) {
        struct record record = bench_record(events, i);
        record.padded = way == WAY_DECODER;
        struct event ev;
        enum reject reject = way == WAY_SLOW ? decoder_decode_slowly(decoder, &record, &ev)
                                             : decoder_decode(decoder, &record, &ev);
        if (reject != REJECT_NONE)
            bench_fail(decoder_detail(decoder));
        for (uint32_t k = 0; k < ev.features.count; k++)
            add_value(&sums, &ev.features.items[k].value);
        for (uint32_t k = 0; k < ev.groups.count; k++)
            add_value(&sums, &ev.groups.items[k].value);
        add_value(&sums, &ev.score);
        add_value(&sums, &ev.prediction);
        add_value(&sums, &ev.latency_ms);
        sums.numbers += (double)ev.ts_ms;
        sums.texts += ev.id.len + ev.model.len + ev.version.len;
    }
    return sums;
}

static void add_item(struct sums *sums, const cJSON *item)
{
    if (cJSON_IsNumber(item))
        sums->numbers += item->valuedouble;
    else if (cJSON_IsString(item))
        sums->texts += strlen(item->valuestring);
}

/* In the decoder's order of fields, so that rounding is the same. */
static struct sums run_cjson(const struct bench_events *events)
{
    struct sums sums = {0, 0};
    for (size_t i = 0; i < events->count; i++) {
        cJSON *tree = cJSON_ParseWithLength(events->bytes + events->starts[i],
                                            events->starts[i + 1] - events->starts[i]);
        if (!tree)
            bench_fail("cJSON cannot parse an event");
        const cJSON *ts = NULL;
        for (const cJSON *item = tree->child; item; item = item->next) {
            if (strcmp(item->string, "features") == 0 || strcmp(item->string, "groups") == 0) {
                for (const cJSON *member = item->child; member; member = member->next)
                    add_item(&sums, member);
            } else if (strcmp(item->string, "ts") == 0) {
                ts = item;
            } else {
                add_item(&sums, item);
            }
        }
        if (ts)
            sums.numbers += ts->valuedouble;
        cJSON_Delete(tree);
    }
    return sums;
}

static void print(bool json, enum event_style style, const struct bench_events *events, const double *ns,
                  double fallback_share)
{
    size_t bytes = events->starts[events->count] / events->count;
    if (json)
        (void)printf(
            "{\"bench\":\"decode\",\"style\":\"%s\",\"bytes\":%zu,\"padded_ns\":%.1f,\"copied_ns\":%.1f,"
            "\"slow_path_ns\":%.1f,\"cjson_ns\":%.1f,\"fallback_share\":%.6f}\n",
            event_style_names[style], bytes, ns[WAY_DECODER], ns[WAY_COPIED], ns[WAY_SLOW], ns[WAY_CJSON],
            fallback_share);
    else
        (void)printf("%-14s %4zu B: %6.0f ns (%.0f when copied first, slow path %.0f), cJSON %6.0f: 1/%.1f, "
                     "fallbacks %.4f %%\n",
                     event_style_names[style], bytes, ns[WAY_DECODER], ns[WAY_COPIED], ns[WAY_SLOW],
                     ns[WAY_CJSON], ns[WAY_CJSON] / ns[WAY_DECODER], 100 * fallback_share);
}

static void bench_style(bool json, size_t count, size_t rounds, enum event_style style)
{
    struct event_options options = {.style = style, .start_ms = INT64_C(1772323200000), .rate_per_s = 10000};
    struct bench_events events = bench_events_new(count, &options);
    struct mapping_spec spec = {.has_kind = true, .kind = EVENT_PREDICTION};
    struct mapping *mapping;
    struct decoder *decoder, *slow;
    struct err err;
    if (mapping_compile(&mapping, &spec, "bench", &err) != 0 || decoder_new(&decoder, mapping, NULL) != 0 ||
        decoder_new(&slow, mapping, NULL) != 0)
        bench_fail("cannot make a decoder");
    double ns[WAY_COUNT][ROUNDS_MAX], medians[WAY_COUNT];
    struct sums sums[WAY_COUNT];
    for (size_t round = 0; round < rounds; round++)
        for (enum way way = 0; way < WAY_COUNT; way++) {
            double start = bench_cpu_ns();
            sums[way] = way == WAY_CJSON ? run_cjson(&events)
                                         : run_decoder(way == WAY_SLOW ? slow : decoder, &events, way);
            ns[way][round] = (bench_cpu_ns() - start) / (double)count;
        }
    for (enum way way = 0; way < WAY_COUNT; way++) {
        medians[way] = bench_median(ns[way], rounds);
        double difference = sums[way].numbers - sums[WAY_CJSON].numbers;
        if (sums[way].texts != sums[WAY_CJSON].texts || difference > 1e-9 * sums[way].numbers ||
            difference < -1e-9 * sums[way].numbers)
            bench_fail("the decoder and cJSON read different values");
    }
    print(json, style, &events, medians,
          (double)decoder_fallbacks(decoder) / (2.0 * (double)(count * rounds)));
    decoder_free(decoder);
    decoder_free(slow);
    mapping_free(mapping);
    bench_events_free(&events);
}

int main(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    size_t count = argc > 1 + json ? strtoull(argv[1 + json], NULL, 10) : 20000;
    size_t rounds = argc > 2 + json ? strtoull(argv[2 + json], NULL, 10) : 7;
    if (count == 0 || rounds == 0 || rounds > ROUNDS_MAX)
        return 2;
    for (enum event_style style = 0; style < STYLE_COUNT; style++)
        bench_style(json, count, rounds, style);
    return 0;
}
