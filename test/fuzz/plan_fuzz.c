/* plan_fuzz.c: any bytes as a farspan.yaml with a plan, against a small catalogue. Whatever comes:
 * a wish, or complaints; and of a wish a programme that passes its check, or a reason. */
#include <stdint.h>
#include <stdlib.h>

#include "plan/formulate.h"
#include "plan/wish_world_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the solver relies on beyond plan_problem_check(). */
static void check_formulation(const struct plan_formulation *made)
{
    const struct plan_problem *problem = &made->problem;
    char message[256];
    struct text why;
    text_init(&why, message, sizeof message);
    enum err err = plan_problem_check(problem, &why);
    CHECK(err == ERR_OK || err == ERR_VALUE);
    for (uint32_t d = 0; d < problem->demand_count; d++)
        CHECK(made->demands[d].work > 0);
    for (uint32_t c = 0; c < problem->column_count; c++)
        CHECK(made->columns[c].speed < made->speed_count && made->columns[c].usd_h >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct small_world world;
    static char memory[128 << 20], message[8192];
    struct arena arena;
    struct text why;
    small_world_open(&world);
    struct span bytes = span_from((const char *)data, size);
    enum err err = plan_wish_open_io(bytes, SPAN_LITERAL("fuzz"), &world.arena, &world.complaints,
                                     &world.document);
    if (!err)
        err = plan_wish_read(&world.document, world.catalog, &world.arena, &world.complaints,
                             &world.wish);
    CHECK(err == ERR_OK || err == ERR_SYNTAX || err == ERR_MEMORY);
    CHECK((err == ERR_SYNTAX) == (world.complaints.count > 0) || err == ERR_MEMORY);
    if (err)
        return 0;
    struct plan_formulation *made = NULL;
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, message, sizeof message);
    err = plan_formulate(world.wish, NULL, &arena, &made, &why);
    CHECK((err == ERR_OK) == (made != NULL));
    CHECK(err == ERR_OK || err == ERR_MEMORY || why.n > 0);
    if (made)
        check_formulation(made);
    return 0;
}
