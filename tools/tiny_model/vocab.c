/* The vocabulary as GGUF keys, and text to tokens by llama.cpp's own tokenizer, so that trainer
 * and runtime cannot disagree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"
#include "tiny.h"

struct vocab {
    char text[TINY_VOCAB][64];
    const char *text_at[TINY_VOCAB];
    float score[TINY_VOCAB];
    int32_t type[TINY_VOCAB];
};

static void unhex(const char *hex, char *out, size_t size)
{
    size_t n = strlen(hex) / 2;
    if (n >= size)
        tiny_die("token longer than 63 bytes", hex);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            tiny_die("token is not hexadecimal", hex);
        out[i] = (char)byte;
    }
    out[n] = 0;
}

static struct vocab *vocab_load(const char *path)
{
    struct vocab *v = calloc(1, sizeof *v);
    FILE *f = fopen(path, "r");
    if (!v || !f)
        tiny_die("cannot open vocabulary", path);
    for (int i = 0; i < TINY_VOCAB; i++) {
        int id = -1;
        char hex[160] = "";
        if (fscanf(f, "%d\t%d\t%f\t%150s\n", &id, &v->type[i], &v->score[i], hex) != 4 || id != i)
            tiny_die("expected id, type, score, hex for each of 2048 tokens in", path);
        unhex(hex, v->text[i], sizeof v->text[i]);
        v->text_at[i] = v->text[i];
    }
    fclose(f);
    return v;
}

void tiny_vocab_keys(struct gguf_context *gguf, const char *tsv_path)
{
    struct vocab *v = vocab_load(tsv_path);
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "llama");
    gguf_set_val_str(gguf, "tokenizer.ggml.pre", "default");
    gguf_set_arr_str(gguf, "tokenizer.ggml.tokens", v->text_at, TINY_VOCAB);
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, v->score, TINY_VOCAB);
    gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, v->type, TINY_VOCAB);
    gguf_set_val_u32(gguf, "tokenizer.ggml.unknown_token_id", 0);
    gguf_set_val_u32(gguf, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32(gguf, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", true);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_eos_token", false);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_space_prefix", true);
    free(v);
}

static void text_push(struct tiny_text *t, const int32_t *token, size_t n)
{
    if (t->count + n > t->size) {
        t->size = (t->count + n) * 2;
        t->token = realloc(t->token, t->size * sizeof *t->token);
        if (!t->token)
            tiny_die("out of memory", "tokens");
    }
    memcpy(t->token + t->count, token, n * sizeof *token);
    t->count += n;
}

void tiny_vocab_read(const char *gguf_path, const char *text_path, struct tiny_text *ret_text)
{
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    struct llama_model *model = llama_model_load_from_file(gguf_path, params);
    FILE *f = fopen(text_path, "r");
    if (!model || !f)
        tiny_die("cannot open", model ? text_path : gguf_path);
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    const int32_t first = llama_vocab_bos(vocab), last = llama_vocab_eos(vocab);
    static char line[65536];
    static int32_t token[65536];
    struct tiny_text text = {0};
    while (fgets(line, sizeof line, f)) {
        const int32_t size = (int32_t)strcspn(line, "\n");
        const int32_t n = llama_tokenize(vocab, line, size, token, 65536, false, false);
        if (n <= 0)
            tiny_die("cannot tokenize", line);
        text_push(&text, &first, 1);
        text_push(&text, token, (size_t)n);
        text_push(&text, &last, 1);
    }
    fclose(f);
    llama_model_free(model);
    *ret_text = text;
}
