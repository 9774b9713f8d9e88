/* render_kube.h: what the Kubernetes files share; render_kubernetes.c lists the files, the region's
 * set-up and its network, render_pods.c what runs. */
#ifndef DEPLOY_RENDER_KUBE_H
#define DEPLOY_RENDER_KUBE_H

#include "deploy/render_config.h"

/* One region's files. */
struct render_kube {
    const struct render_world *world;
    const struct render_region *region;
    struct render_gateway gateway, entry;
    bool has_entry;       /* some region was given a URL */
    struct text *scratch; /* a configuration, before it is indented */
    bool is_too_long;     /* a configuration did not fit into the scratch text */
    struct yaml yaml;
};

/* Opens a document: apiVersion, kind, metadata with labels. <workload> NULL: of the region. */
void render_kube_begin(struct render_kube *kube, const char *api, const char *kind,
                       const char *name, const struct render_workload *workload);
void render_kube_begin_global(struct render_kube *kube, const char *api, const char *kind);

/* app.kubernetes.io/name, instance and farspan.dev/workload: what selectors match. */
void render_kube_selector(struct render_kube *kube, const char *key, const char *workload);

/* Deployment, Service, PodDisruptionBudget, HorizontalPodAutoscaler, ConfigMap. */
void render_kube_gateway(struct render_kube *kube);
void render_kube_workload(struct render_kube *kube, const struct render_workload *workload);

/* "http://NAME.SPACE.svc:18080" */
void render_kube_address(const struct render_world *world, const struct render_workload *workload,
                         uint32_t index, struct text *url);

#endif
