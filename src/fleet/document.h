/* document.h: a YAML document as flat nodes in the order of the file, each with its place. Node 0
 * is the root; FLEET_NODE_NONE (0) as a child, sibling or result of a search means none.
 *
 * The nodes are made by fleet_yaml_read() (yaml_io.h), matched with the table of settings by
 * fleet_shape_check() (shape.h), and read by name after that. */
#ifndef FLEET_DOCUMENT_H
#define FLEET_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "fleet/complaint.h"
#include "fleet/setting.h"

enum { FLEET_NODE_NONE = 0 };

enum fleet_node_kind { FLEET_NODE_SCALAR, FLEET_NODE_MAP, FLEET_NODE_LIST };

struct fleet_node {
    enum fleet_node_kind kind;
    bool is_quoted;   /* a scalar in quotes or a block */
    bool is_bad;      /* it, or something below it, was complained about */
    struct span key;  /* in a mapping */
    struct span text; /* of a scalar */
    uint32_t key_line, key_column;
    uint32_t line, column;
    uint32_t parent, first, next; /* first: of the children */
    uint32_t child_count;
    const struct fleet_setting *setting; /* NULL: not known (yet) */
    int64_t number;                      /* of a scalar, by its setting */
};

struct fleet_document {
    struct span file; /* as messages name it */
    struct fleet_node *nodes;
    uint32_t count, count_max;
};

/* Where a node's value stands, and where its key stands (an item of a list: its value). */
struct fleet_place fleet_node_place(const struct fleet_document *document, uint32_t node);
struct fleet_place fleet_node_key_place(const struct fleet_document *document, uint32_t node);

/* The child of mapping <node> under <key>, or FLEET_NODE_NONE. */
uint32_t fleet_node_child(const struct fleet_document *document, uint32_t node, const char *key);

/* What the file says under <key>, or else the default of the table. A bad value counts as not
 * there. */
int64_t fleet_node_number(const struct fleet_document *document, uint32_t node, const char *key);
struct span fleet_node_text(const struct fleet_document *document, uint32_t node, const char *key);

/* Marks the node and all above it. */
void fleet_node_spoil(struct fleet_document *document, uint32_t node);

#endif
