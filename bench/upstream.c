/* upstream.c: a model server that costs nothing: what stands behind every proxy of the benchmark.
 * One thread, epoll.
 *
 *   GET  anything             200 and 200 bytes of JSON (/v1/models: a list with one model,
 * "bench") POST anything             200 and 1 KiB of JSON when the whole body is here POST with
 * "stream":true   CHUNKS server-sent events, one per <pace> ms, each in a chunk and a write of its
 * own, with the monotonic time of its writing in it: "t":NANOSECONDS usage: upstream PORT
 * COUNTER_FILE [PACE_MS]      the file (mapped): requests served, chunks sent */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, CHUNKS = 50, PHASES_MAX = 64, BUFFER_MIN = 16384, BODY_MAX = 16 << 20 };

struct connection {
    char *buffer;
    size_t used, size;
    int chunks_left; /* of the stream; 0: none */
};

static struct connection *connections[FDS_MAX];
static int phase_fds[PHASES_MAX][FDS_MAX], phase_count[PHASES_MAX];
static volatile int64_t *counters; /* requests, chunks */
static int pace_ms = 10, epoll_fd;
static char small_answer[1024], answer[4096], models_answer[1024];
static size_t small_size, answer_size, models_size;
static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static size_t write_answer(char *into, size_t size, size_t body_size)
{
    char body[2048];
    int n = snprintf(
        body, sizeof body,
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"usage\":{\"prompt_tokens\":"
        "400,\"completion_tokens\":150},\"content\":\"");
    size_t used = (size_t)n;
    while (used < body_size - 2) {
        body[used] = (char)('a' + used % 26);
        used++;
    }
    body[used++] = '"';
    body[used++] = '}';
    n = snprintf(into, size,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 used);
    memcpy(into + n, body, used);
    return (size_t)n + used;
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return;
        if (n < 0) {
            usleep(50);
            continue;
        }
        bytes += n;
        size -= (size_t)n;
    }
}

static void drop(int fd)
{
    free(connections[fd]->buffer);
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void write_chunk(int fd)
{
    char event[192], chunk[256];
    int n = snprintf(
        event, sizeof event,
        "data: {\"id\":\"c1\",\"t\":%lld,\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
        "token\"}}]}\n\n",
        (long long)now_ns());
    n = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", (unsigned)n, event);
    write_all(fd, chunk, (size_t)n);
    counters[1]++;
}

static void tick(int phase)
{
    int *fds = phase_fds[phase], kept = 0;
    for (int i = 0; i < phase_count[phase]; i++) {
        struct connection *connection = connections[fds[i]];
        if (!connection || connection->chunks_left == 0)
            continue;
        if (--connection->chunks_left > 0) {
            write_chunk(fds[i]);
            fds[kept++] = fds[i];
        } else {
            write_chunk(fds[i]);
            write_all(fds[i], "0\r\n\r\n", 5);
        }
    }
    phase_count[phase] = kept;
}

static void answer_one(int fd, struct connection *connection, const char *body, size_t body_size)
{
    bool is_post = connection->buffer[0] == 'P';
    bool is_stream = is_post && memmem(body, body_size, "\"stream\":true", 13);
    counters[0]++;
    if (is_stream) {
        int phase = fd % pace_ms;
        write_all(fd, stream_head, sizeof stream_head - 1);
        connection->chunks_left = CHUNKS;
        phase_fds[phase][phase_count[phase]++] = fd;
    } else if (is_post) {
        write_all(fd, answer, answer_size);
    } else if (memcmp(connection->buffer, "GET /v1/models ", 15) == 0) {
        write_all(fd, models_answer, models_size);
    } else {
        write_all(fd, small_answer, small_size);
    }
}

static void serve(int fd, struct connection *connection)
{
    while (connection->chunks_left == 0) {
        char *end = memmem(connection->buffer, connection->used, "\r\n\r\n", 4);
        if (!end)
            return;
        size_t head_size = (size_t)(end - connection->buffer) + 4, body_size = 0;
        char saved = *end;
        *end = 0;
        const char *length = strcasestr(connection->buffer, "\ncontent-length:");
        if (length)
            body_size = strtoul(length + 16, NULL, 10);
        *end = saved;
        size_t size = head_size + body_size;
        if (size > connection->size && size < BODY_MAX) {
            connection->buffer = realloc(connection->buffer, size);
            connection->size = size;
        }
        if (connection->used < size)
            return;
        answer_one(fd, connection, connection->buffer + head_size, body_size);
        memmove(connection->buffer, connection->buffer + size, connection->used - size);
        connection->used -= size;
    }
}

static void read_more(int fd)
{
    struct connection *connection = connections[fd];
    if (!connection)
        return;
    ssize_t n =
        recv(fd, connection->buffer + connection->used, connection->size - connection->used, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    connection->used += (size_t)n;
    serve(fd, connection);
}

static void accept_all(int listener)
{
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        connections[fd] = calloc(1, sizeof(struct connection));
        connections[fd]->buffer = malloc(BUFFER_MIN);
        connections[fd]->size = BUFFER_MIN;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            drop(fd);
    }
}

static int open_all(int argc, char **argv)
{
    int file = open(argv[2], O_RDWR | O_CREAT, 0644);
    if (file < 0 || ftruncate(file, 16) < 0)
        return -1;
    counters = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (argc > 3)
        pace_ms = (int)strtol(argv[3], NULL, 10);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (pace_ms < 1 || pace_ms > PHASES_MAX ||
        bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096))
        return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_fd = epoll_create1(0);
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0 ? -1 : listener;
}

static void prepare_answers(void)
{
    static const char models[] =
        "{\"object\":\"list\",\"data\":[{\"id\":\"bench\",\"object\":\"model\"}]}";
    small_size = write_answer(small_answer, sizeof small_answer, 200);
    answer_size = write_answer(answer, sizeof answer, 1024);
    models_size = (size_t)snprintf(models_answer, sizeof models_answer,
                                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                   "Content-Length: %zu\r\n\r\n%s",
                                   sizeof models - 1, models);
}

int main(int argc, char **argv)
{
    int listener = argc > 2 ? open_all(argc, argv) : -1;
    if (listener < 0) {
        perror("upstream PORT COUNTER_FILE [PACE_MS]");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    prepare_answers();
    for (int64_t ticked_ms = now_ns() / 1000000;;) {
        struct epoll_event events[256];
        bool is_streaming = false;
        for (int i = 0; i < pace_ms; i++)
            is_streaming |= phase_count[i] > 0;
        int count = epoll_wait(epoll_fd, events, 256, is_streaming ? 1 : -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(listener);
            else
                read_more(events[i].data.fd);
        }
        int64_t now_ms = now_ns() / 1000000;
        if (!is_streaming || now_ms - ticked_ms > 50)
            ticked_ms = now_ms - (is_streaming ? 50 : 0);
        while (is_streaming && ticked_ms < now_ms)
            tick((int)(++ticked_ms % pace_ms));
    }
}
