#include "net/bridge.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/limits.h"

/* What is under way: bytes, or the news that the other side has ended or broken. */
struct piece {
    struct piece *next;
    int64_t arrival_us;
    enum piece_kind { PIECE_BYTES, PIECE_END, PIECE_RESET } kind;
    uint32_t size, done; /* BYTES; <done> of them are written */
    char bytes[];
};

/* One direction of a bridge. Pieces arrive in their order; behind an END there is nothing but a
 * RESET, behind a RESET nothing. */
struct flow {
    struct bridge *bridge;
    struct flow *opposite;
    struct bridge_path *path;
    struct net_conn *from, *to;
    struct net_timer timer; /* for the first piece, while it is not due */
    struct link_pipe pipe;
    struct piece *first, **last;
    size_t held_bytes;
    bool is_read_over; /* <from> has ended or broken, or nobody is there to read it */
    bool is_broken;    /* a RESET is under way */
    bool is_ended;     /* the END has arrived */
};

/* Every event ends in advance(), which alone may end the bridge. */
struct bridge {
    struct list link_of_list;
    struct bridge_link *link;
    enum { HOLDING, DIALLING, OPEN } state;
    bool is_reset; /* a RESET has arrived, or memory ran out: to be ended */
    struct net_conn near, far;
    struct flow there, back;
    int64_t accepted_us;
    int64_t connected_us; /* LINK_NEVER_US: hangs on a cut link */
    struct net_timer dial_timer;
};

void bridge_store_init(struct bridge_store *store)
{
    os_pool_init(&store->bridges, sizeof(struct bridge), LIMIT_LINK_CONNECTIONS);
    store->held_bytes = 0;
    store->patience_us = LINK_PATIENCE_US;
}

void bridge_store_fini(struct bridge_store *store)
{
    CHECK(store->held_bytes == 0);
    os_pool_fini(&store->bridges);
}

static int64_t now_us_of(const struct bridge *bridge)
{
    return net_loop_now_us(bridge->link->loop);
}

static bool is_cut(const struct bridge_path *path)
{
    return path->line.rules.is_cut;
}

static void hold(struct flow *flow, const struct piece *piece)
{
    flow->held_bytes += sizeof *piece + piece->size;
    flow->bridge->link->store->held_bytes += sizeof *piece + piece->size;
}

static void drop_first(struct flow *flow)
{
    struct piece *piece = flow->first;
    flow->first = piece->next;
    if (!flow->first)
        flow->last = &flow->first;
    flow->held_bytes -= sizeof *piece + piece->size;
    flow->bridge->link->store->held_bytes -= sizeof *piece + piece->size;
    os_free(piece);
}

static void drop_all(struct flow *flow)
{
    while (flow->first)
        drop_first(flow);
    net_timer_clear(flow->bridge->link->loop, &flow->timer);
}

static void end_bridge(struct bridge *bridge)
{
    struct bridge_link *link = bridge->link;
    drop_all(&bridge->there);
    drop_all(&bridge->back);
    net_timer_clear(link->loop, &bridge->dial_timer);
    if (bridge->is_reset) {
        link->reset_count++;
        net_conn_reset(&bridge->near);
        net_conn_reset(&bridge->far);
    }
    net_conn_close(&bridge->near);
    net_conn_close(&bridge->far);
    list_remove(&bridge->link_of_list);
    link->bridge_count--;
    os_pool_give(&link->store->bridges, bridge);
}

/* When what is offered now arrives. On a cut link (a reset may begin there) as if it were not, so
 * that healing moves it behind the cut like everything else. */
static int64_t arrival_us_of(struct flow *flow, size_t size)
{
    const struct bridge *bridge = flow->bridge;
    int64_t offered_us = now_us_of(bridge);
    if (bridge->connected_us != LINK_NEVER_US && offered_us < bridge->connected_us)
        offered_us = bridge->connected_us;
    struct link_line *line = &flow->path->line;
    int64_t arrival_us = link_arrival_us(line, &flow->pipe, (uint32_t)size, offered_us);
    if (arrival_us != LINK_NEVER_US)
        return arrival_us;
    arrival_us = offered_us + line->rules.rtt_us / 2;
    if (arrival_us > flow->pipe.last_arrival_us)
        flow->pipe.last_arrival_us = arrival_us;
    return flow->pipe.last_arrival_us;
}

static void add_piece(struct flow *flow, enum piece_kind kind, const char *bytes, size_t size)
{
    struct piece *piece = os_alloc(sizeof *piece + size);
    if (!piece) {
        flow->bridge->is_reset = true;
        return;
    }
    piece->arrival_us = arrival_us_of(flow, size);
    piece->kind = kind;
    piece->size = (uint32_t)size;
    if (size > 0)
        memcpy(piece->bytes, bytes, size);
    *flow->last = piece;
    flow->last = &piece->next;
    hold(flow, piece);
}

/* <from> broke: that travels to <to>, and what was on its way to <from> has no reader any more. */
static void break_flow(struct flow *flow)
{
    if (flow->is_broken)
        return;
    flow->is_broken = flow->is_read_over = true;
    add_piece(flow, PIECE_RESET, NULL, 0);
    flow->opposite->is_read_over = true;
    if (!flow->opposite->is_broken)
        drop_all(flow->opposite);
}

static bool has_room(const struct flow *flow)
{
    if (flow->held_bytes == 0)
        return true;
    return flow->held_bytes < flow->path->held_bytes_max &&
           flow->bridge->link->store->held_bytes < LIMIT_LINK_HELD_BYTES;
}

/* <from> has ended; what comes from it now, if anything, is a reset. */
static void watch_for_reset(struct flow *flow)
{
    if (!flow->is_broken && flow->from->is_hung_up && net_conn_check(flow->from) != ERR_OK)
        break_flow(flow);
}

/* The kernel would wait up to 40 ms for bytes of ours to put the acknowledgement on, and a sender
 * that writes in small parts (Nagle) with it: a delay that the link does not have. */
static void acknowledge(const struct net_conn *from)
{
    const int on = 1;
    CHECK(setsockopt(from->watch.fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on) == 0);
}

static void take_in(struct flow *flow)
{
    const struct bridge *bridge = flow->bridge;
    struct net_conn *from = flow->from;
    if (is_cut(flow->path) || from->watch.fd < 0 || from->is_connecting ||
        bridge->connected_us == LINK_NEVER_US)
        return;
    if (flow->is_read_over)
        watch_for_reset(flow);
    char *scratch = bridge->link->store->scratch;
    while (!flow->is_read_over && !bridge->is_reset && has_room(flow)) {
        size_t n;
        enum err err = net_conn_read(from, scratch, BRIDGE_PIECE_MAX, &n);
        if (err == ERR_AGAIN)
            return;
        flow->is_read_over = err != ERR_OK;
        if (err == ERR_OK) {
            add_piece(flow, PIECE_BYTES, scratch, n);
            acknowledge(from);
        } else if (err == ERR_CLOSED) {
            add_piece(flow, PIECE_END, NULL, 0);
        } else {
            break_flow(flow);
        }
    }
}

/* One write for one read, as far as the socket takes it. */
static enum err write_piece(struct flow *flow, struct piece *piece)
{
    struct iovec part = {piece->bytes + piece->done, piece->size - piece->done};
    size_t n;
    enum err err = net_conn_write(flow->to, &part, 1, &n);
    if (err != ERR_OK)
        return err;
    flow->path->byte_count += n;
    piece->done += (uint32_t)n;
    return piece->done == piece->size ? ERR_OK : ERR_AGAIN;
}

/* AGAIN: <to> takes no more now. */
static enum err deliver_one(struct flow *flow, struct piece *piece)
{
    switch (piece->kind) {
    case PIECE_BYTES:
        return write_piece(flow, piece);
    case PIECE_END:
        flow->is_ended = true;
        net_conn_end(flow->to);
        return ERR_OK;
    case PIECE_RESET:
        flow->bridge->is_reset = true;
        return ERR_OK;
    }
    return ERR_OK;
}

static void deliver(struct flow *flow)
{
    const struct bridge *bridge = flow->bridge;
    if (is_cut(flow->path) || flow->to->watch.fd < 0 || flow->to->is_connecting)
        return;
    while (flow->first && !bridge->is_reset && flow->first->arrival_us <= now_us_of(bridge)) {
        enum err err = deliver_one(flow, flow->first);
        if (err == ERR_AGAIN)
            return;
        if (err != ERR_OK) {
            break_flow(flow->opposite);
            return;
        }
        drop_first(flow);
    }
}

/* What is due and still here waits for <to>, whose event will come. */
static void set_alarm(struct flow *flow)
{
    if (!flow->first || is_cut(flow->path))
        return;
    if (flow->first->arrival_us <= now_us_of(flow->bridge) && !flow->to->may_write)
        return;
    if (net_timer_set(flow->bridge->link->loop, &flow->timer, flow->first->arrival_us) != ERR_OK)
        flow->bridge->is_reset = true;
}

/* Moves what can move. The bridge may be gone when this returns. */
static void advance(struct bridge *bridge)
{
    struct flow *flows[] = {&bridge->there, &bridge->back};
    for (int i = 0; i < 2; i++)
        take_in(flows[i]);
    for (int i = 0; i < 2; i++)
        deliver(flows[i]);
    /* Into the room that was made. */
    for (int i = 0; i < 2; i++)
        take_in(flows[i]);
    for (int i = 0; i < 2; i++)
        set_alarm(flows[i]);
    if (bridge->is_reset || (bridge->there.is_ended && bridge->back.is_ended))
        end_bridge(bridge);
}

static void on_piece_due(struct net_timer *timer)
{
    advance(CONTAINER_OF(timer, struct flow, timer)->bridge);
}

static void on_near_event(struct net_conn *conn, unsigned events)
{
    CHECK(events != 0);
    advance(CONTAINER_OF(conn, struct bridge, near));
}

static void settle(struct bridge *bridge, enum err err)
{
    bridge->state = OPEN;
    if (err == ERR_OK)
        return;
    net_conn_close(&bridge->far);
    break_flow(&bridge->back);
}

static void on_far_event(struct net_conn *conn, unsigned events)
{
    struct bridge *bridge = CONTAINER_OF(conn, struct bridge, far);
    CHECK(events != 0);
    if (bridge->state == DIALLING && !conn->is_connecting)
        settle(bridge, conn->failure);
    advance(bridge);
}

static void on_dial_due(struct net_timer *timer)
{
    struct bridge *bridge = CONTAINER_OF(timer, struct bridge, dial_timer);
    struct bridge_link *link = bridge->link;
    CHECK(bridge->state == HOLDING);
    if (is_cut(&link->there) || is_cut(&link->back)) {
        bridge->connected_us = LINK_NEVER_US;
        return;
    }
    bridge->state = DIALLING;
    enum err err = net_conn_dial(&bridge->far, link->loop, &link->target, NULL,
                                 (struct span){NULL, 0}, on_far_event);
    if (err != ERR_OK)
        settle(bridge, err);
    advance(bridge);
}

/* Starts connecting, unless the link is cut. */
static void knock(struct bridge *bridge)
{
    struct bridge_link *link = bridge->link;
    bridge->connected_us =
        link_connected_us(&link->there.line, &link->back.line, now_us_of(bridge));
    if (bridge->connected_us != LINK_NEVER_US &&
        net_timer_set(link->loop, &bridge->dial_timer, bridge->connected_us) != ERR_OK)
        bridge->is_reset = true;
}

static void init_flow(struct flow *flow, struct bridge *bridge, struct bridge_path *path)
{
    bool is_there = flow == &bridge->there;
    *flow = (struct flow){.bridge = bridge,
                          .path = path,
                          .opposite = is_there ? &bridge->back : &bridge->there,
                          .from = is_there ? &bridge->near : &bridge->far,
                          .to = is_there ? &bridge->far : &bridge->near,
                          .last = &flow->first};
    net_timer_init(&flow->timer, on_piece_due);
}

bool bridge_start(struct bridge_link *link, int fd)
{
    struct net_conn near;
    struct bridge *bridge = os_pool_take(&link->store->bridges);
    if (!bridge) {
        if (net_conn_adopt(&near, link->loop, fd, on_near_event) == ERR_OK)
            net_conn_reset(&near);
        return false;
    }
    *bridge = (struct bridge){.link = link, .accepted_us = net_loop_now_us(link->loop)};
    net_conn_init(&bridge->far);
    net_timer_init(&bridge->dial_timer, on_dial_due);
    init_flow(&bridge->there, bridge, &link->there);
    init_flow(&bridge->back, bridge, &link->back);
    if (net_conn_adopt(&bridge->near, link->loop, fd, on_near_event) != ERR_OK) {
        os_pool_give(&link->store->bridges, bridge);
        return false;
    }
    list_push(&link->bridges, &bridge->link_of_list);
    link->bridge_count++;
    link->accepted_count++;
    knock(bridge);
    advance(bridge);
    return true;
}

void bridge_link_init(struct bridge_link *link, struct net_loop *loop, struct bridge_store *store,
                      const struct net_address *target, uint64_t seed)
{
    const struct link_rules none = {0};
    *link = (struct bridge_link){.loop = loop, .store = store, .target = *target};
    link_line_init(&link->there.line, &none, seed);
    link_line_init(&link->back.line, &none, seed + 1);
    list_init(&link->bridges);
}

/* Everything under way comes as much later as the cut has lasted. */
static void delay_flow(struct flow *flow, int64_t cut_at_us, int64_t delay_us)
{
    for (struct piece *piece = flow->first; piece; piece = piece->next) {
        if (piece->arrival_us > cut_at_us)
            piece->arrival_us += delay_us;
    }
    if (flow->pipe.last_arrival_us > cut_at_us)
        flow->pipe.last_arrival_us += delay_us;
}

static void set_path(struct bridge_link *link, struct bridge_path *path,
                     const struct link_rules *rules)
{
    int64_t now_us = net_loop_now_us(link->loop), delay_us = now_us - path->cut_at_us;
    bool was_cut = is_cut(path);
    link_line_set(&path->line, rules);
    if (!was_cut && rules->is_cut)
        path->cut_at_us = now_us;
    if (!was_cut || rules->is_cut)
        return;
    if (path->line.free_at_ns > path->cut_at_us * 1000)
        path->line.free_at_ns += delay_us * 1000;
    for (struct list *at = link->bridges.next; at != &link->bridges; at = at->next) {
        struct bridge *bridge = CONTAINER_OF(at, struct bridge, link_of_list);
        struct flow *flow = bridge->there.path == path ? &bridge->there : &bridge->back;
        delay_flow(flow, path->cut_at_us, delay_us);
        int64_t stuck_at_us =
            path->cut_at_us > bridge->accepted_us ? path->cut_at_us : bridge->accepted_us;
        if (now_us - stuck_at_us >= link->store->patience_us)
            bridge->is_reset = true;
    }
}

static size_t fill_bytes(const struct bridge_path *there, const struct bridge_path *back)
{
    uint64_t bytes = link_fill_bytes(&there->line, &back->line);
    if (bytes < LIMIT_LINK_BUFFER)
        return LIMIT_LINK_BUFFER;
    return bytes < LIMIT_LINK_BUFFER_MAX ? (size_t)bytes : LIMIT_LINK_BUFFER_MAX;
}

void bridge_link_set(struct bridge_link *link, const struct link_rules *there,
                     const struct link_rules *back)
{
    set_path(link, &link->there, there);
    set_path(link, &link->back, back);
    link->there.held_bytes_max = fill_bytes(&link->there, &link->back);
    link->back.held_bytes_max = fill_bytes(&link->back, &link->there);
    struct list *next;
    for (struct list *at = link->bridges.next; at != &link->bridges; at = next) {
        struct bridge *bridge = CONTAINER_OF(at, struct bridge, link_of_list);
        next = at->next;
        if (bridge->state == HOLDING && bridge->connected_us == LINK_NEVER_US)
            knock(bridge);
        advance(bridge);
    }
}

void bridge_link_fini(struct bridge_link *link)
{
    while (!list_is_empty(&link->bridges)) {
        struct bridge *bridge = CONTAINER_OF(link->bridges.next, struct bridge, link_of_list);
        bridge->is_reset = true;
        end_bridge(bridge);
    }
}
