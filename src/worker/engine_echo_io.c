/* engine_echo_io.c: an engine without a model: deterministic words from a hash of the prompt. For
 * tests, for worlds paced to a profile, and for builds without llama.
 *
 * A prompt token stands for 4 bytes of text, as the gateway estimates. Word i of the answer depends
 * on the prompt, the seed (when the client gave one) and i only, so a retry on another replica
 * continues with the same words. It says exactly max_tokens words when the client gave that number
 * (finish_reason length), else ECHO_WORDS_DEFAULT (stop). */
#include "base/check.h"
#include "base/hash.h"
#include "os/memory.h"
#include "worker/engine.h"

enum { ECHO_WORDS_DEFAULT = 64, ECHO_CONTEXT_DEFAULT = 4096, ECHO_DIMENSIONS = 64, TOKEN_END = -1 };

static const char *const words[64] = {
    "the",   "river",  "stone", "light",  "of",     "morning", "carries", "a",     "small", "boat",
    "over",  "quiet",  "water", "and",    "every",  "field",   "turns",   "green", "when",  "rain",
    "comes", "from",   "far",   "hills",  "where",  "old",     "roads",   "meet",  "under", "open",
    "sky",   "people", "walk",  "slowly", "home",   "with",    "bread",   "in",    "their", "hands",
    "while", "lamps",  "glow",  "behind", "narrow", "windows", "until",   "night", "falls", "again",
    "then",  "birds",  "rest",  "near",   "tall",   "trees",   "whose",   "roots", "hold",  "earth",
    "as",    "one",    "slow",  "song"};

struct echo_job {
    uint64_t hash;
    uint32_t said, limit;
};

struct echo {
    struct echo_job jobs[BATCH_JOBS_MAX];
};

static enum err echo_load(const struct engine_load *load, void **ret_self,
                          struct engine_info *ret_info, struct text *why)
{
    struct echo *echo = os_alloc(sizeof *echo);
    if (!echo) {
        text_add(why, "the system gave no memory");
        return ERR_MEMORY;
    }
    struct engine_info info = {.version = "echo 1", .dimensions = ECHO_DIMENSIONS};
    info.context_tokens = load->context_tokens ? load->context_tokens : ECHO_CONTEXT_DEFAULT;
    info.step_tokens = 2048;
    *ret_info = info;
    *ret_self = echo;
    return ERR_OK;
}

static void echo_unload(void *self)
{
    os_free(self);
}

static uint32_t add_text(struct span text, int32_t *tokens, uint32_t room, uint32_t count)
{
    for (size_t at = 0; at < text.n; at += 4) {
        size_t n = text.n - at < 4 ? text.n - at : 4;
        uint32_t token = 0;
        memcpy(&token, text.p + at, n);
        if (count < room)
            tokens[count] = (int32_t)(token & 0x7fffffff);
        count++;
    }
    return count;
}

static enum err echo_tokenize(void *self, const struct engine_message *messages, size_t count,
                              int32_t *tokens, uint32_t room, uint32_t *ret_count)
{
    CHECK(self);
    uint32_t used = 0;
    for (size_t i = 0; i < count; i++)
        used = add_text(messages[i].text, tokens, room, used);
    if (used == 0) {
        tokens[0] = 0; /* an empty prompt still begins somewhere */
        used = 1;
    }
    *ret_count = used;
    return used > room ? ERR_FULL : ERR_OK;
}

static enum err echo_begin(void *self, uint32_t job, const struct engine_sampling *sampling,
                           const int32_t *prompt, uint32_t prompt_count)
{
    struct echo *echo = self;
    uint64_t seed = sampling->is_seed_given ? sampling->seed : 0;
    uint32_t limit = sampling->is_max_given ? sampling->max_tokens + 1 : ECHO_WORDS_DEFAULT;
    echo->jobs[job] = (struct echo_job){
        .hash = hash_bytes(prompt, prompt_count * sizeof *prompt, seed), .limit = limit};
    return ERR_OK;
}

static void echo_end(void *self, uint32_t job)
{
    ((struct echo *)self)->jobs[job] = (struct echo_job){0};
}

static void echo_apply(void *self, const struct batch_action *action)
{
    CHECK(self && action);
}

static bool echo_compute(void *self, const struct batch_step *step, int32_t *ret_tokens)
{
    struct echo *echo = self;
    for (uint32_t i = 0; i < step->item_count; i++) {
        if (!step->items[i].wants_token)
            continue;
        struct echo_job *job = &echo->jobs[step->items[i].job];
        bool is_over = job->said == job->limit;
        ret_tokens[i] = is_over ? TOKEN_END : (int32_t)(hash_pair(job->hash, job->said) % 64);
        job->said += !is_over;
    }
    return true;
}

static bool echo_is_end(void *self, int32_t token)
{
    CHECK(self);
    return token == TOKEN_END;
}

static size_t echo_bytes(void *self, int32_t token, char *buffer, size_t room)
{
    CHECK(self && token >= 0 && token < 64 && room >= 256);
    size_t n = strlen(words[token]);
    buffer[0] = ' ';
    memcpy(buffer + 1, words[token], n);
    return n + 1;
}

/* Words that two texts share bring their vectors together: each word adds +-1 to each dimension. */
static enum err echo_embed(void *self, struct span text, float *ret_vector, uint32_t *ret_tokens,
                           struct text *why)
{
    CHECK(self && why);
    double sum[ECHO_DIMENSIONS] = {1};
    struct span rest = text;
    while (rest.p && rest.n) {
        uint64_t bits = hash_span(span_cut(&rest, ' '), 7);
        for (unsigned i = 0; i < ECHO_DIMENSIONS; i++)
            sum[i] += (bits >> i & 1) ? 1 : -1;
    }
    double square = 0;
    for (unsigned i = 0; i < ECHO_DIMENSIONS; i++)
        square += sum[i] * sum[i];
    double length = square > 0 ? __builtin_sqrt(square) : 1;
    for (unsigned i = 0; i < ECHO_DIMENSIONS; i++)
        ret_vector[i] = (float)(sum[i] / length);
    *ret_tokens = (uint32_t)((text.n + 3) / 4) + (text.n == 0);
    return ERR_OK;
}

const struct engine_ops engine_echo_ops = {.name = "echo",
                                           .load = echo_load,
                                           .unload = echo_unload,
                                           .tokenize = echo_tokenize,
                                           .begin = echo_begin,
                                           .end = echo_end,
                                           .apply = echo_apply,
                                           .compute = echo_compute,
                                           .is_end = echo_is_end,
                                           .bytes = echo_bytes,
                                           .embed = echo_embed};
