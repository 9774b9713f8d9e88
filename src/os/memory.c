#include "os/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/fault.h"

/* Blocks that lie in a pool's free list are poisoned, so that AddressSanitizer sees their use. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size)   ((void)(p), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(p, size) ((void)(p), (void)(size))
#endif

enum { ALIGNMENT = 64, /* a cache line */ SLAB_SIZE = 64 * 1024, SLAB_COUNT_MIN = 4 };

struct slab {
    struct slab *next;
    size_t count;
    _Alignas(ALIGNMENT) char blocks[];
};

struct free_block {
    struct free_block *next;
};

void *os_alloc(size_t size)
{
    if (os_fault_hits(OS_FAULT_MEMORY))
        return NULL;
    return calloc(1, size ? size : 1);
}

void *os_alloc_aligned(size_t alignment, size_t size)
{
    CHECK(alignment > 0 && (alignment & (alignment - 1)) == 0);
    if (os_fault_hits(OS_FAULT_MEMORY) || size > SIZE_MAX - alignment)
        return NULL;
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);
    void *p = aligned_alloc(alignment, rounded ? rounded : alignment);
    if (p)
        memset(p, 0, rounded ? rounded : alignment);
    return p;
}

void *os_resize(void *p, size_t size)
{
    if (os_fault_hits(OS_FAULT_MEMORY))
        return NULL;
    return realloc(p, size ? size : 1);
}

void os_free(void *p)
{
    free(p);
}

void os_pool_init(struct os_pool *pool, size_t size, size_t count_max)
{
    CHECK(size > 0 && size <= SIZE_MAX / 2 / SLAB_COUNT_MIN);
    if (size < sizeof(struct free_block))
        size = sizeof(struct free_block);
    *pool = (struct os_pool){.size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1),
                             .count_max = count_max};
}

static void push_free(struct os_pool *pool, void *block)
{
    struct free_block *free_block = block;
    free_block->next = pool->free_list;
    pool->free_list = free_block;
    ASAN_POISON_MEMORY_REGION(block, pool->size);
}

static void grow(struct os_pool *pool)
{
    size_t count = SLAB_SIZE / pool->size;
    if (count < SLAB_COUNT_MIN)
        count = SLAB_COUNT_MIN;
    if (count > pool->count_max - pool->count)
        count = pool->count_max - pool->count;
    struct slab *slab =
        count ? os_alloc_aligned(ALIGNMENT, sizeof *slab + count * pool->size) : NULL;
    if (!slab)
        return;
    slab->next = pool->slabs;
    slab->count = count;
    pool->slabs = slab;
    pool->count += count;
    for (size_t i = count; i > 0; i--)
        push_free(pool, slab->blocks + (i - 1) * pool->size);
}

void *os_pool_take(struct os_pool *pool)
{
    if (!pool->free_list)
        grow(pool);
    struct free_block *block = pool->free_list;
    if (!block)
        return NULL;
    ASAN_UNPOISON_MEMORY_REGION(block, pool->size);
    pool->free_list = block->next;
    return block;
}

void os_pool_give(struct os_pool *pool, void *block)
{
    CHECK(block);
    push_free(pool, block);
}

void os_pool_fini(struct os_pool *pool)
{
    struct slab *slab = pool->slabs;
    while (slab) {
        struct slab *next = slab->next;
        ASAN_UNPOISON_MEMORY_REGION(slab->blocks, slab->count * pool->size);
        os_free(slab);
        slab = next;
    }
    pool->slabs = pool->free_list = NULL;
    pool->count = 0;
}
