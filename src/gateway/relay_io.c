/* relay_io.c: the target's side of a request: choosing, sending, retrying before the first byte,
 * passing the answer on as it comes. */
#include "base/check.h"
#include "gateway/head.h"
#include "gateway/proxy_io.h"

static const struct http_call_handler call_handler;

/* ---- sending ------------------------------------------------------------------------------ */

static const struct gateway_target *target_of(const struct proxy *proxy, unsigned target)
{
    return &proxy->targets->map->services[proxy->targets->service].targets[target];
}

/* A buffer that counts as held, like the body it is for; NULL: no room. */
static struct buffer *take_held(struct proxy *proxy, size_t size)
{
    struct buffer *buffer = buffer_take(&proxy->loop->bodies, size);
    if (buffer && buffer_charge(buffer))
        return buffer;
    buffer_unref(buffer);
    return NULL;
}

/* A remote server may call the model otherwise: the body then goes out with its name instead.
 * False: no room. */
static bool rename_model(struct proxy *proxy, struct span name, struct span body,
                         struct span *ret_body)
{
    struct span value = gateway_request_model_value(&proxy->request, body);
    if (value.n == 0) {
        *ret_body = body;
        return true;
    }
    size_t room = body.n - value.n + name.n * 6 + 3;
    struct buffer *buffer = take_held(proxy, room);
    if (!buffer)
        return false;
    struct text text;
    text_init(&text, buffer->data, room);
    text_add_span(&text, span_from(body.p, (size_t)(value.p - body.p)));
    text_add_c(&text, '"');
    text_add_json_escaped(&text, name);
    text_add_c(&text, '"');
    const char *behind = value.p + value.n;
    text_add_span(&text, span_from(behind, (size_t)(body.p + body.n - behind)));
    CHECK(!text.is_cut);
    buffer_unref(proxy->renamed);
    proxy->renamed = buffer;
    *ret_body = text_span(&text);
    return true;
}

static struct span remote_name(const struct proxy *proxy, const struct gateway_target *target)
{
    const struct fleet *fleet = proxy->loop->gateway->law.fleet;
    if (target->replica == FLEET_NONE)
        return (struct span){0, 0};
    struct span name = fleet->replicas[target->replica].model_name;
    if (span_is_equal(name, fleet->services[proxy->targets->service].name))
        return (struct span){0, 0};
    return name;
}

static void write_head(struct proxy *proxy, const struct gateway_target *target, struct text *text)
{
    const struct gateway *gateway = proxy->loop->gateway;
    const struct gateway_request *request = &proxy->request;
    const struct gateway_credential *credential = &gateway->credentials[target->origin];
    bool is_remote = gateway->map.origins[target->origin].kind == GATEWAY_ORIGIN_REMOTE;
    struct gateway_head_rules rules = {
        .base = is_remote ? http_origin_base(proxy->loop->origins[target->origin])
                          : (struct span){0, 0},
        .authorization = span_from(credential->value, credential->size),
        .request_id = gateway_request_id(request),
        .old_name = request->name,
        .new_name = remote_name(proxy, target),
        .is_ours = !is_remote,
        .tenant = request->tenant,
        .zones = request->zones,
        .deadline_ms = (request->deadline_us - proxy_now_us(proxy)) / 1000,
        .epoch = gateway->law.fleet->epoch,
    };
    if (target->replica == FLEET_NONE)
        rules.hop = gateway->law.fleet->regions[gateway->law.region].name;
    gateway_head_request(proxy->exchange->head, &rules, gateway->law.fleet, text);
}

static struct span tail_span(const struct proxy_tail *tail)
{
    if (!tail->buffer)
        return (struct span){NULL, 0};
    return span_from(tail->buffer->data + tail->sent, tail->size - tail->sent);
}

/* The body and its length as the target is to get it; false: no room. Of a streamed one what was
 * seen goes first into what is still to be sent, and is given back when it is. */
static bool take_body(struct proxy *proxy, const struct gateway_target *target,
                      struct http_request *request)
{
    struct span seen =
        proxy->is_streamed ? tail_span(&proxy->tail) : http_exchange_body(proxy->exchange);
    struct span body = seen, name = remote_name(proxy, target);
    if (name.n && seen.n && proxy->request.name.n == 0 && !rename_model(proxy, name, seen, &body))
        return false;
    if (!proxy->is_streamed) {
        request->body = body;
        request->body_length = (int64_t)body.n;
        return true;
    }
    int64_t length = proxy->exchange->head->body_length;
    request->body_length = length >= 0 ? length + (int64_t)body.n - (int64_t)seen.n : length;
    if (proxy->renamed) {
        buffer_unref(proxy->tail.buffer);
        proxy->tail = (struct proxy_tail){proxy->renamed, 0, body.n};
        proxy->renamed = NULL;
    }
    return true;
}

/* True: nothing waits any more. */
static bool send_tail(struct proxy *proxy)
{
    struct proxy_tail *tail = &proxy->tail;
    struct span left = tail_span(tail);
    if (left.n > 0)
        tail->sent += http_call_send(proxy->call, left);
    if (tail->sent < tail->size)
        return false;
    buffer_unref(tail->buffer);
    *tail = (struct proxy_tail){NULL, 0, 0};
    return true;
}

/* GATEWAY_FINE, or why it could not be sent. */
static enum gateway_error send_call(struct proxy *proxy)
{
    struct gateway_loop *loop = proxy->loop;
    const struct gateway_target *target = target_of(proxy, proxy->attempt.target);
    struct text head;
    text_init(&head, loop->scratch, sizeof loop->scratch);
    write_head(proxy, target, &head);
    struct http_request request = {
        .head = text_span(&head),
        .is_head_method = proxy->exchange->head->method == HTTP_HEAD,
        .connect_timeout_us = proxy->request.deadline_us - proxy_now_us(proxy),
        .stall_timeout_us = PROXY_STALL_US,
        .handler = &call_handler,
        .user = proxy,
    };
    if (request.connect_timeout_us > PROXY_CONNECT_US)
        request.connect_timeout_us = PROXY_CONNECT_US;
    if (head.is_cut)
        return GATEWAY_ERROR_NO_TARGET;
    if (!take_body(proxy, target, &request))
        return GATEWAY_ERROR_NO_ROOM;
    proxy->call = http_call(loop->origins[target->origin], &request);
    if (!proxy->call)
        return GATEWAY_ERROR_NO_TARGET;
    http_call_relays(proxy->call, proxy->exchange);
    if (!send_tail(proxy))
        http_exchange_pause(proxy->exchange);
    return GATEWAY_FINE;
}

/* ---- choosing ----------------------------------------------------------------------------- */

static void end_attempt(struct proxy *proxy, enum gateway_outcome outcome, int64_t retry_after_us)
{
    if (!proxy->attempt.is_open)
        return;
    gateway_targets_end(proxy->targets, &proxy->attempt, outcome, retry_after_us,
                        proxy_now_us(proxy));
}

/* The error that says best why nothing was found. */
static enum gateway_error error_of_bar(const struct proxy *proxy, enum route_bar bar)
{
    const struct route_view *view = &proxy->targets->view;
    fleet_zones zones = 0;
    for (unsigned i = 0; i < view->target_count; i++)
        zones |= view->targets[i].zones & proxy->request.zones;
    if (zones == 0 && view->target_count)
        return GATEWAY_ERROR_NO_ZONE;
    switch (bar) {
    case ROUTE_BAR_CONTEXT:
        return GATEWAY_ERROR_CONTEXT;
    case ROUTE_BAR_DEADLINE:
        return GATEWAY_ERROR_DEADLINE;
    case ROUTE_BAR_COOLING:
        return GATEWAY_ERROR_BUSY;
    default:
        return GATEWAY_ERROR_NO_TARGET;
    }
}

static void refuse_untargeted(struct proxy *proxy, enum route_bar bar)
{
    enum gateway_error error = error_of_bar(proxy, bar);
    /* An attempt that failed says more than that nobody is left. */
    if (error == GATEWAY_ERROR_NO_TARGET && proxy->last_error != GATEWAY_FINE)
        error = proxy->last_error;
    int64_t rest_us = gateway_targets_cooling_us(proxy->targets, proxy_now_us(proxy));
    proxy_refuse(proxy, error, (uint32_t)((rest_us + 999999) / 1000000));
}

static void choose(struct proxy *proxy);

void relay_again(struct proxy *proxy)
{
    proxy->tried = 0;
    gateway_request_move(&proxy->request, GATEWAY_STEP_CHOOSE);
    choose(proxy);
}

/* Everybody was asked: the same ones may be asked again after a short rest. False: it would not
 * help. */
static bool may_rest(struct proxy *proxy, const struct route_request *wanted)
{
    struct gateway_loop *loop = proxy->loop;
    struct route_request untried = *wanted;
    untried.tried = 0;
    if (proxy->tried == 0 || proxy->last_error == GATEWAY_ERROR_BUSY)
        return false;
    if (route_choose(&proxy->targets->view, &untried, &proxy->targets->memory).target < 0)
        return false;
    int64_t rest_us = PROXY_REST_US;
    for (unsigned i = 1; i < proxy->attempt_count; i++)
        rest_us += rest_us / 2;
    rest_us += (int64_t)rng_below(&loop->rng, (uint64_t)rest_us * 2 / 5) - rest_us / 5;
    int64_t due_us = wanted->now_us + rest_us;
    if (due_us >= proxy->request.deadline_us)
        return false;
    return net_timer_set(loop->loop, &proxy->rest, due_us) == ERR_OK;
}

static void note_choice(struct proxy *proxy)
{
    struct gateway_loop *loop = proxy->loop;
    uint16_t service = proxy->targets->service;
    struct text element;
    text_init(&element, proxy->element, sizeof proxy->element);
    route_explain_element(&proxy->targets->view, &proxy->choice,
                          &loop->gateway->labels.row[service], proxy->attempt_count, &element);
    proxy->element_size = (uint16_t)element.n;
    metrics_add(loop->metrics, METRICS_routed_total,
                target_of(proxy, proxy->attempt.target)->region, 1);
    metrics_add(loop->metrics, METRICS_prefix_matched_tokens_total, service,
                proxy->attempt.matched_tokens);
}

/* Decides; sampled, it also looks at how long that took. */
static struct route_choice decide(struct proxy *proxy, const struct route_request *wanted)
{
    struct gateway_loop *loop = proxy->loop;
    bool is_sampled = (++loop->decision_count & 63) == 0;
    int64_t began_ns = is_sampled ? os_now_ns() : 0;
    struct route_choice choice =
        route_choose(&proxy->targets->view, wanted, &proxy->targets->memory);
    if (is_sampled)
        metrics_time(loop->metrics, METRICS_decision_ns, 0, (uint64_t)(os_now_ns() - began_ns));
    return choice;
}

/* From CHOOSE to SEND, PAUSE, or a refusal. The proxy may be gone afterwards. */
static void choose(struct proxy *proxy)
{
    const struct gateway_law *law = &proxy->loop->gateway->law;
    struct gateway_request *request = &proxy->request;
    const struct prefix_chain *chain = &request->chain;
    int64_t now_us = proxy_now_us(proxy);
    if (now_us >= request->deadline_us) {
        proxy_refuse(proxy, GATEWAY_ERROR_DEADLINE, 0);
        return;
    }
    gateway_targets_refresh(proxy->targets, chain, now_us);
    struct route_request wanted;
    gateway_request_view(request, law, now_us, proxy->tried, &wanted);
    do {
        proxy->choice = decide(proxy, &wanted);
        if (proxy->choice.target < 0) {
            wanted.tried = proxy->tried;
            if (may_rest(proxy, &wanted))
                gateway_request_move(request, GATEWAY_STEP_PAUSE);
            else
                refuse_untargeted(proxy, proxy->choice.bar);
            return;
        }
        wanted.tried |= UINT64_C(1) << proxy->choice.target;
    } while (!gateway_targets_begin(proxy->targets, chain, (unsigned)proxy->choice.target,
                                    proxy->choice.is_panic, request->prompt_tokens, now_us,
                                    &proxy->attempt));
    proxy->attempt_count++;
    proxy->tried |= UINT64_C(1) << proxy->choice.target;
    gateway_request_move(request, GATEWAY_STEP_SEND);
    note_choice(proxy);
    enum gateway_error error = send_call(proxy);
    if (error == GATEWAY_FINE)
        return;
    end_attempt(proxy, GATEWAY_OUTCOME_NONE, 0);
    proxy_refuse(proxy, error, 0);
}

void relay_begin(struct proxy *proxy)
{
    route_budget_note_request(&proxy->loop->retries, proxy_now_us(proxy));
    gateway_request_move(&proxy->request, GATEWAY_STEP_CHOOSE);
    choose(proxy);
}

void relay_cancel(struct proxy *proxy, enum gateway_outcome outcome)
{
    net_timer_clear(proxy->loop->loop, &proxy->rest);
    if (proxy->call)
        http_call_cancel(proxy->call);
    proxy->call = NULL;
    proxy->upstream = NULL;
    end_attempt(proxy, outcome, 0);
}

/* The rest of the answer concerns nobody: a short one is read to its end, so that the connection
 * can be used again. Not that of a streamed body, which would go on being sent out of our memory.
 */
static void let_go(struct proxy *proxy)
{
    struct http_call *call = proxy->call;
    int64_t length = proxy->upstream ? proxy->upstream->body_length : -1;
    proxy->call = NULL;
    if (!proxy->is_streamed && length >= 0 && length <= PROXY_LET_GO_MAX) {
        http_call_set_user(call, NULL);
        http_call_end_by(call, proxy_now_us(proxy) + PROXY_LET_GO_US);
    } else {
        http_call_cancel(call);
    }
}

/* ---- retrying ----------------------------------------------------------------------------- */

/* The attempt is over and nothing of an answer has gone out: another target, or the error. The
 * proxy may be gone afterwards. */
static void retry(struct proxy *proxy, enum gateway_error error, enum gateway_outcome outcome,
                  int64_t retry_after_us)
{
    struct gateway_loop *loop = proxy->loop;
    proxy->call = NULL;
    proxy->upstream = NULL;
    proxy->last_error = error;
    if (outcome == GATEWAY_OUTCOME_FAILED)
        metrics_add(loop->metrics, METRICS_upstream_failures_total,
                    target_of(proxy, proxy->attempt.target)->region, 1);
    end_attempt(proxy, outcome, retry_after_us);
    bool may_retry = !proxy->is_streamed && proxy->attempt_count < PROXY_ATTEMPTS_MAX;
    if (may_retry && !route_budget_spend(&loop->retries, proxy_now_us(proxy))) {
        metrics_add(loop->metrics, METRICS_retry_budget_spent_total, 0, 1);
        may_retry = false;
    }
    if (!may_retry) {
        proxy_refuse(proxy, error, (uint32_t)((retry_after_us + 999999) / 1000000));
        return;
    }
    metrics_add(loop->metrics, METRICS_retries_total, 0, 1);
    gateway_request_move(&proxy->request, GATEWAY_STEP_CHOOSE);
    choose(proxy);
}

/* A deadline of the caller's own choice is no verdict: a few short ones would otherwise take a
 * replica from everybody. */
static enum gateway_outcome late_outcome(const struct proxy *proxy)
{
    bool is_callers = proxy->request.deadline_us == proxy->request.header_deadline_us;
    return is_callers ? GATEWAY_OUTCOME_NONE : GATEWAY_OUTCOME_FAILED;
}

static int64_t retry_after_us(const struct http_head *head)
{
    uint64_t seconds;
    if (!span_to_u64(http_header_of(head, HTTP_HEADER_RETRY_AFTER), &seconds) || seconds > 86400)
        return 0;
    return (int64_t)seconds * 1000 * 1000;
}

/* ---- relaying ----------------------------------------------------------------------------- */

static bool is_sse(const struct http_head *head)
{
    struct span type = http_header_of(head, HTTP_HEADER_CONTENT_TYPE);
    return span_is_equal_nocase(span_trim(span_cut(&type, ';')), SPAN_LITERAL("text/event-stream"));
}

/* To HEAD, the length is what GET's answer would have (RFC 9110 9.3.2); nothing of it follows. */
static int64_t length_of(const struct proxy *proxy, const struct http_head *head)
{
    uint64_t length;
    if (proxy->exchange->head->method == HTTP_HEAD)
        return span_to_u64(http_header_of(head, HTTP_HEADER_CONTENT_LENGTH), &length) &&
                       length <= INT64_MAX
                   ? (int64_t)length
                   : HTTP_LENGTH_CHUNKED;
    return head->body_length == HTTP_LENGTH_UNTIL_CLOSE ? HTTP_LENGTH_CHUNKED : head->body_length;
}

/* Is the target a part of farspan, which knows what it says of routes and deadlines? */
static bool is_ours(const struct proxy *proxy)
{
    const struct gateway_map *map = &proxy->loop->gateway->map;
    return map->origins[target_of(proxy, proxy->attempt.target)->origin].kind !=
           GATEWAY_ORIGIN_REMOTE;
}

/* The first byte goes out, with the answer's first piece when there is one. */
static void send_head(struct proxy *proxy, struct span piece)
{
    struct gateway_loop *loop = proxy->loop;
    const struct http_head *head = proxy->upstream;
    struct text text;
    text_init(&text, loop->scratch, sizeof loop->scratch);
    gateway_head_answer(head, &text);
    struct span next =
        is_ours(proxy) ? http_header_of(head, HTTP_HEADER_FARSPAN_ROUTE) : (struct span){0, 0};
    gateway_head_ours(gateway_request_id(&proxy->request),
                      span_from(proxy->element, proxy->element_size), next, &text);
    CHECK(!text.is_cut); /* the scratch is twice as long as any head */
    int64_t length = length_of(proxy, head);
    proxy->is_chunked = length == HTTP_LENGTH_CHUNKED;
    proxy->is_head_sent = true;
    proxy->first_byte_us = proxy_now_us(proxy);
    gateway_request_move(&proxy->request, GATEWAY_STEP_RELAY);
    metrics_add(loop->metrics, METRICS_answers_total, head->status / 100, 1);
    http_answer(proxy->exchange, head->status, text_span(&text), length, piece);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct proxy *proxy = http_call_user(call);
    unsigned status = head->status;
    proxy->upstream_status = (uint16_t)status;
    proxy->request.why = (struct span){0, 0}; /* of an attempt before */
    proxy->last_byte_us = proxy_now_us(proxy);
    proxy->upstream = head;
    if (status == 429 || status == 503) {
        int64_t rest_us = retry_after_us(head);
        let_go(proxy);
        retry(proxy, status == 429 ? GATEWAY_ERROR_BUSY : GATEWAY_ERROR_NO_TARGET,
              GATEWAY_OUTCOME_BUSY, rest_us);
        return;
    }
    /* 504 of our own parts: the deadline that we gave them is over, and nobody is asked again. */
    if (status == 502 || (!is_ours(proxy) && status == 504) || (is_ours(proxy) && status == 409)) {
        let_go(proxy);
        retry(proxy, GATEWAY_ERROR_UPSTREAM,
              status == 409 ? GATEWAY_OUTCOME_NONE : GATEWAY_OUTCOME_FAILED, 0);
        return;
    }
    /* A 500 is passed on and not retried: what killed one engine would kill the next. */
    proxy->outcome = status == 504   ? late_outcome(proxy)
                     : status >= 500 ? GATEWAY_OUTCOME_FAILED
                     : status >= 400 ? GATEWAY_OUTCOME_NONE
                                     : GATEWAY_OUTCOME_GOOD;
    proxy->is_sse = is_sse(head);
    proxy->answer_left = head->body_length;
    if (!http_call_has_body_ready(call))
        send_head(proxy, (struct span){0, 0});
}

static void note_first_byte(struct proxy *proxy)
{
    int64_t now_us = proxy_now_us(proxy);
    if (proxy->attempt.has_first_byte || proxy->outcome != GATEWAY_OUTCOME_GOOD)
        return;
    gateway_targets_first_byte(proxy->targets, &proxy->attempt, now_us);
    metrics_time(proxy->loop->metrics, METRICS_first_byte_us, proxy->targets->service,
                 (uint64_t)(now_us - proxy->ready_us));
}

/* The last of a known length is here: the exchange ends with it, before the call does. */
static bool is_last(struct proxy *proxy, struct span piece)
{
    if (proxy->answer_left <= 0)
        return false;
    proxy->answer_left -= (int64_t)piece.n;
    return proxy->answer_left == 0;
}

static void note_last_bytes(struct proxy *proxy, struct span piece)
{
    for (size_t i = piece.n > 4 ? piece.n - 4 : 0; i < piece.n; i++)
        proxy->last_bytes = proxy->last_bytes << 8 | (uint8_t)piece.p[i];
}

/* Does what has gone out end with an event's empty line? Behind half an event another one would be
 * taken for the rest of it. */
static bool is_between_events(const struct proxy *proxy)
{
    uint32_t last = proxy->last_bytes;
    return last == 0 || (last & 0xffff) == 0x0a0a || last == 0x0d0a0d0a;
}

static void on_body(struct http_call *call, struct span piece)
{
    struct proxy *proxy = http_call_user(call);
    if (!proxy)
        return;
    if (proxy->chunk_count++ == 0)
        note_first_byte(proxy);
    proxy->last_byte_us = proxy_now_us(proxy);
    if (proxy->is_sse)
        note_last_bytes(proxy, piece);
    bool is_over = is_last(proxy, piece);
    if (is_over) {
        end_attempt(proxy, proxy->outcome, 0);
        http_call_set_user(call, NULL);
        proxy->call = NULL;
    }
    proxy_pin(proxy);
    if (proxy->is_head_sent)
        http_answer_body(proxy->exchange, piece);
    else
        send_head(proxy, piece);
    if (!proxy_unpin(proxy))
        return;
    if (is_over) {
        proxy->upstream = NULL;
        gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    } else if (!proxy->is_paused && http_answer_is_full(proxy->exchange)) {
        proxy->is_paused = true;
        http_call_pause(call);
    }
}

void relay_drained(struct proxy *proxy)
{
    if (!proxy->is_paused)
        return;
    proxy->is_paused = false;
    proxy->last_byte_us = proxy_now_us(proxy);
    if (proxy->call)
        http_call_resume(proxy->call);
}

static void on_end(struct http_call *call)
{
    struct proxy *proxy = http_call_user(call);
    if (!proxy)
        return;
    note_first_byte(proxy);
    end_attempt(proxy, proxy->outcome, 0);
    proxy->call = NULL;
    proxy_pin(proxy);
    if (!proxy->is_head_sent)
        send_head(proxy, (struct span){0, 0});
    if (!proxy_unpin(proxy))
        return;
    proxy->upstream = NULL;
    gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    if (proxy->is_chunked)
        http_answer_end(proxy->exchange);
}

void relay_cut(struct proxy *proxy, enum gateway_error error)
{
    struct gateway_loop *loop = proxy->loop;
    if (proxy->request.step != GATEWAY_STEP_RELAY)
        return; /* all of it was given; the socket is still taking it */
    metrics_add(loop->metrics, METRICS_streams_cut_total,
                target_of(proxy, proxy->attempt.target)->region, 1);
    relay_cancel(proxy, error == GATEWAY_ERROR_UPSTREAM_LOST ? GATEWAY_OUTCOME_FAILED
                                                             : GATEWAY_OUTCOME_NONE);
    proxy->last_error = error;
    gateway_request_move(&proxy->request, GATEWAY_STEP_SETTLE);
    if (!proxy->is_sse || !proxy->is_chunked || !is_between_events(proxy)) {
        http_answer_abort(proxy->exchange);
        return;
    }
    char buffer[512];
    struct text event;
    text_init(&event, buffer, sizeof buffer);
    gateway_error_print_event(error, &event);
    proxy_pin(proxy);
    http_answer_body(proxy->exchange, text_span(&event));
    if (proxy_unpin(proxy))
        http_answer_break(proxy->exchange);
}

/* Says of the last attempt why its server was not let in, if that was it. */
static void note_refusal(struct gateway_request *request, const char *refusal)
{
    struct text why;
    text_init(&why, request->why_buffer, sizeof request->why_buffer);
    if (refusal)
        text_add(&why, "its certificate is not taken: %s", refusal);
    request->why = text_span(&why);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct proxy *proxy = http_call_user(call);
    (void)phase; /* nothing has gone to the client before is_head_sent, however far the call came */
    if (!proxy)
        return;
    bool is_our_fault = err == ERR_MEMORY;
    if (proxy->is_head_sent) {
        proxy->call = NULL;
        proxy->upstream = NULL;
        relay_cut(proxy, is_our_fault ? GATEWAY_ERROR_NO_ROOM : GATEWAY_ERROR_UPSTREAM_LOST);
        return;
    }
    enum gateway_error error = is_our_fault         ? GATEWAY_ERROR_NO_ROOM
                               : err == ERR_TIMEOUT ? GATEWAY_ERROR_DEADLINE
                                                    : GATEWAY_ERROR_UPSTREAM;
    bool is_late = err == ERR_TIMEOUT && proxy_now_us(proxy) >= proxy->request.deadline_us;
    note_refusal(&proxy->request, http_call_refusal(call));
    retry(proxy, error,
          is_our_fault ? GATEWAY_OUTCOME_NONE
          : is_late    ? late_outcome(proxy)
                       : GATEWAY_OUTCOME_FAILED,
          0);
}

/* ---- large bodies, passed on as they come ------------------------------------------------- */

/* Keeps what the call did not take; false: no room. */
static bool keep(struct proxy *proxy, struct span piece)
{
    struct proxy_tail *tail = &proxy->tail;
    struct span left = tail_span(tail);
    bool has_room =
        tail->buffer && tail->buffer->refs == 1 && tail->size + piece.n <= tail->buffer->size;
    if (!has_room) {
        struct buffer *buffer = take_held(proxy, left.n + piece.n);
        if (!buffer)
            return false;
        if (left.n > 0)
            memcpy(buffer->data, left.p, left.n);
        buffer_unref(tail->buffer);
        *tail = (struct proxy_tail){buffer, 0, left.n};
    }
    memcpy(tail->buffer->data + tail->size, piece.p, piece.n);
    tail->size += piece.n;
    return true;
}

/* Gives up a request whose body cannot be had in whole. The proxy may be gone afterwards. */
static void give_up(struct proxy *proxy, enum gateway_error error)
{
    relay_cancel(proxy, GATEWAY_OUTCOME_NONE);
    proxy->last_error = error;
    if (proxy->is_head_sent)
        http_answer_abort(proxy->exchange);
    else if (proxy->request.step != GATEWAY_STEP_SETTLE)
        proxy_refuse(proxy, error, 0);
}

void relay_send(struct proxy *proxy, struct span piece)
{
    if (!proxy->call)
        return; /* over: the rest is nobody's */
    if (!proxy->tail.buffer) {
        size_t taken = http_call_send(proxy->call, piece);
        piece = span_from(piece.p + taken, piece.n - taken);
    }
    if (piece.n == 0)
        return;
    http_exchange_pause(proxy->exchange);
    if (!keep(proxy, piece))
        give_up(proxy, GATEWAY_ERROR_NO_ROOM);
}

void relay_send_end(struct proxy *proxy)
{
    proxy->is_body_over = true;
    if (json_scan_end(&proxy->request.scan) != ERR_OK) {
        proxy->request.why = SPAN_LITERAL("it ends in the middle of a value");
        give_up(proxy, GATEWAY_ERROR_BAD_JSON);
        return;
    }
    if (proxy->call && !proxy->tail.buffer)
        http_call_send_end(proxy->call);
}

static void on_writable(struct http_call *call)
{
    struct proxy *proxy = http_call_user(call);
    if (!proxy || !proxy->is_streamed)
        return;
    if (!send_tail(proxy))
        return;
    if (proxy->is_body_over)
        http_call_send_end(call);
    else
        http_exchange_resume(proxy->exchange);
}

static const struct http_call_handler call_handler = {
    .on_head = on_head,
    .on_body = on_body,
    .on_end = on_end,
    .on_error = on_error,
    .on_writable = on_writable,
};

/* ---- what time brings --------------------------------------------------------------------- */

void relay_check(struct proxy *proxy, int64_t now_us)
{
    struct gateway_request *request = &proxy->request;
    bool is_sent = request->step == GATEWAY_STEP_SEND;
    if (!is_sent && request->step != GATEWAY_STEP_RELAY)
        return;
    if (now_us >= request->deadline_us) {
        if (!is_sent) {
            relay_cut(proxy, GATEWAY_ERROR_STREAM_DEADLINE);
            return;
        }
        relay_cancel(proxy, late_outcome(proxy));
        proxy_refuse(proxy, GATEWAY_ERROR_DEADLINE, 0);
        return;
    }
    if (!proxy->call || !gateway_targets_is_lost(proxy->targets, proxy->attempt.target, now_us))
        return;
    if (is_sent && !proxy->upstream) {
        http_call_cancel(proxy->call);
        retry(proxy, GATEWAY_ERROR_UPSTREAM, GATEWAY_OUTCOME_FAILED, 0);
    } else if (!is_sent && !proxy->is_paused &&
               now_us - proxy->last_byte_us > PROXY_LOST_STREAM_US) {
        relay_cut(proxy, GATEWAY_ERROR_UPSTREAM_LOST);
    }
}
