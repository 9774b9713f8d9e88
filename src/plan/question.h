/* question.h: a what-if in words: levers to pull, joined by '+'.
 *
 *   lose PLACE|PROVIDER                                lose azure:westeurope
 *   price [PLACE] [PROVIDER] [SKU] [MARKET] AMOUNT     price spot x2      price azure +20%
 *   demand [SERVICE] AMOUNT                            demand chat x1.5
 *   slo [SERVICE] AMOUNT                               slo chat x0.8
 *   stock [PLACE] [SKU] [MARKET] AMOUNT|+N|off         stock azure:westeurope +4
 *   budget|carbon|power AMOUNT|+N|off                  budget +10    (USD, kg, kW an hour)
 *   rule RULE [SERVICE|PLACE|SKU|MARKET|ZONE] off      rule residency chat off
 *
 * AMOUNT is xF or +P% or -P%. RULE: lose slo residency spread spot spot_spread hold replicas
 * regions pins forbid budget carbon power stock places skus markets. */
#ifndef PLAN_QUESTION_H
#define PLAN_QUESTION_H

#include "plan/lever.h"

enum { PLAN_QUESTION_PULLS_MAX = 16, PLAN_QUESTION_WORDS_MAX = 8 /* of one pull */ };

#define PLAN_QUESTION_TIMES_MAX 1000.0
#define PLAN_QUESTION_MORE_MAX  1000000.0

struct plan_question {
    struct span text; /* as asked */
    struct plan_pull pulls[PLAN_QUESTION_PULLS_MAX];
    uint32_t count;
};

/* Names point into <text> and the wish. Scratch memory from <arena>. ERR_VALUE: <why> says what was
 * expected, what was found, and the nearest valid word. ERR_MEMORY. */
MUST_USE enum err plan_question_read(const struct plan_wish *wish, struct span text,
                                     struct arena *arena, struct plan_question *ret_question,
                                     struct text *why);

#endif
