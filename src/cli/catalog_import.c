/* catalog_import.c: `farspan catalog import`: somebody's own figures into a catalogue of their own.
 * Everything is merged and read as a whole in memory first; only a catalogue that is right is
 * written, by catalog_write(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "catalog/load_io.h"
#include "catalog/merge.h"
#include "catalog/row.h"
#include "cli/catalog_changes.h"
#include "cli/catalog_view.h"
#include "cli/catalog_write.h"
#include "os/file.h"

enum { LINES_MAX = 20, NOTE_SIZE = 1024 };

/* One FILE --as KIND. */
struct own_file {
    const char *path;
    enum catalog_file file;
    struct span bytes;
    struct span source; /* of rows that name none */
    bool needs_source;  /* the file has no such column */
    struct catalog_cells own, base, merged;
};

struct import {
    struct catalog_view view;
    struct option_list kinds;
    const char *date_text, *into;
    bool is_new; /* <into> is made of the shipped catalogue */
    struct own_file files[CATALOG_FILES];
    uint32_t file_count;
    struct span bytes[CATALOG_FILES]; /* of the base, then of the result */
    bool is_changed[CATALOG_FILES];
    uint32_t estimated_links;
    struct fleet_complaints complaints;
    struct catalog_diff diff;
};

static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "farspan catalog: %s: %s\n", what, why);
    return false;
}

static bool has_own(const struct import *import, enum catalog_file file)
{
    for (uint32_t i = 0; i < import->file_count; i++)
        if (import->files[i].file == file)
            return true;
    return false;
}

/* --- what is read --- */

/* The file's own name, where it is one that a source may have. */
static struct span source_of(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/');
    struct span name = arena_copy(arena, span_of(slash ? slash + 1 : path));
    if (!name.p)
        return name;
    name.n = name.n > LIMIT_NAME ? LIMIT_NAME : name.n;
    char *p = arena_take(arena, name.n);
    for (size_t i = 0; p && i < name.n; i++) {
        char c = name.p[i];
        p[i] = c <= ' ' || c > '~' || c == '"' || c == ',' || c == '+' ? '-' : c;
    }
    return span_from(p, p ? name.n : 0);
}

static struct span date_of(struct import *import)
{
    char buffer[16];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    if (import->date_text)
        text_add(&text, "%s", import->date_text);
    else
        catalog_date_add(import->view.today, &text);
    return arena_copy(&import->view.arena, text_span(&text));
}

static bool read_own(struct import *import, struct own_file *file)
{
    char message[512];
    struct text why;
    struct arena *arena = &import->view.arena;
    text_init(&why, message, sizeof message);
    if (os_file_read(file->path, LIMIT_CATALOG_BYTES, arena, &file->bytes, &why))
        return fail(file->path, message);
    file->source = source_of(file->path, arena);
    const struct span fact[CATALOG_FACT_COLUMNS] = {
        file->source, date_of(import), SPAN_LITERAL("false"), {NULL, 0}};
    if (!catalog_cells_read(file->file, file->bytes, span_of(file->path), fact, arena,
                            &import->complaints, &file->own))
        return fail(file->path, err_text(ERR_MEMORY));
    uint32_t source = file->own.schema->column_count;
    for (uint32_t i = 0; i < file->own.row_count; i++)
        file->needs_source |= span_is_equal(catalog_cells_row(&file->own, i)[source], file->source);
    return true;
}

static struct span path_in(struct import *import, enum catalog_file file)
{
    char path[LIMIT_PATH + 32];
    struct text text;
    text_init(&text, path, sizeof path);
    text_add(&text, "%s/%s", import->into, catalog_file_name(file));
    return arena_copy(&import->view.arena, text_span(&text));
}

static bool read_cells(struct import *import, enum catalog_file file, struct catalog_cells *cells)
{
    return catalog_cells_read(file, import->bytes[file], path_in(import, file), NULL,
                              &import->view.arena, &import->complaints, cells);
}

/* --- what is made of it --- */

static bool print_cells(struct import *import, const struct catalog_cells *cells)
{
    size_t size = catalog_cells_size(cells);
    char *buffer = arena_take(&import->view.arena, size);
    if (!buffer)
        return fail(import->into, err_text(ERR_MEMORY));
    struct text text;
    text_init(&text, buffer, size);
    catalog_cells_print(cells, &text);
    CHECK(!text.is_cut);
    struct span *bytes = &import->bytes[cells->file];
    import->is_changed[cells->file] |= !span_is_equal(*bytes, text_span(&text));
    *bytes = text_span(&text);
    return true;
}

static bool merge(struct import *import, struct own_file *file)
{
    if (!read_cells(import, file->file, &file->base))
        return fail(import->into, err_text(ERR_MEMORY));
    if (!catalog_merge(&file->base, &file->own, &import->view.arena, &import->complaints,
                       &file->merged))
        return fail(import->into, err_text(ERR_MEMORY));
    return print_cells(import, &file->merged);
}

/* New regions have no links but those that came with them. */
static bool estimate_links(struct import *import)
{
    struct catalog_cells regions, links, all;
    struct own_file *own = NULL;
    for (uint32_t i = 0; i < import->file_count; i++)
        if (import->files[i].file == CATALOG_FILE_LINKS)
            own = &import->files[i];
    if (!read_cells(import, CATALOG_FILE_REGIONS, &regions))
        return fail(import->into, err_text(ERR_MEMORY));
    if (own)
        links = own->merged;
    else if (!read_cells(import, CATALOG_FILE_LINKS, &links))
        return fail(import->into, err_text(ERR_MEMORY));
    if (!catalog_estimate_links(&regions, &links, date_of(import), &import->view.arena, &all,
                                &import->estimated_links))
        return fail(import->into, err_text(ERR_MEMORY));
    return import->estimated_links == 0 || print_cells(import, &all);
}

/* --- what is wrong with it --- */

/* Where a column of the row at <line> stands in somebody's file. */
static uint32_t column_in(const struct own_file *file, uint32_t line, struct span message)
{
    struct arena none = {0};
    struct fleet_complaints ignored = {0};
    struct fleet_table table;
    fleet_table_init(&table, file->bytes, span_of(file->path), UINT32_MAX, &none, &ignored);
    for (uint32_t i = 0; i < file->own.column_count; i++)
        fleet_table_expect(&table, catalog_cells_column(&file->own, i), true);
    if (!fleet_table_begin(&table))
        return 1;
    struct span name = span_cut(&message, ':');
    while (fleet_table_next(&table) && table.line < line)
        ;
    for (uint32_t i = 0; table.line == line && i < table.column_count; i++)
        if (span_is(name, table.columns[i]) && fleet_table_has(&table, i))
            return table.starts[i];
    return 1;
}

/* Complaints of the merged files, at the lines of the files that came: a row of theirs is row <i>
 * of the merged cells, in line i + 2. */
static void place_complaints(struct import *import)
{
    for (uint32_t i = 0; i < import->complaints.count; i++) {
        struct fleet_complaint *complaint = &import->complaints.row[i];
        for (uint32_t k = 0; k < import->file_count; k++) {
            const struct own_file *file = &import->files[k];
            uint32_t row = complaint->line - 2;
            if (complaint->line < 2 || row >= file->merged.row_count ||
                !span_is_equal(complaint->file, file->merged.path) || file->merged.lines[row] == 0)
                continue;
            complaint->file = span_of(file->path);
            complaint->line = file->merged.lines[row];
            complaint->column = column_in(file, complaint->line, complaint->message);
            break;
        }
    }
    fleet_complaints_sort(&import->complaints, span_of(import->files[0].path));
}

static bool say_complaints(struct import *import)
{
    struct text *out = &import->view.out;
    place_complaints(import);
    if (!import->view.is_json) {
        fleet_complaints_print(&import->complaints, false, out);
        text_add(out, "nothing was imported\n");
        fputs(out->p, stderr);
        text_truncate(out, 0);
        return false;
    }
    text_json_object(out);
    text_json_key(out, "imported");
    text_json_bool(out, false);
    text_json_key(out, "complaints");
    fleet_complaints_print(&import->complaints, true, out);
    text_json_key(out, "left_out");
    text_json_u64(out, import->complaints.left_out);
    text_json_end(out);
    text_add_c(out, '\n');
    return false;
}

/* --- all of it --- */

static bool check_whole(struct import *import)
{
    enum err err = catalog_read(import->bytes, span_of(import->into), &import->view.arena,
                                &import->complaints, &import->view.catalog);
    return err != ERR_MEMORY || fail(import->into, err_text(err));
}

static bool find_changes(struct import *import)
{
    struct catalog_diff count = {0};
    for (uint32_t i = 0; i < import->file_count; i++)
        catalog_diff_cells(&import->files[i].base, &import->files[i].merged, &count);
    import->diff.count_max = count.count;
    import->diff.changes = ARENA_ARRAY(&import->view.arena, struct catalog_change, count.count);
    return import->diff.changes || fail(import->into, err_text(ERR_MEMORY));
}

/* Goes on after a mistake, so that all of them are said at once. */
static bool make(struct import *import)
{
    const char *base = import->is_new ? import->view.folder : import->into;
    enum err err =
        catalog_load_bytes_io(base, &import->view.arena, &import->complaints, import->bytes);
    if (err != ERR_OK)
        return err == ERR_VALUE ? say_complaints(import) : fail(base, err_text(err));
    for (uint32_t i = 0; i < import->file_count; i++)
        if (!read_own(import, &import->files[i]) || !merge(import, &import->files[i]))
            return false;
    if (has_own(import, CATALOG_FILE_REGIONS) && !estimate_links(import))
        return false;
    if (!check_whole(import))
        return false;
    return import->complaints.count > 0 ? say_complaints(import) : find_changes(import);
}

static void report_file(struct import *import, const struct own_file *file)
{
    struct catalog_diff before = import->diff;
    struct text *out = &import->view.out;
    catalog_diff_cells(&file->base, &file->merged, &import->diff);
    uint32_t added = import->diff.added - before.added;
    uint32_t changed = import->diff.changed - before.changed;
    uint32_t confirmed = import->diff.confirmed - before.confirmed;
    uint32_t kept = file->merged.row_count - added - changed - confirmed;
    if (!import->view.is_json) {
        text_add(out, "%s from %s: %u added, %u changed, %u confirmed, %u kept\n",
                 catalog_file_name(file->file), file->path, added, changed, confirmed, kept);
        return;
    }
    text_json_object(out);
    text_json_key(out, "file");
    text_json_str(out, catalog_file_name(file->file));
    text_json_key(out, "from");
    text_json_str(out, file->path);
    text_json_key(out, "added");
    text_json_u64(out, added);
    text_json_key(out, "changed");
    text_json_u64(out, changed);
    text_json_key(out, "confirmed");
    text_json_u64(out, confirmed);
    text_json_key(out, "kept");
    text_json_u64(out, kept);
    text_json_end(out);
}

static void report(struct import *import)
{
    struct text *out = &import->view.out;
    char hex[2 * CRYPTO_SHA256_SIZE + 1];
    crypto_hex(import->view.catalog->sha256, CRYPTO_SHA256_SIZE, hex);
    if (!import->view.is_json) {
        text_add(out, "%s %s%s\n", import->into, import->is_new ? "made of " : "updated",
                 import->is_new ? import->view.folder : "");
        for (uint32_t i = 0; i < import->file_count; i++)
            report_file(import, &import->files[i]);
        if (import->estimated_links > 0)
            text_add(out,
                     "links.csv: %u pair%s estimated (~) from the places: import measured "
                     "ones\n",
                     PLURAL(import->estimated_links));
        text_add(out, "sha256 %s\n", hex);
        catalog_changes_print(&import->diff, LINES_MAX, out);
        return;
    }
    text_json_object(out);
    text_json_key(out, "imported");
    text_json_bool(out, true);
    text_json_key(out, "catalog");
    text_json_str(out, import->into);
    text_json_key(out, "created");
    text_json_bool(out, import->is_new);
    text_json_key(out, "sha256");
    text_json_str(out, hex);
    text_json_key(out, "files");
    text_json_array(out);
    for (uint32_t i = 0; i < import->file_count; i++)
        report_file(import, &import->files[i]);
    text_json_end(out);
    text_json_key(out, "estimated_links");
    text_json_u64(out, import->estimated_links);
    text_json_key(out, "changes");
    catalog_changes_json(&import->diff, out);
    text_json_end(out);
    text_add_c(out, '\n');
}

/* The row of sources.csv for a file whose rows name no source of their own. */
static struct span note_source(struct import *import, const struct own_file *file)
{
    char buffer[NOTE_SIZE], hex[2 * CRYPTO_SHA256_SIZE + 1];
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct text text;
    struct span date = date_of(import);
    crypto_sha256(file->bytes, digest);
    crypto_hex(digest, sizeof digest, hex);
    text_init(&text, buffer, sizeof buffer);
    text_add(&text, "%.*s,own figures for %s,farspan catalog import,sha256:%s,own,%.*s\n",
             SPAN_ARG(file->source), catalog_file_name(file->file), hex, SPAN_ARG(date));
    return arena_copy(&import->view.arena, text_span(&text));
}

static bool write_all(struct import *import)
{
    struct catalog_write write = {.folder = import->into,
                                  .is_new = import->is_new,
                                  .base = import->is_new ? import->view.folder : import->into,
                                  .bytes = import->bytes,
                                  .is_changed = import->is_changed,
                                  .arena = &import->view.arena};
    for (uint32_t i = 0; i < import->file_count; i++)
        if (import->files[i].needs_source)
            write.notes[write.note_count++] = note_source(import, &import->files[i]);
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    return catalog_write(&write, &why) == ERR_OK || fail(import->into, message);
}

static int run(struct import *import)
{
    bool is_good = make(import);
    if (is_good && write_all(import))
        report(import);
    else
        is_good = false;
    return catalog_view_close(&import->view, is_good ? 0 : 1);
}

/* --- the command line --- */

static bool find_kind(const char *name, enum catalog_file *ret_file)
{
    for (enum catalog_file file = 0; file < CATALOG_FILES; file++) {
        struct span known = span_of(catalog_file_name(file));
        if (!span_is(span_from(known.p, known.n - strlen(".csv")), name) && !span_is(known, name))
            continue;
        *ret_file = file;
        return true;
    }
    return false;
}

static int take_files(const struct option_usage *usage, struct import *import, char **paths,
                      size_t count)
{
    if (count != import->kinds.count)
        return options_refuse(usage, "expected one --as for each file, found %zu for %zu",
                              import->kinds.count, count);
    for (size_t i = 0; i < count; i++) {
        enum catalog_file file;
        const char *kind = import->kinds.item[i];
        if (!find_kind(kind, &file))
            return options_refuse(usage,
                                  "--as: expected regions, skus, prices, stock, spot, links, "
                                  "clients, carbon, power, models or profiles, found %s",
                                  kind);
        if (has_own(import, file))
            return options_refuse(usage, "--as %s: expected once, found again", kind);
        import->files[import->file_count++] = (struct own_file){.path = paths[i], .file = file};
    }
    return OPTIONS_RUN;
}

static int refuse_options(const struct option_usage *usage, const struct import *import)
{
    uint32_t date;
    if (!import->into || !import->into[0])
        return options_refuse(usage, "--into DIR is missing");
    if (strlen(import->into) >= LIMIT_PATH - 32)
        return options_refuse(usage, "--into: expected a path of at most %d bytes",
                              LIMIT_PATH - 33);
    if (import->date_text && !catalog_parse_date(span_of(import->date_text), &date))
        return options_refuse(usage, "--date: expected a day as YYYY-MM-DD, found %s",
                              import->date_text);
    return OPTIONS_RUN;
}

int catalog_import(int argc, char **argv)
{
    static struct import import;
    const struct option_row rows[] = {
        {"--as", "WHAT",
         "what FILE holds: regions, skus, prices, stock, spot, links, clients,\n"
         "                             carbon, power, models, profiles; one a FILE, in order",
         OPTION_LIST, &import.kinds, 0, 0},
        {"--into", "DIR", "the catalogue to make or change; made of the shipped one", OPTION_TEXT,
         &import.into, 0, 0},
        {"--date", "YYYY-MM-DD", "of rows without a date; default: today", OPTION_TEXT,
         &import.date_text, 0, 0},
        {"--json", NULL, "one JSON object", OPTION_FLAG, &import.view.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan catalog import FILE --as WHAT --into DIR [--date YYYY-MM-DD] [--json]",
        "Your own figures into a catalogue of your own. FILE is CSV with the columns of that file\n"
        "(docs/catalog.md) in any order; source, date, estimate and rule may be left out. Rows "
        "are\n"
        "matched by key: known ones are replaced, others added. A row that is wrong is named by\n"
        "file, line and reason, and nothing is written; what is written is whole at any moment.\n"
        "New regions get links by rule where no link is given.",
        "farspan catalog import my-prices.csv --as prices --into my-catalog",
        rows,
        COUNT_OF(rows),
        2,
        1 + CATALOG_FILES};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status == OPTIONS_RUN)
        status = refuse_options(&usage, &import);
    if (status == OPTIONS_RUN)
        status = take_files(&usage, &import, argv + 1, rest - 1);
    if (status != OPTIONS_RUN)
        return status;
    if (!catalog_view_init(&import.view))
        return 1;
    char message[512];
    struct text why;
    text_init(&why, message, sizeof message);
    if (catalog_write_probe(import.into, import.view.folder, &import.is_new, &why)) {
        fail(import.into, message);
        return catalog_view_close(&import.view, 1);
    }
    return run(&import);
}
