/* stream_client.c: N streams at once, again and again, and how late each chunk came: now minus the
 * time that the mock upstream wrote into it ("t":NANOSECONDS). One thread, epoll, kept connections.
 *
 *   stream_client PORT STREAMS SECONDS
 *
 * Streams begin spread over the first half second (a stream's length), so that their ends do not
 * fall together; that and a settling time come before SECONDS and are not counted. Prints
 * {"chunks":..,"rate":chunks a second,"streams":..,"p50_us":..,"p99_us":..,"max_us":..} */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS_MAX = 20000, TAIL = 4096, DELAYS_MAX = 20 << 20, SPREAD_MS = 500, SETTLE_MS = 300 };

struct stream {
    int fd;
    size_t used;
    char tail[TAIL]; /* bytes not yet understood */
};

static struct stream streams[STREAMS_MAX];
static uint32_t *delays_us;
static size_t delay_count;
static uint64_t ended_count;
static bool is_counting;
static char request[512];
static size_t request_size;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void ask(struct stream *stream)
{
    if (send(stream->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) {
        perror("send");
        exit(1);
    }
}

/* Each "t": is a chunk; "\r\n0\r\n\r\n" ends a stream, and the next begins on the same connection.
 */
static void understand(struct stream *stream, int64_t now)
{
    char *at = stream->tail, *end = stream->tail + stream->used;
    for (char *found; (found = memmem(at, (size_t)(end - at), "\"t\":", 4));) {
        char *comma = memchr(found, ',', (size_t)(end - found));
        if (!comma)
            break;
        int64_t delay_us = (now - strtoll(found + 4, NULL, 10)) / 1000;
        if (is_counting && delay_count < DELAYS_MAX)
            delays_us[delay_count++] = delay_us < 0 ? 0 : (uint32_t)delay_us;
        at = comma;
    }
    if (stream->used >= 7 && memcmp(end - 7, "\r\n0\r\n\r\n", 7) == 0) {
        ended_count += is_counting;
        at = end;
        ask(stream);
    }
    if (end - at > 256) /* a number is cut only at the very end */
        at = end - 256;
    memmove(stream->tail, at, (size_t)(end - at));
    stream->used = (size_t)(end - at);
}

static void read_stream(struct stream *stream)
{
    ssize_t n =
        recv(stream->fd, stream->tail + stream->used, sizeof stream->tail - stream->used, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        fprintf(stderr, "stream_client: the peer closed a stream\n");
        exit(1);
    }
    stream->used += (size_t)n;
    understand(stream, now_ns());
}

static void open_stream(struct stream *stream, uint16_t port, int epoll_fd)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    stream->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
    if (connect(stream->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, stream->fd, &event) < 0) {
        perror("connect");
        exit(1);
    }
}

static void take_events(int epoll_fd, int wait_ms)
{
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, wait_ms);
    for (int i = 0; i < n; i++)
        read_stream(events[i].data.ptr);
}

/* Asks for the first streams one after the other, then lets things settle. */
static void begin(int count, int epoll_fd)
{
    int64_t start_ns = now_ns(), settled_ns = (SPREAD_MS + SETTLE_MS) * INT64_C(1000000);
    int asked = 0;
    for (int64_t passed; (passed = now_ns() - start_ns) < settled_ns;) {
        int due = (int)(passed * count / (SPREAD_MS * INT64_C(1000000)));
        for (; asked < count && asked <= due; asked++)
            ask(&streams[asked]);
        take_events(epoll_fd, 1);
    }
    for (; asked < count; asked++)
        ask(&streams[asked]);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int count = (int)strtol(argv[2], NULL, 10), epoll_fd = epoll_create1(0);
    static const char body[] =
        "{\"model\":\"bench\",\"stream\":true,\"messages\":[{\"role\":\"user\","
        "\"content\":\"Explain how tides work.\"}]}";
    request_size =
        (size_t)snprintf(request, sizeof request,
                         "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         sizeof body - 1, body);
    delays_us = malloc(DELAYS_MAX * sizeof delays_us[0]);
    if (!delays_us || count < 1 || count > STREAMS_MAX)
        return 2;
    for (int i = 0; i < count; i++)
        open_stream(&streams[i], (uint16_t)strtoul(argv[1], NULL, 10), epoll_fd);
    begin(count, epoll_fd);
    is_counting = true;
    int64_t start = now_ns(), end = start + (int64_t)(strtod(argv[3], NULL) * 1e9);
    while (now_ns() < end)
        take_events(epoll_fd, 100);
    double seconds = (double)(now_ns() - start) / 1e9;
    qsort(delays_us, delay_count, sizeof delays_us[0], compare);
    size_t n = delay_count;
    printf("{\"chunks\":%zu,\"rate\":%.1f,\"streams\":%llu,\"p50_us\":%u,\"p99_us\":%u,"
           "\"max_us\":%u}\n",
           n, (double)n / seconds, (unsigned long long)ended_count, n ? delays_us[n / 2] : 0,
           n ? delays_us[n * 99 / 100] : 0, n ? delays_us[n - 1] : 0);
    return n ? 0 : 1;
}
