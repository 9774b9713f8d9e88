/* yaml_io.h: the bytes of one YAML document into flat nodes, by libyaml's events. Nothing recurses
 * on the input; depth, nodes and bytes are bounded. Refused: anchors, aliases, tags, several
 * documents, keys that are no scalars. (libyaml's header pulls in stdio, hence the name; no file is
 * touched here.) */
#ifndef FLEET_YAML_IO_H
#define FLEET_YAML_IO_H

#include "base/arena.h"
#include "base/err.h"
#include "fleet/complaint.h"
#include "fleet/document.h"

/* <scratch> takes the nodes and the texts, <arena> the messages. ERR_SYNTAX: <complaints> has
 * more rows than before, and the document must not be used; ERR_MEMORY: no room. */
MUST_USE enum err fleet_yaml_read(struct span bytes, struct span file, struct arena *scratch,
                                  struct arena *arena, struct fleet_complaints *complaints,
                                  struct fleet_document *ret_document);

#endif
