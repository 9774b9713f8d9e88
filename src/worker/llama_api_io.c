/* llama_api_io.c: opens llama.cpp's libraries and fills the table; see llama_api.h.
 *
 * One dlopen is enough: libllama.so brings libggml.so and libggml-base.so from its own folder, and
 * a look-up by its handle covers them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "worker/llama_api.h"

#include "base/err.h"

#ifdef FARSPAN_WITH_LLAMA

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"

#ifndef FARSPAN_LLAMA_VERSION
#define FARSPAN_LLAMA_VERSION "0.5.0" /* of the headers; they carry none themselves */
#endif
#ifndef FARSPAN_LLAMA_DIR_DEFAULT
#define FARSPAN_LLAMA_DIR_DEFAULT ""
#endif

#define ADVICE                                                                                     \
    "run tools/get_llama.sh, or set FARSPAN_LLAMA_DIR to a folder with "                           \
    "llama.cpp " FARSPAN_LLAMA_VERSION

struct row {
    const char *name;
    size_t offset;
};

#define X(name) {#name, offsetof(struct llama_api, name)},
static const struct row rows[] = {LLAMA_API_TABLE(X)};
static const struct row cpu_rows[] = {LLAMA_API_CPU_TABLE(X)};
#undef X

/* Error lines of this thread since they were last asked for, joined by "; ". */
static _Thread_local char errors[1024];
static _Thread_local bool errors_are_old;

static void log_keep(enum ggml_log_level level, const char *line, void *user)
{
    (void)user;
    if (level != GGML_LOG_LEVEL_ERROR)
        return;
    if (errors_are_old)
        errors[0] = 0;
    errors_are_old = false;
    const size_t used = strlen(errors);
    snprintf(errors + used, sizeof errors - used, "%s%.*s", used ? "; " : "",
             (int)strcspn(line, "\n"), line);
}

static void row_set(struct llama_api *api, const struct row *row, void *symbol)
{
    memcpy((char *)api + row->offset, &symbol, sizeof symbol);
}

__attribute__((format(printf, 3, 4))) static enum err fail(enum err err, struct text *why,
                                                           const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        text_add_v(why, format, args);
        va_end(args);
    }
    return err;
}

/* <ret_folder>: the one with libllama.so, which is <dir> or its lib/. */
static bool folder_find(const char *dir, char *ret_folder, size_t size)
{
    static const char *const below[] = {"", "/lib"};
    for (size_t i = 0; i < COUNT_OF(below); i++) {
        char path[600];
        const int n = snprintf(ret_folder, size, "%s%s", dir, below[i]);
        if (n < 0 || (size_t)n >= size)
            return false;
        snprintf(path, sizeof path, "%s/libllama.so", ret_folder);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static enum err library_open(struct llama_api *api, struct text *why)
{
    char path[600];
    const char *dir = getenv("FARSPAN_LLAMA_DIR");
    const char *source = "FARSPAN_LLAMA_DIR";
    if (!dir || !*dir) {
        dir = FARSPAN_LLAMA_DIR_DEFAULT;
        source = "the folder known to the build";
    }
    if (!*dir)
        return fail(ERR_NOT_FOUND, why, "llama.cpp: no folder is known; " ADVICE);
    if (!folder_find(dir, api->folder, sizeof api->folder))
        return fail(ERR_NOT_FOUND, why,
                    "llama.cpp: expected libllama.so in %s or its lib/ (%s), found none; " ADVICE,
                    dir, source);
    snprintf(path, sizeof path, "%s/libllama.so", api->folder);
    /* Read once, when libgomp is loaded: threads that wait shall sleep. Spinning ones make a step
     * 10 to 100 times slower as soon as there are more threads than free cores. */
    if (setenv("OMP_WAIT_POLICY", "passive", 0) != 0)
        return fail(ERR_MEMORY, why, "llama.cpp: setenv of OMP_WAIT_POLICY failed");
    api->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!api->library)
        return fail(ERR_UNSUPPORTED, why, "llama.cpp: %s cannot be opened: %s; " ADVICE, path,
                    dlerror());
    return ERR_OK;
}

static enum err version_check(struct llama_api *api, struct text *why)
{
    /* Before any other call: structs go by value, so another version reads other bytes. */
    if (!api->llama_version)
        return fail(ERR_UNSUPPORTED, why,
                    "llama.cpp: expected version " FARSPAN_LLAMA_VERSION
                    ", found one without llama_version() in %s; " ADVICE,
                    api->folder);
    api->version = api->llama_version();
    if (strcmp(api->version, FARSPAN_LLAMA_VERSION) != 0)
        return fail(ERR_UNSUPPORTED, why,
                    "llama.cpp: expected version " FARSPAN_LLAMA_VERSION
                    ", found %s in %s; " ADVICE,
                    api->version, api->folder);
    return ERR_OK;
}

static enum err table_fill(struct llama_api *api, struct text *why)
{
    void *version = dlsym(api->library, "llama_version");
    memcpy(&api->llama_version, &version, sizeof version);
    enum err err = version_check(api, why);
    if (err)
        return err;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        void *symbol = dlsym(api->library, rows[i].name);
        if (!symbol)
            return fail(ERR_UNSUPPORTED, why, "llama.cpp: %s has no %s(); " ADVICE, api->folder,
                        rows[i].name);
        row_set(api, &rows[i], symbol);
    }
    return ERR_OK;
}

/* The variant is the file that a call of the CPU back end lies in: libggml-cpu-VARIANT.so. */
static void variant_note(struct llama_api *api, void *symbol)
{
    static const char mark[] = "libggml-cpu-";
    Dl_info info;
    if (!dladdr(symbol, &info) || !info.dli_fname)
        return;
    const char *name = strstr(info.dli_fname, mark);
    if (!name)
        return;
    name += sizeof mark - 1;
    snprintf(api->cpu_variant, sizeof api->cpu_variant, "%.*s", (int)strcspn(name, "."), name);
}

static enum err cpu_fill(struct llama_api *api, struct text *why)
{
    ggml_backend_dev_t cpu = api->ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!cpu)
        return fail(ERR_UNSUPPORTED, why,
                    "llama.cpp: no libggml-cpu-*.so in %s runs on this machine; " ADVICE,
                    api->folder);
    ggml_backend_reg_t reg = api->ggml_backend_dev_backend_reg(cpu);
    for (size_t i = 0; i < COUNT_OF(cpu_rows); i++) {
        void *symbol = api->ggml_backend_reg_get_proc_address(reg, cpu_rows[i].name);
        if (!symbol)
            return fail(ERR_UNSUPPORTED, why,
                        "llama.cpp: the CPU library in %s has no %s(); " ADVICE, api->folder,
                        cpu_rows[i].name);
        row_set(api, &cpu_rows[i], symbol);
        variant_note(api, symbol);
    }
    return ERR_OK;
}

enum err llama_api_open(struct llama_api *ret_api, struct text *why)
{
    struct llama_api api = {0};
    enum err err = library_open(&api, why);
    if (err)
        return err;
    err = table_fill(&api, why);
    if (err) {
        dlclose(api.library);
        return err;
    }
    api.llama_log_set(log_keep, NULL);
    api.ggml_backend_load_all_from_path(api.folder);
    err = cpu_fill(&api, why);
    if (err)
        return err;
    api.llama_backend_init();
    *ret_api = api;
    return ERR_OK;
}

void *llama_api_symbol(const struct llama_api *api, const char *name)
{
    CHECK(api->library);
    return dlsym(api->library, name);
}

const char *llama_api_last_error(void)
{
    errors_are_old = true;
    return errors;
}

#endif
