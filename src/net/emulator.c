#include "net/emulator.h"

#include "base/check.h"
#include "base/limits.h"
#include "net/bridge.h"
#include "os/memory.h"

/* One listener and its link, both ways. */
struct pair {
    struct net_listener listener;
    struct bridge_link link;
    uint64_t refused_count;
};

struct emulator {
    struct net_loop *loop;
    struct bridge_store store;
    uint32_t pair_count;
    struct pair *pairs[LIMIT_LINK_LINES];
};

enum err emulator_new(struct net_loop *loop, struct emulator **ret_emulator)
{
    struct emulator *emulator = os_alloc(sizeof *emulator);
    if (!emulator)
        return ERR_MEMORY;
    emulator->loop = loop;
    bridge_store_init(&emulator->store);
    *ret_emulator = emulator;
    return ERR_OK;
}

static void free_pair(struct pair *pair)
{
    net_listener_close(&pair->listener);
    bridge_link_fini(&pair->link);
    os_free(pair);
}

void emulator_free(struct emulator *emulator)
{
    if (!emulator)
        return;
    for (uint32_t i = 0; i < emulator->pair_count; i++)
        free_pair(emulator->pairs[i]);
    bridge_store_fini(&emulator->store);
    os_free(emulator);
}

static void on_accept(struct net_listener *listener, int fd)
{
    struct pair *pair = CONTAINER_OF(listener, struct pair, listener);
    if (!bridge_start(&pair->link, fd))
        pair->refused_count++;
}

enum err emulator_add(struct emulator *emulator, const struct net_address *listen,
                      const struct net_address *target, const struct link_rules *there,
                      const struct link_rules *back, uint64_t seed, uint32_t *ret_index,
                      struct text *why)
{
    if (emulator->pair_count == LIMIT_LINK_LINES) {
        if (why)
            text_add(why, "more than %d links", LIMIT_LINK_LINES);
        return ERR_FULL;
    }
    struct pair *pair = os_alloc(sizeof *pair);
    if (!pair)
        return ERR_MEMORY;
    pair->listener.on_accept = on_accept;
    enum err err = net_listen(&pair->listener, emulator->loop, listen, false, why);
    if (err != ERR_OK) {
        os_free(pair);
        return err;
    }
    bridge_link_init(&pair->link, emulator->loop, &emulator->store, target, seed);
    bridge_link_set(&pair->link, there, back);
    *ret_index = emulator->pair_count;
    emulator->pairs[emulator->pair_count++] = pair;
    return ERR_OK;
}

static struct pair *pair_of(const struct emulator *emulator, uint32_t index)
{
    CHECK(index < emulator->pair_count);
    return emulator->pairs[index];
}

void emulator_set(struct emulator *emulator, uint32_t index, const struct link_rules *there,
                  const struct link_rules *back)
{
    bridge_link_set(&pair_of(emulator, index)->link, there, back);
}

void emulator_set_patience(struct emulator *emulator, int64_t patience_us)
{
    CHECK(patience_us >= 0);
    emulator->store.patience_us = patience_us;
}

void emulator_stats(const struct emulator *emulator, uint32_t index,
                    struct emulator_stats *ret_stats)
{
    const struct pair *pair = pair_of(emulator, index);
    const struct bridge_link *link = &pair->link;
    *ret_stats = (struct emulator_stats){.there = link->there.line.rules,
                                         .back = link->back.line.rules,
                                         .bytes_there = link->there.byte_count,
                                         .bytes_back = link->back.byte_count,
                                         .accepted_count = link->accepted_count,
                                         .refused_count = pair->refused_count,
                                         .reset_count = link->reset_count,
                                         .bridge_count = link->bridge_count};
}

void emulator_address(const struct emulator *emulator, uint32_t index,
                      struct net_address *ret_address)
{
    net_listener_address(&pair_of(emulator, index)->listener, ret_address);
}
