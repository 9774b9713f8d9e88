/* places.c: the roster of a running world: kept in STATE/roster.json, changed by a worker and the
 * epoch at a time. The file is written first and acted upon then, so that a supervisor that is
 * killed in between does it when it runs again. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "deploy/world_own.h"
#include "http/peer.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/process.h"

enum { DRAIN_ANSWER_US = 2 * 1000 * 1000, FILE_MAX = LIMIT_CONFIG_BYTES };

/* ---- the file ------------------------------------------------------------------------------ */

static enum err hash_file(const char *path, char ret_hex[ROSTER_FILE_HEX], struct text *why)
{
    struct arena arena;
    struct span content;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    void *memory OS_FREED = os_alloc(2 * FILE_MAX);
    if (!memory)
        return ERR_MEMORY;
    arena_init(&arena, memory, 2 * FILE_MAX);
    enum err err = os_file_read(path, FILE_MAX, &arena, &content, why);
    if (err)
        return err;
    crypto_sha256(content, digest);
    crypto_hex(digest, sizeof digest, ret_hex);
    return ERR_OK;
}

/* NULL: there is none, or it is of another file. */
static json_t *read_last(const char *state, const char *hash)
{
    char path[STATE_PATH_MAX], unread[512];
    struct arena arena;
    struct span content;
    struct text why;
    void *memory OS_FREED = os_alloc(2 * ROSTER_JSON_MAX);
    text_init(&why, unread, sizeof unread);
    if (!memory || !state_file_path(state, "roster.json", path))
        return NULL;
    arena_init(&arena, memory, 2 * ROSTER_JSON_MAX);
    if (os_file_read(path, ROSTER_JSON_MAX, &arena, &content, &why))
        return NULL;
    json_t *root = json_loadb(content.p, content.n, JSON_REJECT_DUPLICATES, NULL);
    const char *file = json_string_value(json_object_get(root, "file"));
    if (file && strcmp(file, hash) == 0)
        return root;
    json_decref(root);
    return NULL;
}

uint16_t world_last_room(const char *state, const char *file)
{
    char hash[ROSTER_FILE_HEX], unread[512];
    struct text why;
    text_init(&why, unread, sizeof unread);
    if (hash_file(file, hash, &why))
        return 0; /* who loads it will say why */
    json_t *root = read_last(state, hash);
    json_int_t room = json_integer_value(json_object_get(root, "room"));
    json_decref(root);
    return room > 0 && room <= ROOM_MAX ? (uint16_t)room : 0;
}

static enum err write_roster(const struct world *world, struct text *why)
{
    char path[STATE_PATH_MAX];
    char *buffer OS_FREED = os_alloc(ROSTER_JSON_MAX);
    struct text json;
    if (!buffer)
        return ERR_MEMORY;
    text_init(&json, buffer, ROSTER_JSON_MAX);
    roster_print(&world->roster, world->rules.fleet, &json);
    CHECK(!json.is_cut); /* names of LIMIT_REPLICAS services and LIMIT_WORKERS workers */
    CHECK(state_file_path(world->rules.state->path, "roster.json", path));
    return os_file_write(path, text_span(&json), 0600, why);
}

enum err world_places_new(struct world *world, struct text *why)
{
    struct roster *roster = &world->roster;
    const struct room *room = &world->rules.room;
    char hash[ROSTER_FILE_HEX], unread[1024];
    struct text reason;
    enum err err = hash_file(world->rules.file, hash, why);
    if (err)
        return err;
    text_init(&reason, unread, sizeof unread);
    json_t *root = read_last(world->rules.state->path, hash);
    roster_init(roster, room);
    if (root && roster_read(root, room, roster, &reason))
        fprintf(stderr, "farspan: the workers are those of the file again: roster.json: %s\n",
                unread);
    json_decref(root);
    memcpy(roster->file, hash, sizeof hash);
    return write_roster(world, why);
}

const struct roster *world_roster(const struct world *world)
{
    return &world->roster;
}

/* ---- changes ------------------------------------------------------------------------------- */

static struct world_process *process_of(struct world *world, uint16_t worker)
{
    CHECK(worker < world->rules.fleet->worker_count);
    struct world_process *process = &world->process[1 + worker]; /* the link stands first */
    CHECK(process->role == WORLD_WORKER && process->index == worker);
    return process;
}

static enum err set_row(struct world *world, uint16_t worker, const struct roster_row *row,
                        struct text *why)
{
    struct roster_row before = world->roster.rows[worker];
    world->roster.rows[worker] = *row;
    enum err err = write_roster(world, why);
    if (err)
        world->roster.rows[worker] = before;
    return err;
}

static void start(struct world_process *process)
{
    if (process->pid)
        return; /* it leaves still: world_place_note_gone() */
    child_init(&process->child);
    world_apply(process, CHILD_START);
}

enum err world_place_start(struct world *world, uint16_t worker, const struct roster_row *row,
                           struct text *why)
{
    const struct roster_row *now = &world->roster.rows[worker];
    if (now->is_wanted) {
        if (roster_row_is_equal(now, row))
            return ERR_OK;
        text_add(why, "%.*s works there on other things already",
                 SPAN_ARG(world->rules.fleet->workers[worker].name));
        return ERR_EXISTS;
    }
    enum err err = set_row(world, worker, row, why);
    if (!err)
        start(process_of(world, worker));
    return err;
}

enum err world_place_stop(struct world *world, uint16_t worker, struct text *why)
{
    static const struct roster_row nobody;
    struct world_process *process = process_of(world, worker);
    if (!world->roster.rows[worker].is_wanted)
        return ERR_OK;
    enum err err = set_row(world, worker, &nobody, why);
    if (err)
        return err;
    process->is_leaving = true;
    process->is_spawn_due = false;
    world_report_process(process, "stopping", 0, 0);
    world_apply(process, CHILD_STOP);
    if (!process->pid)
        world_place_note_gone(process);
    return ERR_OK;
}

void world_place_note_gone(struct world_process *process)
{
    process->is_leaving = false;
    world_report_process(process, "stopped", 0, 0);
    if (world_is_wanted(process))
        start(process);
}

enum err world_set_epoch(struct world *world, uint64_t epoch, struct text *why)
{
    uint64_t before = world->roster.epoch;
    if (epoch != before && epoch != before + 1) {
        text_add(why, "the world is at epoch %llu, so %llu cannot be next",
                 (unsigned long long)before, (unsigned long long)epoch);
        return ERR_STALE;
    }
    world->roster.epoch = epoch;
    enum err err = write_roster(world, why);
    if (err)
        world->roster.epoch = before;
    char number[24];
    int n = snprintf(number, sizeof number, "%llu", (unsigned long long)epoch);
    struct world_event event = {.event = "epoch", .process = span_from(number, (size_t)n)};
    if (!err && epoch != before)
        world_report(world, &event);
    return err;
}

/* ---- drain --------------------------------------------------------------------------------- */

/* One that does not take the word is asked by a signal, which gives its requests 4 s. */
static void insist(struct world_process *process)
{
    if (!process->pid || process->child.state != CHILD_STOPPING)
        return;
    if (process->is_paused && !os_signal(process->pid, SIGCONT))
        process->is_paused = false;
    if (os_signal(process->pid, SIGTERM))
        fprintf(stderr, "farspan: %s could not be asked to end\n", process->name);
}

static void on_head(struct http_call *call, const struct http_head *head)
{
    struct world_process *process = http_call_user(call);
    process->is_drain_taken = head->status == 202;
}

static void on_body(struct http_call *call, struct span piece)
{
    CHECK(call && piece.n > 0);
}

static void end_drain(struct world_process *process)
{
    process->drain = NULL;
    if (!process->is_drain_taken)
        insist(process);
}

static void on_end(struct http_call *call)
{
    end_drain(http_call_user(call));
}

static void on_error(struct http_call *call, enum err err, enum http_phase phase)
{
    CHECK(err && phase <= HTTP_PHASE_ANSWER);
    end_drain(http_call_user(call));
}

static const struct http_call_handler handler = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};

bool world_place_ask_drain(struct world_process *process)
{
    struct world *world = process->world;
    char head[256], proof[HTTP_PEER_PROOF_SIZE];
    if (process->drain)
        return false; /* a question to the one that worked there before is open still */
    process->is_drain_taken = false;
    http_peer_proof(world->rules.state->peer_secret, proof);
    int n =
        snprintf(head, sizeof head, "POST /peer/v1/drain HTTP/1.1\r\nauthorization: %s\r\n", proof);
    struct http_request request = {.head = span_from(head, (size_t)n),
                                   .first_byte_timeout_us = DRAIN_ANSWER_US,
                                   .handler = &handler,
                                   .user = process};
    process->drain = http_call(world->inquiry.origins[process->index], &request);
    crypto_wipe(proof, sizeof proof);
    crypto_wipe(head, sizeof head);
    return process->drain != NULL;
}

void world_places_free(struct world *world)
{
    for (unsigned i = 0; i < world->process_count; i++) {
        if (world->process[i].drain)
            http_call_cancel(world->process[i].drain);
        world->process[i].drain = NULL;
    }
}
