/* render_world.c: a plan's rows grouped by region, checked against the fleet, and named. */
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "deploy/render.h"
#include "fleet/complaint.h"

enum { HASH_DIGITS = 6 };

static const char *const market_names[] = {"on_demand", "spot", "reserved", "own"};

const char *render_market_name(enum render_market market)
{
    return market_names[market];
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void add_hash(struct text *label, struct span s)
{
    text_add(label, "-%06x", (unsigned)(hash_span(s, 0) & 0xFFFFFF));
}

void render_label(struct span s, char *ret_label, size_t size)
{
    struct text label;
    bool is_gap = false;
    CHECK(size > HASH_DIGITS + 2);
    text_init(&label, ret_label, size);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] - 'A' + 'a') : s.p[i];
        if (!is_alphanumeric(c)) {
            is_gap = label.n > 0;
            continue;
        }
        if (is_gap)
            text_add_c(&label, '-');
        is_gap = false;
        text_add_c(&label, c);
    }
    if (!label.is_cut && label.n > 0)
        return;
    size_t room = size - 1 - (HASH_DIGITS + 1);
    text_truncate(&label, label.n < room ? label.n : room);
    while (label.n > 0 && label.p[label.n - 1] == '-')
        text_truncate(&label, label.n - 1);
    if (label.n == 0)
        text_add_c(&label, 'x');
    add_hash(&label, s);
    CHECK(!label.is_cut);
}

bool render_is_label_value(struct span s)
{
    if (s.n == 0 || s.n > RENDER_LABEL_MAX || !is_alphanumeric(s.p[0]) ||
        !is_alphanumeric(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alphanumeric(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    }
    return true;
}

/* "chat-g5-xlarge-spot", "chat-p4d-24xlarge-x4-on-demand"; apart from the earlier ones of its
 * region. */
static void name_workload(const struct render_world *world, const struct render_region *region,
                          struct render_workload *workload)
{
    char whole[4 * LIMIT_API_NAME];
    struct text text;
    text_init(&text, whole, sizeof whole);
    const struct plan_sheet_replica *row = workload->row;
    bool starts_with_digit = row->service.p[0] >= '0' && row->service.p[0] <= '9';
    text_add(&text, "%s%.*s %.*s", starts_with_digit ? "s " : "", SPAN_ARG(row->service),
             SPAN_ARG(row->sku));
    if (row->tensor_parallel > 1)
        text_add(&text, " x%u", row->tensor_parallel);
    text_add(&text, " %.*s", SPAN_ARG(row->market));
    render_label(text_span(&text), workload->name, sizeof workload->name);
    text_add(&text, " %u", row->tensor_parallel);
    for (const struct render_workload *other = world->workloads + region->workload_first;
         other < workload; other++) {
        if (strcmp(other->name, workload->name) != 0)
            continue;
        struct text name;
        size_t n = strlen(workload->name);
        text_init(&name, workload->name, sizeof workload->name);
        name.n = n < RENDER_NAME_MAX - HASH_DIGITS - 1 ? n : RENDER_NAME_MAX - HASH_DIGITS - 1;
        add_hash(&name, text_span(&text));
        return;
    }
}

/* ---- numbers -------------------------------------------------------------------------------- */

uint32_t render_count_max(uint32_t count)
{
    return count + (count + 1) / 2;
}

/* Notice before a spot machine goes: AWS two minutes, Azure and GCP thirty seconds, of which GKE
 * leaves fifteen to a pod; farspan itself needs up to five. */
uint32_t render_drain_s(const struct render_region *region, const struct render_workload *workload)
{
    static const uint32_t spot_s[] = {
        [RENDER_AWS] = 90, [RENDER_AZURE] = 20, [RENDER_GCP] = 8, [RENDER_OTHER] = 20};
    int64_t seconds = (workload->service->timeout_us + 999999) / 1000000;
    uint32_t max =
        workload->market == RENDER_SPOT ? spot_s[region->provider] : (uint32_t)RENDER_STREAM_S_MAX;
    return seconds < (int64_t)max ? (uint32_t)seconds : max;
}

struct span render_machine_type(const struct render_region *region,
                                const struct render_workload *workload)
{
    struct span type = workload->row->sku;
    unsigned dashes = 0;
    if (region->provider != RENDER_GCP || !span_starts_with(type, "n1-"))
        return type;
    for (size_t i = 0; i < type.n; i++) {
        dashes += type.p[i] == '-';
        if (dashes == 3)
            return span_from(type.p, i);
    }
    return type;
}

/* ---- regions -------------------------------------------------------------------------------- */

static struct span zone_of(const struct render_request *request, struct span region)
{
    uint16_t index = fleet_find_region(request->fleet, region);
    if (index != FLEET_NONE)
        return request->fleet->zones[request->fleet->regions[index].zone];
    for (uint32_t i = 0; i < request->place_count; i++) {
        if (span_is_equal(request->places[i].region, region))
            return request->places[i].zone;
    }
    return (struct span){NULL, 0};
}

static void fill_region(const struct render_request *request, struct span name,
                        struct render_region *ret_region)
{
    struct span place = name, provider = span_cut(&place, ':');
    *ret_region = (struct render_region){
        .name = name, .place = place.n ? place : name, .zone = zone_of(request, name)};
    ret_region->provider = !place.n                     ? RENDER_OTHER
                           : span_is(provider, "aws")   ? RENDER_AWS
                           : span_is(provider, "azure") ? RENDER_AZURE
                           : span_is(provider, "gcp")   ? RENDER_GCP
                                                        : RENDER_OTHER;
    render_label(name, ret_region->label, sizeof ret_region->label);
    for (uint32_t i = 0; i < request->url_count; i++) {
        if (span_is_equal(request->urls[i].region, name))
            ret_region->url = request->urls[i].url;
    }
}

/* Keeps <regions> in the order of their names. */
static bool add_region(struct render_world *world, struct span name)
{
    uint32_t at = 0;
    while (at < world->region_count && span_compare(world->regions[at].name, name) < 0)
        at++;
    if (at < world->region_count && span_is_equal(world->regions[at].name, name))
        return true;
    if (world->region_count == LIMIT_REGIONS)
        return false;
    memmove(world->regions + at + 1, world->regions + at,
            (world->region_count - at) * sizeof *world->regions);
    fill_region(world->request, name, &world->regions[at]);
    world->region_count++;
    return true;
}

static enum err find_regions(struct render_world *world, struct text *why)
{
    const struct plan_sheet *sheet = world->request->sheet;
    for (uint32_t i = 0; i < sheet->replica_count; i++) {
        if (sheet->replicas[i].count > 0 && !add_region(world, sheet->replicas[i].region)) {
            text_add(why, "expected at most %d regions, found more", LIMIT_REGIONS);
            return ERR_VALUE;
        }
    }
    for (uint32_t i = 0; i < world->region_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(world->regions[i].label, world->regions[k].label) != 0)
                continue;
            text_add(why, "the regions %.*s and %.*s would share the folder %s",
                     SPAN_ARG(world->regions[k].name), SPAN_ARG(world->regions[i].name),
                     world->regions[i].label);
            return ERR_VALUE;
        }
    }
    return ERR_OK;
}

/* ---- workloads ------------------------------------------------------------------------------ */

static enum err refuse_service(const struct fleet *fleet, struct span name, struct text *why)
{
    struct span words[LIMIT_SERVICES];
    for (uint16_t i = 0; i < fleet->service_count; i++)
        words[i] = fleet->services[i].name;
    int nearest = fleet_nearest(name, words, fleet->service_count);
    text_add(why, "the plan runs the service %.*s, which the farspan.yaml does not have",
             SPAN_ARG(name));
    if (nearest >= 0)
        text_add(why, "; did it become %.*s?", SPAN_ARG(words[nearest]));
    else
        text_add(why, " in services: (kind, engine and model say what to run)");
    return ERR_VALUE;
}

static enum err check_row(const struct render_world *world, const struct render_region *region,
                          const struct plan_sheet_replica *row, struct text *why)
{
    const struct fleet *fleet = world->request->fleet;
    uint16_t service = fleet_find_service(fleet, row->service);
    if (service == FLEET_NONE)
        return refuse_service(fleet, row->service, why);
    if (fleet->services[service].engine == FLEET_ENGINE_REMOTE) {
        text_add(why,
                 "service %.*s: engine remote is run by others; expected echo, native or llama to "
                 "run it on machines of the plan",
                 SPAN_ARG(row->service));
        return ERR_VALUE;
    }
    if (row->machines > 1) {
        text_add(why, "service %.*s on %.*s: one replica wants %u machines; expected 1",
                 SPAN_ARG(row->service), SPAN_ARG(row->sku), row->machines);
        return ERR_VALUE;
    }
    if (!render_is_label_value(row->sku) || !render_is_label_value(region->place)) {
        text_add(why, "%.*s in %.*s: not usable as a label of a machine", SPAN_ARG(row->sku),
                 SPAN_ARG(region->name));
        return ERR_VALUE;
    }
    fleet_zones residency = fleet->services[service].residency;
    if (residency == UINT32_MAX)
        return ERR_OK;
    uint16_t zone = region->zone.n ? fleet_find_zone(fleet, region->zone) : FLEET_NONE;
    if (zone != FLEET_NONE && (residency >> zone & 1))
        return ERR_OK;
    text_add(why,
             "service %.*s may not be computed in %.*s (zone %.*s): the plan is of another "
             "residency rule",
             SPAN_ARG(row->service), SPAN_ARG(region->name), SPAN_ARG(region->zone));
    return ERR_VALUE;
}

static enum render_market market_of(struct span name)
{
    for (unsigned i = 0; i < COUNT_OF(market_names); i++) {
        if (span_is(name, market_names[i]))
            return (enum render_market)i;
    }
    CHECK(false && "plan_sheet_read_io() lets no other market through");
}

static const struct render_sku *find_sku(const struct render_request *request, struct span name)
{
    for (uint32_t i = 0; i < request->sku_count; i++) {
        if (span_is_equal(request->skus[i].name, name))
            return &request->skus[i];
    }
    return NULL;
}

/* As a worker of the fleet that runs the service has them. */
static uint32_t slots_of(const struct fleet *fleet, uint16_t service)
{
    for (uint16_t i = 0; i < fleet->replica_count; i++) {
        const struct fleet_replica *replica = &fleet->replicas[i];
        if (replica->service == service && replica->worker != FLEET_NONE && replica->slots)
            return replica->slots;
    }
    return RENDER_SLOTS;
}

/* In the order of their names, whatever the order of the plan's rows. */
static void insert_workload(struct render_world *world, const struct render_region *region,
                            const struct render_workload *workload)
{
    struct render_workload *row = world->workloads + world->workload_count;
    struct render_workload *first = world->workloads + region->workload_first;
    while (row > first && plan_sheet_compare(row[-1].row, workload->row) > 0)
        row--;
    memmove(row + 1, row, (size_t)(world->workloads + world->workload_count - row) * sizeof *row);
    *row = *workload;
    world->workload_count++;
}

static enum err add_workloads(struct render_world *world, struct render_region *region,
                              struct text *why)
{
    const struct render_request *request = world->request;
    region->workload_first = world->workload_count;
    for (uint32_t i = 0; i < request->sheet->replica_count; i++) {
        const struct plan_sheet_replica *row = &request->sheet->replicas[i];
        if (row->count == 0 || !span_is_equal(row->region, region->name))
            continue;
        enum err err = check_row(world, region, row, why);
        if (err)
            return err;
        uint16_t service = fleet_find_service(request->fleet, row->service);
        struct render_workload workload = {.row = row,
                                           .service = &request->fleet->services[service],
                                           .sku = find_sku(request, row->sku),
                                           .market = market_of(row->market),
                                           .slots = slots_of(request->fleet, service)};
        insert_workload(world, region, &workload);
    }
    region->workload_count = world->workload_count - region->workload_first;
    for (uint32_t i = region->workload_first; i < world->workload_count; i++)
        name_workload(world, region, &world->workloads[i]);
    return ERR_OK;
}

static enum err check_sheet(const struct render_request *request, uint32_t *ret_workload_count,
                            struct text *why)
{
    const struct plan_sheet *sheet = request->sheet;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sheet->replica_count; i++)
        count += sheet->replicas[i].count > 0;
    if (span_is(sheet->status, "infeasible")) {
        text_add(why, "the plan is infeasible: there is nothing to run");
        return ERR_VALUE;
    }
    if (!span_is_equal(sheet->world, request->fleet->name)) {
        text_add(why, "the plan is of the world %.*s, the farspan.yaml of %.*s",
                 SPAN_ARG(sheet->world), SPAN_ARG(request->fleet->name));
        return ERR_VALUE;
    }
    if (count == 0 || count > RENDER_WORKLOADS_MAX) {
        text_add(why, "expected 1 to %d kinds of replicas to run, found %u", RENDER_WORKLOADS_MAX,
                 count);
        return ERR_VALUE;
    }
    *ret_workload_count = count;
    return ERR_OK;
}

enum err render_world_make(const struct render_request *request, struct arena *arena,
                           struct render_world **ret_world, struct text *why)
{
    uint32_t count = 0;
    CHECK(request->gateway_count >= 1 && request->image.n && request->space.n);
    enum err err = check_sheet(request, &count, why);
    if (err)
        return err;
    struct render_world *world = ARENA_NEW(arena, struct render_world);
    if (!world)
        return ERR_MEMORY;
    world->request = request;
    /* A plan made from the file alone follows the state that the file describes. */
    world->epoch = plan_sheet_epoch(request->sheet);
    world->regions = ARENA_ARRAY(arena, struct render_region, LIMIT_REGIONS);
    world->workloads = ARENA_ARRAY(arena, struct render_workload, count);
    if (!world->regions || !world->workloads)
        return ERR_MEMORY;
    render_label(request->fleet->name, world->label, sizeof world->label);
    err = find_regions(world, why);
    for (uint32_t i = 0; i < world->region_count && !err; i++)
        err = add_workloads(world, &world->regions[i], why);
    if (!err)
        *ret_world = world;
    return err;
}

/* ---- files ---------------------------------------------------------------------------------- */

enum err render_files_init(struct render_files *files, struct text *text, uint32_t max,
                           struct arena *arena)
{
    CHECK(max <= RENDER_FILES_MAX);
    *files = (struct render_files){.text = text, .count_max = max};
    files->file = ARENA_ARRAY(arena, struct render_file, max);
    return files->file ? ERR_OK : ERR_MEMORY;
}

void render_file_begin(struct render_files *files, const char *format, ...)
{
    CHECK(files->count < files->count_max);
    struct render_file *file = &files->file[files->count];
    struct text path;
    text_init(&path, file->path, sizeof file->path);
    va_list args;
    va_start(args, format);
    text_add_v(&path, format, args);
    va_end(args);
    CHECK(!path.is_cut);
    file->at = files->text->n;
}

void render_file_end(struct render_files *files)
{
    struct render_file *file = &files->file[files->count];
    CHECK(file->path[0] && files->text->n >= file->at);
    file->size = files->text->n - file->at;
    files->count++;
}

struct span render_file_content(const struct render_files *files, uint32_t index)
{
    CHECK(index < files->count);
    return span_from(files->text->p + files->file[index].at, files->file[index].size);
}
