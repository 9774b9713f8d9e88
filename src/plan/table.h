/* table.h: the least that a set of demands costs in the groups from one depth on.
 *
 * The rows of a set have prices, and points have the weight that those stand for (group.h). What a
 * set asks for when its fastest node M may be lost is a knapsack: whole points, sum S >= what is
 * asked of all, and what is asked without M, and M. It is filled group by group from the last
 * (Bellman), for each of some *ranges* of M, in units of what is asked there; sums are single
 * precision, lowered by what they may have lost.
 *
 * A cost is split over sets by prices so that each table counts its own share: Lagrangian
 * decomposition (Guignard and Kim, 1987); a part of the plan and a table for the rest: Russian doll
 * search (Verfaillie et al., 1996). */
#ifndef PLAN_TABLE_H
#define PLAN_TABLE_H

#include "plan/group.h"

enum { PLAN_UNITS = 2048, PLAN_RANGES_MAX = 8 };

struct plan_table {
    const struct plan_groups *groups;
    const uint32_t *order;    /* of groups, by depth */
    uint32_t own;             /* which of the weighed sets */
    double asked, asked_lost; /* speeds together, and without the fastest node's */
    double margin;            /* what sums in single precision may be above the true ones */
    uint32_t range_count;
    double lows[PLAN_RANGES_MAX], highs[PLAN_RANGES_MAX]; /* of M */
    double per_speed[PLAN_RANGES_MAX];                    /* units */
    uint32_t rows[PLAN_GROUPS_MAX + 1];                   /* by depth: many may share one */
    float *least;                                         /* by row, range and units */
    float *sums;                   /* scratch, by row and units: of all tables */
    float weights[PLAN_UNITS + 1]; /* of a group's points, by units */
    double *levels;                /* speeds that M may have */
    uint64_t work;
};

/* Scratch for tables that are filled one after the other; NULL: the arena is too small. */
float *plan_table_scratch(struct arena *arena);

/* false: the arena is too small. */
bool plan_table_init(struct plan_table *table, float *scratch, struct arena *arena);

/* Of the set <own> of <groups>, which are taken in <order>. All that M may be is in one of its
 * ranges; there are as many as <work_max> allows. */
void plan_table_fill(struct plan_table *table, const struct plan_groups *groups,
                     const uint32_t *order, uint32_t own, uint64_t work_max);

/* Of a point of the group, for the set; 0: the group answers none of it. */
static inline double plan_table_fastest(const struct plan_table *table, uint32_t group,
                                        const struct plan_point *point)
{
    const double useful = table->groups->groups[group].useful[table->own];
    return point->fastest < useful ? point->fastest : useful;
}

/* The first table counts the rest, too. */
static inline double plan_table_weight(const struct plan_table *table,
                                       const struct plan_point *point)
{
    double rest = table->own == 0 ? point->rests[0] : 0;
    return point->weights[table->own] + rest;
}

/* What is asked of the set's nodes together when the fastest one is at least so fast. */
static inline double plan_table_asked(const struct plan_table *table, double fastest)
{
    double lost = table->asked_lost + fastest;
    return table->asked > lost ? table->asked : lost;
}

/* The least weight of the groups from <depth> on where M is in <range>, when those before do
 * <speed>, the fastest of them <fastest>; INFINITY: that one is faster. */
double plan_table_ask(const struct plan_table *table, uint32_t depth, uint32_t range, double speed,
                      double fastest);

/* The same of one range, for whatever may be put on top of <speed> and <fastest>. */
struct plan_ask {
    const float *least; /* by units */
    double low, high;   /* of M */
    double per_speed;   /* units */
    double speed;       /* that is there */
    double needed;      /* on top of it, where M is <low> */
};

/* Of some ranges. */
struct plan_query {
    const struct plan_table *table;
    uint32_t count;
    struct plan_ask asks[PLAN_RANGES_MAX]; /* the one that said least is the first */
};

/* <ranges>: bit r. */
void plan_table_begin_query(const struct plan_table *table, uint32_t depth, uint32_t ranges,
                            double speed, double fastest, struct plan_query *ret_query);

/* The least weight of all ranges with nodes of <speed> on top, the fastest of them <fastest>; what
 * is no more than <enough> may do. */
double plan_table_query(struct plan_query *query, double speed, double fastest, double enough);

#endif
