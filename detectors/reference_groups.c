#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/grow.h"
#include "agent/base/intern.h"
#include "agent/base/json.h"
#include "detectors/event_outcome.h"
#include "detectors/reference_private.h"
#include "detectors/sample.h"

/* What a reference knows of groups (group_counts.h): counted from its sample, named as the stream names them.
 */

enum { NAMES_MAX = 1 << 20, NAME_BYTES_MAX = 1024, MEMBERS_MAX = 96, TEXT_BYTES_MAX = 16384 };

struct group_study {
    const struct reference_options *options;
    const struct model_options *model;
    struct intern *names;
    uint64_t (*cells)[GROUP_CELLS]; /* by id of `names` */
    uint32_t capacity;
};

/* The groups of one event, each once. */
struct members {
    const char *names[MEMBERS_MAX];
    uint32_t count;
    char text[TEXT_BYTES_MAX];
    size_t text_len;
};

static bool add_member(struct members *members, const char *name)
{
    for (uint32_t i = 0; i < members->count; i++)
        if (strcmp(members->names[i], name) == 0)
            return false;
    size_t bytes = strlen(name) + 1;
    if (members->count == MEMBERS_MAX || members->text_len + bytes > sizeof(members->text))
        return false;
    char *at = members->text + members->text_len;
    memcpy(at, name, bytes);
    members->names[members->count++] = at;
    members->text_len += bytes;
    return true;
}

static void add_values(struct members *members, const struct fields *groups)
{
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct field *group = &groups->items[i];
        const struct value *value = &group->value;
        bool scalar = value->type == VALUE_STRING || value->type == VALUE_NUMBER || value->type == VALUE_BOOL;
        char name[NAME_BYTES_MAX];
        if (!scalar || (size_t)group->name.len + value->text.len + 2 > sizeof(name))
            continue;
        memcpy(name, group->name.ptr, group->name.len);
        name[group->name.len] = '=';
        if (value->text.len)
            memcpy(name + group->name.len + 1, value->text.ptr, value->text.len);
        name[group->name.len + 1 + value->text.len] = '\0';
        (void)add_member(members, name);
    }
}

static void add_cross(struct members *members, const char *const *attributes, uint32_t values)
{
    char name[NAME_BYTES_MAX];
    if (outcome_cross_name(attributes, members->names, values, name, sizeof(name)))
        (void)add_member(members, name);
}

static void add_crosses(struct members *members, const struct reference_options *options)
{
    uint32_t values = members->count; /* what is behind are cells of crosses */
    for (uint32_t i = 0; i < options->cross_count; i++)
        add_cross(members, (const char *const *)options->crosses[i].attributes, values);
    for (uint32_t i = 0; i < options->facet_count; i++)
        if (options->facets[i].strata) {
            const char *const pair[] = {options->facets[i].attribute, options->facets[i].strata, NULL};
            add_cross(members, pair, values);
        }
}

/* Of more names than can be: which are in depends on the order of the sample's rows, which is that of their
 * hashes. */
static int count_member(struct group_study *study, const char *name, const struct outcome *outcome,
                        uint64_t times)
{
    uint32_t id = intern_add(study->names, text_of(name));
    if (id == INTERN_NONE)
        return intern_count(study->names) == NAMES_MAX ? 0 : ERR_NOMEM;
    if (id >= study->capacity) {
        void *cells = grow_zeroed(study->cells, &study->capacity, 64, sizeof(*study->cells));
        if (!cells)
            return ERR_NOMEM;
        study->cells = cells;
    }
    (void)group_cells_add(study->cells[id], outcome, times);
    return 0;
}

static int count_event(void *context, const struct event *ev, uint64_t times)
{
    struct group_study *study = context;
    struct outcome outcome;
    struct members members = {.count = 0};
    if (ev->groups.count == 0 || !event_prediction(ev, study->model, &outcome) ||
        outcome.kind != OUTCOME_BINARY)
        return 0;
    outcome.labelled = event_label(ev, study->model, &outcome.truth) &&
                       label_fits((enum outcome_kind)outcome.kind, outcome.truth);
    add_values(&members, &ev->groups);
    add_crosses(&members, study->options);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < members.count; i++)
        rc = count_member(study, members.names[i], &outcome, times);
    return rc;
}

/* Filled at once rather than name by name, which would move all that follow. */
static int collect(const struct group_study *study, struct named_counts *out)
{
    uint32_t count = intern_count(study->names);
    if (count == 0)
        return 0;
    if (!(out->items = calloc(count, sizeof(*out->items))))
        return ERR_NOMEM;
    out->capacity = count;
    for (uint32_t id = 0; id < count; id++) {
        struct text name = intern_text(study->names, id);
        struct named_count *group = &out->items[id];
        if (!(group->name = strndup(name.ptr, name.len)))
            return ERR_NOMEM;
        memcpy(group->cells, study->cells[id], sizeof(group->cells));
        out->count++;
    }
    group_counts_keep(out);
    return 0;
}

int reference_count_groups(struct reference *reference, const struct sample *sample,
                           const struct model_options *model, const struct reference_options *options)
{
    struct group_study study = {.options = options, .model = model, .names = intern_new(NAMES_MAX)};
    int rc = study.names ? sample_each(sample, count_event, &study) : ERR_NOMEM;
    if (rc == 0)
        rc = collect(&study, &reference->groups);
    intern_free(study.names);
    free(study.cells);
    return rc;
}

/* ---- JSON ---- */

void reference_write_groups(struct json *json, const struct reference *reference)
{
    if (reference->groups.count == 0)
        return;
    json_key(json, "groups");
    json_object_begin(json);
    for (uint32_t i = 0; i < reference->groups.count; i++) {
        const struct named_count *group = &reference->groups.items[i];
        reference_row_begin(json, group->name);
        for (int cell = 0; cell < GROUP_CELLS; cell++)
            json_unsigned(json, group->cells[cell]);
        reference_row_end(json);
    }
    json_object_end(json);
}

static bool read_cells(const cJSON *array, uint64_t cells[GROUP_CELLS])
{
    const cJSON *item;
    int count = 0;
    if (!cJSON_IsArray(array))
        return false;
    cJSON_ArrayForEach(item, array)
    {
        if (count == GROUP_CELLS || !reference_as_count(item, &cells[count]))
            return false;
        count++;
    }
    return count == GROUP_CELLS;
}

int reference_read_groups(const cJSON *root, struct reference *reference, const char **what)
{
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "groups"), *item;
    const char *before = NULL;
    if (!object)
        return 0;
    *what = "is not an object of at most 512 ascending names `attribute=value` with six counts each";
    if (!cJSON_IsObject(object) || cJSON_GetArraySize(object) > OUTCOME_GROUPS_MAX)
        return ERR_INVALID;
    cJSON_ArrayForEach(item, object)
    {
        uint64_t cells[GROUP_CELLS];
        if (!strchr(item->string, '=') || (before && strcmp(before, item->string) >= 0) ||
            !read_cells(item, cells))
            return ERR_INVALID;
        before = item->string;
        int rc = named_counts_add(&reference->groups, text_of(item->string), cells, GROUP_CELLS);
        if (rc != 0)
            return rc;
    }
    return 0;
}
