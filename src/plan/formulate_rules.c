/* formulate_rules.c: what joins columns: stock, budgets, shares, least numbers; and what is fixed
 * before: pins, held services, the plan in force. */
#include <math.h>

#include "base/check.h"
#include "plan/formulate_build.h"
#include "plan/lp.h"

enum { ROWS_A_SERVICE = 4 };

/* The columns that a row is made of, and their factors. */
struct terms {
    struct plan_term *term;
    uint32_t count;
};

static bool begin_terms(struct plan_builder *builder, uint32_t most, struct terms *ret_terms)
{
    *ret_terms = (struct terms){ARENA_ARRAY(builder->arena, struct plan_term, most + 1), 0};
    return ret_terms->term != NULL;
}

static void add_term(struct terms *terms, uint32_t column, double factor)
{
    if (factor != 0)
        terms->term[terms->count++] = (struct plan_term){column, factor};
}

__attribute__((format(printf, 6, 7))) static void add_row(struct plan_builder *builder,
                                                          const struct terms *terms,
                                                          enum plan_rule rule, double lower,
                                                          double upper, const char *format, ...)
{
    char buffer[256];
    struct text text;
    va_list arguments;
    text_init(&text, buffer, sizeof buffer);
    va_start(arguments, format);
    text_add_v(&text, format, arguments);
    va_end(arguments);
    CHECK(builder->problem->row_count < builder->row_max);
    builder->rows[builder->problem->row_count++] =
        (struct plan_row){.rule = rule,
                          .name = arena_copy(builder->arena, text_span(&text)),
                          .lower = lower,
                          .upper = upper,
                          .terms = terms->term,
                          .term_count = terms->count};
}

/* Fixed columns ---------------------------------------------------------------------------- */

bool plan_column_is(const struct plan_formulation *made, uint32_t column,
                    const struct plan_sheet_replica *replica)
{
    const struct plan_column *own = &made->problem.columns[column];
    const struct plan_column_origin *origin = &made->columns[column];
    uint32_t service = made->problem.nodes[own->node].service;
    uint32_t tensor_parallel = made->speeds[origin->speed].tensor_parallel;
    return span_is_equal(made->problem.services[service].name, replica->service) &&
           span_is_equal(plan_wish_place_name(made->wish, origin->place), replica->region) &&
           span_is_equal(made->problem.skus[own->sku], replica->sku) &&
           span_is(replica->market, plan_market_name((enum plan_market)own->market)) &&
           (replica->tensor_parallel == 0 || replica->tensor_parallel == tensor_parallel);
}

static enum err fix_held(struct plan_builder *builder)
{
    const struct plan_problem *problem = builder->problem;
    for (uint32_t s = 0; s < problem->service_count; s++) {
        const struct plan_service *service = &problem->services[s];
        if (!builder->wish->services[s].is_held)
            continue;
        if (!builder->running) {
            text_add(builder->why, "hold of %.*s: expected the running plan (--from plan.json)",
                     SPAN_ARG(service->name));
            return ERR_UNSUPPORTED;
        }
        for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
             c++) {
            struct plan_column *column = &builder->columns[c];
            if (column->running > column->count_max) {
                text_add(builder->why,
                         "\n  hold of %.*s: %u replicas run in %.*s, but the stock allows %u",
                         SPAN_ARG(service->name), column->running,
                         SPAN_ARG(problem->regions[problem->nodes[column->node].region].name),
                         column->count_max);
                return ERR_VALUE;
            }
            column->count_min = column->count_max = column->running;
        }
    }
    return ERR_OK;
}

static bool is_chosen(const struct plan_builder *builder, uint32_t column,
                      const struct plan_wish_choice *choice)
{
    const struct plan_column *own = &builder->columns[column];
    return builder->nodes[own->node].service == choice->service &&
           builder->column_origins[column].place == choice->place && own->sku == choice->sku &&
           own->market == choice->market;
}

/* A pin of one column fixes it; one that several ways could fill becomes a row. */
static enum err fix_pins(struct plan_builder *builder)
{
    for (uint32_t i = 0; i < builder->wish->pin_count; i++) {
        const struct plan_wish_choice *pin = &builder->wish->pins[i];
        uint32_t count = 0, column = 0, stock = 0;
        for (uint32_t c = 0; c < builder->problem->column_count; c++)
            if (is_chosen(builder, c, pin)) {
                count++;
                column = c;
                stock = builder->columns[c].count_max;
            }
        if (pin->count > 0 && (count == 0 || stock < pin->count)) {
            struct span service = builder->wish->services[pin->service].name;
            struct span place = plan_wish_place_name(builder->wish, pin->place);
            text_add(builder->why,
                     "\n  pin in line %u: %u replicas of %.*s on %.*s in %.*s (%s), but there can "
                     "be %u",
                     pin->said.line, pin->count, SPAN_ARG(service),
                     SPAN_ARG(builder->problem->skus[pin->sku]), SPAN_ARG(place),
                     plan_market_name((enum plan_market)pin->market), count ? stock : 0);
            return ERR_VALUE;
        }
        if (count == 1)
            builder->columns[column].count_min = builder->columns[column].count_max = pin->count;
    }
    return ERR_OK;
}

/* A held service must find every replica that runs among what can be had now. */
static enum err fix_running(struct plan_builder *builder)
{
    const struct plan_sheet *running = builder->running;
    for (uint32_t i = 0; running && i < running->replica_count; i++) {
        const struct plan_sheet_replica *replica = &running->replicas[i];
        uint32_t c = 0, s = 0, service_count = builder->problem->service_count;
        while (c < builder->problem->column_count && !plan_column_is(builder->made, c, replica))
            c++;
        if (c < builder->problem->column_count) {
            builder->columns[c].running += replica->count;
            continue;
        }
        while (s < service_count && !span_is_equal(builder->services[s].name, replica->service))
            s++;
        if (replica->count == 0 || s == service_count || !builder->wish->services[s].is_held)
            continue;
        text_add(builder->why,
                 "\n  hold of %.*s: %u replicas run on %.*s in %.*s, which cannot be had any more",
                 SPAN_ARG(replica->service), replica->count, SPAN_ARG(replica->sku),
                 SPAN_ARG(replica->region));
        return ERR_VALUE;
    }
    return ERR_OK;
}

enum err plan_builder_fix(struct plan_builder *builder)
{
    enum err err = fix_running(builder);
    if (!err)
        err = fix_held(builder);
    return err ? err : fix_pins(builder);
}

/* Rows of all services --------------------------------------------------------------------- */

static bool is_same_stock(const struct plan_builder *builder, uint32_t a, uint32_t b)
{
    return builder->column_origins[a].place == builder->column_origins[b].place &&
           builder->columns[a].sku == builder->columns[b].sku &&
           builder->columns[a].market == builder->columns[b].market;
}

static uint32_t machines_of(const struct plan_builder *builder, uint32_t column)
{
    return builder->speeds[builder->column_origins[column].speed].machines;
}

/* One row for each offer that more than one column draws on; <count_max> says the others'. */
static bool add_stock_rows(struct plan_builder *builder)
{
    const struct plan_problem *problem = builder->problem;
    struct terms terms;
    uint32_t *next = ARENA_ARRAY(builder->arena, uint32_t, problem->column_count + 1);
    uint32_t *heads = ARENA_ARRAY(builder->arena, uint32_t, builder->offer_count + 1);
    if (!next || !heads)
        return false;
    for (uint32_t i = 0; i < builder->offer_count; i++)
        heads[i] = PLAN_NONE;
    for (uint32_t c = problem->column_count; c-- > 0;) { /* lists come out ascending */
        uint32_t low = 0, high = builder->offer_count;   /* offers ascend by place */
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (builder->offers[middle].place < builder->column_origins[c].place)
                low = middle + 1;
            else
                high = middle;
        }
        while (builder->offers[low].sku != builder->columns[c].sku ||
               (uint8_t)builder->offers[low].market != builder->columns[c].market)
            low++;
        next[c] = heads[low];
        heads[low] = c;
    }
    for (uint32_t i = 0; i < builder->offer_count; i++) {
        const struct plan_offer *offer = &builder->offers[i];
        uint32_t count = 0;
        for (uint32_t c = heads[i]; c != PLAN_NONE; c = next[c])
            count++;
        if (count < 2)
            continue;
        if (!begin_terms(builder, count, &terms))
            return false;
        for (uint32_t c = heads[i]; c != PLAN_NONE; c = next[c]) {
            CHECK(is_same_stock(builder, heads[i], c));
            add_term(&terms, c, machines_of(builder, c));
        }
        struct span place = plan_wish_place_name(builder->wish, offer->place);
        add_row(builder, &terms, PLAN_RULE_STOCK, -PLAN_LP_INFINITY, offer->stock,
                "stock of %.*s in %.*s%s%s", SPAN_ARG(problem->skus[offer->sku]), SPAN_ARG(place),
                offer->market == PLAN_ON_DEMAND ? "" : ", ",
                offer->market == PLAN_ON_DEMAND ? "" : plan_market_name(offer->market));
    }
    return true;
}

enum measure { MEASURE_COST, MEASURE_CARBON, MEASURE_POWER };

static double measure(const struct plan_builder *builder, uint32_t column, enum measure of)
{
    if (of == MEASURE_COST)
        return builder->column_origins[column].usd_h;
    return of == MEASURE_CARBON ? builder->columns[column].kg_co2_h
                                : builder->column_origins[column].watts / 1000;
}

/* sum of what the columns (of <place>, or of all) take <= upper */
static bool add_sum_row(struct plan_builder *builder, enum plan_rule rule, enum measure of,
                        double upper, uint32_t place, const char *name)
{
    struct terms terms;
    if (isinf(upper))
        return true;
    if (!begin_terms(builder, builder->problem->column_count, &terms))
        return false;
    for (uint32_t c = 0; c < builder->problem->column_count; c++)
        if (place == PLAN_NONE || builder->column_origins[c].place == place)
            add_term(&terms, c, measure(builder, c, of));
    struct span site =
        place == PLAN_NONE ? (struct span){"", 0} : plan_wish_place_name(builder->wish, place);
    add_row(builder, &terms, rule, -PLAN_LP_INFINITY, upper, "%s%s%.*s", name,
            place == PLAN_NONE ? "" : " of ", SPAN_ARG(site));
    return true;
}

static bool add_budget_rows(struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    bool has_room = add_sum_row(builder, PLAN_RULE_BUDGET, MEASURE_COST, wish->budget_usd_h,
                                PLAN_NONE, "budget, $/h") &&
                    add_sum_row(builder, PLAN_RULE_CARBON, MEASURE_CARBON, wish->carbon_max_kg_h,
                                PLAN_NONE, "CO2, kg/h") &&
                    add_sum_row(builder, PLAN_RULE_POWER, MEASURE_POWER, wish->power_max_w / 1000,
                                PLAN_NONE, "power, kW");
    for (uint32_t i = 0; has_room && i < wish->site_count; i++)
        has_room =
            add_sum_row(builder, PLAN_RULE_POWER, MEASURE_POWER, wish->sites[i].power_max_w / 1000,
                        wish->catalog->region_count + i, "power, kW");
    return has_room;
}

/* Pins that more than one column may fill. */
static bool add_pin_rows(struct plan_builder *builder)
{
    const struct plan_problem *problem = builder->problem;
    for (uint32_t i = 0; i < builder->wish->pin_count; i++) {
        const struct plan_wish_choice *pin = &builder->wish->pins[i];
        struct terms terms;
        if (!begin_terms(builder, problem->services[pin->service].column_count, &terms))
            return false;
        for (uint32_t c = 0; c < problem->column_count; c++)
            if (is_chosen(builder, c, pin))
                add_term(&terms, c, 1);
        if (terms.count < 2)
            continue;
        struct span place = plan_wish_place_name(builder->wish, pin->place);
        add_row(builder, &terms, PLAN_RULE_MIN_REPLICAS, pin->count, pin->count,
                "pin of %.*s in %.*s", SPAN_ARG(problem->services[pin->service].name),
                SPAN_ARG(place));
    }
    return true;
}

/* Rows of one service ---------------------------------------------------------------------- */

static bool add_count_row(struct plan_builder *builder, uint32_t s, uint32_t least,
                          uint32_t but_first, uint32_t but_second, const char *name)
{
    const struct plan_service *service = &builder->services[s];
    struct terms terms;
    if (!begin_terms(builder, service->column_count, &terms))
        return false;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        uint32_t region = builder->nodes[builder->columns[c].node].region;
        if (region != but_first && region != but_second)
            add_term(&terms, c, 1);
    }
    add_row(builder, &terms, PLAN_RULE_MIN_REPLICAS, least, PLAN_LP_INFINITY, "%s of %.*s", name,
            SPAN_ARG(service->name));
    return true;
}

/* At least k regions: whatever k - 1 of them are left out, there is a replica in another. */
static bool add_region_rows(struct plan_builder *builder, uint32_t s)
{
    uint32_t least = builder->wish->services[s].regions_min;
    uint32_t region_count = builder->problem->region_count;
    bool has_room = true;
    for (uint32_t r = 0; has_room && least == 2 && r < region_count; r++)
        has_room = add_count_row(builder, s, 1, r, r, "least regions");
    for (uint32_t r = 0; has_room && least == 3 && r < region_count; r++)
        for (uint32_t q = 0; has_room && q < r; q++)
            has_room = add_count_row(builder, s, 1, q, r, "least regions");
    return has_room;
}

/* sum of speed in <region> (PLAN_NONE: any) and <market> <= share x sum of speed of all columns, of
 * the spot ones alone if <of_spot> */
static bool add_share_row(struct plan_builder *builder, uint32_t s, uint32_t region, bool is_spot,
                          bool of_spot, double share, enum plan_rule rule, const char *name)
{
    const struct plan_service *service = &builder->services[s];
    struct terms terms;
    if (!begin_terms(builder, service->column_count, &terms))
        return false;
    uint32_t inside_count = 0;
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        const struct plan_column *column = &builder->columns[c];
        bool is_here = region == PLAN_NONE || builder->nodes[column->node].region == region;
        bool is_inside = is_here && (!is_spot || column->market == PLAN_SPOT);
        bool is_counted = !of_spot || column->market == PLAN_SPOT;
        double speed = (double)column->speed / 1e6;
        inside_count += is_inside;
        add_term(&terms, c, speed * ((is_inside ? 1 : 0) - (is_counted ? share : 0)));
    }
    if (inside_count == 0)
        return true;
    struct span place =
        region == PLAN_NONE ? (struct span){"", 0} : builder->problem->regions[region].name;
    add_row(builder, &terms, rule, -PLAN_LP_INFINITY, 0, "%s of %.*s%s%.*s", name,
            SPAN_ARG(service->name), region == PLAN_NONE ? "" : " in ", SPAN_ARG(place));
    return true;
}

static bool add_service_rows(struct plan_builder *builder, uint32_t s)
{
    const struct plan_wish_service *wish = &builder->wish->services[s];
    bool has_room = true;
    if (wish->replicas_min > 0)
        has_room =
            add_count_row(builder, s, wish->replicas_min, PLAN_NONE, PLAN_NONE, "least replicas");
    if (has_room && wish->spot < 1)
        has_room = add_share_row(builder, s, PLAN_NONE, true, false, wish->spot,
                                 PLAN_RULE_SPOT_SHARE, "spot share");
    for (uint32_t r = 0; has_room && wish->spread < 1 && r < builder->problem->region_count; r++)
        has_room =
            add_share_row(builder, s, r, false, false, wish->spread, PLAN_RULE_SPREAD, "spread");
    for (uint32_t r = 0; has_room && wish->spot_spread < 1 && r < builder->problem->region_count;
         r++)
        has_room = add_share_row(builder, s, r, true, true, wish->spot_spread, PLAN_RULE_SPREAD,
                                 "spread of spot");
    return has_room && add_region_rows(builder, s);
}

/* How many rows there can be. */
static uint32_t rows_max(const struct plan_builder *builder)
{
    const struct plan_wish *wish = builder->wish;
    uint32_t regions = builder->problem->region_count;
    uint32_t rows = builder->offer_count + 3 + wish->site_count + wish->pin_count;
    for (uint32_t s = 0; s < wish->service_count; s++) {
        rows += ROWS_A_SERVICE + 2 * regions;
        rows += wish->services[s].regions_min == 3 ? regions * regions / 2 : regions;
    }
    return rows;
}

enum err plan_builder_rules(struct plan_builder *builder)
{
    builder->row_max = rows_max(builder);
    builder->rows = ARENA_ARRAY(builder->arena, struct plan_row, builder->row_max);
    if (!builder->rows)
        return ERR_MEMORY;
    builder->problem->rows = builder->rows;
    bool has_room = add_stock_rows(builder) && add_budget_rows(builder) && add_pin_rows(builder);
    for (uint32_t s = 0; has_room && s < builder->problem->service_count; s++)
        has_room = add_service_rows(builder, s);
    return has_room && !builder->arena->is_overflown ? ERR_OK : ERR_MEMORY;
}
