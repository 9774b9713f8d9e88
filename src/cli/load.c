#include "cli/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/planning.h"
#include "deploy/world.h"
#include "fleet/layout.h"
#include "fleet/load_io.h"
#include "os/memory.h"

enum { COMPLAINTS_MAX = 64 * 1024 };

static void print_complaints(const struct fleet_complaints *complaints)
{
    char *buffer = os_alloc(COMPLAINTS_MAX);
    if (!buffer) {
        fprintf(stderr, "farspan: the file has mistakes, and there is no memory to show them\n");
        return;
    }
    struct text text;
    text_init(&text, buffer, COMPLAINTS_MAX);
    fleet_complaints_print(complaints, false, &text);
    fputs(buffer, stderr);
    os_free(buffer);
}

bool load_fleet_with(const char *file, const struct fleet_load_options *options,
                     struct arena *arena, const struct fleet **ret_fleet)
{
    struct fleet_complaints *complaints = ARENA_NEW(arena, struct fleet_complaints);
    enum err err =
        complaints ? fleet_load_with(file, options, arena, complaints, ret_fleet) : ERR_MEMORY;
    if (err == ERR_SYNTAX) {
        print_complaints(complaints);
        return false;
    }
    if (err) {
        fprintf(stderr, "farspan: %s: %s\n", file, err_text(err));
        return false;
    }
    return true;
}

bool load_fleet(const char *file, const int64_t *port_base, struct arena *arena,
                const struct fleet **ret_fleet)
{
    const struct fleet_load_options unchanged = {0};
    if (!load_fleet_with(file, &unchanged, arena, ret_fleet))
        return false;
    if (port_base && *port_base + fleet_port_count(*ret_fleet) > 65536) {
        fprintf(stderr, "farspan: this world needs %u ports: --port-base may be at most %u\n",
                fleet_port_count(*ret_fleet), 65536 - fleet_port_count(*ret_fleet));
        return false;
    }
    return true;
}

bool load_room(const char *file, const int64_t *port_base, int64_t room, struct arena *arena,
               struct room *ret_room)
{
    const struct fleet *fleet;
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (!load_fleet(file, port_base, arena, &fleet))
        return false;
    uint16_t base = port_base ? (uint16_t)*port_base : 0;
    enum err err = room_make(fleet, (uint16_t)room, base, arena, ret_room, &why);
    if (err)
        fprintf(stderr, "farspan: %s\n", why.n ? message : err_text(err));
    return !err;
}

uint16_t load_room_count(const char *file, const char *state)
{
    enum { ROOM_WITH_PLAN = 4 };
    char folder[STATE_PATH_MAX];
    bool has_plan, has_world;
    state_default_path(folder);
    uint16_t room = world_last_room(state ? state : folder, file);
    if (room > 0)
        return room;
    planning_look(file, &has_plan, &has_world);
    return has_plan ? ROOM_WITH_PLAN : 0;
}

/* ---- models ------------------------------------------------------------------------------- */

static bool is_needed(const struct fleet *fleet, uint16_t model, struct load_use use)
{
    for (uint16_t i = 0; i < fleet->service_count; i++) {
        const struct fleet_service *service = &fleet->services[i];
        bool is_replaced = service->engine == FLEET_ENGINE_LLAMA && (use.is_echo || use.has_model);
        if (service->model == model && !is_replaced)
            return true;
    }
    return false;
}

/* NULL: an engine can open <path>. */
static const char *what_bars(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerror(errno);
    const char *bar = NULL;
    if (fstat(fd, &about) != 0)
        bar = strerror(errno);
    else if (S_ISDIR(about.st_mode))
        bar = "it is a folder";
    else if (about.st_size == 0)
        bar = "it is empty";
    close(fd);
    return bar;
}

unsigned load_find_missing_models(const char *file, const struct fleet *fleet, struct load_use use,
                                  struct arena *arena, struct fleet_complaints *complaints)
{
    unsigned count = 0;
    for (uint16_t i = 0; i < fleet->model_count; i++) {
        const struct fleet_model *model = &fleet->models[i];
        char path[LIMIT_PATH + 1];
        if (!is_needed(fleet, i, use))
            continue;
        snprintf(path, sizeof path, "%.*s", SPAN_ARG(model->file));
        const char *bar = what_bars(path);
        if (!bar)
            continue;
        struct fleet_place place = {span_of(file), model->line, model->column};
        fleet_complain(complaints, arena, place,
                       "model %.*s: expected a file to load, found %s: %s", SPAN_ARG(model->name),
                       path, bar);
        count++;
    }
    return count;
}

bool load_has_models(const char *file, const struct fleet *fleet, struct load_use use,
                     struct arena *arena)
{
    struct fleet_complaints *complaints = ARENA_NEW(arena, struct fleet_complaints);
    if (!complaints) {
        fprintf(stderr, "farspan: %s\n", err_text(ERR_MEMORY));
        return false;
    }
    if (load_find_missing_models(file, fleet, use, arena, complaints) == 0)
        return true;
    print_complaints(complaints);
    return false;
}

/* ---- names -------------------------------------------------------------------------------- */

enum { NAMES_MAX = LIMIT_REGIONS > LIMIT_SERVICES ? LIMIT_REGIONS : LIMIT_SERVICES };

static void say_unknown(const char *what, const char *name, const struct span *names, size_t count)
{
    int nearest = fleet_nearest(span_of(name), names, count);
    fprintf(stderr, "farspan: there is no %s %s", what, name);
    if (nearest >= 0)
        fprintf(stderr, ": did you mean %.*s?", SPAN_ARG(names[nearest]));
    fprintf(stderr, "\n  this world has ");
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s%.*s", i ? ", " : "", SPAN_ARG(names[i]));
    fputc('\n', stderr);
}

uint16_t load_find_region(const struct fleet *fleet, const char *name)
{
    uint16_t region = fleet_find_region(fleet, span_of(name));
    if (region != FLEET_NONE)
        return region;
    struct span names[NAMES_MAX];
    for (uint16_t i = 0; i < fleet->region_count; i++)
        names[i] = fleet->regions[i].name;
    say_unknown("region", name, names, fleet->region_count);
    return FLEET_NONE;
}

uint16_t load_find_zone(const struct fleet *fleet, const char *name)
{
    uint16_t zone = fleet_find_zone(fleet, span_of(name));
    if (zone == FLEET_NONE)
        say_unknown("zone", name, fleet->zones, fleet->zone_count);
    return zone;
}

uint16_t load_find_service(const struct fleet *fleet, const char *name, enum fleet_kind kind)
{
    uint16_t service = name ? fleet_find_service(fleet, span_of(name)) : 0;
    for (uint16_t i = fleet->service_count; !name && i > 0; i--)
        if (fleet->services[i - 1].kind == kind)
            service = (uint16_t)(i - 1);
    if (service != FLEET_NONE)
        return service;
    struct span names[NAMES_MAX];
    for (uint16_t i = 0; i < fleet->service_count; i++)
        names[i] = fleet->services[i].name;
    say_unknown("service", name, names, fleet->service_count);
    return FLEET_NONE;
}

bool load_absolute(const char *path, char ret_path[STATE_PATH_MAX])
{
    char *real = realpath(path, NULL);
    bool fits = real && strlen(real) < STATE_PATH_MAX;
    if (fits)
        memcpy(ret_path, real, strlen(real) + 1);
    else
        fprintf(stderr, "farspan: %s: there is no such file\n", path);
    free(real);
    return fits;
}
