/* memory.h: the only door to malloc. Bounded by its callers; a NULL is an expected failure. */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stddef.h>

void *os_alloc(size_t size);                           /* zeroed; NULL when refused */
void *os_alloc_aligned(size_t alignment, size_t size); /* zeroed */
void *os_resize(void *p, size_t size);                 /* NULL: <p> is as before */
void os_free(void *p);

/* A local pointer that is freed when its block is left: struct x *x OS_FREED = os_alloc(sizeof *x);
 */
static inline void os_free_at(void *pointer)
{
    os_free(*(void **)pointer);
}
#define OS_FREED __attribute__((cleanup(os_free_at)))

/* A pool of blocks of one size, each from the start of a cache line, grown by slabs up to
 * <count_max>, never shrunk; owned by one thread. */
struct os_pool {
    size_t size;
    size_t count, count_max; /* made so far; bound */
    void *free_list;
    void *slabs;
};

void os_pool_init(struct os_pool *pool, size_t size, size_t count_max);
void *os_pool_take(struct os_pool *pool); /* not zeroed; NULL when at the bound or refused */
void os_pool_give(struct os_pool *pool, void *block);
void os_pool_fini(struct os_pool *pool);

#endif
