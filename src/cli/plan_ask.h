/* plan_ask.h: `farspan plan --explain --what-if ...`, and why there is no plan: further questions
 * about a plan that was made, each answered by planning again (plan/again.h). */
#ifndef CLI_PLAN_ASK_H
#define CLI_PLAN_ASK_H

#include "cli/options.h"
#include "cli/planning.h"
#include "plan/question.h"

struct plan_ask {
    bool is_explained;
    struct option_list what_ifs;
    struct plan_question *questions; /* as many as what_ifs */
};

/* The what-ifs into questions, before anything is solved. ERR_VALUE: <why> names the word and the
 * nearest valid one, or says that questions about the plan of a day cannot be answered. */
MUST_USE enum err plan_ask_read(struct plan_ask *ask, struct planning *planning, struct text *why);

/* <made>: the plan, or (its status) that there is none; fills the sheet's explanation and
 * what-ifs. Each what-if may take all of <effort>, each rule of an explanation a part. */
MUST_USE enum err plan_ask_answer(const struct plan_ask *ask, struct planning *planning,
                                  const struct planning_effort *effort, struct plan_made *made);

/* The rules that leave no plan and what would mend it, in lines behind what <why> says already. A
 * set that is proven irreducible becomes the rules of <made>'s sheet. */
MUST_USE enum err plan_ask_why_not(struct planning *planning, const struct planning_effort *effort,
                                   struct plan_made *made, struct text *why);

#endif
