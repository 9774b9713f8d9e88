/* labels_io.h: what people call the targets of each service, written once. */
#ifndef GATEWAY_LABELS_IO_H
#define GATEWAY_LABELS_IO_H

#include "base/err.h"
#include "gateway/map.h"
#include "route/explain.h"

struct gateway_labels {
    struct route_labels *row; /* one a service */
    char *bytes;              /* what they point to */
};

MUST_USE enum err gateway_labels_init(struct gateway_labels *labels, const struct gateway_map *map);
void gateway_labels_fini(struct gateway_labels *labels); /* zeroed is fine */

#endif
