#include "deploy/change.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* What the parts of change_make() hand to each other. */
struct maker {
    const struct plan_sheet *sheet;
    const struct room *room;
    struct change *change;
    struct text *why;
    uint32_t left[CHANGE_LINES_MAX]; /* of each line: replicas nobody computes yet */
    uint16_t waves[LIMIT_WORKERS];   /* of each worker that starts or stops */
    uint32_t unseated[LIMIT_REGIONS];
};

static const struct fleet *fleet_of(const struct maker *maker)
{
    return maker->room->fleet;
}

/* ---- lines -------------------------------------------------------------------------------- */

static struct change_line *find_line(struct change *change, uint16_t service, uint16_t region,
                                     struct span sku)
{
    for (uint32_t i = 0; i < change->line_count; i++) {
        struct change_line *line = &change->lines[i];
        if (line->service == service && line->region == region && span_is_equal(line->sku, sku))
            return line;
    }
    return NULL;
}

/* The line with that key, made if need be; NULL: there are too many. */
static struct change_line *line_of(struct maker *maker, uint16_t service, uint16_t region,
                                   struct span sku)
{
    struct change *change = maker->change;
    struct change_line *line = find_line(change, service, region, sku);
    if (line)
        return line;
    if (change->line_count == CHANGE_LINES_MAX) {
        text_add(maker->why, "the plan has more than %d kinds of replicas", CHANGE_LINES_MAX);
        return NULL;
    }
    line = &change->lines[change->line_count++];
    *line = (struct change_line){.service = service, .region = region, .sku = sku};
    return line;
}

static struct span sku_of_replica(const struct plan_sheet_replica *replica)
{
    return span_is(replica->market, "own") ? SPAN_LITERAL("own") : replica->sku;
}

static struct span sku_of_row(const struct roster_row *row)
{
    return row->sku[0] ? span_of(row->sku) : SPAN_LITERAL("own");
}

static enum err refuse_name(struct maker *maker, const char *what, struct span name)
{
    const struct fleet *fleet = fleet_of(maker);
    text_add(maker->why, "the plan names the %s %.*s, which this world has not; it has", what,
             SPAN_ARG(name));
    bool is_region = strcmp(what, "region") == 0;
    uint16_t count = is_region ? fleet->region_count : fleet->service_count;
    for (uint16_t i = 0; i < count; i++)
        text_add(maker->why, "%s %.*s", i ? "," : "",
                 SPAN_ARG(is_region ? fleet->regions[i].name : fleet->services[i].name));
    return ERR_NOT_FOUND;
}

static enum err take_replica(struct maker *maker, const struct plan_sheet_replica *replica)
{
    const struct fleet *fleet = fleet_of(maker);
    uint16_t service = fleet_find_service(fleet, replica->service);
    uint16_t region = fleet_find_region(fleet, replica->region);
    if (service == FLEET_NONE)
        return refuse_name(maker, "service", replica->service);
    if (region == FLEET_NONE)
        return refuse_name(maker, "region", replica->region);
    if (fleet->services[service].engine == FLEET_ENGINE_REMOTE) {
        text_add(maker->why,
                 "service %.*s runs on servers of others (engine remote): no plan "
                 "starts or stops them",
                 SPAN_ARG(replica->service));
        return ERR_VALUE;
    }
    if (replica->sku.n > LIMIT_NAME) {
        text_add(maker->why, "the sku %.*s has a name of more than %d bytes",
                 SPAN_ARG(replica->sku), LIMIT_NAME);
        return ERR_VALUE;
    }
    struct change_line *line = line_of(maker, service, region, sku_of_replica(replica));
    if (!line)
        return ERR_FULL;
    if (replica->count > LIMIT_WORKERS || line->after + replica->count > LIMIT_WORKERS) {
        text_add(maker->why,
                 "it wants more than %d replicas of %.*s in %.*s: too many for one machine",
                 LIMIT_WORKERS, SPAN_ARG(replica->service), SPAN_ARG(replica->region));
        return ERR_FULL;
    }
    line->after += replica->count;
    line->is_named = true;
    line->is_estimate |= replica->is_estimate;
    if (line->price_usd_h == 0 && isfinite(replica->usd_h) && replica->usd_h > 0)
        line->price_usd_h = replica->usd_h;
    return ERR_OK;
}

static bool is_service_named(const struct change *change, uint16_t service)
{
    for (uint32_t i = 0; i < change->line_count; i++)
        if (change->lines[i].service == service && change->lines[i].is_named)
            return true;
    return false;
}

/* What runs now, beside what is wanted. */
static enum err take_roster(struct maker *maker)
{
    struct change *change = maker->change;
    const struct fleet *fleet = fleet_of(maker);
    for (uint16_t w = 0; w < fleet->worker_count; w++) {
        const struct roster_row *row = &change->before->rows[w];
        for (uint16_t s = 0; row->is_wanted && s < fleet->service_count; s++) {
            if (!(row->services >> s & 1))
                continue;
            struct change_line *line = line_of(maker, s, fleet->workers[w].region, sku_of_row(row));
            if (!line)
                return ERR_FULL;
            line->before++;
            line->after += !is_service_named(change, s);
            if (line->price_usd_h == 0)
                line->price_usd_h = (double)row->price_usd_micro_h / 1e6;
        }
    }
    return ERR_OK;
}

/* Gateways are ready when every service is: one that nobody computes would keep the world from it
 * for ever. */
static enum err check_served(const struct maker *maker)
{
    const struct change *change = maker->change;
    for (uint16_t s = 0; s < fleet_of(maker)->service_count; s++) {
        uint64_t after = 0;
        for (uint32_t i = 0; i < change->line_count; i++)
            after += change->lines[i].service == s ? change->lines[i].after : 0;
        if (after > 0 || !is_service_named(change, s))
            continue;
        text_add(maker->why,
                 "it leaves service %.*s without a replica: a world runs all services of its file",
                 SPAN_ARG(fleet_of(maker)->services[s].name));
        return ERR_VALUE;
    }
    return ERR_OK;
}

static enum err check_sheet(const struct maker *maker)
{
    const struct plan_sheet *sheet = maker->sheet;
    const struct fleet *fleet = fleet_of(maker);
    if (span_is(sheet->status, "infeasible")) {
        text_add(maker->why, "it says that there is no plan (status infeasible)");
        return ERR_VALUE;
    }
    if (sheet->world.n && !span_is_equal(sheet->world, fleet->name)) {
        text_add(maker->why, "it is for the world %.*s; this one is %.*s", SPAN_ARG(sheet->world),
                 SPAN_ARG(fleet->name));
        return ERR_VALUE;
    }
    uint64_t base = sheet->base_epoch ? sheet->base_epoch : fleet->epoch;
    if (base != maker->change->before->epoch) {
        text_add(maker->why,
                 "it is stale: it was made from epoch %llu of the world, which is at epoch %llu "
                 "now; plan again, with --from STATE/plan.json for what is in force",
                 (unsigned long long)base, (unsigned long long)maker->change->before->epoch);
        return ERR_STALE;
    }
    return ERR_OK;
}

/* ---- who stays, stops, starts --------------------------------------------------------------- */

static uint32_t *left_of(struct maker *maker, uint16_t service, uint16_t region, struct span sku)
{
    struct change_line *line = find_line(maker->change, service, region, sku);
    return line ? &maker->left[line - maker->change->lines] : NULL;
}

/* True, and counted: all that the worker computes is wanted where it is. */
static bool keep(struct maker *maker, uint16_t worker)
{
    const struct roster_row *row = &maker->change->before->rows[worker];
    uint16_t region = fleet_of(maker)->workers[worker].region;
    uint32_t *left[LIMIT_SERVICES];
    unsigned count = 0;
    for (uint16_t s = 0; s < fleet_of(maker)->service_count; s++) {
        if (!(row->services >> s & 1))
            continue;
        left[count] = left_of(maker, s, region, sku_of_row(row));
        if (!left[count] || *left[count] == 0)
            return false;
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        --*left[i];
    return true;
}

/* Services that some worker of the file computes together with <service>, directly or in turn. */
static uint64_t group_of(const struct room *room, uint16_t service)
{
    uint64_t group = UINT64_C(1) << service, before = 0;
    while (group != before) {
        before = group;
        for (uint16_t w = 0; w < room->first; w++) {
            uint64_t services = room_services(room->fleet, w);
            group |= services & group ? services : 0;
        }
    }
    return group;
}

/* The worker of the file whose pace a new one takes: that computes one of <services>, best on the
 * same sku, else in the same region. */
static uint16_t find_like(const struct maker *maker, uint64_t services, uint16_t region,
                          struct span sku)
{
    const struct fleet *fleet = fleet_of(maker);
    uint16_t best = FLEET_NONE;
    int best_rank = -1;
    for (uint16_t w = 0; w < maker->room->first; w++) {
        const struct fleet_worker *worker = &fleet->workers[w];
        if (!(room_services(fleet, w) & services))
            continue;
        bool has_sku = worker->sku == FLEET_NONE
                           ? span_is(sku, "own")
                           : span_is_equal(fleet->skus[worker->sku].name, sku);
        int rank = 2 * has_sku + (worker->region == region);
        if (rank > best_rank) {
            best = w;
            best_rank = rank;
        }
    }
    return best;
}

/* A worker of the file that did just this and is not wanted now, or a free place. */
static uint16_t find_seat(const struct maker *maker, uint64_t services, uint16_t region,
                          struct span sku)
{
    const struct fleet *fleet = fleet_of(maker);
    for (uint16_t w = 0; w < fleet->worker_count; w++) {
        const struct fleet_worker *worker = &fleet->workers[w];
        bool is_taken =
            maker->change->before->rows[w].is_wanted || maker->change->after.rows[w].is_wanted;
        if (is_taken || worker->region != region)
            continue;
        if (w >= maker->room->first)
            return w;
        struct span own =
            worker->sku == FLEET_NONE ? SPAN_LITERAL("own") : fleet->skus[worker->sku].name;
        if (room_services(fleet, w) == services && span_is_equal(own, sku))
            return w;
    }
    return FLEET_NONE;
}

/* The wave of the <number>th replica of a line that <action> starts or stops; <otherwise>: the
 * plan's steps do not say. */
static uint32_t wave_of(const struct maker *maker, enum plan_action action,
                        const struct change_line *line, uint32_t number, uint32_t otherwise)
{
    const struct plan_sheet *sheet = maker->sheet;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < sheet->step_count; i++) {
        const struct plan_sheet_step *step = &sheet->steps[i];
        if (step->action != action || step->replica >= sheet->replica_count)
            continue;
        const struct plan_sheet_replica *replica = &sheet->replicas[step->replica];
        if (fleet_find_service(fleet_of(maker), replica->service) != line->service ||
            fleet_find_region(fleet_of(maker), replica->region) != line->region ||
            !span_is_equal(sku_of_replica(replica), line->sku))
            continue;
        seen += step->count;
        otherwise = step->wave;
        if (seen > number)
            break;
    }
    return otherwise < CHANGE_WAVES_MAX ? otherwise : CHANGE_WAVES_MAX;
}

/* A worker for which there is no place is counted, so that the refusal can say how many it takes.
 */
static enum err check_seats(const struct maker *maker)
{
    const struct room *room = maker->room;
    uint16_t region = 0;
    for (uint16_t r = 1; r < room->fleet->region_count; r++)
        if (maker->unseated[r] > maker->unseated[region])
            region = r;
    if (maker->unseated[region] == 0)
        return ERR_OK;
    uint32_t more = maker->unseated[region];
    text_add(maker->why,
             "it wants %u more worker%s in %.*s than there are free places, beside those that run "
             "until the new ones are ready; start the world again with farspan up --room %u",
             more, more == 1 ? "" : "s", SPAN_ARG(room->fleet->regions[region].name),
             room->count + more);
    return ERR_FULL;
}

static void take_row(struct maker *maker, uint16_t worker, const struct change_line *line,
                     uint64_t services)
{
    struct roster_row *row = &maker->change->after.rows[worker];
    *row = (struct roster_row){.is_wanted = true,
                               .services = services,
                               .price_usd_micro_h = (int64_t)(line->price_usd_h * 1e6 + 0.5)};
    row->like =
        worker < maker->room->first ? worker : find_like(maker, services, line->region, line->sku);
    if (!span_is(line->sku, "own"))
        snprintf(row->sku, sizeof row->sku, "%.*s", SPAN_ARG(line->sku));
}

/* One process for one replica each of those services of the group of <line> that still want one. */
static void start_one(struct maker *maker, uint32_t index, uint64_t group)
{
    struct change *change = maker->change;
    const struct change_line *line = &change->lines[index];
    uint64_t services = 0;
    uint32_t wave = CHANGE_WAVES_MAX;
    for (uint32_t i = 0; i < change->line_count; i++) {
        const struct change_line *other = &change->lines[i];
        bool is_same = other->region == line->region && span_is_equal(other->sku, line->sku);
        if (!is_same || maker->left[i] == 0 || !(group >> other->service & 1))
            continue;
        uint32_t started = other->after > other->before ? other->after - other->before : 0;
        uint32_t number = started > maker->left[i] ? started - maker->left[i] : 0;
        uint32_t own = wave_of(maker, PLAN_ACTION_START, other, number, 0);
        wave = own < wave ? own : wave;
        services |= UINT64_C(1) << other->service;
        maker->left[i]--;
    }
    uint16_t worker = find_seat(maker, services, line->region, line->sku);
    if (worker == FLEET_NONE) {
        maker->unseated[line->region]++;
        return;
    }
    take_row(maker, worker, line, services);
    maker->waves[worker] = (uint16_t)wave;
}

static enum err start_missing(struct maker *maker)
{
    for (uint32_t i = 0; i < maker->change->line_count; i++) {
        uint64_t group = group_of(maker->room, maker->change->lines[i].service);
        while (maker->left[i] > 0)
            start_one(maker, i, group);
    }
    return check_seats(maker);
}

/* The last wave that stops one of its services; without steps the first, behind what starts. */
static void stop_worker(struct maker *maker, uint16_t worker, const uint32_t stopped[])
{
    const struct roster_row *row = &maker->change->before->rows[worker];
    uint32_t wave = 0;
    for (uint16_t s = 0; s < fleet_of(maker)->service_count; s++) {
        const struct change_line *line =
            find_line(maker->change, s, fleet_of(maker)->workers[worker].region, sku_of_row(row));
        if (!(row->services >> s & 1) || !line)
            continue;
        uint32_t own =
            wave_of(maker, PLAN_ACTION_STOP, line, stopped[line - maker->change->lines], 0);
        wave = own > wave ? own : wave;
    }
    maker->waves[worker] = (uint16_t)wave;
    maker->change->after.rows[worker] = (struct roster_row){0};
}

static void keep_or_stop(struct maker *maker)
{
    struct change *change = maker->change;
    uint32_t stopped[CHANGE_LINES_MAX] = {0};
    for (uint16_t w = 0; w < fleet_of(maker)->worker_count; w++) {
        const struct roster_row *row = &change->before->rows[w];
        if (!row->is_wanted || keep(maker, w))
            continue;
        stop_worker(maker, w, stopped);
        for (uint32_t i = 0; i < change->line_count; i++)
            stopped[i] += change->lines[i].region == fleet_of(maker)->workers[w].region &&
                          (row->services >> change->lines[i].service & 1) &&
                          span_is_equal(change->lines[i].sku, sku_of_row(row));
    }
}

/* Where a service goes on in the region in another process, that one is ready first. */
static void stop_behind_starts(struct maker *maker)
{
    const struct fleet *fleet = fleet_of(maker);
    const struct roster_row *before = maker->change->before->rows,
                            *after = maker->change->after.rows;
    for (uint16_t old = 0; old < fleet->worker_count; old++) {
        for (uint16_t young = 0; young < fleet->worker_count; young++) {
            bool is_pair = before[old].is_wanted && !after[old].is_wanted &&
                           !before[young].is_wanted && after[young].is_wanted &&
                           fleet->workers[old].region == fleet->workers[young].region &&
                           (before[old].services & after[young].services);
            if (is_pair && maker->waves[old] < maker->waves[young])
                maker->waves[old] = maker->waves[young];
        }
    }
}

/* ---- the order ---------------------------------------------------------------------------- */

static void add_batch(struct maker *maker, bool is_start, uint16_t wave)
{
    struct change *change = maker->change;
    bool is_open = false;
    for (uint16_t w = 0; w < fleet_of(maker)->worker_count; w++) {
        bool before = change->before->rows[w].is_wanted, after = change->after.rows[w].is_wanted;
        if (before == after || after != is_start || maker->waves[w] != wave)
            continue;
        if (!is_open)
            rollout_list_add_batch(&change->list, is_start, wave);
        is_open = true;
        rollout_list_add_worker(&change->list, w);
    }
}

static void add_batches(struct maker *maker)
{
    uint16_t last = 0;
    for (uint16_t w = 0; w < fleet_of(maker)->worker_count; w++)
        last = maker->waves[w] > last ? maker->waves[w] : last;
    for (uint32_t wave = 0; wave <= last; wave++) {
        add_batch(maker, true, (uint16_t)wave);
        add_batch(maker, false, (uint16_t)wave);
    }
}

/* Of the machines: several services of one worker share one. */
static double cost_of(const struct maker *maker, const struct roster *roster)
{
    const struct fleet *fleet = fleet_of(maker);
    double usd_h = 0;
    for (uint16_t w = 0; w < fleet->worker_count; w++) {
        const struct roster_row *row = &roster->rows[w];
        double machine_usd_h = 0;
        for (uint16_t s = 0; row->is_wanted && s < fleet->service_count; s++) {
            const struct change_line *line =
                find_line(maker->change, s, fleet->workers[w].region, sku_of_row(row));
            if ((row->services >> s & 1) && line && line->price_usd_h > machine_usd_h)
                machine_usd_h = line->price_usd_h;
        }
        usd_h += machine_usd_h;
    }
    return usd_h;
}

/* ---- all of it ---------------------------------------------------------------------------- */

static enum err fill(struct maker *maker)
{
    struct change *change = maker->change;
    enum err err = check_sheet(maker);
    for (uint32_t i = 0; i < maker->sheet->replica_count && !err; i++)
        err = take_replica(maker, &maker->sheet->replicas[i]);
    if (!err)
        err = take_roster(maker);
    if (!err)
        err = check_served(maker);
    for (uint32_t i = 0; i < change->line_count && !err; i++) {
        maker->left[i] = change->lines[i].after;
    }
    if (err)
        return err;
    keep_or_stop(maker);
    err = start_missing(maker);
    if (err)
        return err;
    stop_behind_starts(maker);
    add_batches(maker);
    change->before_usd_h = cost_of(maker, change->before);
    change->after_usd_h = cost_of(maker, &change->after);
    return ERR_OK;
}

enum err change_make(const struct plan_sheet *sheet, const struct room *room,
                     const struct roster *before, struct change *ret_change, struct text *why)
{
    struct maker maker = {.sheet = sheet, .room = room, .change = ret_change, .why = why};
    memset(ret_change, 0, sizeof *ret_change);
    ret_change->before = before;
    ret_change->after = *before;
    ret_change->after.epoch++;
    return fill(&maker);
}

bool change_is_empty(const struct change *change)
{
    return change->list.batch_count == 0;
}
