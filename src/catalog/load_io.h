/* load_io.h: a catalogue from the files of a folder. */
#ifndef CATALOG_LOAD_IO_H
#define CATALOG_LOAD_IO_H

#include "catalog/catalog.h"

/* Of the system's memory only what is touched is taken: the shipped catalogue needs about 6 MiB. */
enum { CATALOG_ARENA_SIZE = 256 << 20 };

/* Reads the files of <folder> (enum catalog_file) into <arena> and checks them. ERR_VALUE:
 * <complaints> says why (count >= 1; a file that cannot be read is one). ERR_MEMORY: the arena is
 * too small (CATALOG_ARENA_SIZE is enough within the limits). */
MUST_USE enum err catalog_load_io(const char *folder, struct arena *arena,
                                  struct fleet_complaints *complaints,
                                  struct catalog **ret_catalog);

/* Only the bytes, for those who change files. ERR_VALUE, ERR_MEMORY as above. */
MUST_USE enum err catalog_load_bytes_io(const char *folder, struct arena *arena,
                                        struct fleet_complaints *complaints,
                                        struct span ret_bytes[CATALOG_FILES]);

/* Where the shipped catalogue is: data/catalog here, beside this program, where it was installed,
 * or where it was built. False: nowhere. */
bool catalog_default_folder_io(char ret_folder[LIMIT_PATH]);

#endif
