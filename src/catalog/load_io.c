#include "catalog/load_io.h"

#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "build_info.h"

struct loader {
    const char *folder;
    struct arena *arena;
    struct fleet_complaints *complaints;
    size_t room; /* bytes that further files may have */
};

/* Says why the last call of the C library failed (%m is its errno in words). */
static enum err complain_unread(struct loader *loader, const char *path)
{
    char reason[160];
    if (snprintf(reason, sizeof reason, "%m") < 0)
        reason[0] = '\0';
    struct span file = arena_copy(loader->arena, span_of(path));
    fleet_complain(loader->complaints, loader->arena, (struct fleet_place){file, 0, 0},
                   "expected a readable file, found: %s", reason);
    return ERR_VALUE;
}

/* Bytes to make room for: one more than the file has, so that reading ends by its end. */
static size_t room_for(FILE *file, size_t most)
{
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file);
    return size >= 0 && (size_t)size < most ? (size_t)size + 1 : most + 1;
}

static enum err read_open_file(struct loader *loader, FILE *file, const char *path,
                               struct span *ret_bytes)
{
    size_t room = room_for(file, loader->room);
    char *bytes = arena_take(loader->arena, room);
    if (!bytes)
        return ERR_MEMORY;
    size_t n = fread(bytes, 1, room, file);
    if (ferror(file))
        return complain_unread(loader, path);
    if (n == room) {
        struct span name = arena_copy(loader->arena, span_of(path));
        fleet_complain(loader->complaints, loader->arena, (struct fleet_place){name, 0, 0},
                       "expected at most %d MiB of all files, and that nobody writes them now",
                       LIMIT_CATALOG_BYTES >> 20);
        return ERR_VALUE;
    }
    loader->room -= n;
    *ret_bytes = span_from(bytes, n);
    return ERR_OK;
}

static enum err read_file(struct loader *loader, enum catalog_file which, struct span *ret_bytes)
{
    char path[LIMIT_PATH + 32];
    int n = snprintf(path, sizeof path, "%s/%s", loader->folder, catalog_file_name(which));
    CHECK(n > 0 && (size_t)n < sizeof path);
    FILE *file = fopen(path, "rb");
    if (!file)
        return complain_unread(loader, path);
    enum err err = read_open_file(loader, file, path, ret_bytes);
    if (fclose(file) != 0 && err == ERR_OK)
        err = complain_unread(loader, path);
    return err;
}

enum err catalog_load_bytes_io(const char *folder, struct arena *arena,
                               struct fleet_complaints *complaints,
                               struct span ret_bytes[CATALOG_FILES])
{
    struct loader loader = {folder, arena, complaints, LIMIT_CATALOG_BYTES};
    if (strlen(folder) >= LIMIT_PATH) {
        fleet_complain(complaints, arena, (struct fleet_place){SPAN_LITERAL("catalogue"), 0, 0},
                       "expected a path of at most %d bytes", LIMIT_PATH - 1);
        return ERR_VALUE;
    }
    struct span bytes[CATALOG_FILES] = {0};
    enum err worst = ERR_OK;
    for (enum catalog_file file = 0; file < CATALOG_FILES && worst != ERR_MEMORY; file++) {
        enum err err = read_file(&loader, file, &bytes[file]);
        worst = err != ERR_OK ? err : worst;
    }
    if (worst != ERR_OK)
        return worst;
    memcpy(ret_bytes, bytes, sizeof bytes);
    return ERR_OK;
}

enum err catalog_load_io(const char *folder, struct arena *arena,
                         struct fleet_complaints *complaints, struct catalog **ret_catalog)
{
    struct span bytes[CATALOG_FILES];
    *complaints = (struct fleet_complaints){0};
    enum err err = catalog_load_bytes_io(folder, arena, complaints, bytes);
    if (err == ERR_OK)
        err = catalog_read(bytes, span_of(folder), arena, complaints, ret_catalog);
    CHECK(err != ERR_VALUE || complaints->count > 0);
    return err;
}

/* PREFIX/share/farspan/ of a program that is PREFIX/bin/farspan; "" when that cannot be said. */
static void find_share(char *ret_folder, size_t size)
{
    static const char bin[] = "/bin/farspan";
    char program[LIMIT_PATH];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    ssize_t prefix = n - (ssize_t)(sizeof bin - 1);
    ret_folder[0] = '\0';
    if (prefix > 0 && n < (ssize_t)sizeof program &&
        memcmp(program + prefix, bin, sizeof bin - 1) == 0 &&
        snprintf(ret_folder, size, "%.*s/share/farspan/", (int)prefix, program) >= (int)size)
        ret_folder[0] = '\0';
}

bool catalog_default_folder_io(char ret_folder[LIMIT_PATH])
{
    char share[LIMIT_PATH], folder[LIMIT_PATH], file[LIMIT_PATH + 32];
    find_share(share, sizeof share);
    const char *const roots[] = {"", share, FARSPAN_INSTALL_DATA "/", FARSPAN_SOURCE_DATA "/"};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        int n = snprintf(folder, sizeof folder, "%sdata/catalog", roots[i]);
        if (n < 0 || n >= (int)sizeof folder)
            continue;
        n = snprintf(file, sizeof file, "%s/%s", folder, catalog_file_name(CATALOG_FILE_REGIONS));
        if (n > 0 && access(file, R_OK) == 0) {
            memcpy(ret_folder, folder, sizeof folder);
            return true;
        }
    }
    return false;
}
