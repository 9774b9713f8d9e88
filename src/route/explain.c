#include "route/explain.h"

#include "base/check.h"

static void add_target_name(const struct route_labels *labels, unsigned target, struct text *text)
{
    text_add_span(text, labels->region[target]);
    if (labels->target[target].n > 0) {
        text_add_c(text, '/');
        text_add_span(text, labels->target[target]);
    }
}

static void add_field(struct text *text, const char *name, int64_t value)
{
    text_add_span(text, span_of(name));
    text_add_i64(text, value);
}

void route_explain_element(const struct route_view *view, const struct route_choice *choice,
                           const struct route_labels *labels, unsigned attempt, struct text *text)
{
    CHECK(choice->target >= 0 && choice->target < (int)view->target_count);
    unsigned target = (unsigned)choice->target;
    const struct route_terms *terms = &choice->terms;
    add_target_name(labels, target, text);
    text_add_span(text, SPAN_LITERAL(";policy="));
    text_add_span(text, span_of(fleet_policy_name(view->policy)));
    add_field(text, ";net=", terms->network_us);
    add_field(text, ";prefill=", terms->prefill_us);
    add_field(text, ";queue=", terms->queue_us);
    add_field(text, ";decode=", terms->decode_us);
    add_field(text, ";price=", terms->price_us);
    add_field(text, ";penalty=", terms->penalty_us);
    add_field(text, ";total=", terms->total_us);
    add_field(text, ";hit=", view->targets[target].matched_tokens);
    add_field(text, ";try=", attempt);
}

static void add_number(struct text *text, const char *key, int64_t value)
{
    text_json_key(text, key);
    text_json_i64(text, value);
}

static void add_flag(struct text *text, const char *key, bool value)
{
    text_json_key(text, key);
    text_json_bool(text, value);
}

static void add_terms(struct text *text, const struct route_terms *terms)
{
    text_json_key(text, "terms_us");
    text_json_object(text);
    add_number(text, "network", terms->network_us);
    add_number(text, "prefill", terms->prefill_us);
    add_number(text, "queue", terms->queue_us);
    add_number(text, "decode", terms->decode_us);
    add_number(text, "price", terms->price_us);
    add_number(text, "penalty", terms->penalty_us);
    add_number(text, "total", terms->total_us);
    text_json_end(text);
}

static void add_name_or_null(struct text *text, const char *key, const struct route_labels *labels,
                             int target)
{
    text_json_key(text, key);
    if (target < 0) {
        text_json_null(text);
        return;
    }
    char buffer[2 * LIMIT_NAME + 2];
    struct text name;
    text_init(&name, buffer, sizeof buffer);
    add_target_name(labels, (unsigned)target, &name);
    text_json_span(text, text_span(&name));
}

static void add_request(struct text *text, const struct route_request *request)
{
    text_json_key(text, "request");
    text_json_object(text);
    add_number(text, "prompt_tokens", request->prompt_tokens);
    add_number(text, "output_tokens", request->output_tokens);
    add_number(text, "zones_allowed", request->zones_allowed);
    text_json_key(text, "deadline_left_us");
    if (request->deadline_us > 0)
        text_json_i64(text, request->deadline_us - request->now_us);
    else
        text_json_null(text);
    add_flag(text, "may_hop", request->may_hop);
    add_number(text, "price_weight_us", request->price_weight_us);
    text_json_end(text);
}

static void add_candidate(struct text *text, const struct route_view *view,
                          const struct route_request *request, const struct route_choice *choice,
                          const struct route_labels *labels, unsigned i)
{
    const struct route_target *target = &view->targets[i];
    enum route_bar bar = route_bar_of(view, request, i);
    text_json_object(text);
    add_name_or_null(text, "target", labels, (int)i);
    text_json_key(text, "region");
    text_json_span(text, labels->region[i]);
    text_json_key(text, "kind");
    text_json_str(text, target->kind == ROUTE_REGION ? "region" : "replica");
    add_flag(text, "candidate", bar == ROUTE_BAR_NONE);
    text_json_key(text, "bar");
    text_json_str(text, bar == ROUTE_BAR_NONE ? NULL : route_bar_text(bar));
    add_flag(text, "chosen", choice->target == (int)i);
    add_number(text, "load", route_load_of(target));
    add_number(text, "slots", target->slots);
    add_number(text, "in_flight", target->in_flight);
    add_flag(text, "sample_fresh", target->is_sample_fresh);
    add_number(text, "matched_tokens", target->matched_tokens);
    add_number(text, "ewma_us", target->ewma_us);
    struct route_terms terms = route_terms_of(view, request, i);
    add_terms(text, &terms);
    text_json_end(text);
}

void route_explain_json(const struct route_view *view, const struct route_request *request,
                        const struct route_choice *choice, const struct route_labels *labels,
                        struct text *text)
{
    CHECK(view->target_count <= LIMIT_TARGETS);
    text_json_object(text);
    text_json_key(text, "policy");
    text_json_str(text, fleet_policy_name(view->policy));
    add_request(text, request);
    add_name_or_null(text, "chosen", labels, choice->target);
    add_name_or_null(text, "runner_up", labels, choice->runner_up);
    text_json_key(text, "bar");
    text_json_str(text, choice->target >= 0 ? NULL : route_bar_text(choice->bar));
    add_flag(text, "panic", choice->is_panic);
    add_number(text, "candidates", choice->candidate_count);
    text_json_key(text, "targets");
    text_json_array(text);
    for (unsigned i = 0; i < view->target_count; i++)
        add_candidate(text, view, request, choice, labels, i);
    text_json_end(text);
    text_json_end(text);
}
