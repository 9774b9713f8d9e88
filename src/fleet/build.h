/* build.h: a checked document and the catalogue's rows into a fleet; inner face of the module.
 *
 *   build.c           the order of things, and the helpers below
 *   build_services.c  regions, zones, models, services, keys
 *   build_workers.c   profiles, skus, workers, replicas
 *   build_links.c     links of regions and clients
 *
 * Rules between parts are checked here (names that must be unique, references, what an engine
 * needs); what one line can say alone is checked by shape.h. An item that was complained about is
 * still registered under its name, so that one mistake is reported once. */
#ifndef FLEET_BUILD_H
#define FLEET_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "fleet/catalogue.h"
#include "fleet/complaint.h"
#include "fleet/document.h"
#include "fleet/fleet.h"

/* Changes of a fleet that come from the command line. */
struct fleet_load_options {
    bool is_all_echo;       /* every llama service is computed by echo, at the same pace */
    struct span model_file; /* generation and embeddings use this GGUF; empty: the models named */
};

/* The names given so far in one list, with the nodes that give them. */
struct fleet_names {
    const char *list; /* "regions" */
    struct span *names;
    uint32_t *nodes;
    uint16_t count, room;
};

struct fleet_builder {
    struct fleet_document *document;
    const struct fleet_catalogue_file *catalogue; /* [CATALOGUE_KINDS] */
    const struct fleet_load_options *options;
    struct span folder; /* of the document; paths in it are relative to this; empty: the current */
    struct arena *arena, *scratch;
    struct fleet_complaints *complaints;
    struct fleet *fleet;
    struct fleet_names regions, zones, models, services, profiles, workers, keys;
    bool is_out_of_memory;
};

/* ERR_OK: whole and valid. ERR_SYNTAX: complaints. ERR_MEMORY. */
MUST_USE enum err fleet_build(struct fleet_builder *builder, const struct fleet **ret_fleet);

/* Parts, in the order in which fleet_build() calls them. */
void fleet_build_regions(struct fleet_builder *builder);
void fleet_build_models(struct fleet_builder *builder);
void fleet_build_services(struct fleet_builder *builder);
void fleet_build_keys(struct fleet_builder *builder);
void fleet_build_workers(struct fleet_builder *builder);
void fleet_build_links(struct fleet_builder *builder);

/* <room> zeroed items from the fleet's arena; at least one, so never NULL unless memory ran out. */
void *fleet_builder_array(struct fleet_builder *builder, size_t count, size_t size);

/* A copy that lives as long as the fleet; a path is made relative to where the process stands. */
struct span fleet_builder_keep(struct fleet_builder *builder, struct span s);
struct span fleet_builder_path(struct fleet_builder *builder, struct span path);

/* The list node under <key> of the root, or FLEET_NODE_NONE, and how many items it has. */
uint32_t fleet_builder_list(struct fleet_builder *builder, const char *key, uint16_t *ret_count);

void fleet_names_init(struct fleet_builder *builder, struct fleet_names *names, const char *list,
                      uint16_t room);

/* Registers <name>, said by <node>; a name that is there already is complained about (and
 * registered again, so that indexes agree with the file). */
void fleet_names_add(struct fleet_builder *builder, struct fleet_names *names, struct span name,
                     uint32_t node);

/* Index of the name that scalar <node> says, or FLEET_NONE after a complaint. */
uint16_t fleet_names_refer(struct fleet_builder *builder, const struct fleet_names *names,
                           uint32_t node);

/* The same for a child of a mapping; without such a child FLEET_NONE and no complaint. */
uint16_t fleet_names_refer_child(struct fleet_builder *builder, const struct fleet_names *names,
                                 uint32_t map, const char *key);

/* A set of zones from a list of names; without the list: all. */
fleet_zones fleet_builder_zones(struct fleet_builder *builder, uint32_t map, const char *key);

#endif
