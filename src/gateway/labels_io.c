#include "gateway/labels_io.h"

#include "os/memory.h"

enum { LABEL_SIZE = LIMIT_URL + 1 };

enum err gateway_labels_init(struct gateway_labels *labels, const struct gateway_map *map)
{
    size_t count = 0;
    for (uint16_t s = 0; s < map->fleet->service_count; s++)
        count += map->services[s].target_count;
    labels->row = os_alloc((map->fleet->service_count + 1u) * sizeof(struct route_labels));
    labels->bytes = os_alloc(count * LABEL_SIZE + 1);
    if (!labels->row || !labels->bytes)
        return ERR_MEMORY;
    char *next = labels->bytes;
    for (uint16_t s = 0; s < map->fleet->service_count; s++) {
        for (uint16_t t = 0; t < map->services[s].target_count; t++) {
            const struct gateway_target *target = &map->services[s].targets[t];
            struct text text;
            text_init(&text, next, LABEL_SIZE);
            if (target->replica != FLEET_NONE)
                gateway_map_name(map, s, t, &text);
            labels->row[s].region[t] = map->fleet->regions[target->region].name;
            labels->row[s].target[t] = text_span(&text);
            next += LABEL_SIZE;
        }
    }
    return ERR_OK;
}

void gateway_labels_fini(struct gateway_labels *labels)
{
    os_free(labels->row);
    os_free(labels->bytes);
    *labels = (struct gateway_labels){NULL, NULL};
}
