/* probe_io.c: servers that are not ours send no load: they are asked. One probe a server, on the
 * first loop:
 *
 *   every 5 s   GET /v1/models: does it answer at all? Any status below 500 counts, since a server
 *               may want a key there or not know the path. ROUTE_HEALTH_FALL failures in a row make
 *               its targets not ready, ROUTE_HEALTH_RISE answers make them ready again; every 1 s
 *               while it is down or in doubt
 *   every 1 s   GET /metrics, as long as there is a word in it that we know (scrape.h); else it is
 *               looked at again with every 12th probe
 *
 * Failures of real requests are judged apart from this, by breakers and outlier ejection. */
#include "base/check.h"
#include "gateway/loop_io.h"
#include "gateway/scrape.h"

enum {
    PROBE_PERIOD_US = 5 * 1000 * 1000,
    PROBE_DOUBT_US = 1000 * 1000,
    PROBE_SCRAPE_US = 1000 * 1000,
    PROBE_TIMEOUT_US = 3 * 1000 * 1000,
    PROBE_TEXT_MAX = 256 * 1024,
    PROBE_SCRAPE_AGAIN = 12
};

struct probe {
    struct gateway_loop *loop;
    uint16_t origin;
    bool is_down, is_scrape, has_metrics;
    unsigned run;     /* answers in a row against is_down */
    unsigned count;   /* of probes */
    int64_t probe_us; /* when the next health probe is due */
    struct http_call *call;
    struct net_timer timer;
    unsigned status;
    char *text; /* PROBE_TEXT_MAX; NULL until it is needed */
    size_t text_size;
};

struct gateway_probes {
    unsigned count;
    struct probe probes[];
};

static void for_targets(struct probe *probe, void (*run)(struct probe *, struct gateway_words *))
{
    struct gateway *gateway = probe->loop->gateway;
    const struct gateway_map *map = &gateway->map;
    for (uint16_t s = 0; s < map->fleet->service_count; s++)
        for (uint16_t t = 0; t < map->services[s].target_count; t++)
            if (map->services[s].targets[t].origin == probe->origin)
                run(probe, gateway_words_of(gateway, s, t));
}

static void write_health(struct probe *probe, struct gateway_words *words)
{
    GATEWAY_STORE(words->is_ready, !probe->is_down);
}

static void note_health(struct probe *probe, bool is_good)
{
    if (is_good != probe->is_down) {
        probe->run = 0;
        return;
    }
    unsigned needed = probe->is_down ? ROUTE_HEALTH_RISE : ROUTE_HEALTH_FALL;
    if (++probe->run < needed)
        return;
    probe->is_down = !probe->is_down;
    probe->run = 0;
    for_targets(probe, write_health);
}

static void write_sample(struct probe *probe, struct gateway_words *words)
{
    struct gateway_scrape scrape;
    if (!gateway_scrape(span_from(probe->text, probe->text_size), &scrape))
        return;
    struct gateway_sample sample = {
        .is_ready = !probe->is_down,
        .replicas_ready = !probe->is_down,
        .running = (uint32_t)scrape.running,
        .waiting = (uint32_t)scrape.waiting,
    };
    gateway_words_sample(words, &sample, net_loop_now_us(probe->loop->loop));
}

static void note_metrics(struct probe *probe)
{
    struct gateway_scrape scrape;
    probe->has_metrics =
        probe->status == 200 && gateway_scrape(span_from(probe->text, probe->text_size), &scrape);
    if (probe->has_metrics)
        for_targets(probe, write_sample);
}

static void rest(struct probe *probe, int64_t rest_us)
{
    struct net_loop *loop = probe->loop->loop;
    CHECK(net_timer_set(loop, &probe->timer, net_loop_now_us(loop) + rest_us) == ERR_OK);
}

static void end_probe(struct probe *probe, bool is_good)
{
    probe->call = NULL;
    if (probe->is_scrape)
        note_metrics(probe);
    else
        note_health(probe, is_good);
    if (!probe->is_scrape && (probe->is_down || probe->run > 0))
        probe->probe_us = net_loop_now_us(probe->loop->loop) + PROBE_DOUBT_US;
    if (probe->has_metrics) {
        rest(probe, PROBE_SCRAPE_US);
        return;
    }
    int64_t left_us = probe->probe_us - net_loop_now_us(probe->loop->loop);
    bool looks_again = !probe->is_scrape && probe->count % PROBE_SCRAPE_AGAIN == 1;
    rest(probe, looks_again || left_us < 0 ? 0 : left_us);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct probe *probe = http_call_user(call);
    probe->status = head->status;
    probe->text_size = 0;
}

static void on_body(struct http_call *call, struct span piece)
{
    struct probe *probe = http_call_user(call);
    if (!probe->is_scrape)
        return;
    if (piece.n > PROBE_TEXT_MAX - probe->text_size)
        piece.n = PROBE_TEXT_MAX - probe->text_size; /* what we look for stands early */
    memcpy(probe->text + probe->text_size, piece.p, piece.n);
    probe->text_size += piece.n;
}

static void on_end(struct http_call *call)
{
    struct probe *probe = http_call_user(call);
    end_probe(probe, probe->status < 500);
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    struct probe *probe = http_call_user(call);
    (void)err; /* whatever it was: no answer */
    (void)phase;
    probe->status = 0;
    end_probe(probe, false);
}

static const struct http_call_handler probe_handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

static struct span trimmed_base(struct span base)
{
    if (base.n >= 3 && memcmp(base.p + base.n - 3, "/v1", 3) == 0)
        base.n -= 3;
    return base;
}

static void ask(struct probe *probe, const char *path)
{
    struct gateway_loop *loop = probe->loop;
    const struct gateway_credential *credential = &loop->gateway->credentials[probe->origin];
    char buffer[GATEWAY_CREDENTIAL_MAX + LIMIT_URL + 128];
    struct text head;
    text_init(&head, buffer, sizeof buffer);
    struct span base = trimmed_base(http_origin_base(loop->origins[probe->origin]));
    text_add(&head, "GET %.*s%s HTTP/1.1\r\n", SPAN_ARG(base), path);
    if (credential->size)
        text_add(&head, "authorization: %.*s\r\n", (int)credential->size, credential->value);
    CHECK(!head.is_cut);
    struct http_request request = {
        .head = text_span(&head),
        .connect_timeout_us = PROBE_TIMEOUT_US,
        .first_byte_timeout_us = PROBE_TIMEOUT_US,
        .stall_timeout_us = PROBE_TIMEOUT_US,
        .handler = &probe_handler,
        .user = probe,
    };
    probe->call = http_call(loop->origins[probe->origin], &request);
    if (probe->call)
        http_call_end_by(probe->call, net_loop_now_us(loop->loop) + PROBE_TIMEOUT_US);
    else
        rest(probe, PROBE_SCRAPE_US);
}

static void on_due(struct net_timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    int64_t now_us = net_loop_now_us(probe->loop->loop);
    probe->is_scrape = now_us < probe->probe_us;
    if (probe->is_scrape && !probe->text)
        probe->text = os_alloc(PROBE_TEXT_MAX);
    if (probe->is_scrape && probe->text) {
        ask(probe, "/metrics");
        return;
    }
    probe->is_scrape = false;
    probe->probe_us = now_us + PROBE_PERIOD_US;
    probe->count++;
    ask(probe, "/v1/models");
}

enum err gateway_probes_new(struct gateway_loop *loop, struct gateway_probes **ret_probes)
{
    const struct gateway_map *map = &loop->gateway->map;
    struct gateway_probes *probes =
        os_alloc(sizeof *probes + map->origin_count * sizeof(struct probe));
    if (!probes)
        return ERR_MEMORY;
    *ret_probes = probes;
    for (uint16_t i = 0; i < map->origin_count; i++) {
        if (map->origins[i].kind != GATEWAY_ORIGIN_REMOTE)
            continue;
        struct probe *probe = &probes->probes[probes->count++];
        *probe = (struct probe){.loop = loop, .origin = i};
        net_timer_init(&probe->timer, on_due);
        enum err err = net_timer_set(loop->loop, &probe->timer, net_loop_now_us(loop->loop));
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

void gateway_probes_free(struct gateway_probes *probes)
{
    if (!probes)
        return;
    for (unsigned i = 0; i < probes->count; i++) {
        struct probe *probe = &probes->probes[i];
        if (probe->call)
            http_call_cancel(probe->call);
        net_timer_clear(probe->loop->loop, &probe->timer);
        os_free(probe->text);
    }
    os_free(probes);
}
