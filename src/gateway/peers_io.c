/* peers_io.c: what workers of the own region and gateways of the others say of themselves: one
 * stream of events from each, read on the first loop, written into the shared words.
 *
 * A stream that breaks makes its targets not ready at once; one that falls silent does so by its
 * age (GATEWAY_SAMPLE_LOST_US). It is dialled again after a rest that doubles up to 2 s, with
 * jitter, so that a region that comes back is not met by all at the same instant. */
#include <jansson.h>

#include "base/check.h"
#include "gateway/loop_io.h"
#include "http/sse.h"

enum {
    PEER_EVENT_MAX = 64 * 1024,
    PEER_REST_MIN_US = 100 * 1000,
    PEER_REST_MAX_US = 2 * 1000 * 1000,
    PEER_SILENCE_US = 3 * 1000 * 1000
};

struct peer {
    struct gateway_loop *loop;
    uint16_t origin;
    struct http_call *call;
    struct net_timer rest;
    int64_t rest_us;
    struct sse_reader reader;
    char *event; /* PEER_EVENT_MAX */
};

struct gateway_peers {
    unsigned count;
    uint64_t *instances; /* of each replica of the fleet; 0: not known */
    struct peer peers[];
};

/* ---- samples ------------------------------------------------------------------------------ */

static uint32_t number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static struct gateway_sample sample_of(const json_t *row)
{
    return (struct gateway_sample){
        .running = number_of(row, "running"),
        .waiting = number_of(row, "waiting"),
        .slots = number_of(row, "slots"),
        .queue_max = number_of(row, "queue_max"),
        .prefill_ns_per_token = number_of(row, "prefill_ns_per_token"),
        .decode_ns_per_token = number_of(row, "decode_ns_per_token"),
        .context_tokens = number_of(row, "context_tokens"),
        .price_usd_micro_mtok = number_of(row, "price_usd_micro_mtok"),
        .instance = (uint64_t)json_integer_value(json_object_get(row, "instance")),
    };
}

/* A restarted engine has an empty cache. */
static void note_instance(struct gateway *gateway, uint16_t replica, uint64_t instance,
                          unsigned target)
{
    uint64_t *known = &gateway->peers->instances[replica];
    if (*known && *known != instance)
        prefix_index_forget(gateway->index, target);
    *known = instance;
}

static void take_replica(struct gateway *gateway, const json_t *row, bool is_draining,
                         int64_t now_us)
{
    const struct gateway_map *map = &gateway->map;
    uint32_t replica = number_of(row, "replica");
    if (replica >= map->fleet->replica_count)
        return;
    uint16_t service = map->fleet->replicas[replica].service;
    for (uint16_t i = 0; i < map->services[service].target_count; i++) {
        if (map->services[service].targets[i].replica != replica)
            continue;
        struct gateway_sample sample = sample_of(row);
        sample.is_ready = !is_draining && json_is_true(json_object_get(row, "ready"));
        sample.replicas_ready = sample.is_ready;
        note_instance(gateway, (uint16_t)replica, sample.instance, i);
        gateway_words_sample(gateway_words_of(gateway, service, i), &sample, now_us);
    }
}

static void take_region(struct gateway *gateway, uint16_t region, const json_t *row, int64_t now_us)
{
    const struct gateway_map *map = &gateway->map;
    const json_t *name = json_object_get(row, "service");
    if (!json_is_string(name))
        return;
    uint16_t service = fleet_find_service(map->fleet, span_of(json_string_value(name)));
    for (uint16_t i = 0; service != FLEET_NONE && i < map->services[service].target_count; i++) {
        const struct gateway_target *target = &map->services[service].targets[i];
        if (target->replica != FLEET_NONE || target->region != region)
            continue;
        struct gateway_sample sample = sample_of(row);
        sample.replicas_ready = number_of(row, "ready");
        sample.is_ready = sample.replicas_ready > 0;
        gateway_words_sample(gateway_words_of(gateway, service, i), &sample, now_us);
    }
}

static void take_event(struct peer *peer, const json_t *event)
{
    struct gateway *gateway = peer->loop->gateway;
    const struct gateway_origin *origin = &gateway->map.origins[peer->origin];
    int64_t now_us = net_loop_now_us(peer->loop->loop);
    json_int_t epoch = json_integer_value(json_object_get(event, "epoch"));
    if (epoch < 0 || (uint64_t)epoch < gateway->law.fleet->epoch)
        return; /* of a world that is no more */
    peer->rest_us = PEER_REST_MIN_US;
    bool is_worker = origin->kind == GATEWAY_ORIGIN_WORKER;
    bool is_draining = json_is_true(json_object_get(event, "draining"));
    const json_t *rows = json_object_get(event, is_worker ? "replicas" : "services");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (is_worker)
            take_replica(gateway, json_array_get(rows, i), is_draining, now_us);
        else
            take_region(gateway, origin->index, json_array_get(rows, i), now_us);
    }
}

static void on_event(void *user, struct span event, struct span data, bool is_cut)
{
    (void)event;
    if (is_cut)
        return; /* longer than any honest one */
    json_t *json = json_loadb(data.p, data.n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        take_event(user, json);
    json_decref(json);
}

/* ---- streams ------------------------------------------------------------------------------ */

static void lose_targets(struct peer *peer)
{
    struct gateway *gateway = peer->loop->gateway;
    const struct gateway_map *map = &gateway->map;
    for (uint16_t s = 0; s < map->fleet->service_count; s++)
        for (uint16_t t = 0; t < map->services[s].target_count; t++)
            if (map->services[s].targets[t].origin == peer->origin)
                gateway_words_lose(gateway_words_of(gateway, s, t));
}

static void rest(struct peer *peer)
{
    struct gateway_loop *loop = peer->loop;
    uint64_t jitter_us = rng_below(&loop->rng, (uint64_t)peer->rest_us);
    int64_t due_us = net_loop_now_us(loop->loop) + peer->rest_us / 2 + (int64_t)jitter_us;
    peer->rest_us *= 2;
    if (peer->rest_us > PEER_REST_MAX_US)
        peer->rest_us = PEER_REST_MAX_US;
    CHECK(net_timer_set(loop->loop, &peer->rest, due_us) ==
          ERR_OK); /* its place was made at start */
}

static void lose(struct peer *peer)
{
    peer->call = NULL;
    lose_targets(peer);
    rest(peer);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct peer *peer = http_call_user(call);
    sse_reader_init(&peer->reader, peer->event, PEER_EVENT_MAX);
    if (head->status == 200)
        return;
    http_call_cancel(call);
    lose(peer);
}

static void on_body(struct http_call *call, struct span piece)
{
    struct peer *peer = http_call_user(call);
    sse_reader_add(&peer->reader, piece, on_event, peer);
}

static void on_end(struct http_call *call)
{
    lose(http_call_user(call));
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    (void)err;   /* whatever it was: not there; */
    (void)phase; /* the next dial tells */
    lose(http_call_user(call));
}

static const struct http_call_handler stream_handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static void dial(struct net_timer *timer)
{
    struct peer *peer = CONTAINER_OF(timer, struct peer, rest);
    const struct gateway *gateway = peer->loop->gateway;
    const struct gateway_credential *credential = &gateway->credentials[peer->origin];
    bool is_worker = gateway->map.origins[peer->origin].kind == GATEWAY_ORIGIN_WORKER;
    char buffer[512];
    struct text head;
    text_init(&head, buffer, sizeof buffer);
    text_add(&head,
             "GET /peer/v1/%s HTTP/1.1\r\naccept: text/event-stream\r\n"
             "x-farspan-epoch: %llu\r\nauthorization: %.*s\r\n",
             is_worker ? "load" : "summary", (unsigned long long)gateway->law.fleet->epoch,
             (int)credential->size, credential->value);
    CHECK(!head.is_cut);
    struct http_request request = {
        .head = text_span(&head),
        .connect_timeout_us = PEER_SILENCE_US,
        .first_byte_timeout_us = PEER_SILENCE_US,
        .stall_timeout_us = PEER_SILENCE_US,
        .handler = &stream_handler,
        .user = peer,
    };
    peer->call = http_call(peer->loop->origins[peer->origin], &request);
    if (!peer->call)
        rest(peer);
}

/* ---- life --------------------------------------------------------------------------------- */

static enum err add_peer(struct gateway_peers *peers, struct gateway_loop *loop, uint16_t origin)
{
    struct peer *peer = &peers->peers[peers->count];
    *peer = (struct peer){.loop = loop, .origin = origin, .rest_us = PEER_REST_MIN_US};
    net_timer_init(&peer->rest, dial);
    peer->event = os_alloc(PEER_EVENT_MAX);
    if (!peer->event)
        return ERR_MEMORY;
    peers->count++;
    return net_timer_set(loop->loop, &peer->rest, net_loop_now_us(loop->loop));
}

enum err gateway_peers_new(struct gateway_loop *loop, struct gateway_peers **ret_peers)
{
    const struct gateway_map *map = &loop->gateway->map;
    struct gateway_peers *peers = os_alloc(sizeof *peers + map->origin_count * sizeof(struct peer));
    if (!peers)
        return ERR_MEMORY;
    *ret_peers = peers;
    peers->instances = os_alloc((map->fleet->replica_count + 1u) * sizeof(uint64_t));
    if (!peers->instances)
        return ERR_MEMORY;
    for (uint16_t i = 0; i < map->origin_count; i++) {
        if (map->origins[i].kind == GATEWAY_ORIGIN_REMOTE)
            continue;
        enum err err = add_peer(peers, loop, i);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

void gateway_peers_free(struct gateway_peers *peers)
{
    if (!peers)
        return;
    for (unsigned i = 0; i < peers->count; i++) {
        struct peer *peer = &peers->peers[i];
        if (peer->call)
            http_call_cancel(peer->call);
        net_timer_clear(peer->loop->loop, &peer->rest);
        os_free(peer->event);
    }
    os_free(peers->instances);
    os_free(peers);
}
