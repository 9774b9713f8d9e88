#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool load_fleet(const char *file, const int64_t *port_base, struct arena *arena,
                const struct fleet **ret_fleet)
{
    struct fleet_complaints *complaints = ARENA_NEW(arena, struct fleet_complaints);
    enum err err = complaints ? fleet_load(file, arena, complaints, ret_fleet) : ERR_MEMORY;
    if (err == ERR_SYNTAX) {
        print_complaints(complaints);
        return false;
    }
    if (err) {
        fprintf(stderr, "farspan: %s: %s\n", file, err_text(err));
        return false;
    }
    if (port_base && *port_base + fleet_port_count(*ret_fleet) > 65536) {
        fprintf(stderr, "farspan: this world needs %u ports: --port-base may be at most %u\n",
                fleet_port_count(*ret_fleet), 65536 - fleet_port_count(*ret_fleet));
        return false;
    }
    return true;
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
