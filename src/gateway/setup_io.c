/* setup_io.c: a gateway's immutable tables: keys, map, names of targets, what each server is shown.
 */
#include <stdlib.h>

#include "base/check.h"
#include "gateway/loop_io.h"

/* ---- keys --------------------------------------------------------------------------------- */

/* A secret in a file (its first line) or in the environment. ERR_NOT_FOUND says where it was
 * expected. */
static enum err read_secret(struct span file, struct span env, struct arena *arena,
                            struct span *ret_secret, struct text *why)
{
    char name[LIMIT_PATH + 1];
    struct span place = env.n ? env : file;
    if (place.n >= sizeof name)
        return ERR_VALUE;
    memcpy(name, place.p, place.n);
    name[place.n] = 0;
    struct span content;
    if (env.n) {
        content = span_of(getenv(name));
    } else {
        enum err err = os_file_read(name, GATEWAY_CREDENTIAL_MAX, arena, &content, why);
        if (err != ERR_OK)
            return err;
    }
    content = span_trim(span_cut(&content, '\n'));
    if (content.n && content.p[content.n - 1] == '\r')
        content.n--;
    if (content.n == 0) {
        text_add(why, "%s %s holds no key", env.n ? "the environment variable" : "the file", name);
        return ERR_NOT_FOUND;
    }
    *ret_secret = content;
    return ERR_OK;
}

static enum err add_key(struct gateway_keys *keys, const struct fleet_key *key, struct arena *arena,
                        struct text *why)
{
    if (keys->count == LIMIT_KEYS) {
        text_add(why, "there are more than %d keys", LIMIT_KEYS);
        return ERR_FULL;
    }
    struct fleet_key *row = &keys->row[keys->count];
    *row = *key;
    if (key->file.n || key->env.n) {
        struct span secret;
        enum err err = read_secret(key->file, key->env, arena, &secret, why);
        if (err != ERR_OK)
            return err;
        crypto_sha256(secret, row->sha256);
    }
    keys->count++;
    return ERR_OK;
}

static enum err read_keys(struct gateway *gateway, struct arena *arena, struct text *why)
{
    const struct gateway_config *config = &gateway->config;
    struct gateway_keys *keys = &gateway->keys;
    for (uint16_t i = 0; i < config->fleet->key_count; i++) {
        enum err err = add_key(keys, &config->fleet->keys[i], arena, why);
        if (err != ERR_OK)
            return err;
    }
    if (config->key) {
        enum err err = add_key(keys, config->key, arena, why);
        if (err != ERR_OK)
            return err;
    }
    if (config->peer_secret) {
        keys->has_peer_secret = true;
        memcpy(keys->peer_secret, config->peer_secret, CRYPTO_KEY_SIZE);
    }
    keys->is_open = config->is_open;
    if (keys->count == 0 && !keys->is_open) {
        text_add(why, "no client key is given: nobody could ask");
        return ERR_VALUE;
    }
    return ERR_OK;
}

/* ---- what servers are shown --------------------------------------------------------------- */

static enum err show(struct gateway_credential *credential, const char *scheme, struct span secret)
{
    size_t scheme_size = strlen(scheme);
    credential->value = os_alloc(scheme_size + secret.n + 1);
    if (!credential->value)
        return ERR_MEMORY;
    memcpy(credential->value, scheme, scheme_size);
    memcpy(credential->value + scheme_size, secret.p, secret.n);
    credential->size = scheme_size + secret.n;
    return ERR_OK;
}

static enum err make_credential(struct gateway *gateway, uint16_t origin, struct arena *arena,
                                struct text *why)
{
    const struct gateway_origin *row = &gateway->map.origins[origin];
    struct gateway_credential *credential = &gateway->credentials[origin];
    if (row->kind != GATEWAY_ORIGIN_REMOTE) {
        char proof[GATEWAY_PEER_PROOF_SIZE];
        if (!gateway->keys.has_peer_secret) {
            text_add(why, "a world's gateway needs its peer secret (--secret-fd)");
            return ERR_VALUE;
        }
        gateway_peer_proof(&gateway->keys, proof);
        return show(credential, "", span_of(proof));
    }
    const struct fleet_replica *replica = &gateway->config.fleet->replicas[row->index];
    struct span secret = gateway->config.upstream_key;
    if (replica->key_file.n || replica->key_env.n) {
        enum err err = read_secret(replica->key_file, replica->key_env, arena, &secret, why);
        if (err != ERR_OK)
            return err;
    }
    return secret.n ? show(credential, "Bearer ", secret) : ERR_OK;
}

static bool has_https(const struct gateway *gateway)
{
    for (uint16_t i = 0; i < gateway->config.fleet->replica_count; i++)
        if (span_starts_with(gateway->config.fleet->replicas[i].url, "https:"))
            return true;
    return false;
}

static enum err make_credentials(struct gateway *gateway, struct arena *arena, struct text *why)
{
    for (uint16_t i = 0; i < gateway->map.origin_count; i++) {
        enum err err = make_credential(gateway, i, arena, why);
        if (err != ERR_OK)
            return err;
        arena_reset(arena, 0);
    }
    return ERR_OK;
}

/* ---- tables ------------------------------------------------------------------------------- */

static enum err make_tables(struct gateway *gateway, struct arena *arena, struct text *why)
{
    const struct fleet *fleet = gateway->config.fleet;
    enum err err = read_keys(gateway, arena, why);
    if (err != ERR_OK)
        return err;
    gateway_map_init(&gateway->map, fleet, gateway->config.region, gateway->config.port_base);
    gateway->law = (struct gateway_law){fleet, &gateway->keys, gateway->config.region};

    size_t rows = (size_t)fleet->service_count * LIMIT_TARGETS;
    gateway->words =
        os_alloc_aligned(_Alignof(struct gateway_words), (rows + 1) * sizeof(struct gateway_words));
    gateway->credentials =
        os_alloc((gateway->map.origin_count + 1u) * sizeof(struct gateway_credential));
    gateway->index_memory = os_alloc_aligned(64, prefix_index_size(LIMIT_PREFIX_INDEX_SLOTS));
    if (!gateway->words || !gateway->credentials || !gateway->index_memory)
        return ERR_MEMORY;
    gateway->index = prefix_index_init(gateway->index_memory, LIMIT_PREFIX_INDEX_SLOTS);
    if (has_https(gateway)) {
        err = net_tls_client_new(gateway->config.ca_file, &gateway->tls, why);
        if (err != ERR_OK)
            return err;
    }
    return gateway_labels_init(&gateway->labels, &gateway->map);
}

/* Other people's servers count as there until a probe or a request finds otherwise. */
static void trust_remotes(struct gateway *gateway)
{
    const struct gateway_map *map = &gateway->map;
    for (uint16_t s = 0; s < map->fleet->service_count; s++)
        for (uint16_t t = 0; t < map->services[s].target_count; t++) {
            uint16_t origin = map->services[s].targets[t].origin;
            if (map->origins[origin].kind == GATEWAY_ORIGIN_REMOTE)
                GATEWAY_STORE(gateway_words_of(gateway, s, t)->is_ready, true);
        }
}

/* Alone, a service that only workers have would be refused at every request. */
static enum err check_targets(const struct gateway *gateway, struct text *why)
{
    const struct gateway_map *map = &gateway->map;
    for (uint16_t s = 0; map->port_base == 0 && s < map->fleet->service_count; s++) {
        if (map->services[s].target_count > 0)
            continue;
        text_add(why,
                 "service %.*s has no remote replica, and a gateway that stands alone serves "
                 "nothing else: farspan up runs workers",
                 SPAN_ARG(map->fleet->services[s].name));
        return ERR_VALUE;
    }
    return ERR_OK;
}

enum err gateway_setup(struct gateway *gateway, struct text *why)
{
    size_t size = 4 * GATEWAY_CREDENTIAL_MAX;
    char *memory = os_alloc(size);
    if (!memory)
        return ERR_MEMORY;
    struct arena arena;
    arena_init(&arena, memory, size);
    enum err err = make_tables(gateway, &arena, why);
    if (err == ERR_OK)
        err = check_targets(gateway, why);
    if (err == ERR_OK)
        err = make_credentials(gateway, &arena, why);
    if (err == ERR_OK)
        trust_remotes(gateway);
    crypto_wipe(memory, size);
    os_free(memory);
    return err;
}

void gateway_setup_free(struct gateway *gateway)
{
    for (uint16_t i = 0; gateway->credentials && i < gateway->map.origin_count; i++)
        if (gateway->credentials[i].value) {
            crypto_wipe(gateway->credentials[i].value, gateway->credentials[i].size);
            os_free(gateway->credentials[i].value);
        }
    crypto_wipe(&gateway->keys, sizeof gateway->keys);
    os_free(gateway->credentials);
    gateway_labels_fini(&gateway->labels);
    os_free(gateway->words);
    os_free(gateway->index_memory);
    net_tls_client_free(gateway->tls);
}
