#ifndef DRIFTD_AGENT_YAML_H
#define DRIFTD_AGENT_YAML_H
/*
 * A YAML file as a small tree whose nodes know their place. Only what a configuration needs: one document,
 * plain keys, no tags, no merge keys. Everything is bounded: bytes, depth, nodes (aliases count as often as
 * they are used), entries of one collection, bytes of one scalar. Scalars stay text: what a text means is
 * decided by the option that takes it, so `version: 1.10` keeps its zero and `no` is a country. Only yaml.c
 * includes yaml.h of libyaml.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "agent/diagnostics.h"

enum {
    YAML_BYTES_MAX = 1 << 20,
    YAML_DEPTH_MAX = 32,
    YAML_NODES_MAX = 50000,
    YAML_ENTRIES_MAX = 1024,
    YAML_SCALAR_BYTES_MAX = 65536
};

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool is_null;          /* a plain empty, ~ or null */
    bool is_bad;           /* a message was given for this very node: its value is not to be relied on */
    uint32_t line, column; /* from 1 */
    uint32_t key_line, key_column;
    const char *key;  /* in a mapping; else NULL */
    const char *text; /* SCALAR: NUL-terminated, no NUL inside */
    uint32_t count;   /* children */
    struct yaml_node *first, *last, *next;
};

/* The tree lives in `arena`. NULL when there is none to work with; what is wrong is in `diagnostics` (also
 * when a tree came back: duplicate keys). An empty document is an empty mapping. */
struct yaml_node *yaml_parse(const char *bytes, size_t len, struct arena *arena,
                             struct diagnostics *diagnostics);

/* The value of a key, NULL when absent or `node` is no mapping (or NULL). */
struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);
/* The child at an index; NULL when there is none. */
struct yaml_node *yaml_item(const struct yaml_node *node, uint32_t index);
/* Whether this node or any below it is bad. */
bool yaml_is_bad(const struct yaml_node *node);
/* "a text", "a list", "a mapping": for messages. */
const char *yaml_kind_name(const struct yaml_node *node);

#endif
