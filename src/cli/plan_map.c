#include "cli/plan_map.h"

#include <stdio.h>

#include "base/check.h"
#include "os/file.h"
#include "os/memory.h"
#include "plan/map.h"

bool plan_map_write(struct planning *planning, const struct plan_sheet *sheet, const char *path)
{
    size_t size = plan_map_size(planning->wish), used = planning->kept.used;
    char message[512], *buffer OS_FREED = os_alloc(size);
    struct text text, why;
    text_init(&why, message, sizeof message);
    enum err err = ERR_MEMORY;
    if (buffer) {
        text_init(&text, buffer, size);
        err = plan_map_draw(sheet, planning->wish, &planning->kept, &text);
        arena_reset(&planning->kept, used);
        CHECK(!text.is_cut);
    }
    if (!err)
        err = os_file_write(path, text_span(&text), 0644, &why);
    if (err)
        fprintf(stderr, "farspan plan: %s\n", why.n ? message : err_text(err));
    return !err;
}
