/* catalog_diff.c: `farspan catalog diff`: what differs between two catalogues. */
#include <stdio.h>

#include "base/check.h"
#include "catalog/load_io.h"
#include "cli/catalog_changes.h"
#include "cli/catalog_view.h"

enum { LINES_MAX = 40, STATUS_DIFFERENT = 3 };

struct comparison {
    struct catalog_view view;
    const char *folders[2];
    struct catalog_cells cells[2][CATALOG_FILES];
    struct fleet_complaints complaints;
    struct catalog_diff diff;
    bool is_all;
};

static void add_key(const struct catalog_change *change, struct text *out)
{
    for (uint32_t i = 0; i < change->key_count; i++)
        text_add(out, "%s%.*s", i ? " " : "", SPAN_ARG(change->key[i]));
}

static void add_line(const struct catalog_change *change, struct text *out)
{
    static const char *const signs[CATALOG_CHANGE_KINDS] = {"+", "-", " "};
    text_add(out, "  %s ", signs[change->kind]);
    add_key(change, out);
    if (change->kind == CATALOG_CHANGED) {
        text_add(out, "  %s %.*s -> %.*s", change->column, SPAN_ARG(change->before),
                 SPAN_ARG(change->after));
        if (change->has_percent)
            text_add(out, " (%s%.1f %%)", change->percent > 0 ? "+" : "", change->percent);
    }
    text_add_c(out, '\n');
}

void catalog_changes_print(const struct catalog_diff *diff, uint32_t lines_max, struct text *out)
{
    for (uint32_t i = 0; i < diff->count;) {
        enum catalog_file file = diff->changes[i].file;
        uint32_t begin = i;
        text_add(out, "%s\n", catalog_file_name(file));
        for (; i < diff->count && diff->changes[i].file == file; i++)
            if (i - begin < lines_max)
                add_line(&diff->changes[i], out);
        if (i - begin > lines_max)
            text_add(out, "  ... and %u more\n", i - begin - lines_max);
    }
}

static void add_json(const struct catalog_change *change, struct text *out)
{
    static const char *const names[CATALOG_CHANGE_KINDS] = {"added", "removed", "changed"};
    text_json_object(out);
    text_json_key(out, "file");
    text_json_str(out, catalog_file_name(change->file));
    text_json_key(out, "change");
    text_json_str(out, names[change->kind]);
    text_json_key(out, "key");
    text_json_array(out);
    for (uint32_t i = 0; i < change->key_count; i++)
        text_json_span(out, change->key[i]);
    text_json_end(out);
    if (change->kind == CATALOG_CHANGED) {
        text_json_key(out, "figure");
        text_json_str(out, change->column);
        text_json_key(out, "before");
        text_json_span(out, change->before);
        text_json_key(out, "after");
        text_json_span(out, change->after);
        text_json_key(out, "percent");
        if (change->has_percent)
            text_json_double(out, change->percent);
        else
            text_json_null(out);
    }
    text_json_end(out);
}

void catalog_changes_json(const struct catalog_diff *diff, struct text *out)
{
    text_json_array(out);
    for (uint32_t i = 0; i < diff->count; i++)
        add_json(&diff->changes[i], out);
    text_json_end(out);
}

static enum err load(struct comparison *comparison, size_t which)
{
    struct arena *arena = &comparison->view.arena;
    struct fleet_complaints *complaints = &comparison->complaints;
    struct span bytes[CATALOG_FILES];
    char path[LIMIT_PATH];
    const char *folder = comparison->folders[which];
    enum err err = catalog_load_bytes_io(folder, arena, complaints, bytes);
    for (enum catalog_file file = 0; err == ERR_OK && file < CATALOG_FILES; file++) {
        struct text text;
        text_init(&text, path, sizeof path);
        text_add(&text, "%s/%s", folder, catalog_file_name(file));
        struct span name = arena_copy(arena, text_span(&text));
        if (!catalog_cells_read(file, bytes[file], name, NULL, arena, complaints,
                                &comparison->cells[which][file]))
            err = ERR_MEMORY;
    }
    return err == ERR_OK && complaints->count > 0 ? ERR_VALUE : err;
}

static enum err compare(struct comparison *comparison)
{
    enum err err = load(comparison, 0);
    if (err == ERR_OK)
        err = load(comparison, 1);
    if (err == ERR_OK && !catalog_diff_files(comparison->cells[0], comparison->cells[1],
                                             &comparison->view.arena, &comparison->diff))
        err = ERR_MEMORY;
    return err;
}

static void print(struct comparison *comparison)
{
    const struct catalog_diff *diff = &comparison->diff;
    struct text *out = &comparison->view.out;
    if (comparison->view.is_json) {
        text_json_object(out);
        text_json_key(out, "before");
        text_json_str(out, comparison->folders[0]);
        text_json_key(out, "after");
        text_json_str(out, comparison->folders[1]);
        text_json_key(out, "added");
        text_json_u64(out, diff->added);
        text_json_key(out, "removed");
        text_json_u64(out, diff->removed);
        text_json_key(out, "changed");
        text_json_u64(out, diff->changed);
        text_json_key(out, "confirmed");
        text_json_u64(out, diff->confirmed);
        text_json_key(out, "changes");
        catalog_changes_json(diff, out);
        text_json_end(out);
        text_add_c(out, '\n');
        return;
    }
    text_add(out, "%s -> %s: %u row%s added, %u removed, %u changed", comparison->folders[0],
             comparison->folders[1], PLURAL(diff->added), diff->removed, diff->changed);
    if (diff->confirmed > 0)
        text_add(out, ", %u with the same figures of another source or day", diff->confirmed);
    text_add_c(out, '\n');
    catalog_changes_print(diff, comparison->is_all ? UINT32_MAX : LINES_MAX, out);
}

static int run(struct comparison *comparison)
{
    enum err err = compare(comparison);
    if (err == ERR_OK) {
        print(comparison);
        bool is_different = comparison->diff.count > 0 || comparison->diff.confirmed > 0;
        return catalog_view_close(&comparison->view, is_different ? STATUS_DIFFERENT : 0);
    }
    struct text *out = &comparison->view.out;
    if (err == ERR_VALUE)
        fleet_complaints_print(&comparison->complaints, false, out);
    else
        text_add(out, "farspan catalog: %s\n", err_text(err));
    fputs(out->p, stderr);
    text_truncate(out, 0);
    return catalog_view_close(&comparison->view, 1);
}

int catalog_diff(int argc, char **argv)
{
    static struct comparison comparison;
    const struct option_row rows[] = {
        {"--all", NULL, "every line; default: 40 of each file", OPTION_FLAG, &comparison.is_all, 0,
         0},
        {"--json", NULL, "one JSON object", OPTION_FLAG, &comparison.view.is_json, 0, 0},
    };
    const struct option_usage usage = {
        "farspan catalog diff DIR [DIR2] [--all] [--json]",
        "What makes DIR of the shipped catalogue, or DIR2 of DIR: rows added (+) and removed (-),\n"
        "figures before -> after with percent. Exit 0: the same; 3: they differ.",
        "farspan catalog diff my-catalog",
        rows,
        COUNT_OF(rows),
        2,
        3};
    size_t rest;
    int status = options_parse(&usage, argc, argv, &rest);
    if (status != OPTIONS_RUN)
        return status;
    if (!catalog_view_init(&comparison.view))
        return 1;
    comparison.folders[0] = rest > 2 ? argv[1] : comparison.view.folder;
    comparison.folders[1] = rest > 2 ? argv[2] : argv[1];
    return run(&comparison);
}
