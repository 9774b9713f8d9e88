/* token_client.c: N streams of one answer each, all asked for at once, and how fast their tokens
 * came. One thread, epoll.
 *
 *   token_client PORT KEY_FILE STREAMS TOKENS NUMBER
 *
 * The prompts begin with NUMBER and the stream's own, so that no cache knows them. Prints
 * {"tokens":..,"events":..,"whole":streams with all their tokens,"seconds":..,"first_s":..} where
 * first_s is when every stream had its first event. */
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

enum { STREAMS_MAX = 256, ANSWER_MAX = 1 << 20 };

struct stream {
    int fd;
    size_t used;
    double first_s;
    char *answer;
};

static struct stream streams[STREAMS_MAX];

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "token_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void ask(struct stream *stream, uint16_t port, const char *key, int tokens, const char *name)
{
    char body[512], request[1024];
    int body_size =
        snprintf(body, sizeof body,
                 "{\"model\":\"chat\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                 "\"max_tokens\":%d,\"temperature\":0,\"prompt\":\"%s It is a truth universally "
                 "acknowledged, that a single man\"}",
                 tokens, name);
    int size =
        snprintf(request, sizeof request,
                 "POST /v1/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: "
                 "application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
                 key, body_size, body);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    stream->answer = malloc(ANSWER_MAX);
    stream->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (!stream->answer || connect(stream->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        send(stream->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        die("cannot ask");
}

/* True when the answer is whole. */
static bool take(struct stream *stream, double start_s)
{
    ssize_t n = recv(stream->fd, stream->answer + stream->used, ANSWER_MAX - 1 - stream->used, 0);
    if (n <= 0)
        die("a stream was cut");
    stream->used += (size_t)n;
    stream->answer[stream->used] = 0;
    if (stream->first_s <= 0 && strstr(stream->answer, "data: {"))
        stream->first_s = seconds() - start_s;
    if (stream->used >= 12 && memcmp(stream->answer, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "token_client: %.500s\n", stream->answer);
        exit(1);
    }
    return memcmp(stream->answer + stream->used - 7, "\r\n0\r\n\r\n", 7) == 0;
}

static long count_events(const char *answer)
{
    long count = 0;
    for (const char *at = answer; (at = strstr(at, "data: {")); at++)
        count++;
    return count;
}

int main(int argc, char **argv)
{
    char key[256] = "", name[64];
    FILE *file = argc == 6 ? fopen(argv[2], "r") : NULL;
    if (!file || !fgets(key, sizeof key, file))
        die("expected PORT KEY_FILE STREAMS TOKENS NUMBER");
    fclose(file);
    key[strcspn(key, "\r\n")] = 0;
    int count = (int)strtol(argv[3], NULL, 10), tokens_each = (int)strtol(argv[4], NULL, 10);
    int epoll_fd = epoll_create1(0);
    if (count < 1 || count > STREAMS_MAX || epoll_fd < 0)
        die("expected 1 to 256 streams");
    double start_s = seconds();
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &streams[i]};
        snprintf(name, sizeof name, "%s %d.", argv[5], i);
        ask(&streams[i], (uint16_t)strtoul(argv[1], NULL, 10), key, tokens_each, name);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, streams[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    for (int open_count = count; open_count > 0;) {
        struct epoll_event events[STREAMS_MAX];
        int n = epoll_wait(epoll_fd, events, STREAMS_MAX, 60000);
        if (n <= 0)
            die("nothing came for a minute");
        for (int i = 0; i < n; i++) {
            struct stream *stream = events[i].data.ptr;
            if (take(stream, start_s)) {
                close(stream->fd);
                open_count--;
            }
        }
    }
    double took_s = seconds() - start_s, first_s = 0;
    long tokens = 0, event_count = 0, whole = 0;
    for (int i = 0; i < count; i++) {
        const char *usage = strstr(streams[i].answer, "\"completion_tokens\":");
        long made = usage ? strtol(usage + 20, NULL, 10) : 0;
        tokens += made;
        whole += made == tokens_each;
        event_count += count_events(streams[i].answer);
        first_s = streams[i].first_s > first_s ? streams[i].first_s : first_s;
    }
    printf("{\"tokens\":%ld,\"events\":%ld,\"whole\":%ld,\"seconds\":%.6f,\"first_s\":%.6f}\n",
           tokens, event_count, whole, took_s, first_s);
    return tokens > 0 ? 0 : 1;
}
