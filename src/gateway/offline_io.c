#include "gateway/offline_io.h"

#include "fleet/layout.h"
#include "gateway/explain_io.h"
#include "gateway/labels_io.h"
#include "os/clock.h"
#include "os/memory.h"

/* A file of remote replicas only stands alone; one with workers is a world. */
static uint16_t base_of(const struct fleet *fleet)
{
    return fleet->worker_count ? FLEET_PORT_BASE : 0;
}

static void fill_words(struct gateway_words *words, const struct gateway_map *map, int64_t now_us)
{
    static const struct gateway_sample idle = {.is_ready = true, .replicas_ready = 1};
    for (uint16_t s = 0; s < map->fleet->service_count; s++)
        for (uint16_t t = 0; t < map->services[s].target_count; t++)
            gateway_words_sample(&words[s * LIMIT_TARGETS + t], &idle, now_us);
}

struct offline {
    struct gateway_map map;
    struct gateway_words *words;
    struct gateway_targets *services;
    struct gateway_labels labels;
};

static enum err fill(struct offline *offline, const struct fleet *fleet, uint16_t region,
                     int64_t now_us)
{
    gateway_map_init(&offline->map, fleet, region, base_of(fleet));
    offline->words = os_alloc_aligned(_Alignof(struct gateway_words),
                                      ((size_t)fleet->service_count * LIMIT_TARGETS + 1) *
                                          sizeof(struct gateway_words));
    offline->services = os_alloc((fleet->service_count + 1u) * sizeof(struct gateway_targets));
    if (!offline->words || !offline->services)
        return ERR_MEMORY;
    fill_words(offline->words, &offline->map, now_us);
    for (uint16_t s = 0; s < fleet->service_count; s++)
        gateway_targets_init(&offline->services[s], &offline->map, s,
                             &offline->words[s * LIMIT_TARGETS], NULL, fleet->services[s].policy,
                             1);
    return gateway_labels_init(&offline->labels, &offline->map);
}

enum err gateway_explain_offline(const struct fleet *fleet, uint16_t region, struct span question,
                                 struct text *text, unsigned *ret_status)
{
    struct offline *offline = os_alloc(sizeof *offline);
    if (!offline)
        return ERR_MEMORY;
    int64_t now_us = os_now_us();
    enum err err = fill(offline, fleet, region, now_us);
    if (err == ERR_OK) {
        struct gateway_law law = {.fleet = fleet, .region = region};
        *ret_status =
            gateway_explain(&law, offline->services, offline->labels.row, question, now_us, text);
    }
    gateway_labels_fini(&offline->labels);
    os_free(offline->words);
    os_free(offline->services);
    os_free(offline);
    return err;
}
