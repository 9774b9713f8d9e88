/* llama_loop: the barest loop over llama.cpp that serves some streams at once. What farspan adds on
 * top of the engine is measured against it, on the same libraries, model, prompt and samplers.
 *
 *   llama_loop MODEL.gguf [--streams 1] [--tokens 128] [--threads 1] [--runs 3] [--prompt TEXT]
 *              [--greedy] [--stop] [--unified]
 *
 * All streams start together; each step decodes one token of every stream in one batch, samples it
 * and turns it into text. Every stream makes exactly --tokens tokens, unless --stop lets it end at
 * the model's own end. Prints one JSON object; rates are medians over the runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "worker/llama_api.h"

enum { STREAMS_MAX = 64, RUNS_MAX = 32, PROMPT_MAX = 1024, TOKENS_MAX = 1 << 20 };

struct settings {
    const char *model, *prompt;
    int streams, tokens, threads, runs;
    bool is_greedy, may_stop, is_unified;
};

struct stream {
    struct llama_sampler *sampler;
    llama_token token; /* sampled, to be decoded by the next step */
    int made;          /* tokens */
    int row;           /* of the batch that has its logits */
    bool is_done;
};

struct loop {
    struct llama_api api;
    struct settings settings;
    struct llama_model *model;
    struct llama_context *ctx;
    const struct llama_vocab *vocab;
    struct llama_batch batch;
    llama_token prompt[PROMPT_MAX];
    int prompt_count;
    struct stream streams[STREAMS_MAX];
    size_t text_bytes; /* of all pieces, so that they are made */
};

struct result {
    double prompt_s, decode_s;
    long tokens, steps;
};

_Noreturn static void die(const char *what, const char *detail)
{
    fprintf(stderr, "llama_loop: %s: %s\n", what, detail);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int number(const char *name, const char *value, int min, int max)
{
    char *end = NULL;
    const long n = value ? strtol(value, &end, 10) : 0;
    if (!value || end == value || *end || n < min || n > max)
        die("expected a number within its range after", name);
    return (int)n;
}

static struct settings settings_read(int argc, char **argv)
{
    struct settings s = {.prompt = "It is a truth universally acknowledged, that a single man",
                         .streams = 1,
                         .tokens = 128,
                         .threads = 1,
                         .runs = 3};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (name[0] != '-') {
            s.model = name;
            continue;
        }
        if (strcmp(name, "--greedy") == 0) {
            s.is_greedy = true;
            continue;
        }
        if (strcmp(name, "--unified") == 0) { /* one cache for all streams */
            s.is_unified = true;
            continue;
        }
        if (strcmp(name, "--stop") == 0) {
            s.may_stop = true;
            continue;
        }
        if (strcmp(name, "--streams") == 0)
            s.streams = number(name, value, 1, STREAMS_MAX);
        else if (strcmp(name, "--tokens") == 0)
            s.tokens = number(name, value, 1, TOKENS_MAX);
        else if (strcmp(name, "--threads") == 0)
            s.threads = number(name, value, 1, 256);
        else if (strcmp(name, "--runs") == 0)
            s.runs = number(name, value, 1, RUNS_MAX);
        else if (strcmp(name, "--prompt") == 0 && value)
            s.prompt = value;
        else
            die("unknown or incomplete argument", name);
        i++;
    }
    if (!s.model)
        die("expected", "MODEL.gguf [--streams N] [--tokens N] [--threads N] [--runs N] "
                        "[--prompt TEXT] [--greedy] [--stop] [--unified]");
    return s;
}

static struct llama_sampler *sampler_new(const struct llama_api *api, bool is_greedy, uint32_t seed)
{
    struct llama_sampler *s =
        api->llama_sampler_chain_init(api->llama_sampler_chain_default_params());
    if (is_greedy) {
        api->llama_sampler_chain_add(s, api->llama_sampler_init_greedy());
        return s;
    }
    api->llama_sampler_chain_add(s, api->llama_sampler_init_top_k(40));
    api->llama_sampler_chain_add(s, api->llama_sampler_init_top_p(0.95F, 1));
    api->llama_sampler_chain_add(s, api->llama_sampler_init_temp(0.8F));
    api->llama_sampler_chain_add(s, api->llama_sampler_init_dist(seed));
    return s;
}

static void loop_open(struct loop *l)
{
    static char buffer[1024];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    if (llama_api_open(&l->api, &why) != ERR_OK)
        die("cannot open llama.cpp", buffer);
    const struct llama_api *api = &l->api;
    const struct settings *s = &l->settings;
    l->model = api->llama_model_load_from_file(s->model, api->llama_model_default_params());
    if (!l->model)
        die("cannot load the model", llama_api_last_error());
    l->vocab = api->llama_model_get_vocab(l->model);
    l->prompt_count = api->llama_tokenize(l->vocab, s->prompt, (int32_t)strlen(s->prompt),
                                          l->prompt, PROMPT_MAX, true, false);
    if (l->prompt_count <= 0)
        die("expected a prompt of 1 to 1024 tokens", s->prompt);
    struct llama_context_params params = api->llama_context_default_params();
    const int each = (l->prompt_count + s->tokens + 255) / 256 * 256;
    const int rows = l->prompt_count * s->streams;
    params.n_ctx = (uint32_t)(each * s->streams);
    params.n_batch = (uint32_t)(rows > 512 ? rows : 512);
    params.n_seq_max = (uint32_t)s->streams;
    params.n_threads = params.n_threads_batch = s->threads;
    params.kv_unified = s->is_unified;
    l->ctx = api->llama_init_from_model(l->model, params);
    if (!l->ctx)
        die("cannot make a context", llama_api_last_error());
    l->batch = api->llama_batch_init((int32_t)params.n_batch, 0, 1);
}

static int batch_add(struct llama_batch *b, llama_token token, int position, int sequence)
{
    const int row = b->n_tokens++;
    b->token[row] = token;
    b->pos[row] = position;
    b->n_seq_id[row] = 1;
    b->seq_id[row][0] = sequence;
    b->logits[row] = 0;
    return row;
}

static void decode(struct loop *l)
{
    if (l->api.llama_decode(l->ctx, l->batch) != 0)
        die("llama_decode failed", llama_api_last_error());
}

static void sample(struct loop *l, struct stream *stream)
{
    char piece[256];
    stream->token = l->api.llama_sampler_sample(stream->sampler, l->ctx, stream->row);
    const int n =
        l->api.llama_token_to_piece(l->vocab, stream->token, piece, sizeof piece, 0, false);
    l->text_bytes += n > 0 ? (size_t)n : 0;
    stream->made++;
    stream->is_done = stream->made >= l->settings.tokens ||
                      (l->settings.may_stop && l->api.llama_vocab_is_eog(l->vocab, stream->token));
}

static void prompts_decode(struct loop *l)
{
    l->batch.n_tokens = 0;
    for (int i = 0; i < l->settings.streams; i++) {
        for (int j = 0; j < l->prompt_count; j++)
            l->streams[i].row = batch_add(&l->batch, l->prompt[j], j, i);
        l->batch.logits[l->streams[i].row] = 1;
    }
    decode(l);
    for (int i = 0; i < l->settings.streams; i++)
        sample(l, &l->streams[i]);
}

/* One token for every stream that is not done; false when there is none. */
static bool step(struct loop *l)
{
    l->batch.n_tokens = 0;
    for (int i = 0; i < l->settings.streams; i++) {
        struct stream *s = &l->streams[i];
        if (s->is_done)
            continue;
        s->row = batch_add(&l->batch, s->token, l->prompt_count + s->made - 1, i);
        l->batch.logits[s->row] = 1;
    }
    if (l->batch.n_tokens == 0)
        return false;
    decode(l);
    for (int i = 0; i < l->settings.streams; i++)
        if (!l->streams[i].is_done)
            sample(l, &l->streams[i]);
    return true;
}

static struct result run(struct loop *l)
{
    struct result r = {0};
    l->api.llama_memory_clear(l->api.llama_get_memory(l->ctx), true);
    for (int i = 0; i < l->settings.streams; i++) {
        struct llama_sampler *sampler =
            sampler_new(&l->api, l->settings.is_greedy, (uint32_t)i + 1);
        l->streams[i] = (struct stream){.sampler = sampler};
    }
    const double start = seconds();
    prompts_decode(l);
    const double prompted = seconds();
    while (step(l))
        r.steps++;
    r.prompt_s = prompted - start;
    r.decode_s = seconds() - prompted;
    for (int i = 0; i < l->settings.streams; i++) {
        r.tokens += l->streams[i].made;
        l->api.llama_sampler_free(l->streams[i].sampler);
    }
    return r;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, int count)
{
    qsort(value, (size_t)count, sizeof *value, compare);
    return value[count / 2];
}

static void report(struct loop *l, const struct result *results)
{
    double all[RUNS_MAX], decoding[RUNS_MAX], step_ms[RUNS_MAX], prompt_ms[RUNS_MAX];
    const struct settings *s = &l->settings;
    long tokens = 0;
    for (int i = 0; i < s->runs; i++) {
        const struct result *r = &results[i];
        const double first = s->streams; /* these come from the prompts' step */
        tokens = r->tokens;
        all[i] = (double)r->tokens / (r->prompt_s + r->decode_s);
        decoding[i] = r->steps > 0 ? ((double)r->tokens - first) / r->decode_s : 0;
        step_ms[i] = r->steps > 0 ? 1e3 * r->decode_s / (double)r->steps : 0;
        prompt_ms[i] = 1e3 * r->prompt_s;
    }
    printf("{\"streams\":%d,\"threads\":%d,\"prompt_tokens\":%d,\"tokens\":%ld,\"runs\":%d,"
           "\"tokens_per_s\":%.1f,\"decode_tokens_per_s\":%.1f,\"step_ms\":%.3f,\"prompt_ms\":%.3f,"
           "\"model_bytes\":%llu,\"model_params\":%llu,\"llama\":\"%s\",\"cpu\":\"%s\"}\n",
           s->streams, s->threads, l->prompt_count, tokens, s->runs, median(all, s->runs),
           median(decoding, s->runs), median(step_ms, s->runs), median(prompt_ms, s->runs),
           (unsigned long long)l->api.llama_model_size(l->model),
           (unsigned long long)l->api.llama_model_n_params(l->model), l->api.version,
           l->api.cpu_variant);
}

int main(int argc, char **argv)
{
    static struct loop l;
    static struct result results[RUNS_MAX];
    l.settings = settings_read(argc, argv);
    loop_open(&l);
    run(&l); /* warm-up: pages and caches */
    for (int i = 0; i < l.settings.runs; i++)
        results[i] = run(&l);
    report(&l, results);
    l.api.llama_batch_free(l.batch);
    l.api.llama_free(l.ctx);
    l.api.llama_model_free(l.model);
    return l.text_bytes == 0;
}
