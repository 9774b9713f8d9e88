#include "base/check.h"
#include "plan/sheet_fill.h"

enum { ROUNDS_MAX = 64 };

struct order {
    struct plan_sheet *sheet;
    const uint32_t *machines_max;
    uint32_t *current; /* replicas as far as the steps have come */
    uint32_t *kin;     /* the first row that draws on the same stock */
    uint64_t *used;    /* machines, by that first row */
    uint32_t step_max, wave;
};

static bool is_kin(const struct plan_sheet_replica *a, const struct plan_sheet_replica *b)
{
    return span_is_equal(a->region, b->region) && span_is_equal(a->sku, b->sku) &&
           span_is_equal(a->market, b->market);
}

static void change(struct order *order, uint32_t i, uint32_t count)
{
    uint64_t machines = order->sheet->replicas[i].machines;
    uint64_t *used = &order->used[order->kin[i]];
    *used = *used - machines * order->current[i] + machines * count;
    order->current[i] = count;
}

/* Replicas of row <i> that could start now. */
static uint32_t room_for(const struct order *order, uint32_t i)
{
    uint64_t used = order->used[order->kin[i]], most = order->machines_max[i];
    return used < most ? (uint32_t)((most - used) / order->sheet->replicas[i].machines) : 0;
}

static void add_step(struct order *order, enum plan_action action, uint32_t replica, uint32_t count)
{
    CHECK(order->sheet->step_count < order->step_max);
    order->sheet->steps[order->sheet->step_count++] =
        (struct plan_sheet_step){order->wave, action, replica, count};
}

static uint32_t start_all(struct order *order)
{
    uint32_t started = 0, first = order->sheet->step_count;
    for (uint32_t i = 0; i < order->sheet->replica_count; i++) {
        uint32_t wanted = order->sheet->replicas[i].count, room = room_for(order, i);
        if (order->current[i] >= wanted || room == 0)
            continue;
        uint32_t more = wanted - order->current[i] < room ? wanted - order->current[i] : room;
        add_step(order, PLAN_ACTION_START, i, more);
        change(order, i, order->current[i] + more);
        started++;
    }
    uint32_t end = order->sheet->step_count;
    order->wave += started > 0;
    for (uint32_t i = first; i < end; i++)
        add_step(order, PLAN_ACTION_SHIFT, order->sheet->steps[i].replica, 0);
    order->wave += started > 0;
    return started;
}

static bool is_waiting(const struct order *order, struct span service)
{
    for (uint32_t i = 0; i < order->sheet->replica_count; i++)
        if (span_is_equal(order->sheet->replicas[i].service, service) &&
            order->current[i] < order->sheet->replicas[i].count)
            return true;
    return false;
}

/* What is too much goes, once nothing of its service is still to come, or <by_force>. */
static uint32_t stop_all(struct order *order, bool by_force)
{
    uint32_t stopped = 0;
    for (uint32_t i = 0; i < order->sheet->replica_count; i++) {
        const struct plan_sheet_replica *own = &order->sheet->replicas[i];
        if (order->current[i] <= own->count || (!by_force && is_waiting(order, own->service)))
            continue;
        add_step(order, PLAN_ACTION_STOP, i, order->current[i] - own->count);
        change(order, i, own->count);
        stopped++;
    }
    order->wave += stopped > 0;
    return stopped;
}

bool plan_sheet_order(struct plan_sheet *sheet, const uint32_t *machines_max, struct arena *arena)
{
    uint32_t count = sheet->replica_count;
    struct order order = {.sheet = sheet,
                          .machines_max = machines_max,
                          .current = ARENA_ARRAY(arena, uint32_t, count + 1),
                          .kin = ARENA_ARRAY(arena, uint32_t, count + 1),
                          .used = ARENA_ARRAY(arena, uint64_t, count + 1)};
    uint32_t rounds_max = 2 * count + 2 < ROUNDS_MAX ? 2 * count + 2 : ROUNDS_MAX;
    order.step_max = rounds_max * 4 * (count + 1);
    sheet->steps = ARENA_ARRAY(arena, struct plan_sheet_step, order.step_max);
    sheet->step_count = 0;
    if (arena->is_overflown)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = 0;
        while (!is_kin(&sheet->replicas[first], &sheet->replicas[i]))
            first++;
        order.kin[i] = first;
        change(&order, i, sheet->replicas[i].running);
    }
    for (uint32_t round = 0; round < rounds_max; round++) {
        uint32_t moved = start_all(&order) + stop_all(&order, false);
        if (moved == 0 && stop_all(&order, true) == 0)
            break;
    }
    return true;
}
