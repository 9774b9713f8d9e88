/* decision.h: what the numbers of an explained decision (route/explain.h) do not say by themselves,
 * for people. */
#ifndef CLI_DECISION_H
#define CLI_DECISION_H

#include <jansson.h>

#include "base/text.h"

/* Appends a line when a region that would have cost less than the chosen replica was passed over,
 * since it did not win by enough (policy adaptive); else nothing. */
void decision_note(const json_t *decision, struct text *text);

#endif
