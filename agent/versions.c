#include "agent/versions.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/base/hash.h"
#include "agent/kpi_names.h"

enum { KEY_BYTES_MAX = 1024, DORMANT_MAX = 4096 };
static const char SEGMENT_OTHER[] = "(other)";

struct profile_override { /* a profile that came after the start */
    struct profile_override *next;
    char *model, *version;
    const struct profile *profile;
};

struct versions {
    const struct config *config;
    struct profile_book book;
    uint32_t input_count;
    struct delta *delta; /* where new series are announced */

    struct intern *models;
    uint32_t *versions_of_model;  /* by id of `models` */
    struct intern *keys;          /* model \x1f version */
    struct version_state **items; /* by id of `keys` */
    uint32_t capacity;
    struct version_state *recent; /* the version of the event before */
    struct text recent_model, recent_version;
    uint32_t series_count;
    struct profile_override *overrides;
    struct intern *dormant; /* models that ever slept; NULL: none */
    bool sleeps[DORMANT_MAX];
};

/* ---- life cycle ---- */

static void version_free(struct version_state *version, uint32_t input_count)
{
    if (!version)
        return;
    for (uint32_t input = 0; version->bindings && input < input_count; input++)
        feature_binding_free(version->bindings[input]);
    free(version->bindings);
    intern_free(version->segments);
    free(version->segment_series);
    kpi_names_free(version->kpis);
    free(version);
}

struct versions *versions_new(const struct config *config, const struct profile_book *book,
                              uint32_t input_count)
{
    struct versions *versions = calloc(1, sizeof(*versions));
    if (!versions)
        return NULL;
    *versions = (struct versions){.config = config, .book = *book, .input_count = input_count};
    versions->models = intern_new(config->limits.models);
    versions->keys = intern_new(UINT32_MAX - 1);
    versions->versions_of_model =
        calloc((size_t)config->limits.models + 1, sizeof(*versions->versions_of_model));
    if (!versions->models || !versions->keys || !versions->versions_of_model) {
        versions_free(versions);
        return NULL;
    }
    return versions;
}

void versions_free(struct versions *versions)
{
    if (!versions)
        return;
    for (uint32_t i = 0; versions->keys && i < intern_count(versions->keys) && i < versions->capacity; i++)
        version_free(versions->items[i], versions->input_count);
    free(versions->items);
    for (struct profile_override *at = versions->overrides, *next; at; at = next) {
        next = at->next;
        free(at->model);
        free(at->version);
        free(at);
    }
    intern_free(versions->models);
    intern_free(versions->dormant);
    intern_free(versions->keys);
    free(versions->versions_of_model);
    free(versions);
}

void versions_set_delta(struct versions *versions, struct delta *delta)
{
    versions->delta = delta;
}

/* ---- names ---- */

static const struct profile *profile_of(const struct versions *versions, struct text model,
                                        struct text version)
{
    for (const struct profile_override *at = versions->overrides; at; at = at->next)
        if (text_equal(text_of(at->model), model) && text_equal(text_of(at->version), version))
            return at->profile;
    for (uint32_t i = 0; i < versions->book.count; i++) {
        const struct profile_entry *entry = &versions->book.entries[i];
        if (text_equal(text_of(entry->model), model) &&
            (!entry->version || text_equal(text_of(entry->version), version)))
            return entry->profile;
    }
    return versions->book.otherwise(versions->book.context, model, version);
}

static uint32_t new_series(struct versions *versions, struct text model, struct text version,
                           struct text segment)
{
    if (delta_add_series(versions->delta, versions->series_count, model, version, segment) != 0)
        return UINT32_MAX;
    return versions->series_count++;
}

/* Keys come from the input too: their "(other)" segments are bounded as the named ones are. */
static uint32_t segments_and_others(uint32_t limit)
{
    return limit > UINT32_MAX / 4 ? UINT32_MAX / 2 : 2 * limit + 1;
}

uint64_t identity_seed(struct text model, struct text version, enum event_kind kind)
{
    return hash_text(version, hash_text(model, (uint64_t)kind + 1));
}

static struct version_state *version_new(struct versions *versions, struct text model, struct text version)
{
    struct version_state *state = calloc(1, sizeof(*state));
    if (!state)
        return NULL;
    state->config = config_model(versions->config, model);
    for (uint32_t kind = 0; kind < EVENT_KIND_COUNT; kind++)
        state->identity_seeds[kind] = identity_seed(model, version, (enum event_kind)kind);
    state->profile = profile_of(versions, model, version);
    state->dormant = versions->dormant && intern_find(versions->dormant, model) != INTERN_NONE &&
                     versions->sleeps[intern_find(versions->dormant, model)];
    state->bindings = calloc(versions->input_count, sizeof(struct feature_binding *));
    state->segments = intern_new(segments_and_others(versions->config->limits.segments));
    state->series =
        state->bindings && state->segments ? new_series(versions, model, version, text_of("")) : UINT32_MAX;
    if (state->series == UINT32_MAX) {
        version_free(state, versions->input_count);
        return NULL;
    }
    return state;
}

/* NULL when a cap refuses it: the caller rejects the event. */
static struct version_state *version_admit(struct versions *versions, struct text key, struct text model,
                                           struct text version)
{
    uint32_t model_id = intern_add(versions->models, model);
    if (model_id == INTERN_NONE || versions->versions_of_model[model_id] >= versions->config->limits.versions)
        return NULL;
    uint32_t id = intern_count(versions->keys);
    if (id >= versions->capacity) {
        struct version_state **grown =
            grow_array(versions->items, &versions->capacity, 16, sizeof(struct version_state *));
        if (!grown)
            return NULL;
        versions->items = grown;
    }
    struct version_state *state = version_new(versions, model, version);
    if (!state)
        return NULL;
    if (intern_add(versions->keys, key) != id) {
        version_free(state, versions->input_count);
        return NULL;
    }
    versions->items[id] = state;
    versions->versions_of_model[model_id]++;
    return state;
}

struct version_state *versions_find(struct versions *versions, const struct event *ev)
{
    if (versions->recent && text_equal(ev->model, versions->recent_model) &&
        text_equal(ev->version, versions->recent_version))
        return versions->recent;
    char bytes[KEY_BYTES_MAX];
    if ((size_t)ev->model.len + ev->version.len + 1 > sizeof(bytes))
        return NULL;
    memcpy(bytes, ev->model.ptr, ev->model.len);
    bytes[ev->model.len] = '\x1f';
    if (ev->version.len)
        memcpy(bytes + ev->model.len + 1, ev->version.ptr, ev->version.len);
    struct text key = {bytes, ev->model.len + 1 + ev->version.len};
    uint32_t id = intern_find(versions->keys, key);
    struct version_state *state =
        id != INTERN_NONE ? versions->items[id] : version_admit(versions, key, ev->model, ev->version);
    if (!state)
        return NULL;
    if (id == INTERN_NONE)
        id = intern_count(versions->keys) - 1;
    struct text stored = intern_text(versions->keys, id);
    versions->recent = state;
    versions->recent_model = (struct text){stored.ptr, ev->model.len};
    versions->recent_version = (struct text){stored.ptr + ev->model.len + 1, ev->version.len};
    return state;
}

/* One entry for a (model, version), however often its capture is extended. */
static int override_profile(struct versions *versions, const char *model, const char *version,
                            const struct profile *profile)
{
    for (struct profile_override *at = versions->overrides; at; at = at->next)
        if (strcmp(at->model, model) == 0 && strcmp(at->version, version) == 0) {
            at->profile = profile;
            return 0;
        }
    struct profile_override *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return ERR_NOMEM;
    *entry = (struct profile_override){versions->overrides, strdup(model), strdup(version), profile};
    if (!entry->model || !entry->version) {
        free(entry->model);
        free(entry->version);
        free(entry);
        return ERR_NOMEM;
    }
    versions->overrides = entry;
    return 0;
}

int versions_set_profile(struct versions *versions, const char *model, const char *version,
                         const struct profile *profile)
{
    int code = override_profile(versions, model, version, profile);
    if (code != 0)
        return code;
    for (uint32_t id = 0; id < intern_count(versions->keys); id++) {
        struct text key = intern_text(versions->keys, id);
        const char *split = memchr(key.ptr, '\x1f', key.len);
        uint32_t model_len = (uint32_t)(split - key.ptr);
        struct text key_model = {key.ptr, model_len}, key_version = {split + 1, key.len - model_len - 1};
        if (!text_equal(key_model, text_of(model)) || !text_equal(key_version, text_of(version)))
            continue;
        struct version_state *state = versions->items[id];
        state->profile = profile;
        for (uint32_t input = 0; input < versions->input_count; input++) {
            feature_binding_free(state->bindings[input]);
            state->bindings[input] = NULL;
        }
    }
    return 0;
}

int versions_kpis(struct versions *versions, struct version_state *state, const struct event *ev,
                  const struct kpi_target **out, uint32_t *out_basis)
{
    if (!state->kpis &&
        !(state->kpis = kpi_names_new(&state->config->options, versions->config->limits.kpis)))
        return ERR_NOMEM;
    *out_basis = kpi_names_basis(state->kpis);
    return kpi_names_resolve(state->kpis, versions->delta, state->series, &ev->kpis, out);
}

void versions_set_dormant(struct versions *versions, const char *model, bool dormant)
{
    if (!versions->dormant)
        versions->dormant = intern_new(DORMANT_MAX);
    uint32_t number = versions->dormant ? intern_add(versions->dormant, text_of(model)) : INTERN_NONE;
    if (number == INTERN_NONE)
        return; /* its predictions go on to the loop, which drops them */
    versions->sleeps[number] = dormant;
    for (uint32_t id = 0; id < intern_count(versions->keys); id++) {
        struct text key = intern_text(versions->keys, id);
        const char *split = memchr(key.ptr, '\x1f', key.len);
        if (text_equal((struct text){key.ptr, (uint32_t)(split - key.ptr)}, text_of(model)))
            versions->items[id]->dormant = dormant;
    }
}

static bool segment_wanted(const struct version_state *state, struct text key)
{
    if (!state->config->segments)
        return true;
    for (char **name = state->config->segments; *name; name++)
        if (text_equal(text_of(*name), key))
            return true;
    return false;
}

/* At most `limit` segments; UINT32_MAX beyond. */
static uint32_t segment_find_or_add(struct versions *versions, struct version_state *state,
                                    const struct event *ev, struct text name, uint32_t limit)
{
    uint32_t id = intern_find(state->segments, name);
    if (id != INTERN_NONE)
        return state->segment_series[id];
    id = intern_count(state->segments);
    if (id >= state->segment_capacity) {
        uint32_t *grown = grow_array(state->segment_series, &state->segment_capacity, 8, sizeof(*grown));
        if (!grown)
            return UINT32_MAX;
        state->segment_series = grown;
    }
    if (id >= limit)
        return UINT32_MAX;
    uint32_t series = new_series(versions, ev->model, ev->version, name);
    if (series == UINT32_MAX || intern_add(state->segments, name) != id)
        return UINT32_MAX;
    return state->segment_series[id] = series;
}

/* The series of one segment of an event; what does not fit the caps joins "key=(other)"; UINT32_MAX: none. */
uint32_t versions_segment(struct versions *versions, struct version_state *state, const struct event *ev,
                          const struct field *segment)
{
    const struct value *value = &segment->value;
    if ((value->type != VALUE_STRING && value->type != VALUE_NUMBER && value->type != VALUE_BOOL) ||
        !segment_wanted(state, segment->name))
        return UINT32_MAX;
    char bytes[SEGMENT_BYTES_MAX];
    size_t prefix = (size_t)segment->name.len + 1;
    if (prefix + sizeof(SEGMENT_OTHER) > sizeof(bytes))
        return UINT32_MAX;
    uint32_t limit = versions->config->limits.segments;
    memcpy(bytes, segment->name.ptr, segment->name.len);
    bytes[segment->name.len] = '=';
    if (prefix + value->text.len <= sizeof(bytes)) {
        memcpy(bytes + prefix, value->text.ptr, value->text.len);
        uint32_t series = segment_find_or_add(
            versions, state, ev, (struct text){bytes, (uint32_t)(prefix + value->text.len)}, limit);
        if (series != UINT32_MAX)
            return series;
    }
    memcpy(bytes + prefix, SEGMENT_OTHER, sizeof(SEGMENT_OTHER) - 1);
    return segment_find_or_add(versions, state, ev,
                               (struct text){bytes, (uint32_t)(prefix + sizeof(SEGMENT_OTHER) - 1)},
                               segments_and_others(limit));
}
