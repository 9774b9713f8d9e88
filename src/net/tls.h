/* tls.h: TLS over the plain half of a conn; inside net only. Contracts as of net_conn_*. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "net/conn.h"

/* The state of one connection; <host> is a DNS name or an IP literal that the certificate must be
 * made out to. */
MUST_USE enum err net_tls_new(struct net_tls_client *client, struct net_conn *conn,
                              struct span host, struct net_tls **ret_tls);
void net_tls_free(struct net_tls *tls);

/* One step of the handshake: AGAIN; DENIED: not the peer that was asked for. */
MUST_USE enum err net_tls_shake(struct net_tls *tls);
const char *net_tls_refusal(const struct net_tls *tls); /* after DENIED */
MUST_USE enum err net_tls_read(struct net_tls *tls, void *buffer, size_t size, size_t *ret_n);
MUST_USE enum err net_tls_write(struct net_tls *tls, const struct iovec *parts, int count,
                                size_t *ret_n);
void net_tls_end(struct net_tls *tls); /* close_notify, as far as the socket takes it */

/* What tls.c reads and writes through; of conn.c. */
MUST_USE enum err net_conn_read_plain(struct net_conn *conn, void *buffer, size_t size,
                                      size_t *ret_n);
MUST_USE enum err net_conn_write_plain(struct net_conn *conn, const struct iovec *parts, int count,
                                       size_t *ret_n);

#endif
