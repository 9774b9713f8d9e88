#include "net/resolve.h"

#include <ares.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"
#include "os/memory.h"

/* c-ares opens at most a UDP and a TCP socket a server. */
enum {
    HOST_MAX = 253,
    SOCKETS = 32,
    READS_A_ROUND = 16,
    TIMEOUT_MS = 2000,
    TRIES = 3,
    FRESH_US = 30 * 1000 * 1000
};

struct addresses {
    unsigned count;
    struct net_address row[LIMIT_RESOLVE_ADDRESSES];
};

/* A name that resolved once: answers for 30 s, and afterwards stands in for a failed question. */
struct memory {
    char host[HOST_MAX + 1]; /* lower case; empty: free */
    int64_t fresh_until_us, used_us;
    struct addresses addresses; /* port 0 */
};

struct question {
    struct list link;
    struct net_resolver *resolver;
    char host[HOST_MAX + 1];
    uint16_t port;
    void (*on_found)(void *, enum err, const struct net_address *, unsigned);
    void *user;
};

struct net_resolver {
    struct net_loop *loop;
    int64_t fresh_us;
    ares_channel channel;
    struct net_timer timer; /* c-ares' own timeouts */
    struct watched {
        struct net_watch watch;
        struct net_resolver *resolver;
    } sockets[SOCKETS];
    struct list questions;
    unsigned question_count;
    struct memory memories[LIMIT_RESOLVE_NAMES];
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void start_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static void set_timer(struct net_resolver *resolver)
{
    struct timeval room, *left = ares_timeout(resolver->channel, NULL, &room);
    if (!left) {
        net_timer_clear(resolver->loop, &resolver->timer);
        return;
    }
    int64_t left_us = (int64_t)left->tv_sec * 1000000 + left->tv_usec;
    int64_t due_us = net_loop_now_us(resolver->loop) + left_us;
    /* Without memory for the timer, the socket's events still move the question on. */
    if (net_timer_set(resolver->loop, &resolver->timer, due_us) != ERR_OK)
        net_timer_clear(resolver->loop, &resolver->timer);
}

static void on_timer(struct net_timer *timer)
{
    struct net_resolver *resolver = CONTAINER_OF(timer, struct net_resolver, timer);
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(resolver);
}

/* c-ares may leave a part unread, and edges come once: ask until the socket is quiet. */
static void on_socket(struct net_watch *watch, unsigned events)
{
    struct watched *watched = CONTAINER_OF(watch, struct watched, watch);
    struct net_resolver *resolver = watched->resolver;
    int fd = watch->fd;
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < READS_A_ROUND && watch->fd == fd; i++) {
        bool may_read = poll(&asked, 1, 0) == 1;
        if (i > 0 && !may_read)
            break;
        ares_process_fd(resolver->channel, may_read ? fd : ARES_SOCKET_BAD,
                        events & NET_OUT ? fd : ARES_SOCKET_BAD);
    }
    set_timer(resolver);
}

static struct watched *find_socket(struct net_resolver *resolver, int fd)
{
    for (int i = 0; i < SOCKETS; i++) {
        if (resolver->sockets[i].watch.fd == fd)
            return &resolver->sockets[i];
    }
    return NULL;
}

static void on_socket_state(void *user, ares_socket_t fd, int reads, int writes)
{
    struct net_resolver *resolver = user;
    struct watched *watched = find_socket(resolver, fd);
    if (!reads && !writes) {
        if (watched)
            net_loop_unwatch_closing(resolver->loop, &watched->watch);
        return;
    }
    if (watched)
        return;
    watched = find_socket(resolver, -1);
    /* Unwatched, the question ends by its timeout. */
    if (watched && net_loop_watch(resolver->loop, &watched->watch, fd, on_socket) != ERR_OK)
        net_watch_init(&watched->watch);
}

void net_resolver_rules_default(struct net_resolver_rules *rules)
{
    *rules = (struct net_resolver_rules){.fresh_us = FRESH_US, .timeout_ms = TIMEOUT_MS};
}

static bool use_server(struct net_resolver *resolver, const struct net_address *address)
{
    char buffer[80];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    if (address->size == 0)
        return true;
    net_address_print(address, &text);
    return ares_set_servers_ports_csv(resolver->channel, buffer) == ARES_SUCCESS;
}

static bool open_channel(struct net_resolver *resolver, const struct net_resolver_rules *rules)
{
    struct ares_options options = {.timeout = rules->timeout_ms,
                                   .tries = TRIES,
                                   .sock_state_cb = on_socket_state,
                                   .sock_state_cb_data = resolver};
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (library_status != ARES_SUCCESS ||
        ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS)
        return false;
    if (use_server(resolver, &rules->server))
        return true;
    ares_destroy(resolver->channel);
    return false;
}

enum err net_resolver_new_by(struct net_loop *loop, const struct net_resolver_rules *rules,
                             struct net_resolver **ret_resolver)
{
    CHECK(pthread_once(&library_once, start_library) == 0);
    struct net_resolver *resolver = os_alloc(sizeof *resolver);
    if (!resolver)
        return ERR_MEMORY;
    resolver->loop = loop;
    resolver->fresh_us = rules->fresh_us;
    net_timer_init(&resolver->timer, on_timer);
    list_init(&resolver->questions);
    for (int i = 0; i < SOCKETS; i++) {
        net_watch_init(&resolver->sockets[i].watch);
        resolver->sockets[i].resolver = resolver;
    }
    if (!open_channel(resolver, rules)) {
        os_free(resolver);
        return ERR_MEMORY;
    }
    *ret_resolver = resolver;
    return ERR_OK;
}

enum err net_resolver_new(struct net_loop *loop, struct net_resolver **ret_resolver)
{
    struct net_resolver_rules rules;
    net_resolver_rules_default(&rules);
    return net_resolver_new_by(loop, &rules, ret_resolver);
}

void net_resolver_free(struct net_resolver *resolver)
{
    if (!resolver)
        return;
    ares_destroy(resolver->channel);
    CHECK(list_is_empty(&resolver->questions));
    net_timer_clear(resolver->loop, &resolver->timer);
    os_free(resolver);
}

static struct memory *find_memory(struct net_resolver *resolver, const char *host)
{
    for (int i = 0; i < LIMIT_RESOLVE_NAMES; i++) {
        if (strcmp(resolver->memories[i].host, host) == 0)
            return &resolver->memories[i];
    }
    return NULL;
}

static void remember(struct net_resolver *resolver, const char *host,
                     const struct addresses *addresses)
{
    struct memory *memory = find_memory(resolver, host);
    if (!memory)
        memory = &resolver->memories[0];
    /* A new name takes a free place, or that of the name asked for longest ago. */
    for (int i = 0; strcmp(memory->host, host) != 0 && i < LIMIT_RESOLVE_NAMES; i++) {
        if (resolver->memories[i].used_us < memory->used_us)
            memory = &resolver->memories[i];
    }
    int64_t now_us = net_loop_now_us(resolver->loop);
    memcpy(memory->host, host, strlen(host) + 1);
    memory->addresses = *addresses;
    memory->fresh_until_us = now_us + resolver->fresh_us;
    memory->used_us = now_us;
}

static void answer(const struct question *question, const struct addresses *addresses)
{
    struct addresses with_port = *addresses;
    for (unsigned i = 0; i < with_port.count; i++)
        net_address_set_port(&with_port.row[i], question->port);
    question->on_found(question->user, ERR_OK, with_port.row, with_port.count);
}

static void collect(const struct ares_addrinfo *found, struct addresses *ret_addresses)
{
    ret_addresses->count = 0;
    const struct ares_addrinfo_node *node = found ? found->nodes : NULL;
    for (; node && ret_addresses->count < LIMIT_RESOLVE_ADDRESSES; node = node->ai_next) {
        struct net_address *address = &ret_addresses->row[ret_addresses->count];
        if ((node->ai_family != AF_INET && node->ai_family != AF_INET6) ||
            node->ai_addrlen > sizeof address->u.bytes)
            continue;
        memset(address, 0, sizeof *address);
        memcpy(address->u.bytes, node->ai_addr, node->ai_addrlen);
        address->size = node->ai_addrlen;
        ret_addresses->count++;
    }
}

static enum err err_of(int status)
{
    switch (status) {
    case ARES_SUCCESS: /* but without an address */
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return ERR_NOT_FOUND;
    case ARES_ETIMEOUT:
        return ERR_TIMEOUT;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return ERR_CLOSED;
    case ARES_ENOMEM:
        return ERR_MEMORY;
    case ARES_ECONNREFUSED:
        return ERR_REFUSED;
    default:
        return ERR_IO;
    }
}

static void on_answer(void *user, int status, int timeout_count, struct ares_addrinfo *found)
{
    struct question *question = user;
    struct net_resolver *resolver = question->resolver;
    CHECK(timeout_count >= 0);
    struct addresses addresses;
    collect(found, &addresses);
    if (found)
        ares_freeaddrinfo(found);
    list_remove(&question->link);
    resolver->question_count--;

    const struct memory *memory = find_memory(resolver, question->host);
    bool is_over = status == ARES_EDESTRUCTION;
    if (status == ARES_SUCCESS && addresses.count > 0) {
        remember(resolver, question->host, &addresses);
        answer(question, &addresses);
    } else if (memory && !is_over) {
        answer(question, &memory->addresses);
    } else {
        question->on_found(question->user, err_of(status), NULL, 0);
    }
    os_free(question);
}

/* RFC 6761 6.3: localhost and what lies below it never leave the machine. */
static bool is_localhost(const char *host)
{
    size_t n = strlen(host);
    return strcmp(host, "localhost") == 0 || (n > 10 && strcmp(host + n - 10, ".localhost") == 0);
}

static bool answer_without_asking(struct net_resolver *resolver, const struct question *question)
{
    struct addresses known = {.count = 1};
    if (net_address_set_ip(&known.row[0], span_of(question->host), 0)) {
        answer(question, &known);
        return true;
    }
    if (is_localhost(question->host)) {
        known.count = 2;
        CHECK(net_address_set_ip(&known.row[0], SPAN_LITERAL("127.0.0.1"), 0));
        CHECK(net_address_set_ip(&known.row[1], SPAN_LITERAL("::1"), 0));
        answer(question, &known);
        return true;
    }
    struct memory *memory = find_memory(resolver, question->host);
    int64_t now_us = net_loop_now_us(resolver->loop);
    if (!memory || now_us >= memory->fresh_until_us)
        return false;
    memory->used_us = now_us;
    known = memory->addresses;
    answer(question, &known);
    return true;
}

static bool copy_host(struct span host, char ret_host[HOST_MAX + 1])
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = span_from(host.p + 1, host.n - 2);
    if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, '\0', host.n))
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        ret_host[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret_host[host.n] = '\0';
    return true;
}

static enum err ask(struct net_resolver *resolver, const struct question *question)
{
    if (resolver->question_count == LIMIT_RESOLVE_NAMES)
        return ERR_FULL;
    struct question *kept = os_alloc(sizeof *kept);
    if (!kept)
        return ERR_MEMORY;
    *kept = *question;
    list_push(&resolver->questions, &kept->link);
    resolver->question_count++;
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolver->channel, kept->host, NULL, &hints, on_answer, kept);
    set_timer(resolver);
    return ERR_OK;
}

void net_resolve(struct net_resolver *resolver, struct span host, uint16_t port,
                 void (*on_found)(void *user, enum err err, const struct net_address *addresses,
                                  unsigned count),
                 void *user)
{
    struct question question = {
        .resolver = resolver, .port = port, .on_found = on_found, .user = user};
    if (!copy_host(host, question.host)) {
        on_found(user, ERR_VALUE, NULL, 0);
        return;
    }
    if (answer_without_asking(resolver, &question))
        return;
    enum err err = ask(resolver, &question);
    if (err != ERR_OK)
        on_found(user, err, NULL, 0);
}
