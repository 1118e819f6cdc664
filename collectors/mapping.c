/* From the configuration's strings to one trie of places. Compiling is done once; clarity before speed. */
#include "collectors/mapping.h"

#include <stdlib.h>

#include "agent/base/grow.h"
#include "agent/base/number.h"
#include "collectors/mapping_compiled.h"

const char *const map_target_names[TARGET_COUNT] = {
    [TARGET_TYPE] = "type",     [TARGET_ID] = "id",           [TARGET_TIME] = "time",
    [TARGET_MODEL] = "model",   [TARGET_VERSION] = "version", [TARGET_SCORE] = "score",
    [TARGET_LABEL] = "label",   [TARGET_LATENCY] = "latency", [TARGET_PREDICTION] = "prediction",
    [TARGET_WEIGHT] = "weight",
};

const char *const map_group_names[GROUP_COUNT] = {
    [GROUP_FEATURES] = "features", [GROUP_SCORES] = "scores", [GROUP_SEGMENTS] = "segments",
    [GROUP_GROUPS] = "groups",     [GROUP_KPIS] = "kpis",     [GROUP_ATTRIBUTIONS] = "attributions",
};

/* The canonical event of DESIGN §5; CSV files may also call their time column "timestamp". */
static const char *const canonical_fields[TARGET_COUNT] = {
    [TARGET_TYPE] = "/type",
    [TARGET_ID] = "/id",
    [TARGET_TIME] = "/ts",
    [TARGET_MODEL] = "/model",
    [TARGET_VERSION] = "/version",
    [TARGET_SCORE] = "/score",
    [TARGET_LABEL] = "/label",
    [TARGET_LATENCY] = "/latency_ms",
    [TARGET_PREDICTION] = "/prediction",
    [TARGET_WEIGHT] = "/weight",
};
static const char csv_time_column[] = "/timestamp";

static const char *const canonical_groups[GROUP_COUNT] = {
    [GROUP_FEATURES] = "/features", [GROUP_SCORES] = "/scores", [GROUP_SEGMENTS] = "/segments",
    [GROUP_GROUPS] = "/groups",     [GROUP_KPIS] = "/kpis",     [GROUP_ATTRIBUTIONS] = "/attributions",
};

static const char *const meta_names[META_COUNT] = {
    [META_TIMESTAMP] = "timestamp",
    [META_TOPIC] = "topic",
    [META_PARTITION] = "partition",
    [META_OFFSET] = "offset",
};

enum { POINTER_TOKENS_MAX = 31 };

/* One compilation: where we are, for messages. */
struct compile {
    struct mapping *mapping;
    const char *where;
    const char *field; /* "fields.id" */
    struct err *err;
};

static int complain(struct compile *compile, const char *what, const char *value)
{
    return err_set(compile->err, ERR_CONFIG, "%s: %s: %s `%s`", compile->where, compile->field, what, value);
}

static int out_of_memory(struct compile *compile)
{
    return err_set(compile->err, ERR_NOMEM, "%s: out of memory", compile->where);
}

/* ---- the trie ---- */

uint32_t mapping_child(const struct mapping *mapping, uint32_t node, struct text name)
{
    uint32_t child = mapping->nodes[node].children;
    while (child != MAP_NONE && !text_equal(mapping->nodes[child].name, name))
        child = mapping->nodes[child].sibling;
    return child;
}

static uint32_t node_new(struct mapping *mapping, struct text name)
{
    if (mapping->node_count == mapping->node_capacity) {
        struct map_node *nodes = grow_array(mapping->nodes, &mapping->node_capacity, 32, sizeof(*nodes));
        if (!nodes)
            return MAP_NONE;
        mapping->nodes = nodes;
    }
    mapping->nodes[mapping->node_count] = (struct map_node){name, MAP_NONE, 0, MAP_NONE, MAP_NONE};
    return mapping->node_count++;
}

static uint32_t child_add(struct mapping *mapping, uint32_t parent, struct text name)
{
    uint32_t child = mapping_child(mapping, parent, name);
    if (child != MAP_NONE)
        return child;
    child = node_new(mapping, name);
    if (child != MAP_NONE) {
        mapping->nodes[child].sibling = mapping->nodes[parent].children;
        mapping->nodes[parent].children = child;
    }
    return child;
}

/* Undoes ~0 and ~1 of [token, token + len); false on any other tilde. */
static bool token_unescape(const char *token, size_t len, char *out, uint32_t *out_len)
{
    uint32_t written = 0;
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        if (c == '~') {
            if (i + 1 == len || (token[i + 1] != '0' && token[i + 1] != '1'))
                return false;
            c = token[++i] == '0' ? '~' : '/';
        }
        out[written++] = c;
    }
    *out_len = written;
    return true;
}

/* The node of a pointer, made when it is new. */
static int pointer_add(struct compile *compile, const char *pointer, uint32_t *out_node)
{
    struct mapping *mapping = compile->mapping;
    uint32_t node = 0, tokens = 0;
    const char *at = pointer;
    if (*at != '\0' && *at != '/')
        return complain(compile, "a JSON Pointer begins with `/`:", pointer);
    while (*at == '/') {
        size_t len = strcspn(++at, "/");
        char *name = arena_alloc(mapping->arena, len + 1);
        if (!name)
            return out_of_memory(compile);
        struct text token = {name, 0};
        if (!token_unescape(at, len, name, &token.len))
            return complain(compile,
                            "in a JSON Pointer `~` is written `~0` and `/` is written `~1`:", pointer);
        if (++tokens > POINTER_TOKENS_MAX)
            return complain(compile, "a JSON Pointer has at most 31 parts:", pointer);
        if (mapping->format == INPUT_CSV && tokens > 1)
            return complain(compile,
                            "in CSV a pointer is `/column` (`/` in a name is written `~1`):", pointer);
        node = child_add(mapping, node, token);
        if (node == MAP_NONE)
            return out_of_memory(compile);
        at += len;
    }
    *out_node = node;
    return 0;
}

static int slot_add(struct compile *compile, const char *pointer, uint32_t *out_slot)
{
    uint32_t node;
    int result = pointer_add(compile, pointer, &node);
    if (result != 0)
        return result;
    if (node == 0)
        return complain(compile, "the whole event is not a field:", pointer);
    struct mapping *mapping = compile->mapping;
    if (mapping->nodes[node].slot == MAP_NONE)
        mapping->nodes[node].slot = mapping->slot_count++;
    *out_slot = mapping->nodes[node].slot;
    return 0;
}

/* ---- accessors and fields ---- */

static int meta_compile(struct compile *compile, const char *name, enum map_meta *out)
{
    for (int i = 0; i < META_COUNT; i++) {
        if (strcmp(meta_names[i], name) == 0) {
            *out = (enum map_meta)i;
            return 0;
        }
    }
    return complain(compile, "meta: knows timestamp, topic, partition and offset, not", name);
}

static int accessor_compile(struct compile *compile, const struct accessor_spec *spec,
                            struct map_accessor *out)
{
    const char *argument = spec->argument ? spec->argument : "";
    *out = (struct map_accessor){.type = spec->type, .slot = MAP_NONE};
    out->argument.ptr = arena_strdup(compile->mapping->arena, argument);
    out->argument.len = (uint32_t)strlen(argument);
    if (!out->argument.ptr)
        return out_of_memory(compile);
    switch (spec->type) {
    case ACCESS_POINTER:
        return slot_add(compile, argument, &out->slot);
    case ACCESS_HEADER:
        return *argument ? 0 : complain(compile, "a header has a name:", "header:");
    case ACCESS_KEY:
        return 0;
    case ACCESS_META:
        return meta_compile(compile, argument, &out->meta);
    case ACCESS_CONST:
        out->constant = (struct value){.type = VALUE_STRING, .text = out->argument};
        if (number_parse_json(out->argument, &out->constant.number) == NUMBER_OK)
            out->constant.type = VALUE_NUMBER;
        return 0;
    }
    return complain(compile, "unknown accessor", argument);
}

static int field_compile(struct compile *compile, const struct field_spec *spec, struct map_field *out)
{
    if (spec->count > ACCESSOR_MAX)
        return complain(compile, "too many alternatives, the most is", "4");
    for (uint32_t i = 0; i < spec->count; i++) {
        if (spec->accessors[i].type == ACCESS_CONST && i + 1 < spec->count)
            return complain(compile, "nothing is tried behind a constant; make it the last:",
                            spec->accessors[i].argument ? spec->accessors[i].argument : "");
        int result = accessor_compile(compile, &spec->accessors[i], &out->accessors[i]);
        if (result != 0)
            return result;
    }
    out->count = spec->count;
    return 0;
}

static int canonical_compile(struct compile *compile, const char *pointer, struct map_field *out)
{
    struct field_spec spec = {.count = 1};
    /* The spec's argument is not const because a parser owns it; it is only read here. */
    char copy[32];
    (void)strncpy(copy, pointer, sizeof(copy) - 1);
    copy[sizeof(copy) - 1] = '\0';
    spec.accessors[0] = (struct accessor_spec){ACCESS_POINTER, copy};
    return field_compile(compile, &spec, out);
}

static int fields_compile(struct compile *compile, const struct mapping_spec *spec)
{
    struct mapping *mapping = compile->mapping;
    const struct field_spec *specs[TARGET_COUNT] = {
        [TARGET_TYPE] = &spec->type,
        [TARGET_ID] = &spec->id,
        [TARGET_TIME] = &spec->time,
        [TARGET_MODEL] = &spec->model,
        [TARGET_VERSION] = &spec->version,
        [TARGET_SCORE] = &spec->score,
        [TARGET_LABEL] = &spec->label,
        [TARGET_LATENCY] = &spec->latency,
        [TARGET_PREDICTION] = &spec->prediction,
        [TARGET_WEIGHT] = &spec->weight,
    };
    for (int i = 0; i < TARGET_COUNT; i++) {
        struct map_field *field = &mapping->fields[i];
        compile->field = map_target_names[i];
        int result = specs[i]->count ? field_compile(compile, specs[i], field)
                                     : canonical_compile(compile, canonical_fields[i], field);
        if (result == 0 && i == TARGET_TIME && !specs[i]->count && mapping->format == INPUT_CSV) {
            struct map_field other;
            result = canonical_compile(compile, csv_time_column, &other);
            field->accessors[field->count++] = other.accessors[0];
        }
        if (result != 0)
            return result;
    }
    return 0;
}

/* ---- groups ---- */

static int globs_compile(struct compile *compile, char *const *globs, const char *const **out)
{
    uint32_t count = 0;
    while (count < GLOB_MAX && globs[count])
        count++;
    if (count == 0)
        return 0;
    const char **copy = arena_zalloc(compile->mapping->arena, (count + 1) * sizeof(*copy));
    if (!copy)
        return out_of_memory(compile);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = arena_strdup(compile->mapping->arena, globs[i]);
        if (!copy[i])
            return out_of_memory(compile);
        if (*copy[i] == '\0')
            return complain(compile, "an empty glob matches nothing:", "");
    }
    *out = copy;
    return 0;
}

static int named_compile(struct compile *compile, const struct group_spec *spec, struct map_group *out)
{
    if (spec->named_count > NAMED_ACCESSOR_MAX)
        return complain(compile, "too many names, the most is", "32");
    if (spec->named_count == 0)
        return 0;
    out->named = arena_zalloc(compile->mapping->arena, spec->named_count * sizeof(*out->named));
    if (!out->named)
        return out_of_memory(compile);
    for (uint32_t i = 0; i < spec->named_count; i++) {
        struct map_named *named = &out->named[i];
        struct text name = text_of(spec->names[i]);
        if (!mapping_name_is_sound(name, 256))
            return complain(compile, "a name is 1 to 256 bytes without control characters:",
                            spec->names[i] ? spec->names[i] : "");
        for (uint32_t k = 0; k < i; k++)
            if (text_equal(out->named[k].name, name))
                return complain(compile, "named twice:", spec->names[i]);
        if (spec->accessors[i].count == 0)
            return complain(compile, "no place is given for", spec->names[i]);
        named->name = (struct text){arena_text(compile->mapping->arena, name), name.len};
        if (!named->name.ptr)
            return out_of_memory(compile);
        int result = field_compile(compile, &spec->accessors[i], &named->field);
        if (result != 0)
            return result;
        out->named_count = i + 1;
    }
    return 0;
}

static int group_object_compile(struct compile *compile, const struct group_spec *spec, int id)
{
    struct mapping *mapping = compile->mapping;
    struct map_group *group = &mapping->groups[id];
    /* Globs alone filter the canonical place. */
    bool globs_only = spec->set && !spec->object && !spec->named_count && (group->include || group->exclude);
    bool canonical = !spec->set || globs_only;
    const char *pointer = canonical ? canonical_groups[id] : spec->object;
    if (!pointer)
        return 0;
    group->object = arena_strdup(mapping->arena, pointer);
    if (!group->object)
        return out_of_memory(compile);
    if (mapping->format == INPUT_CSV) {
        if (!canonical && *pointer)
            return complain(compile, "in CSV an object is the row, \"\", not", pointer);
        group->from_prefix = canonical;
        group->from_row = !canonical;
        return 0;
    }
    uint32_t node;
    int result = pointer_add(compile, pointer, &node);
    if (result == 0)
        mapping->nodes[node].groups |= (uint8_t)(1U << id);
    return result;
}

static int groups_compile(struct compile *compile, const struct mapping_spec *spec)
{
    const struct group_spec *specs[GROUP_COUNT] = {
        [GROUP_FEATURES] = &spec->features, [GROUP_SCORES] = &spec->scores,
        [GROUP_SEGMENTS] = &spec->segments, [GROUP_GROUPS] = &spec->groups,
        [GROUP_KPIS] = &spec->kpis,         [GROUP_ATTRIBUTIONS] = &spec->attributions,
    };
    for (int i = 0; i < GROUP_COUNT; i++) {
        struct map_group *group = &compile->mapping->groups[i];
        compile->field = map_group_names[i];
        int result = 0;
        if (specs[i]->set) {
            result = globs_compile(compile, specs[i]->include, &group->include);
            if (result == 0)
                result = globs_compile(compile, specs[i]->exclude, &group->exclude);
            if (result == 0)
                result = named_compile(compile, specs[i], group);
        }
        if (result == 0)
            result = group_object_compile(compile, specs[i], i);
        if (result != 0)
            return result;
    }
    return 0;
}

static bool any_glob_matches(const char *const *globs, struct text name)
{
    for (; globs && *globs; globs++)
        if (text_glob(*globs, name))
            return true;
    return false;
}

bool mapping_group_takes(const struct map_group *group, struct text name)
{
    if (group->include && !any_glob_matches(group->include, name))
        return false;
    if (any_glob_matches(group->exclude, name))
        return false;
    for (uint32_t i = 0; i < group->named_count; i++)
        if (text_equal(group->named[i].name, name))
            return false;
    return true;
}

uint8_t mapping_member_groups(const struct mapping *mapping, uint32_t node, struct text name)
{
    uint8_t candidates = mapping->nodes[node].groups, taken = 0;
    if (!candidates)
        return 0;
    uint32_t child = mapping_child(mapping, node, name);
    if (child != MAP_NONE) {
        /* At the root a member that an accessor names is that field and no feature; elsewhere it may be both,
         * unless it is a place of its own. */
        const struct map_node *place = &mapping->nodes[child];
        if (node == 0 || place->groups || place->children != MAP_NONE)
            return 0;
    }
    for (unsigned id = 0; id < GROUP_COUNT; id++)
        if ((candidates & (1U << id)) && mapping_group_takes(&mapping->groups[id], name))
            taken |= (uint8_t)(1U << id);
    return taken;
}

static bool has_control_character(const unsigned char *at, const unsigned char *end)
{
    for (; at < end; at++) {
        if (*at < 0x20 || *at == 0x7f)
            return true;
        /* U+0080 … U+009F, the second set of control characters */
        if (*at == 0xc2 && at + 1 < end && at[1] < 0xa0)
            return true;
    }
    return false;
}

/* Whether all eight bytes are from the space to the tilde. */
static bool is_plain(uint64_t word)
{
    uint64_t odd = word | (word - UINT64_C(0x2020202020202020)) | (word + UINT64_C(0x0101010101010101));
    return !(odd & UINT64_C(0x8080808080808080));
}

static uint64_t load4(const unsigned char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t load8(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

bool mapping_name_is_sound(struct text name, uint32_t max_bytes)
{
    if (!name.ptr || name.len == 0 || name.len > max_bytes)
        return false;
    const unsigned char *at = (const unsigned char *)name.ptr, *end = at + name.len;
    bool plain = true;
    if (name.len >= 8) {
        for (const unsigned char *word = at; word + 8 <= end; word += 8)
            plain &= is_plain(load8(word));
        plain &= is_plain(load8(end - 8));
    } else if (name.len >= 4) {
        plain = is_plain(load4(at) | load4(end - 4) << 32);
    } else {
        for (const unsigned char *byte = at; byte < end; byte++)
            plain &= *byte >= 0x20 && *byte < 0x7f;
    }
    return plain || !has_control_character(at, end);
}

/* ---- the whole ---- */

static int select_compile(struct compile *compile, const struct select_spec *spec)
{
    struct mapping *mapping = compile->mapping;
    mapping->select_slot = MAP_NONE;
    if (!spec->pointer)
        return 0;
    compile->field = "select";
    if (!spec->equals)
        return complain(compile, "`equals` is missing for", spec->pointer);
    mapping->select_pointer = (struct text){arena_strdup(mapping->arena, spec->pointer), 0};
    mapping->select_equals = (struct text){arena_strdup(mapping->arena, spec->equals), 0};
    if (!mapping->select_pointer.ptr || !mapping->select_equals.ptr)
        return out_of_memory(compile);
    mapping->select_pointer.len = (uint32_t)strlen(spec->pointer);
    mapping->select_equals.len = (uint32_t)strlen(spec->equals);
    return slot_add(compile, spec->pointer, &mapping->select_slot);
}

static int compile_all(struct compile *compile, const struct mapping_spec *spec)
{
    struct mapping *mapping = compile->mapping;
    compile->field = "kind";
    if ((unsigned)spec->format >= INPUT_FORMAT_COUNT)
        return complain(compile, "unknown", "format");
    if (spec->has_kind && (unsigned)spec->kind >= EVENT_KIND_COUNT)
        return complain(compile, "unknown", "kind");
    if (spec->has_kind && spec->type.count)
        return complain(compile, "`kind` fixes the type of every event; leave out either it or",
                        "fields.type");
    if (spec->csv_delimiter && (strchr("\"\r\n", spec->csv_delimiter) || (spec->csv_delimiter & 0x80))) {
        compile->field = "delimiter";
        return complain(compile, "a CSV delimiter is one ASCII character, no quote and no line break, not",
                        (char[]){spec->csv_delimiter, '\0'});
    }
    mapping->format = spec->format;
    mapping->has_kind = spec->has_kind;
    mapping->kind = spec->kind;
    mapping->time_unit = spec->time_unit;
    mapping->csv_delimiter = spec->csv_delimiter ? spec->csv_delimiter : ',';
    if (node_new(mapping, text_of("")) == MAP_NONE)
        return out_of_memory(compile);
    int result = fields_compile(compile, spec);
    if (result == 0)
        result = groups_compile(compile, spec);
    if (result == 0)
        result = select_compile(compile, &spec->select);
    return result;
}

int mapping_compile(struct mapping **out, const struct mapping_spec *spec, const char *where, struct err *err)
{
    struct mapping *mapping = calloc(1, sizeof(*mapping));
    struct compile compile = {mapping, where, "mapping", err};
    if (mapping)
        mapping->arena = arena_new(4096, 0);
    if (!mapping || !mapping->arena) {
        mapping_free(mapping);
        return out_of_memory(&compile);
    }
    int result = compile_all(&compile, spec);
    if (result != 0) {
        mapping_free(mapping);
        return result;
    }
    *out = mapping;
    return 0;
}

void mapping_free(struct mapping *mapping)
{
    if (!mapping)
        return;
    arena_free(mapping->arena);
    free(mapping->nodes);
    free(mapping);
}

enum input_format mapping_format(const struct mapping *mapping)
{
    return mapping->format;
}

static void field_release(struct field_spec *field)
{
    for (uint32_t i = 0; i < field->count && i < ACCESSOR_MAX; i++)
        free(field->accessors[i].argument);
}

static void group_release(struct group_spec *group)
{
    free(group->object);
    for (uint32_t i = 0; i < GLOB_MAX; i++) {
        free(group->include[i]);
        free(group->exclude[i]);
    }
    for (uint32_t i = 0; i < group->named_count && i < NAMED_ACCESSOR_MAX; i++) {
        free(group->names[i]);
        field_release(&group->accessors[i]);
    }
}

void mapping_spec_release(struct mapping_spec *spec)
{
    struct field_spec *fields[] = {&spec->type,    &spec->id,    &spec->time,       &spec->model,
                                   &spec->version, &spec->score, &spec->prediction, &spec->label,
                                   &spec->latency, &spec->weight};
    struct group_spec *groups[] = {&spec->features, &spec->scores, &spec->segments,
                                   &spec->groups,   &spec->kpis,   &spec->attributions};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        field_release(fields[i]);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        group_release(groups[i]);
    free(spec->select.pointer);
    free(spec->select.equals);
    *spec = (struct mapping_spec){0};
}

static bool field_reads_headers(const struct field_spec *field)
{
    for (uint32_t i = 0; i < field->count; i++)
        if (field->accessors[i].type == ACCESS_HEADER)
            return true;
    return false;
}

bool mapping_spec_reads_headers(const struct mapping_spec *spec)
{
    const struct field_spec *fields[] = {&spec->type,    &spec->id,    &spec->time,       &spec->model,
                                         &spec->version, &spec->score, &spec->prediction, &spec->label,
                                         &spec->latency, &spec->weight};
    const struct group_spec *groups[] = {&spec->features, &spec->scores, &spec->segments,
                                         &spec->groups,   &spec->kpis,   &spec->attributions};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (field_reads_headers(fields[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        for (uint32_t k = 0; k < groups[i]->named_count; k++)
            if (field_reads_headers(&groups[i]->accessors[k]))
                return true;
    return false;
}
