/* units.h: quantities as people write them, parsed strictly: a number, then a unit, nothing else.
 *   time       10us 500ms 2s 5min 1h        -> us
 *   bytes      512B 16KiB 4MiB 8GiB 10kB 1MB (KiB = 1024, kB = 1000)  -> bytes
 *   bandwidth  200Mbit 1Gbit 256kbit         -> bits per second
 *   money      $1.20/h  $0.09/GB             -> usd_micro (per hour, per GB)
 *   share      10%  0.1                      -> parts per million
 * Each answers false when malformed, negative or too large; the messages of the loader come from
 * units_hint(). */
#ifndef FLEET_UNITS_H
#define FLEET_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

enum units_kind {
    UNITS_TIME,
    UNITS_BYTES,
    UNITS_BANDWIDTH,
    UNITS_MONEY_H,
    UNITS_MONEY_GB,
    UNITS_SHARE
};

bool units_parse(enum units_kind kind, struct span s, int64_t *ret_value);

/* "a time such as 500ms" */
const char *units_hint(enum units_kind kind);

#endif
