/* up_view.h: the small live table of `farspan up`: each second every gateway is asked for its
 * state, and the table is drawn over the one before. Nothing waits for an answer: a gateway that
 * gives none is shown as silent. */
#ifndef CLI_UP_VIEW_H
#define CLI_UP_VIEW_H

#include "base/crypto.h"
#include "base/err.h"
#include "base/text.h"
#include "fleet/fleet.h"
#include "net/loop.h"

struct up_view;

/* <fleet> stays; the secret is copied. */
MUST_USE enum err up_view_new(struct net_loop *loop, const struct fleet *fleet, uint16_t port_base,
                              const uint8_t peer_secret[CRYPTO_KEY_SIZE], struct up_view **ret_view,
                              struct text *why);
void up_view_start(struct up_view *view);

/* Takes the table off the terminal, so that a line can be printed; it comes back at the next
 * second. NULL is fine. */
void up_view_erase(struct up_view *view);
void up_view_free(struct up_view *view); /* NULL is fine */

#endif
