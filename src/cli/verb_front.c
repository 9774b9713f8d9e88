#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "fleet/front.h"
#include "fleet/load_io.h"
#include "gateway/gateway_io.h"
#include "http/client_io.h"
#include "os/file.h"
#include "os/memory.h"

enum { ASK_TIMEOUT_US = 5 * 1000 * 1000, SECRET_MAX = 4096, READY_MAX = 256 * 1024 };

struct front {
    const char *listen, *key, *key_file, *upstream_key_file, *access_log, *policy, *ca_file;
    struct option_list named;
    int64_t threads;
    bool is_insecure, is_json;
    struct arena arena;
    struct span urls[LIMIT_REPLICAS];
    size_t url_count;
    struct span services[LIMIT_SERVICES];
    size_t service_count;
    bool is_served[LIMIT_SERVICES][OPTION_LIST_MAX]; /* by which url; all of a silent one */
    struct span upstream_key;
};

static bool complain(const char *what, const char *detail)
{
    fprintf(stderr, "farspan front: %s%s%s\n", what, detail[0] ? ": " : "", detail);
    return false;
}

/* ---- which services there are ------------------------------------------------------------- */

static bool add_service(struct front *front, struct span name, size_t url)
{
    size_t i = 0;
    while (i < front->service_count && !span_is_equal(front->services[i], name))
        i++;
    if (i == LIMIT_SERVICES)
        return complain("the servers have more than 64 models; name some with --service", "");
    if (i == front->service_count) {
        front->services[i] = arena_copy(&front->arena, name);
        front->service_count++;
    }
    front->is_served[i][url] = true;
    return true;
}

static bool take_list(struct front *front, struct span body, size_t url)
{
    json_t *root = json_loadb(body.p, body.n, 0, NULL);
    const json_t *rows = json_object_get(root, "data");
    bool is_good = json_array_size(rows) > 0;
    for (size_t i = 0; is_good && i < json_array_size(rows); i++) {
        const json_t *id = json_object_get(json_array_get(rows, i), "id");
        is_good = json_is_string(id) && add_service(front, span_of(json_string_value(id)), url);
    }
    json_decref(root);
    return is_good;
}

/* "http://host/v1" and "http://host" both have their list at /v1/models. */
static struct span path_of(struct span url)
{
    const char *host = memchr(url.p, ':', url.n);
    CHECK(host);
    struct span rest = span_from(host + 3, url.n - (size_t)(host + 3 - url.p));
    const char *slash = memchr(rest.p, '/', rest.n);
    if (!slash)
        return (struct span){"", 0};
    struct span path = span_from(slash, rest.n - (size_t)(slash - rest.p));
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (path.n >= 3 && memcmp(path.p + path.n - 3, "/v1", 3) == 0)
        path.n -= 3;
    return path;
}

static bool ask_one(struct front *front, size_t url)
{
    char head[SECRET_MAX + LIMIT_URL + 128], message[256];
    struct text text, why;
    text_init(&text, head, sizeof head);
    text_init(&why, message, sizeof message);
    struct span path = path_of(front->urls[url]);
    text_add(&text, "GET %.*s/v1/models HTTP/1.1\r\n", SPAN_ARG(path));
    if (front->upstream_key.n)
        text_add(&text, "authorization: Bearer %.*s\r\n", SPAN_ARG(front->upstream_key));
    unsigned status = 0;
    struct span body;
    enum err err =
        http_fetch(front->urls[url], front->ca_file, text_span(&text), (struct span){0, 0},
                   ASK_TIMEOUT_US, &front->arena, &status, &body, &why);
    crypto_wipe(head, sizeof head);
    if (err == ERR_OK && status == 200 && take_list(front, body, url))
        return true;
    fprintf(stderr, "farspan front: %.*s/v1/models gives no list of models (%s%.0u)\n",
            SPAN_ARG(front->urls[url]), err ? (why.n ? message : err_text(err)) : "status ",
            err ? 0 : status);
    return false;
}

static bool find_services(struct front *front)
{
    for (size_t i = 0; i < front->named.count; i++)
        for (size_t url = 0; url < front->url_count; url++)
            if (!add_service(front, span_of(front->named.item[i]), url))
                return false;
    if (front->named.count)
        return true;
    bool is_silent[OPTION_LIST_MAX] = {false};
    for (size_t url = 0; url < front->url_count; url++)
        is_silent[url] = !ask_one(front, url);
    if (front->service_count == 0)
        return complain("no server tells what it serves: name it with --service NAME", "");
    /* A server that is silent now may be starting: it is taken to serve what the others do. */
    for (size_t url = 0; url < front->url_count; url++)
        for (size_t i = 0; is_silent[url] && i < front->service_count; i++)
            front->is_served[i][url] = true;
    return true;
}

/* ---- settings ----------------------------------------------------------------------------- */

static bool take_upstream_key(struct front *front)
{
    if (!front->upstream_key_file)
        return true;
    char message[256];
    struct text why;
    struct span content;
    text_init(&why, message, sizeof message);
    if (os_file_read(front->upstream_key_file, SECRET_MAX - 64, &front->arena, &content, &why) !=
        ERR_OK)
        return complain("the servers' key cannot be read", message);
    front->upstream_key = span_trim(span_cut(&content, '\n'));
    return front->upstream_key.n > 0 || complain("the servers' key file is empty", "");
}

/* fleet_front() lets every server serve everything: what one has not is taken out again. Answers
 * with the exit status. */
static int make_fleet(struct front *front, const struct fleet **ret_fleet)
{
    const struct fleet *whole;
    enum err err = fleet_front(front->urls, front->url_count, front->services, front->service_count,
                               &front->arena, &whole);
    if (err == ERR_VALUE) {
        complain("a server must be http://HOST:PORT or https://HOST, a service a plain name", "");
        return front->named.count ? 2 : 1; /* else the servers gave the names */
    }
    struct fleet *fleet = err == ERR_OK ? ARENA_NEW(&front->arena, struct fleet) : NULL;
    if (!fleet) {
        complain("too many servers and services", err_text(err == ERR_OK ? ERR_MEMORY : err));
        return 1;
    }
    *fleet = *whole;
    fleet->replica_count = 0;
    for (uint16_t i = 0; i < whole->replica_count; i++)
        if (front->is_served[i / front->url_count][i % front->url_count])
            fleet->replicas[fleet->replica_count++] = whole->replicas[i];
    *ret_fleet = fleet;
    return 0;
}

/* False: an option's value is wrong. */
static bool take_config(struct front *front, struct fleet_key *key, struct gateway_config *config)
{
    *config = (struct gateway_config){
        .takes_signals = true,
        .threads = (uint16_t)front->threads,
        .is_insecure = front->is_insecure,
        .access_log = front->access_log,
        .ca_file = front->ca_file,
    };
    if (!net_address_parse(span_of(front->listen), &config->listen))
        return complain("--listen takes IP:PORT", front->listen);
    *key = (struct fleet_key){.name = SPAN_LITERAL("client"), .residency = UINT32_MAX};
    if (front->key)
        crypto_sha256(span_of(front->key), key->sha256);
    else if (front->key_file)
        key->file = span_of(front->key_file);
    config->is_open = !front->key && !front->key_file;
    config->key = config->is_open ? NULL : key;
    config->has_policy = front->policy != NULL;
    if (front->policy && !fleet_policy_find(span_of(front->policy), &config->policy))
        return complain("--policy knows adaptive round_robin weighted_round_robin "
                        "least_connections p2c peak_ewma consistent_hash nearest cheapest, not",
                        front->policy);
    return true;
}

/* {"ready":true,"url":"http://...","servers":[...],"services":[...],"open":false} */
static void print_ready_json(const struct front *front, const struct gateway_config *config)
{
    static char buffer[READY_MAX];
    char url[128];
    struct text json;
    text_init(&json, buffer, sizeof buffer);
    snprintf(url, sizeof url, "http://%s", front->listen);
    text_json_object(&json);
    text_json_key(&json, "ready");
    text_json_bool(&json, true);
    text_json_key(&json, "url");
    text_json_str(&json, url);
    text_json_key(&json, "servers");
    text_json_array(&json);
    for (size_t i = 0; i < front->url_count; i++)
        text_json_span(&json, front->urls[i]);
    text_json_end(&json);
    text_json_key(&json, "services");
    text_json_array(&json);
    for (size_t i = 0; i < front->service_count; i++)
        text_json_span(&json, front->services[i]);
    text_json_end(&json);
    text_json_key(&json, "open");
    text_json_bool(&json, config->is_open);
    text_json_end(&json);
    puts(buffer);
    fflush(stdout);
}

static void say_ready(const struct front *front, const struct gateway_config *config)
{
    if (front->is_json) {
        print_ready_json(front, config);
        return;
    }

    fprintf(stderr, "farspan front: http://%s answers for", front->listen);
    for (size_t i = 0; i < front->service_count; i++)
        fprintf(stderr, "%s %.*s", i ? "," : "", SPAN_ARG(front->services[i]));
    fprintf(stderr, " from %zu server%s%s\n", front->url_count, front->url_count == 1 ? "" : "s",
            config->is_open ? "; no key is set: open to every caller of this machine" : "");
}

static int run(struct front *front)
{
    char message[1024];
    struct text why;
    text_init(&why, message, sizeof message);
    struct fleet_key key;
    struct gateway_config config;
    if (!take_config(front, &key, &config))
        return 2;
    if (!take_upstream_key(front) || !find_services(front))
        return 1;
    config.upstream_key = front->upstream_key;
    int status = make_fleet(front, &config.fleet);
    if (status != 0)
        return status;
    struct gateway *gateway;
    enum err err = gateway_new(&config, &gateway, &why);
    if (err != ERR_OK) {
        complain(why.n ? message : err_text(err), "");
        return err == ERR_SYNTAX ? 2 : 1; /* a URL that nobody could dial */
    }
    say_ready(front, &config);
    gateway_run(gateway);
    gateway_free(gateway);
    return 0;
}

static int take_urls(struct front *front, char **argv, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct span url = span_of(argv[i]);
        if (!span_starts_with(url, "http://") && !span_starts_with(url, "https://")) {
            complain("a server is http://HOST:PORT or https://HOST, not", argv[i]);
            return 2;
        }
        front->urls[front->url_count++] = url;
    }
    return OPTIONS_RUN;
}

int verb_front(int argc, char **argv)
{
    struct front *front = os_alloc(sizeof *front);
    char *memory = os_alloc(2 * FLEET_ARENA_SIZE);
    if (!front || !memory) {
        complain(err_text(ERR_MEMORY), "");
        os_free(memory);
        os_free(front);
        return 1;
    }
    front->listen = "127.0.0.1:8080";
    front->threads = 1;
    arena_init(&front->arena, memory, 2 * FLEET_ARENA_SIZE);
    const struct option_row rows[] = {
        {"--listen", "IP:PORT", "where (default 127.0.0.1:8080)", OPTION_TEXT, &front->listen, 0,
         0},
        {"--service", "NAME", "a model to serve; may be given again (default: /v1/models of each)",
         OPTION_LIST, &front->named, 0, 0},
        {"--threads", "N", "event loops (default 1)", OPTION_NUMBER, &front->threads, 1,
         GATEWAY_THREADS_MAX},
        {"--key", "KEY", "what clients must show (default: nothing, on loopback)", OPTION_TEXT,
         &front->key, 0, 0},
        {"--key-file", "FILE", "the same from a file", OPTION_TEXT, &front->key_file, 0, 0},
        {"--upstream-key-file", "FILE", "the key that the servers want", OPTION_TEXT,
         &front->upstream_key_file, 0, 0},
        {"--policy", "NAME", "which server answers (default adaptive)", OPTION_TEXT, &front->policy,
         0, 0},
        {"--access-log", "FILE", "one JSON line a request", OPTION_TEXT, &front->access_log, 0, 0},
        {"--ca-file", "FILE", "trust these roots for https", OPTION_TEXT, &front->ca_file, 0, 0},
        {"--json", NULL, "one JSON line when ready", OPTION_FLAG, &front->is_json, 0, 0},
        {"--insecure", NULL, "plain text beyond loopback; needs a key", OPTION_FLAG,
         &front->is_insecure, 0, 0},
    };
    const struct option_usage usage = {
        "farspan front URL [URL ...] [--service NAME ...] [--listen IP:PORT]",
        "Puts one gateway before servers that already run: vLLM, SGLang, llama-server, TGI, any\n"
        "OpenAI-compatible or Open Inference Protocol server, http or https.",
        "farspan front http://127.0.0.1:8000 http://127.0.0.1:8001",
        rows,
        COUNT_OF(rows),
        1,
        OPTION_LIST_MAX};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status == OPTIONS_RUN)
        status = take_urls(front, argv, rest);
    if (status == OPTIONS_RUN)
        status = run(front);
    os_free(memory);
    os_free(front);
    return status;
}
