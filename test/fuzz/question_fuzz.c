/* question_fuzz.c: any bytes as a what-if about a wish that has a rule of every kind. Whatever
 * comes: a question, or a reason; and of a question a changed wish whose programme passes its
 * check, or a reason. The wish itself stays as it was. */
#include <stdint.h>
#include <stdlib.h>

#include "plan/formulate.h"
#include "plan/question.h"
#include "plan/wish_world_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char wish[] =
    " {lose: region, budget: $50/h, carbon_max: 90kg/h, power_max: 90kW, regions: ['a:east', "
    "'b:north', 'b:south'], skus: [cpu, cpub, gpu4], markets: [on_demand, spot],\n"
    "  stock: [{region: 'a:east', count: 9}], forbid: [{region: 'b:south', sku: cpub}],\n"
    "  reserved: [{region: 'a:east', sku: cpu, count: 2}],\n"
    "  sites: [{name: 'site:home', near: 'a:east', sku: cpu, count: 3, power_max: 5kW}],\n"
    "  pins: [{service: tag, region: 'a:east', sku: cpu, count: 1}],\n"
    "  services: [{name: tag, load: 50%, demand: 8req/s, speeds: [{sku: cpu, rate: 10req/s, time: "
    "5ms}, {sku: cpub, rate: 10req/s, time: 5ms}], slo: {ttft: 400ms, wait: 10ms}, spread: 90%,\n"
    "    spot: 50%, spot_spread: 90%, replicas_min: 2, regions_min: 2, clients: [{zone: eu, "
    "residency: [eu]}]}]}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct small_world world;
    static char memory[64 << 20], message[8192];
    static struct plan_question question;
    struct arena arena;
    struct text why;
    enum err err = small_world_read(&world, wish);
    CHECK(err == ERR_OK);
    arena_init(&arena, memory, sizeof memory);
    text_init(&why, message, sizeof message);
    err = plan_question_read(world.wish, span_from((const char *)data, size), &arena, &question,
                             &why);
    CHECK(err == ERR_OK || (err == ERR_VALUE && why.n > 0));
    if (err)
        return 0;
    CHECK(question.count > 0 && why.n == 0);
    uint32_t stocks = world.wish->stock_count;
    const struct plan_wish *changed =
        plan_wish_pull(world.wish, question.pulls, question.count, &arena);
    CHECK(changed && world.wish->stock_count == stocks && world.wish->lose == PLAN_LOSE_REGION);
    struct plan_formulation *made = NULL;
    err = plan_formulate(changed, NULL, &arena, &made, &why);
    CHECK((err == ERR_OK) == (made != NULL));
    CHECK(err == ERR_OK || err == ERR_MEMORY || why.n > 0);
    if (!made)
        return 0;
    text_truncate(&why, 0);
    err = plan_problem_check(&made->problem, &why);
    CHECK(err == ERR_OK || why.n > 0);
    return 0;
}
