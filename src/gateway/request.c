#include "gateway/request.h"

#include "base/check.h"
#include "base/hash.h"
#include "gateway/head.h"

#define STEP(name) (1u << GATEWAY_STEP_##name)

/* Where each step may lead. */
static const uint16_t moves[GATEWAY_STEP_COUNT] = {
    [GATEWAY_STEP_READ] = STEP(CHOOSE) | STEP(SETTLE),
    [GATEWAY_STEP_CHOOSE] = STEP(SEND) | STEP(PAUSE) | STEP(SETTLE),
    [GATEWAY_STEP_PAUSE] = STEP(CHOOSE) | STEP(SETTLE),
    [GATEWAY_STEP_SEND] = STEP(CHOOSE) | STEP(RELAY) | STEP(SETTLE),
    [GATEWAY_STEP_RELAY] = STEP(SETTLE),
};

void gateway_request_move(struct gateway_request *request, enum gateway_step step)
{
    CHECK(step < GATEWAY_STEP_COUNT);
    CHECK(moves[request->step] >> step & 1);
    request->step = step;
}

static enum prefix_role role_of(struct span role)
{
    static const struct {
        const char *name;
        enum prefix_role role;
    } roles[] = {
        {"user", PREFIX_USER},        {"system", PREFIX_SYSTEM}, {"assistant", PREFIX_ASSISTANT},
        {"developer", PREFIX_SYSTEM}, {"tool", PREFIX_TOOL},     {"prompt", PREFIX_PROMPT},
    };
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (span_is(role, roles[i].name))
            return roles[i].role;
    return PREFIX_OTHER;
}

static void on_role(void *user, struct span role)
{
    prefix_chain_role(user, role_of(role));
}

static void on_text(void *user, const char *text, size_t n)
{
    prefix_chain_add(user, text, n);
}

static enum gateway_error refuse(struct gateway_request *request, enum gateway_error error,
                                 struct span why, const char *param)
{
    request->why = why;
    request->param = param;
    return error;
}

static bool is_good_id(struct span id)
{
    if (id.n == 0 || id.n > GATEWAY_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= 0x20 || id.p[i] >= 0x7f)
            return false;
    return true;
}

static void take_id(struct gateway_request *request, const struct http_head *head,
                    uint64_t fallback_id)
{
    struct span id = http_header_of(head, HTTP_HEADER_REQUEST_ID);
    if (is_good_id(id)) {
        memcpy(request->id, id.p, id.n);
        request->id_size = (uint8_t)id.n;
        return;
    }
    for (unsigned i = 0; i < 16; i++)
        request->id[i] = "0123456789abcdef"[fallback_id >> (60 - 4 * i) & 15];
    request->id_size = 16;
}

/* A method has no bound but the line's; the refusal has. */
static struct span shown_part(struct span method)
{
    enum { SHOWN_MAX = 32 };
    return span_from(method.p, method.n < SHOWN_MAX ? method.n : SHOWN_MAX);
}

static enum gateway_error check_path(struct gateway_request *request, const struct http_head *head)
{
    struct span path = head->path;
    if (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--; /* "/v2/" is "/v2" to most servers */
    request->form = gateway_api_form_of(path);
    switch (gateway_api_find(head->method, path, &request->route, &request->name)) {
    case GATEWAY_MATCH_NONE:
        return refuse(request, GATEWAY_ERROR_NO_PATH, (struct span){0, 0}, NULL);
    case GATEWAY_MATCH_METHOD:
        request->form = gateway_api_of(request->route)->form;
        return refuse(request, GATEWAY_ERROR_METHOD, shown_part(head->method_text), NULL);
    case GATEWAY_MATCH_FOUND:
        break;
    }
    request->form = gateway_api_of(request->route)->form;
    return GATEWAY_FINE;
}

static enum gateway_error check_door(struct gateway_request *request, const struct gateway_law *law,
                                     const struct http_head *head)
{
    enum gateway_door door = gateway_api_of(request->route)->door;
    if (door == GATEWAY_DOOR_OPEN)
        return GATEWAY_FINE;
    request->identity = gateway_identify(law->keys, head);
    if (door == GATEWAY_DOOR_PEER) {
        if (request->identity.caller == GATEWAY_PEER)
            return GATEWAY_FINE;
        return request->identity.caller == GATEWAY_CLIENT && law->keys->has_peer_secret
                   ? GATEWAY_ERROR_WRONG_DOOR
                   : GATEWAY_ERROR_NO_KEY;
    }
    /* The peer secret is no client's key: it opens a client's door for a hop only. */
    if (request->identity.caller == GATEWAY_PEER && !http_has_header(head, HTTP_HEADER_FARSPAN_HOP))
        return GATEWAY_ERROR_NO_KEY;
    return request->identity.caller == GATEWAY_NOBODY ? GATEWAY_ERROR_NO_KEY : GATEWAY_FINE;
}

static enum gateway_error check_media(const struct http_head *head)
{
    struct span coding = http_header_of(head, HTTP_HEADER_CONTENT_ENCODING);
    if (coding.n && !span_is_equal_nocase(coding, SPAN_LITERAL("identity")))
        return GATEWAY_ERROR_MEDIA;
    struct span type = http_header_of(head, HTTP_HEADER_CONTENT_TYPE);
    struct span media = span_trim(span_cut(&type, ';'));
    if (media.n && !span_is_equal_nocase(media, SPAN_LITERAL("application/json")))
        return GATEWAY_ERROR_MEDIA;
    return GATEWAY_FINE;
}

/* What peers, and only they, say beside the request: the hop, the tenant, the epoch. */
static enum gateway_error check_peer(struct gateway_request *request, const struct gateway_law *law,
                                     const struct http_head *head)
{
    request->hop = http_header_of(head, HTTP_HEADER_FARSPAN_HOP);
    request->tenant = http_header_of(head, HTTP_HEADER_FARSPAN_TENANT);
    struct span epoch = http_header_of(head, HTTP_HEADER_FARSPAN_EPOCH);
    uint64_t number = 0;
    if (epoch.n && !span_to_u64(epoch, &number))
        return refuse(request, GATEWAY_ERROR_BAD_HOP, SPAN_LITERAL("x-farspan-epoch"), NULL);
    if (epoch.n && number < law->fleet->epoch)
        return GATEWAY_ERROR_STALE_EPOCH;
    return GATEWAY_FINE;
}

/* What anybody may say: narrower zones, a shorter deadline. */
static enum gateway_error check_wishes(struct gateway_request *request,
                                       const struct gateway_law *law, const struct http_head *head,
                                       int64_t now_us)
{
    struct span wished = http_header_of(head, HTTP_HEADER_FARSPAN_ZONES);
    fleet_zones zones;
    if (wished.n && !gateway_head_zones(law->fleet, wished, &zones))
        return refuse(request, GATEWAY_ERROR_BAD_HOP, SPAN_LITERAL("x-farspan-zones"), NULL);
    if (wished.n)
        request->zones &= zones;
    struct span session = http_header_of(head, HTTP_HEADER_FARSPAN_SESSION);
    if (session.n)
        request->affinity = hash_span(session, prefix_seed((struct span){0, 0}, request->tenant));
    struct span deadline = http_header_of(head, HTTP_HEADER_FARSPAN_DEADLINE);
    uint64_t left_ms;
    if (deadline.n == 0)
        return GATEWAY_FINE;
    if (!span_to_u64(deadline, &left_ms) || left_ms > INT32_MAX)
        return refuse(request, GATEWAY_ERROR_BAD_HOP, SPAN_LITERAL("x-farspan-deadline-ms"), NULL);
    request->header_deadline_us = now_us + (int64_t)left_ms * 1000;
    return GATEWAY_FINE;
}

enum gateway_error gateway_request_begin(struct gateway_request *request,
                                         const struct gateway_law *law,
                                         const struct http_head *head, uint64_t fallback_id,
                                         int64_t now_us)
{
    /* Not the scan and the chain: they are large, and begun when a body is to come. */
    memset(request, 0, offsetof(struct gateway_request, why_buffer));
    request->step = GATEWAY_STEP_READ;
    request->service = FLEET_NONE;
    request->zones = UINT32_MAX;
    take_id(request, head, fallback_id);
    enum gateway_error error = check_path(request, head);
    if (error == GATEWAY_FINE)
        error = check_door(request, law, head);
    if (error != GATEWAY_FINE || !gateway_api_of(request->route)->is_routed)
        return error;

    if (request->identity.caller == GATEWAY_PEER)
        error = check_peer(request, law, head);
    else if (request->identity.key != FLEET_NONE) {
        request->tenant = law->keys->row[request->identity.key].tenant;
        request->zones &= law->keys->row[request->identity.key].residency;
    }
    if (error == GATEWAY_FINE)
        error = check_wishes(request, law, head, now_us);
    if (error == GATEWAY_FINE)
        error = check_media(head);
    request->deadline_us = now_us; /* of the start, until the service is known */
    prefix_chain_init(&request->chain, prefix_seed((struct span){0, 0}, request->tenant));
    json_scan_init(&request->scan, &(struct json_scan_sink){&request->chain, on_role, on_text});
    return error;
}

enum gateway_error gateway_request_add(struct gateway_request *request, struct span piece)
{
    if (json_scan_add(&request->scan, piece) == ERR_OK)
        return GATEWAY_FINE;
    struct text why;
    text_init(&why, request->why_buffer, sizeof request->why_buffer);
    text_add(&why, "%s (byte %llu)", request->scan.reason,
             (unsigned long long)request->scan.offset);
    return refuse(request, request->scan.param ? GATEWAY_ERROR_BAD_VALUE : GATEWAY_ERROR_BAD_JSON,
                  text_span(&why), request->scan.param);
}

static enum gateway_error check_end(struct gateway_request *request)
{
    if (json_scan_end(&request->scan) == ERR_OK) {
        request->is_scanned = true;
        return GATEWAY_FINE;
    }
    struct span why =
        span_of(request->scan.reason ? request->scan.reason : "it ends in the middle of a value");
    return refuse(request, GATEWAY_ERROR_BAD_JSON, why, NULL);
}

static enum gateway_error find_service(struct gateway_request *request, const struct fleet *fleet,
                                       bool is_whole)
{
    char decoded[LIMIT_API_NAME + 1];
    struct span name;
    if (request->form == GATEWAY_FORM_INFERENCE) {
        struct text text;
        text_init(&text, decoded, sizeof decoded);
        if (!gateway_api_decode(request->name, &text))
            return GATEWAY_ERROR_MODEL_NOT_FOUND;
        name = text_span(&text);
    } else {
        const struct json_scan_found *found = &request->scan.found;
        if (!found->has_model)
            return is_whole ? GATEWAY_ERROR_NO_MODEL : GATEWAY_ERROR_LATE_MODEL;
        name = span_from(found->model, found->model_size);
    }
    request->service = fleet_find_service(fleet, name);
    if (request->service != FLEET_NONE)
        return GATEWAY_FINE;
    struct text why;
    text_init(&why, request->why_buffer, sizeof request->why_buffer);
    text_add_span(&why, name);
    return refuse(request, GATEWAY_ERROR_MODEL_NOT_FOUND, text_span(&why), NULL);
}

/* Remote servers know best what they serve: only our own engines are held to their kind. */
static bool is_kind_served(const struct fleet_service *service, enum gateway_route route)
{
    if (service->engine == FLEET_ENGINE_REMOTE)
        return true;
    if (route == GATEWAY_ROUTE_CHAT || route == GATEWAY_ROUTE_COMPLETIONS)
        return service->kind == FLEET_GENERATION;
    if (route == GATEWAY_ROUTE_EMBEDDINGS)
        return service->kind == FLEET_EMBEDDINGS;
    return true;
}

static enum gateway_error check_found(struct gateway_request *request,
                                      const struct fleet_service *service, bool is_whole)
{
    if (!is_kind_served(service, request->route))
        return GATEWAY_ERROR_WRONG_KIND;
    const struct json_scan_found *found = &request->scan.found;
    if (found->has_n && (found->n < 1 || found->n > GATEWAY_CHOICES_MAX))
        return refuse(request, GATEWAY_ERROR_BAD_VALUE, SPAN_LITERAL("n is 1 to 128"), "n");
    if (!is_whole)
        return GATEWAY_FINE;
    const char *missing = NULL;
    if (request->route == GATEWAY_ROUTE_CHAT && !found->has_messages)
        missing = "messages";
    if (request->route == GATEWAY_ROUTE_COMPLETIONS && !found->has_prompt)
        missing = "prompt";
    if (request->route == GATEWAY_ROUTE_EMBEDDINGS && !found->has_input)
        missing = "input";
    if (request->route == GATEWAY_ROUTE_V2_INFER && !found->has_inputs)
        missing = "inputs";
    if (missing)
        return refuse(request, GATEWAY_ERROR_NO_INPUT, span_of(missing), missing);
    if (request->route == GATEWAY_ROUTE_CHAT && found->message_count == 0)
        return refuse(request, GATEWAY_ERROR_BAD_VALUE, SPAN_LITERAL("messages is empty"),
                      "messages");
    return GATEWAY_FINE;
}

static void take_sizes(struct gateway_request *request, const struct fleet_service *service)
{
    const struct json_scan_found *found = &request->scan.found;
    request->prompt_tokens = request->chain.byte_count ? prefix_chain_tokens(&request->chain)
                                                       : 0; /* a GET says nothing */
    request->output_tokens = service->kind == FLEET_GENERATION ? service->output_tokens : 0;
    if (found->has_max_tokens && found->max_tokens < request->output_tokens)
        request->output_tokens = found->max_tokens;
    const struct prefix_chain *chain = &request->chain;
    if (request->affinity)
        return; /* the session's */
    if (found->has_user)
        request->affinity = hash_bytes(found->user, found->user_size, chain->seed);
    else if (chain->hash_count)
        request->affinity = chain->hash[0];
    else
        request->affinity = hash_bytes(chain->partial, chain->partial_size, chain->seed);
}

enum gateway_error gateway_request_resolve(struct gateway_request *request,
                                           const struct gateway_law *law, bool is_whole)
{
    bool has_body = gateway_api_of(request->route)->method == HTTP_POST;
    enum gateway_error error = is_whole && has_body ? check_end(request) : GATEWAY_FINE;
    if (error == GATEWAY_FINE)
        error = find_service(request, law->fleet, is_whole);
    if (error != GATEWAY_FINE)
        return error;
    const struct fleet_service *service = &law->fleet->services[request->service];
    error = check_found(request, service, is_whole);
    if (error != GATEWAY_FINE)
        return error;

    request->zones &= service->residency;
    fleet_zones known =
        law->fleet->zone_count >= 32 ? UINT32_MAX : (UINT32_C(1) << law->fleet->zone_count) - 1;
    if ((request->zones & known) == 0)
        return GATEWAY_ERROR_NO_ZONE;
    request->deadline_us +=
        service->timeout_us > 0 ? service->timeout_us : GATEWAY_TIMEOUT_DEFAULT_US;
    if (request->header_deadline_us && request->header_deadline_us < request->deadline_us)
        request->deadline_us = request->header_deadline_us;
    prefix_chain_bind(&request->chain, service->name);
    take_sizes(request, service);
    return GATEWAY_FINE;
}

void gateway_request_view(const struct gateway_request *request, const struct gateway_law *law,
                          int64_t now_us, uint64_t tried, struct route_request *ret_request)
{
    *ret_request = (struct route_request){
        .now_us = now_us,
        .zones_allowed = request->zones,
        .prompt_tokens = request->prompt_tokens,
        .output_tokens = request->output_tokens,
        .deadline_us = request->deadline_us,
        .affinity = request->affinity,
        .tried = tried,
        .may_hop = request->hop.n == 0,
        .price_weight_us = law->fleet->services[request->service].price_weight_us,
    };
}

/* From a quote to behind its closing one. */
static size_t skip_string(struct span body, size_t i)
{
    for (i++; i < body.n && body.p[i] != '"'; i++)
        if (body.p[i] == '\\')
            i++;
    return i < body.n ? i + 1 : body.n;
}

struct span gateway_request_model_value(const struct gateway_request *request, struct span body)
{
    const struct json_scan_found *found = &request->scan.found;
    if (!found->has_model || found->model_offset >= body.n)
        return (struct span){0, 0};
    size_t start = (size_t)found->model_offset;
    CHECK(body.p[start] == '"');
    return span_from(body.p + start, skip_string(body, start) - start);
}
