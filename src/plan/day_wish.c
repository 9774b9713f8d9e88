#include "plan/day_wish.h"

#include "base/check.h"

#define DEGREES_AN_HOUR 15.0

int plan_day_offset_h(double longitude)
{
    double hours = longitude / DEGREES_AN_HOUR;
    return (int)(hours < 0 ? hours - 0.5 : hours + 0.5);
}

double plan_day_factor(const struct plan_wish *wish, uint32_t client, uint32_t slot)
{
    const struct plan_wish_day *day = &wish->day;
    const struct catalog *catalog = wish->catalog;
    CHECK(day->slot_count > 0 && slot < day->slot_count && client < catalog->client_count);
    double longitude = catalog->regions[catalog->clients[client].region].longitude;
    int ahead = day->is_local ? plan_day_offset_h(longitude) : 0;
    uint32_t length = CATALOG_HOURS / day->slot_count;
    double most = 0;
    for (uint32_t h = slot * length; h < (slot + 1) * length; h++) {
        double factor = day->factors[((int)h + ahead + CATALOG_HOURS) % CATALOG_HOURS];
        most = factor > most ? factor : most;
    }
    return most;
}

static double busiest_factor(const struct plan_wish *wish, uint32_t client)
{
    double most = 0;
    for (uint32_t t = 0; t < wish->day.slot_count; t++) {
        double factor = plan_day_factor(wish, client, t);
        most = factor > most ? factor : most;
    }
    return most;
}

/* A copy without a day, whose services have rates of their own, still to be written. */
static struct plan_wish *copy_wish(const struct plan_wish *wish, struct arena *arena,
                                   double **ret_rates)
{
    size_t clients = wish->catalog->client_count;
    struct plan_wish *copy = ARENA_NEW(arena, struct plan_wish);
    struct plan_wish_service *services =
        ARENA_ARRAY(arena, struct plan_wish_service, wish->service_count + 1);
    double *rates = ARENA_ARRAY(arena, double, wish->service_count *clients + 1);
    if (!copy || !services || !rates)
        return NULL;
    *copy = *wish;
    for (uint32_t s = 0; s < wish->service_count; s++) {
        services[s] = wish->services[s];
        services[s].rates = rates + s * clients;
    }
    copy->services = services;
    copy->day = (struct plan_wish_day){0};
    *ret_rates = rates;
    return copy;
}

static double mean_of(const double hours[CATALOG_HOURS], uint32_t first, uint32_t count)
{
    double sum = 0;
    for (uint32_t h = first; h < first + count; h++)
        sum += hours[h];
    return sum / count;
}

/* The catalogue as if every hour of the day were like those <length> hours. */
static const struct catalog *copy_catalog(const struct catalog *catalog, uint32_t first,
                                          uint32_t length, struct arena *arena)
{
    struct catalog *copy = ARENA_NEW(arena, struct catalog);
    struct catalog_grid *grids = ARENA_ARRAY(arena, struct catalog_grid, catalog->grid_count + 1);
    if (!copy || !grids)
        return NULL;
    *copy = *catalog;
    copy->grids = grids;
    for (uint32_t g = 0; g < catalog->grid_count; g++) {
        grids[g] = catalog->grids[g];
        double carbon = mean_of(catalog->grids[g].g_per_kwh, first, length);
        double power = mean_of(catalog->grids[g].usd_per_mwh, first, length);
        for (uint32_t h = 0; h < CATALOG_HOURS; h++) {
            grids[g].g_per_kwh[h] = carbon;
            grids[g].usd_per_mwh[h] = power;
        }
    }
    return copy;
}

const struct plan_wish *plan_day_wish(const struct plan_wish *wish, uint32_t slot,
                                      struct arena *arena)
{
    uint32_t length = CATALOG_HOURS / wish->day.slot_count, clients = wish->catalog->client_count;
    double *rates;
    struct plan_wish *copy = copy_wish(wish, arena, &rates);
    const struct catalog *catalog = copy_catalog(wish->catalog, slot * length, length, arena);
    if (!copy || !catalog)
        return NULL;
    copy->catalog = catalog;
    for (uint32_t s = 0; s < wish->service_count; s++)
        for (uint32_t c = 0; c < clients; c++)
            rates[s * clients + c] = wish->services[s].rates[c] * plan_day_factor(wish, c, slot);
    return copy;
}

const struct plan_wish *plan_day_wish_busiest(const struct plan_wish *wish, struct arena *arena)
{
    uint32_t clients = wish->catalog->client_count;
    double *rates;
    struct plan_wish *copy = copy_wish(wish, arena, &rates);
    for (uint32_t s = 0; copy && s < wish->service_count; s++)
        for (uint32_t c = 0; c < clients; c++)
            rates[s * clients + c] = wish->services[s].rates[c] * busiest_factor(wish, c);
    return copy;
}
