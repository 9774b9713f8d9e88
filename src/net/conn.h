/* conn.h: bytes in and out. TCP, or TLS over it, behind the same four calls; a reader or writer
 * cannot tell.
 *
 * A conn never buffers on its own account (TLS keeps what the library must). Calls never block.
 * After ERR_AGAIN the owner is told by on_event when it is worth trying again; edge-triggered, so
 * it must read until ERR_AGAIN. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/address.h"
#include "net/loop.h"

struct net_tls;        /* one connection's TLS state */
struct net_tls_client; /* settings shared by connections: trust roots, ALPN */

struct net_conn {
    struct net_watch watch;
    struct net_loop *loop;
    struct net_tls *tls; /* NULL: plain */
    /* may_x: worth a system call; is_hung_up: the peer ended or broke */
    bool is_connecting, may_read, may_write, is_hung_up;
    enum err failure; /* of connecting: the answer of every later call */
    /* events: NET_IN try reading, NET_OUT try writing (or: connected). Errors show in the next
     * call. */
    void (*on_event)(struct net_conn *conn, unsigned events);
};

/* Closed, so that net_conn_close() is fine before adopt or dial. */
void net_conn_init(struct net_conn *conn);

/* Takes over an accepted fd, which is closed on failure. Reading and writing may begin at once. */
MUST_USE enum err net_conn_adopt(struct net_conn *conn, struct net_loop *loop, int fd,
                                 void (*on_event)(struct net_conn *, unsigned));

/* Starts connecting; on_event(NET_OUT) when connected (TLS: when shaken hands), then calls work.
 * Before that they answer ERR_AGAIN. An error that is known at once is returned here.
 * Failure shows as the error of the next net_conn_write: REFUSED, TIMEOUT, RESET, DENIED
 * (certificate). <tls> NULL: plain. <host>: SNI and name to verify. */
MUST_USE enum err net_conn_dial(struct net_conn *conn, struct net_loop *loop,
                                const struct net_address *address, struct net_tls_client *tls,
                                struct span host, void (*on_event)(struct net_conn *, unsigned));

/* 1 .. size bytes; AGAIN, CLOSED (orderly end), RESET. */
MUST_USE enum err net_conn_read(struct net_conn *conn, void *buffer, size_t size, size_t *ret_n);

/* As much is written as the socket takes: *ret_n bytes (0 with AGAIN). Less than was given means
 * that it is full, as AGAIN does. count <= 16. RESET: nobody will read it. TLS: what is written
 * next begins with the bytes that were not taken and offers no fewer. */
MUST_USE enum err net_conn_write(struct net_conn *conn, const struct iovec *parts, int count,
                                 size_t *ret_n);

/* Has it broken? RESET, TIMEOUT ... or ERR_OK. For one that has ended for reading: there a read
 * goes on saying CLOSED when the peer resets it afterwards. Tells a break once. */
MUST_USE enum err net_conn_check(struct net_conn *conn);

/* Why dialling was DENIED, in words; NULL where it was not. A text that stays. */
const char *net_conn_refusal(const struct net_conn *conn);

/* Has nothing come that was not read? Asks the socket, whatever events have told: true between two
 * messages of a protocol in which the peer must not speak first. What has come may be lost. */
bool net_conn_is_quiet(struct net_conn *conn);

/* Bytes that have come and wait to be read (without TLS: as they are). */
uint64_t net_conn_waiting(const struct net_conn *conn);

void net_conn_end(struct net_conn *conn);   /* half-close: our last byte is out */
void net_conn_close(struct net_conn *conn); /* twice is fine */
void net_conn_reset(
    struct net_conn *conn); /* close with RST, so that the peer sees a break and not an end */

/* Trust roots of the system, or of <ca_file> when not NULL. */
MUST_USE enum err net_tls_client_new(const char *ca_file, struct net_tls_client **ret_tls,
                                     struct text *why);
void net_tls_client_free(struct net_tls_client *tls);

#endif
