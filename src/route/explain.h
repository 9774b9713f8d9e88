/* explain.h: a decision in words: for `farspan explain`, the log and the x-farspan-route header.
 * Pure: prints what it is given and decides nothing. */
#ifndef ROUTE_EXPLAIN_H
#define ROUTE_EXPLAIN_H

#include "base/span.h"
#include "base/text.h"
#include "route/route.h"

/* What people call the targets of a view, by the same index. */
struct route_labels {
    struct span region[LIMIT_TARGETS]; /* "aws:us-east-1" */
    struct span target[LIMIT_TARGETS]; /* "us-a-chat"; empty for a region target */
};

/* The element of x-farspan-route (docs/protocol.md) for attempt <attempt> (1 is the first):
 *   aws:us-east-1/us-a-chat;policy=adaptive;net=0;prefill=1200;queue=0;decode=48000;price=0;
 *   penalty=0;total=49200;hit=512;try=1      (in one line)
 * <choice> has a target. */
void route_explain_element(const struct route_view *view, const struct route_choice *choice,
                           const struct route_labels *labels, unsigned attempt, struct text *text);

/* One JSON object: the request as the router saw it, the choice, and for every target of the view
 * whether it was a candidate, what barred it otherwise, and its terms (us). <choice> may be none.
 */
void route_explain_json(const struct route_view *view, const struct route_request *request,
                        const struct route_choice *choice, const struct route_labels *labels,
                        struct text *text);

#endif
