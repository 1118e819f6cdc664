#include "agent/reference_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/file.h"

enum { EVENT_BYTES_DEFAULT = 65536, SAMPLE_DEFAULT = 1000000, NAME_MAX_BYTES = 256 };

struct building {
    struct decoder *decoder;
    struct reference_builder *builder;
    struct reference_build_counts counts;
    uint32_t finished;
    int64_t from_ms, to_ms;
    char model[NAME_MAX_BYTES], first_reason[512];
    const char *wanted_model;
    int failure;
    char failure_detail[512];
};

static enum source_verdict deliver(void *context, uint32_t slot, const struct record *record)
{
    (void)slot;
    struct building *building = context;
    struct event ev;
    enum reject reject = decoder_decode(building->decoder, record, &ev);
    if (reject != REJECT_NONE) {
        if (building->counts.rejected++ == 0)
            (void)snprintf(building->first_reason, sizeof(building->first_reason), "%s: %s",
                           reject_name(reject), decoder_detail(building->decoder));
        return SOURCE_TAKEN;
    }
    if (ev.kind != EVENT_PREDICTION && ev.kind != EVENT_FEATURES)
        return SOURCE_TAKEN;
    if (!building->model[0])
        (void)snprintf(building->model, sizeof(building->model), "%.*s", (int)ev.model.len, ev.model.ptr);
    if (building->wanted_model && !text_equal(text_of(building->wanted_model), ev.model))
        return SOURCE_TAKEN; /* a file of several models: only the one that was asked for */
    if (ev.ts_ms < building->from_ms)
        building->from_ms = ev.ts_ms;
    if (ev.ts_ms > building->to_ms)
        building->to_ms = ev.ts_ms;
    building->counts.events++;
    if (!building->failure)
        building->failure = reference_builder_add(building->builder, &ev);
    return SOURCE_TAKEN;
}

static void on_signal(void *context, uint32_t slot, enum source_signal signal, const char *detail)
{
    (void)slot;
    struct building *building = context;
    if (signal == SIGNAL_FINISHED) {
        building->finished++;
    } else if (signal == SIGNAL_FAILED) {
        building->finished++;
        building->failure = ERR_IO;
        (void)snprintf(building->failure_detail, sizeof(building->failure_detail), "%s",
                       detail ? detail : "cannot read");
    }
}

/* ---- which mapping ---- */

static int set_pointer(struct field_spec *field, const char *column)
{
    if (!column)
        return 0;
    size_t len = strlen(column);
    char *pointer = malloc(len * 2 + 2), *to = pointer;
    if (!pointer)
        return ERR_NOMEM;
    *to++ = '/';
    for (const char *from = column; *from; from++) { /* RFC 6901 escapes */
        if (*from == '~' || *from == '/') {
            *to++ = '~';
            *to++ = *from == '~' ? '0' : '1';
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    field->accessors[field->count++] = (struct accessor_spec){ACCESS_POINTER, pointer};
    return 0;
}

static int set_constant(struct field_spec *field, const char *value)
{
    struct accessor_spec *accessor = &field->accessors[field->count];
    accessor->type = ACCESS_CONST;
    accessor->argument = strdup(value);
    field->count += accessor->argument != NULL;
    return accessor->argument ? 0 : ERR_NOMEM;
}

/* Training data often has no time at all: the epoch stands for it. */
static const char NO_TIME[] = "1970-01-01T00:00:00Z";

static int columns_mapping(const struct reference_build *build, struct mapping_spec *spec)
{
    spec->has_kind = true;
    spec->kind = EVENT_PREDICTION;
    int code = build->time_column ? set_pointer(&spec->time, build->time_column) : 0;
    if (code == 0 && !build->time_column) {
        code = set_pointer(&spec->time, "ts");
        if (code == 0)
            code = set_pointer(&spec->time, "timestamp");
        if (code == 0)
            code = set_constant(&spec->time, NO_TIME);
    }
    if (code == 0)
        code = set_pointer(&spec->score, build->score_column);
    if (code == 0)
        code = set_pointer(&spec->prediction, build->prediction_column);
    if (code == 0)
        code = set_pointer(&spec->label, build->label_column);
    if (code == 0)
        code = set_pointer(&spec->id, build->id_column);
    if (code == 0)
        code = set_constant(&spec->model, build->model ? build->model : "default");
    spec->features.set = true;
    spec->features.object = strdup("");
    return code == 0 && spec->features.object ? 0 : ERR_NOMEM;
}

static bool names_columns(const struct reference_build *build)
{
    return build->time_column || build->score_column || build->prediction_column || build->label_column ||
           build->id_column;
}

static int make_mapping(const struct reference_build *build, struct mapping **out, struct err *err)
{
    struct mapping_spec own = {0}, spec;
    int code = 0;
    if (!build->mapping && (build->csv || names_columns(build)))
        code = columns_mapping(build, &own);
    if (code == 0) {
        spec = build->mapping ? *build->mapping : own; /* borrowed: its owner frees the strings */
        if (build->csv)
            spec.format = INPUT_CSV;
        code = mapping_compile(out, &spec, "reference build", err);
    }
    mapping_spec_release(&own);
    return code;
}

/* ---- reading ---- */

static int read_files(const struct reference_build *build, struct building *building, bool csv,
                      struct err *err)
{
    struct source *source = file_source_new(EVENT_BYTES_DEFAULT);
    if (!source)
        return err_set(err, ERR_NOMEM, "no memory to read files");
    int code = 0;
    for (uint32_t i = 0; code == 0 && i < build->file_count; i++) {
        struct source_slot slot = {.slot = i,
                                   .topic = build->files[i],
                                   .offset = OFFSET_BEGINNING,
                                   .end_offset = INT64_MAX,
                                   .csv = csv};
        code = source_add(source, &slot, err);
    }
    struct source_sink sink = {deliver, on_signal, building};
    while (code == 0 && building->finished < build->file_count && !building->failure) {
        int got = source_poll(source, 100, 4096, &sink, err);
        if (got < 0)
            code = got;
    }
    source_free(source);
    if (code == 0 && building->failure)
        code =
            err_set(err, building->failure, "%s",
                    building->failure_detail[0] ? building->failure_detail : "out of memory while reading");
    return code;
}

static int finish(struct building *building, struct reference **out, struct err *err)
{
    if (building->counts.events == 0)
        return err_set(err, ERR_INVALID, "no usable event%s%s",
                       building->first_reason[0] ? "; the first was refused as " : "",
                       building->first_reason);
    return reference_builder_finish(building->builder, out, err);
}

int reference_build(const struct reference_build *build, struct reference **out,
                    struct reference_build_counts *out_counts, struct err *err)
{
    struct building building = {.from_ms = INT64_MAX, .to_ms = INT64_MIN, .wanted_model = build->model};
    struct mapping *mapping = NULL;
    char source[512], name[NAME_MAX_BYTES + 16];
    const char *last = strrchr(build->files[0], '/');
    (void)snprintf(source, sizeof(source), "file %s%s", last ? last + 1 : build->files[0],
                   build->file_count > 1 ? " …" : "");
    (void)snprintf(name, sizeof(name), "%s",
                   build->name ? build->name : (build->model ? build->model : "reference"));
    struct reference_options options = {.name = name,
                                        .model = build->model ? build->model : "default",
                                        .version = build->version ? build->version : "",
                                        .source = source,
                                        .sample_max = build->sample_max ? build->sample_max : SAMPLE_DEFAULT,
                                        .categorical = build->categorical,
                                        .numeric = build->numeric,
                                        .exclude = build->exclude,
                                        .multivariate = build->multivariate,
                                        .cardinality = build->cardinality,
                                        .crosses = build->crosses,
                                        .cross_count = build->cross_count,
                                        .facets = build->facets,
                                        .facet_count = build->facet_count};
    int code = make_mapping(build, &mapping, err);
    if (code == 0 && decoder_new(&building.decoder, mapping, NULL) != 0)
        code = err_set(err, ERR_NOMEM, "no memory for a decoder");
    if (code == 0 && !(building.builder = reference_builder_new(&options)))
        code = err_set(err, ERR_NOMEM, "no memory for a reference");
    if (code == 0)
        code = read_files(build, &building, mapping_format(mapping) == INPUT_CSV, err);
    if (code == 0)
        code = finish(&building, out, err);
    *out_counts = building.counts;
    reference_builder_free(building.builder);
    decoder_free(building.decoder);
    mapping_free(mapping);
    return code;
}
