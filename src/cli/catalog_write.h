/* catalog_write.h: a changed catalogue into its folder, so that the folder holds a whole catalogue
 * at any moment: the one before or the one after.
 *
 *   made new            all files into FOLDER.new-PID, then that folder is renamed
 *   one file changed    that file is replaced (temp file, fsync, rename)
 *   several changed     all files into FOLDER.new-PID, the two folders are exchanged, the old one
 *                       is removed; a folder that holds anything else is refused before */
#ifndef CLI_CATALOG_WRITE_H
#define CLI_CATALOG_WRITE_H

#include "base/text.h"
#include "catalog/catalog.h"

struct catalog_write {
    const char *folder, *base; /* <base>: where sources.csv and rules.csv come from */
    bool is_new;
    const struct span *bytes; /* of each file */
    const bool *is_changed;
    struct span notes[CATALOG_FILES]; /* lines for sources.csv; a line of the same name goes */
    uint32_t note_count;
    struct arena *arena;
};

/* What is at <folder>: a catalogue, or nothing (or an empty folder): *ret_is_new. Something else,
 * or the shipped catalogue itself, is refused. */
MUST_USE enum err catalog_write_probe(const char *folder, const char *shipped, bool *ret_is_new,
                                      struct text *why);

/* Nothing changed: nothing is written. */
MUST_USE enum err catalog_write(const struct catalog_write *write, struct text *why);

#endif
