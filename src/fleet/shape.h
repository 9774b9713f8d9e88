/* shape.h: a document against the table of settings: unknown, double and missing keys, wrong types,
 * values out of range. */
#ifndef FLEET_SHAPE_H
#define FLEET_SHAPE_H

#include "base/arena.h"
#include "fleet/complaint.h"
#include "fleet/document.h"

/* Gives each node its setting and its number, and spoils those it complains about. */
void fleet_shape_check(struct fleet_document *document, struct arena *arena,
                       struct fleet_complaints *complaints);

#endif
