#include "deploy/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "deploy/state.h"
#include "os/file.h"
#include "os/memory.h"

enum { VERSION = 1 };

void journal_init(struct journal *journal, const struct change *change, const char *plan)
{
    snprintf(journal->plan, sizeof journal->plan, "%s", plan);
    journal->before = *change->before;
    journal->after = change->after;
    journal->list = change->list;
    journal->failure[0] = 0;
    rollout_init(&journal->rollout, &journal->list);
}

const struct roster_row *journal_row(const struct journal *journal, uint16_t worker)
{
    bool is_back = rollout_is_back(&journal->rollout);
    return is_back ? &journal->before.rows[worker] : &journal->after.rows[worker];
}

/* ---- writing ------------------------------------------------------------------------------- */

static void print_batches(const struct rollout_list *list, const struct fleet *fleet,
                          struct text *json)
{
    text_json_array(json);
    for (uint16_t i = 0; i < list->batch_count; i++) {
        const struct rollout_batch *batch = &list->batches[i];
        text_json_object(json);
        text_json_key(json, "start");
        text_json_bool(json, batch->is_start);
        text_json_key(json, "wave");
        text_json_u64(json, batch->wave);
        text_json_key(json, "workers");
        text_json_array(json);
        for (uint16_t w = 0; w < batch->count; w++)
            text_json_span(json, fleet->workers[list->workers[batch->first + w]].name);
        text_json_end(json);
        text_json_end(json);
    }
    text_json_end(json);
}

static void print(const struct journal *journal, const struct fleet *fleet, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "version");
    text_json_u64(json, VERSION);
    text_json_key(json, "plan");
    text_json_str(json, journal->plan);
    text_json_key(json, "state");
    text_json_str(json, rollout_state_text(journal->rollout.state));
    text_json_key(json, "batch");
    text_json_u64(json, journal->rollout.batch);
    text_json_key(json, "item");
    text_json_u64(json, journal->rollout.item);
    text_json_key(json, "failure");
    text_json_str(json, journal->failure);
    text_json_key(json, "batches");
    print_batches(&journal->list, fleet, json);
    text_json_key(json, "before");
    roster_print(&journal->before, fleet, json);
    text_json_key(json, "after");
    roster_print(&journal->after, fleet, json);
    text_json_end(json);
}

enum err journal_write(const char *state, const struct journal *journal, const struct fleet *fleet,
                       struct text *why)
{
    char path[STATE_PATH_MAX];
    char *buffer OS_FREED = os_alloc(JOURNAL_JSON_MAX);
    struct text json;
    if (!buffer)
        return ERR_MEMORY;
    text_init(&json, buffer, JOURNAL_JSON_MAX);
    print(journal, fleet, &json);
    CHECK(!json.is_cut);
    if (!state_file_path(state, "apply.json", path))
        return ERR_VALUE;
    return os_file_write(path, text_span(&json), 0600, why);
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Each worker once, each batch with at least one; what rollout_list_add_...() check. */
static bool read_batch(const json_t *object, const struct fleet *fleet, struct rollout_list *list)
{
    const json_t *names = json_object_get(object, "workers");
    json_int_t wave = json_integer_value(json_object_get(object, "wave"));
    if (json_array_size(names) == 0 || list->batch_count == ROLLOUT_BATCHES_MAX || wave < 0 ||
        wave > CHANGE_WAVES_MAX)
        return false;
    rollout_list_add_batch(list, json_is_true(json_object_get(object, "start")), (uint16_t)wave);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        uint16_t worker = room_find_worker(fleet, span_of(name));
        bool is_again = false;
        for (uint16_t w = 0; w < list->worker_count; w++)
            is_again |= list->workers[w] == worker;
        if (worker == FLEET_NONE || is_again)
            return false;
        rollout_list_add_worker(list, worker);
    }
    return true;
}

static bool read_position(const json_t *root, struct rollout *rollout)
{
    json_int_t batch = json_integer_value(json_object_get(root, "batch"));
    json_int_t item = json_integer_value(json_object_get(root, "item"));
    const char *state = json_string_value(json_object_get(root, "state"));
    if (batch < 0 || batch > UINT16_MAX || item < 0 || item > UINT16_MAX ||
        !rollout_state_find(state, &rollout->state))
        return false;
    rollout->batch = (uint16_t)batch;
    rollout->item = (uint16_t)item;
    return rollout_is_sound(rollout) && !rollout_is_over(rollout);
}

static enum err parse(const json_t *root, const struct room *room, const char *file,
                      struct journal *journal, struct text *why)
{
    const json_t *before = json_object_get(root, "before"), *after = json_object_get(root, "after");
    const json_t *batches = json_object_get(root, "batches");
    const char *plan = json_string_value(json_object_get(root, "plan"));
    const char *failure = json_string_value(json_object_get(root, "failure"));
    const char *own = json_string_value(json_object_get(before, "file"));
    if (own && strcmp(own, file) != 0)
        return ERR_STALE;
    if (!plan || strlen(plan) >= ROSTER_FILE_HEX || !failure ||
        json_integer_value(json_object_get(root, "version")) != VERSION)
        return ERR_VALUE;
    snprintf(journal->plan, sizeof journal->plan, "%s", plan);
    snprintf(journal->failure, sizeof journal->failure, "%s", failure);
    enum err err = roster_read(before, room, &journal->before, why);
    if (!err)
        err = roster_read(after, room, &journal->after, why);
    for (size_t i = 0; i < json_array_size(batches) && !err; i++)
        if (!read_batch(json_array_get(batches, i), room->fleet, &journal->list))
            err = ERR_VALUE;
    journal->rollout.list = &journal->list;
    if (!err && !read_position(root, &journal->rollout))
        err = ERR_VALUE;
    return err;
}

enum err journal_read(const char *state, const struct room *room, const char *file,
                      struct journal *ret_journal, struct text *why)
{
    char path[STATE_PATH_MAX];
    struct arena arena;
    struct span content;
    if (!state_file_path(state, "apply.json", path) || !os_file_exists(path))
        return ERR_NOT_FOUND;
    void *memory OS_FREED = os_alloc(2 * JOURNAL_JSON_MAX);
    if (!memory)
        return ERR_MEMORY;
    arena_init(&arena, memory, 2 * JOURNAL_JSON_MAX);
    enum err err = os_file_read(path, JOURNAL_JSON_MAX, &arena, &content, why);
    if (err)
        return err;
    memset(ret_journal, 0, sizeof *ret_journal);
    json_t *root = json_loadb(content.p, content.n, JSON_REJECT_DUPLICATES, NULL);
    err = parse(root, room, file, ret_journal, why);
    json_decref(root);
    if (err == ERR_VALUE && why->n == 0)
        text_add(why, "%s is not what an apply leaves; remove it", path);
    return err;
}
