/* Weights, forward pass, backward pass and optimiser as one ggml graph.
 *
 * The forward pass is the one that llama.cpp computes for architecture "llama" (rotary positions
 * on interleaved pairs, RMS norm, SwiGLU, tied embedding), written with operations that have a
 * backward pass. Inputs, and the gradient of the loss, are flagged as inputs and outputs: the graph
 * is allocated once and its buffers are reused, so anything else would be overwritten. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tiny.h"

enum { NODES_MAX = 8192 };

uint64_t tiny_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static float random_normal(uint64_t *state)
{
    const double u = ((double)(tiny_random(state) >> 11) + 0.5) / 9007199254740992.0;
    const double v = ((double)(tiny_random(state) >> 11) + 0.5) / 9007199254740992.0;
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

struct shape {
    const char *name;
    int rows, columns; /* rows 0: a vector */
};

static const struct shape layer_shapes[TINY_PER_LAYER] = {
    {"attn_norm", 0, TINY_WIDTH},
    {"attn_q", TINY_WIDTH, TINY_WIDTH},
    {"attn_k", TINY_WIDTH, TINY_WIDTH},
    {"attn_v", TINY_WIDTH, TINY_WIDTH},
    {"attn_output", TINY_WIDTH, TINY_WIDTH},
    {"ffn_norm", 0, TINY_WIDTH},
    {"ffn_gate", TINY_FFN, TINY_WIDTH},
    {"ffn_up", TINY_FFN, TINY_WIDTH},
    {"ffn_down", TINY_WIDTH, TINY_FFN},
};

static struct ggml_tensor *tensor_new(struct ggml_context *ctx, const struct shape *s, int layer)
{
    struct ggml_tensor *t = s->rows ? ggml_new_tensor_2d(ctx, GGML_TYPE_F32, s->columns, s->rows)
                                    : ggml_new_tensor_1d(ctx, GGML_TYPE_F32, s->columns);
    if (layer < 0)
        ggml_format_name(t, "%s.weight", s->name);
    else
        ggml_format_name(t, "blk.%d.%s.weight", layer, s->name);
    ggml_set_param(t);
    return t;
}

static void tensor_fill(struct ggml_tensor *t, uint64_t *state)
{
    float *value = ggml_get_data_f32(t);
    const int64_t n = ggml_nelements(t);
    const int residual = strstr(t->name, "attn_output") || strstr(t->name, "ffn_down");
    const float scale = residual ? 0.02F / sqrtf(2.0F * TINY_LAYERS) : 0.02F;
    for (int64_t i = 0; i < n; i++)
        value[i] = ggml_n_dims(t) == 1 ? 1.0F : scale * random_normal(state);
}

void tiny_weights_init(struct tiny_weights *w, ggml_backend_t cpu, uint64_t *state)
{
    const size_t overhead = 3 * TINY_TENSORS * ggml_tensor_overhead();
    w->ctx = ggml_init((struct ggml_init_params){overhead, NULL, true});
    const struct shape embedding = {"token_embd", TINY_VOCAB, TINY_WIDTH};
    const struct shape last_norm = {"output_norm", 0, TINY_WIDTH};
    w->tensor[0] = tensor_new(w->ctx, &embedding, -1);
    w->tensor[1] = tensor_new(w->ctx, &last_norm, -1);
    for (int i = 2; i < TINY_TENSORS; i++) {
        const int layer = (i - 2) / TINY_PER_LAYER;
        w->tensor[i] = tensor_new(w->ctx, &layer_shapes[(i - 2) % TINY_PER_LAYER], layer);
    }
    for (int i = 0; i < 2 * TINY_TENSORS; i++)
        w->moment[i] = ggml_dup_tensor(w->ctx, w->tensor[i / 2]);
    w->buffer = ggml_backend_alloc_ctx_tensors(w->ctx, cpu);
    if (!w->buffer)
        tiny_die("out of memory", "weights");
    ggml_backend_buffer_clear(w->buffer, 0);
    for (int i = 0; i < TINY_TENSORS; i++)
        tensor_fill(w->tensor[i], state);
}

void tiny_weights_save(const struct tiny_weights *w, const char *tsv_path, const char *path)
{
    struct gguf_context *gguf = gguf_init_empty();
    gguf_set_val_str(gguf, "general.architecture", "llama");
    gguf_set_val_str(gguf, "general.name", "austen");
    gguf_set_val_str(gguf, "general.description",
                     "Demonstration: 3.9 million weights trained on Jane Austen's six novels");
    gguf_set_val_str(gguf, "general.license", "CC0-1.0");
    gguf_set_val_u32(gguf, "llama.vocab_size", TINY_VOCAB);
    gguf_set_val_u32(gguf, "llama.context_length", TINY_WINDOW);
    gguf_set_val_u32(gguf, "llama.embedding_length", TINY_WIDTH);
    gguf_set_val_u32(gguf, "llama.block_count", TINY_LAYERS);
    gguf_set_val_u32(gguf, "llama.feed_forward_length", TINY_FFN);
    gguf_set_val_u32(gguf, "llama.attention.head_count", TINY_HEADS);
    gguf_set_val_u32(gguf, "llama.attention.head_count_kv", TINY_HEADS);
    gguf_set_val_u32(gguf, "llama.rope.dimension_count", TINY_HEAD);
    gguf_set_val_f32(gguf, "llama.attention.layer_norm_rms_epsilon", TINY_EPS);
    gguf_set_val_f32(gguf, "llama.rope.freq_base", TINY_ROPE_BASE);
    tiny_vocab_keys(gguf, tsv_path);
    for (int i = 0; w && i < TINY_TENSORS; i++)
        gguf_add_tensor(gguf, w->tensor[i]);
    if (!gguf_write_to_file(gguf, path, w == NULL))
        tiny_die("cannot write", path);
    gguf_free(gguf);
}

static struct ggml_tensor *norm(struct ggml_context *c, struct ggml_tensor *x,
                                struct ggml_tensor *weight)
{
    return ggml_mul(c, ggml_rms_norm(c, x, TINY_EPS), weight);
}

/* [width, tokens] -> [head, tokens, heads], turned by position. */
static struct ggml_tensor *heads_rotated(struct ggml_context *c, struct ggml_tensor *x,
                                         struct ggml_tensor *positions)
{
    x = ggml_reshape_3d(c, x, TINY_HEAD, TINY_HEADS, TINY_WINDOW);
    x = ggml_rope_ext(c, x, positions, NULL, TINY_HEAD, 0, TINY_WINDOW, TINY_ROPE_BASE, 1.0F, 0.0F,
                      1.0F, 32.0F, 1.0F);
    return ggml_cont(c, ggml_permute(c, x, 0, 2, 1, 3));
}

static struct ggml_tensor *attention(struct ggml_context *c, const struct tiny_graph *g,
                                     struct ggml_tensor *const *t, struct ggml_tensor *x)
{
    struct ggml_tensor *h = norm(c, x, t[0]);
    struct ggml_tensor *q = heads_rotated(c, ggml_mul_mat(c, t[1], h), g->positions);
    struct ggml_tensor *k = heads_rotated(c, ggml_mul_mat(c, t[2], h), g->positions);
    struct ggml_tensor *v = ggml_mul_mat(c, t[3], h);
    v = ggml_reshape_3d(c, v, TINY_HEAD, TINY_HEADS, TINY_WINDOW);
    v = ggml_cont(c, ggml_permute(c, v, 1, 2, 0, 3));
    struct ggml_tensor *p = ggml_mul_mat(c, k, q);
    p = ggml_soft_max_ext(c, p, g->mask, 1.0F / sqrtf((float)TINY_HEAD), 0.0F);
    struct ggml_tensor *o = ggml_mul_mat(c, v, p);
    o = ggml_cont(c, ggml_permute(c, o, 0, 2, 1, 3));
    o = ggml_reshape_2d(c, o, TINY_WIDTH, TINY_WINDOW);
    return ggml_add(c, x, ggml_mul_mat(c, t[4], o));
}

static void forward(struct tiny_graph *g, const struct tiny_weights *w)
{
    struct ggml_context *c = g->ctx;
    struct ggml_tensor *x = ggml_get_rows(c, w->tensor[0], g->tokens);
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        struct ggml_tensor *const *t = &w->tensor[2 + layer * TINY_PER_LAYER];
        x = attention(c, g, t, x);
        struct ggml_tensor *h = norm(c, x, t[5]);
        h = ggml_swiglu_split(c, ggml_mul_mat(c, t[6], h), ggml_mul_mat(c, t[7], h));
        x = ggml_add(c, x, ggml_mul_mat(c, t[8], h));
    }
    x = ggml_mul_mat(c, w->tensor[0], norm(c, x, w->tensor[1]));
    g->loss = ggml_cross_entropy_loss(c, x, g->labels);
}

static struct ggml_tensor *input(struct ggml_tensor *t)
{
    ggml_set_input(t);
    ggml_set_output(t);
    return t;
}

static void backward(struct tiny_graph *g, const struct tiny_weights *w)
{
    ggml_set_loss(g->loss);
    g->adam = input(ggml_new_tensor_1d(g->ctx, GGML_TYPE_F32, 7));
    ggml_build_backward_expand(g->ctx, g->graph, NULL);
    g->loss_grad = input(ggml_graph_get_grad(g->graph, g->loss));
    for (int i = 0; i < TINY_TENSORS; i++) {
        struct ggml_tensor *grad = ggml_graph_get_grad(g->graph, w->tensor[i]);
        if (!grad)
            tiny_die("no gradient for", w->tensor[i]->name);
        struct ggml_tensor *step = ggml_opt_step_adamw(g->ctx, w->tensor[i], grad, w->moment[2 * i],
                                                       w->moment[2 * i + 1], g->adam);
        ggml_build_forward_expand(g->graph, step);
    }
}

static void constants_set(struct tiny_graph *g)
{
    float *mask = calloc((size_t)TINY_WINDOW * TINY_WINDOW, sizeof *mask);
    int32_t position[TINY_WINDOW];
    g->label_rows = calloc((size_t)TINY_WINDOW * TINY_VOCAB, sizeof *g->label_rows);
    if (!mask || !g->label_rows)
        tiny_die("out of memory", "inputs");
    for (int row = 0; row < TINY_WINDOW; row++) {
        position[row] = row;
        for (int column = row + 1; column < TINY_WINDOW; column++)
            mask[row * TINY_WINDOW + column] = -INFINITY;
    }
    ggml_backend_tensor_set(g->mask, mask, 0, ggml_nbytes(g->mask));
    ggml_backend_tensor_set(g->positions, position, 0, sizeof position);
    free(mask);
}

void tiny_graph_init(struct tiny_graph *g, struct tiny_weights *w, ggml_backend_t *backends,
                     int backend_count, int train)
{
    const size_t size =
        NODES_MAX * ggml_tensor_overhead() + ggml_graph_overhead_custom(NODES_MAX, train != 0);
    memset(g, 0, sizeof *g);
    g->ctx = ggml_init((struct ggml_init_params){size, NULL, true});
    g->tokens = input(ggml_new_tensor_1d(g->ctx, GGML_TYPE_I32, TINY_WINDOW));
    g->positions = input(ggml_new_tensor_1d(g->ctx, GGML_TYPE_I32, TINY_WINDOW));
    g->mask = input(ggml_new_tensor_2d(g->ctx, GGML_TYPE_F32, TINY_WINDOW, TINY_WINDOW));
    g->labels = input(ggml_new_tensor_2d(g->ctx, GGML_TYPE_F32, TINY_VOCAB, TINY_WINDOW));
    g->graph = ggml_new_graph_custom(g->ctx, NODES_MAX, train != 0);
    forward(g, w);
    ggml_set_output(g->loss);
    ggml_build_forward_expand(g->graph, g->loss);
    if (train)
        backward(g, w);
    g->sched = ggml_backend_sched_new(backends, NULL, backend_count, NODES_MAX, false, false);
    if (!g->sched || !ggml_backend_sched_alloc_graph(g->sched, g->graph))
        tiny_die("cannot allocate", "graph");
    constants_set(g);
}

float tiny_graph_step(struct tiny_graph *g, const int32_t *token, const float *adam)
{
    const float one = 1.0F;
    float loss = 0.0F;
    for (int i = 0; i < TINY_WINDOW; i++)
        g->label_rows[i * TINY_VOCAB + token[i + 1]] = 1.0F;
    ggml_backend_tensor_set(g->labels, g->label_rows, 0, ggml_nbytes(g->labels));
    for (int i = 0; i < TINY_WINDOW; i++)
        g->label_rows[i * TINY_VOCAB + token[i + 1]] = 0.0F;
    ggml_backend_tensor_set(g->tokens, token, 0, ggml_nbytes(g->tokens));
    if (adam) {
        ggml_backend_tensor_set(g->adam, adam, 0, 7 * sizeof *adam);
        ggml_backend_tensor_set(g->loss_grad, &one, 0, sizeof one);
    }
    if (ggml_backend_sched_graph_compute(g->sched, g->graph) != GGML_STATUS_SUCCESS)
        tiny_die("ggml failed", "compute");
    ggml_backend_tensor_get(g->loss, &loss, 0, sizeof loss);
    return loss;
}
