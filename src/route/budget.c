#include "route/budget.h"

#include "base/check.h"

void route_budget_init(struct route_budget *budget)
{
    *budget = (struct route_budget){0};
}

/* Empties the buckets of the seconds that have passed; answers the bucket of <now_us>. */
static unsigned advance(struct route_budget *budget, int64_t now_us)
{
    CHECK(now_us >= 0);
    int64_t second = now_us / 1000000;
    if (second - budget->second >= ROUTE_BUDGET_SECONDS) {
        route_budget_init(budget);
        budget->second = second;
    }
    while (budget->second < second) {
        unsigned bucket = (unsigned)(++budget->second % ROUTE_BUDGET_SECONDS);
        budget->requests[bucket] = 0;
        budget->retries[bucket] = 0;
    }
    return (unsigned)(budget->second % ROUTE_BUDGET_SECONDS);
}

void route_budget_note_request(struct route_budget *budget, int64_t now_us)
{
    unsigned bucket = advance(budget, now_us);
    budget->requests[bucket] += budget->requests[bucket] < UINT32_MAX;
}

bool route_budget_spend(struct route_budget *budget, int64_t now_us)
{
    unsigned bucket = advance(budget, now_us);
    uint64_t requests = 0, retries = 0;
    for (unsigned i = 0; i < ROUTE_BUDGET_SECONDS; i++) {
        requests += budget->requests[i];
        retries += budget->retries[i];
    }
    uint64_t allowed = requests * ROUTE_BUDGET_PERCENT / 100;
    if (retries >= (allowed > ROUTE_BUDGET_MIN ? allowed : ROUTE_BUDGET_MIN))
        return false;
    budget->retries[bucket]++;
    return true;
}
