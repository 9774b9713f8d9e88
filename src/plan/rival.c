#include "plan/rival.h"

#include "base/check.h"
#include "plan/rival_shop.h"

static const struct {
    const char *name;
    enum err (*run)(struct plan_rival_shop *shop);
    bool gets_all_sizes; /* in every place, so that all its machines must do them */
} rivals[PLAN_RIVALS] = {
    [PLAN_RIVAL_SINGLE_REGION] = {"single-cheapest-region", plan_rival_single_region, true},
    [PLAN_RIVAL_NEAREST] = {"nearest", plan_rival_nearest, false},
    [PLAN_RIVAL_SKYPILOT] = {"skypilot-like", plan_rival_skypilot, true},
    [PLAN_RIVAL_MELANGE] = {"melange-like", plan_rival_melange, false},
    [PLAN_RIVAL_SPOTHEDGE] = {"spothedge-like", plan_rival_spothedge, true},
    [PLAN_RIVAL_ROUND_ROBIN] = {"round-robin-regions", plan_rival_round_robin, true},
};

const char *plan_rival_name(enum plan_rival rival)
{
    CHECK(rival < PLAN_RIVALS);
    return rivals[rival].name;
}

static bool is_used(const struct plan_rival_shop *shop, uint32_t region)
{
    for (uint32_t c = 0; c < shop->problem->column_count; c++)
        if (shop->counts[c] > 0 &&
            shop->problem->nodes[shop->problem->columns[c].node].region == region)
            return true;
    return false;
}

/* What is bought for one loss stands when the next is looked at; a region that is used only then
 * need not be lost, since all that answers without a loss is elsewhere. */
static enum err survive(struct plan_rival_shop *shop, enum plan_rival rival)
{
    uint32_t region_count = shop->problem->region_count;
    bool *is_lost = ARENA_ARRAY(shop->arena, bool, region_count);
    enum err err = is_lost ? ERR_OK : ERR_MEMORY;
    for (uint32_t r = 0; !err && r < region_count; r++)
        is_lost[r] = is_used(shop, r);
    for (uint32_t r = 0; !err && r < region_count; r++)
        if (is_lost[r]) {
            shop->lost = r;
            err = rivals[rival].run(shop);
        }
    shop->lost = PLAN_NONE;
    return err;
}

enum err plan_rival_place(const struct plan_formulation *made, enum plan_rival rival,
                          bool survives_region, const struct plan_lp_api *lp, struct arena *arena,
                          uint32_t **ret_counts)
{
    CHECK(rival < PLAN_RIVALS);
    struct plan_rival_shop shop;
    if (!plan_rival_shop_open(&shop, made, rivals[rival].gets_all_sizes, lp, arena))
        return ERR_MEMORY;
    enum err err = rivals[rival].run(&shop);
    if (!err && survives_region)
        err = survive(&shop, rival);
    if (!err)
        *ret_counts = shop.counts;
    return err;
}
