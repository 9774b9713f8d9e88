/* rival_near.c: policies that send each group of clients, size by size, to its nearest region that
 * may answer it: in time where any can, and where residency allows. A region that is sold out
 * leaves the rest to the next nearest. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/rival_shop.h"
#include "plan/solve.h"

/* Units of counted work for the mix of one region; a few columns take a thousandth of it. */
#define MIX_WORK UINT64_C(50000000)

/* One service. */
struct near {
    struct plan_rival_shop *shop;
    const struct plan_service *service;
    bool *reaches;     /* demand x node: may it be answered there? */
    int64_t *left;     /* of each demand */
    int64_t *rooms;    /* of each node: stands and is not taken */
    uint32_t *regions; /* of each demand: where it is sent this time; PLAN_NONE: nowhere left */
    bool *is_tried;    /* demand x region */
};

static bool reaches(const struct near *near, uint32_t d, uint32_t v)
{
    return near->reaches[(size_t)(d - near->service->demand_first) * near->service->node_count + v -
                         near->service->node_first];
}

static int64_t *left_of(const struct near *near, uint32_t d)
{
    return &near->left[d - near->service->demand_first];
}

static int64_t *room_of(const struct near *near, uint32_t v)
{
    return &near->rooms[v - near->service->node_first];
}

static uint32_t node_region(const struct near *near, uint32_t v)
{
    return near->shop->problem->nodes[v].region;
}

static bool is_sent(const struct near *near, uint32_t d, uint32_t region)
{
    return near->regions[d - near->service->demand_first] == region && *left_of(near, d) > 0;
}

static bool near_init(struct near *near, struct plan_rival_shop *shop, uint32_t s)
{
    const struct plan_problem *problem = shop->problem;
    const struct plan_service *service = &problem->services[s];
    size_t demands = service->demand_count;
    *near =
        (struct near){.shop = shop,
                      .service = service,
                      .reaches = ARENA_ARRAY(shop->arena, bool, demands * service->node_count),
                      .left = ARENA_ARRAY(shop->arena, int64_t, demands),
                      .rooms = ARENA_ARRAY(shop->arena, int64_t, service->node_count),
                      .regions = ARENA_ARRAY(shop->arena, uint32_t, demands),
                      .is_tried = ARENA_ARRAY(shop->arena, bool, demands * problem->region_count)};
    if (shop->arena->is_overflown)
        return false;
    for (uint32_t d = 0; d < service->demand_count; d++) {
        const struct plan_demand *demand = &problem->demands[service->demand_first + d];
        near->left[d] = demand->rate;
        for (uint32_t i = 0; i < demand->node_count; i++)
            near->reaches[d * service->node_count + demand->nodes[i] - service->node_first] = true;
    }
    for (uint32_t v = 0; v < service->node_count; v++)
        near->rooms[v] = plan_rival_node_room(shop, service->node_first + v);
    return true;
}

/* Where each demand goes next: the smallest round trip. False: nothing is left, or nowhere. */
static bool send_on(struct near *near)
{
    const struct plan_rival_shop *shop = near->shop;
    const struct plan_wish *wish = shop->made->wish;
    bool is_any = false;
    for (uint32_t i = 0; i < near->service->demand_count; i++) {
        uint32_t d = near->service->demand_first + i, best = PLAN_NONE;
        const struct plan_demand *demand = &shop->problem->demands[d];
        uint16_t from = wish->catalog->clients[shop->made->demands[d].client].region;
        double best_ms = INFINITY;
        for (uint32_t k = 0; k < demand->node_count && near->left[i] > 0; k++) {
            uint32_t r = node_region(near, demand->nodes[k]);
            uint16_t to = plan_wish_region(wish, shop->made->places[r]);
            double ms = catalog_link(wish->catalog, from, to)->rtt_ms;
            if (r == shop->lost || near->is_tried[i * shop->problem->region_count + r] ||
                ms > best_ms || (ms == best_ms && r >= best))
                continue;
            best = r;
            best_ms = ms;
        }
        near->regions[i] = best;
        if (best != PLAN_NONE)
            near->is_tried[i * shop->problem->region_count + best] = is_any = true;
    }
    return is_any;
}

/* How many nodes of <region> may answer <d>. */
static uint32_t choices(const struct near *near, uint32_t d, uint32_t region)
{
    uint32_t count = 0;
    for (uint32_t v = near->service->node_first;
         v < near->service->node_first + near->service->node_count; v++)
        count += node_region(near, v) == region && reaches(near, d, v);
    return count;
}

static void answer(struct near *near, uint32_t d, uint32_t region)
{
    for (uint32_t v = near->service->node_first;
         v < near->service->node_first + near->service->node_count; v++) {
        if (node_region(near, v) != region || !reaches(near, d, v))
            continue;
        int64_t *left = left_of(near, d), *room = room_of(near, v);
        int64_t taken = *left < *room ? *left : *room;
        *left -= taken;
        *room -= taken;
    }
}

/* What stands in <region> answers what is sent there, those first that have the least choice. */
static void answer_all(struct near *near, uint32_t region)
{
    const struct plan_service *service = near->service;
    for (uint32_t wanted = 1, next = 1; next != UINT32_MAX; wanted = next) {
        next = UINT32_MAX;
        for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count;
             d++) {
            uint32_t count = is_sent(near, d, region) ? choices(near, d, region) : 0;
            if (count == wanted)
                answer(near, d, region);
            else if (count > wanted && count < next)
                next = count;
        }
    }
}

static void buy(struct near *near, uint32_t c, uint32_t count)
{
    plan_rival_buy(near->shop, c, count);
    *room_of(near, near->shop->problem->columns[c].node) +=
        plan_rival_capacity(near->shop, c, count);
}

/* One machine type -------------------------------------------------------------------------- */

/* What is sent to <region> and <node> may answer. */
static int64_t load_for(const struct near *near, uint32_t region, uint32_t node)
{
    const struct plan_service *service = near->service;
    int64_t load = 0;
    for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count; d++)
        if (is_sent(near, d, region) && reaches(near, d, node))
            load += *left_of(near, d);
    return load;
}

/* The type that answers most of what is left and the cheapest of those, or simply the cheapest. */
static uint32_t pick(const struct near *near, uint32_t region, bool most_first, int64_t *ret_load)
{
    const struct plan_rival_shop *shop = near->shop;
    const struct plan_service *service = near->service;
    uint32_t best = PLAN_NONE;
    int64_t most = 0;
    double best_price = INFINITY;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        uint32_t node = shop->problem->columns[c].node;
        int64_t load = node_region(near, node) == region ? load_for(near, region, node) : 0;
        if (load == 0 || (most_first && load < most))
            continue;
        double price = plan_rival_price(shop, c, plan_rival_need(shop, c, load), load);
        bool is_more = most_first && load > most;
        if (isinf(price) || (!is_more && price >= best_price))
            continue;
        best = c;
        most = load;
        best_price = price;
    }
    *ret_load = most;
    return best;
}

/* Answers what it costs; nothing that could be answered is left. */
static double furnish_by(struct near *near, uint32_t region, bool most_first)
{
    double usd_h = 0;
    int64_t load;
    answer_all(near, region);
    for (uint32_t c = pick(near, region, most_first, &load); c != PLAN_NONE;
         c = pick(near, region, most_first, &load)) {
        uint32_t count = plan_rival_need(near->shop, c, load);
        int64_t capacity = plan_rival_capacity(near->shop, c, count);
        usd_h += plan_rival_price(near->shop, c, count, load) *
                 (double)(capacity < load ? capacity : load);
        buy(near, c, count);
        answer_all(near, region);
    }
    return usd_h;
}

/* One machine type for all, or one for most and others for the rest: whichever is cheaper. */
static enum err furnish_with_one(struct near *near, uint32_t region)
{
    struct plan_rival_shop *shop = near->shop;
    size_t mark = shop->arena->used;
    size_t counts_size = shop->problem->column_count * sizeof *shop->counts;
    size_t used_size = shop->problem->row_count * sizeof *shop->stock_used;
    size_t left_size = near->service->demand_count * sizeof *near->left;
    size_t rooms_size = near->service->node_count * sizeof *near->rooms;
    char *saved = arena_take(shop->arena, counts_size + used_size + left_size + rooms_size);
    if (!saved)
        return ERR_MEMORY;
    const struct {
        void *p;
        size_t size;
    } parts[] = {{shop->counts, counts_size},
                 {shop->stock_used, used_size},
                 {near->left, left_size},
                 {near->rooms, rooms_size}};
    double usd_h[2] = {0};
    for (uint32_t i = 0; i < 3; i++) { /* both ways, and the better one again */
        bool most_first = i < 2 ? i > 0 : usd_h[1] <= usd_h[0];
        size_t at = 0;
        for (size_t k = 0; k < COUNT_OF(parts); at += parts[k++].size) {
            if (i == 0)
                memcpy(saved + at, parts[k].p, parts[k].size);
            else
                memcpy(parts[k].p, saved + at, parts[k].size);
        }
        usd_h[i < 2 ? i : most_first] = furnish_by(near, region, most_first);
    }
    arena_reset(shop->arena, mark);
    return ERR_OK;
}

/* The cheapest mix -------------------------------------------------------------------------- */

/* The programme of one region alone: what is left of the demands sent there, and its machines. */
struct mix {
    struct plan_service service;
    struct plan_region region;
    struct plan_problem problem;
    uint32_t *columns; /* of each column of its: that of the whole programme */
};

static void list_nodes(const struct near *near, uint32_t region, struct mix *mix,
                       struct plan_node *nodes, struct plan_column *columns, uint32_t *numbers)
{
    const struct plan_problem *whole = near->shop->problem;
    for (uint32_t v = near->service->node_first;
         v < near->service->node_first + near->service->node_count; v++) {
        const struct plan_node *own = &whole->nodes[v];
        uint32_t at = mix->problem.node_count, standing = 0;
        if (own->region != region)
            continue;
        numbers[v - near->service->node_first] = at;
        nodes[at] = *own;
        nodes[at].service = nodes[at].region = 0;
        nodes[at].column_first = mix->problem.column_count;
        for (uint32_t c = own->column_first; c < own->column_first + own->column_count; c++) {
            uint32_t k = mix->problem.column_count++;
            mix->columns[k] = c;
            columns[k] = whole->columns[c];
            columns[k].node = at;
            columns[k].count_min = columns[k].running = 0;
            columns[k].start_usd_h = columns[k].stop_usd_h = 0;
            columns[k].count_max = plan_rival_left(near->shop, c);
            standing += near->shop->counts[c];
        }
        if (standing > 0) { /* open already */
            nodes[at].replicas_min = 1;
            nodes[at].open_usd_h = 0;
        }
        mix->problem.node_count++;
    }
}

/* False: no room. */
static bool list_demands(const struct near *near, uint32_t region, struct mix *mix,
                         struct plan_demand *demands, const uint32_t *numbers)
{
    const struct plan_problem *whole = near->shop->problem;
    for (uint32_t i = 0; i < near->service->demand_count; i++) {
        const struct plan_demand *own = &whole->demands[near->service->demand_first + i];
        if (!is_sent(near, near->service->demand_first + i, region))
            continue;
        uint32_t *nodes = ARENA_ARRAY(near->shop->arena, uint32_t, own->node_count), count = 0;
        if (!nodes)
            return false;
        for (uint32_t k = 0; k < own->node_count; k++)
            if (node_region(near, own->nodes[k]) == region)
                nodes[count++] = numbers[own->nodes[k] - near->service->node_first];
        demands[mix->problem.demand_count++] = (struct plan_demand){
            .rate = near->left[i], .unmet_usd = INFINITY, .nodes = nodes, .node_count = count};
    }
    return true;
}

/* Stock that several columns draw on, as far as it is not bought. False: no room. */
static bool list_stock(const struct near *near, struct mix *mix, struct plan_row *rows)
{
    const struct plan_rival_shop *shop = near->shop;
    for (uint32_t r = 0; r < shop->problem->row_count; r++) {
        const struct plan_row *own = &shop->problem->rows[r];
        uint32_t count = 0;
        if (own->rule != PLAN_RULE_STOCK)
            continue;
        struct plan_term *terms = ARENA_ARRAY(shop->arena, struct plan_term, own->term_count + 1);
        if (!terms)
            return false;
        for (uint32_t k = 0; k < mix->problem.column_count; k++)
            for (uint32_t i = 0; shop->stock_rows[mix->columns[k]] == r && i < own->term_count; i++)
                if (own->terms[i].column == mix->columns[k])
                    terms[count++] = (struct plan_term){k, own->terms[i].factor};
        if (count == 0)
            continue;
        rows[mix->problem.row_count] = *own;
        rows[mix->problem.row_count].upper = own->upper - shop->stock_used[r];
        rows[mix->problem.row_count].terms = terms;
        rows[mix->problem.row_count++].term_count = count;
    }
    return true;
}

static bool make_mix(const struct near *near, uint32_t region, struct mix *mix)
{
    const struct plan_problem *whole = near->shop->problem;
    const struct plan_service *service = near->service;
    struct arena *arena = near->shop->arena;
    *mix = (struct mix){.columns = ARENA_ARRAY(arena, uint32_t, service->column_count)};
    struct plan_node *nodes = ARENA_ARRAY(arena, struct plan_node, service->node_count);
    struct plan_column *columns = ARENA_ARRAY(arena, struct plan_column, service->column_count);
    struct plan_demand *demands = ARENA_ARRAY(arena, struct plan_demand, service->demand_count);
    struct plan_row *rows = ARENA_ARRAY(arena, struct plan_row, whole->row_count);
    uint32_t *numbers = ARENA_ARRAY(arena, uint32_t, service->node_count);
    if (arena->is_overflown)
        return false;
    list_nodes(near, region, mix, nodes, columns, numbers);
    if (!list_demands(near, region, mix, demands, numbers) || !list_stock(near, mix, rows))
        return false;
    uint32_t share = plan_rival_share(near->shop, (uint32_t)(service - whole->services));
    mix->service = (struct plan_service){.name = service->name,
                                         .node_count = mix->problem.node_count,
                                         .column_count = mix->problem.column_count,
                                         .demand_count = mix->problem.demand_count,
                                         .share_ppm = share,
                                         .share_lost_ppm = share};
    mix->region = (struct plan_region){.name = whole->regions[region].name};
    mix->problem.services = &mix->service;
    mix->problem.regions = &mix->region;
    mix->problem.service_count = mix->problem.region_count = 1;
    mix->problem.sku_count = whole->sku_count;
    mix->problem.zone_count = 1;
    mix->problem.skus = whole->skus;
    mix->problem.zones = whole->zones;
    mix->problem.nodes = nodes;
    mix->problem.columns = columns;
    mix->problem.demands = demands;
    mix->problem.rows = rows;
    return true;
}

/* What the plan of the region alone buys and answers. */
static void follow(struct near *near, uint32_t region, const struct mix *mix,
                   const struct plan_answer *plan)
{
    for (uint32_t k = 0; k < mix->problem.column_count; k++)
        if (plan->counts[k] > 0)
            buy(near, mix->columns[k], plan->counts[k]);
    const struct plan_service *service = near->service;
    uint32_t number = 0;
    for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count;
         d++) {
        if (!is_sent(near, d, region))
            continue;
        for (uint32_t i = 0; i < plan->flow_count; i++) {
            const struct plan_flow *flow = &plan->flows[i];
            if (flow->demand != number)
                continue;
            uint32_t c = mix->columns[mix->problem.nodes[flow->node].column_first];
            *left_of(near, d) -= flow->rate;
            *room_of(near, near->shop->problem->columns[c].node) -= flow->rate;
        }
        number++;
    }
}

static bool is_any_sent(const struct near *near, uint32_t region)
{
    const struct plan_service *service = near->service;
    bool is_any = false;
    for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count; d++)
        is_any = is_any || is_sent(near, d, region);
    return is_any;
}

/* Where the region's stock is too small for a plan of its own, one type after the other. */
static enum err furnish_with_mix(struct near *near, uint32_t region)
{
    const struct plan_limits limits = {.work = MIX_WORK};
    struct arena *arena = near->shop->arena;
    size_t mark = arena->used;
    char message[256];
    struct text why;
    struct plan_result result;
    struct mix mix;
    text_init(&why, message, sizeof message);
    answer_all(near, region);
    if (!is_any_sent(near, region))
        return ERR_OK;
    if (!make_mix(near, region, &mix))
        return ERR_MEMORY;
    CHECK(plan_problem_check(&mix.problem, &why) == ERR_OK);
    enum err err = plan_solve(&mix.problem, near->shop->lp, &limits, NULL, arena, &result, &why);
    bool is_found = !err && (result.status == PLAN_OPTIMAL || result.status == PLAN_FEASIBLE);
    if (is_found)
        follow(near, region, &mix, &result.answer);
    arena_reset(arena, mark);
    return err || is_found ? err : furnish_with_one(near, region);
}

/* Both -------------------------------------------------------------------------------------- */

/* <furnish> buys for all demands that are sent to a region. */
static enum err place(struct plan_rival_shop *shop,
                      enum err (*furnish)(struct near *near, uint32_t region))
{
    const struct plan_problem *problem = shop->problem;
    enum err err = ERR_OK;
    for (uint32_t s = 0; !err && s < problem->service_count; s++) {
        size_t mark = shop->arena->used;
        struct near near;
        if (!near_init(&near, shop, s))
            return ERR_MEMORY;
        while (!err && send_on(&near))
            for (uint32_t r = 0; !err && r < problem->region_count; r++)
                err = furnish(&near, r);
        arena_reset(shop->arena, mark);
    }
    return err;
}

enum err plan_rival_nearest(struct plan_rival_shop *shop)
{
    return place(shop, furnish_with_one);
}

enum err plan_rival_melange(struct plan_rival_shop *shop)
{
    return place(shop, furnish_with_mix);
}
