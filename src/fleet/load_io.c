#include "fleet/load_io.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/limits.h"
#include "fleet/shape.h"
#include "fleet/yaml_io.h"

struct loader {
    struct arena scratch;
    struct arena *arena;
    struct fleet_complaints *complaints;
    const struct fleet_load_options *options;
    struct span folder;
    const struct span *bytes; /* of the catalogue, or NULL: read from files */
};

/* Bytes to make room for: one more than the file has, so that reading ends by its end. */
static size_t room_for(FILE *file)
{
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    rewind(file); /* what cannot be sought (a pipe) is read from where it stands */
    bool is_known = size >= 0 && size <= LIMIT_CONFIG_BYTES;
    return is_known ? (size_t)size + 1 : LIMIT_CONFIG_BYTES + 1;
}

/* Says why the last call of the C library failed (%m is its errno in words). */
static enum err complain_unread(struct loader *loader, const char *path, struct fleet_place place)
{
    char reason[160];
    if (snprintf(reason, sizeof reason, "%m") < 0)
        reason[0] = '\0';
    fleet_complain(loader->complaints, loader->arena, place,
                   "expected a readable file, found %s: %s", path, reason);
    return ERR_SYNTAX;
}

/* The whole of a file. <place> is where it is named. */
static enum err read_file(struct loader *loader, const char *path, struct fleet_place place,
                          struct span *ret_bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return complain_unread(loader, path, place);
    enum err err = ERR_OK;
    size_t room = room_for(file);
    char *bytes = arena_take(&loader->scratch, room);
    size_t n = bytes ? fread(bytes, 1, room, file) : 0;
    if (!bytes)
        err = ERR_MEMORY;
    else if (ferror(file))
        err = complain_unread(loader, path, place);
    if (fclose(file) != 0 && err == ERR_OK)
        err = complain_unread(loader, path, place);
    if (err == ERR_OK && n == room) {
        fleet_complain(loader->complaints, loader->arena, place,
                       "expected a file of at most 1 MiB that nobody is writing, found %s", path);
        err = ERR_SYNTAX;
    }
    if (err == ERR_OK)
        *ret_bytes = span_from(bytes, n);
    return err;
}

/* "catalog: {links: PATH}" into rows; a file that is not named stays empty. */
static enum err read_catalogue(struct loader *loader, struct fleet_builder *builder,
                               enum fleet_catalogue_kind kind, struct fleet_catalogue_file *files)
{
    const struct fleet_document *document = builder->document;
    uint32_t catalog = fleet_node_child(document, 0, "catalog");
    if (catalog == FLEET_NODE_NONE || document->nodes[catalog].kind != FLEET_NODE_MAP)
        return ERR_OK;
    uint32_t node = fleet_node_child(document, catalog, fleet_catalogue_key(kind));
    if (node == FLEET_NODE_NONE || document->nodes[node].is_bad)
        return ERR_OK;
    struct span path = fleet_builder_path(builder, document->nodes[node].text);
    if (!path.p)
        return ERR_MEMORY;
    struct span bytes = {0};
    if (loader->bytes) {
        bytes = loader->bytes[kind];
    } else {
        enum err err = read_file(loader, path.p, fleet_node_place(document, node), &bytes);
        if (err == ERR_SYNTAX)
            files[kind] = (struct fleet_catalogue_file){.file = path, .is_broken = true};
        if (err != ERR_OK)
            return err;
    }
    bool has_room = fleet_catalogue_read(kind, bytes, path, &loader->scratch, loader->arena,
                                         loader->complaints, &files[kind]);
    return has_room ? ERR_OK : ERR_MEMORY;
}

static enum err load_bytes(struct loader *loader, struct span yaml, struct span file,
                           const struct fleet **ret_fleet)
{
    struct fleet_document document;
    enum err err =
        fleet_yaml_read(yaml, file, &loader->scratch, loader->arena, loader->complaints, &document);
    if (err != ERR_OK)
        return err;
    fleet_shape_check(&document, loader->arena, loader->complaints);
    if (document.nodes[0].kind != FLEET_NODE_MAP)
        return ERR_SYNTAX;

    struct fleet_catalogue_file files[CATALOGUE_KINDS] = {0};
    struct fleet_builder builder = {
        .document = &document,
        .catalogue = files,
        .options = loader->options,
        .folder = loader->folder,
        .arena = loader->arena,
        .scratch = &loader->scratch,
        .complaints = loader->complaints,
    };
    for (enum fleet_catalogue_kind kind = 0; kind < CATALOGUE_KINDS; kind++) {
        err = read_catalogue(loader, &builder, kind, files);
        if (err == ERR_MEMORY)
            return err;
    }
    return fleet_build(&builder, ret_fleet);
}

/* What a load of <yaml_size> bytes needs beside the fleet: nodes, texts of keys and values, files
 * of the catalogue and their rows, lists of names. */
static size_t scratch_size(const struct loader *loader, size_t yaml_size)
{
    const size_t for_names = 1 << 20, for_node = sizeof(struct fleet_node) + 64;
    size_t nodes = yaml_size < LIMIT_CONFIG_NODES ? yaml_size + 1 : LIMIT_CONFIG_NODES;
    size_t size = for_names + 2 * yaml_size + nodes * for_node;
    for (size_t i = 0; i < CATALOGUE_KINDS; i++) {
        size_t bytes = loader->bytes ? 0 : LIMIT_CONFIG_BYTES + 1;
        size_t rows = loader->bytes ? loader->bytes[i].n + 1 : LIMIT_CATALOGUE_ROWS;
        rows = rows < LIMIT_CATALOGUE_ROWS ? rows : LIMIT_CATALOGUE_ROWS;
        size += bytes + rows * sizeof(struct fleet_catalogue_row);
    }
    return size;
}

/* The loader's own memory goes when it is done; pages of it that are not touched cost nothing. */
static enum err run(struct loader *loader, struct span yaml, struct span file, const char *path,
                    const struct fleet **ret_fleet)
{
    size_t size = scratch_size(loader, path ? LIMIT_CONFIG_BYTES : yaml.n) +
                  (path ? LIMIT_CONFIG_BYTES + 1 : 0);
    void *memory = malloc(size);
    if (!memory)
        return ERR_MEMORY;
    arena_init(&loader->scratch, memory, size);
    *loader->complaints = (struct fleet_complaints){0};
    enum err err = ERR_OK;
    if (path)
        err = read_file(loader, path, (struct fleet_place){file, 0, 0}, &yaml);
    if (err == ERR_OK)
        err = load_bytes(loader, yaml, file, ret_fleet);
    free(memory);
    if (err == ERR_SYNTAX) {
        CHECK(loader->complaints->count > 0);
        fleet_complaints_sort(loader->complaints, file);
    }
    return loader->arena->is_overflown ? ERR_MEMORY : err;
}

enum err fleet_load_with(const char *path, const struct fleet_load_options *options,
                         struct arena *arena, struct fleet_complaints *complaints,
                         const struct fleet **ret_fleet)
{
    struct span name = arena_copy(arena, span_of(path));
    if (!name.p)
        return ERR_MEMORY;
    size_t slash = name.n;
    while (slash > 0 && name.p[slash - 1] != '/')
        slash--;
    struct span folder = span_from(name.p, slash > 1 ? slash - 1 : slash);
    struct loader loader = {
        .arena = arena, .complaints = complaints, .options = options, .folder = folder};
    return run(&loader, (struct span){NULL, 0}, name, path, ret_fleet);
}

enum err fleet_load(const char *path, struct arena *arena, struct fleet_complaints *complaints,
                    const struct fleet **ret_fleet)
{
    static const struct fleet_load_options none;
    return fleet_load_with(path, &none, arena, complaints, ret_fleet);
}

enum err fleet_load_bytes(struct span yaml, struct span file,
                          const struct span catalogue[CATALOGUE_KINDS], struct arena *arena,
                          struct fleet_complaints *complaints, const struct fleet **ret_fleet)
{
    static const struct fleet_load_options none;
    struct loader loader = {
        .arena = arena, .complaints = complaints, .options = &none, .bytes = catalogue};
    return run(&loader, yaml, file, NULL, ret_fleet);
}
