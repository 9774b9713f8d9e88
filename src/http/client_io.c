#include "http/client_conn_io.h"

#define FAR_US (INT64_C(1) << 60)

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* Always set, if only far away: so it has its place in the loop's heap and moving it cannot fail.
 */
void client_arm_timer(struct http_client *client)
{
    int64_t next_us =
        earlier(wheel_next_us(&client->conn_wheel), wheel_next_us(&client->call_wheel));
    if (!list_is_empty(&client->queued))
        next_us = 0;
    next_us = earlier(next_us, FAR_US);
    if (client->timer.heap_index < 0 || client->timer.due_us > next_us)
        CHECK(net_timer_set(client->loop, &client->timer, next_us) == ERR_OK);
}

static void run_queued(struct http_client *client)
{
    /* What is queued from now on has its turn in the next round. */
    struct list batch;
    list_init(&batch);
    while (!list_is_empty(&client->queued)) {
        struct list *link = client->queued.next;
        list_remove(link);
        list_push(&batch, link);
    }
    while (!list_is_empty(&batch)) {
        struct http_call *call = CONTAINER_OF(batch.next, struct http_call, queue_link);
        list_remove(&call->queue_link);
        call_run_queued(call);
    }
}

static void run_timer(struct net_timer *timer)
{
    struct http_client *client = CONTAINER_OF(timer, struct http_client, timer);
    int64_t now_us = net_loop_now_us(client->loop);
    run_queued(client);
    struct wheel_entry *entry;
    while ((entry = wheel_take_due(&client->call_wheel, now_us)))
        call_run_due(CONTAINER_OF(entry, struct http_call, entry));
    while ((entry = wheel_take_due(&client->conn_wheel, now_us))) {
        struct client_conn *conn = CONTAINER_OF(entry, struct client_conn, entry);
        if (!conn->call)
            origin_drop(conn);
    }
    client_arm_timer(client);
}

enum err http_client_new(struct net_loop *loop, struct http_client **ret_client)
{
    struct http_client *client = os_alloc(sizeof *client);
    if (!client)
        return ERR_MEMORY;
    client->loop = loop;
    os_pool_init(&client->conn_pool, sizeof(struct client_conn), LIMIT_CLIENT_CONNECTIONS);
    os_pool_init(&client->call_pool, sizeof(struct http_call), LIMIT_CLIENT_CONNECTIONS);
    buffer_pool_init(&client->buffers);
    wheel_init(&client->conn_wheel, net_loop_now_us(loop));
    wheel_init(&client->call_wheel, net_loop_now_us(loop));
    list_init(&client->origins);
    list_init(&client->calls);
    list_init(&client->queued);
    net_timer_init(&client->timer, run_timer);
    enum err err = net_timer_set(loop, &client->timer, FAR_US);
    if (err != ERR_OK) {
        os_free(client);
        return err;
    }
    *ret_client = client;
    return ERR_OK;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    client->is_closing = true;
    while (!list_is_empty(&client->calls)) {
        struct http_call *call = CONTAINER_OF(client->calls.next, struct http_call, link);
        CHECK(call->depth == 0);
        call_enter(call);
        call_fail(call, ERR_CLOSED);
        call_leave(call);
    }
    while (!list_is_empty(&client->origins))
        http_origin_free(CONTAINER_OF(client->origins.next, struct http_origin, link));
    net_timer_clear(client->loop, &client->timer);
    buffer_pool_fini(&client->buffers);
    os_pool_fini(&client->call_pool);
    os_pool_fini(&client->conn_pool);
    os_free(client);
}
