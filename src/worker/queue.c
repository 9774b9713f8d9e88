#include "worker/queue.h"

#include "base/check.h"

static void check_queue(const struct queue *queue)
{
    uint32_t running = 0;
    for (uint16_t i = 0; i < queue->lane_count; i++) {
        CHECK(queue->lanes[i].running <= queue->lanes[i].slots);
        CHECK(queue->lanes[i].waiting <= queue->lanes[i].waiting_max);
        running += queue->lanes[i].running;
    }
    CHECK(running == queue->running);
    CHECK(!queue->suspect_runs || queue->running == 1);
    CHECK(queue->is_ready || queue->running == 0);
}

void queue_init(struct queue *queue, struct queue_entry *entries, uint32_t entry_count)
{
    *queue = (struct queue){.entries = entries, .entry_count = entry_count};
    list_init(&queue->free_list);
    list_init(&queue->suspects);
    list_init(&queue->running_list);
    for (uint32_t i = 0; i < entry_count; i++) {
        entries[i] = (struct queue_entry){.state = QUEUE_FREE};
        list_init(&entries[i].link);
        list_push(&queue->free_list, &entries[i].link);
    }
}

uint16_t queue_lane_add(struct queue *queue, uint32_t slots, uint32_t waiting_max)
{
    CHECK(queue->lane_count < QUEUE_LANES_MAX && slots > 0);
    struct queue_lane *lane = &queue->lanes[queue->lane_count];
    *lane = (struct queue_lane){.slots = slots, .waiting_max = waiting_max};
    list_init(&lane->waiting_list);
    return queue->lane_count++;
}

bool queue_is_quarantined(const struct queue *queue, uint64_t hash, int64_t now_us)
{
    for (uint32_t i = 0; i < LIMIT_QUARANTINE; i++)
        if (queue->quarantine[i].hash == hash && queue->quarantine[i].until_us > now_us)
            return true;
    return false;
}

static void quarantine(struct queue *queue, uint64_t hash, int64_t now_us)
{
    /* A ring: when it is full, the oldest is let go. */
    queue->quarantine[queue->quarantine_next] =
        (struct queue_quarantined){hash, now_us + QUEUE_QUARANTINE_US};
    queue->quarantine_next = (queue->quarantine_next + 1) % LIMIT_QUARANTINE;
}

static uint32_t retry_after_s(const struct queue_lane *lane)
{
    int64_t service_us = lane->service_us ? lane->service_us : 1000000;
    int64_t us = service_us * (lane->waiting + 1) / lane->slots;
    int64_t s = (us + 999999) / 1000000;
    return s < 1 ? 1 : s > 60 ? 60 : (uint32_t)s;
}

struct queue_verdict queue_offer(struct queue *queue, uint16_t lane_index, uint64_t hash,
                                 void *user, int64_t now_us, struct queue_entry **ret_entry)
{
    CHECK(lane_index < queue->lane_count);
    struct queue_lane *lane = &queue->lanes[lane_index];
    if (queue->is_draining)
        return (struct queue_verdict){QUEUE_DRAINING, retry_after_s(lane)};
    if (queue_is_quarantined(queue, hash, now_us))
        return (struct queue_verdict){QUEUE_QUARANTINED, 0};
    if (lane->waiting >= lane->waiting_max || list_is_empty(&queue->free_list))
        return (struct queue_verdict){QUEUE_FULL, retry_after_s(lane)};

    struct queue_entry *entry = CONTAINER_OF(queue->free_list.next, struct queue_entry, link);
    list_remove(&entry->link);
    *entry = (struct queue_entry){.state = QUEUE_WAITING,
                                  .lane = lane_index,
                                  .hash = hash,
                                  .offered_us = now_us,
                                  .user = user};
    list_init(&entry->link);
    list_push(&lane->waiting_list, &entry->link);
    lane->waiting++;
    check_queue(queue);
    *ret_entry = entry;
    return (struct queue_verdict){QUEUE_ACCEPTED, 0};
}

static struct queue_entry *start(struct queue *queue, struct queue_entry *entry, int64_t now_us)
{
    struct queue_lane *lane = &queue->lanes[entry->lane];
    list_remove(&entry->link);
    list_push(&queue->running_list, &entry->link);
    if (entry->is_suspect)
        queue->suspects_waiting--;
    else
        lane->waiting--;
    entry->state = QUEUE_RUNNING;
    entry->started_us = now_us;
    lane->running++;
    queue->running++;
    queue->suspect_runs = entry->is_suspect;
    check_queue(queue);
    return entry;
}

struct queue_entry *queue_next(struct queue *queue, int64_t now_us)
{
    if (!queue->is_ready || queue->suspect_runs)
        return NULL;
    if (!list_is_empty(&queue->suspects)) {
        CHECK(queue->running == 0); /* invariant 2: nothing has started since the engine died */
        return start(queue, CONTAINER_OF(queue->suspects.next, struct queue_entry, link), now_us);
    }
    struct queue_entry *oldest = NULL;
    for (uint16_t i = 0; i < queue->lane_count; i++) {
        struct queue_lane *lane = &queue->lanes[i];
        if (lane->running >= lane->slots || list_is_empty(&lane->waiting_list))
            continue;
        struct queue_entry *first = CONTAINER_OF(lane->waiting_list.next, struct queue_entry, link);
        if (!oldest || first->offered_us < oldest->offered_us)
            oldest = first;
    }
    return oldest ? start(queue, oldest, now_us) : NULL;
}

void queue_streamed(struct queue_entry *entry)
{
    CHECK(entry->state == QUEUE_RUNNING);
    entry->has_streamed = true;
}

static void release(struct queue *queue, struct queue_entry *entry)
{
    list_remove(&entry->link);
    entry->state = QUEUE_FREE;
    entry->user = NULL;
    list_push(&queue->free_list, &entry->link);
}

bool queue_cancel(struct queue *queue, struct queue_entry *entry)
{
    CHECK(entry->state != QUEUE_FREE);
    if (entry->state == QUEUE_RUNNING) {
        entry->is_cancelled = true;
        return false;
    }
    if (entry->is_suspect)
        queue->suspects_waiting--;
    else
        queue->lanes[entry->lane].waiting--;
    release(queue, entry);
    check_queue(queue);
    return true;
}

static void stop_running(struct queue *queue, struct queue_entry *entry)
{
    CHECK(entry->state == QUEUE_RUNNING);
    queue->lanes[entry->lane].running--;
    queue->running--;
    queue->suspect_runs = false;
}

void queue_finish(struct queue *queue, struct queue_entry *entry, int64_t now_us)
{
    struct queue_lane *lane = &queue->lanes[entry->lane];
    stop_running(queue, entry);
    if (!entry->is_cancelled) {
        int64_t took_us = now_us - entry->started_us;
        lane->service_us += lane->service_us ? (took_us - lane->service_us) / 8 : took_us;
    }
    release(queue, entry);
    check_queue(queue);
}

void queue_engine_ready(struct queue *queue)
{
    queue->is_ready = true;
}

uint32_t queue_engine_died(struct queue *queue, int64_t now_us, struct queue_lost *lost)
{
    uint32_t lost_count = 0;
    /* Oldest first, so that suspects are retried in the order in which they came. */
    while (!list_is_empty(&queue->running_list)) {
        struct queue_entry *entry =
            CONTAINER_OF(queue->running_list.next, struct queue_entry, link);
        bool was_lone_suspect = entry->is_suspect;
        stop_running(queue, entry);
        if (was_lone_suspect)
            quarantine(queue, entry->hash, now_us);
        if (was_lone_suspect || entry->has_streamed || entry->is_cancelled) {
            lost[lost_count++] =
                (struct queue_lost){entry->user, was_lone_suspect, entry->is_cancelled};
            release(queue, entry);
            continue;
        }
        list_remove(&entry->link);
        entry->state = QUEUE_WAITING;
        entry->is_suspect = true;
        list_push(&queue->suspects, &entry->link);
        queue->suspects_waiting++;
    }
    queue->is_ready = false;
    check_queue(queue);
    return lost_count;
}

void queue_drain(struct queue *queue)
{
    queue->is_draining = true;
}
