/* llama_api.h: the calls of llama.cpp that farspan makes, found in its shared libraries when an
 * engine starts, so that no other role carries or needs them.
 *
 * The headers are used at build time, the libraries at run time, and llama.cpp passes structs by
 * value: both must be of the same version, and a table is handed out only if they are. A row of the
 * table has the type that the header declares; a call that is not in the table is not made.
 *
 * Folder, in this order: the environment's FARSPAN_LLAMA_DIR, then the one known to the build
 * (FARSPAN_LLAMA_DIR_DEFAULT). Either the folder with lib/ in it, or the one with libllama.so.
 * Of the CPU variants beside libllama.so the best for this machine is picked.
 *
 * More threads than one work through OpenMP, which is told to sleep while it waits (the
 * environment's OMP_WAIT_POLICY=passive, unless the user has set one).
 *
 * One process opens the table once and never closes it: the libraries keep threads and state. */
#ifndef WORKER_LLAMA_API_H
#define WORKER_LLAMA_API_H

#ifdef FARSPAN_WITH_LLAMA

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gguf.h>
#include <llama.h>

#include "base/err.h"
#include "base/text.h"

/* clang-format off */
#define LLAMA_API_TABLE(X)                                                                         \
    /* libraries */                                                                                \
    X(llama_version) X(llama_log_set) X(llama_backend_init) X(llama_backend_free)                  \
    X(llama_print_system_info) X(llama_time_us)                                                    \
    X(ggml_backend_load_all_from_path) X(ggml_backend_dev_count) X(ggml_backend_dev_get)           \
    X(ggml_backend_dev_name) X(ggml_backend_dev_description) X(ggml_backend_dev_type)              \
    X(ggml_backend_dev_memory) X(ggml_backend_dev_by_type) X(ggml_backend_dev_backend_reg)         \
    X(ggml_backend_reg_get_proc_address) X(ggml_threadpool_params_default)                         \
    /* model */                                                                                    \
    X(llama_model_default_params) X(llama_model_load_from_file) X(llama_model_free)                \
    X(llama_model_get_vocab) X(llama_model_chat_template) X(llama_chat_apply_template)             \
    X(llama_model_n_ctx_train) X(llama_model_n_embd) X(llama_model_n_embd_out)                     \
    X(llama_model_n_layer) X(llama_model_n_cls_out) X(llama_model_cls_label)                       \
    X(llama_model_size) X(llama_model_n_params) X(llama_model_desc)                                \
    X(llama_model_meta_val_str) X(llama_model_has_encoder) X(llama_model_has_decoder)              \
    /* context */                                                                                  \
    X(llama_context_default_params) X(llama_init_from_model) X(llama_free)                         \
    X(llama_get_memory) X(llama_n_ctx) X(llama_n_ctx_seq) X(llama_n_batch) X(llama_n_ubatch)       \
    X(llama_n_seq_max) X(llama_pooling_type) X(llama_set_n_threads) X(llama_set_embeddings)        \
    X(llama_set_causal_attn) X(llama_set_abort_callback) X(llama_synchronize)                      \
    X(llama_attach_threadpool) X(llama_detach_threadpool) X(llama_perf_context)                    \
    /* tokens */                                                                                   \
    X(llama_vocab_n_tokens) X(llama_vocab_bos) X(llama_vocab_eos) X(llama_vocab_eot)               \
    X(llama_vocab_is_eog) X(llama_vocab_is_control) X(llama_vocab_get_add_bos)                     \
    X(llama_tokenize) X(llama_token_to_piece) X(llama_detokenize)                                  \
    /* steps */                                                                                    \
    X(llama_batch_init) X(llama_batch_free) X(llama_batch_get_one) X(llama_decode)                 \
    X(llama_encode) X(llama_get_logits_ith) X(llama_get_embeddings_ith)                            \
    X(llama_get_embeddings_seq)                                                                    \
    /* memory of the sequences */                                                                  \
    X(llama_memory_clear) X(llama_memory_seq_rm) X(llama_memory_seq_cp)                            \
    X(llama_memory_seq_keep) X(llama_memory_seq_add) X(llama_memory_seq_pos_min)                   \
    X(llama_memory_seq_pos_max) X(llama_memory_can_shift)                                          \
    X(llama_state_seq_get_size) X(llama_state_seq_get_data) X(llama_state_seq_set_data)            \
    /* samplers */                                                                                 \
    X(llama_sampler_chain_default_params) X(llama_sampler_chain_init) X(llama_sampler_chain_add)   \
    X(llama_sampler_sample) X(llama_sampler_accept) X(llama_sampler_reset) X(llama_sampler_free)   \
    X(llama_sampler_init_greedy) X(llama_sampler_init_dist) X(llama_sampler_init_top_k)            \
    X(llama_sampler_init_top_p) X(llama_sampler_init_min_p) X(llama_sampler_init_temp)             \
    X(llama_sampler_init_penalties) X(llama_sampler_init_grammar) X(llama_sampler_init_logit_bias) \
    /* adapters, and making models smaller */                                                      \
    X(llama_adapter_lora_init) X(llama_adapter_lora_free) X(llama_set_adapters_lora)               \
    X(llama_model_quantize_default_params) X(llama_model_quantize)

/* These live in the CPU variant that was picked. */
#define LLAMA_API_CPU_TABLE(X) X(ggml_threadpool_new) X(ggml_threadpool_free)
/* clang-format on */

struct llama_api {
    void *library;
    char folder[512];     /* where libllama.so was found */
    char cpu_variant[64]; /* as "zen4", of the CPU library that was picked; "" when built in */
    const char *version;  /* what the library says of itself */
#define X(name) __typeof__(&name) name;
    LLAMA_API_TABLE(X)
    LLAMA_API_CPU_TABLE(X)
#undef X
};

/* Opens the libraries, checks the version, finds every call of the tables, loads the back ends and
 * silences llama.cpp's log (its errors are kept, see below). Once a process.
 * ERR_NOT_FOUND: no library in the folder. ERR_UNSUPPORTED: another version, a call is missing, or
 * no back end fits this machine. <why> may be NULL. */
MUST_USE enum err llama_api_open(struct llama_api *ret_api, struct text *why);

/* A call that is not in the table (the gguf_ and ggml_ ones of trainers and benches); NULL when the
 * libraries have none of that name. */
void *llama_api_symbol(const struct llama_api *api, const char *name);

/* What llama.cpp logged as errors on this thread since this was last called, "" when nothing: most
 * of its calls answer only NULL. Valid until the thread's next call of llama.cpp. */
const char *llama_api_last_error(void);

#endif
#endif
