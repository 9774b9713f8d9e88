#include "route/ewma.h"

#include "base/check.h"

/* <value> after <age_us>: halved every ROUTE_EWMA_HALF_US, a straight line in between. */
static int64_t decayed(int64_t value, int64_t age_us)
{
    CHECK(value >= 0 && value <= ROUTE_EWMA_SAMPLE_MAX);
    if (age_us <= 0)
        return value;
    int64_t halvings = age_us / ROUTE_EWMA_HALF_US;
    if (halvings >= 62)
        return 0;
    int64_t rest_us = age_us % ROUTE_EWMA_HALF_US;
    /* In 1024ths, so that a day of microseconds times the share stays far inside 64 bits. */
    int64_t share = 1024 - rest_us * 512 / ROUTE_EWMA_HALF_US;
    return (value >> halvings) * share / 1024;
}

void route_ewma_init(struct route_ewma *ewma)
{
    *ewma = (struct route_ewma){0};
}

static int64_t later(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

void route_ewma_note(struct route_ewma *ewma, int64_t sample_us, int64_t now_us)
{
    CHECK(sample_us >= 0 && now_us >= 0);
    int64_t sample = sample_us < 1                       ? 1
                     : sample_us > ROUTE_EWMA_SAMPLE_MAX ? ROUTE_EWMA_SAMPLE_MAX
                                                         : sample_us;
    int64_t age_us = now_us - ewma->noted_at_us;
    if (sample >= ewma->value_us)
        ewma->value_us = sample;
    else
        ewma->value_us = sample + decayed(ewma->value_us - sample, age_us);
    ewma->noted_at_us = later(ewma->noted_at_us, now_us);
    ewma->penalty_us = route_ewma_penalty(ewma, now_us) / 2;
    ewma->punished_at_us = later(ewma->punished_at_us, now_us);
}

void route_ewma_punish(struct route_ewma *ewma, int64_t retry_after_us, int64_t now_us)
{
    CHECK(retry_after_us >= 0 && now_us >= 0);
    int64_t penalty_us = later(2 * route_ewma_penalty(ewma, now_us), ROUTE_PENALTY_MIN_US);
    penalty_us = later(penalty_us, retry_after_us);
    ewma->penalty_us = penalty_us < ROUTE_PENALTY_MAX_US ? penalty_us : ROUTE_PENALTY_MAX_US;
    ewma->punished_at_us = later(ewma->punished_at_us, now_us);
}

int64_t route_ewma_read(const struct route_ewma *ewma, int64_t now_us)
{
    if (ewma->value_us == 0)
        return 0;
    return later(decayed(ewma->value_us, now_us - ewma->noted_at_us), 1);
}

int64_t route_ewma_penalty(const struct route_ewma *ewma, int64_t now_us)
{
    int64_t penalty_us = decayed(ewma->penalty_us, now_us - ewma->punished_at_us);
    return penalty_us >= 1000 ? penalty_us : 0;
}
