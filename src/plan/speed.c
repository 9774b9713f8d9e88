#include "plan/speed.h"

#include <math.h>

#include "base/check.h"
#include "plan/queue.h"

#define LOAD_OF_GIVEN  0.75 /* where nothing says how a queue would build up */
#define LATE_OF_CHOICE 0.02 /* ways are compared at this share of late requests */
#define PROMPT_CV2     (1.0 / 3)

enum { BATCHES_MAX = 64 };

/* Profiles of one model, accelerator and tensor_parallel. */
struct range {
    const struct catalog_profile *rows;
    uint32_t count;
};

struct times {
    double prompt_ms, token_ms;
    bool is_estimate;
};

/* Between the measured prompt lengths straight lines; below the shortest its own times; above the
 * longest nothing is known. */
static bool times_at(struct range range, uint32_t batch, double tokens, struct times *ret_times)
{
    const struct catalog_profile *below = NULL, *above = NULL;
    for (uint32_t i = 0; i < range.count; i++) {
        const struct catalog_profile *row = &range.rows[i];
        if (row->batch != batch)
            continue;
        if (row->prompt_tokens <= tokens && (!below || row->prompt_tokens > below->prompt_tokens))
            below = row;
        if (row->prompt_tokens >= tokens && (!above || row->prompt_tokens < above->prompt_tokens))
            above = row;
    }
    if (!above)
        return false;
    if (!below)
        below = above;
    double width = (double)above->prompt_tokens - below->prompt_tokens;
    double at = width > 0 ? (tokens - below->prompt_tokens) / width : 0;
    *ret_times =
        (struct times){.prompt_ms = below->prompt_ms + at * (above->prompt_ms - below->prompt_ms),
                       .token_ms = below->token_ms + at * (above->token_ms - below->token_ms),
                       .is_estimate = below->fact.is_estimate || above->fact.is_estimate};
    return true;
}

static double hold_ms(const struct plan_speed *speed, const struct plan_bucket *bucket, uint32_t b)
{
    return bucket->answer * speed->token_ms[b] + speed->batch * speed->prompt_ms[b];
}

double plan_speed_mixed(const struct plan_speed *speed, const struct plan_wish_service *service,
                        uint32_t set)
{
    double time = 0, share = 0;
    for (uint32_t b = 0; b < service->bucket_count; b++) {
        if (!(set >> b & 1) || speed->rates[b] <= 0)
            continue;
        time += service->buckets[b].share / speed->rates[b];
        share += service->buckets[b].share;
    }
    return time > 0 ? share / time : 0;
}

double plan_speed_load(const struct plan_speed *speed, const struct plan_wish_service *service,
                       uint32_t set, double late_max)
{
    double shares = 0, held = 0, held2 = 0, prompt = 0, prompt2 = 0;
    if (service->load > 0)
        return service->load;
    if (speed->batch == 0)
        return LOAD_OF_GIVEN;
    for (uint32_t b = 0; b < service->bucket_count; b++) {
        if (!(set >> b & 1) || speed->rates[b] <= 0)
            continue;
        double share = service->buckets[b].share;
        double hold = hold_ms(speed, &service->buckets[b], b);
        shares += share;
        held += share * hold;
        held2 += share * 2 * hold * hold;
        prompt += share * speed->prompt_ms[b];
        prompt2 += share * (1 + PROMPT_CV2) * speed->prompt_ms[b] * speed->prompt_ms[b];
    }
    if (shares <= 0)
        return 0;
    held /= shares;
    prompt /= shares;
    struct plan_queue queues[2] = {
        {.servers = speed->engines * speed->batch * service->site_replicas_min,
         .time_ms = held,
         .cv2 = held2 / shares / (held * held) - 1,
         .budget_ms = service->wait_ms,
         .load_share = 1},
        {.servers = 1,
         .time_ms = prompt,
         .cv2 = prompt2 / shares / (prompt * prompt) - 1,
         .budget_ms = service->wait_ms,
         .load_share = speed->batch * prompt / held}};
    return plan_queue_load(queues, 2, late_max);
}

/* Fills in the times at one batch; false: not known, too much memory, or tokens come too slowly. */
static bool fill(const struct catalog *catalog, const struct plan_wish_service *service,
                 struct range range, struct plan_speed *speed)
{
    uint16_t model = service->model, sku = speed->sku;
    uint32_t tensor_parallel = speed->tensor_parallel;
    double tokens = 0, answer = 0, prompt = 0, token = 0, shares = 0;
    for (uint32_t b = 0; b < service->bucket_count; b++) {
        const struct plan_bucket *bucket = &service->buckets[b];
        struct times longest, mean, step;
        speed->rates[b] = 0;
        if (!catalog_fits(catalog, model, sku, tensor_parallel, 1,
                          bucket->prompt + bucket->answer) ||
            !times_at(range, 1, bucket->prompt, &longest) ||
            !times_at(range, 1, bucket->prompt_mean, &mean) ||
            !times_at(range, speed->batch, bucket->prompt_mean, &step))
            continue;
        speed->prompt_ms[b] = mean.prompt_ms;
        speed->token_ms[b] = step.token_ms;
        speed->first_ms[b] = longest.prompt_ms + step.token_ms;
        speed->is_estimate |= longest.is_estimate || mean.is_estimate || step.is_estimate;
        speed->rates[b] = 1000.0 * speed->engines * speed->batch / hold_ms(speed, bucket, b);
        shares += bucket->share;
        tokens += bucket->share * (bucket->prompt_mean + bucket->answer);
        answer += bucket->share * bucket->answer;
        prompt += bucket->share * mean.prompt_ms;
        token += bucket->share * bucket->answer * step.token_ms;
    }
    if (shares <= 0 || !catalog_fits(catalog, model, sku, tensor_parallel, speed->batch,
                                     (uint32_t)(tokens / shares) + 1))
        return false;
    return (token + speed->batch * prompt) / answer <= service->tpot_ms;
}

/* The batch that answers most within the wait; false: none. */
static bool choose_batch(const struct catalog *catalog, const struct plan_wish_service *service,
                         uint16_t sku, struct range range, struct plan_speed *ret_speed,
                         double *ret_rate)
{
    const struct catalog_sku *machine = &catalog->skus[sku];
    uint32_t tensor_parallel = range.rows[0].tensor_parallel, tried[BATCHES_MAX], count = 0;
    *ret_rate = 0;
    for (uint32_t i = 0; i < range.count && count < BATCHES_MAX; i++) {
        uint32_t j = 0;
        while (j < count && tried[j] != range.rows[i].batch)
            j++;
        if (j < count)
            continue;
        tried[count++] = range.rows[i].batch;
        struct plan_speed speed = {.sku = sku,
                                   .machines = 1,
                                   .engines = machine->accelerator_count / tensor_parallel,
                                   .tensor_parallel = tensor_parallel,
                                   .batch = range.rows[i].batch};
        if (!fill(catalog, service, range, &speed))
            continue;
        double rate = plan_speed_mixed(&speed, service, UINT32_MAX) *
                      plan_speed_load(&speed, service, UINT32_MAX, LATE_OF_CHOICE);
        if (rate <= *ret_rate)
            continue;
        *ret_rate = rate;
        *ret_speed = speed;
    }
    return *ret_rate > 0;
}

static bool is_dominated(const struct plan_speed *by, double by_rate, const struct plan_speed *own,
                         double own_rate, uint32_t bucket_count)
{
    bool is_worse = own_rate <= by_rate;
    for (uint32_t b = 0; b < bucket_count && is_worse; b++)
        is_worse = own->rates[b] <= 0 || (by->rates[b] > 0 && own->first_ms[b] >= by->first_ms[b]);
    return is_worse;
}

static uint32_t list_given(const struct plan_wish_service *service, uint16_t sku,
                           struct plan_speed *ret_speeds)
{
    for (uint32_t i = 0; i < service->speed_count; i++) {
        const struct plan_wish_speed *given = &service->speeds[i];
        if (given->sku != sku)
            continue;
        *ret_speeds = (struct plan_speed){.sku = sku, .machines = given->machines, .engines = 1};
        for (uint32_t b = 0; b < service->bucket_count; b++) {
            ret_speeds->rates[b] = given->rate;
            ret_speeds->first_ms[b] = given->time_ms;
        }
        return 1;
    }
    return 0;
}

/* The profiles from <at> on that share model, accelerator and tensor_parallel. */
static struct range range_at(const struct catalog *catalog, uint32_t at)
{
    const struct catalog_profile *first = &catalog->profiles[at];
    struct range range = {first, 0};
    for (; at < catalog->profile_count; at++, range.count++) {
        const struct catalog_profile *row = &catalog->profiles[at];
        if (row->model != first->model || row->tensor_parallel != first->tensor_parallel ||
            !span_is_equal(row->accelerator, first->accelerator))
            break;
    }
    return range;
}

static uint32_t drop_dominated(struct plan_speed *speeds, const double *rates, uint32_t count,
                               uint32_t bucket_count)
{
    uint32_t kept = 0;
    bool is_out[PLAN_SPEEDS_MAX] = {false};
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count && !is_out[i]; j++)
            is_out[i] = i != j && !is_out[j] &&
                        is_dominated(&speeds[j], rates[j], &speeds[i], rates[i], bucket_count);
    for (uint32_t i = 0; i < count; i++)
        if (!is_out[i])
            speeds[kept++] = speeds[i];
    return kept;
}

uint32_t plan_speed_list(const struct catalog *catalog, const struct plan_wish_service *service,
                         uint16_t sku, struct plan_speed ret_speeds[PLAN_SPEEDS_MAX])
{
    const struct catalog_sku *machine = &catalog->skus[sku];
    double rates[PLAN_SPEEDS_MAX];
    uint32_t count = 0;
    if (service->model == CATALOG_NONE)
        return list_given(service, sku, ret_speeds);
    for (uint32_t at = 0; at < catalog->profile_count && count < PLAN_SPEEDS_MAX;) {
        struct range range = range_at(catalog, at);
        const struct catalog_profile *first = range.rows;
        bool is_ours =
            first->model == service->model &&
            span_is_equal(first->accelerator, machine->accelerator) &&
            first->tensor_parallel <= machine->accelerator_count &&
            (service->tensor_parallel == 0 || service->tensor_parallel == first->tensor_parallel);
        if (is_ours &&
            choose_batch(catalog, service, sku, range, &ret_speeds[count], &rates[count]))
            count++;
        at += range.count;
    }
    return drop_dominated(ret_speeds, rates, count, service->bucket_count);
}
