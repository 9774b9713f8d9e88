/* energy.h: the watts of a machine by its load, and the fit of that curve to measured pairs.
 *
 *   watts(u) = idle + (peak - idle) f(u),    f(u) = 2u - u^1.4,    0 <= u <= 1
 *
 * Fan, Weber, Barroso: Power Provisioning for a Warehouse-sized Computer, ISCA 2007 (their
 * empirical curve, r = 1.4; a machine loaded by half draws well more than half of what it adds).
 * Idle and peak are those of the machine itself: the PUE of its region comes on top and is the
 * catalogue's. Pure. */
#ifndef PLAN_ENERGY_H
#define PLAN_ENERGY_H

#include <stdint.h>

#include "base/err.h"

enum { PLAN_ENERGY_PAIRS_MAX = 4096 };

struct plan_energy_pair {
    double load, watts; /* 0 .. 1; >= 0 */
};

struct plan_energy {
    double idle_w, peak_w; /* 0 <= idle_w <= peak_w */
    double error_w;        /* root of the mean squared distance of the pairs */
};

/* f(u) above; a load outside 0 .. 1 counts as the nearer end. */
double plan_energy_share(double load);

double plan_energy_watts(const struct plan_energy *energy, double load);

/* Idle and peak by least squares; where the best idle would be negative it is 0. ERR_VALUE: fewer
 * than two different loads, a pair out of its range, or watts that fall as the load grows. */
MUST_USE enum err plan_energy_fit(const struct plan_energy_pair *pairs, uint32_t count,
                                  struct plan_energy *ret_energy);

#endif
