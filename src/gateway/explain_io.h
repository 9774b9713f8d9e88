/* explain_io.h: the decision that would be made for a request, without sending it.
 *
 * Used by POST /peer/v1/explain of a running gateway and by `farspan explain` over a file. It runs
 * the same request code and the same route_choose() as a real request, on copies of what they
 * change, so asking changes nothing. */
#ifndef GATEWAY_EXPLAIN_IO_H
#define GATEWAY_EXPLAIN_IO_H

#include "gateway/request.h"
#include "gateway/targets.h"
#include "route/explain.h"

/* <wrapper>: {"path":"/v1/chat/completions","zones":["eu"],"tenant":"","body":{...}}; zones, tenant
 * and path may be left out. <services> and <labels>: one a service. Writes the JSON of
 * route_explain_json(), or an OpenAI error; answers its HTTP status. */
unsigned gateway_explain(const struct gateway_law *law, const struct gateway_targets *services,
                         const struct route_labels *labels, struct span wrapper, int64_t now_us,
                         struct text *text);

#endif
