#include "deploy/roster.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

enum { VERSION = 1 };

static void set_name(char target[LIMIT_NAME + 1], struct span name)
{
    snprintf(target, LIMIT_NAME + 1, "%.*s", SPAN_ARG(name));
}

void roster_init(struct roster *roster, const struct room *room)
{
    const struct fleet *fleet = room->fleet;
    CHECK(fleet->worker_count <= LIMIT_WORKERS);
    *roster = (struct roster){.room = room->count, .epoch = fleet->epoch};
    for (uint16_t i = 0; i < room->first; i++) {
        const struct fleet_worker *worker = &fleet->workers[i];
        struct roster_row *row = &roster->rows[i];
        *row =
            (struct roster_row){.is_wanted = true, .like = i, .services = room_services(fleet, i)};
        if (worker->sku == FLEET_NONE)
            continue;
        set_name(row->sku, fleet->skus[worker->sku].name);
        row->price_usd_micro_h = fleet->skus[worker->sku].price_usd_micro_h;
    }
}

void roster_print_row(const struct roster_row *row, uint16_t worker, const struct fleet *fleet,
                      struct text *json)
{
    text_json_object(json);
    text_json_key(json, "worker");
    text_json_span(json, fleet->workers[worker].name);
    text_json_key(json, "services");
    text_json_array(json);
    for (uint16_t s = 0; s < fleet->service_count; s++)
        if (row->services >> s & 1)
            text_json_span(json, fleet->services[s].name);
    text_json_end(json);
    text_json_key(json, "like");
    text_json_span(json, fleet->workers[row->like].name);
    text_json_key(json, "sku");
    text_json_str(json, row->sku);
    text_json_key(json, "price_usd_h");
    text_json_micro(json, row->price_usd_micro_h);
    text_json_end(json);
}

void roster_print(const struct roster *roster, const struct fleet *fleet, struct text *json)
{
    text_json_object(json);
    text_json_key(json, "version");
    text_json_u64(json, VERSION);
    text_json_key(json, "file");
    text_json_str(json, roster->file);
    text_json_key(json, "room");
    text_json_u64(json, roster->room);
    text_json_key(json, "epoch");
    text_json_u64(json, roster->epoch);
    text_json_key(json, "workers");
    text_json_array(json);
    for (uint16_t i = 0; i < fleet->worker_count; i++)
        if (roster->rows[i].is_wanted)
            roster_print_row(&roster->rows[i], i, fleet, json);
    text_json_end(json);
    text_json_end(json);
}

static enum err read_services(const json_t *names, const struct fleet *fleet, uint64_t *ret_set,
                              struct text *why)
{
    size_t i;
    json_t *name;
    uint64_t set = 0;
    json_array_foreach(names, i, name)
    {
        uint16_t service = json_is_string(name)
                               ? fleet_find_service(fleet, span_of(json_string_value(name)))
                               : FLEET_NONE;
        if (service == FLEET_NONE) {
            text_add(why, "services: there is no service %s",
                     json_is_string(name) ? json_string_value(name) : "of that kind");
            return ERR_NOT_FOUND;
        }
        set |= UINT64_C(1) << service;
    }
    if (set == 0) {
        text_add(why, "services: expected at least one");
        return ERR_VALUE;
    }
    *ret_set = set;
    return ERR_OK;
}

enum err roster_read_row(const json_t *object, const struct room *room, uint16_t *ret_worker,
                         struct roster_row *ret_row, struct text *why)
{
    const struct fleet *fleet = room->fleet;
    const char *name = json_string_value(json_object_get(object, "worker"));
    const char *like = json_string_value(json_object_get(object, "like"));
    const char *sku = json_string_value(json_object_get(object, "sku"));
    double price = json_number_value(json_object_get(object, "price_usd_h"));
    uint16_t worker = room_find_worker(fleet, span_of(name));
    struct roster_row row = {.is_wanted = true, .like = room_find_worker(fleet, span_of(like))};
    if (worker == FLEET_NONE || row.like >= room->first ||
        (worker < room->first && row.like != worker)) {
        text_add(why, "there is no worker %s like %s in this world", name ? name : "(no name)",
                 like ? like : "(no name)");
        return ERR_NOT_FOUND;
    }
    if (!sku || strlen(sku) > LIMIT_NAME || !(price >= 0 && price <= 1e6)) {
        text_add(why, "%s: expected a sku and a price of 0 to 1e6 USD an hour", name);
        return ERR_VALUE;
    }
    set_name(row.sku, span_of(sku));
    row.price_usd_micro_h = (int64_t)(price * 1e6 + 0.5);
    enum err err = read_services(json_object_get(object, "services"), fleet, &row.services, why);
    if (err)
        return err;
    if (row.services & ~room_services(fleet, worker)) {
        text_add(why, "%s: its world's file does not let it compute these services", name);
        return ERR_VALUE;
    }
    *ret_worker = worker;
    *ret_row = row;
    return ERR_OK;
}

enum err roster_read(const json_t *object, const struct room *room, struct roster *ret_roster,
                     struct text *why)
{
    const char *file = json_string_value(json_object_get(object, "file"));
    json_int_t epoch = json_integer_value(json_object_get(object, "epoch"));
    const json_t *workers = json_object_get(object, "workers");
    if (json_integer_value(json_object_get(object, "version")) != VERSION || !file ||
        strlen(file) >= ROSTER_FILE_HEX || epoch < 1 || !json_is_array(workers)) {
        text_add(why, "expected a roster of version %d with file, epoch and workers", VERSION);
        return ERR_VALUE;
    }
    struct roster roster = {.room = room->count, .epoch = (uint64_t)epoch};
    snprintf(roster.file, sizeof roster.file, "%s", file);
    for (size_t i = 0; i < json_array_size(workers); i++) {
        uint16_t worker;
        struct roster_row row;
        enum err err = roster_read_row(json_array_get(workers, i), room, &worker, &row, why);
        if (err)
            return err;
        roster.rows[worker] = row;
    }
    *ret_roster = roster;
    return ERR_OK;
}

bool roster_row_is_equal(const struct roster_row *a, const struct roster_row *b)
{
    return a->is_wanted == b->is_wanted && a->like == b->like && a->services == b->services &&
           strcmp(a->sku, b->sku) == 0 && a->price_usd_micro_h == b->price_usd_micro_h;
}
