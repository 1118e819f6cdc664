#ifndef DRIFTD_COLLECTORS_MAPPING_COMPILED_H
#define DRIFTD_COLLECTORS_MAPPING_COMPILED_H
/*
 * What mapping_compile makes of a spec; for decode*.c only. Every JSON Pointer of the mapping becomes a path
 * in one trie, so that a decoder walks a payload once. A node may carry a slot (the value found there is
 * kept), be the object of groups (its members are kept), and have children.
 */
#include "agent/base/arena.h"
#include "collectors/mapping.h"

enum map_target {
    TARGET_TYPE,
    TARGET_ID,
    TARGET_TIME,
    TARGET_MODEL,
    TARGET_VERSION,
    TARGET_SCORE,
    TARGET_PREDICTION,
    TARGET_LABEL,
    TARGET_LATENCY,
    TARGET_WEIGHT,
    TARGET_COUNT
};

enum map_group_id {
    GROUP_FEATURES,
    GROUP_SCORES,
    GROUP_SEGMENTS,
    GROUP_GROUPS,
    GROUP_KPIS,
    GROUP_ATTRIBUTIONS,
    GROUP_COUNT
};

enum map_meta { META_TIMESTAMP, META_TOPIC, META_PARTITION, META_OFFSET, META_COUNT };

#define MAP_NONE UINT32_MAX

struct map_node {
    struct text name;  /* the unescaped token; of array items the index in decimal */
    uint32_t slot;     /* MAP_NONE: none */
    uint8_t groups;    /* bit per map_group_id: the object here is theirs */
    uint32_t children; /* index of the first, MAP_NONE: none */
    uint32_t sibling;  /* next child of the same parent, MAP_NONE: last */
};

struct map_accessor {
    enum accessor_type type;
    uint32_t slot;         /* ACCESS_POINTER */
    struct text argument;  /* as the user wrote it */
    enum map_meta meta;    /* ACCESS_META */
    struct value constant; /* ACCESS_CONST: VALUE_NUMBER when it reads as a number, else VALUE_STRING */
};

struct map_field {
    struct map_accessor accessors[ACCESSOR_MAX];
    uint32_t count;
};

struct map_named {
    struct text name;
    struct map_field field;
};

struct map_group {
    const char *const *include, *const *exclude; /* NULL-terminated; include NULL: everything */
    const char *object;                          /* pointer for messages; NULL: names only */
    bool from_row;                               /* CSV: every column that nothing else names */
    bool from_prefix; /* CSV: columns "features.x"; without any of them features take the row */
    struct map_named *named;
    uint32_t named_count;
};

struct mapping {
    struct arena *arena; /* owns every text here */
    enum input_format format;
    bool has_kind;
    enum event_kind kind;
    enum time_unit time_unit;
    char csv_delimiter;
    struct text select_pointer, select_equals; /* ptr NULL: no filter */
    uint32_t select_slot;
    struct map_field fields[TARGET_COUNT];
    struct map_group groups[GROUP_COUNT];
    struct map_node *nodes; /* [0] is the root */
    uint32_t node_count, node_capacity;
    uint32_t slot_count;
};

/* The child of `node` with this name, or MAP_NONE. */
uint32_t mapping_child(const struct mapping *mapping, uint32_t node, struct text name);
/* Whether an object's member belongs to the group: globs, and names with accessors of their own. */
bool mapping_group_takes(const struct map_group *group, struct text name);
/* The groups whose member is the value of `name` in the object at `node`: bits. */
uint8_t mapping_member_groups(const struct mapping *mapping, uint32_t node, struct text name);
/* Whether a name may stand in tables, logs and web pages: not empty, no control characters, bounded. */
bool mapping_name_is_sound(struct text name, uint32_t max_bytes);

/* "model", "features" … as in the configuration. */
extern const char *const map_target_names[TARGET_COUNT];
extern const char *const map_group_names[GROUP_COUNT];

#endif
