/* budget.h: how many retries a gateway may send, so that a sick fleet is not asked twice as much as
 * a well one: max(10 % of the requests of the last 10 s, 10).
 *
 * A ring of ten one-second buckets; time is monotonic microseconds and comes in with the event.
 * Source: Finagle's RetryBudget, reference: SRE book, "Handling Overload". */
#ifndef ROUTE_BUDGET_H
#define ROUTE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ROUTE_BUDGET_SECONDS = 10,
    ROUTE_BUDGET_MIN = 10,    /* retries in the whole window, however few requests came */
    ROUTE_BUDGET_PERCENT = 10 /* of the requests in the window */
};

struct route_budget {
    int64_t second; /* the newest bucket stands for; those before it lie behind in the ring */
    uint32_t requests[ROUTE_BUDGET_SECONDS];
    uint32_t retries[ROUTE_BUDGET_SECONDS];
};

void route_budget_init(struct route_budget *budget);

/* A request came: its first attempt. */
void route_budget_note_request(struct route_budget *budget, int64_t now_us);

/* May one more attempt be made? Spends it when it may. */
bool route_budget_spend(struct route_budget *budget, int64_t now_us);

#endif
