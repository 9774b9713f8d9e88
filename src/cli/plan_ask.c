#include "cli/plan_ask.h"

#include <math.h>

#include "plan/conflict.h"
#include "plan/explain.h"
#include "plan/what_if.h"

enum {
    PARTS = 4, /* of the effort: for one rule of an explanation, for one try of a contradiction */
    TIMES_TO_FIND = 2, /* so often the time limit, for all tries together */
    TIMES_TO_MEND = 1
};

#define PART_LEAST_US 200000

enum err plan_ask_read(struct plan_ask *ask, struct planning *planning, struct text *why)
{
    bool is_asked = ask->is_explained || ask->what_ifs.count > 0;
    if (is_asked && planning->wish->day.slot_count > 0) {
        text_add(why, "--explain, --what-if: expected a plan of one hour, found one of a day: "
                      "take `day` out of the file");
        return ERR_VALUE;
    }
    ask->questions = ARENA_ARRAY(&planning->kept, struct plan_question, ask->what_ifs.count + 1);
    if (!ask->questions)
        return ERR_MEMORY;
    for (size_t i = 0; i < ask->what_ifs.count; i++) {
        struct span words = span_of(ask->what_ifs.item[i]);
        size_t before = why->n;
        text_add(why, "--what-if '%.*s': ", SPAN_ARG(words));
        enum err err =
            plan_question_read(planning->wish, words, &planning->kept, &ask->questions[i], why);
        if (err)
            return err;
        text_truncate(why, before);
    }
    return ERR_OK;
}

static struct planning_effort part_of(const struct planning_effort *effort)
{
    struct planning_effort part = *effort;
    part.work = effort->work > 0 ? effort->work / PARTS + 1 : 0;
    if (effort->time_limit_us > 0) {
        part.time_limit_us = effort->time_limit_us / PARTS;
        if (part.time_limit_us < PART_LEAST_US)
            part.time_limit_us = PART_LEAST_US;
    }
    return part;
}

static struct plan_again begin(struct planning *planning, const struct planning_effort *effort,
                               struct planning_watch *watch, const struct plan_sheet *warm)
{
    return (struct plan_again){.wish = planning->wish,
                               .from = {.running = planning->running, .warm = warm},
                               .lp = &planning->lp,
                               .limits = planning_watch_begin(watch, effort),
                               .on_solve = planning_watch_next,
                               .context = watch,
                               .arena = &planning->scratch};
}

enum err plan_ask_answer(const struct plan_ask *ask, struct planning *planning,
                         const struct planning_effort *effort, struct plan_made *made)
{
    struct plan_sheet *sheet = &made->sheet;
    bool has_plan = !span_is(sheet->status, "infeasible");
    const struct planning_effort part = part_of(effort);
    struct planning_watch watch;
    enum err err = ERR_OK;
    if (ask->is_explained && has_plan) {
        struct plan_again again = begin(planning, &part, &watch, sheet);
        err = plan_explain(&again, sheet);
        planning_watch_end(&watch);
    }
    if (!err && ask->what_ifs.count > 0) {
        struct plan_again again = begin(planning, effort, &watch, has_plan ? sheet : NULL);
        err = plan_what_if_answer(&again, ask->questions, (uint32_t)ask->what_ifs.count, sheet);
        planning_watch_end(&watch);
    }
    return err;
}

static enum err fill_rules(const struct plan_conflict *conflict, struct arena *arena,
                           struct plan_sheet *sheet)
{
    sheet->rules = ARENA_ARRAY(arena, struct plan_sheet_rule, conflict->count + 1);
    if (!sheet->rules)
        return ERR_MEMORY;
    sheet->rule_count = conflict->is_irreducible ? conflict->count : 0;
    for (uint32_t i = 0; i < sheet->rule_count; i++)
        sheet->rules[i] = (struct plan_sheet_rule){conflict->levers[i].name, true, (double)NAN};
    return ERR_OK;
}

enum err plan_ask_why_not(struct planning *planning, const struct planning_effort *effort,
                          struct plan_made *made, struct text *why)
{
    const struct planning_effort part = part_of(effort);
    struct planning_watch watch;
    struct plan_conflict conflict;
    if (planning->wish->day.slot_count >
        0) /* it contradicts itself over hours, which is not asked */
        return ERR_OK;
    struct plan_again again = begin(planning, &part, &watch, NULL);
    again.is_spent = planning_watch_is_spent;
    planning_watch_allow(&watch, TIMES_TO_FIND * effort->time_limit_us);
    enum err err = plan_conflict_find(&again, &conflict);
    planning_watch_allow(&watch, TIMES_TO_MEND * effort->time_limit_us);
    if (!err)
        err = plan_conflict_mend(&again, &conflict);
    planning_watch_end(&watch);
    if (err)
        return err;
    plan_conflict_say(planning->wish, &conflict, why);
    return fill_rules(&conflict, &planning->scratch, &made->sheet);
}
