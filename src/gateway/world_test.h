/* world_test.h: a small world for tests: two regions in two zones, one worker each, two services.
 *
 *   region 0 "a:east" zone "us"   worker "w0"   replica 0 of chat, replica 1 of risk
 *   region 1 "b:west" zone "eu"   worker "w1"   replica 2 of chat
 */
#ifndef GATEWAY_WORLD_TEST_H
#define GATEWAY_WORLD_TEST_H

#include "fleet/fleet.h"

struct test_world {
    struct fleet fleet;
    struct fleet_region regions[2];
    struct fleet_sku skus[1];
    struct fleet_profile profiles[1];
    struct fleet_service services[2];
    struct fleet_worker workers[2];
    struct fleet_replica replicas[3];
    struct fleet_link links[2];
    struct fleet_link client_links[4];
    struct fleet_key keys[1];
};

enum { TEST_CHAT = 0, TEST_RISK = 1 };

static inline void test_world_init(struct test_world *world)
{
    *world = (struct test_world){
        .regions = {{.name = SPAN_LITERAL("a:east"), .zone = 0},
                    {.name = SPAN_LITERAL("b:west"), .zone = 1}},
        .skus = {{.name = SPAN_LITERAL("box"), .price_usd_micro_h = 3600000}},
        .profiles = {{.name = SPAN_LITERAL("p"),
                      .prefill_ns_per_token = 1000,
                      .decode_ns_per_token = 1000000,
                      .slots = 4}},
        .services = {{.name = SPAN_LITERAL("chat"),
                      .kind = FLEET_GENERATION,
                      .engine = FLEET_ENGINE_ECHO,
                      .model = FLEET_NONE,
                      .residency = UINT32_MAX,
                      .context_tokens = 512,
                      .output_tokens = 64,
                      .timeout_us = 30 * 1000 * 1000},
                     {.name = SPAN_LITERAL("risk"),
                      .kind = FLEET_CLASSIFICATION,
                      .engine = FLEET_ENGINE_NATIVE,
                      .model = FLEET_NONE,
                      .residency = 1}},
        .workers =
            {{.name = SPAN_LITERAL("w0"), .region = 0, .replica_count = 2},
             {.name = SPAN_LITERAL("w1"), .region = 1, .replica_first = 2, .replica_count = 1}},
        .replicas = {{.service = 0, .region = 0, .worker = 0, .weight = 1, .slots = 4},
                     {.service = 1, .region = 0, .worker = 0, .weight = 1, .slots = 4},
                     {.service = 0, .region = 1, .worker = 1, .weight = 1, .slots = 4}},
        .links = {{.from = 0, .to = 1, .rtt_us = 80000}, {.from = 1, .to = 0, .rtt_us = 80000}},
        .keys = {{.name = SPAN_LITERAL("k"),
                  .tenant = SPAN_LITERAL("acme"),
                  .residency = UINT32_MAX}},
    };
    struct fleet *fleet = &world->fleet;
    *fleet = (struct fleet){
        .name = SPAN_LITERAL("test"),
        .epoch = 7,
        .zones = {SPAN_LITERAL("us"), SPAN_LITERAL("eu")},
        .zone_count = 2,
        .region_count = 2,
        .sku_count = 1,
        .profile_count = 1,
        .service_count = 2,
        .worker_count = 2,
        .replica_count = 3,
        .link_count = 2,
        .client_link_count = 4,
        .key_count = 1,
        .regions = world->regions,
        .skus = world->skus,
        .profiles = world->profiles,
        .services = world->services,
        .workers = world->workers,
        .replicas = world->replicas,
        .links = world->links,
        .client_links = world->client_links,
        .keys = world->keys,
    };
}

#endif
