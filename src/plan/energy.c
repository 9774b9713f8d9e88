#include "plan/energy.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"
#include "base/maths.h"

#define EXPONENT   1.4
#define SPREAD_MIN 1e-9 /* of f(u) over the pairs, squared and summed */

double plan_energy_share(double load)
{
    if (!(load > 0))
        return 0;
    return load >= 1 ? 1 : 2 * load - maths_pow(load, EXPONENT);
}

double plan_energy_watts(const struct plan_energy *energy, double load)
{
    return energy->idle_w + (energy->peak_w - energy->idle_w) * plan_energy_share(load);
}

static bool is_pair(const struct plan_energy_pair *pair)
{
    return pair->load >= 0 && pair->load <= 1 && pair->watts >= 0 && isfinite(pair->watts);
}

enum err plan_energy_fit(const struct plan_energy_pair *pairs, uint32_t count,
                         struct plan_energy *ret_energy)
{
    double mean_f = 0, mean_w = 0, ff = 0, fw = 0, raw_ff = 0, raw_fw = 0;
    CHECK(count <= PLAN_ENERGY_PAIRS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_pair(&pairs[i]))
            return ERR_VALUE;
        mean_f += plan_energy_share(pairs[i].load) / count;
        mean_w += pairs[i].watts / count;
    }
    for (uint32_t i = 0; i < count; i++) {
        double f = plan_energy_share(pairs[i].load), w = pairs[i].watts;
        ff += (f - mean_f) * (f - mean_f);
        fw += (f - mean_f) * (w - mean_w);
        raw_ff += f * f;
        raw_fw += f * w;
    }
    if (ff < SPREAD_MIN || fw < 0)
        return ERR_VALUE;
    double slope = fw / ff, idle = mean_w - slope * mean_f;
    if (idle < 0) { /* the best line through nothing at rest */
        idle = 0;
        slope = raw_fw / raw_ff;
    }
    struct plan_energy energy = {.idle_w = idle, .peak_w = idle + slope};
    double squares = 0;
    for (uint32_t i = 0; i < count; i++) {
        double off = pairs[i].watts - plan_energy_watts(&energy, pairs[i].load);
        squares += off * off;
    }
    energy.error_w = sqrt(squares / count);
    *ret_energy = energy;
    return ERR_OK;
}
