/* exchange.h: which of the services' good plans go together.
 *
 * A plan of the whole is one of each service such that the rows that they share hold: a knapsack of
 * many rows with one choice a service. It is searched by ejection chains: one service takes a
 * cheaper plan, and those that it pushes over a row give way one after the other, for less than
 * what is left of the gain.
 *
 * The linear programme that may mix the plans of a service has prices at which they go together
 * best; plans that are good at those prices are what the pools lack.
 *
 * Sources: ejection chains: Glover, 1996; the mixing programme: Dantzig and Wolfe, 1960. */
#ifndef PLAN_EXCHANGE_H
#define PLAN_EXCHANGE_H

#include "plan/lp.h"
#include "plan/own.h"

struct plan_exchange;

/* Scratch for that place; NULL: the arena is too small. */
struct plan_exchange *plan_exchange_new(const struct plan_place *place, struct arena *arena);

/* Exchanges plans of services in <place> for those of <pools>, which are by service (NULL: it has
 * none). Is it better? If not, all is as it was. <place> is whole. */
bool plan_exchange_plans(struct plan_exchange *exchange, struct plan_place *place,
                         const struct plan_pool *const *pools);

/* Behind it: prices of each row, with the signs of duals. They serve the search and prove nothing.
 * false: the library found no optimum, and <prices> are as before. <ret_work> grows. */
bool plan_exchange_price(struct plan_exchange *exchange, const struct plan_lp_api *api,
                         double *prices, uint64_t *ret_work);

/* The same by branch and bound over that programme, as far as a limited number of solutions goes:
 * what no chain of single steps leads to. */
bool plan_exchange_branch(struct plan_exchange *exchange, const struct plan_lp_api *api,
                          struct plan_place *place, const struct plan_pool *const *pools,
                          bool (*is_over)(void *), void *context);

#endif
