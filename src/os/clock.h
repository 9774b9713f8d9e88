/* clock.h: the two clocks. Deadlines and rates use the first one only. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

int64_t os_now_us(void);  /* monotonic */
int64_t os_now_ns(void);  /* monotonic */
int64_t os_wall_us(void); /* since 1970, UTC; for people and logs */

#endif
