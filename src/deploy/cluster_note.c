#include "deploy/cluster_note.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "os/file.h"
#include "os/memory.h"

enum { VERSION = 1, BYTES_MAX = 256 * 1024 };

enum err cluster_note_write(const char *path, const struct cluster_note *note, struct text *why)
{
    char *buffer OS_FREED = os_alloc(BYTES_MAX);
    struct text json;
    if (!buffer)
        return ERR_MEMORY;
    text_init(&json, buffer, BYTES_MAX);
    text_json_object(&json);
    text_json_key(&json, "version");
    text_json_u64(&json, VERSION);
    text_json_key(&json, "plan");
    text_json_str(&json, note->plan);
    text_json_key(&json, "epoch");
    text_json_u64(&json, note->epoch);
    text_json_key(&json, "rounds");
    text_json_u64(&json, note->rounds);
    text_json_key(&json, "state");
    text_json_str(&json, rollout_state_text(note->rollout.state));
    text_json_key(&json, "batch");
    text_json_u64(&json, note->rollout.batch);
    text_json_key(&json, "item");
    text_json_u64(&json, note->rollout.item);
    text_json_key(&json, "failure");
    text_json_str(&json, note->failure);
    text_json_key(&json, "contexts");
    text_json_array(&json);
    for (uint32_t i = 0; i < note->context_count; i++) {
        text_json_object(&json);
        text_json_key(&json, "region");
        text_json_str(&json, note->contexts[i].region);
        text_json_key(&json, "context");
        text_json_str(&json, note->contexts[i].context);
        text_json_end(&json);
    }
    text_json_end(&json);
    text_json_end(&json);
    CHECK(!json.is_cut);
    return os_file_write(path, text_span(&json), 0600, why);
}

/* False: none, or too long. */
static bool read_text(const json_t *object, const char *key, char *target, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    int n = text ? snprintf(target, size, "%s", text) : -1;
    return n >= 0 && (size_t)n < size;
}

static bool read_number(const json_t *object, const char *key, uint64_t max, uint64_t *ret_value)
{
    const json_t *number = json_object_get(object, key);
    json_int_t value = json_integer_value(number);
    if (!json_is_integer(number) || value < 0 || (uint64_t)value > max)
        return false;
    *ret_value = (uint64_t)value;
    return true;
}

static bool read_contexts(const json_t *rows, struct cluster_note *note)
{
    size_t i;
    json_t *row;
    if (json_array_size(rows) > CLUSTER_CONTEXTS_MAX)
        return false;
    json_array_foreach(rows, i, row)
    {
        struct cluster_context *context = &note->contexts[note->context_count++];
        if (!read_text(row, "region", context->region, sizeof context->region) ||
            !read_text(row, "context", context->context, sizeof context->context))
            return false;
    }
    return true;
}

static bool parse(const json_t *root, struct cluster_note *note)
{
    char state[32];
    uint64_t version, rounds, batch, item;
    bool is_good = read_number(root, "version", VERSION, &version) && version == VERSION &&
                   read_text(root, "plan", note->plan, sizeof note->plan) &&
                   read_number(root, "epoch", INT64_MAX, &note->epoch) &&
                   read_number(root, "rounds", CLUSTER_ROUNDS_MAX, &rounds) && rounds >= 1 &&
                   read_text(root, "state", state, sizeof state) &&
                   rollout_state_find(state, &note->rollout.state) &&
                   read_number(root, "batch", UINT16_MAX, &batch) &&
                   read_number(root, "item", UINT16_MAX, &item) &&
                   read_text(root, "failure", note->failure, sizeof note->failure) &&
                   read_contexts(json_object_get(root, "contexts"), note);
    if (!is_good)
        return false;
    note->rounds = (uint32_t)rounds;
    note->rollout.batch = (uint16_t)batch;
    note->rollout.item = (uint16_t)item;
    return !rollout_is_over(&note->rollout);
}

enum err cluster_note_read(const char *path, struct cluster_note *ret_note, struct text *why)
{
    struct arena arena;
    struct span content;
    if (!os_file_exists(path))
        return ERR_NOT_FOUND;
    void *memory OS_FREED = os_alloc(2 * BYTES_MAX);
    if (!memory)
        return ERR_MEMORY;
    arena_init(&arena, memory, 2 * BYTES_MAX);
    enum err err = os_file_read(path, BYTES_MAX, &arena, &content, why);
    if (err)
        return err;
    memset(ret_note, 0, sizeof *ret_note);
    json_t *root = json_loadb(content.p, content.n, JSON_REJECT_DUPLICATES, NULL);
    bool is_good = parse(root, ret_note);
    json_decref(root);
    if (!is_good)
        text_add(why, "%s is not what an apply leaves; remove it", path);
    return is_good ? ERR_OK : ERR_VALUE;
}

const char *cluster_note_context(const struct cluster_note *note, struct span region)
{
    for (uint32_t i = 0; i < note->context_count; i++)
        if (span_is(region, note->contexts[i].region))
            return note->contexts[i].context;
    return NULL;
}
