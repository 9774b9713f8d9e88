#include "http/buffer_io.h"

#include <stdatomic.h>

#include "base/check.h"
#include "os/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_NONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_NONE 1
#endif
#endif
#ifndef KEEPS_NONE
#define KEEPS_NONE 0
#endif

struct buffer_class {
    uint32_t block_size; /* with the header */
    uint32_t keep_max;   /* free ones kept: 4 + 5 + 4 + 8 + 17 MiB */
};

static const struct buffer_class classes[BUFFER_CLASSES] = {
    {4 * 1024, 1024}, {LIMIT_HTTP_HEAD + 4 * 1024, 256},      {64 * 1024, 64},
    {260 * 1024, 32}, {LIMIT_HTTP_HELD_BODY + 68 * 1024, 16}, /* and a piece behind it */
};

static atomic_size_t spent[BUFFER_BUDGETS];
static const size_t budgets[BUFFER_BUDGETS] = {LIMIT_GATEWAY_HELD_BYTES, LIMIT_WAITING_BYTES};

void buffer_pool_init(struct buffer_pool *pool)
{
    *pool = (struct buffer_pool){.out_count = 0};
}

void buffer_pool_fini(struct buffer_pool *pool)
{
    CHECK(pool->out_count == 0);
    for (unsigned class = 0; class < BUFFER_CLASSES; class ++) {
        while (pool->free_list[class]) {
            struct buffer *buffer = pool->free_list[class];
            pool->free_list[class] = buffer->next;
            os_free(buffer);
        }
    }
}

struct buffer *buffer_take_class(struct buffer_pool *pool, unsigned class)
{
    CHECK(class < BUFFER_CLASSES);
    struct buffer *buffer = pool->free_list[class];
    if (buffer) {
        pool->free_list[class] = buffer->next;
        pool->free_count[class]--;
    } else {
        buffer = os_alloc(classes[class].block_size);
        if (!buffer)
            return NULL;
        buffer->pool = pool;
        buffer->class = (uint16_t) class;
        buffer->size = classes[class].block_size - (uint32_t)sizeof *buffer;
    }
    buffer->next = NULL;
    buffer->refs = 1;
    buffer->start = buffer->end = 0;
    buffer->charged = 0;
    pool->out_count++;
    return buffer;
}

struct buffer *buffer_take(struct buffer_pool *pool, size_t size)
{
    for (unsigned class = 0; class < BUFFER_CLASSES; class ++)
        if (size <= classes[class].block_size - sizeof(struct buffer))
            return buffer_take_class(pool, class);
    return NULL;
}

struct buffer *buffer_ref(struct buffer *buffer)
{
    buffer->refs++;
    return buffer;
}

void buffer_unref(struct buffer *buffer)
{
    if (!buffer)
        return;
    CHECK(buffer->refs > 0);
    if (--buffer->refs > 0)
        return;
    struct buffer_pool *pool = buffer->pool;
    pool->out_count--;
    if (buffer->charged)
        atomic_fetch_sub_explicit(&spent[buffer->budget], buffer->charged, memory_order_relaxed);
    if (KEEPS_NONE || pool->free_count[buffer->class] >= classes[buffer->class].keep_max) {
        os_free(buffer);
        return;
    }
    buffer->next = pool->free_list[buffer->class];
    pool->free_list[buffer->class] = buffer;
    pool->free_count[buffer->class]++;
}

size_t buffer_size_max(void)
{
    return classes[BUFFER_CLASSES - 1].block_size - sizeof(struct buffer);
}

/* Who announces much and sends nothing must not take the room for the beginnings of others' bodies,
 * which say where they go. */
static size_t budget_of(const struct buffer *buffer, enum buffer_budget budget)
{
    size_t max = budgets[budget];
    return budget == BUFFER_HELD && buffer->class > BUFFER_STREAM ? max - max / 4 : max;
}

bool buffer_charge_to(struct buffer *buffer, enum buffer_budget budget)
{
    if (buffer->charged)
        return true;
    atomic_size_t *sum = &spent[budget];
    size_t before = atomic_fetch_add_explicit(sum, buffer->size, memory_order_relaxed);
    if (before + buffer->size > budget_of(buffer, budget)) {
        atomic_fetch_sub_explicit(sum, buffer->size, memory_order_relaxed);
        return false;
    }
    buffer->budget = (uint16_t)budget;
    buffer->charged = buffer->size;
    return true;
}

bool buffer_charge(struct buffer *buffer)
{
    return buffer_charge_to(buffer, BUFFER_HELD);
}

size_t buffer_held_bytes(void)
{
    return atomic_load_explicit(&spent[BUFFER_HELD], memory_order_relaxed);
}

size_t buffer_waiting_bytes(void)
{
    return atomic_load_explicit(&spent[BUFFER_WAITING], memory_order_relaxed);
}

bool buffer_is_waiting_much(void)
{
    return buffer_waiting_bytes() > LIMIT_WAITING_BYTES / 2;
}
