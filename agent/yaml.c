#include "agent/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "agent/base/text.h"

enum { ANCHORS_MAX = 256 }; /* they are found one after the other */

/* A collection whose end has not come yet. */
struct frame {
    struct yaml_node *node;
    const char *key; /* of the value that comes next; NULL: a key comes next (or it is a sequence) */
    uint32_t key_line, key_column;
};

struct anchor {
    const char *name;
    struct yaml_node *node; /* NULL: a key, which cannot be repeated */
    struct anchor *next;
};

struct builder {
    yaml_parser_t parser;
    const char *bytes;
    size_t len;
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct frame stack[YAML_DEPTH_MAX];
    uint32_t depth;
    uint32_t nodes;
    struct anchor *anchors;
    uint32_t anchor_count;
    struct yaml_node *root;
    bool stop;
};

static void stop(struct builder *builder, yaml_mark_t mark, const char *message)
{
    diagnostics_error(builder->diagnostics, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1, "%s",
                      message);
    builder->stop = true;
}

static void out_of_memory(struct builder *builder)
{
    builder->diagnostics->out_of_memory = true;
    builder->stop = true;
}

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark)
{
    if (++builder->nodes > YAML_NODES_MAX) {
        stop(builder, mark,
             "the file is too large: more than 50000 values, aliases counted where they are used");
        return NULL;
    }
    struct yaml_node *node = arena_zalloc(builder->arena, sizeof(*node));
    if (!node) {
        out_of_memory(builder);
        return NULL;
    }
    node->kind = kind;
    node->line = (uint32_t)mark.line + 1;
    node->column = (uint32_t)mark.column + 1;
    return node;
}

static void append(struct yaml_node *parent, struct yaml_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

/* Puts a finished or just opened node where it belongs. */
static void place(struct builder *builder, struct yaml_node *node, yaml_mark_t mark)
{
    if (builder->depth == 0) {
        builder->root = node;
        return;
    }
    struct frame *frame = &builder->stack[builder->depth - 1];
    if (frame->node->count == YAML_ENTRIES_MAX) {
        stop(builder, mark, "too many entries in one collection (the maximum is 1024)");
        return;
    }
    if (frame->node->kind == YAML_MAPPING) {
        node->key = frame->key;
        node->key_line = frame->key_line;
        node->key_column = frame->key_column;
        frame->key = NULL;
    }
    append(frame->node, node);
}

static bool expects_key(const struct builder *builder)
{
    if (builder->depth == 0)
        return false;
    const struct frame *frame = &builder->stack[builder->depth - 1];
    return frame->node->kind == YAML_MAPPING && !frame->key;
}

static void take_key(struct builder *builder, const char *key, yaml_mark_t mark)
{
    struct frame *frame = &builder->stack[builder->depth - 1];
    uint32_t line = (uint32_t)mark.line + 1, column = (uint32_t)mark.column + 1;
    if (strcmp(key, "<<") == 0)
        diagnostics_error(builder->diagnostics, line, column, "merge keys (`<<`) are not supported");
    else if (*key == '\0')
        diagnostics_error(builder->diagnostics, line, column, "an empty key");
    const struct yaml_node *old = yaml_get(frame->node, key);
    if (old)
        diagnostics_error(builder->diagnostics, line, column, "duplicate key `%.100s`; it is also on line %u",
                          key, old->key_line);
    frame->key = key;
    frame->key_line = line;
    frame->key_column = column;
}

static void remember_anchor(struct builder *builder, const yaml_char_t *name, struct yaml_node *node,
                            yaml_mark_t mark)
{
    if (!name)
        return;
    if (++builder->anchor_count > ANCHORS_MAX) {
        stop(builder, mark, "more than 256 anchors");
        return;
    }
    struct anchor *anchor = arena_alloc(builder->arena, sizeof(*anchor));
    char *copy = arena_strdup(builder->arena, (const char *)name);
    if (!anchor || !copy) {
        out_of_memory(builder);
        return;
    }
    *anchor = (struct anchor){copy, node, builder->anchors};
    builder->anchors = anchor;
}

static bool is_open(const struct builder *builder, const struct yaml_node *node)
{
    for (uint32_t i = 0; i < builder->depth; i++)
        if (builder->stack[i].node == node)
            return true;
    return false;
}

/* Every use of an alias is a copy of its own, so that what walks the tree sees no sharing and the bound on
 * nodes is a bound on work. Recursion is bounded by YAML_DEPTH_MAX. */
static struct yaml_node *copy_node(struct builder *builder, const struct yaml_node *from, uint32_t depth,
                                   yaml_mark_t mark)
{
    if (depth >= YAML_DEPTH_MAX) {
        stop(builder, mark, "nested too deeply (the maximum is 32 levels)");
        return NULL;
    }
    struct yaml_node *node = new_node(builder, from->kind, mark);
    if (!node)
        return NULL;
    struct yaml_node fresh = *from;
    fresh.first = fresh.last = fresh.next = NULL;
    fresh.count = 0;
    *node = fresh;
    for (const struct yaml_node *child = from->first; child; child = child->next) {
        struct yaml_node *copy = copy_node(builder, child, depth + 1, mark);
        if (!copy)
            return NULL;
        append(node, copy);
    }
    return node;
}

static void on_alias(struct builder *builder, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = builder->anchors;
    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    if (!anchor || !anchor->node) {
        stop(builder, event->start_mark, "this alias names no value before it");
    } else if (is_open(builder, anchor->node)) {
        stop(builder, event->start_mark, "this alias stands inside the value that it names");
    } else if (expects_key(builder)) {
        stop(builder, event->start_mark, "an alias cannot be a key");
    } else {
        struct yaml_node *node = copy_node(builder, anchor->node, builder->depth, event->start_mark);
        if (node)
            place(builder, node, event->start_mark);
    }
}

static bool text_is_null(const char *text)
{
    return *text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
           strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static void on_scalar(struct builder *builder, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (event->data.scalar.tag) {
        stop(builder, event->start_mark, "tags are not supported");
        return;
    }
    if (len > YAML_SCALAR_BYTES_MAX) {
        stop(builder, event->start_mark, "a text of more than 65536 bytes");
        return;
    }
    if (strlen(value) != len) {
        stop(builder, event->start_mark, "a text with a NUL character");
        return;
    }
    char *text = arena_strdup(builder->arena, value);
    if (!text) {
        out_of_memory(builder);
        return;
    }
    if (expects_key(builder)) {
        remember_anchor(builder, event->data.scalar.anchor, NULL, event->start_mark);
        take_key(builder, text, event->start_mark);
        return;
    }
    struct yaml_node *node = new_node(builder, YAML_SCALAR, event->start_mark);
    if (!node)
        return;
    node->text = text;
    node->is_null = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && text_is_null(text);
    remember_anchor(builder, event->data.scalar.anchor, node, event->start_mark);
    place(builder, node, event->start_mark);
}

static void on_begin(struct builder *builder, enum yaml_kind kind, const yaml_char_t *anchor,
                     const yaml_char_t *tag, yaml_mark_t mark)
{
    if (tag) {
        stop(builder, mark, "tags are not supported");
        return;
    }
    if (expects_key(builder)) {
        stop(builder, mark, "a key must be a plain text; quote texts that begin with { or [");
        return;
    }
    if (builder->depth == YAML_DEPTH_MAX) {
        stop(builder, mark, "nested too deeply (the maximum is 32 levels)");
        return;
    }
    struct yaml_node *node = new_node(builder, kind, mark);
    if (!node)
        return;
    remember_anchor(builder, anchor, node, mark);
    place(builder, node, mark);
    builder->stack[builder->depth++] = (struct frame){.node = node};
}

static void on_document(struct builder *builder, const yaml_event_t *event)
{
    if (builder->root)
        stop(builder, event->start_mark, "a second document; a configuration is one");
}

/* True until the stream ends. */
static bool on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        on_alias(builder, event);
        break;
    case YAML_SCALAR_EVENT:
        on_scalar(builder, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        on_begin(builder, YAML_SEQUENCE, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                 event->start_mark);
        break;
    case YAML_MAPPING_START_EVENT:
        on_begin(builder, YAML_MAPPING, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                 event->start_mark);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        break;
    case YAML_DOCUMENT_START_EVENT:
        on_document(builder, event);
        break;
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        break;
    }
    return !builder->stop;
}

/* Whether the character of that number is a tab: what most often goes wrong, and libyaml calls it a character
 * that cannot start any token. */
static bool is_tab(const struct builder *builder, size_t index)
{
    size_t at = 0;
    for (; index > 0 && at < builder->len; index--) {
        uint32_t step = text_utf8_length(builder->bytes + at, builder->len - at);
        at += step ? step : 1;
    }
    return at < builder->len && builder->bytes[at] == '\t';
}

static void on_syntax_error(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    uint32_t line = (uint32_t)parser->problem_mark.line + 1;
    uint32_t column = (uint32_t)parser->problem_mark.column + 1;
    const char *problem = parser->problem ? parser->problem : "unknown problem";
    if (parser->error == YAML_MEMORY_ERROR)
        out_of_memory(builder);
    else if (is_tab(builder, parser->problem_mark.index))
        diagnostics_error(builder->diagnostics, line, column, "a tab; YAML is indented with spaces");
    else if (parser->context && parser->context_mark.line + 1 != line)
        diagnostics_error(builder->diagnostics, line, column,
                          "not valid YAML: %s (%s that began on line %zu)", problem, parser->context,
                          parser->context_mark.line + 1);
    else
        diagnostics_error(builder->diagnostics, line, column, "not valid YAML: %s", problem);
}

/* libyaml tells of bytes it cannot read only by offset; and it would guess UTF-16. */
static bool check_bytes(const char *bytes, size_t len, struct diagnostics *diagnostics)
{
    uint32_t line = 1, column = 1;
    for (size_t at = 0; at < len;) {
        uint32_t step = text_utf8_length(bytes + at, len - at);
        if (step == 0) {
            diagnostics_error(diagnostics, line, column,
                              "not valid UTF-8 (byte 0x%02x); is this a text file?",
                              (unsigned char)bytes[at]);
            return false;
        }
        unsigned char byte = (unsigned char)bytes[at];
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
            diagnostics_error(diagnostics, line, column, "a control character (0x%02x); is this a text file?",
                              byte);
            return false;
        }
        column++;
        if (byte == '\n') {
            line++;
            column = 1;
        }
        at += step;
    }
    return true;
}

static void parse(struct builder *builder, const char *bytes, size_t len)
{
    if (!yaml_parser_initialize(&builder->parser)) {
        out_of_memory(builder);
        return;
    }
    yaml_parser_set_encoding(&builder->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder->parser, (const unsigned char *)bytes, len);
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&builder->parser, &event)) {
            on_syntax_error(builder);
            builder->stop = true;
            break;
        }
        more = on_event(builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&builder->parser);
}

struct yaml_node *yaml_parse(const char *bytes, size_t len, struct arena *arena,
                             struct diagnostics *diagnostics)
{
    struct builder builder = {.bytes = bytes, .len = len, .arena = arena, .diagnostics = diagnostics};
    if (len > YAML_BYTES_MAX) {
        diagnostics_error(diagnostics, 0, 0, "larger than 1 MiB: this is no configuration");
        return NULL;
    }
    if (!check_bytes(bytes, len, diagnostics))
        return NULL;
    parse(&builder, bytes, len);
    if (builder.stop)
        return NULL;
    if (!builder.root || builder.root->is_null) {
        struct yaml_node *empty = arena_zalloc(arena, sizeof(*empty));
        if (!empty) {
            diagnostics->out_of_memory = true;
            return NULL;
        }
        empty->kind = YAML_MAPPING;
        empty->line = empty->column = 1;
        return empty;
    }
    return builder.root;
}

struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
    if (!node || node->kind != YAML_MAPPING)
        return NULL;
    for (struct yaml_node *child = node->first; child; child = child->next)
        if (child->key && strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

struct yaml_node *yaml_item(const struct yaml_node *node, uint32_t index)
{
    if (!node)
        return NULL;
    struct yaml_node *child = node->first;
    while (child && index-- > 0)
        child = child->next;
    return child;
}

bool yaml_is_bad(const struct yaml_node *node)
{
    if (!node)
        return false;
    if (node->is_bad)
        return true;
    for (const struct yaml_node *child = node->first; child; child = child->next)
        if (yaml_is_bad(child))
            return true;
    return false;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    switch (node->kind) {
    case YAML_SEQUENCE:
        return "a list";
    case YAML_MAPPING:
        return "a mapping";
    case YAML_SCALAR:
    default:
        return node->is_null ? "nothing" : "a text";
    }
}
