/* Each task is done once, before run() comes back, and no two at once with one hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/crew.h"

enum { TASKS = 1000, TURNS = 200 };

struct board {
    uint32_t done[TASKS];
    atomic_int at[OS_CREW_MAX]; /* tasks under way with each hand */
    atomic_int clashes;
};

static void do_task(void *argument, uint32_t i, uint32_t hand)
{
    struct board *board = argument;
    if (hand >= OS_CREW_MAX || atomic_fetch_add(&board->at[hand], 1) != 0)
        atomic_fetch_add(&board->clashes, 1);
    board->done[i]++;
    atomic_fetch_sub(&board->at[hand], 1);
}

static void every_task_is_done_once(void **state)
{
    (void)state;
    static struct board board;
    struct os_crew *crew = os_crew_new();
    assert_non_null(crew);
    assert_in_range(os_crew_width(crew), 1, OS_CREW_MAX);
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        uint32_t count = turn % 3 ? TASKS : turn % 2;
        os_crew_run(crew, count, do_task, &board);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(board.done[i], 1);
            board.done[i] = 0;
        }
    }
    assert_int_equal(board.clashes, 0);
    os_crew_free(crew);
    os_crew_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_task_is_done_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
