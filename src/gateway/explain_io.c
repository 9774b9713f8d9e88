#include "gateway/explain_io.h"

#include <jansson.h>

#include "gateway/head.h"
#include "os/memory.h"

static unsigned refuse(enum gateway_error error, struct span detail, struct text *text)
{
    gateway_error_print(error, GATEWAY_FORM_OPENAI, detail, NULL, text);
    return gateway_error_status(error);
}

static struct span string_of(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? span_from(json_string_value(value), json_string_length(value))
                                 : span_of(otherwise);
}

static bool take_zones(const struct fleet *fleet, const json_t *wrapper, fleet_zones *ret_zones)
{
    const json_t *names = json_object_get(wrapper, "zones");
    if (!names || json_array_size(names) == 0)
        return true;
    fleet_zones zones = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        uint16_t zone = FLEET_NONE;
        if (json_is_string(name))
            zone = fleet_find_zone(fleet, span_of(json_string_value(name)));
        if (zone == FLEET_NONE)
            return false;
        zones |= UINT32_C(1) << zone;
    }
    *ret_zones = zones;
    return true;
}

/* As a client's request, written out and read again: what is explained went through the real door
 * but for the key. */
static enum gateway_error make_request(struct gateway_request *request,
                                       const struct gateway_law *law, const json_t *wrapper,
                                       struct span body, int64_t now_us)
{
    static const struct gateway_keys open_keys = {.is_open = true};
    struct gateway_law open_law = *law;
    open_law.keys = &open_keys;
    struct http_head head = {
        .method = body.n ? HTTP_POST : HTTP_GET,
        .method_text = body.n ? SPAN_LITERAL("POST") : SPAN_LITERAL("GET"),
        .path = string_of(wrapper, "path", "/v1/chat/completions"),
    };
    enum gateway_error error = gateway_request_begin(request, &open_law, &head, 0, now_us);
    if (error != GATEWAY_FINE)
        return error;
    if (!gateway_api_of(request->route)->is_routed)
        return GATEWAY_ERROR_NO_PATH;
    request->tenant = string_of(wrapper, "tenant", "");
    prefix_chain_init(&request->chain, prefix_seed((struct span){0, 0}, request->tenant));
    if (!take_zones(law->fleet, wrapper, &request->zones))
        return GATEWAY_ERROR_BAD_VALUE;
    error = body.n ? gateway_request_add(request, body) : GATEWAY_FINE;
    return error == GATEWAY_FINE ? gateway_request_resolve(request, &open_law, true) : error;
}

static unsigned explain(struct gateway_request *request, const struct gateway_law *law,
                        const struct gateway_targets *services, const struct route_labels *labels,
                        const json_t *wrapper, struct span body, int64_t now_us, struct text *text)
{
    enum gateway_error error = make_request(request, law, wrapper, body, now_us);
    if (error != GATEWAY_FINE)
        return refuse(error, request->why, text);
    struct gateway_targets *targets = os_alloc(sizeof *targets);
    if (!targets)
        return refuse(GATEWAY_ERROR_INTERNAL, (struct span){0, 0}, text);
    *targets = services[request->service];
    gateway_targets_refresh(targets, &request->chain, now_us);
    struct route_request wanted;
    gateway_request_view(request, law, now_us, 0, &wanted);
    struct route_choice choice = route_choose(&targets->view, &wanted, &targets->memory);
    route_explain_json(&targets->view, &wanted, &choice, &labels[request->service], text);
    os_free(targets);
    return 200;
}

unsigned gateway_explain(const struct gateway_law *law, const struct gateway_targets *services,
                         const struct route_labels *labels, struct span wrapper, int64_t now_us,
                         struct text *text)
{
    json_error_t where;
    json_t *json = json_loadb(wrapper.p, wrapper.n, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(json)) {
        json_decref(json);
        return refuse(GATEWAY_ERROR_BAD_JSON, span_of(where.text), text);
    }
    const json_t *value = json_object_get(json, "body");
    char *body = value ? json_dumps(value, JSON_COMPACT) : NULL;
    struct gateway_request *request = os_alloc(sizeof *request);
    unsigned status =
        request ? explain(request, law, services, labels, json, span_of(body), now_us, text)
                : refuse(GATEWAY_ERROR_INTERNAL, (struct span){0, 0}, text);
    os_free(request);
    free(body);
    json_decref(json);
    return status;
}
