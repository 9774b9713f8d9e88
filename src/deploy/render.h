/* render.h: a plan as files that make it real: Kubernetes, Terraform, systemd. Pure;
 * docs/render.md.
 *
 *   plan_sheet + fleet + machine types --render_world_make()--> render_world
 *   render_world --render_kubernetes(), render_terraform(), render_systemd()--> render_files
 *
 * The same plan gives the same bytes: no clock, no hash order, everything by name. Nothing secret
 * is written: keys are named, and their files are the user's.
 *
 * What runs: one pod (or one machine of one's own) is `farspan up` of a one-region, one-service
 * world, whose gateway listens on RENDER_WORKER_PORT. Before them stands a gateway of the region
 * (RENDER_CLIENT_PORT) that knows each workload as a remote replica. Where other regions are named
 * by a URL, a second gateway in the same pod (RENDER_ENTRY_PORT) takes what comes from them and
 * sends it to this region's workloads only, so that no request goes in circles. */
#ifndef DEPLOY_RENDER_H
#define DEPLOY_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "fleet/fleet.h"
#include "plan/sheet.h"

enum {
    RENDER_WORKLOADS_MAX = 4096,
    RENDER_FILES_MAX = RENDER_WORKLOADS_MAX * 3 + LIMIT_REGIONS * 8,
    RENDER_LABEL_MAX = 63, /* RFC 1123 label, Kubernetes label value */
    RENDER_NAME_MAX = 52,  /* of a workload: room for what controllers put behind it */
    RENDER_PATH_MAX = 160,
    RENDER_WORKER_BYTES = 20 * 1024, /* room to ask for, each workload and each region */
    RENDER_REGION_BYTES = 2 * LIMIT_CONFIG_BYTES,
    RENDER_WORKER_PORT = 18080, /* = FLEET_PORT_BASE: the layout's first gateway */
    RENDER_CLIENT_PORT = 8080,
    RENDER_ENTRY_PORT = 8081,
    RENDER_SLOTS = 4,          /* a replica's, where the fleet names none */
    RENDER_STREAM_S_MAX = 600, /* the longest that stopping waits for open answers */
    RENDER_USER_ID = 65532
};

/* Machine types, as the catalogue knows them. */
struct render_sku {
    struct span name, provider, accelerator; /* accelerator empty: none */
    uint32_t accelerator_count, vcpu;
    double memory_gib;
};

/* The legal zone of a region that the fleet does not name. */
struct render_place {
    struct span region, zone;
};

/* Where the entry of another region answers. */
struct render_url {
    struct span region, url;
};

struct render_request {
    const struct plan_sheet *sheet;
    const struct fleet *fleet;
    const struct render_sku *skus;
    const struct render_place *places;
    const struct render_url *urls;
    uint32_t sku_count, place_count, url_count;
    struct span image;      /* "registry.example/farspan:0.2.0" */
    struct span version;    /* of farspan: a label */
    struct span space;      /* Kubernetes namespace: an RFC 1123 label */
    struct span claim;      /* PersistentVolumeClaim that holds the model files */
    uint32_t gateway_count; /* of each region, >= 1 */
};

enum render_provider { RENDER_AWS, RENDER_AZURE, RENDER_GCP, RENDER_OTHER };
enum render_market { RENDER_ON_DEMAND, RENDER_SPOT, RENDER_RESERVED, RENDER_OWN };

/* A service on a machine type on a market in a region: one replica a machine. */
struct render_workload {
    const struct plan_sheet_replica *row; /* count >= 1 */
    const struct fleet_service *service;
    const struct render_sku *sku; /* NULL: no catalogue knows it */
    enum render_market market;
    uint32_t slots;                 /* of one replica */
    char name[RENDER_NAME_MAX + 1]; /* "chat-standard-nc24ads-a100-v4-spot" */
};

struct render_region {
    struct span name, place, zone; /* "azure:westeurope", "westeurope", "eu" */
    enum render_provider provider;
    struct span url;                  /* of its entry; empty: none was given */
    char label[RENDER_LABEL_MAX + 1]; /* "azure-westeurope": folder, label, file name */
    uint32_t workload_first, workload_count;
};

struct render_world {
    const struct render_request *request;
    char label[RENDER_LABEL_MAX + 1]; /* of the world's name */
    uint64_t epoch;                /* of the state that this plan makes: the one after base_epoch */
    struct render_region *regions; /* by name; those with work */
    struct render_workload *workloads;
    uint32_t region_count, workload_count;
};

/* ERR_VALUE and <why>: the plan is infeasible or of another world, names a service that the fleet
 * lacks or that runs elsewhere (engine remote), wants several machines a replica, or breaks a
 * service's residency. */
MUST_USE enum err render_world_make(const struct render_request *request, struct arena *arena,
                                    struct render_world **ret_world, struct text *why);

const char *render_market_name(enum render_market market);

/* <s> as an RFC 1123 label of at most <size> - 1 bytes; what is cut is kept apart by a hash. */
void render_label(struct span s, char *ret_label, size_t size);

/* A valid Kubernetes label value as it is. */
bool render_is_label_value(struct span s);

/* Seconds that stopping one replica waits for open answers: the service's timeout, less where a
 * spot market takes the machine sooner. */
uint32_t render_drain_s(const struct render_region *region, const struct render_workload *workload);

/* count * 1.5, rounded up: what an autoscaler may go to on its own. */
uint32_t render_count_max(uint32_t count);

/* The provider's own word for the machine: the sku, but GCP's n1 machines, to which accelerators
 * are added, are "n1-standard-4" where the catalogue says "n1-standard-4-t4". */
struct span render_machine_type(const struct render_region *region,
                                const struct render_workload *workload);

/* GKE's word for the sku's accelerator ("nvidia-l4"); NULL: none, or unknown to us. */
const char *render_gke_accelerator(const struct render_workload *workload);

/* ---- files ---------------------------------------------------------------------------------- */

struct render_file {
    char path[RENDER_PATH_MAX + 1]; /* relative, '/' between folders */
    size_t at, size;                /* in the text */
};

struct render_files {
    struct text *text;
    struct render_file *file; /* in the order of their paths within a region */
    uint32_t count, count_max;
};

MUST_USE enum err render_files_init(struct render_files *files, struct text *text, uint32_t max,
                                    struct arena *arena);

/* Everything written to the text from here on is the file. */
__attribute__((format(printf, 2, 3))) void render_file_begin(struct render_files *files,
                                                             const char *format, ...);
void render_file_end(struct render_files *files);
struct span render_file_content(const struct render_files *files, uint32_t index);

/* The files of a target, behind those already there. ERR_FULL: the text is too small
 * (RENDER_REGION_BYTES and RENDER_WORKER_BYTES say what is enough). ERR_NOT_FOUND: the plan has
 * nothing for this target (<why>). */
MUST_USE enum err render_kubernetes(const struct render_world *world, struct arena *arena,
                                    struct render_files *files, struct text *why);
MUST_USE enum err render_terraform(const struct render_world *world, struct arena *arena,
                                   struct render_files *files, struct text *why);
MUST_USE enum err render_systemd(const struct render_world *world, struct arena *arena,
                                 struct render_files *files, struct text *why);

#endif
