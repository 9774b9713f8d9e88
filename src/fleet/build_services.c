#include "base/check.h"
#include "fleet/build.h"

static void complain_at(struct fleet_builder *builder, struct fleet_place place, const char *list,
                        struct span name, const char *message)
{
    fleet_complain(builder->complaints, builder->arena, place, "%s %.*s: %s", list, SPAN_ARG(name),
                   message);
}

/* --- regions and zones --- */

static uint16_t zone_of(struct fleet_builder *builder, struct span name, uint32_t node)
{
    struct fleet_names *zones = &builder->zones;
    for (uint16_t i = 0; i < zones->count; i++)
        if (span_is_equal(zones->names[i], name))
            return i;
    if (zones->count == LIMIT_ZONES) {
        fleet_complain(builder->complaints, builder->arena,
                       fleet_node_place(builder->document, node),
                       "zone: expected at most %d different zones, found more", LIMIT_ZONES);
        return 0;
    }
    fleet_names_add(builder, zones, name, node);
    builder->fleet->zones[builder->fleet->zone_count++] = fleet_builder_keep(builder, name);
    return (uint16_t)(zones->count - 1);
}

static void place_region(struct fleet_builder *builder, struct fleet_region *region, uint32_t item)
{
    const struct fleet_document *document = builder->document;
    uint32_t latitude = fleet_node_child(document, item, "latitude");
    uint32_t longitude = fleet_node_child(document, item, "longitude");
    if (latitude != FLEET_NODE_NONE && longitude != FLEET_NODE_NONE) {
        region->lat_micro = (int32_t)fleet_node_number(document, item, "latitude");
        region->lon_micro = (int32_t)fleet_node_number(document, item, "longitude");
        region->is_estimate = fleet_node_number(document, item, "estimate") != 0;
        return;
    }
    if (latitude != longitude) {
        complain_at(builder, fleet_node_place(document, item), "region", region->name,
                    "expected latitude and longitude, found one of them");
        return;
    }
    const struct fleet_catalogue_file *file = &builder->catalogue[CATALOGUE_REGIONS];
    region->is_estimate = true;
    if (file->file.n == 0)
        return;
    const struct fleet_catalogue_row *row = fleet_catalogue_find(
        file, region->name, (struct span){NULL, 0}, builder->arena, builder->complaints);
    if (!row && !file->is_broken)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                       "region %.*s: expected a row in %.*s, or latitude and longitude here",
                       SPAN_ARG(region->name), SPAN_ARG(file->file));
    if (!row)
        return;
    region->lat_micro = (int32_t)row->number[0];
    region->lon_micro = (int32_t)row->number[1];
    region->is_estimate = row->is_estimate;
}

static void build_region(struct fleet_builder *builder, uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct span name = fleet_node_text(document, item, "name");
    uint32_t name_node = fleet_node_child(document, item, "name");
    uint32_t zone_node = fleet_node_child(document, item, "zone");
    fleet_names_add(builder, &builder->regions, name, name_node ? name_node : item);
    struct fleet_region *region = &builder->fleet->regions[builder->fleet->region_count++];
    region->name = fleet_builder_keep(builder, name);
    struct span provider = region->name;
    region->provider = span_cut(&provider, ':');
    if (span_is(region->provider, "zone"))
        complain_at(builder, fleet_node_place(document, name_node ? name_node : item), "region",
                    name, "expected another provider than zone: that word names clients in links");
    region->zone =
        zone_of(builder, fleet_node_text(document, item, "zone"), zone_node ? zone_node : item);
    if (name.n > 0 && !builder->is_out_of_memory)
        place_region(builder, region, item);
}

static void build_local_region(struct fleet_builder *builder)
{
    fleet_names_add(builder, &builder->regions, SPAN_LITERAL("local"), 0);
    struct fleet_region *region = &builder->fleet->regions[builder->fleet->region_count++];
    region->name = fleet_builder_keep(builder, SPAN_LITERAL("local"));
    region->provider = region->name;
    region->zone = zone_of(builder, SPAN_LITERAL("local"), 0);
    region->is_estimate = true;
}

void fleet_build_regions(struct fleet_builder *builder)
{
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "regions", &count);
    builder->fleet->regions = fleet_builder_array(builder, count, sizeof(struct fleet_region));
    fleet_names_init(builder, &builder->regions, "regions", (uint16_t)(count + 1));
    fleet_names_init(builder, &builder->zones, "the regions' zones", LIMIT_ZONES);
    if (builder->is_out_of_memory)
        return;
    uint32_t item = list ? builder->document->nodes[list].first : FLEET_NODE_NONE;
    if (item == FLEET_NODE_NONE)
        build_local_region(builder);
    for (; item != FLEET_NODE_NONE; item = builder->document->nodes[item].next)
        build_region(builder, item);
}

/* --- models --- */

void fleet_build_models(struct fleet_builder *builder)
{
    struct fleet_document *document = builder->document;
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "models", &count);
    builder->fleet->models = fleet_builder_array(builder, count, sizeof(struct fleet_model));
    fleet_names_init(builder, &builder->models, "models", (uint16_t)(count + 1));
    if (builder->is_out_of_memory || count == 0)
        return;
    uint32_t item = document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = document->nodes[item].next) {
        struct fleet_model *model = &builder->fleet->models[builder->fleet->model_count++];
        uint32_t name = fleet_node_child(document, item, "name");
        model->name = fleet_builder_keep(builder, fleet_node_text(document, item, "name"));
        fleet_names_add(builder, &builder->models, model->name, name ? name : item);
        model->version = fleet_builder_keep(builder, fleet_node_text(document, item, "version"));
        model->file = fleet_builder_path(builder, fleet_node_text(document, item, "file"));
        model->sha256 = fleet_builder_keep(builder, fleet_node_text(document, item, "sha256"));
        model->context_tokens = (uint32_t)fleet_node_number(document, item, "context");
        struct fleet_place place =
            fleet_node_place(document, fleet_node_child(document, item, "file"));
        model->line = place.line;
        model->column = place.column;
    }
}

/* --- services --- */

static bool does_compute(enum fleet_engine engine, enum fleet_kind kind)
{
    bool is_text = kind == FLEET_GENERATION || kind == FLEET_EMBEDDINGS;
    switch (engine) {
    case FLEET_ENGINE_LLAMA:
    case FLEET_ENGINE_ECHO:
        return is_text;
    case FLEET_ENGINE_NATIVE:
        return !is_text;
    case FLEET_ENGINE_REMOTE:
        return true;
    }
    return false;
}

/* What the engine, the kind, the model and the replicas say to each other. */
static void check_service(struct fleet_builder *builder, const struct fleet_service *service,
                          uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct fleet_place place = fleet_node_place(document, item);
    bool has_model = fleet_node_child(document, item, "model") != FLEET_NODE_NONE;
    bool needs_model =
        service->engine == FLEET_ENGINE_LLAMA || service->engine == FLEET_ENGINE_NATIVE;
    uint32_t replicas = fleet_node_child(document, item, "replicas");
    bool has_replicas = replicas != FLEET_NODE_NONE && document->nodes[replicas].child_count > 0;
    bool is_remote = service->engine == FLEET_ENGINE_REMOTE;
    if (!does_compute(service->engine, service->kind))
        fleet_complain(builder->complaints, builder->arena, place,
                       "service %.*s: expected an engine that computes %s, found %s (llama and "
                       "echo: generation, embeddings; native: the others; remote: all)",
                       SPAN_ARG(service->name), fleet_kind_name(service->kind),
                       fleet_engine_name(service->engine));
    if (needs_model && !has_model)
        complain_at(builder, place, "service", service->name,
                    "expected the key model: its engine loads one");
    if (!needs_model && has_model)
        complain_at(builder, place, "service", service->name,
                    is_remote ? "expected no model: engine remote has it at the replicas "
                                "(replicas: - model); or write engine: llama or native"
                              : "expected no model: engine echo has none");
    if (is_remote && !has_replicas)
        complain_at(builder, place, "service", service->name,
                    "expected replicas (- url: ...), or another engine than remote");
    if (!is_remote && has_replicas)
        complain_at(builder, fleet_node_key_place(document, replicas), "service", service->name,
                    "expected no replicas: only engine remote has them");
}

static void apply_options(struct fleet_builder *builder, struct fleet_service *service)
{
    const struct fleet_load_options *options = builder->options;
    if (service->engine != FLEET_ENGINE_LLAMA || service->model == FLEET_NONE)
        return;
    struct fleet_model *model = &builder->fleet->models[service->model];
    if (options->model_file.n > 0) {
        model->file = fleet_builder_keep(builder, options->model_file);
        model->sha256 = (struct span){"", 0};
        model->context_tokens = 0;
    }
    if (options->is_all_echo) {
        service->engine = FLEET_ENGINE_ECHO;
        if (service->context_tokens == 0)
            service->context_tokens = model->context_tokens;
        service->model = FLEET_NONE;
    }
}

static void build_service(struct fleet_builder *builder, uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct fleet_service *service = &builder->fleet->services[builder->fleet->service_count++];
    uint32_t name = fleet_node_child(document, item, "name");
    uint32_t slo = fleet_node_child(document, item, "slo");
    service->name = fleet_builder_keep(builder, fleet_node_text(document, item, "name"));
    fleet_names_add(builder, &builder->services, service->name, name ? name : item);
    service->kind = (enum fleet_kind)fleet_node_number(document, item, "kind");
    service->engine = (enum fleet_engine)fleet_node_number(document, item, "engine");
    service->policy = (enum fleet_policy)fleet_node_number(document, item, "policy");
    service->residency = fleet_builder_zones(builder, item, "residency");
    service->context_tokens = (uint32_t)fleet_node_number(document, item, "context");
    service->output_tokens = (uint32_t)fleet_node_number(document, item, "output");
    if (slo != FLEET_NODE_NONE && document->nodes[slo].kind == FLEET_NODE_MAP)
        service->slo_ttft_us = fleet_node_number(document, slo, "ttft");
    service->timeout_us = fleet_node_number(document, item, "timeout");
    service->price_weight_us = (uint32_t)fleet_node_number(document, item, "price_weight");
    service->model = fleet_names_refer_child(builder, &builder->models, item, "model");
    if (!document->nodes[item].is_bad)
        check_service(builder, service, item);
    apply_options(builder, service);
    if (service->context_tokens == 0 && service->model != FLEET_NONE)
        service->context_tokens = builder->fleet->models[service->model].context_tokens;
}

void fleet_build_services(struct fleet_builder *builder)
{
    struct fleet_document *document = builder->document;
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "services", &count);
    builder->fleet->services = fleet_builder_array(builder, count, sizeof(struct fleet_service));
    fleet_names_init(builder, &builder->services, "services", (uint16_t)(count + 1));
    if (fleet_node_child(document, 0, "services") == FLEET_NODE_NONE)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, 0),
                       "expected the key services (What clients call.)%s",
                       fleet_node_child(document, 0, "plan") == FLEET_NODE_NONE
                           ? ""
                           : "; for a file that holds a plan only: farspan plan -f FILE");
    if (builder->is_out_of_memory || list == FLEET_NODE_NONE)
        return;
    if (count == 0)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, list),
                       "services: expected at least one, found an empty list");
    uint32_t item = document->nodes[list].first;
    for (; item != FLEET_NODE_NONE && !builder->is_out_of_memory; item = document->nodes[item].next)
        build_service(builder, item);
}

/* --- keys --- */

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void build_key(struct fleet_builder *builder, uint32_t item)
{
    struct fleet_document *document = builder->document;
    struct fleet_key *key = &builder->fleet->keys[builder->fleet->key_count++];
    uint32_t name = fleet_node_child(document, item, "name");
    uint32_t hash = fleet_node_child(document, item, "sha256");
    key->name = fleet_builder_keep(builder, fleet_node_text(document, item, "name"));
    fleet_names_add(builder, &builder->keys, key->name, name ? name : item);
    key->tenant = fleet_builder_keep(builder, fleet_node_text(document, item, "tenant"));
    key->residency = fleet_builder_zones(builder, item, "residency");
    key->env = fleet_builder_keep(builder, fleet_node_text(document, item, "env"));
    struct span file = fleet_node_text(document, item, "file");
    key->file = file.n > 0 ? fleet_builder_path(builder, file) : file;
    unsigned ways =
        (file.n > 0 ? 1u : 0u) + (key->env.n > 0 ? 1u : 0u) + (hash != FLEET_NODE_NONE ? 1u : 0u);
    if (ways != 1 && !document->nodes[item].is_bad)
        fleet_complain(builder->complaints, builder->arena, fleet_node_place(document, item),
                       "key %.*s: expected exactly one of file, env, sha256, found %u",
                       SPAN_ARG(key->name), ways);
    if (hash == FLEET_NODE_NONE || document->nodes[hash].is_bad)
        return;
    const char *hex = document->nodes[hash].text.p;
    for (size_t i = 0; i < sizeof key->sha256; i++)
        key->sha256[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
}

void fleet_build_keys(struct fleet_builder *builder)
{
    uint16_t count;
    uint32_t list = fleet_builder_list(builder, "keys", &count);
    builder->fleet->keys = fleet_builder_array(builder, count, sizeof(struct fleet_key));
    fleet_names_init(builder, &builder->keys, "keys", (uint16_t)(count + 1));
    if (builder->is_out_of_memory || count == 0)
        return;
    uint32_t item = builder->document->nodes[list].first;
    for (; item != FLEET_NODE_NONE; item = builder->document->nodes[item].next)
        build_key(builder, item);
}
