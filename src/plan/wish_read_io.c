#include "plan/wish_read_io.h"

#include "fleet/shape.h"
#include "fleet/yaml_io.h"

enum err plan_wish_open_io(struct span bytes, struct span file, struct arena *arena,
                           struct fleet_complaints *complaints, struct fleet_document *ret_document)
{
    enum err err = fleet_yaml_read(bytes, file, arena, arena, complaints, ret_document);
    if (err)
        return err;
    fleet_shape_check(ret_document, arena, complaints);
    if (ret_document->nodes[0].kind != FLEET_NODE_MAP)
        return ERR_SYNTAX;
    uint32_t plan = fleet_node_child(ret_document, 0, "plan");
    if (plan != FLEET_NODE_NONE && ret_document->nodes[plan].kind == FLEET_NODE_MAP)
        return ERR_OK;
    if (plan == FLEET_NODE_NONE)
        fleet_complain(complaints, arena, fleet_node_place(ret_document, 0),
                       "expected the key plan (what `farspan plan` is to decide)");
    return ERR_SYNTAX;
}
