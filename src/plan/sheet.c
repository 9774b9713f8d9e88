#include "plan/sheet.h"

/* Every row of a list on a line of its own, so that a diff of two plans can be read. */
static void begin_row(struct text *text)
{
    text_add_c(text, '\n');
    text_json_object(text);
}

static void add_span(struct text *text, const char *key, struct span value)
{
    text_json_key(text, key);
    text_json_span(text, value);
}

static void add_double(struct text *text, const char *key, double value)
{
    text_json_key(text, key);
    text_json_double(text, value);
}

static void add_count(struct text *text, const char *key, uint64_t value)
{
    text_json_key(text, key);
    text_json_u64(text, value);
}

static void add_bool(struct text *text, const char *key, bool value)
{
    text_json_key(text, key);
    text_json_bool(text, value);
}

static void begin_list(struct text *text, const char *key)
{
    text_json_key(text, key);
    text_json_array(text);
}

static void print_replicas(const struct plan_sheet_replica *replicas, uint32_t count,
                           struct text *text)
{
    begin_list(text, "replicas");
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_sheet_replica *replica = &replicas[i];
        begin_row(text);
        add_span(text, "service", replica->service);
        add_span(text, "region", replica->region);
        add_span(text, "sku", replica->sku);
        add_span(text, "market", replica->market);
        add_count(text, "count", replica->count);
        add_count(text, "running", replica->running);
        add_count(text, "machines", replica->machines);
        add_count(text, "tensor_parallel", replica->tensor_parallel);
        add_double(text, "usd_h", replica->usd_h);
        add_bool(text, "estimate", replica->is_estimate);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_flows(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "flows");
    for (uint32_t i = 0; i < sheet->flow_count; i++) {
        const struct plan_sheet_flow *flow = &sheet->flows[i];
        begin_row(text);
        add_span(text, "service", flow->service);
        add_span(text, "zone", flow->zone);
        add_span(text, "bucket", flow->bucket);
        add_span(text, "region", flow->region);
        if (flow->sku.n > 0)
            add_span(text, "sku", flow->sku);
        add_double(text, "rate", flow->rate);
        add_double(text, "share", flow->share);
        add_double(text, "latency_ms", flow->latency_ms);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_rules(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "rules");
    for (uint32_t i = 0; i < sheet->rule_count; i++) {
        begin_row(text);
        add_span(text, "rule", sheet->rules[i].rule);
        add_bool(text, "binding", sheet->rules[i].is_binding);
        add_double(text, "shadow_usd_h", sheet->rules[i].shadow_usd_h);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_shadows(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "explanation");
    for (uint32_t i = 0; i < sheet->shadow_count; i++) {
        const struct plan_sheet_shadow *shadow = &sheet->shadows[i];
        begin_row(text);
        add_span(text, "rule", shadow->rule);
        add_double(text, "shadow_usd_h", shadow->usd_h);
        add_double(text, "low_usd_h", shadow->low_usd_h);
        add_double(text, "high_usd_h", shadow->high_usd_h);
        add_span(text, "sentence", shadow->sentence);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_what_ifs(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "what_if");
    for (uint32_t i = 0; i < sheet->what_if_count; i++) {
        const struct plan_sheet_what_if *row = &sheet->what_ifs[i];
        begin_row(text);
        add_span(text, "what", row->what);
        add_span(text, "status", row->status);
        add_double(text, "cost_usd_h", row->cost_usd_h);
        add_double(text, "bound_usd_h", row->bound_usd_h);
        add_double(text, "gap", (row->cost_usd_h - row->bound_usd_h) / row->cost_usd_h);
        add_double(text, "more_usd_h", row->more_usd_h);
        add_double(text, "more_low_usd_h", row->more_low_usd_h);
        add_double(text, "more_high_usd_h", row->more_high_usd_h);
        add_count(text, "regions", row->regions);
        add_count(text, "replicas", row->replicas);
        add_double(text, "carbon_kg_h", row->carbon_kg_h);
        add_double(text, "egress_usd_h", row->egress_usd_h);
        add_span(text, "why", row->why);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_misses(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "missed");
    for (uint32_t i = 0; i < sheet->miss_count; i++) {
        const struct plan_sheet_miss *miss = &sheet->misses[i];
        begin_row(text);
        add_span(text, "service", miss->service);
        add_span(text, "zone", miss->zone);
        add_span(text, "bucket", miss->bucket);
        add_double(text, "share", miss->share);
        add_double(text, "latency_ms", miss->latency_ms);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_steps(const struct plan_sheet *sheet, struct text *text)
{
    static const char *const actions[] = {"start", "shift", "stop"};
    begin_list(text, "steps");
    for (uint32_t i = 0; i < sheet->step_count; i++) {
        begin_row(text);
        add_count(text, "wave", sheet->steps[i].wave);
        text_json_key(text, "action");
        text_json_str(text, actions[sheet->steps[i].action]);
        add_count(text, "replica", sheet->steps[i].replica);
        add_count(text, "count", sheet->steps[i].count);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_policies(const struct plan_sheet *sheet, struct text *text)
{
    begin_list(text, "policies");
    for (uint32_t i = 0; i < sheet->policy_count; i++) {
        const struct plan_sheet_policy *policy = &sheet->policies[i];
        begin_row(text);
        add_span(text, "policy", policy->policy);
        add_bool(text, "survives_region", policy->survives_region);
        add_bool(text, "keeps_rules", policy->keeps_rules);
        add_double(text, "cost_usd_h", policy->cost_usd_h);
        add_double(text, "in_time", policy->in_time);
        add_double(text, "unmet", policy->unmet);
        add_double(text, "in_time_lost", policy->in_time_lost);
        add_double(text, "unmet_lost", policy->unmet_lost);
        add_double(text, "carbon_kg_h", policy->carbon_kg_h);
        add_double(text, "egress_usd_h", policy->egress_usd_h);
        text_json_end(text);
    }
    text_json_end(text);
}

static void print_costs(const struct plan_sheet *sheet, struct text *text)
{
    text_json_key(text, "costs");
    text_json_object(text);
    add_double(text, "machines_usd_h", sheet->costs.machines);
    add_double(text, "sites_usd_h", sheet->costs.sites);
    add_double(text, "egress_usd_h", sheet->costs.egress);
    add_double(text, "carbon_usd_h", sheet->costs.carbon);
    add_double(text, "moves_usd_h", sheet->costs.moves);
    add_double(text, "unmet_usd_h", sheet->costs.unmet);
    text_json_end(text);
}

static void print_day(const struct plan_sheet *sheet, struct text *text)
{
    const struct plan_sheet_day *day = &sheet->day;
    text_json_key(text, "day");
    text_json_object(text);
    add_count(text, "hour", day->hour);
    add_double(text, "slot_h", day->slot_h);
    add_double(text, "cost_usd", day->cost_usd);
    add_double(text, "bound_usd", day->bound_usd);
    add_double(text, "gap", day->gap);
    add_double(text, "moves_usd", day->moves_usd);
    add_double(text, "static_usd", day->static_usd);
    add_count(text, "starts", day->starts);
    add_count(text, "stops", day->stops);
    add_bool(text, "estimate", day->is_estimate);
    text_json_end(text);
    begin_list(text, "slots");
    for (uint32_t i = 0; i < sheet->slot_count; i++) {
        const struct plan_sheet_slot *slot = &sheet->slots[i];
        begin_row(text);
        add_count(text, "hour", slot->hour);
        add_double(text, "rate", slot->rate);
        add_double(text, "cost_usd_h", slot->cost_usd_h);
        add_double(text, "bound_usd_h", slot->bound_usd_h);
        add_double(text, "gap", slot->gap);
        add_double(text, "moves_usd", slot->moves_usd);
        add_double(text, "carbon_kg_h", slot->carbon_kg_h);
        print_replicas(slot->replicas, slot->replica_count, text);
        text_json_end(text);
    }
    text_json_end(text);
}

uint64_t plan_sheet_epoch(const struct plan_sheet *sheet)
{
    return (sheet->base_epoch ? sheet->base_epoch : 1) + 1;
}

int plan_sheet_compare(const struct plan_sheet_replica *a, const struct plan_sheet_replica *b)
{
    int order = span_compare(a->service, b->service);
    if (order == 0)
        order = span_compare(a->region, b->region);
    if (order == 0)
        order = span_compare(a->sku, b->sku);
    if (order == 0)
        order = span_compare(a->market, b->market);
    if (order == 0)
        order =
            (a->tensor_parallel > b->tensor_parallel) - (a->tensor_parallel < b->tensor_parallel);
    return order;
}

void plan_sheet_print(const struct plan_sheet *sheet, struct text *text)
{
    text_json_object(text);
    add_count(text, "version", PLAN_SHEET_VERSION);
    add_span(text, "status", sheet->status);
    add_double(text, "cost_usd_h", sheet->cost_usd_h);
    add_double(text, "bound_usd_h", sheet->bound_usd_h);
    add_double(text, "gap", sheet->gap);
    add_double(text, "seconds", sheet->seconds);
    add_span(text, "stopped_by", sheet->stopped_by);
    print_replicas(sheet->replicas, sheet->replica_count, text);
    print_flows(sheet, text);
    print_rules(sheet, text);
    print_what_ifs(sheet, text);
    if (sheet->shadow_count > 0)
        print_shadows(sheet, text);
    add_double(text, "carbon_kg_h", sheet->carbon_kg_h);
    add_double(text, "egress_usd_h", sheet->egress_usd_h);
    print_costs(sheet, text);
    print_misses(sheet, text);
    print_policies(sheet, text);
    print_steps(sheet, text);
    if (sheet->slot_count > 0)
        print_day(sheet, text);
    add_span(text, "build", sheet->build);
    add_span(text, "solver", sheet->solver);
    add_span(text, "catalogue", sheet->catalogue);
    add_span(text, "world", sheet->world);
    add_count(text, "base_epoch", sheet->base_epoch);
    text_json_end(text);
    text_add_c(text, '\n');
}
