/* knapsack.c: cuts from the cheapest way to serve one set of demands, found exactly.
 *
 * For a set of demands U near the nodes N(U), each of which may be lost, let S[v] be what the
 * replicas of v can do, and no more than what U asks near v. Every plan has
 *     sum S >= D(U) / share,    sum S - max S >= D(U) / share_lost.                          (1)
 * For weights w >= 0 of n and y let V(w) be the least w (n, y) under (1) in whole numbers: then
 * w (n, y) >= V(w) holds for every plan (Boyd, 1993: Fenchel cuts). With M = max S given, (1) is a
 * knapsack that takes one way to run each site, none above M, to be filled up to
 * max(D / share, D / share_lost + M). Stretches of M are halved, the most promising first, until
 * their relaxation is dearer than the best that was found.
 *
 * The weights are the reduced costs of the last solution as if the rows that U gave before were not
 * there. The prices of all others stay feasible beside the cut, so that the relaxation rises by at
 * least what V(w) exceeds w (n, y) by.
 *
 * Where ways are merged, the fastest stands for all at the price of the cheapest, and V(w) is
 * rounded down: no plan is cut off. */
#include <math.h>
#include <string.h>

#include "base/check.h"
#include "plan/relax.h"

enum {
    UNITS = 512,
    UNITS_MAX = 4 * UNITS,
    BLOCK = 8, /* sums at once */
    BINS = 4096,
    WAYS_MAX = 2 * BINS,
    POOL_MAX = 32768,
    SETS_TRIED = 10,
    REPLICAS_MAX = 64, /* near a set */
    WORK_MAX = 3000000 /* of one knapsack; what is proven by then is what counts */
};

#define GAIN_MIN  1e-4 /* of V */
#define LEAST_MIN 1e-6 /* of the relaxation's optimum: below it, V is noise, and gains nothing */
#define TINY      1e-5 /* weights below this share of the optimum are none: rows of great range */

struct way { /* to run replicas: of one site, or of the sites so far */
    double speed, weight;
};

struct whole { /* the same, at least so many units */
    uint32_t units;
    double weight;
};

struct site {
    struct whole *ways; /* ascending: faster is dearer */
    uint32_t way_count;
};

struct step { /* of a site's convex hull */
    double slope, units;
};

struct stretch { /* of M's levels, and the least weight there */
    uint32_t first, end;
    double bound;
};

struct relaxed { /* a knapsack, parts of ways allowed */
    double bound;
    double price; /* of a unit */
    double found; /* what some whole ways weigh; INFINITY: there are none */
};

struct plan_knapsack {
    double *weights; /* of each column of the relaxation */
    struct site *sites;
    uint32_t site_count;
    double lost;     /* speed asked of all sites but the fastest: so many UNITS */
    uint32_t unlost; /* units asked of all sites */
    struct way *ways[2];
    struct whole *hull, *pool;
    uint32_t pool_count;
    struct step *steps;
    double least[2][2 * UNITS_MAX + 1 + BLOCK]; /* weight, by units; nothing below zero */
    bool is_level[UNITS_MAX + 1];
    uint32_t levels[UNITS_MAX];
    struct stretch stretches[UNITS_MAX];
    uint64_t work;
};

struct plan_knapsack *plan_knapsack_new(uint32_t node_max, uint32_t column_max, struct arena *arena)
{
    struct plan_knapsack *knapsack = ARENA_NEW(arena, struct plan_knapsack);
    if (!knapsack)
        return NULL;
    memset(knapsack->least, 0, sizeof knapsack->least);
    knapsack->weights = ARENA_ROOM(arena, double, column_max);
    knapsack->sites = ARENA_ROOM(arena, struct site, node_max);
    knapsack->hull = ARENA_ROOM(arena, struct whole, UNITS_MAX + 1);
    knapsack->pool = ARENA_ROOM(arena, struct whole, POOL_MAX);
    knapsack->steps = ARENA_ROOM(arena, struct step, POOL_MAX);
    for (size_t i = 0; i < COUNT_OF(knapsack->ways); i++)
        knapsack->ways[i] = ARENA_ROOM(arena, struct way, 2 * WAYS_MAX);
    return arena->is_overflown ? NULL : knapsack;
}

/* Lists of ways ------------------------------------------------------------------------------ */

/* Of <a> and of <b> with <more> on top (nothing faster than <most> counts) those that no other one
 * beats, ascending; of those within <bin> the fastest stands for all, at the price of the cheapest.
 * At most 2 WAYS_MAX. */
static uint32_t merge(const struct way *a, uint32_t a_count, const struct way *b, uint32_t b_count,
                      struct way more, double most, double bin, struct way *to)
{
    uint32_t n = 0, i = a_count, j = b_count, end = 2 * WAYS_MAX;
    while (i > 0 || j > 0) { /* from the fastest; from the end of <to> */
        struct way next = {-INFINITY, 0};
        if (j > 0) {
            next = (struct way){b[j - 1].speed + more.speed, b[j - 1].weight + more.weight};
            next.speed = next.speed < most ? next.speed : most;
        }
        if (i > 0 && a[i - 1].speed > next.speed)
            next = a[--i];
        else
            j--;
        struct way *last = &to[end - n];
        if (n > 0 && next.weight >= last->weight)
            continue;
        if (n > 0 && last->speed - next.speed <= bin) {
            last->weight = next.weight;
            continue;
        }
        CHECK(n < end);
        to[end - ++n] = next;
    }
    memmove(to, to + end - n, n * sizeof *to);
    return n;
}

/* The ways to run replicas in node <v>, no faster than <most>, join the knapsack's sites. */
static bool add_site(struct plan_knapsack *k, const struct plan_relax *relax, uint32_t v,
                     double most)
{
    const struct plan_node *node = &relax->problem->nodes[v];
    struct way *ways = k->ways[0], *next = k->ways[1];
    uint32_t count = 1, end = node->column_first + node->column_count;
    ways[0] = (struct way){0, 0};
    for (uint32_t c = node->column_first; c < end; c++) {
        double speed = (double)relax->problem->columns[c].speed, enough = ceil(most / speed);
        double left = relax->limits[c] < enough ? relax->limits[c] : enough;
        for (double some = 1; left >= 1; left -= some, some *= 2) {
            some = some < left ? some : floor(left);
            const struct way more = {some * speed, some * k->weights[c]};
            count = merge(ways, count, ways, count, more, most, k->lost / BINS, next);
            k->work += count;
            struct way *swap = ways;
            ways = next;
            next = swap;
        }
    }
    if (k->pool_count + count > POOL_MAX)
        return false;
    struct site *site = &k->sites[k->site_count++];
    *site = (struct site){k->pool + k->pool_count, 0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t units = (uint32_t)ceil(ways[i].speed * UNITS / k->lost * (1 - 1e-12));
        if (units > 0 && (site->way_count == 0 || site->ways[site->way_count - 1].units < units))
            site->ways[site->way_count++] =
                (struct whole){units, ways[i].weight + k->weights[relax->first_open + v]};
    }
    k->pool_count += site->way_count;
    return true;
}

/* The knapsack ------------------------------------------------------------------------------- */

static void sort_steps(struct step *steps, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < count; i++) {
            struct step step = steps[i];
            uint32_t j = i;
            for (; j >= gap && steps[j - gap].slope > step.slope; j -= gap)
                steps[j] = steps[j - gap];
            steps[j] = step;
        }
}

/* The steps of the lower convex hulls of the sites' ways up to <most>, the cheapest first. */
static uint32_t make_steps(struct plan_knapsack *k, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->site_count; i++) {
        const struct site *site = &k->sites[i];
        struct whole *hull = k->hull;
        uint32_t n = 1;
        hull[0] = (struct whole){0, 0};
        for (uint32_t j = 0; j < site->way_count && site->ways[j].units <= most; j++) {
            struct whole next = site->ways[j];
            while (n > 1 &&
                   (next.weight - hull[n - 1].weight) * (hull[n - 1].units - hull[n - 2].units) <=
                       (hull[n - 1].weight - hull[n - 2].weight) * (next.units - hull[n - 1].units))
                n--;
            hull[n++] = next;
        }
        k->work += site->way_count;
        for (uint32_t j = 1; j < n; j++) {
            double units = hull[j].units - hull[j - 1].units;
            k->steps[count++] = (struct step){(hull[j].weight - hull[j - 1].weight) / units, units};
        }
    }
    sort_steps(k->steps, count);
    return count;
}

static struct relaxed relax_knapsack(struct plan_knapsack *k, uint32_t most, uint32_t asked)
{
    struct relaxed relaxed = {0};
    uint32_t count = make_steps(k, most);
    double left = asked;
    for (uint32_t i = 0; i < count && left > 0; i++) {
        const struct step *step = &k->steps[i];
        relaxed.found = relaxed.bound + step->units * step->slope;
        relaxed.bound += (step->units < left ? step->units : left) * step->slope;
        relaxed.price = step->slope;
        left -= step->units;
    }
    if (left > 0)
        relaxed.bound = relaxed.found = INFINITY;
    return relaxed;
}

/* <next>: by each number of units up to <asked>, also with the way on top of <least>. */
static void take_way(const double *restrict least, double *restrict next, const struct whole *way,
                     uint32_t asked)
{
    const double weight = way->weight;
    least -= way->units < asked ? way->units : asked;
    least++;
    next++;
    for (uint32_t first = 0; first < asked; first += BLOCK, least += BLOCK, next += BLOCK)
        for (size_t u = 0; u < BLOCK; u++) { /* of a size that may not wrap: vector code */
            double sum = least[u] + weight;
            next[u] = sum < next[u] ? sum : next[u];
        }
}

/* The least weight of ways up to <most> that do <asked>, if it is below <cutoff>, else something
 * that is not: for each number of units, site by site. Ways that the relaxation shows to be too
 * dear are left out. */
static double fill(struct plan_knapsack *k, uint32_t most, uint32_t asked, double cutoff)
{
    const struct relaxed relaxed = relax_knapsack(k, most, asked);
    double spare = (relaxed.found < cutoff ? relaxed.found : cutoff) * (1 + 1e-9) - relaxed.bound;
    CHECK(asked <= UNITS_MAX);
    double *least = k->least[0] + UNITS_MAX, *next = k->least[1] + UNITS_MAX;
    if (relaxed.bound >= cutoff)
        return INFINITY;
    for (uint32_t u = 1; u <= asked + BLOCK; u++)
        least[u] = INFINITY;
    for (uint32_t i = 0; i < k->site_count; i++) {
        const struct site *site = &k->sites[i];
        double earned = 0; /* by the relaxation, here */
        uint32_t count = 0;
        for (; count < site->way_count && site->ways[count].units <= most; count++) {
            double own = site->ways[count].weight - relaxed.price * site->ways[count].units;
            earned = own < earned ? own : earned;
        }
        memcpy(next + 1, least + 1, (asked + BLOCK) * sizeof *next);
        for (uint32_t j = 0; j < count; j++) {
            const struct whole *way = &site->ways[j];
            if (way->weight - relaxed.price * way->units - earned > spare)
                continue;
            k->work += asked;
            take_way(least, next, way, asked);
        }
        double *swap = least;
        least = next;
        next = swap;
    }
    return least[asked];
}

static uint32_t asked_with(const struct plan_knapsack *k, uint32_t fastest)
{
    return UNITS + fastest > k->unlost ? UNITS + fastest : k->unlost;
}

/* The units of all ways, each once, ascending. */
static uint32_t list_levels(struct plan_knapsack *k)
{
    uint32_t count = 0;
    memset(k->is_level, 0, sizeof k->is_level);
    for (uint32_t i = 0; i < k->pool_count; i++)
        k->is_level[k->pool[i].units] = true;
    for (uint32_t u = 1; u <= UNITS_MAX; u++)
        if (k->is_level[u])
            k->levels[count++] = u;
    return count;
}

/* V(w) or a bound of it, or something that is not above <enough>. */
static double solve(struct plan_knapsack *k, double enough)
{
    double best = INFINITY;
    uint32_t open = 1;
    const uint64_t end = k->work + WORK_MAX;
    k->stretches[0] = (struct stretch){0, list_levels(k), 0};
    if (k->stretches[0].end == 0)
        return INFINITY;
    while (open > 0 && best > enough) {
        uint32_t at = 0;
        for (uint32_t i = 1; i < open; i++)
            at = k->stretches[i].bound < k->stretches[at].bound ? i : at;
        const struct stretch own = k->stretches[at];
        if (own.bound >= best)
            break;
        if (k->work > end)
            return own.bound;
        k->stretches[at] = k->stretches[--open];
        if (own.end - own.first == 1) {
            uint32_t fastest = k->levels[own.first];
            double weight = fill(k, fastest, asked_with(k, fastest), best);
            best = weight < best ? weight : best;
            continue;
        }
        uint32_t middle = own.first + (own.end - own.first) / 2;
        const struct stretch halves[] = {{own.first, middle, 0}, {middle, own.end, 0}};
        for (uint32_t i = 0; i < COUNT_OF(halves); i++) {
            struct stretch half = halves[i];
            half.bound =
                relax_knapsack(k, k->levels[half.end - 1], asked_with(k, k->levels[half.first]))
                    .bound;
            if (half.bound < best)
                k->stretches[open++] = half;
        }
    }
    return best;
}

/* Weights ------------------------------------------------------------------------------------ */

static bool is_open(const struct plan_relax *relax, uint32_t column)
{
    return column >= relax->first_open && column < relax->first_load;
}

/* (3) of a node, which the knapsack knows too. */
static bool is_row_of_open(const struct plan_relax *relax, uint32_t row)
{
    const struct plan_lp_rows *rows = &relax->rows;
    bool has_open = false;
    for (int32_t i = rows->starts[row]; i < rows->starts[row + 1]; i++)
        has_open = has_open || is_open(relax, (uint32_t)rows->columns[i]);
    return row < relax->first_rule && has_open;
}

/* The price of a load, as one of what its node's replicas do. */
static void weigh_load(struct plan_knapsack *k, const struct plan_relax *relax, uint32_t v,
                       double price)
{
    const struct plan_node *node = &relax->problem->nodes[v];
    double share = 1e-6 * relax->problem->services[0].share_ppm;
    for (uint32_t c = node->column_first; c < node->column_first + node->column_count; c++)
        k->weights[c] += price * share * 1e-6 * (double)relax->problem->columns[c].speed;
}

/* The reduced costs as if the rows of the set <key> were not there. */
static void weigh(struct plan_knapsack *k, const struct plan_relax *relax, uint64_t key)
{
    const struct plan_lp_rows *rows = &relax->rows;
    uint32_t last_load = relax->first_load + relax->problem->node_count;
    memcpy(k->weights, relax->reduced, relax->column_count * sizeof *k->weights);
    for (uint32_t r = 0; r < relax->sent; r++) {
        double price = relax->solution.duals[r];
        if (price == 0 || (relax->keys[r] != key && !is_row_of_open(relax, r)))
            continue;
        for (int32_t i = rows->starts[r]; i < rows->starts[r + 1]; i++) {
            uint32_t c = (uint32_t)rows->columns[i];
            k->weights[c] += price * rows->values[i];
            if (relax->keys[r] == key && c >= relax->first_load && c < last_load)
                weigh_load(k, relax, c - relax->first_load, price * rows->values[i]);
        }
    }
    for (uint32_t c = 0; c < relax->column_count; c++)
        if (k->weights[c] < TINY * relax->solution.objective)
            k->weights[c] = 0;
}

/* Cuts --------------------------------------------------------------------------------------- */

static bool is_near(const struct plan_relax *relax, const struct plan_cut *set, uint32_t column)
{
    uint32_t v = column < relax->first_open ? relax->problem->columns[column].node
                                            : column - relax->first_open;
    return plan_cut_rate_near(&relax->graphs[0], set, v) > 0;
}

/* V(w) of (1); with <is_lost> of its second part alone, where what a site does is cut off lower. */
static double least_weight(struct plan_knapsack *k, const struct plan_relax *relax,
                           const struct plan_cut *set, bool is_lost, double enough)
{
    const struct plan_service *service = &relax->problem->services[0];
    double share = 1e-6 * (is_lost ? service->share_lost_ppm : service->share_ppm);
    k->lost = (double)set->rate / (1e-6 * service->share_lost_ppm);
    k->unlost =
        is_lost ? 0 : (uint32_t)ceil((double)set->rate / share * UNITS / k->lost * (1 - 1e-12));
    if (k->unlost + UNITS > UNITS_MAX)
        return 0;
    k->site_count = k->pool_count = 0;
    for (uint32_t v = 0; v < relax->problem->node_count; v++) {
        int64_t near = plan_cut_rate_near(&relax->graphs[0], set, v);
        if (near > 0 && !add_site(k, relax, v, (double)near / share))
            return 0;
    }
    return solve(k, enough);
}

static bool cut_set(struct plan_knapsack *k, struct plan_relax *relax, const struct plan_cut *set)
{
    double value = 0;
    uint32_t count = 0;
    weigh(k, relax, plan_cut_key(set));
    for (uint32_t c = 0; c < relax->first_load; c++) {
        if (!is_near(relax, set, c))
            k->weights[c] = 0;
        value += k->weights[c] * relax->solution.x[c];
        count += k->weights[c] > 0;
    }
    double enough = value * (1 + GAIN_MIN);
    double lost = least_weight(k, relax, set, true, enough);
    double least = least_weight(k, relax, set, false, enough > lost ? enough : lost);
    least = lost > least ? lost : least;
    double least_min = LEAST_MIN * __builtin_fabs(relax->solution.objective);
    if (least <= enough || least <= least_min || isinf(least) || !plan_relax_has_room(relax, count))
        return false;
    relax->key = plan_cut_key(set);
    plan_relax_row(relax, 1 - 1e-9, PLAN_LP_INFINITY);
    relax->key = 0;
    for (uint32_t c = 0; c < relax->first_load; c++)
        if (k->weights[c] > 0)
            plan_relax_term(relax, c, k->weights[c] / least);
    return true;
}

/* How many replicas near the set the last solution has: where they are many, rounding loses little
 * and the ways to run a site are many too. */
static double replicas_of(const struct plan_relax *relax, const struct plan_cut *set)
{
    double count = 0;
    for (uint32_t c = 0; c < relax->first_open; c++)
        count += is_near(relax, set, c) ? relax->solution.x[c] : 0;
    return count;
}

/* What the rows of the set add to the optimum. */
static double worth_of(const struct plan_relax *relax, const struct plan_cut *set)
{
    uint64_t key = plan_cut_key(set);
    double worth = 0;
    for (uint32_t r = relax->first_cut; r < relax->sent; r++)
        if (relax->keys[r] == key && relax->solution.duals[r] > 0)
            worth += relax->solution.duals[r] * relax->rows.lower[r];
    return worth;
}

uint32_t plan_relax_cut_knapsacks(struct plan_relax *relax, struct plan_knapsack *scratch)
{
    const struct plan_cut *sets[SETS_TRIED];
    double worths[SETS_TRIED];
    uint32_t known = relax->cut_count < relax->cuts_max ? relax->cut_count : relax->cuts_max;
    uint32_t count = 0, added = 0;
    CHECK(relax->problem->service_count == 1 && relax->sent == relax->rows.count);
    (void)plan_relax_bound(relax); /* leaves the reduced costs behind */
    for (uint32_t i = 0; i < known; i++) {
        double worth = worth_of(relax, &relax->cuts[i]);
        if (worth <= 0 || plan_relax_has_soft(relax, &relax->cuts[i]) ||
            replicas_of(relax, &relax->cuts[i]) > REPLICAS_MAX)
            continue;
        uint32_t at = count < SETS_TRIED ? count++ : SETS_TRIED;
        for (; at > 0 && worths[at - 1] < worth; at--)
            if (at < SETS_TRIED) {
                worths[at] = worths[at - 1];
                sets[at] = sets[at - 1];
            }
        if (at < SETS_TRIED) {
            worths[at] = worth;
            sets[at] = &relax->cuts[i];
        }
    }
    scratch->work = 0;
    for (uint32_t i = 0; i < count; i++)
        added += cut_set(scratch, relax, sets[i]);
    relax->work += scratch->work;
    return added;
}
