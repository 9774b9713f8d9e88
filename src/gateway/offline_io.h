/* offline_io.h: `farspan explain FILE`: the decision in a world where every replica is ready and
 * idle. */
#ifndef GATEWAY_OFFLINE_IO_H
#define GATEWAY_OFFLINE_IO_H

#include "base/text.h"
#include "fleet/fleet.h"

/* <question>: as gateway_explain() takes it. Writes JSON into <text>, and the status it would have.
 */
MUST_USE enum err gateway_explain_offline(const struct fleet *fleet, uint16_t region,
                                          struct span question, struct text *text,
                                          unsigned *ret_status);

#endif
