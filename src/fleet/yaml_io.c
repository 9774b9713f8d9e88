#include "fleet/yaml_io.h"

#include <yaml.h>

#include "base/check.h"
#include "base/limits.h"

/* An open mapping or list. */
struct level {
    uint32_t node;
    uint32_t last; /* its last child so far */
    bool has_key;  /* a mapping: the next event is the value of <key> */
    struct span key;
    uint32_t key_line, key_column;
};

struct reader {
    struct fleet_document document;
    struct arena *scratch, *arena;
    struct fleet_complaints *complaints;
    struct level levels[LIMIT_CONFIG_DEPTH];
    uint32_t depth;
    uint32_t document_count;
    enum err err;
};

static struct fleet_place place_of(const struct reader *reader, yaml_mark_t mark)
{
    return (struct fleet_place){reader->document.file, (uint32_t)mark.line + 1,
                                (uint32_t)mark.column + 1};
}

static void complain(struct reader *reader, yaml_mark_t mark, const char *message)
{
    fleet_complain(reader->complaints, reader->arena, place_of(reader, mark), "%s", message);
    reader->err = ERR_SYNTAX;
}

static struct span copy(struct reader *reader, const yaml_char_t *p, size_t n)
{
    struct span s = arena_copy(reader->scratch, span_from((const char *)p, n));
    if (!s.p)
        reader->err = ERR_MEMORY;
    return s;
}

/* A new node below the open level; its key is the one that waits there. Returns its index. */
static uint32_t add_node(struct reader *reader, enum fleet_node_kind kind, yaml_mark_t mark)
{
    struct fleet_document *document = &reader->document;
    if (document->count == document->count_max) {
        complain(reader, mark, "expected fewer keys and items: this file has more than 65536");
        return FLEET_NODE_NONE;
    }
    uint32_t index = document->count++;
    struct fleet_node *node = &document->nodes[index];
    *node = (struct fleet_node){
        .kind = kind, .line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
    if (reader->depth == 0)
        return index;

    struct level *level = &reader->levels[reader->depth - 1];
    node->parent = level->node;
    if (level->has_key) {
        node->key = level->key;
        node->key_line = level->key_line;
        node->key_column = level->key_column;
        level->has_key = false;
    }
    if (level->last == FLEET_NODE_NONE)
        document->nodes[level->node].first = index;
    else
        document->nodes[level->last].next = index;
    level->last = index;
    document->nodes[level->node].child_count++;
    return index;
}

static bool is_key_due(const struct reader *reader)
{
    if (reader->depth == 0)
        return false;
    const struct level *level = &reader->levels[reader->depth - 1];
    return reader->document.nodes[level->node].kind == FLEET_NODE_MAP && !level->has_key;
}

static void read_scalar(struct reader *reader, const yaml_event_t *event)
{
    if (event->data.scalar.anchor || event->data.scalar.tag)
        complain(reader, event->start_mark,
                 "expected a plain value: anchors and tags are not used here");
    struct span text = copy(reader, event->data.scalar.value, event->data.scalar.length);
    if (is_key_due(reader)) {
        struct level *level = &reader->levels[reader->depth - 1];
        level->has_key = true;
        level->key = text;
        level->key_line = (uint32_t)event->start_mark.line + 1;
        level->key_column = (uint32_t)event->start_mark.column + 1;
        return;
    }
    uint32_t index = add_node(reader, FLEET_NODE_SCALAR, event->start_mark);
    if (reader->err != ERR_OK)
        return;
    reader->document.nodes[index].text = text;
    reader->document.nodes[index].is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
}

static void open_level(struct reader *reader, const yaml_event_t *event, enum fleet_node_kind kind,
                       bool is_marked)
{
    if (is_marked)
        complain(reader, event->start_mark,
                 "expected a plain value: anchors and tags are not used here");
    if (is_key_due(reader))
        complain(reader, event->start_mark, "expected a word as key, found a mapping or a list");
    if (reader->depth == LIMIT_CONFIG_DEPTH)
        complain(reader, event->start_mark, "expected at most 8 levels of nesting");
    if (reader->err != ERR_OK)
        return;
    uint32_t index = add_node(reader, kind, event->start_mark);
    reader->levels[reader->depth++] = (struct level){.node = index};
}

static void take_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++reader->document_count > 1)
            complain(reader, event->start_mark, "expected one document, found a second one");
        break;
    case YAML_ALIAS_EVENT:
        complain(reader, event->start_mark, "expected a plain value: aliases are not used here");
        break;
    case YAML_SCALAR_EVENT:
        read_scalar(reader, event);
        break;
    case YAML_MAPPING_START_EVENT:
        open_level(reader, event, FLEET_NODE_MAP,
                   event->data.mapping_start.anchor || event->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_START_EVENT:
        open_level(reader, event, FLEET_NODE_LIST,
                   event->data.sequence_start.anchor || event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        CHECK(reader->depth > 0);
        reader->depth--;
        break;
    default:
        break;
    }
}

static void complain_parser(struct reader *reader, const yaml_parser_t *parser)
{
    struct fleet_place place = {reader->document.file, 0, 0};
    bool has_mark = parser->error == YAML_SCANNER_ERROR || parser->error == YAML_PARSER_ERROR;
    if (has_mark)
        place = place_of(reader, parser->problem_mark);
    if (parser->error == YAML_MEMORY_ERROR) {
        reader->err = ERR_MEMORY;
        return;
    }
    const char *problem = parser->problem ? parser->problem : "unknown problem";
    if (has_mark)
        fleet_complain(reader->complaints, reader->arena, place, "expected YAML, found: %s%s%s",
                       problem, parser->context ? ", " : "",
                       parser->context ? parser->context : "");
    else
        fleet_complain(reader->complaints, reader->arena, place,
                       "expected text in UTF-8, found: %s at byte %zu", problem,
                       parser->problem_offset);
    reader->err = ERR_SYNTAX;
}

static void read_events(struct reader *reader, yaml_parser_t *parser)
{
    bool is_over = false;
    while (!is_over && reader->err == ERR_OK) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            complain_parser(reader, parser);
            return;
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        take_event(reader, &event);
        yaml_event_delete(&event);
    }
}

enum err fleet_yaml_read(struct span bytes, struct span file, struct arena *scratch,
                         struct arena *arena, struct fleet_complaints *complaints,
                         struct fleet_document *ret_document)
{
    struct reader reader = {.scratch = scratch, .arena = arena, .complaints = complaints};
    reader.document.file = file;
    /* Each node takes at least a byte of text. */
    uint32_t node_max = bytes.n < LIMIT_CONFIG_NODES ? (uint32_t)bytes.n + 1 : LIMIT_CONFIG_NODES;
    reader.document.count_max = node_max;
    reader.document.nodes = ARENA_ARRAY(scratch, struct fleet_node, node_max);
    if (!reader.document.nodes)
        return ERR_MEMORY;

    if (span_starts_with(bytes, "\xEF\xBB\xBF"))
        bytes = span_from(bytes.p + 3, bytes.n - 3);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return ERR_MEMORY;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes.p, bytes.n);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    read_events(&reader, &parser);
    yaml_parser_delete(&parser);

    if (reader.err == ERR_OK && reader.document.count == 0) {
        fleet_complain(complaints, arena, (struct fleet_place){file, 0, 0},
                       "expected keys such as `version: 1`, found nothing");
        return ERR_SYNTAX;
    }
    if (reader.err != ERR_OK)
        return reader.err;
    *ret_document = reader.document;
    return ERR_OK;
}
