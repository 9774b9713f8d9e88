#include "fleet/document.h"

#include "base/check.h"

struct fleet_place fleet_node_place(const struct fleet_document *document, uint32_t node)
{
    CHECK(node < document->count);
    const struct fleet_node *at = &document->nodes[node];
    return (struct fleet_place){document->file, at->line, at->column};
}

struct fleet_place fleet_node_key_place(const struct fleet_document *document, uint32_t node)
{
    CHECK(node < document->count);
    const struct fleet_node *at = &document->nodes[node];
    if (at->key_line == 0)
        return fleet_node_place(document, node);
    return (struct fleet_place){document->file, at->key_line, at->key_column};
}

uint32_t fleet_node_child(const struct fleet_document *document, uint32_t node, const char *key)
{
    CHECK(node < document->count);
    uint32_t child = document->nodes[node].first;
    while (child != FLEET_NODE_NONE && !span_is(document->nodes[child].key, key))
        child = document->nodes[child].next;
    return child;
}

static const struct fleet_setting *setting_of(const struct fleet_document *document, uint32_t node,
                                              const char *key)
{
    const struct fleet_setting *setting =
        fleet_setting_find(document->nodes[node].setting, span_of(key));
    CHECK(setting);
    return setting;
}

int64_t fleet_node_number(const struct fleet_document *document, uint32_t node, const char *key)
{
    const struct fleet_setting *setting = setting_of(document, node, key);
    uint32_t child = fleet_node_child(document, node, key);
    if (child != FLEET_NODE_NONE && !document->nodes[child].is_bad)
        return document->nodes[child].number;
    int64_t number = 0;
    if (setting->default_text[0] != '\0')
        CHECK(fleet_setting_parse(setting, span_of(setting->default_text), &number));
    return number;
}

struct span fleet_node_text(const struct fleet_document *document, uint32_t node, const char *key)
{
    uint32_t child = fleet_node_child(document, node, key);
    if (child != FLEET_NODE_NONE)
        return document->nodes[child].text;
    return span_of(setting_of(document, node, key)->default_text);
}

void fleet_node_spoil(struct fleet_document *document, uint32_t node)
{
    CHECK(node < document->count);
    document->nodes[node].is_bad = true;
    while (node != 0) {
        node = document->nodes[node].parent;
        document->nodes[node].is_bad = true;
    }
}
