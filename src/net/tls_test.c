#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/conn.h"
#include "os/clock.h"

enum { PATIENCE_US = 20 * 1000 * 1000, BYTES = 1 << 20 };

/* A server that speaks TLS by blocking calls on a thread of its own, one connection. */
struct server {
    int listening_fd;
    struct net_address address;
    SSL_CTX *context;
    pthread_t thread;
    bool is_running;
    char alpn[16], name[64]; /* what the client asked for */
    bool was_ended;          /* by close_notify */
    bool has_shaken, hangs_up;
};

static EVP_PKEY *key;
static X509 *certificate;
static char own_root[] = "/tmp/farspan-root-XXXXXX", other_root[] = "/tmp/farspan-root-XXXXXX";
static struct net_loop *loop;
static struct server server;

static void add_names(X509 *x509)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x509, x509, NULL, NULL, 0);
    const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_subject_alt_name, "DNS:good.example,IP:127.0.0.1"},
                      {NID_basic_constraints, "critical,CA:TRUE"}};
    for (size_t i = 0; i < COUNT_OF(extensions); i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        CHECK(extension && X509_add_ext(x509, extension, -1) == 1);
        X509_EXTENSION_free(extension);
    }
}

static X509 *sign_own(EVP_PKEY *pkey)
{
    X509 *x509 = X509_new();
    CHECK(x509 && X509_set_version(x509, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pkey);
    X509_NAME *name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    add_names(x509);
    CHECK(X509_sign(x509, pkey, EVP_sha256()) > 0);
    return x509;
}

static void write_root(char *path, X509 *x509)
{
    int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    CHECK(file && PEM_write_X509(file, x509) == 1 && fclose(file) == 0);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                       const unsigned char *in, unsigned in_size, void *user)
{
    static const unsigned char offered[] = "\x08http/1.1";
    CHECK(ssl && !user);
    union {
        unsigned char **to;
        const unsigned char **from;
    } chosen = {.from = out};
    int result =
        SSL_select_next_proto(chosen.to, out_size, offered, sizeof offered - 1, in, in_size);
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void note_shaken(SSL *ssl)
{
    const unsigned char *alpn;
    unsigned alpn_size;
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
    if (alpn && alpn_size < sizeof server.alpn)
        memcpy(server.alpn, alpn, alpn_size);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name)
        strncpy(server.name, name, sizeof server.name - 1);
    server.has_shaken = true;
}

/* Sends back what comes, until the client ends. */
static void echo(SSL *ssl)
{
    char buffer[8192];
    int n;
    while ((n = SSL_read(ssl, buffer, sizeof buffer)) > 0) {
        if (SSL_write(ssl, buffer, n) != n)
            return;
    }
    server.was_ended = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
    SSL_shutdown(ssl);
}

static void *serve(void *unused)
{
    CHECK(!unused);
    int fd = accept(server.listening_fd, NULL, NULL);
    const struct timeval limit = {.tv_sec = 20};
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    SSL *ssl = SSL_new(server.context);
    CHECK(ssl && SSL_set_fd(ssl, fd) == 1);
    if (!server.hangs_up && SSL_accept(ssl) == 1) {
        note_shaken(ssl);
        echo(ssl);
    }
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void join(void)
{
    if (server.is_running)
        CHECK(pthread_join(server.thread, NULL) == 0);
    server.is_running = false;
}

static int set_up(void **state)
{
    (void)state;
    server = (struct server){.context = SSL_CTX_new(TLS_server_method())};
    CHECK(SSL_CTX_use_certificate(server.context, certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(server.context, key) == 1);
    SSL_CTX_set_alpn_select_cb(server.context, choose_alpn, NULL);
    net_address_loopback(0, &server.address);
    server.listening_fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = server.address.size;
    CHECK(bind(server.listening_fd, &server.address.u.any, size) == 0);
    CHECK(listen(server.listening_fd, 4) == 0);
    CHECK(getsockname(server.listening_fd, &server.address.u.any, &size) == 0);
    return net_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    join();
    SSL_CTX_free(server.context);
    close(server.listening_fd);
    net_loop_free(loop);
    return 0;
}

struct caller {
    struct net_conn conn;
    int calls;
};

static void on_event(struct net_conn *conn, unsigned events)
{
    assert_true(events != 0);
    CONTAINER_OF(conn, struct caller, conn)->calls++;
}

static struct net_tls_client *dial(struct caller *caller, const char *root, const char *host)
{
    struct net_tls_client *client = NULL;
    *caller = (struct caller){0};
    CHECK(pthread_create(&server.thread, NULL, serve, NULL) == 0);
    server.is_running = true;
    assert_int_equal(net_tls_client_new(root, &client, NULL), ERR_OK);
    assert_int_equal(
        net_conn_dial(&caller->conn, loop, &server.address, client, span_of(host), on_event),
        ERR_OK);
    int64_t until_us = os_now_us() + PATIENCE_US;
    while (caller->calls == 0 && os_now_us() < until_us)
        net_loop_run_once(loop, PATIENCE_US);
    assert_true(caller->calls > 0);
    return client;
}

static enum err write_text(struct net_conn *conn, const char *text, size_t *ret_n)
{
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return net_conn_write(conn, &part, 1, ret_n);
}

static enum err first_word(const char *root, const char *host)
{
    struct caller caller;
    size_t n;
    struct net_tls_client *client = dial(&caller, root, host);
    enum err err = write_text(&caller.conn, "x", &n);
    net_conn_close(&caller.conn);
    net_tls_client_free(client);
    return err;
}

static void the_right_name_under_a_trusted_root_is_let_in(void **state)
{
    (void)state;
    assert_int_equal(first_word(own_root, "good.example"), ERR_OK);
    join();
    assert_string_equal(server.alpn, "http/1.1");
    assert_string_equal(server.name, "good.example");
}

static void an_address_is_verified_and_not_sent_as_a_name(void **state)
{
    (void)state;
    assert_int_equal(first_word(own_root, "127.0.0.1"), ERR_OK);
    join();
    assert_true(server.has_shaken);
    assert_string_equal(server.name, "");
}

static void a_certificate_for_another_name_is_denied(void **state)
{
    (void)state;
    assert_int_equal(first_word(own_root, "bad.example"), ERR_DENIED);
}

static void a_certificate_for_another_address_is_denied(void **state)
{
    (void)state;
    assert_int_equal(first_word(own_root, "127.0.0.2"), ERR_DENIED);
}

static void a_certificate_under_an_unknown_root_is_denied(void **state)
{
    (void)state;
    assert_int_equal(first_word(other_root, "good.example"), ERR_DENIED);
}

static void a_protocol_below_1_2_is_not_spoken(void **state)
{
    (void)state;
    SSL_CTX_set_security_level(server.context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(server.context, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(server.context, TLS1_1_VERSION), 1);
    assert_int_equal(first_word(own_root, "good.example"), ERR_RESET);
    join();
    assert_false(server.has_shaken);
}

static void a_server_that_hangs_up_in_the_handshake_is_a_broken_connection(void **state)
{
    (void)state;
    server.hangs_up = true;
    assert_int_equal(first_word(own_root, "good.example"), ERR_RESET);
}

static void a_file_without_certificates_is_refused_with_its_name(void **state)
{
    (void)state;
    struct net_tls_client *client;
    char buffer[200];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    assert_int_equal(net_tls_client_new("/dev/null", &client, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(buffer, "/dev/null"));
}

/* Sends <bytes> and takes its echo at the same time; more than the sockets hold. */
static void pass_through(struct caller *caller, const char *bytes, char *ret_echo)
{
    size_t sent = 0, received = 0, n;
    int64_t until_us = os_now_us() + PATIENCE_US;
    while (received < BYTES && os_now_us() < until_us) {
        enum err err = ERR_OK;
        while (sent < BYTES && err == ERR_OK) {
            size_t half = (BYTES - sent) / 2;
            struct iovec parts[] = {
                {(void *)(uintptr_t)(bytes + sent), half},
                {(void *)(uintptr_t)(bytes + sent + half), BYTES - sent - half}};
            err = net_conn_write(&caller->conn, parts, 2, &n);
            sent += err == ERR_OK ? n : 0;
        }
        assert_true(err == ERR_OK || err == ERR_AGAIN);
        while ((err = net_conn_read(&caller->conn, ret_echo + received, BYTES - received + 1,
                                    &n)) == ERR_OK)
            received += n;
        assert_int_equal(err, ERR_AGAIN);
        if (received < BYTES)
            net_loop_run_once(loop, PATIENCE_US);
    }
    assert_int_equal(received, BYTES);
}

static void a_megabyte_comes_back_as_it_was_and_the_end_is_an_end(void **state)
{
    (void)state;
    struct caller caller;
    struct net_tls_client *client = dial(&caller, own_root, "good.example");
    char *bytes = malloc(BYTES), *back = malloc(BYTES + 1);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * i >> 7);
    pass_through(&caller, bytes, back);
    assert_memory_equal(bytes, back, BYTES);

    net_conn_end(&caller.conn);
    size_t n;
    enum err err;
    int64_t until_us = os_now_us() + PATIENCE_US;
    while ((err = net_conn_read(&caller.conn, back, 1, &n)) == ERR_AGAIN && os_now_us() < until_us)
        net_loop_run_once(loop, PATIENCE_US);
    assert_int_equal(err, ERR_CLOSED);
    join();
    assert_true(server.was_ended);
    free(bytes);
    free(back);
    net_conn_close(&caller.conn);
    net_tls_client_free(client);
}

/* A part left over in an empty socket would wait for an event that never comes. */
static void a_write_takes_as_much_as_the_socket_takes(void **state)
{
    (void)state;
    enum { SIZE = 60 * 1000 };
    static char bytes[SIZE];
    struct caller caller;
    struct net_tls_client *client = dial(&caller, own_root, "good.example");
    struct iovec parts[] = {{bytes, 1}, {bytes, 0}, {bytes, SIZE - 1}};
    size_t n = 0;
    assert_int_equal(net_conn_write(&caller.conn, parts, 3, &n), ERR_OK);
    assert_int_equal(n, SIZE);
    net_conn_close(&caller.conn);
    net_tls_client_free(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_right_name_under_a_trusted_root_is_let_in),
        TEST(an_address_is_verified_and_not_sent_as_a_name),
        TEST(a_certificate_for_another_name_is_denied),
        TEST(a_certificate_for_another_address_is_denied),
        TEST(a_certificate_under_an_unknown_root_is_denied),
        TEST(a_protocol_below_1_2_is_not_spoken),
        TEST(a_server_that_hangs_up_in_the_handshake_is_a_broken_connection),
        TEST(a_file_without_certificates_is_refused_with_its_name),
        TEST(a_write_takes_as_much_as_the_socket_takes),
        TEST(a_megabyte_comes_back_as_it_was_and_the_end_is_an_end),
    };
    /* The blocking server writes by write(). */
    signal(SIGPIPE, SIG_IGN);
    EVP_PKEY *other_key = EVP_RSA_gen(2048);
    key = EVP_RSA_gen(2048);
    certificate = sign_own(key);
    X509 *other = sign_own(other_key);
    write_root(own_root, certificate);
    write_root(other_root, other);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(own_root);
    unlink(other_root);
    X509_free(certificate);
    X509_free(other);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other_key);
    return failed;
}
