#include "cli/decision.h"

#include <string.h>

#include "route/route.h"

static json_int_t total_us(const json_t *target)
{
    return json_integer_value(json_object_get(json_object_get(target, "terms_us"), "total"));
}

static bool is_region(const json_t *target)
{
    const char *kind = json_string_value(json_object_get(target, "kind"));
    return kind && strcmp(kind, "region") == 0;
}

void decision_note(const json_t *decision, struct text *text)
{
    size_t i;
    const json_t *target, *chosen = NULL, *cheapest = NULL;
    const char *policy = json_string_value(json_object_get(decision, "policy"));
    if (!policy || strcmp(policy, "adaptive") != 0)
        return;
    json_array_foreach(json_object_get(decision, "targets"), i, target)
    {
        if (json_is_true(json_object_get(target, "chosen")))
            chosen = target;
        if (json_is_true(json_object_get(target, "candidate")) && is_region(target) &&
            (!cheapest || total_us(target) < total_us(cheapest)))
            cheapest = target;
    }
    if (chosen && cheapest && !is_region(chosen) && total_us(cheapest) < total_us(chosen))
        text_add(text, "  (a region must win by %d %%, %d ms at least, over the replicas here)\n",
                 ROUTE_HOP_MARGIN_PERCENT, ROUTE_HOP_MARGIN_US / 1000);
}
