/* engine_llama_io.c: GGUF models through llama.cpp (reference of its calls: llama_api.h).
 *
 * One context generates; batch.h says what a step computes. Its cache is split: each sequence has
 * context_tokens cells of its own, so that a stream attends over its own tokens only (in a unified
 * cache it passes over those of all others too: 8 streams of 200 tokens took 25 % more time).
 * llama.cpp computes neighbouring sequences of a split cache in one pass over the weights, and
 * begins another pass where one is missing; see bridge(). A second context of one sequence makes
 * embeddings (mean of the last layer, length 1). One thread owns both.
 *
 * Prompts: a GGUF with a chat template gets it, when it is one of those that
 * llama_chat_apply_template knows; one with another template is refused at load by name, since
 * answers to a wrongly framed prompt would look like answers. A GGUF without a template gets the
 * message texts joined by newlines. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "os/memory.h"
#include "os/process.h"
#include "worker/engine.h"
#include "worker/llama_api.h"

enum {
    CONTEXT_DEFAULT = 4096, /* when neither the fleet nor a smaller model says */
    STEP_TOKENS = 512,
    BRIDGE_MAX = 4, /* missing sequences between two streams, computed for nothing */
    HASHED_ALWAYS =
        256 << 20 /* larger files are hashed only when pinned: it would delay the start */
};

struct llama {
    struct llama_api api;
    struct llama_model *model;
    const struct llama_vocab *vocab;
    const char *chat_template; /* NULL: none */
    struct llama_context *context, *embedder;
    struct llama_batch batch, embed_batch;
    struct llama_sampler *samplers[BATCH_JOBS_MAX];
    uint32_t slots;
    uint32_t cells[BATCH_JOBS_MAX]; /* in use by each sequence */
    struct engine_progress *progress;
    uint32_t embed_tokens; /* context of the embedder */
    uint32_t dimensions;
    char *prompt; /* of the template */
    size_t prompt_room;
};

static void llama_unload(void *self)
{
    struct llama *llama = self;
    const struct llama_api *api = &llama->api;
    for (unsigned i = 0; i < BATCH_JOBS_MAX; i++)
        if (llama->samplers[i])
            api->llama_sampler_free(llama->samplers[i]);
    if (llama->batch.token)
        api->llama_batch_free(llama->batch);
    if (llama->embed_batch.token)
        api->llama_batch_free(llama->embed_batch);
    if (llama->context)
        api->llama_free(llama->context);
    if (llama->embedder)
        api->llama_free(llama->embedder);
    if (llama->model)
        api->llama_model_free(llama->model);
    os_free(llama->prompt);
    os_free(llama);
}

/* Loading ----------------------------------------------------------------------------------- */

/* First number of a one-line file, or -1 ("max" in a cgroup: no limit). */
static int64_t number_in_file(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    char line[32];
    uint64_t value;
    bool is_number = fgets(line, sizeof line, file) &&
                     span_to_u64(span_from(line, strcspn(line, "\n")), &value) &&
                     value <= INT64_MAX;
    fclose(file);
    return is_number ? (int64_t)value : -1;
}

/* Bytes that this process could still take: of the machine, and of its cgroup. */
static int64_t memory_left(void)
{
    int64_t left = INT64_MAX;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        struct span rest = span_of(line), name = span_cut(&rest, ':'); /* "name:   12 kB" */
        rest = span_trim(rest);
        uint64_t kib;
        if (span_is(name, "MemAvailable") && span_to_u64(span_cut(&rest, ' '), &kib) &&
            kib <= INT64_MAX / 1024)
            left = (int64_t)kib * 1024;
    }
    if (file)
        fclose(file);
    int64_t most = number_in_file("/sys/fs/cgroup/memory.max");
    int64_t used = number_in_file("/sys/fs/cgroup/memory.current");
    if (most > 0 && used >= 0 && most - used < left)
        left = most - used;
    return left;
}

static enum err check_pin(const char *path, struct span content, struct span pinned,
                          char ret_sha256[65], struct text *why)
{
    uint8_t digest[CRYPTO_SHA256_SIZE], said[CRYPTO_SHA256_SIZE];
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, ret_sha256);
    if (pinned.n == 0)
        return ERR_OK;
    if (pinned.n == 2 * sizeof said && crypto_unhex(pinned, said, sizeof said) &&
        crypto_is_equal(digest, said, sizeof said))
        return ERR_OK;
    text_add(why, "%s: expected the file with sha256 %.*s, found %s", path, SPAN_ARG(pinned),
             ret_sha256);
    return ERR_CORRUPT;
}

/* Is it a GGUF, whole as pinned, and small enough? What llama.cpp would say of these is unclear. */
static enum err check_file(const struct engine_model *row, char ret_sha256[65], struct text *why)
{
    const char *path = row->file.p;
    struct stat about;
    char magic[4] = {0};
    if (row->file.n == 0) {
        text_add(why, "expected a model file, found none named for %.*s", SPAN_ARG(row->name));
        return ERR_NOT_FOUND;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) < 0) {
        text_add(why, "%s: cannot be read: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_NOT_FOUND;
    }
    enum err err = ERR_OK;
    bool is_hashed = row->sha256.n || about.st_size <= HASHED_ALWAYS;
    int64_t left = memory_left();
    if (read(fd, magic, sizeof magic) != sizeof magic || memcmp(magic, "GGUF", 4) != 0) {
        text_add(why, "%s: expected a GGUF file, found one that does not begin with \"GGUF\"",
                 path);
        err = ERR_SYNTAX;
    } else if (about.st_size > left) {
        text_add(why, "%s: too big for memory: the model takes ", path);
        text_add_bytes(why, (uint64_t)about.st_size);
        text_add(why, ", free are ");
        text_add_bytes(why, (uint64_t)left);
        err = ERR_MEMORY;
    } else if (is_hashed) {
        void *mapped = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped == MAP_FAILED) {
            err = ERR_IO;
        } else {
            struct span content = span_from(mapped, (size_t)about.st_size);
            err = check_pin(path, content, row->sha256, ret_sha256, why);
            munmap(mapped, (size_t)about.st_size);
        }
    }
    close(fd);
    return err;
}

static enum err complain(const char *path, const char *what, struct text *why)
{
    const char *reason = llama_api_last_error();
    struct span line = span_trim(span_of(reason));
    text_add(why, "%s: %s", path, what);
    if (line.n)
        text_add(why, ": %.*s", SPAN_ARG(line));
    return ERR_UNSUPPORTED;
}

/* The template that the file brings, if it is one of the known ones; see above. */
static enum err check_template(struct llama *llama, const char *path, struct text *why)
{
    const struct llama_api *api = &llama->api;
    llama->chat_template = api->llama_model_chat_template(llama->model, NULL);
    if (!llama->chat_template)
        return ERR_OK;
    struct llama_chat_message message = {"user", "x"};
    if (api->llama_chat_apply_template(llama->chat_template, &message, 1, true, NULL, 0) >= 0)
        return ERR_OK;
    char name[128] = "?";
    if (api->llama_model_meta_val_str(llama->model, "general.name", name, sizeof name) < 0)
        memcpy(name, "without a name", sizeof "without a name");
    text_add(why,
             "%s (%s): its chat template is none of those that llama.cpp's C interface knows; "
             "it begins \"%.60s\". Use a model with a known one (chatml, llama2, llama3, mistral, "
             "gemma, phi3, deepseek ...)",
             path, name, llama->chat_template);
    return ERR_UNSUPPORTED;
}

/* Recurrent and hybrid models keep one state a sequence: no part of it can be forgotten or shared.
 */
static enum err check_kind(const struct llama *llama, const char *path, struct text *why)
{
    static const char *const questions[] = {"llama_model_is_recurrent", "llama_model_is_hybrid"};
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        void *symbol = llama_api_symbol(&llama->api, questions[i]);
        bool (*ask)(const struct llama_model *);
        memcpy(&ask, &symbol, sizeof ask);
        if (ask && ask(llama->model)) {
            text_add(why, "%s: recurrent and hybrid models are not supported", path);
            return ERR_UNSUPPORTED;
        }
    }
    return ERR_OK;
}

/* llama.cpp asks between two operations of a step whether to give it up: it lives. */
static bool go_on(void *data)
{
    struct llama *llama = data;
    llama->progress->note(llama->progress);
    return false;
}

/* The same while tensors are read: true is go on here. */
static bool go_on_loading(float share, void *data)
{
    struct llama *llama = data;
    (void)share;
    llama->progress->note(llama->progress);
    return true;
}

static struct llama_context_params base_params(struct llama *llama, uint32_t threads)
{
    struct llama_context_params params = llama->api.llama_context_default_params();
    params.n_threads = params.n_threads_batch = threads ? (int32_t)threads : 1;
    params.no_perf = true;
    params.abort_callback = go_on;
    params.abort_callback_data = llama;
    return params;
}

static enum err make_context(struct llama *llama, const struct engine_load *load,
                             struct engine_info *info, struct text *why)
{
    struct llama_context_params params = base_params(llama, load->threads);
    llama->slots = load->slots;
    params.n_ctx = (info->context_tokens + 1) * load->slots; /* one for bridge() */
    params.n_seq_max = load->slots;
    params.n_batch = params.n_ubatch = STEP_TOKENS + BATCH_JOBS_MAX;
    params.kv_unified = false;
    llama->context = llama->api.llama_init_from_model(llama->model, params);
    if (!llama->context) {
        text_add(why, "a cache of %u tokens x %u slots could not be made (too big for memory?)",
                 info->context_tokens, load->slots);
        return ERR_MEMORY;
    }
    info->step_tokens = STEP_TOKENS;
    llama->batch = llama->api.llama_batch_init((int32_t)params.n_batch, 0, 1);
    return llama->batch.token ? ERR_OK : ERR_MEMORY;
}

static enum err make_embedder(struct llama *llama, const struct engine_load *load,
                              struct engine_info *info, struct text *why)
{
    struct llama_context_params params = base_params(llama, load->threads);
    /* The mean needs the whole text in one micro-batch. */
    params.n_ctx = params.n_batch = params.n_ubatch = info->context_tokens;
    params.n_seq_max = 1;
    params.embeddings = true;
    params.pooling_type = LLAMA_POOLING_TYPE_MEAN;
    llama->embedder = llama->api.llama_init_from_model(llama->model, params);
    if (!llama->embedder) {
        text_add(why,
                 "a context of %u tokens for embeddings could not be made (too big for memory?)",
                 info->context_tokens);
        return ERR_MEMORY;
    }
    llama->embed_tokens = info->context_tokens;
    llama->dimensions = info->dimensions = (uint32_t)llama->api.llama_model_n_embd(llama->model);
    llama->embed_batch = llama->api.llama_batch_init((int32_t)info->context_tokens, 0, 1);
    return llama->embed_batch.token ? ERR_OK : ERR_MEMORY;
}

static uint32_t choose_context(const struct llama *llama, const struct engine_load *load)
{
    int32_t trained = llama->api.llama_model_n_ctx_train(llama->model);
    uint32_t most = trained > 0 ? (uint32_t)trained : CONTEXT_DEFAULT;
    uint32_t wanted = load->context_tokens ? load->context_tokens : CONTEXT_DEFAULT;
    return wanted < most ? wanted : most;
}

static enum err load_model(struct llama *llama, const struct engine_load *load,
                           struct engine_info *info, struct text *why)
{
    const struct engine_model *row = &load->models[0];
    enum err err = check_file(row, info->sha256, why);
    if (err)
        return err;
    setenv("GGML_NO_BACKTRACE", "1",
           1); /* an assertion ends the child; its worker starts another */
    err = llama_api_open(&llama->api, why);
    if (err)
        return err;
    llama->api.llama_backend_init();
    struct llama_model_params params = llama->api.llama_model_default_params();
    params.progress_callback = go_on_loading;
    params.progress_callback_user_data = llama;
    llama->model = llama->api.llama_model_load_from_file(row->file.p, params);
    if (!llama->model)
        return complain(row->file.p,
                        "is damaged, cut off, or of a kind that this llama.cpp "
                        "does not know",
                        why);
    llama->vocab = llama->api.llama_model_get_vocab(llama->model);
    info->context_tokens = choose_context(llama, load);
    text_add(why, "%s: ", row->file.p);
    if (load->embeds)
        err = make_embedder(llama, load, info, why);
    if (!err && load->generates)
        err = make_context(llama, load, info, why);
    if (err)
        return err;
    text_truncate(why, 0);
    if (!load->generates) {
        info->context_tokens = 0;
        return ERR_OK;
    }
    err = check_kind(llama, row->file.p, why);
    return err ? err : check_template(llama, row->file.p, why);
}

static enum err llama_load(const struct engine_load *load, void **ret_self,
                           struct engine_info *ret_info, struct text *why)
{
    struct engine_info info = {0};
    struct llama *llama = os_alloc(sizeof *llama);
    if (!llama)
        return ERR_MEMORY;
    llama->progress = load->progress;
    enum err err = load_model(llama, load, &info, why);
    if (err) {
        llama_unload(llama);
        return err;
    }
    struct text version;
    text_init(&version, info.version, sizeof info.version);
    text_add(&version, "llama.cpp %s (%s)", llama->api.version, llama->api.cpu_variant);
    *ret_info = info;
    *ret_self = llama;
    return ERR_OK;
}

/* Prompts ----------------------------------------------------------------------------------- */

static bool reserve(struct llama *llama, size_t size)
{
    if (size <= llama->prompt_room)
        return true;
    char *bigger = os_resize(llama->prompt, size);
    if (!bigger)
        return false;
    llama->prompt = bigger;
    llama->prompt_room = size;
    return true;
}

static enum err apply_template(struct llama *llama, const struct engine_message *messages,
                               size_t count, size_t *ret_size)
{
    struct llama_chat_message *chat = os_alloc(count * sizeof *chat);
    size_t size = 1024;
    if (!chat)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        chat[i] = (struct llama_chat_message){messages[i].role.p, messages[i].text.p};
        size += 2 * messages[i].text.n + 64;
    }
    enum err err = ERR_MEMORY;
    for (unsigned try = 0; err && try < 2 && size < INT32_MAX && reserve(llama, size); try++) {
        int32_t n = llama->api.llama_chat_apply_template(llama->chat_template, chat, count, true,
                                                         llama->prompt, (int32_t)size);
        if (n < 0)
            break;
        err = (size_t)n <= size ? ERR_OK : ERR_MEMORY;
        *ret_size = (size_t)n;
        size = (size_t)n + 1;
    }
    os_free(chat);
    return err;
}

static enum err join(struct llama *llama, const struct engine_message *messages, size_t count,
                     size_t *ret_size)
{
    size_t size = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        size += messages[i].text.n + 1;
    if (!reserve(llama, size + 1))
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (i)
            llama->prompt[at++] = '\n';
        memcpy(llama->prompt + at, messages[i].text.p, messages[i].text.n);
        at += messages[i].text.n;
    }
    *ret_size = at;
    return ERR_OK;
}

static enum err tokens_of(struct llama *llama, struct span text, bool has_marks, int32_t *tokens,
                          uint32_t room, uint32_t *ret_count)
{
    if (text.n > INT32_MAX)
        return ERR_FULL;
    int32_t n = llama->api.llama_tokenize(llama->vocab, text.p, (int32_t)text.n, tokens,
                                          (int32_t)room, true, has_marks);
    if (n == INT32_MIN)
        n = -INT32_MAX;
    *ret_count = (uint32_t)(n < 0 ? -n : n);
    return n < 0 ? ERR_FULL : ERR_OK;
}

static enum err llama_tokens(void *self, const struct engine_message *messages, size_t count,
                             int32_t *tokens, uint32_t room, uint32_t *ret_count)
{
    struct llama *llama = self;
    /* A completion's text comes without a role and is taken as it is. */
    bool is_chat = llama->chat_template && count > 0 && messages[0].role.n > 0;
    size_t size;
    enum err err = is_chat ? apply_template(llama, messages, count, &size)
                           : join(llama, messages, count, &size);
    if (err)
        return err;
    return tokens_of(llama, span_from(llama->prompt, size), is_chat, tokens, room, ret_count);
}

/* Generating -------------------------------------------------------------------------------- */

static enum err llama_begin(void *self, uint32_t job, const struct engine_sampling *sampling,
                            const int32_t *prompt, uint32_t prompt_count)
{
    struct llama *llama = self;
    const struct llama_api *api = &llama->api;
    CHECK(!llama->samplers[job] && prompt && prompt_count > 0);
    struct llama_sampler *chain =
        api->llama_sampler_chain_init(api->llama_sampler_chain_default_params());
    if (!chain)
        return ERR_MEMORY;
    if (sampling->temperature <= 0 || sampling->top_p <= 0) {
        api->llama_sampler_chain_add(chain, api->llama_sampler_init_greedy());
    } else {
        uint32_t seed = (uint32_t)(sampling->seed ^ sampling->seed >> 32);
        if (!sampling->is_seed_given && os_random(&seed, sizeof seed)) {
            api->llama_sampler_free(chain);
            return ERR_IO;
        }
        api->llama_sampler_chain_add(chain,
                                     api->llama_sampler_init_top_p((float)sampling->top_p, 1));
        api->llama_sampler_chain_add(chain,
                                     api->llama_sampler_init_temp((float)sampling->temperature));
        api->llama_sampler_chain_add(chain, api->llama_sampler_init_dist(seed));
    }
    llama->samplers[job] = chain;
    return ERR_OK;
}

static void llama_end(void *self, uint32_t job)
{
    struct llama *llama = self;
    if (llama->samplers[job])
        llama->api.llama_sampler_free(llama->samplers[job]);
    llama->samplers[job] = NULL;
}

static void forget(struct llama *llama, uint32_t sequence, uint32_t count)
{
    llama_memory_t memory = llama->api.llama_get_memory(llama->context);
    bool is_done = llama->api.llama_memory_seq_rm(memory, (int32_t)sequence, (int32_t)count, -1);
    CHECK(is_done); /* recurrent models, which cannot forget a part, were refused at load */
    llama->cells[sequence] = count;
}

static void llama_apply(void *self, const struct batch_action *action)
{
    struct llama *llama = self;
    if (action->kind == BATCH_COPY) /* a split cache copies sequences whole */
        llama->api.llama_memory_seq_cp(llama->api.llama_get_memory(llama->context),
                                       (int32_t)action->from, (int32_t)action->sequence, -1, -1);
    forget(llama, action->sequence, action->count);
}

static void add_token(struct llama_batch *batch, int32_t token, int32_t position, int32_t sequence,
                      bool wants_output)
{
    int32_t i = batch->n_tokens++;
    batch->token[i] = token;
    batch->pos[i] = position;
    batch->n_seq_id[i] = 1;
    batch->seq_id[i][0] = sequence;
    batch->logits[i] = wants_output;
}

/* The step's items by sequence, -1 where there is none; -2: computed for nothing, so that the
 * streams on both sides share a pass over the weights. That pass costs more than a few rows. */
static void bridge(const struct llama *llama, const struct batch_step *step, int *ret_items)
{
    for (uint32_t i = 0; i < llama->slots; i++)
        ret_items[i] = -1;
    for (uint32_t i = 0; i < step->item_count; i++) {
        uint32_t sequence = step->items[i].sequence;
        CHECK(sequence < llama->slots && ret_items[sequence] == -1);
        ret_items[sequence] = (int)i;
    }
    uint32_t missing = BRIDGE_MAX + 1; /* since the last stream */
    for (uint32_t i = 0; i < llama->slots; i++) {
        bool is_stream = ret_items[i] >= 0 && !step->items[ret_items[i]].is_prefill;
        if (!is_stream) {
            missing += ret_items[i] < 0;
            continue;
        }
        for (uint32_t j = i; missing > 0 && missing <= BRIDGE_MAX; j--) {
            missing -= ret_items[j] == -1;
            if (ret_items[j] == -1)
                ret_items[j] = -2;
        }
        missing = 0;
    }
}

static bool llama_compute(void *self, const struct batch_step *step, int32_t *ret_tokens)
{
    struct llama *llama = self;
    struct llama_batch *batch = &llama->batch;
    int items[BATCH_JOBS_MAX];
    int32_t rows[BATCH_JOBS_MAX] = {0}; /* of the items' last tokens */
    CHECK(step->token_count <= STEP_TOKENS);
    bridge(llama, step, items);
    batch->n_tokens = 0;
    for (uint32_t i = 0; i < llama->slots; i++) {
        if (items[i] == -2)
            add_token(batch, 0, (int32_t)llama->cells[i], (int32_t)i, false);
        if (items[i] < 0)
            continue;
        const struct batch_item *item = &step->items[items[i]];
        for (uint32_t j = 0; j < item->count; j++)
            add_token(batch, item->tokens[j], (int32_t)(item->first + j), (int32_t)i,
                      item->wants_token && j + 1 == item->count);
        rows[items[i]] = batch->n_tokens - 1;
    }
    if (llama->api.llama_decode(llama->context, *batch) != 0)
        return false;
    for (uint32_t i = 0; i < llama->slots; i++)
        if (items[i] == -2)
            forget(llama, i, llama->cells[i]);
    for (uint32_t i = 0; i < step->item_count; i++) {
        const struct batch_item *item = &step->items[i];
        llama->cells[item->sequence] = item->first + item->count;
        if (item->wants_token)
            ret_tokens[i] = llama->api.llama_sampler_sample(llama->samplers[item->job],
                                                            llama->context, rows[i]);
    }
    return true;
}

static bool llama_is_end(void *self, int32_t token)
{
    struct llama *llama = self;
    return llama->api.llama_vocab_is_eog(llama->vocab, token);
}

static size_t llama_bytes(void *self, int32_t token, char *buffer, size_t room)
{
    struct llama *llama = self;
    int32_t n =
        llama->api.llama_token_to_piece(llama->vocab, token, buffer, (int32_t)room, 0, false);
    return n > 0 ? (size_t)n : 0; /* a piece longer than the buffer is no text */
}

/* Embeddings -------------------------------------------------------------------------------- */

static enum err llama_embed(void *self, struct span text, float *ret_vector, uint32_t *ret_tokens,
                            struct text *why)
{
    struct llama *llama = self;
    const struct llama_api *api = &llama->api;
    uint32_t count = 0;
    enum err err =
        tokens_of(llama, text, false, llama->embed_batch.token, llama->embed_tokens, &count);
    if (err) {
        text_add(why,
                 "This model's maximum context length is %u tokens. However, your input has %u. "
                 "Please reduce its length.",
                 llama->embed_tokens, count);
        return err;
    }
    if (count == 0) {
        text_add(why, "an input has no tokens");
        return ERR_VALUE;
    }
    llama->embed_batch.n_tokens = 0;
    for (uint32_t i = 0; i < count; i++)
        add_token(&llama->embed_batch, llama->embed_batch.token[i], (int32_t)i, 0, true);
    api->llama_memory_clear(api->llama_get_memory(llama->embedder), true);
    const float *values = api->llama_decode(llama->embedder, llama->embed_batch) == 0
                              ? api->llama_get_embeddings_seq(llama->embedder, 0)
                              : NULL;
    if (!values) {
        text_add(why, "the embedding could not be computed");
        return ERR_IO;
    }
    double square = 0;
    for (uint32_t i = 0; i < llama->dimensions; i++)
        square += (double)values[i] * (double)values[i];
    double length = square > 0 ? __builtin_sqrt(square) : 1;
    for (uint32_t i = 0; i < llama->dimensions; i++)
        ret_vector[i] = (float)((double)values[i] / length);
    *ret_tokens = count;
    return ERR_OK;
}

const struct engine_ops engine_llama_ops = {.name = "llama",
                                            .load = llama_load,
                                            .unload = llama_unload,
                                            .tokenize = llama_tokens,
                                            .begin = llama_begin,
                                            .end = llama_end,
                                            .apply = llama_apply,
                                            .compute = llama_compute,
                                            .is_end = llama_is_end,
                                            .bytes = llama_bytes,
                                            .embed = llama_embed};
