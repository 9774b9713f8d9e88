/* parts.h: services that fall apart.
 *
 * Where no node may answer both of two demands, nor a chain of nodes and demands link them, and no
 * rule of the service alone ties their columns, what is decided for one says nothing of the other:
 * each connected part of the graph of demands and nodes is a service of its own, and a search for
 * all of them looks at sums where it would look at products. A latency of 100 ms or a residency
 * makes such parts, often one a continent. */
#ifndef PLAN_PARTS_H
#define PLAN_PARTS_H

#include "plan/answer.h"

struct plan_parts {
    const struct plan_problem *whole;
    struct plan_problem problem;         /* its services are the parts, those of one in a row */
    uint32_t *nodes, *columns, *demands; /* of <problem>: which one of the whole it is */
};

/* Where nothing falls apart, or into more than PLAN_SERVICES_MAX parts, <problem> is the whole.
 * Names, latencies, regions and failures stay the whole's. false: the arena is too small. */
MUST_USE bool plan_parts_make(struct plan_parts *parts, const struct plan_problem *whole,
                              struct arena *arena);

/* The counts of a plan of the whole, by columns of the parts; NULL: the arena is too small. */
uint32_t *plan_parts_take(const struct plan_parts *parts, const uint32_t *counts,
                          struct arena *arena);

/* A plan of the parts becomes one of the whole: its flows by demand, as they were in the parts, and
 * its cost. false: the arena is too small. */
MUST_USE bool plan_parts_join(const struct plan_parts *parts, struct plan_answer *io_answer,
                              struct arena *arena);

#endif
