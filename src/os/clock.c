#include "os/clock.h"

#include <time.h>

#include "base/check.h"

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t os_now_us(void)
{
    return now_ns(CLOCK_MONOTONIC) / 1000;
}

int64_t os_now_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

int64_t os_wall_us(void)
{
    return now_ns(CLOCK_REALTIME) / 1000;
}
