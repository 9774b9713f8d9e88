/* planning.h: what the planner's verbs share: a farspan.yaml's plan, its catalogue, the plan in
 * force and the LP library, opened together; and from a wish to a sheet.
 *
 *   planning_open    files -> wish, running (planning_read() for whoever says mistakes otherwise)
 *   planning_solve   wish -> sheet (plan/make.h), as often as somebody asks
 *
 * Whoever asks further questions copies the wish, changes the copy and solves again; what a solve
 * made lives until planning_forget(). */
#ifndef CLI_PLANNING_H
#define CLI_PLANNING_H

#include "plan/make.h"

struct planning_files {
    const char *file;    /* farspan.yaml with a plan */
    const char *catalog; /* folder; NULL: the file's, or the shipped one */
    const char *from;    /* plan.json in force; NULL: none */
};

struct planning_effort {
    double gap;
    uint64_t work;         /* 0: no limit */
    int64_t time_limit_us; /* 0: no limit */
    bool shows_progress;   /* on standard error */
};

struct planning {
    struct arena kept, scratch; /* files and wish; what solves make */
    struct plan_lp_api lp;
    struct catalog *catalog;
    const struct plan_wish *wish;
    struct plan_sheet *running; /* NULL: none */
    char solver[64], build[64], catalogue_hex[65];
};

/* Does the file hold a plan to make, a world to run? One that cannot be read counts as a world:
 * whoever loads that says why. */
void planning_look(const char *file, bool *ret_has_plan, bool *ret_has_world);

/* The files only, without a solver; planning_close() comes after it in any case. ERR_SYNTAX:
 * <complaints>, whose words live as long as <planning>, say why; else <why> does. */
MUST_USE enum err planning_read(struct planning *planning, const struct planning_files *files,
                                struct fleet_complaints *complaints, struct text *why);

/* Files and solver. False: standard error says why. */
bool planning_open(struct planning *planning, const struct planning_files *files);
void planning_close(struct planning *planning);

/* The clock that stops a search, and the line on a terminal that shows it. */
struct planning_watch {
    const struct planning_effort *effort;
    int64_t began_us, until_us; /* until: for all solves together; 0: no limit */
    _Atomic int64_t shown_us;   /* any hand of the crew may look at the clock */
    uint32_t solve, count;      /* of further questions: which, of about how many; 0: not known */
    struct plan_crew crew;
};

/* Limits that <watch> keeps, and hands for them; it must live as long, up to
 * planning_watch_end(). */
struct plan_limits planning_watch_begin(struct planning_watch *watch,
                                        const struct planning_effort *effort);
/* The clock anew: plan_again.on_solve, with the watch as its context. */
void planning_watch_next(void *watch, uint32_t done, uint32_t count);
/* From now on, all solves together; 0: as long as they take. */
void planning_watch_allow(struct planning_watch *watch, int64_t time_us);
bool planning_watch_is_spent(void *watch);             /* plan_again.is_spent */
void planning_watch_end(struct planning_watch *watch); /* takes the line away */

/* Errors as plan_make(); <why> gets the sentence. The sheet says who made it and of what. */
MUST_USE enum err planning_solve(struct planning *planning, const struct plan_wish *wish,
                                 const struct planning_effort *effort, struct plan_made *ret_made,
                                 struct text *why);

/* Memory for solves; false: none. */
MUST_USE bool planning_reserve(struct planning *planning);

/* Who made <sheet>, of what, and how long that took. */
void planning_sign(const struct planning *planning, int64_t began_us, struct plan_sheet *sheet);

/* Frees what solves made. */
void planning_forget(struct planning *planning);

#endif
