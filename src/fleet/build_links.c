#include "base/check.h"
#include "fleet/build.h"

/* Both blocks of links as a matrix with a mark for what was said, rows from the catalogue first,
 * then those of the document over them. */
struct table {
    struct fleet_builder *builder;
    struct fleet_link *region_links; /* [from * R + to] */
    struct fleet_link *client_links; /* [zone * R + to] */
    uint32_t *region_said;           /* 0: nothing; otherwise the line that says it, plus <mark> */
    uint32_t *client_said;
    uint16_t regions, zones;
};

enum { SAID_BY_DOCUMENT = 1u << 31 };

struct cell {
    struct fleet_link *link;
    uint32_t *said;
};

/* Where a link from <from> to <to> belongs; link == NULL when a name is not of this fleet. */
static struct cell find_cell(const struct table *table, struct span from, struct span to)
{
    const struct fleet *fleet = table->builder->fleet;
    uint16_t region = fleet_find_region(fleet, to);
    if (region == FLEET_NONE)
        return (struct cell){NULL, NULL};
    bool is_client = span_starts_with(from, "zone:");
    if (is_client)
        from = span_from(from.p + 5, from.n - 5);
    uint16_t row = is_client ? fleet_find_zone(fleet, from) : fleet_find_region(fleet, from);
    if (row == FLEET_NONE)
        return (struct cell){NULL, NULL};
    uint32_t index = (uint32_t)row * table->regions + region;
    struct fleet_link *links = is_client ? table->client_links : table->region_links;
    uint32_t *said = is_client ? table->client_said : table->region_said;
    links[index].from = row;
    links[index].to = region;
    return (struct cell){&links[index], &said[index]};
}

static void set_link(struct fleet_link *link, const int64_t number[CATALOGUE_NUMBERS],
                     bool is_estimate)
{
    link->rtt_us = number[0];
    link->jitter_us = number[1];
    link->bandwidth_bps = (uint64_t)number[2];
    link->loss_ppm = (uint32_t)number[3];
    link->price_usd_micro_gb = number[4];
    link->is_estimate = is_estimate;
}

static void take_catalogue(struct table *table)
{
    struct fleet_builder *builder = table->builder;
    const struct fleet_catalogue_file *file = &builder->catalogue[CATALOGUE_LINKS];
    for (uint32_t i = 0; i < file->count; i++) {
        const struct fleet_catalogue_row *row = &file->rows[i];
        struct cell cell = find_cell(table, row->text[0], row->text[1]);
        if (!cell.link)
            continue; /* of places that this fleet does not have */
        if (*cell.said != 0) {
            fleet_complain(builder->complaints, builder->arena,
                           (struct fleet_place){file->file, row->line, 1},
                           "%.*s to %.*s: expected once, found again (first in line %u)",
                           SPAN_ARG(row->text[0]), SPAN_ARG(row->text[1]), *cell.said);
            continue;
        }
        set_link(cell.link, row->number, row->is_estimate);
        *cell.said = row->line;
    }
}

static void complain_end(struct table *table, uint32_t item, const char *key, struct span name,
                         bool may_be_zone)
{
    struct fleet_builder *builder = table->builder;
    uint32_t node = fleet_node_child(builder->document, item, key);
    if (builder->document->nodes[node].is_bad)
        return;
    fleet_node_spoil(builder->document, node);
    bool is_zone = may_be_zone && span_starts_with(name, "zone:");
    struct span word = is_zone ? span_from(name.p + 5, name.n - 5) : name;
    const struct fleet_names *names = is_zone ? &builder->zones : &builder->regions;
    int nearest = fleet_nearest(word, names->names, names->count);
    struct span best = nearest >= 0 ? names->names[nearest] : (struct span){"", 0};
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "%s: expected a region%s, found \"%.*s\"%s%s%.*s%s", key,
                   may_be_zone ? " or zone:NAME" : "", SPAN_ARG(name),
                   nearest >= 0 ? ": did you mean " : "", nearest >= 0 && is_zone ? "zone:" : "",
                   SPAN_ARG(best), nearest >= 0 ? "?" : "");
}

static void take_item(struct table *table, uint32_t item)
{
    struct fleet_builder *builder = table->builder;
    const struct fleet_document *document = builder->document;
    struct span from = fleet_node_text(document, item, "from");
    struct span to = fleet_node_text(document, item, "to");
    if (from.n == 0 || to.n == 0)
        return; /* complained about as a missing key */
    struct span zone = span_starts_with(from, "zone:") ? span_from(from.p + 5, from.n - 5) : from;
    bool is_from_known = zone.p == from.p ? fleet_find_region(builder->fleet, from) != FLEET_NONE
                                          : fleet_find_zone(builder->fleet, zone) != FLEET_NONE;
    if (!is_from_known)
        complain_end(table, item, "from", from, true);
    if (fleet_find_region(builder->fleet, to) == FLEET_NONE)
        complain_end(table, item, "to", to, false);
    struct cell cell = find_cell(table, from, to);
    if (!cell.link)
        return;
    bool is_again = (*cell.said & SAID_BY_DOCUMENT) != 0;
    if (is_again || span_is_equal(from, to)) {
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                       is_again ? "expected once, found a link of this pair again"
                                : "expected two different ends, found one region");
        return;
    }
    int64_t number[CATALOGUE_NUMBERS] = {
        fleet_node_number(document, item, "rtt"),       fleet_node_number(document, item, "jitter"),
        fleet_node_number(document, item, "bandwidth"), fleet_node_number(document, item, "loss"),
        fleet_node_number(document, item, "price"),
    };
    set_link(cell.link, number, fleet_node_number(document, item, "estimate") != 0);
    *cell.said = document->nodes[item].line | SAID_BY_DOCUMENT;
}

static void take_document(struct table *table)
{
    uint16_t count;
    uint32_t list = fleet_builder_list(table->builder, "links", &count);
    if (count == 0)
        return;
    const struct fleet_node *nodes = table->builder->document->nodes;
    for (uint32_t item = nodes[list].first; item != FLEET_NODE_NONE; item = nodes[item].next)
        take_item(table, item);
}

enum { NAMED_MAX = 3, MISSING_SIZE = 1024 };

/* One complaint for all that is missing from one end: <said> has a word for each region. */
static void check_row(struct table *table, const char *prefix, struct span from, uint32_t node,
                      const uint32_t *said, uint32_t self)
{
    struct fleet_builder *builder = table->builder;
    const struct fleet_names *regions = &builder->regions;
    char buffer[MISSING_SIZE];
    struct text missing;
    text_init(&missing, buffer, sizeof buffer);
    uint32_t count = 0;
    struct span first = {NULL, 0};
    for (uint16_t to = 0; to < table->regions; to++) {
        if (to == self || said[to] != 0)
            continue;
        if (count == 0)
            first = regions->names[to];
        if (count < NAMED_MAX)
            text_add(&missing, "%s%.*s", count ? ", " : "", SPAN_ARG(regions->names[to]));
        count++;
    }
    if (count == 0)
        return;
    if (count > NAMED_MAX)
        text_add(&missing, " and %u more", count - NAMED_MAX);
    struct span file = builder->catalogue[CATALOGUE_LINKS].file;
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "expected a link from %s%.*s to %s, found none: add a row to %.*s%sthe list "
                   "links: - {from: \"%s%.*s\", to: \"%.*s\", rtt: 80ms}",
                   prefix, SPAN_ARG(from), buffer, SPAN_ARG(file), file.n ? ", or to " : "", prefix,
                   SPAN_ARG(from), SPAN_ARG(first));
}

static bool is_spoiled(const struct fleet_builder *builder, const char *key)
{
    uint32_t node = fleet_node_child(builder->document, 0, key);
    return node != FLEET_NODE_NONE && builder->document->nodes[node].is_bad;
}

/* Not asked while regions or links have mistakes of their own: those would come back as missing
 * links. */
static void check_whole(struct table *table)
{
    struct fleet_builder *builder = table->builder;
    uint32_t regions = table->regions;
    bool is_one_place = regions == 1;
    if (is_one_place || builder->catalogue[CATALOGUE_LINKS].is_broken ||
        is_spoiled(builder, "regions") || is_spoiled(builder, "links"))
        return;
    for (uint32_t from = 0; from < regions; from++)
        check_row(table, "", builder->regions.names[from], builder->regions.nodes[from],
                  table->region_said + from * regions, from);
    for (uint32_t zone = 0; zone < table->zones; zone++)
        check_row(table, "zone:", builder->zones.names[zone], builder->zones.nodes[zone],
                  table->client_said + zone * regions, FLEET_NONE);
}

/* One region: its clients are where it is. */
static void set_local_link(struct table *table)
{
    for (uint16_t zone = 0; zone < table->zones; zone++) {
        if (table->client_said[zone] != 0)
            continue;
        table->client_links[zone] = (struct fleet_link){
            .from = zone, .to = 0, .bandwidth_bps = UINT64_C(10000000000), .is_estimate = true};
    }
}

static void keep_links(struct table *table)
{
    struct fleet *fleet = table->builder->fleet;
    uint32_t regions = table->regions;
    fleet->client_links = table->client_links;
    fleet->client_link_count = (uint16_t)(table->zones * regions);
    fleet->links = table->region_links; /* the diagonal is closed up below */
    uint32_t kept = 0;
    for (uint32_t i = 0; i < regions * regions; i++)
        if (i / regions != i % regions)
            fleet->links[kept++] = table->region_links[i];
    fleet->link_count = (uint16_t)kept;
}

void fleet_build_links(struct fleet_builder *builder)
{
    struct table table = {.builder = builder,
                          .regions = builder->fleet->region_count,
                          .zones = builder->fleet->zone_count};
    size_t pairs = (size_t)table.regions * table.regions;
    size_t client_pairs = (size_t)table.zones * table.regions;
    table.region_links = fleet_builder_array(builder, pairs, sizeof(struct fleet_link));
    table.client_links = fleet_builder_array(builder, client_pairs, sizeof(struct fleet_link));
    table.region_said = ARENA_ARRAY(builder->scratch, uint32_t, pairs);
    table.client_said = ARENA_ARRAY(builder->scratch, uint32_t, client_pairs);
    if (!table.region_said || !table.client_said)
        builder->is_out_of_memory = true;
    if (builder->is_out_of_memory)
        return;
    take_catalogue(&table);
    take_document(&table);
    check_whole(&table);
    if (table.regions == 1)
        set_local_link(&table);
    keep_links(&table);
}
