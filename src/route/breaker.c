#include "route/breaker.h"

#include "base/check.h"

static void check_invariants(const struct route_breaker *breaker)
{
    const struct route_breaker_rules *rules = &breaker->rules;
    CHECK(breaker->rest_us >= rules->rest_us && breaker->rest_us <= rules->rest_max_us);
    if (breaker->state == ROUTE_BREAKER_CLOSED)
        CHECK(breaker->failure_run < rules->trip_count);
    if (breaker->state == ROUTE_BREAKER_TRYING)
        CHECK(breaker->heal_run < rules->heal_count);
    else
        CHECK(!breaker->is_trial_out);
}

static void check_time(int64_t now_us)
{
    CHECK(now_us >= 0 && now_us <= INT64_MAX - ROUTE_BREAKER_REST_US_MAX);
}

static void enter_closed(struct route_breaker *breaker)
{
    breaker->state = ROUTE_BREAKER_CLOSED;
    breaker->failure_run = 0;
    breaker->rest_us = breaker->rules.rest_us;
}

static void enter_open(struct route_breaker *breaker, int64_t now_us)
{
    breaker->state = ROUTE_BREAKER_OPEN;
    breaker->term++;
    breaker->retry_at_us = now_us + breaker->rest_us;

    int64_t doubled_us = 2 * breaker->rest_us;
    int64_t longest_us = breaker->rules.rest_max_us;
    breaker->rest_us = doubled_us < longest_us ? doubled_us : longest_us;
}

static void enter_trying(struct route_breaker *breaker)
{
    breaker->state = ROUTE_BREAKER_TRYING;
    breaker->heal_run = 0;
}

void route_breaker_init(struct route_breaker *breaker, const struct route_breaker_rules *rules)
{
    CHECK(rules->trip_count >= 1 && rules->trip_count <= 1000);
    CHECK(rules->heal_count >= 1 && rules->heal_count <= 100);
    CHECK(rules->rest_us > 0 && rules->rest_us <= rules->rest_max_us);
    CHECK(rules->rest_max_us <= ROUTE_BREAKER_REST_US_MAX);

    *breaker = (struct route_breaker){.rules = *rules};
    enter_closed(breaker);
}

bool route_breaker_is_ready(const struct route_breaker *breaker, int64_t now_us)
{
    check_time(now_us);
    if (breaker->state == ROUTE_BREAKER_OPEN)
        return now_us >= breaker->retry_at_us;
    return breaker->state == ROUTE_BREAKER_CLOSED || !breaker->is_trial_out;
}

bool route_breaker_admit(struct route_breaker *breaker, int64_t now_us, uint32_t *ret_term)
{
    if (!route_breaker_is_ready(breaker, now_us))
        return false;

    if (breaker->state == ROUTE_BREAKER_OPEN)
        enter_trying(breaker);
    breaker->is_trial_out = breaker->state == ROUTE_BREAKER_TRYING;
    check_invariants(breaker);
    *ret_term = breaker->term;
    return true;
}

static void note_request(struct route_breaker *breaker, enum route_breaker_outcome outcome,
                         int64_t now_us)
{
    if (outcome == ROUTE_BREAKER_GOOD)
        breaker->failure_run = 0;
    if (outcome == ROUTE_BREAKER_BAD && ++breaker->failure_run == breaker->rules.trip_count)
        enter_open(breaker, now_us);
}

static void note_trial(struct route_breaker *breaker, enum route_breaker_outcome outcome,
                       int64_t now_us)
{
    CHECK(breaker->is_trial_out);
    breaker->is_trial_out = false;
    if (outcome == ROUTE_BREAKER_BAD)
        enter_open(breaker, now_us);
    if (outcome == ROUTE_BREAKER_GOOD && ++breaker->heal_run == breaker->rules.heal_count)
        enter_closed(breaker);
}

void route_breaker_note(struct route_breaker *breaker, uint32_t term,
                        enum route_breaker_outcome outcome, int64_t now_us)
{
    check_time(now_us);
    if (term != breaker->term)
        return;

    /* Nothing is admitted while it is open, so nothing of this term can end then. */
    CHECK(breaker->state != ROUTE_BREAKER_OPEN);
    if (breaker->state == ROUTE_BREAKER_CLOSED)
        note_request(breaker, outcome, now_us);
    else
        note_trial(breaker, outcome, now_us);
    check_invariants(breaker);
}
