/* make_gguf: a model of random weights with a given cost a step, for benches where the demo model
 * is too quick to be like a real one.
 *
 *   make_gguf VOCAB.gguf OUT.gguf [WIDTH [LAYERS [CONTEXT]]]
 *
 * Architecture "llama", Q8_0, vocabulary and keys of VOCAB.gguf (models/austen.gguf). The default,
 * width 512 and 16 layers, has 56 million weights, 59 MB, and takes several ms a step on one
 * thread. Its text is noise. The same arguments give the same file. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "worker/llama_api.h"

enum { HEAD = 64, TENSORS_PER_LAYER = 9, NAME_MAX_BYTES = 64 };

#define CALLS(X)                                                                                   \
    X(gguf_init_from_file)                                                                         \
    X(gguf_init_empty)                                                                             \
    X(gguf_set_kv)                                                                                 \
    X(gguf_find_key)                                                                               \
    X(gguf_get_arr_n)                                                                              \
    X(gguf_set_val_u32)                                                                            \
    X(gguf_set_val_str)                                                                            \
    X(gguf_add_tensor)                                                                             \
    X(gguf_write_to_file)                                                                          \
    X(gguf_free)                                                                                   \
    X(ggml_init)                                                                                   \
    X(ggml_free)                                                                                   \
    X(ggml_new_tensor_1d)                                                                          \
    X(ggml_new_tensor_2d)                                                                          \
    X(ggml_set_name)                                                                               \
    X(ggml_quantize_chunk)                                                                         \
    X(ggml_tensor_overhead)                                                                        \
    X(ggml_row_size)

struct calls {
#define X(name) __typeof__(&name) name;
    CALLS(X)
#undef X
};

struct maker {
    struct calls call;
    struct ggml_context *ctx;
    struct gguf_context *gguf;
    uint64_t random;
    int64_t width, ffn, layers, context, vocab;
    float *row;
};

_Noreturn static void die(const char *what, const char *detail)
{
    fprintf(stderr, "make_gguf: %s: %s\n", what, detail);
    exit(1);
}

static void calls_find(struct calls *ret_calls)
{
    static struct llama_api api;
    static char buffer[1024];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    if (llama_api_open(&api, &why) != ERR_OK)
        die("cannot open llama.cpp", buffer);
    void *symbol;
#define X(name)                                                                                    \
    symbol = llama_api_symbol(&api, #name);                                                        \
    if (!symbol)                                                                                   \
        die("llama.cpp has no", #name);                                                            \
    memcpy(&ret_calls->name, &symbol, sizeof symbol);
    CALLS(X)
#undef X
}

/* Uniform with the variance of N(0, 0.02^2): the shape of the noise does not matter here. */
static float random_weight(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    return ((float)(z >> 40) / 8388608.0F - 1.0F) * 0.02F * 1.7320508F;
}

static void vector_add(struct maker *m, const char *name)
{
    struct ggml_tensor *t = m->call.ggml_new_tensor_1d(m->ctx, GGML_TYPE_F32, m->width);
    float *value = t->data;
    for (int64_t i = 0; i < m->width; i++)
        value[i] = 1.0F;
    m->call.ggml_set_name(t, name);
    m->call.gguf_add_tensor(m->gguf, t);
}

static void matrix_add(struct maker *m, const char *name, int64_t columns, int64_t rows)
{
    struct ggml_tensor *t = m->call.ggml_new_tensor_2d(m->ctx, GGML_TYPE_Q8_0, columns, rows);
    const size_t row_size = m->call.ggml_row_size(GGML_TYPE_Q8_0, columns);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < columns; j++)
            m->row[j] = random_weight(&m->random);
        m->call.ggml_quantize_chunk(GGML_TYPE_Q8_0, m->row, (char *)t->data + (size_t)i * row_size,
                                    0, 1, columns, NULL);
    }
    m->call.ggml_set_name(t, name);
    m->call.gguf_add_tensor(m->gguf, t);
}

static void layer_add(struct maker *m, int layer)
{
    char name[NAME_MAX_BYTES];
    static const char *const norms[] = {"attn_norm", "ffn_norm"};
    static const char *const squares[] = {"attn_q", "attn_k", "attn_v", "attn_output"};
    static const char *const wide[] = {"ffn_gate", "ffn_up"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, norms[i]);
        vector_add(m, name);
    }
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, squares[i]);
        matrix_add(m, name, m->width, m->width);
    }
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "blk.%d.%s.weight", layer, wide[i]);
        matrix_add(m, name, m->width, m->ffn);
    }
    snprintf(name, sizeof name, "blk.%d.ffn_down.weight", layer);
    matrix_add(m, name, m->ffn, m->width);
}

static void keys_set(struct maker *m, const char *vocab_path)
{
    const struct gguf_init_params params = {.no_alloc = true, .ctx = NULL};
    struct gguf_context *from = m->call.gguf_init_from_file(vocab_path, params);
    if (!from)
        die("cannot read", vocab_path);
    const int64_t tokens = m->call.gguf_find_key(from, "tokenizer.ggml.tokens");
    if (tokens < 0)
        die("no vocabulary in", vocab_path);
    m->vocab = (int64_t)m->call.gguf_get_arr_n(from, tokens);
    m->gguf = m->call.gguf_init_empty();
    m->call.gguf_set_kv(m->gguf, from);
    m->call.gguf_free(from);
    m->call.gguf_set_val_str(m->gguf, "general.name", "noise");
    m->call.gguf_set_val_str(m->gguf, "general.description", "Random weights, for benches");
    const struct {
        const char *key;
        int64_t value;
    } rows[] = {
        {"llama.context_length", m->context},
        {"llama.embedding_length", m->width},
        {"llama.block_count", m->layers},
        {"llama.feed_forward_length", m->ffn},
        {"llama.attention.head_count", m->width / HEAD},
        {"llama.attention.head_count_kv", m->width / HEAD},
        {"llama.rope.dimension_count", HEAD},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        m->call.gguf_set_val_u32(m->gguf, rows[i].key, (uint32_t)rows[i].value);
}

static int64_t number(char **argv, int argc, int index, int64_t otherwise, int64_t max)
{
    if (index >= argc)
        return otherwise;
    char *end = NULL;
    const long n = strtol(argv[index], &end, 10);
    if (end == argv[index] || *end || n < 1 || n > max)
        die("expected a number within its range, found", argv[index]);
    return n;
}

int main(int argc, char **argv)
{
    static struct maker m;
    if (argc < 3)
        die("expected", "VOCAB.gguf OUT.gguf [WIDTH [LAYERS [CONTEXT]]]");
    m.width = number(argv, argc, 3, 512, 8192);
    m.layers = number(argv, argc, 4, 16, 128);
    m.context = number(argv, argc, 5, 4096, 1 << 20);
    if (m.width % 256)
        die("expected a width that is a multiple of 256, found", argv[3]);
    m.ffn = 3 * m.width;
    m.random = 42;
    m.row = malloc((size_t)m.ffn * sizeof *m.row);
    calls_find(&m.call);
    keys_set(&m, argv[1]);
    const int64_t weights = m.vocab * m.width + m.layers * (4 + 9) * m.width * m.width;
    const size_t count = (size_t)(2 + m.layers * TENSORS_PER_LAYER);
    const size_t size = m.call.ggml_row_size(GGML_TYPE_Q8_0, weights) +
                        count * (m.call.ggml_tensor_overhead() + (size_t)m.width * sizeof(float));
    m.ctx = m.call.ggml_init((struct ggml_init_params){size + (1 << 20), NULL, false});
    if (!m.row || !m.ctx)
        die("out of memory", "weights");
    matrix_add(&m, "token_embd.weight", m.width, m.vocab);
    vector_add(&m, "output_norm.weight");
    for (int i = 0; i < (int)m.layers; i++)
        layer_add(&m, i);
    if (!m.call.gguf_write_to_file(m.gguf, argv[2], false))
        die("cannot write", argv[2]);
    printf("%s: %lld weights\n", argv[2], (long long)weights);
    m.call.gguf_free(m.gguf);
    m.call.ggml_free(m.ctx);
    free(m.row);
    return 0;
}
