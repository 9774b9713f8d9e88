/* wish_lab_test.h: for tests that plan wishes of the small world (wish_world_test.h) with the real
 * LP library: memory for one plan after the other, and what the last one complained of. Behind
 * cmocka.h. */
#ifndef PLAN_WISH_LAB_TEST_H
#define PLAN_WISH_LAB_TEST_H

#include <stdlib.h>

#include "plan/lp.h"
#include "plan/wish_world_test.h"

enum { LAB_SCRATCH = 512 << 20 };

static struct small_world world;
static struct plan_lp_api lp;
static struct arena arena; /* empty again for each wish */
static struct text why;    /* writes to <message> */
static char *scratch, message[8192];

/* <yaml> as small_world_read() has it, into <world>; it must be right. */
static inline void lab_read(const char *yaml)
{
    enum err err = small_world_read(&world, yaml);
    for (uint32_t i = 0; err && i < world.complaints.count; i++)
        print_message("%u: %.*s\n", world.complaints.row[i].line,
                      SPAN_ARG(world.complaints.row[i].message));
    assert_int_equal(err, ERR_OK);
    text_init(&why, message, sizeof message);
    free(scratch);
    scratch = calloc(1, LAB_SCRATCH);
    assert_non_null(scratch);
    arena_init(&arena, scratch, LAB_SCRATCH);
}

static inline int lab_open(void **state)
{
    (void)state;
    text_init(&why, message, sizeof message);
    return plan_lp_clp_open(&lp, &why) == ERR_OK ? 0 : -1;
}

static inline int lab_close(void **state)
{
    (void)state;
    free(scratch);
    return 0;
}

#endif
