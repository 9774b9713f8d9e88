#include "plan/rival_speed.h"

#include <math.h>

/* Units of work a second of the sizes in <set> (bits) at its worst; INFINITY: none. */
static double worst_of(const struct plan_speed *speed, const double works[PLAN_BUCKETS_MAX],
                       uint32_t set)
{
    double worst = INFINITY;
    for (uint32_t b = 0; b < PLAN_BUCKETS_MAX; b++)
        if (set >> b & 1 && speed->rates[b] > 0 && works[b] * speed->rates[b] < worst)
            worst = works[b] * speed->rates[b];
    return worst;
}

static void set_speeds(const struct plan_formulation *made, const struct plan_service *service,
                       uint32_t *sets, int64_t *speeds)
{
    const struct plan_problem *problem = &made->problem;
    double works[PLAN_BUCKETS_MAX] = {0};
    uint32_t all = 0;
    for (uint32_t d = service->demand_first; d < service->demand_first + service->demand_count;
         d++) {
        uint32_t bucket = made->demands[d].bucket;
        works[bucket] = made->demands[d].work;
        all |= 1U << bucket;
        for (uint32_t i = 0; i < problem->demands[d].node_count; i++)
            sets[problem->demands[d].nodes[i]] |= 1U << bucket;
    }
    for (uint32_t c = service->column_first; c < service->column_first + service->column_count;
         c++) {
        const struct plan_column *column = &problem->columns[c];
        const struct plan_speed *speed = &made->speeds[made->columns[c].speed];
        double some = worst_of(speed, works, sets[column->node]);
        double whole = worst_of(speed, works, all);
        bool is_slower = whole < some && some < INFINITY;
        speeds[c] = is_slower ? (int64_t)((double)column->speed * (whole / some)) : column->speed;
        speeds[c] = speeds[c] < 1 ? 1 : speeds[c];
    }
}

int64_t *plan_rival_speeds(const struct plan_formulation *made, struct arena *arena)
{
    const struct plan_problem *problem = &made->problem;
    int64_t *speeds = ARENA_ARRAY(arena, int64_t, problem->column_count);
    uint32_t *sets = ARENA_ARRAY(arena, uint32_t, problem->node_count); /* sizes of each node */
    for (uint32_t s = 0; speeds && sets && s < problem->service_count; s++)
        set_speeds(made, &problem->services[s], sets, speeds);
    return sets ? speeds : NULL;
}
