#include "route/health.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

void route_health_init(struct route_health *health, unsigned target_count, const uint16_t *groups)
{
    CHECK(target_count <= LIMIT_TARGETS);
    memset(health, 0, sizeof *health);
    health->target_count = (uint16_t)target_count;
    for (unsigned i = 0; groups && i < target_count; i++)
        health->targets[i].group = groups[i];
}

static struct route_health_target *target_of(struct route_health *health, unsigned target)
{
    CHECK(target < health->target_count);
    return &health->targets[target];
}

bool route_health_is_up(const struct route_health *health, unsigned target)
{
    CHECK(target < health->target_count);
    return !health->targets[target].is_down;
}

bool route_health_is_ejected(const struct route_health *health, unsigned target, int64_t now_us)
{
    CHECK(target < health->target_count);
    return now_us < health->targets[target].ejected_until_us;
}

bool route_health_is_cooling(const struct route_health *health, unsigned target, int64_t now_us)
{
    CHECK(target < health->target_count);
    return now_us < health->targets[target].cooling_until_us;
}

/* Would one more ejection leave half of its group at least? */
static bool may_eject(const struct route_health *health, unsigned target, int64_t now_us)
{
    unsigned size = 0, ejected = 0;
    for (unsigned i = 0; i < health->target_count; i++) {
        if (health->targets[i].group != health->targets[target].group)
            continue;
        size++;
        ejected += route_health_is_ejected(health, i, now_us);
    }
    CHECK(2 * ejected <= size);
    return 2 * (ejected + 1) <= size;
}

static uint8_t add_one(uint8_t count)
{
    return count < UINT8_MAX ? (uint8_t)(count + 1) : count;
}

static int64_t rest_of(unsigned ejection_count)
{
    int64_t rest_us = ROUTE_HEALTH_REST_US;
    for (; ejection_count > 0 && rest_us < ROUTE_HEALTH_REST_MAX_US; ejection_count--)
        rest_us *= 2;
    return rest_us < ROUTE_HEALTH_REST_MAX_US ? rest_us : ROUTE_HEALTH_REST_MAX_US;
}

static void eject(struct route_health *health, unsigned target, int64_t now_us)
{
    if (route_health_is_ejected(health, target, now_us) || !may_eject(health, target, now_us))
        return;
    struct route_health_target *one = target_of(health, target);
    one->ejected_until_us = now_us + rest_of(one->ejection_count);
    one->forgiven_at_us = one->ejected_until_us;
    one->failure_run = 0;
    one->ejection_count = add_one(one->ejection_count);
}

void route_health_note(struct route_health *health, unsigned target, bool is_good, int64_t now_us)
{
    struct route_health_target *one = target_of(health, target);
    if (is_good) {
        one->good++;
        one->failure_run = 0;
        return;
    }
    one->bad++;
    one->failure_run = add_one(one->failure_run);
    if (one->failure_run >= ROUTE_HEALTH_EJECT_RUN)
        eject(health, target, now_us);
}

void route_health_cool(struct route_health *health, unsigned target, int64_t retry_after_us,
                       int64_t now_us)
{
    int64_t rest_us = retry_after_us < ROUTE_HEALTH_COOL_MIN_US   ? ROUTE_HEALTH_COOL_MIN_US
                      : retry_after_us > ROUTE_HEALTH_COOL_MAX_US ? ROUTE_HEALTH_COOL_MAX_US
                                                                  : retry_after_us;
    struct route_health_target *one = target_of(health, target);
    if (one->cooling_until_us < now_us + rest_us)
        one->cooling_until_us = now_us + rest_us;
}

void route_health_probe(struct route_health *health, unsigned target, bool is_good)
{
    struct route_health_target *one = target_of(health, target);
    bool is_news = is_good == one->is_down;
    one->probe_run = is_news ? (uint8_t)(one->probe_run + 1) : 0;
    if (one->probe_run < (one->is_down ? ROUTE_HEALTH_RISE : ROUTE_HEALTH_FALL))
        return;
    one->is_down = !one->is_down;
    one->probe_run = 0;
}

static bool has_failed_too_often(const struct route_health_target *one)
{
    uint64_t answers = (uint64_t)one->good + one->bad;
    return answers >= ROUTE_HEALTH_PERIOD_ANSWERS && 2 * (uint64_t)one->bad >= answers;
}

/* The lower median of the known latencies of the peers of <target>, itself left out; 0: too few. */
static int64_t peers_median(const struct route_health *health, const int64_t *ewma_us,
                            unsigned target, int64_t now_us)
{
    int64_t sorted[LIMIT_TARGETS];
    unsigned count = 0;
    for (unsigned i = 0; i < health->target_count; i++) {
        if (i == target || health->targets[i].group != health->targets[target].group ||
            ewma_us[i] <= 0 || route_health_is_ejected(health, i, now_us))
            continue;
        unsigned at = count++;
        for (; at > 0 && sorted[at - 1] > ewma_us[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = ewma_us[i];
    }
    return count + 1 >= ROUTE_HEALTH_PEERS_MIN ? sorted[(count - 1) / 2] : 0;
}

static bool is_too_slow(const struct route_health *health, const int64_t *ewma_us, unsigned target,
                        int64_t now_us)
{
    if (health->targets[target].group == ROUTE_HEALTH_ALONE || ewma_us[target] <= 0)
        return false;
    int64_t median_us = peers_median(health, ewma_us, target, now_us);
    return median_us > 0 && ewma_us[target] / ROUTE_HEALTH_SLOW_FACTOR > median_us &&
           ewma_us[target] - median_us > ROUTE_HEALTH_SLOW_US;
}

static void forgive(struct route_health_target *one, int64_t now_us)
{
    if (one->ejection_count == 0 || now_us - one->forgiven_at_us < ROUTE_HEALTH_FORGIVE_US)
        return;
    one->ejection_count--;
    one->forgiven_at_us = now_us;
}

void route_health_judge(struct route_health *health, const int64_t *ewma_us, int64_t now_us)
{
    if (now_us - health->judged_at_us < ROUTE_HEALTH_PERIOD_US)
        return;
    health->judged_at_us = now_us;
    for (unsigned i = 0; i < health->target_count; i++) {
        struct route_health_target *one = &health->targets[i];
        if (has_failed_too_often(one) || is_too_slow(health, ewma_us, i, now_us))
            eject(health, i, now_us);
        else
            forgive(one, now_us);
        one->good = one->bad = 0;
    }
}
