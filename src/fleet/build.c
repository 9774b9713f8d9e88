#include "fleet/build.h"

#include "base/check.h"
#include "fleet/layout.h"

void *fleet_builder_array(struct fleet_builder *builder, size_t count, size_t size)
{
    void *array = arena_take_array(builder->arena, count ? count : 1, size);
    builder->is_out_of_memory = builder->is_out_of_memory || !array;
    return array;
}

struct span fleet_builder_keep(struct fleet_builder *builder, struct span s)
{
    struct span copy = arena_copy(builder->arena, s);
    builder->is_out_of_memory = builder->is_out_of_memory || !copy.p;
    return copy;
}

struct span fleet_builder_path(struct fleet_builder *builder, struct span path)
{
    bool is_whole = path.n == 0 || path.p[0] == '/' || builder->folder.n == 0;
    if (is_whole)
        return fleet_builder_keep(builder, path);
    size_t n = builder->folder.n + 1 + path.n;
    char *p = arena_take(builder->arena, n + 1);
    if (!p) {
        builder->is_out_of_memory = true;
        return (struct span){NULL, 0};
    }
    memcpy(p, builder->folder.p, builder->folder.n);
    p[builder->folder.n] = '/';
    memcpy(p + builder->folder.n + 1, path.p, path.n);
    p[n] = '\0';
    return span_from(p, n);
}

uint32_t fleet_builder_list(struct fleet_builder *builder, const char *key, uint16_t *ret_count)
{
    uint32_t list = fleet_node_child(builder->document, 0, key);
    const struct fleet_node *node = &builder->document->nodes[list];
    bool is_list = list != FLEET_NODE_NONE && node->kind == FLEET_NODE_LIST &&
                   node->child_count <= (uint64_t)node->setting->max;
    *ret_count = is_list ? (uint16_t)node->child_count : 0;
    return is_list ? list : FLEET_NODE_NONE;
}

void fleet_names_init(struct fleet_builder *builder, struct fleet_names *names, const char *list,
                      uint16_t room)
{
    *names = (struct fleet_names){.list = list, .room = room};
    names->names = ARENA_ARRAY(builder->scratch, struct span, room);
    names->nodes = ARENA_ARRAY(builder->scratch, uint32_t, room);
    builder->is_out_of_memory = builder->is_out_of_memory || !names->names || !names->nodes;
}

void fleet_names_add(struct fleet_builder *builder, struct fleet_names *names, struct span name,
                     uint32_t node)
{
    CHECK(names->count < names->room);
    for (uint16_t i = 0; i < names->count && name.n > 0; i++) {
        if (!span_is_equal(names->names[i], name))
            continue;
        fleet_complain(builder->complaints, builder->arena,
                       fleet_node_place(builder->document, node),
                       "name: expected one of its own in %s, found \"%.*s\" again (first in line "
                       "%u)",
                       names->list, SPAN_ARG(name), builder->document->nodes[names->nodes[i]].line);
        fleet_node_spoil(builder->document, node);
        break;
    }
    names->names[names->count] = name;
    names->nodes[names->count++] = node;
}

uint16_t fleet_names_refer(struct fleet_builder *builder, const struct fleet_names *names,
                           uint32_t node)
{
    struct span name = builder->document->nodes[node].text;
    if (builder->document->nodes[node].is_bad)
        return FLEET_NONE;
    for (uint16_t i = 0; i < names->count; i++)
        if (span_is_equal(names->names[i], name))
            return i;
    struct span key = fleet_setting_key(builder->document->nodes[node].setting);
    int nearest = fleet_nearest(name, names->names, names->count);
    struct span word = nearest >= 0 ? names->names[nearest] : (struct span){"", 0};
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "%.*s: expected a name of %s, found \"%.*s\"%s%.*s%s", SPAN_ARG(key),
                   names->list, SPAN_ARG(name), nearest >= 0 ? ": did you mean " : "",
                   SPAN_ARG(word), nearest >= 0 ? "?" : "");
    fleet_node_spoil(builder->document, node);
    return FLEET_NONE;
}

uint16_t fleet_names_refer_child(struct fleet_builder *builder, const struct fleet_names *names,
                                 uint32_t map, const char *key)
{
    uint32_t child = fleet_node_child(builder->document, map, key);
    return child == FLEET_NODE_NONE ? FLEET_NONE : fleet_names_refer(builder, names, child);
}

fleet_zones fleet_builder_zones(struct fleet_builder *builder, uint32_t map, const char *key)
{
    uint32_t list = fleet_node_child(builder->document, map, key);
    if (list == FLEET_NODE_NONE || builder->document->nodes[list].is_bad)
        return UINT32_MAX;
    if (builder->document->nodes[list].child_count == 0) {
        fleet_complain(builder->complaints, builder->arena,
                       fleet_node_place(builder->document, list),
                       "%s: expected at least one zone, found none: nothing could compute it", key);
        return UINT32_MAX;
    }
    fleet_zones zones = 0;
    uint32_t item = builder->document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = builder->document->nodes[item].next) {
        uint16_t zone = fleet_names_refer(builder, &builder->zones, item);
        if (zone != FLEET_NONE)
            zones |= UINT32_C(1) << zone;
    }
    return zones;
}

static void build_listen(struct fleet_builder *builder)
{
    struct fleet_listen *listen = &builder->fleet->listen;
    uint32_t node = fleet_node_child(builder->document, 0, "listen");
    listen->threads = 1;
    if (node == FLEET_NODE_NONE || builder->document->nodes[node].kind != FLEET_NODE_MAP)
        return;
    listen->address =
        fleet_builder_keep(builder, fleet_node_text(builder->document, node, "address"));
    listen->threads = (uint16_t)fleet_node_number(builder->document, node, "threads");
    listen->is_insecure = fleet_node_number(builder->document, node, "insecure") != 0;
    struct span log = fleet_node_text(builder->document, node, "access_log");
    if (log.n > 0)
        listen->access_log = fleet_builder_path(builder, log);
}

static void check_ports(struct fleet_builder *builder)
{
    uint32_t count = fleet_port_count(builder->fleet);
    uint32_t room = UINT16_MAX - FLEET_PORT_BASE + 1;
    if (count <= room)
        return;
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, 0),
                   "expected a world of at most %u ports (regions, workers, links), found %u", room,
                   count);
}

enum err fleet_build(struct fleet_builder *builder, const struct fleet **ret_fleet)
{
    struct fleet *fleet = ARENA_NEW(builder->arena, struct fleet);
    if (!fleet)
        return ERR_MEMORY;
    builder->fleet = fleet;
    fleet->epoch = 1;
    fleet->name = fleet_builder_keep(builder, fleet_node_text(builder->document, 0, "world"));

    static void (*const parts[])(struct fleet_builder *) = {
        fleet_build_regions, fleet_build_models, fleet_build_services, fleet_build_keys,
        fleet_build_workers, fleet_build_links,  build_listen,         check_ports,
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i](builder);
        if (builder->is_out_of_memory)
            return ERR_MEMORY;
    }
    if (builder->complaints->count > 0)
        return ERR_SYNTAX;
    *ret_fleet = fleet;
    return ERR_OK;
}
