#include <stdio.h>

#include "base/span.h"
#include "base/text.h"
#include "build_info.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "http/json_scan.h"
#ifdef FARSPAN_WITH_LLAMA
#include "worker/llama_api.h"
#endif

/* What the engine says of itself, or why there is none. */
static bool describe_llama(char *buffer, size_t size)
{
    struct text text;
    text_init(&text, buffer, size);
#ifdef FARSPAN_WITH_LLAMA
    static struct llama_api api;
    char message[256];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!llama_api_open(&api, &why)) {
        text_add(&text, "llama.cpp %s, CPU variant %s", api.version, api.cpu_variant);
        return true;
    }
    text_add_span(&text, text_span(&why));
#else
    text_add(&text, "not built in: run tools/setup.sh, then make without WITH_LLAMA=off");
#endif
    return false;
}

int verb_version(int argc, char **argv)
{
    bool is_json = false;
    const struct option_row rows[] = {
        {"--json", NULL, "one JSON object", OPTION_FLAG, &is_json, 0, 0},
    };
    const struct option_usage usage = {"farspan version [--json]",
                                       "Version, commit, compiler and the engines found.",
                                       "farspan version",
                                       rows,
                                       1,
                                       0,
                                       0};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;

    char llama[512];
    bool has_llama = describe_llama(llama, sizeof llama);
    if (is_json) {
        char buffer[1024];
        struct text json;
        text_init(&json, buffer, sizeof buffer);
        text_json_object(&json);
        text_json_key(&json, "version");
        text_json_str(&json, FARSPAN_VERSION);
        text_json_key(&json, "commit");
        text_json_str(&json, FARSPAN_COMMIT);
        text_json_key(&json, "compiler");
        text_json_str(&json, FARSPAN_COMPILER);
        text_json_key(&json, "engines");
        text_json_array(&json);
        text_json_str(&json, "native");
        text_json_str(&json, "echo");
        if (has_llama)
            text_json_str(&json, "llama");
        text_json_end(&json);
        text_json_key(&json, "llama");
        text_json_str(&json, llama);
        text_json_end(&json);
        puts(buffer);
        return 0;
    }
    printf("farspan  %s (%s, %s)\n", FARSPAN_VERSION, FARSPAN_COMMIT, FARSPAN_COMPILER);
    printf("engines  native  built in\n         echo    built in\n         llama   %s\n", llama);
    printf("json     %s\n", json_scan_implementation());
    return 0;
}
