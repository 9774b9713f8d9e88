/* wish_read_io.h: the bytes of a farspan.yaml into a document whose `plan:` plan_wish_read() can
 * take. (libyaml pulls in stdio, hence the name; no file is touched here.) */
#ifndef PLAN_WISH_READ_IO_H
#define PLAN_WISH_READ_IO_H

#include "base/err.h"
#include "fleet/document.h"

/* <bytes> must outlive the document. ERR_SYNTAX: not YAML, or no `plan:` in it; mistakes of single
 * keys are complained about too, but leave a document (ERR_OK) for plan_wish_read() to go on with.
 */
MUST_USE enum err plan_wish_open_io(struct span bytes, struct span file, struct arena *arena,
                                    struct fleet_complaints *complaints,
                                    struct fleet_document *ret_document);

#endif
