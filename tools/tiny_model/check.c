/* Measures a finished file through llama.h alone: mean loss on all held-out windows, in nats a
 * token and bits a character, and a sample of text. Where this and the trainer agree, the graph of
 * the trainer is that of the runtime. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "llama.h"
#include "tiny.h"

enum { SAMPLE_TOKENS = 160, THREADS = 1 };

static double row_loss(const float *logit, int32_t target)
{
    double top = (double)logit[0], sum = 0;
    for (int i = 1; i < TINY_VOCAB; i++)
        top = fmax(top, (double)logit[i]);
    for (int i = 0; i < TINY_VOCAB; i++)
        sum += exp((double)logit[i] - top);
    return top + log(sum) - (double)logit[target];
}

static double window_loss(struct llama_context *ctx, const int32_t *token)
{
    struct llama_batch batch = llama_batch_init(TINY_WINDOW, 0, 1);
    batch.n_tokens = TINY_WINDOW;
    for (int i = 0; i < TINY_WINDOW; i++) {
        batch.token[i] = token[i];
        batch.pos[i] = i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    llama_memory_clear(llama_get_memory(ctx), true);
    if (llama_decode(ctx, batch) != 0)
        tiny_die("decode failed", "held-out window");
    double sum = 0;
    for (int i = 0; i < TINY_WINDOW; i++)
        sum += row_loss(llama_get_logits_ith(ctx, i), token[i + 1]);
    llama_batch_free(batch);
    return sum / TINY_WINDOW;
}

static long characters(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f || fseek(f, 0, SEEK_END) != 0)
        tiny_die("cannot read", path);
    const long n = ftell(f);
    fclose(f);
    return n;
}

static void held_report(struct llama_context *ctx, const char *gguf, const char *path)
{
    struct tiny_text text;
    tiny_vocab_read(gguf, path, &text);
    const size_t windows = (text.count - 1) / TINY_WINDOW;
    double sum = 0;
    for (size_t i = 0; i < windows; i++)
        sum += window_loss(ctx, text.token + i * TINY_WINDOW);
    const double loss = sum / (double)windows;
    const double chars = (double)characters(path) / (double)text.count;
    printf("held out: %zu tokens, loss %.3f nats a token, %.3f bits a character\n",
           windows * TINY_WINDOW, loss, loss / log(2) / chars);
}

static void sample_print(const struct llama_vocab *vocab, struct llama_context *ctx,
                         const char *prompt, uint32_t seed)
{
    int32_t token[TINY_WINDOW];
    const int32_t size = (int32_t)strlen(prompt);
    int32_t n = llama_tokenize(vocab, prompt, size, token, TINY_WINDOW / 2, true, false);
    if (n <= 0)
        tiny_die("prompt is too long", prompt);
    struct llama_sampler *s = llama_sampler_chain_init(llama_sampler_chain_default_params());
    llama_sampler_chain_add(s, llama_sampler_init_top_k(40));
    llama_sampler_chain_add(s, llama_sampler_init_top_p(0.95F, 1));
    llama_sampler_chain_add(s, llama_sampler_init_temp(0.7F));
    llama_sampler_chain_add(s, llama_sampler_init_dist(seed));
    llama_memory_clear(llama_get_memory(ctx), true);
    printf("%s", prompt);
    for (int i = 0; i < SAMPLE_TOKENS; i++) {
        if (llama_decode(ctx, llama_batch_get_one(token, n)) != 0)
            tiny_die("decode failed", prompt);
        token[0] = llama_sampler_sample(s, ctx, -1);
        n = 1;
        if (llama_vocab_is_eog(vocab, token[0]))
            break;
        char piece[64];
        const int32_t length = llama_token_to_piece(vocab, token[0], piece, 64, 0, false);
        printf("%.*s", length > 0 ? (int)length : 0, piece);
    }
    printf("\n\n");
    llama_sampler_free(s);
}

int tiny_check(int argc, char **argv)
{
    struct llama_model *model = llama_model_load_from_file(argv[0], llama_model_default_params());
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = TINY_WINDOW;
    params.n_threads = params.n_threads_batch = THREADS;
    struct llama_context *ctx = model ? llama_init_from_model(model, params) : NULL;
    if (!ctx)
        tiny_die("cannot load", argv[0]);
    held_report(ctx, argv[0], argv[1]);
    const char *prompt = argc > 2 ? argv[2] : "It is a truth universally acknowledged, that";
    for (uint32_t seed = 1; seed <= 3; seed++)
        sample_print(llama_model_get_vocab(model), ctx, prompt, seed);
    llama_free(ctx);
    llama_model_free(model);
    return 0;
}
