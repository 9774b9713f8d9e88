/*            +--- ":" ---> COMMENT --+
 *            |                       | line end
 *   START -> LINE --> NAME --> (":") SPACE --> VALUE --> LINE
 *                                                                     */
#include "http/sse.h"

#include "base/check.h"

enum state {
    START, /* of the stream: a byte order mark may stand here */
    LINE,  /* of a line */
    LINE_AFTER_CR,
    NAME,
    SPACE, /* behind the colon: one space is not part of the value */
    VALUE,
    COMMENT
};

enum field { FIELD_OTHER, FIELD_DATA, FIELD_EVENT };

static void begin_event(struct sse_reader *reader)
{
    reader->used = 0;
    reader->event_size = 0;
    reader->is_cut = false;
    reader->has_data = false;
}

void sse_reader_init(struct sse_reader *reader, char *buffer, size_t size)
{
    *reader = (struct sse_reader){.buffer = buffer, .size = size, .state = START};
}

static void add_data(struct sse_reader *reader, const char *p, size_t n)
{
    size_t room = reader->size - reader->used;
    if (n > room) {
        n = room;
        reader->is_cut = true;
    }
    if (n)
        memcpy(reader->buffer + reader->used, p, n);
    reader->used += n;
}

static void add_event_name(struct sse_reader *reader, const char *p, size_t n)
{
    size_t room = sizeof reader->event - reader->event_size;
    if (n > room)
        n = room;
    if (n)
        memcpy(reader->event + reader->event_size, p, n);
    reader->event_size = (uint8_t)(reader->event_size + n);
}

/* The field's name is whole: its value begins. */
static void begin_value(struct sse_reader *reader)
{
    size_t name_size = reader->field_size;
    struct span name = {reader->field_name, name_size <= sizeof reader->field_name ? name_size : 0};
    reader->field = FIELD_OTHER;
    if (span_is(name, "data")) {
        reader->field = FIELD_DATA;
        if (reader->has_data)
            add_data(reader, "\n", 1);
        reader->has_data = true;
    } else if (span_is(name, "event")) {
        reader->field = FIELD_EVENT;
        reader->event_size = 0; /* the last one counts */
    }
}

static void add_name(struct sse_reader *reader, char c)
{
    if (reader->field_size < sizeof reader->field_name)
        reader->field_name[reader->field_size] = c;
    if (reader->field_size <= sizeof reader->field_name)
        reader->field_size++;
}

/* The run of bytes before the next line end. */
static size_t run_size(struct span bytes)
{
    const char *lf = memchr(bytes.p, '\n', bytes.n);
    size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
    const char *cr = memchr(bytes.p, '\r', n);
    return cr ? (size_t)(cr - bytes.p) : n;
}

static size_t take_value(struct sse_reader *reader, struct span bytes)
{
    size_t n = run_size(bytes);
    if (reader->field == FIELD_DATA)
        add_data(reader, bytes.p, n);
    else if (reader->field == FIELD_EVENT)
        add_event_name(reader, bytes.p, n);
    reader->state = VALUE;
    return n;
}

/* A byte that does not end a line, at its start or in a name. */
static void take_name(struct sse_reader *reader, char c)
{
    if (reader->state != NAME) {
        reader->field_size = 0;
        reader->state = c == ':' ? COMMENT : NAME;
        if (c != ':')
            add_name(reader, c);
    } else if (c == ':') {
        begin_value(reader);
        reader->state = SPACE;
    } else {
        add_name(reader, c);
    }
}

/* A byte that does not end a line; how many were taken with it, at least one. */
static size_t take_bytes(struct sse_reader *reader, struct span bytes)
{
    switch (reader->state) {
    case SPACE:
        if (bytes.p[0] == ' ') {
            reader->state = VALUE;
            return 1;
        }
        return take_value(reader, bytes);
    case VALUE:
        return take_value(reader, bytes);
    case COMMENT:
        return run_size(bytes);
    default:
        take_name(reader, bytes.p[0]);
        return 1;
    }
}

/* True when an event is whole. */
static bool end_line(struct sse_reader *reader, char c)
{
    bool was_empty = reader->state <= LINE_AFTER_CR;
    bool was_half = reader->state == LINE_AFTER_CR && c == '\n'; /* the LF of a CR LF */
    if (reader->state == NAME)
        begin_value(reader); /* a field without a colon has an empty value */
    reader->state = c == '\r' ? LINE_AFTER_CR : LINE;
    return was_empty && !was_half;
}

/* Bytes of the byte order mark at the start of the stream. */
static size_t take_mark(struct sse_reader *reader, struct span bytes)
{
    static const char mark[3] = {'\xef', '\xbb', '\xbf'};
    size_t i = 0;
    CHECK(reader->mark_size < sizeof mark);
    while (i < bytes.n && reader->mark_size < sizeof mark && bytes.p[i] == mark[reader->mark_size])
        i++, reader->mark_size++;
    if (reader->mark_size == sizeof mark) {
        reader->state = LINE;
    } else if (i < bytes.n) {
        for (unsigned k = 0; k < reader->mark_size; k++) /* no mark after all: a name */
            take_name(reader, mark[k]);
        if (reader->mark_size == 0)
            reader->state = LINE;
    }
    return i;
}

void sse_reader_add(struct sse_reader *reader, struct span bytes,
                    void (*on_event)(void *user, struct span event, struct span data, bool is_cut),
                    void *user)
{
    size_t i = reader->state == START ? take_mark(reader, bytes) : 0;
    while (i < bytes.n) {
        char c = bytes.p[i];
        if (c != '\n' && c != '\r') {
            i += take_bytes(reader, span_from(bytes.p + i, bytes.n - i));
            continue;
        }
        i++;
        if (!end_line(reader, c))
            continue;
        if (reader->has_data)
            on_event(user, span_from(reader->event, reader->event_size),
                     span_from(reader->buffer, reader->used), reader->is_cut);
        begin_event(reader);
    }
}
