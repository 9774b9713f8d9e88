/* The tiny demonstration model: a Llama of 3.9 million weights, trained on one core.
 *
 * vocab.c turns the vocabulary into GGUF keys and text into tokens, graph.c holds the weights and
 * the forward and backward graphs, train.c is the loop and the program, check.c measures the
 * finished file through llama.h alone, so that trainer and runtime are compared.
 *
 * Data: vocab.tsv, train.txt, held.txt (corpus.py) -> tokens -> weights -> GGUF, F32 then Q8_0.
 */
#ifndef TINY_H
#define TINY_H

#include <stddef.h>
#include <stdint.h>

#include "ggml-backend.h"
#include "ggml.h"
#include "gguf.h"

enum {
    TINY_VOCAB = 2048,
    TINY_WIDTH = 256,
    TINY_LAYERS = 4,
    TINY_HEADS = 4,
    TINY_HEAD = TINY_WIDTH / TINY_HEADS,
    TINY_FFN = 768,
    TINY_WINDOW = 512,
    TINY_PER_LAYER = 9,
    TINY_TENSORS = 2 + TINY_LAYERS * TINY_PER_LAYER,
};

#define TINY_EPS       1e-5F
#define TINY_ROPE_BASE 10000.0F

/* A run of tokens, documents one after the other, each as <s> text </s>. Freed by the caller. */
struct tiny_text {
    int32_t *token;
    size_t count;
    size_t size;
};

/* Weights with their gradients' moments. tensor[0] is the embedding, [1] the last norm, then the
 * layers in the order of the graph; moments 2i and 2i+1 belong to tensor i. */
struct tiny_weights {
    struct ggml_context *ctx;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor *tensor[TINY_TENSORS];
    struct ggml_tensor *moment[2 * TINY_TENSORS];
};

/* A graph that is allocated once and computed many times. */
struct tiny_graph {
    struct ggml_context *ctx;
    struct ggml_cgraph *graph;
    ggml_backend_sched_t sched;
    struct ggml_tensor *tokens, *positions, *mask, *labels, *loss;
    struct ggml_tensor *loss_grad, *adam; /* only in the training graph */
    float *label_rows;                    /* one-hot, kept zero between steps */
};

/* Stops the program with a message that starts with what was being done. */
_Noreturn void tiny_die(const char *what, const char *detail);

/* vocab.c */
void tiny_vocab_keys(struct gguf_context *gguf, const char *tsv_path);
void tiny_vocab_read(const char *gguf_path, const char *text_path, struct tiny_text *ret_text);

/* graph.c. <state> is the seed of the initial weights; it moves on. */
uint64_t tiny_random(uint64_t *state);
void tiny_weights_init(struct tiny_weights *w, ggml_backend_t cpu, uint64_t *state);
void tiny_weights_save(const struct tiny_weights *w, const char *tsv_path, const char *path);
void tiny_graph_init(struct tiny_graph *g, struct tiny_weights *w, ggml_backend_t *backends,
                     int backend_count, int train);
/* One window: 512 tokens at <token>, each to predict the next (so 513 are read). Returns the mean
 * loss in nats. <adam> has the 7 numbers of ggml_opt_step_adamw, NULL in a graph without. */
float tiny_graph_step(struct tiny_graph *g, const int32_t *token, const float *adam);

/* check.c: held-out loss and a sample, through llama.h. Returns the exit code. */
int tiny_check(int argc, char **argv);

#endif
