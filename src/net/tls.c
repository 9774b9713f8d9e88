#include "net/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/check.h"
#include "os/memory.h"

/* One TLS record's worth of plain text is put together for each SSL_write, so that head and body
 * of a request do not become two records. */
enum { RECORD_SIZE = 16 * 1024, HOST_MAX = 253 };

struct net_tls_client {
    SSL_CTX *context;
    BIO_METHOD *method; /* reads and writes the socket through net_conn_*_plain */
};

struct net_tls {
    SSL *ssl;
};

static int bio_read(BIO *bio, char *buffer, int size)
{
    BIO_clear_retry_flags(bio);
    size_t n;
    enum err err =
        size > 0 ? net_conn_read_plain(BIO_get_data(bio), buffer, (size_t)size, &n) : ERR_VALUE;
    if (err == ERR_OK)
        return (int)n;
    if (err == ERR_AGAIN)
        BIO_set_retry_read(bio);
    return err == ERR_CLOSED ? 0 : -1;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    BIO_clear_retry_flags(bio);
    const struct iovec part = {(char *)(uintptr_t)bytes, (size_t)size};
    size_t n;
    enum err err = size > 0 ? net_conn_write_plain(BIO_get_data(bio), &part, 1, &n) : ERR_VALUE;
    if (err == ERR_OK)
        return (int)n;
    if (err == ERR_AGAIN)
        BIO_set_retry_write(bio);
    return -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    CHECK(bio && (pointer || number >= 0 || number < 0));
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static bool set_method(struct net_tls_client *client)
{
    client->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
    return client->method && BIO_meth_set_read(client->method, bio_read) == 1 &&
           BIO_meth_set_write(client->method, bio_write) == 1 &&
           BIO_meth_set_ctrl(client->method, bio_control) == 1;
}

static bool set_context(struct net_tls_client *client)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    client->context = SSL_CTX_new(TLS_client_method());
    if (!client->context)
        return false;
    SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(client->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                          SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_alpn_protos(client->context, alpn, sizeof alpn - 1) == 0;
}

enum err net_tls_client_new(const char *ca_file, struct net_tls_client **ret_tls, struct text *why)
{
    struct net_tls_client *client = os_alloc(sizeof *client);
    if (!client)
        return ERR_MEMORY;
    if (!set_method(client) || !set_context(client)) {
        net_tls_client_free(client);
        return ERR_MEMORY;
    }
    bool has_roots = ca_file ? SSL_CTX_load_verify_locations(client->context, ca_file, NULL) == 1
                             : SSL_CTX_set_default_verify_paths(client->context) == 1;
    ERR_clear_error();
    if (!has_roots) {
        if (why)
            text_add(why, "expected PEM certificates to trust in %s",
                     ca_file ? ca_file : "the system's folder");
        net_tls_client_free(client);
        return ERR_NOT_FOUND;
    }
    *ret_tls = client;
    return ERR_OK;
}

void net_tls_client_free(struct net_tls_client *client)
{
    if (!client)
        return;
    SSL_CTX_free(client->context);
    BIO_meth_free(client->method);
    os_free(client);
}

/* RFC 6066 3: a literal address is not sent as a server name. */
static bool set_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum err net_tls_new(struct net_tls_client *client, struct net_conn *conn, struct span host,
                     struct net_tls **ret_tls)
{
    char name[HOST_MAX + 1];
    if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, '\0', host.n))
        return ERR_VALUE;
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';

    struct net_tls *tls = os_alloc(sizeof *tls);
    BIO *bio = BIO_new(client->method);
    if (tls)
        tls->ssl = SSL_new(client->context);
    enum err err = !tls || !tls->ssl || !bio  ? ERR_MEMORY
                   : set_host(tls->ssl, name) ? ERR_OK
                                              : ERR_VALUE;
    if (err != ERR_OK) {
        ERR_clear_error();
        BIO_free(bio);
        net_tls_free(tls);
        return err;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    *ret_tls = tls;
    return ERR_OK;
}

void net_tls_free(struct net_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    os_free(tls);
}

static enum err err_of(const struct net_tls *tls, int result)
{
    int word = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    switch (word) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return ERR_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return ERR_CLOSED;
    default:
        return SSL_get_verify_result(tls->ssl) == X509_V_OK ? ERR_RESET : ERR_DENIED;
    }
}

enum err net_tls_shake(struct net_tls *tls)
{
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? ERR_OK : err_of(tls, result);
}

const char *net_tls_refusal(const struct net_tls *tls)
{
    return X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
}

enum err net_tls_read(struct net_tls *tls, void *buffer, size_t size, size_t *ret_n)
{
    int result = SSL_read_ex(tls->ssl, buffer, size, ret_n);
    return result == 1 ? ERR_OK : err_of(tls, result);
}

/* Copies what stands behind the first <skip> bytes of the parts, as much as a record holds. */
static size_t fill_record(const struct iovec *parts, int count, size_t skip, char *record)
{
    size_t size = 0;
    for (int i = 0; i < count && size < RECORD_SIZE; i++) {
        size_t left_out = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        size_t room = RECORD_SIZE - size;
        size_t n = parts[i].iov_len - left_out < room ? parts[i].iov_len - left_out : room;
        skip -= left_out;
        if (n > 0)
            memcpy(record + size, (const char *)parts[i].iov_base + left_out, n);
        size += n;
    }
    return size;
}

/* Record after record until the socket is full: only then does an event say when to go on. */
enum err net_tls_write(struct net_tls *tls, const struct iovec *parts, int count, size_t *ret_n)
{
    char record[RECORD_SIZE];
    size_t sent = 0, size;
    enum err err = ERR_OK;
    while (err == ERR_OK && (size = fill_record(parts, count, sent, record)) > 0) {
        size_t n = 0;
        int result = SSL_write_ex(tls->ssl, record, size, &n);
        OPENSSL_cleanse(record, size);
        err = result == 1 ? ERR_OK : err_of(tls, result);
        sent += n;
    }
    *ret_n = sent;
    return err == ERR_AGAIN && sent > 0 ? ERR_OK : err;
}

void net_tls_end(struct net_tls *tls)
{
    if (SSL_is_init_finished(tls->ssl) && SSL_shutdown(tls->ssl) < 0)
        ERR_clear_error();
}
