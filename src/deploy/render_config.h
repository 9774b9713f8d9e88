/* render_config.h: the farspan.yaml that each rendered process reads. Names of key files are
 * written, never keys. */
#ifndef DEPLOY_RENDER_CONFIG_H
#define DEPLOY_RENDER_CONFIG_H

#include "deploy/render.h"
#include "deploy/render_yaml.h"

/* Folders as the process sees them, without a '/' at the end. */
struct render_paths {
    const char *keys;   /* client keys, inner.key */
    const char *models; /* the files that models name, without their folders */
};

/* How a gateway reaches the workload: appends "http://host:port" (of <index> among several
 * machines). */
typedef void render_address(const struct render_world *world,
                            const struct render_workload *workload, uint32_t index,
                            struct text *url);

struct render_gateway {
    const struct render_world *world;
    const struct render_region *region;
    struct render_paths paths;
    render_address *address;
    bool is_entry;       /* this region's workloads only, for other regions' gateways */
    bool is_per_machine; /* one replica a machine; else one a workload */
};

/* The one-service world of one replica, for `farspan up`. */
void render_config_worker(const struct render_world *world, const struct render_region *region,
                          const struct render_workload *workload, const struct render_paths *paths,
                          struct text *out);

/* The region's gateway, for `farspan gateway -f`. */
void render_config_gateway(const struct render_gateway *gateway, struct text *out);

/* Is key <index> of the fleet of use in this region (residency), and does it come from a file
 * (KEYS/NAME.key) rather than as a hash in the farspan.yaml? */
bool render_key_is_used(const struct render_gateway *gateway, uint16_t index);
bool render_key_is_file(const struct fleet_key *key);

/* The file's name without its folders. */
struct span render_base_name(struct span path);

#endif
