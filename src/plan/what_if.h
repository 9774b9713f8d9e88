/* what_if.h: the answers to --what-if: the plan under each question's assumptions. */
#ifndef PLAN_WHAT_IF_H
#define PLAN_WHAT_IF_H

#include "plan/again.h"
#include "plan/question.h"

/* Fills <sheet>->what_ifs from again->arena. <sheet>: the plan of again->wish, or that there is
 * none. ERR_MEMORY. */
MUST_USE enum err plan_what_if_answer(struct plan_again *again,
                                      const struct plan_question *questions, uint32_t count,
                                      struct plan_sheet *sheet);

#endif
