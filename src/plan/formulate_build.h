/* formulate_build.h: inner face of formulate.h.
 *
 *   formulate.c          services, demands, nodes, columns, failures
 *   formulate_offers.c   what can be had where, and its speeds
 *   formulate_rules.c    rows, pins, held services, the running plan */
#ifndef PLAN_FORMULATE_BUILD_H
#define PLAN_FORMULATE_BUILD_H

#include "plan/formulate.h"

/* What can be had in a place. Ascending places. */
struct plan_offer {
    uint32_t place;
    uint16_t sku;
    enum plan_market market;
    uint32_t stock; /* machines, > 0 */
    double usd_h;   /* of one machine; own: 0 */
    bool is_estimate;
};

struct plan_builder {
    const struct plan_wish *wish;
    const struct plan_sheet *running;
    struct arena *arena;
    struct text *why;
    struct plan_formulation *made;
    const struct plan_offer *offers;
    uint32_t offer_count;
    /* what <made> shows as const */
    struct plan_problem *problem;
    struct plan_service *services;
    struct plan_node *nodes;
    struct plan_demand *demands;
    struct plan_column *columns;
    struct plan_row *rows;
    struct plan_demand_origin *demand_origins;
    struct plan_column_origin *column_origins;
    struct plan_service_origin *service_origins;
    struct plan_speed *speeds;
    uint32_t column_max, row_max;
};

/* Offers and speeds, and how many columns there can be; false: no room. */
MUST_USE bool plan_builder_offers(struct plan_builder *builder);

bool plan_builder_forbids(const struct plan_wish *wish, uint32_t service,
                          const struct plan_offer *offer);
struct span plan_builder_provider(const struct plan_wish *wish, uint32_t place);

/* Machines of a catalogue's offer: the wish's word counts, else the catalogue's. */
uint32_t plan_builder_stock(const struct plan_wish *wish, const struct catalog_offer *offer,
                            enum plan_market market);

/* Running replicas, pins and held services into the columns. */
MUST_USE enum err plan_builder_fix(struct plan_builder *builder);

/* The rows. */
MUST_USE enum err plan_builder_rules(struct plan_builder *builder);

#endif
