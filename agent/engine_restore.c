/* References at start: those in the store, those that the configuration names as files, and which (model,
 * version) uses which. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json.h"
#include "agent/engine_internal.h"

enum { REFERENCE_BYTES_MAX = 64 << 20 };

const struct profile *engine_profile_by_configuration(const void *context, struct text model,
                                                      struct text version)
{
    const struct engine *engine = context;
    const struct reference_config *wanted = config_reference(config_model(engine->config, model), version);
    for (const struct known_reference *known = engine->references; known; known = known->next)
        if (known->owner == wanted)
            return &known->profile;
    for (const struct retired_profile *waiting = engine->retired; waiting; waiting = waiting->next)
        if (waiting->owner == wanted)
            return &waiting->profile;
    return &engine->profile_none;
}

int engine_put_reference(struct engine *engine, const struct known_reference *known, const char *action)
{
    const struct reference *reference = known->reference;
    strbuf_reset(&engine->scratch);
    int code = reference_write(reference, &engine->scratch);
    if (code != 0)
        return code;
    struct stored_reference stored = {.reference = known->number,
                                      .grid = known->grid->number,
                                      .name = reference->name,
                                      .model = reference->model,
                                      .version = reference->version,
                                      .source = reference->source,
                                      .hash = reference->hash,
                                      .from_ms = reference->from_ms,
                                      .to_ms = reference->to_ms,
                                      .created_ms = engine->settings.clock->wall_ms(engine->settings.clock),
                                      .effective_from_ms = known->effective_from_ms,
                                      .rows = reference->rows,
                                      .json = engine->scratch.bytes,
                                      .json_len = engine->scratch.len};
    store_put_reference(engine->batch, &stored);
    struct strbuf details;
    strbuf_init(&details, 4096);
    struct json json;
    json_init(&json, &details);
    json_object_begin(&json);
    json_member_string(&json, "hash", reference->hash);
    json_member_unsigned(&json, "rows", reference->rows);
    json_member_string(&json, "source", reference->source);
    json_object_end(&json);
    engine_put_audit(engine, "driftd", action, reference->name,
                     strbuf_failed(&details) ? "{}" : details.bytes);
    strbuf_release(&details);
    return 0;
}

/* ---- from the store ---- */

static int restore_grid(void *context, uint32_t number, const char *id)
{
    struct engine *engine = context;
    struct known_grid *grid = calloc(1, sizeof(*grid));
    if (!grid)
        return ERR_NOMEM;
    grid->number = number;
    (void)snprintf(grid->id, sizeof(grid->id), "%s", id);
    grid->next = engine->grids;
    engine->grids = grid;
    if (number >= engine->next_grid_number)
        engine->next_grid_number = number + 1;
    return 0;
}

struct restore {
    struct engine *engine;
    struct err *err;
};

static int restore_reference(void *context, const struct stored_reference *stored)
{
    struct restore *restore = context;
    struct reference *reference = NULL;
    struct err err = {0};
    if (reference_read(stored->json, stored->json_len, &reference, &err) != 0)
        return err_set(restore->err, ERR_CONFIG, "reference `%s` in the store is unusable: %s", stored->name,
                       err.message);
    struct known_reference *known = NULL;
    int code = engine_learn_reference(restore->engine, reference, stored->reference, stored->grid,
                                      stored->effective_from_ms, &known);
    return code ? err_set(restore->err, code, "no memory for reference `%s`", stored->name) : 0;
}

/* ---- from files ---- */

static int read_file(const char *path, struct strbuf *out, struct err *err)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return err_set(err, ERR_CONFIG, "cannot open %s: %s", path, strerror(errno));
    char bytes[65536];
    for (size_t got; (got = fread(bytes, 1, sizeof(bytes), file)) > 0;)
        strbuf_add(out, bytes, got);
    bool failed = ferror(file) != 0;
    (void)fclose(file);
    if (failed || strbuf_failed(out))
        return err_set(err, ERR_CONFIG, "cannot read %s: %s", path,
                       failed ? "input/output error" : "larger than 64 MiB");
    return 0;
}

static struct known_reference *reference_by_hash(const struct engine *engine, const char *hash)
{
    for (struct known_reference *known = engine->references; known; known = known->next)
        if (strcmp(known->reference->hash, hash) == 0)
            return known;
    return NULL;
}

static struct known_reference *reference_by_name(const struct engine *engine, const char *name)
{
    for (struct known_reference *known = engine->references; known; known = known->next)
        if (strcmp(known->reference->name, name) == 0)
            return known;
    return NULL;
}

/* One reference may serve several entries of the configuration. */
static int claim(struct engine *engine, struct known_reference *known, const struct reference_config *config,
                 struct err *err)
{
    if (!known->owner) {
        known->owner = config;
        return 0;
    }
    struct known_reference *alias = calloc(1, sizeof(*alias));
    if (!alias)
        return err_set(err, ERR_NOMEM, "no memory for references");
    *alias = *known;
    alias->alias = true;
    alias->owner = config;
    alias->next = engine->references;
    engine->references = alias;
    return 0;
}

static int load_reference_file(struct engine *engine, const struct reference_config *config, struct err *err)
{
    struct strbuf bytes;
    strbuf_init(&bytes, REFERENCE_BYTES_MAX);
    struct reference *reference = NULL;
    int code = read_file(config->path, &bytes, err);
    if (code == 0 && reference_read(bytes.bytes, bytes.len, &reference, err) != 0) {
        err_prefix(err, "reference %s is unusable", config->path);
        code = ERR_CONFIG;
    }
    strbuf_release(&bytes);
    if (code != 0)
        return code;
    struct known_reference *known = reference_by_hash(engine, reference->hash);
    if (known) {
        reference_free(reference);
        return claim(engine, known, config, err);
    }
    if (reference_by_name(engine, reference->name)) {
        code = err_set(err, ERR_CONFIG,
                       "reference %s has the name `%s`, which the store knows with other content; build it "
                       "under a new name",
                       config->path, reference->name);
        reference_free(reference);
        return code;
    }
    code = engine_learn_reference(engine, reference, 0, 0, INT64_MIN, &known);
    if (code != 0)
        return err_set(err, code, "no memory for reference %s", config->path);
    known->owner = config;
    return engine_put_reference(engine, known, "reference.loaded");
}

static int load_reference(struct engine *engine, const struct reference_config *config, struct err *err)
{
    if (config->kind == REFERENCE_FILE)
        return load_reference_file(engine, config, err);
    if (config->kind != REFERENCE_NAME)
        return 0;
    struct known_reference *known = reference_by_name(engine, config->name);
    if (!known)
        return err_set(err, ERR_CONFIG,
                       "the store has no reference named `%s`; `driftd reference list` shows those it has",
                       config->name);
    return claim(engine, known, config, err);
}

/* What the configuration asks for and the reference cannot give is said once, not found out by its absence.
 */
static void check_cardinality(const struct engine *engine, const struct model_config *model,
                              const struct reference *reference)
{
    struct distinct_values values;
    const char *const *names = model->options.cardinality;
    while (names && *names && reference->distinct &&
           distinct_sketch_values(reference->distinct, text_of(*names), &values))
        names++;
    if (names && *names)
        log_write(engine->settings.log, LOG_WARNING, "reference",
                  "model %s: `cardinality` names %s, but reference %s was built without counting its values: "
                  "they are not compared; build it with --cardinality, or capture a new one",
                  model->name ? model->name : "*", *names, reference->name);
}

static void check_multivariate(const struct engine *engine, const struct model_config *model,
                               const struct reference *reference)
{
    if (model->options.multivariate != MULTIVARIATE_OFF && !reference->multivariate && !reference->embeddings)
        log_write(
            engine->settings.log, LOG_WARNING, "reference",
            "model %s: `multivariate` is on, but reference %s was built without it: features together and "
            "embeddings are not compared; build it with --multivariate, or capture a new one",
            model->name ? model->name : "*", reference->name);
}

static int load_of_model(struct engine *engine, const struct model_config *model,
                         const struct reference_config *config, struct err *err)
{
    int code = load_reference(engine, config, err);
    for (struct known_reference *known = engine->references; code == 0 && known; known = known->next)
        if (known->owner == config) {
            check_multivariate(engine, model, known->reference);
            check_cardinality(engine, model, known->reference);
        }
    return code;
}

static int load_configured(struct engine *engine, struct err *err)
{
    const struct config *config = engine->config;
    const struct model_config *template = &config->model_template;
    int code = load_of_model(engine, template, &template->reference, err);
    for (uint32_t i = 0; code == 0 && i < config->model_count; i++) {
        const struct model_config *model = &config->models[i];
        code = load_of_model(engine, model, &model->reference, err);
        for (uint32_t j = 0; code == 0 && j < model->version_count; j++)
            code = load_of_model(engine, model, &model->versions[j].reference, err);
    }
    return code;
}

int engine_book_add(struct engine *engine, const char *model, const char *version,
                    const struct profile *profile)
{
    struct profile_entry *grown = realloc(engine->book_entries, (engine->book.count + 1) * sizeof(*grown));
    if (!grown)
        return ERR_NOMEM;
    engine->book.entries = engine->book_entries = grown;
    struct profile_entry *entry = &grown[engine->book.count];
    entry->model = strdup(model);
    entry->version = strdup(version);
    entry->profile = profile;
    engine->book.count++; /* half an entry is freed with the book, too; the caller gives up */
    return entry->model && entry->version ? 0 : ERR_NOMEM;
}

/* Captured references of earlier runs, for (model, version) that still want a captured one. */
static int make_book(struct engine *engine)
{
    for (struct known_reference *known = engine->references; known; known = known->next) {
        const struct reference *reference = known->reference;
        const struct model_config *model = config_model(engine->config, text_of(reference->model));
        const struct reference_config *wanted = config_reference(model, text_of(reference->version));
        if (known->owner || wanted->kind != REFERENCE_CAPTURE ||
            strncmp(reference->source, "capture ", 8) != 0)
            continue;
        check_multivariate(engine, model, reference);
        check_cardinality(engine, model, reference);
        int code = engine_book_add(engine, reference->model, reference->version, &known->profile);
        if (code != 0)
            return code;
    }
    return 0;
}

/* Panes of other lengths or another origin would never add up with those in the store. */
static int check_time_grid(struct engine *engine, struct err *err)
{
    char tiers[160] = "", origin[32], stored[160];
    size_t len = 0;
    for (uint32_t tier = 0; tier < engine->times.tier_count; tier++)
        len += (size_t)snprintf(tiers + len, sizeof(tiers) - len, "%s%" PRId64, tier ? "," : "",
                                engine->times.tiers_ms[tier]);
    (void)snprintf(origin, sizeof(origin), "%" PRId64, engine->times.origin_ms);
    const char *const keys[] = {"tiers_ms", "origin_ms"}, *const values[] = {tiers, origin};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (store_load_meta(engine->settings.store, keys[i], stored, sizeof(stored)) == 0 &&
            strcmp(stored, values[i]) != 0)
            return err_set(err, ERR_CONFIG,
                           "the store was made with %s %s, the configuration says %s; keep time.tiers and "
                           "time.origin, or "
                           "start a new store",
                           keys[i], stored, values[i]);
        store_put_meta(engine->batch, keys[i], values[i]);
    }
    store_put_meta(engine->batch, "config_hash", engine->config->hash);
    return 0;
}

int engine_restore(struct engine *engine, struct err *err)
{
    struct restore restore = {engine, err};
    int code = check_time_grid(engine, err);
    if (code == 0)
        code = store_load_grids(engine->settings.store, restore_grid, engine, err);
    if (code == 0)
        code = engine_restore_subjects(engine, err);
    if (code == 0)
        code = store_load_references(engine->settings.store, restore_reference, &restore, err);
    if (code == 0)
        code = load_configured(engine, err);
    if (code == 0 && make_book(engine) != 0)
        code = err_set(err, ERR_NOMEM, "no memory for references");
    if (code == 0)
        code = engine_restore_state(engine, err);
    if (code == 0 && store_batch_failed(engine->batch))
        code = err_set(err, ERR_NOMEM, "no memory for the engine");
    return code;
}
