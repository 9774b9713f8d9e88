/* demo_plan.h: the requests of a demo, made from a recorded trace before the first is sent.
 *
 * Arrival times and sizes are the trace's, from its busiest stretch of the demo's length. Context
 * tokens are scaled by one factor so that the trace's 95th percentile fits the model's context
 * beside the longest answer; longer ones are clipped and counted. Generated tokens are scaled to a
 * mean of <output_mean> and clipped to <output_max>. Texts: a system prompt all share, then a
 * conversation per user that grows by a turn a request, so that prefixes repeat as they do in real
 * chats (a new conversation begins when the next turn would not fit). Beside each chat run calls of
 * the small services at a steady pace. All choices come from one seed. */
#ifndef CLI_DEMO_PLAN_H
#define CLI_DEMO_PLAN_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "fleet/fleet.h"

enum demo_kind { DEMO_CHAT, DEMO_RISK, DEMO_DIGITS, DEMO_EMBED };

struct demo_request {
    int64_t at_us; /* after the start */
    enum demo_kind kind;
    uint16_t zone;
    uint16_t output_tokens;
    uint16_t prompt_tokens; /* by our estimate */
    struct span body;       /* JSON */
};

struct demo_rules {
    const struct fleet *fleet;
    const char *trace_path;  /* CSV: arrival_ms, context_tokens, generated_tokens; a header line */
    const char *text_path;   /* plain text that prompts are cut from */
    const char *risk_path;   /* german.data */
    const char *digits_path; /* optdigits.tes */
    int64_t duration_us;
    double speed; /* arrivals come this many times faster */
    uint32_t context_tokens;
    uint32_t output_mean, output_max;
    uint64_t seed;
};

struct demo_plan {
    struct demo_request *requests; /* by at_us */
    uint32_t count, chat_count;
    uint32_t clipped_contexts, clipped_outputs;
    double context_scale, output_scale;
};

/* Everything is taken from <arena>. */
MUST_USE enum err demo_plan_make(const struct demo_rules *rules, struct arena *arena,
                                 struct demo_plan *ret_plan, struct text *why);

const char *demo_kind_path(enum demo_kind kind); /* "/v1/chat/completions" ... */

#endif
