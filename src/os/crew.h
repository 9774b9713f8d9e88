/* crew.h: threads that share out numbered tasks, for cores that have many that do not touch each
 * other. Whoever runs them works too and waits for the rest, so that nothing goes on behind its
 * back. */
#ifndef OS_CREW_H
#define OS_CREW_H

#include <stdint.h>

enum { OS_CREW_MAX = 8 };

struct os_crew;

/* As many hands as the process may use processors, 1 to OS_CREW_MAX; fewer where threads cannot be
 * had. NULL: no memory. */
struct os_crew *os_crew_new(void);
void os_crew_free(struct os_crew *crew);

uint32_t os_crew_width(const struct os_crew *crew);

/* task(argument, i, hand) for each i < <count>, begun in order; hand < width, and no two tasks have
 * the same at once. Returns when all are done. <crew>: a struct os_crew. Not from two threads, nor
 * from a task. */
void os_crew_run(void *crew, uint32_t count,
                 void (*task)(void *argument, uint32_t i, uint32_t hand), void *argument);

#endif
