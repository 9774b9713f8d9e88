#include "os/crew.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "base/check.h"
#include "os/memory.h"

struct hand {
    struct os_crew *crew;
    uint32_t index;
    pthread_t thread;
};

struct os_crew {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake, rest;
    struct hand hands[OS_CREW_MAX]; /* the first is whoever runs the crew */
    uint32_t width;
    uint32_t next, count; /* tasks of this turn */
    uint32_t busy;        /* threads that have not come to its end */
    uint64_t turn;
    bool is_over;
    void (*task)(void *argument, uint32_t i, uint32_t hand);
    void *argument;
};

static void work(struct os_crew *crew, uint32_t hand)
{
    while (crew->next < crew->count) {
        uint32_t i = crew->next++;
        pthread_mutex_unlock(&crew->lock);
        crew->task(crew->argument, i, hand);
        pthread_mutex_lock(&crew->lock);
    }
}

static void *serve(void *argument)
{
    struct hand *hand = argument;
    struct os_crew *crew = hand->crew;
    uint64_t seen = 0;
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->turn == seen && !crew->is_over)
            pthread_cond_wait(&crew->wake, &crew->lock);
        if (crew->is_over)
            break;
        seen = crew->turn;
        work(crew, hand->index);
        if (--crew->busy == 0)
            pthread_cond_signal(&crew->rest);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static uint32_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count < OS_CREW_MAX ? (uint32_t)count : OS_CREW_MAX;
}

struct os_crew *os_crew_new(void)
{
    struct os_crew *crew = os_alloc(sizeof *crew);
    if (!crew)
        return NULL;
    CHECK(pthread_mutex_init(&crew->lock, NULL) == 0);
    CHECK(pthread_cond_init(&crew->wake, NULL) == 0);
    CHECK(pthread_cond_init(&crew->rest, NULL) == 0);
    uint32_t count = processors();
    for (crew->width = 1; crew->width < count; crew->width++) {
        struct hand *hand = &crew->hands[crew->width];
        *hand = (struct hand){.crew = crew, .index = crew->width};
        if (pthread_create(&hand->thread, NULL, serve, hand) != 0)
            break;
    }
    return crew;
}

void os_crew_free(struct os_crew *crew)
{
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->is_over = true;
    pthread_cond_broadcast(&crew->wake);
    pthread_mutex_unlock(&crew->lock);
    for (uint32_t i = 1; i < crew->width; i++)
        CHECK(pthread_join(crew->hands[i].thread, NULL) == 0);
    CHECK(pthread_cond_destroy(&crew->rest) == 0);
    CHECK(pthread_cond_destroy(&crew->wake) == 0);
    CHECK(pthread_mutex_destroy(&crew->lock) == 0);
    os_free(crew);
}

uint32_t os_crew_width(const struct os_crew *crew)
{
    return crew->width;
}

void os_crew_run(void *argument_crew, uint32_t count,
                 void (*task)(void *argument, uint32_t i, uint32_t hand), void *argument)
{
    struct os_crew *crew = argument_crew;
    pthread_mutex_lock(&crew->lock);
    CHECK(crew->busy == 0);
    crew->task = task;
    crew->argument = argument;
    crew->next = 0;
    crew->count = count;
    crew->busy = crew->width - 1;
    crew->turn++;
    pthread_cond_broadcast(&crew->wake);
    work(crew, 0);
    while (crew->busy > 0)
        pthread_cond_wait(&crew->rest, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}
