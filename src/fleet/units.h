/* units.h: quantities as people write them, parsed strictly: a number, then a unit, nothing else.
 *   time       10us 500ms 2s 5min 1h        -> us
 *   bytes      512B 16KiB 4MiB 8GiB 10kB 1MB (KiB = 1024, kB = 1000)  -> bytes
 *   bandwidth  200Mbit 1Gbit 256kbit         -> bits per second
 *   money      $1.20/h  $0.09/GB             -> usd_micro (per hour, per GB)
 *   share      10%  0.1                      -> parts per million
 *   speed      1200tok/s 19.9tok/s           -> ns per token
 *   rate       12.5req/s                     -> millionths of a request per second
 *   money      $1.50  $0.10/kg  $0.02/req    -> usd_micro (once, per kg of CO2, per request)
 *   mass       120kg/h                       -> grams per hour
 *   power      750W 40kW 1.2MW               -> milliwatts
 * What lies between two values of the target's unit is rounded to the nearest. Each answers false
 * when malformed, negative or too large; the messages of the loader come from units_hint(). */
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
    UNITS_SHARE,
    UNITS_SPEED,
    UNITS_RATE,
    UNITS_MONEY,
    UNITS_MONEY_KG,
    UNITS_MONEY_REQUEST,
    UNITS_MASS_H,
    UNITS_POWER
};

bool units_parse(enum units_kind kind, struct span s, int64_t *ret_value);

/* A plain decimal ("-77.74") times <factor>, rounded to the nearest: cells of catalogue files,
 * whose unit is in the name of the column. */
bool units_decimal(struct span s, int64_t factor, int64_t *ret_value);

/* "a time such as 500ms" */
const char *units_hint(enum units_kind kind);

#endif
