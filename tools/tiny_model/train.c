/* Trains the tiny model: tiny_model train CORPUS OUT.gguf [STEPS]
 *
 * The learning rate follows the step, not the clock, the order of windows follows the seed, and
 * one thread computes: the same machine code gives the same file. Writes the model, quantised, at
 * every 1/10 of the way too; a file is complete or not there (written aside, then renamed). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "llama.h"
#include "tiny.h"

enum { STEPS_DEFAULT = 9000, WARMUP = 100, HELD_WINDOWS = 8, HELD_EVERY = 500, LOG_EVERY = 100 };

static const uint64_t seed = 1775; /* the year she was born */
static const float rate_top = 1.2e-3F, rate_floor = 0.05F;

_Noreturn void tiny_die(const char *what, const char *detail)
{
    fprintf(stderr, "tiny_model: %s: %s\n", what, detail);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

/* Windows of an epoch: a random phase, then all windows in random order. */
struct order {
    size_t *start;
    size_t count, next;
};

static void order_draw(struct order *o, size_t tokens, uint64_t *state)
{
    const size_t phase = tiny_random(state) % TINY_WINDOW;
    o->count = (tokens - 1 - phase) / TINY_WINDOW;
    o->next = 0;
    o->start = realloc(o->start, o->count * sizeof *o->start);
    if (!o->start)
        tiny_die("out of memory", "windows");
    for (size_t i = 0; i < o->count; i++)
        o->start[i] = phase + i * TINY_WINDOW;
    for (size_t i = o->count - 1; i > 0; i--) {
        const size_t j = tiny_random(state) % (i + 1);
        const size_t t = o->start[i];
        o->start[i] = o->start[j];
        o->start[j] = t;
    }
}

static void adam_set(float *adam, int step, int steps)
{
    const double b1 = 0.9, b2 = 0.98, t = step + 1;
    const double way = step < WARMUP ? 0 : (double)(step - WARMUP) / (double)(steps - WARMUP);
    const double cosine = 0.5 * (1 + cos(3.141592653589793 * way));
    const double warm = step < WARMUP ? t / WARMUP : 1;
    adam[0] = (float)(warm * rate_top * (rate_floor + (1 - rate_floor) * cosine));
    adam[1] = (float)b1;
    adam[2] = (float)b2;
    adam[3] = 1e-8F;
    adam[4] = 0.05F;
    adam[5] = (float)(1 / (1 - pow(b1, t)));
    adam[6] = (float)(1 / (1 - pow(b2, t)));
}

static void model_write(const struct tiny_weights *w, const char *tsv, const char *out)
{
    char full[4096], part[4096];
    snprintf(full, sizeof full, "%s.f32", out);
    snprintf(part, sizeof part, "%s.part", out);
    tiny_weights_save(w, tsv, full);
    struct llama_model_quantize_params q = llama_model_quantize_default_params();
    q.ftype = LLAMA_FTYPE_MOSTLY_Q8_0;
    q.nthread = 1;
    if (llama_model_quantize(full, part, &q) != 0 || rename(part, out) != 0)
        tiny_die("cannot quantise", out);
}

struct run {
    struct tiny_text train, held;
    struct tiny_weights weights;
    struct tiny_graph step, eval;
    char tsv[4096];
    const char *out;
};

static void run_init(struct run *r, const char *corpus, const char *out, uint64_t *state)
{
    char path[4096], vocab[4096];
    snprintf(r->tsv, sizeof r->tsv, "%s/vocab.tsv", corpus);
    snprintf(vocab, sizeof vocab, "%s/vocab.gguf", corpus);
    r->out = out;
    tiny_weights_save(NULL, r->tsv, vocab);
    snprintf(path, sizeof path, "%s/train.txt", corpus);
    tiny_vocab_read(vocab, path, &r->train);
    snprintf(path, sizeof path, "%s/held.txt", corpus);
    tiny_vocab_read(vocab, path, &r->held);
    ggml_backend_t backends[2];
    int count = 0;
    ggml_backend_dev_t blas = ggml_backend_dev_by_name("BLAS");
    if (blas)
        backends[count++] = ggml_backend_dev_init(blas, NULL);
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    backends[count++] = ggml_backend_dev_init(cpu, NULL);
    for (int i = 0; i < count; i++) {
        ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(i + 1 < count ? blas : cpu);
        ggml_backend_set_n_threads_t set =
            (ggml_backend_set_n_threads_t)ggml_backend_reg_get_proc_address(
                reg, "ggml_backend_set_n_threads");
        if (set)
            set(backends[i], 1);
    }
    tiny_weights_init(&r->weights, backends[count - 1], state);
    tiny_graph_init(&r->step, &r->weights, backends, count, 1);
    tiny_graph_init(&r->eval, &r->weights, backends, count, 0);
    printf("%zu tokens to train on, %zu held out, BLAS %s, graph of %d nodes\n", r->train.count,
           r->held.count, blas ? "yes" : "no", ggml_graph_n_nodes(r->step.graph));
}

static double held_loss(struct run *r)
{
    double sum = 0;
    for (size_t i = 0; i < HELD_WINDOWS; i++)
        sum += (double)tiny_graph_step(&r->eval, r->held.token + i * TINY_WINDOW, NULL);
    return sum / HELD_WINDOWS;
}

static int train(const char *corpus, const char *out, int steps)
{
    static struct run r;
    uint64_t state = seed;
    struct order order = {0};
    run_init(&r, corpus, out, &state);
    const double start = seconds();
    double sum = 0;
    for (int step = 0; step < steps; step++) {
        float adam[7];
        if (order.next == order.count)
            order_draw(&order, r.train.count, &state);
        adam_set(adam, step, steps);
        sum += (double)tiny_graph_step(&r.step, r.train.token + order.start[order.next++], adam);
        if ((step + 1) % LOG_EVERY == 0) {
            printf("step %d, %.0f s, rate %.2e, loss %.3f", step + 1, seconds() - start,
                   (double)adam[0], sum / LOG_EVERY);
            sum = 0;
            if ((step + 1) % HELD_EVERY == 0)
                printf(", held out %.3f", held_loss(&r));
            printf("\n");
            fflush(stdout);
        }
        if ((step + 1) % (steps / 10 > 0 ? steps / 10 : 1) == 0 || step + 1 == steps)
            model_write(&r.weights, r.tsv, out);
    }
    return 0;
}

int main(int argc, char **argv)
{
    llama_log_set(quiet, NULL);
    const char *dir = getenv("TINY_BACKENDS"); /* of a build whose back ends are opened by path */
    if (dir)
        ggml_backend_load_all_from_path(dir);
    else
        ggml_backend_load_all();
    llama_backend_init();
    if (argc >= 4 && strcmp(argv[1], "train") == 0)
        return train(argv[2], argv[3], argc > 4 ? atoi(argv[4]) : STEPS_DEFAULT);
    if (argc >= 4 && strcmp(argv[1], "check") == 0)
        return tiny_check(argc - 2, argv + 2);
    fprintf(stderr, "use: tiny_model train CORPUS OUT.gguf [STEPS]\n"
                    "     tiny_model check MODEL.gguf HELD.txt [PROMPT]\n");
    return 2;
}
