#include "base/check.h"
#include "fleet/build.h"

enum { SLOTS_DEFAULT = 4 };

/* --- profiles: those of the file, then those of the catalogue that workers ask for --- */

static struct fleet_profile *add_profile(struct fleet_builder *builder, struct span name,
                                         uint32_t node)
{
    fleet_names_add(builder, &builder->profiles, name, node);
    struct fleet_profile *profile = &builder->fleet->profiles[builder->fleet->profile_count++];
    profile->name = fleet_builder_keep(builder, name);
    return profile;
}

static void build_profiles(struct fleet_builder *builder)
{
    const struct fleet_document *document = builder->document;
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "profiles", &count);
    builder->fleet->profiles =
        fleet_builder_array(builder, LIMIT_PROFILES, sizeof(struct fleet_profile));
    fleet_names_init(builder, &builder->profiles, "profiles", LIMIT_PROFILES);
    if (builder->is_out_of_memory || count == 0)
        return;
    uint32_t item = document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = document->nodes[item].next) {
        uint32_t name = fleet_node_child(document, item, "name");
        struct fleet_profile *profile =
            add_profile(builder, fleet_node_text(document, item, "name"), name ? name : item);
        profile->prefill_ns_per_token = (uint32_t)fleet_node_number(document, item, "prefill");
        profile->decode_ns_per_token = (uint32_t)fleet_node_number(document, item, "decode");
        profile->slots = (uint32_t)fleet_node_number(document, item, "slots");
        profile->is_estimate = fleet_node_number(document, item, "estimate") != 0;
    }
}

static void complain_profile(struct fleet_builder *builder, struct span name, uint32_t node)
{
    const struct fleet_catalogue_file *file = &builder->catalogue[CATALOGUE_PROFILES];
    fleet_node_spoil(builder->document, node);
    if (file->is_broken)
        return;
    struct span words[LIMIT_PROFILES * 2];
    size_t count = 0;
    for (; count < builder->profiles.count; count++)
        words[count] = builder->profiles.names[count];
    for (uint32_t i = 0; i < file->count && count < COUNT_OF(words); i++)
        words[count++] = file->rows[i].text[0];
    int nearest = fleet_nearest(name, words, count);
    struct span word = nearest >= 0 ? words[nearest] : (struct span){"", 0};
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "profile: expected a name of profiles or of the catalogue's profiles, found "
                   "\"%.*s\"%s%.*s%s",
                   SPAN_ARG(name), nearest >= 0 ? ": did you mean " : "", SPAN_ARG(word),
                   nearest >= 0 ? "?" : "");
}

static uint16_t profile_of(struct fleet_builder *builder, uint32_t worker)
{
    uint32_t node = fleet_node_child(builder->document, worker, "profile");
    if (node == FLEET_NODE_NONE || builder->document->nodes[node].is_bad)
        return FLEET_NONE;
    struct span name = builder->document->nodes[node].text;
    for (uint16_t i = 0; i < builder->profiles.count; i++)
        if (span_is_equal(builder->profiles.names[i], name))
            return i;
    const struct fleet_catalogue_row *row =
        fleet_catalogue_find(&builder->catalogue[CATALOGUE_PROFILES], name, (struct span){NULL, 0},
                             builder->arena, builder->complaints);
    if (!row || builder->profiles.count == LIMIT_PROFILES) {
        complain_profile(builder, name, node);
        return FLEET_NONE;
    }
    struct fleet_profile *profile = add_profile(builder, name, node);
    profile->prefill_ns_per_token = (uint32_t)row->number[0];
    profile->decode_ns_per_token = (uint32_t)row->number[1];
    profile->slots = (uint32_t)row->number[2];
    profile->is_estimate = row->is_estimate;
    return (uint16_t)(builder->profiles.count - 1);
}

/* --- skus: those of the file, then those of the catalogue that workers stand for --- */

static uint16_t find_sku(const struct fleet *fleet, struct span name, uint16_t region)
{
    for (uint16_t i = 0; i < fleet->sku_count; i++)
        if (fleet->skus[i].region == region && span_is_equal(fleet->skus[i].name, name))
            return i;
    return FLEET_NONE;
}

static void build_skus(struct fleet_builder *builder)
{
    struct fleet_document *document = builder->document;
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "skus", &count);
    size_t room = LIMIT_SKUS + LIMIT_WORKERS;
    builder->fleet->skus = fleet_builder_array(builder, room, sizeof(struct fleet_sku));
    if (builder->is_out_of_memory || count == 0)
        return;
    uint32_t item = document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = document->nodes[item].next) {
        struct span name = fleet_node_text(document, item, "name");
        uint16_t region = fleet_names_refer_child(builder, &builder->regions, item, "region");
        if (region == FLEET_NONE || name.n == 0)
            continue;
        if (find_sku(builder->fleet, name, region) != FLEET_NONE) {
            fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                           "sku %.*s: expected once a region, found again", SPAN_ARG(name));
            continue;
        }
        builder->fleet->skus[builder->fleet->sku_count++] = (struct fleet_sku){
            .name = fleet_builder_keep(builder, name),
            .region = region,
            .price_usd_micro_h = fleet_node_number(document, item, "price"),
            .is_estimate = fleet_node_number(document, item, "estimate") != 0,
        };
    }
}

static void complain_sku(struct fleet_builder *builder, struct span name, uint16_t region,
                         uint32_t node)
{
    const struct fleet_catalogue_file *file = &builder->catalogue[CATALOGUE_PRICES];
    fleet_node_spoil(builder->document, node);
    if (file->is_broken)
        return;
    struct span region_name = builder->fleet->regions[region].name;
    struct span words[LIMIT_SKUS];
    size_t count = 0;
    for (uint16_t i = 0; i < builder->fleet->sku_count && count < COUNT_OF(words); i++)
        if (builder->fleet->skus[i].region == region)
            words[count++] = builder->fleet->skus[i].name;
    for (uint32_t i = 0; i < file->count && count < COUNT_OF(words); i++)
        if (span_is_equal(file->rows[i].text[0], region_name))
            words[count++] = file->rows[i].text[1];
    int nearest = fleet_nearest(name, words, count);
    struct span word = nearest >= 0 ? words[nearest] : (struct span){"", 0};
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "sku: expected one with a price in %.*s (in the catalogue's prices, or under "
                   "skus), found \"%.*s\"%s%.*s%s",
                   SPAN_ARG(region_name), SPAN_ARG(name), nearest >= 0 ? ": did you mean " : "",
                   SPAN_ARG(word), nearest >= 0 ? "?" : "");
}

static uint16_t sku_of(struct fleet_builder *builder, uint32_t worker, uint16_t region)
{
    uint32_t node = fleet_node_child(builder->document, worker, "sku");
    if (node == FLEET_NODE_NONE || builder->document->nodes[node].is_bad || region == FLEET_NONE)
        return FLEET_NONE;
    struct span name = builder->document->nodes[node].text;
    uint16_t known = find_sku(builder->fleet, name, region);
    if (known != FLEET_NONE)
        return known;
    const struct fleet_catalogue_row *row = fleet_catalogue_find(
        &builder->catalogue[CATALOGUE_PRICES], builder->fleet->regions[region].name, name,
        builder->arena, builder->complaints);
    if (!row) {
        complain_sku(builder, name, region, node);
        return FLEET_NONE;
    }
    uint16_t index = builder->fleet->sku_count++;
    CHECK(index < LIMIT_SKUS + LIMIT_WORKERS);
    builder->fleet->skus[index] = (struct fleet_sku){
        .name = fleet_builder_keep(builder, name),
        .region = region,
        .price_usd_micro_h = row->number[0],
        .is_estimate = row->is_estimate,
    };
    return index;
}

/* --- workers and replicas --- */

static struct fleet_replica *add_replica(struct fleet_builder *builder, uint32_t node)
{
    struct fleet *fleet = builder->fleet;
    if (fleet->replica_count < LIMIT_REPLICAS)
        return &fleet->replicas[fleet->replica_count++];
    fleet_complain(builder->complaints, builder->arena, fleet_node_place(builder->document, node),
                   "expected at most %d replicas in all, found more", LIMIT_REPLICAS);
    return NULL;
}

static void build_worker_replicas(struct fleet_builder *builder, uint16_t worker_index,
                                  uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct fleet_worker *worker = &builder->fleet->workers[worker_index];
    uint32_t list = fleet_node_child(document, item, "services");
    worker->replica_first = builder->fleet->replica_count;
    if (list == FLEET_NODE_NONE || document->nodes[list].kind != FLEET_NODE_LIST)
        return;

    int64_t slots = fleet_node_number(document, item, "slots");
    if (slots == 0)
        slots = worker->profile == FLEET_NONE ? SLOTS_DEFAULT
                                              : builder->fleet->profiles[worker->profile].slots;
    uint64_t seen = 0;
    for (uint32_t node = document->nodes[list].first; node != FLEET_NODE_NONE;
         node = document->nodes[node].next) {
        uint16_t service = fleet_names_refer(builder, &builder->services, node);
        if (service == FLEET_NONE)
            continue;
        bool is_again = (seen >> service & 1) != 0;
        bool is_remote = builder->fleet->services[service].engine == FLEET_ENGINE_REMOTE;
        struct span name = document->nodes[node].text;
        uint32_t service_item = document->nodes[builder->services.nodes[service]].parent;
        if (is_again || (is_remote && !document->nodes[service_item].is_bad))
            fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, node),
                           is_again ? "services: expected each once, found %.*s again"
                                    : "services: expected one that a worker computes, found %.*s "
                                      "of engine remote",
                           SPAN_ARG(name));
        seen |= UINT64_C(1) << service;
        struct fleet_replica *replica = is_again ? NULL : add_replica(builder, node);
        if (!replica)
            continue;
        *replica = (struct fleet_replica){
            .service = service,
            .region = worker->region,
            .worker = worker_index,
            .weight = (uint16_t)fleet_node_number(document, item, "weight"),
            .slots = (uint32_t)slots,
        };
        worker->replica_count++;
    }
}

static void build_worker(struct fleet_builder *builder, uint32_t item)
{
    struct fleet_document *document = builder->document;
    uint16_t index = builder->fleet->worker_count++;
    struct fleet_worker *worker = &builder->fleet->workers[index];
    uint32_t name = fleet_node_child(document, item, "name");
    worker->name = fleet_builder_keep(builder, fleet_node_text(document, item, "name"));
    fleet_names_add(builder, &builder->workers, worker->name, name ? name : item);
    worker->region = fleet_names_refer_child(builder, &builder->regions, item, "region");
    worker->sku = sku_of(builder, item, worker->region);
    worker->is_paced = fleet_node_number(document, item, "pace") == 1;
    worker->profile = profile_of(builder, item);
    if (worker->is_paced && fleet_node_child(document, item, "profile") == FLEET_NODE_NONE)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                       "worker %.*s: expected the key profile: its pace is that of a profile",
                       SPAN_ARG(worker->name));
    uint32_t services = fleet_node_child(document, item, "services");
    if (services != FLEET_NODE_NONE && document->nodes[services].kind == FLEET_NODE_LIST &&
        document->nodes[services].child_count == 0)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, services),
                       "services: expected at least one, found an empty list");
    build_worker_replicas(builder, index, item);
}

static uint16_t remote_region(struct fleet_builder *builder, uint32_t item)
{
    uint16_t region = fleet_names_refer_child(builder, &builder->regions, item, "region");
    if (region != FLEET_NONE || builder->fleet->region_count == 1)
        return region == FLEET_NONE ? 0 : region;
    if (fleet_node_child(builder->document, item, "region") == FLEET_NODE_NONE)
        fleet_complain(builder->complaints, builder->arena,
                       fleet_node_place(builder->document, item),
                       "expected the key region: there are several");
    return FLEET_NONE;
}

static void build_remote_replica(struct fleet_builder *builder, uint16_t service, uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct fleet_replica *replica = add_replica(builder, item);
    if (!replica)
        return;
    struct span key_file = fleet_node_text(document, item, "key_file");
    struct span key_env = fleet_node_text(document, item, "key_env");
    if (key_file.n > 0 && key_env.n > 0)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                       "expected at most one of key_file, key_env, found both");
    *replica = (struct fleet_replica){
        .service = service,
        .region = remote_region(builder, item),
        .worker = FLEET_NONE,
        .weight = (uint16_t)fleet_node_number(document, item, "weight"),
        .slots = (uint32_t)fleet_node_number(document, item, "slots"),
        .url = fleet_builder_keep(builder, fleet_node_text(document, item, "url")),
        .model_name = fleet_builder_keep(builder, fleet_node_text(document, item, "model")),
        .key_file = key_file.n > 0 ? fleet_builder_path(builder, key_file) : key_file,
        .key_env = fleet_builder_keep(builder, key_env),
    };
}

static void build_remote_replicas(struct fleet_builder *builder)
{
    const struct fleet_document *document = builder->document;
    uint16_t count, service = 0;
    uint32_t list = fleet_builder_list(builder, "services", &count);
    if (count == 0)
        return;
    uint32_t item = document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = document->nodes[item].next, service++) {
        uint32_t replicas = fleet_node_child(document, item, "replicas");
        if (replicas == FLEET_NODE_NONE || document->nodes[replicas].kind != FLEET_NODE_LIST)
            continue;
        for (uint32_t node = document->nodes[replicas].first; node != FLEET_NODE_NONE;
             node = document->nodes[node].next)
            build_remote_replica(builder, service, node);
    }
}

/* A service that nothing computes would answer 503 for ever. */
static void check_served(struct fleet_builder *builder)
{
    const struct fleet *fleet = builder->fleet;
    uint64_t served = 0;
    for (uint16_t i = 0; i < fleet->replica_count; i++)
        served |= UINT64_C(1) << fleet->replicas[i].service;
    for (uint16_t i = 0; i < fleet->service_count; i++) {
        const struct fleet_service *service = &fleet->services[i];
        if ((served >> i & 1) != 0 || service->engine == FLEET_ENGINE_REMOTE)
            continue;
        fleet_complain(builder->complaints, builder->arena,
                       fleet_node_place(builder->document, builder->services.nodes[i]),
                       "service %.*s: expected a worker that names it under services, found none",
                       SPAN_ARG(service->name));
    }
}

void fleet_build_workers(struct fleet_builder *builder)
{
    struct fleet_document *document = builder->document;
    _Static_assert(LIMIT_SERVICES <= 64, "a set of services is one uint64");
    build_profiles(builder);
    build_skus(builder);
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "workers", &count);
    builder->fleet->workers = fleet_builder_array(builder, count, sizeof(struct fleet_worker));
    builder->fleet->replicas =
        fleet_builder_array(builder, LIMIT_REPLICAS, sizeof(struct fleet_replica));
    fleet_names_init(builder, &builder->workers, "workers", (uint16_t)(count + 1));
    if (builder->is_out_of_memory)
        return;
    uint32_t item = list ? document->nodes[list].first : FLEET_NODE_NONE;
    for (; item != FLEET_NODE_NONE; item = document->nodes[item].next)
        build_worker(builder, item);
    build_remote_replicas(builder);
    check_served(builder);
}
