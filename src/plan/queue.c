#include "plan/queue.h"

#include "base/check.h"
#include "base/maths.h"

double plan_queue_busy(uint32_t servers, double load)
{
    CHECK(servers >= 1 && load >= 0);
    if (load >= 1)
        return 1;
    servers = servers < PLAN_QUEUE_SERVERS_MAX ? servers : PLAN_QUEUE_SERVERS_MAX;
    double offered = load * servers, blocked = 1; /* Erlang B, server by server */
    for (uint32_t i = 1; i <= servers; i++)
        blocked = offered * blocked / (i + offered * blocked);
    return blocked / (1 - load * (1 - blocked));
}

double plan_queue_late(const struct plan_queue *queue, double load)
{
    CHECK(queue->time_ms > 0 && queue->cv2 >= 0 && queue->budget_ms >= 0);
    double own = load * queue->load_share;
    if (own >= 1)
        return 1;
    double drained = (1 - own) * queue->servers / queue->time_ms; /* requests a ms, while full */
    return plan_queue_busy(queue->servers, own) *
           maths_exp(-2 * drained * queue->budget_ms / (1 + queue->cv2));
}

double plan_queue_load(const struct plan_queue *queues, uint32_t count, double late_max)
{
    const uint32_t whole = 1000000;
    uint32_t good = 0, bad = whole + 1; /* late shares grow with the load */
    while (bad - good > 1) {
        uint32_t middle = good + (bad - good) / 2;
        double late = 0;
        for (uint32_t i = 0; i < count; i++)
            late += plan_queue_late(&queues[i], (double)middle / whole);
        if (late <= late_max)
            good = middle;
        else
            bad = middle;
    }
    return (double)good / whole;
}
