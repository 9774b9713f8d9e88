#include "net/link.h"

#include "base/check.h"

enum { LOSSES_MAX = 6, BYTES_MAX = 1 << 30 };
static const int64_t time_us_max = INT64_C(60) * 1000 * 1000;

static uint32_t slow_percent_of(const struct link_rules *rules)
{
    return rules->slow_percent ? rules->slow_percent : 100;
}

static int64_t rtt_us_of(const struct link_line *line)
{
    return line->rules.rtt_us * slow_percent_of(&line->rules) / 100;
}

void link_line_set(struct link_line *line, const struct link_rules *rules)
{
    CHECK(rules->rtt_us >= 0 && rules->rtt_us <= time_us_max);
    CHECK(rules->jitter_us >= 0 && rules->jitter_us <= rules->rtt_us);
    CHECK(rules->loss_ppm <= 500000 && rules->slow_percent <= 10000);
    line->rules = *rules;
}

void link_line_init(struct link_line *line, const struct link_rules *rules, uint64_t seed)
{
    line->free_at_ns = 0;
    rng_init(&line->rng, seed);
    link_line_set(line, rules);
}

/* When the last of the bytes has left. */
static int64_t transmit(struct link_line *line, uint32_t bytes, int64_t now_us)
{
    if (line->free_at_ns < now_us * 1000)
        line->free_at_ns = now_us * 1000;
    if (line->rules.bandwidth_bps > 0) {
        /* Below 2^30 * 8e9 * 100: needs more than 64 bits. */
        unsigned __int128 bits_ns = (unsigned __int128)bytes * 8 * 1000000000;
        bits_ns = bits_ns * slow_percent_of(&line->rules) / 100;
        line->free_at_ns += (int64_t)(bits_ns / line->rules.bandwidth_bps);
    }
    return (line->free_at_ns + 999) / 1000;
}

static int64_t one_way_us(struct link_line *line)
{
    int64_t us = rtt_us_of(line) / 2;
    int64_t width_us = line->rules.jitter_us;
    if (width_us > 0)
        us += (int64_t)rng_below(&line->rng, (uint64_t)width_us + 1) - width_us / 2;
    return us > 0 ? us : 0;
}

static bool draws_loss(struct link_line *line, uint32_t segment_count)
{
    if (line->rules.loss_ppm == 0)
        return false;
    /* All arrive with (1 - p)^n, by squaring. */
    double all_arrive = 1.0, power = 1.0 - line->rules.loss_ppm / 1e6;
    for (uint32_t n = segment_count; n > 0; n >>= 1) {
        if (n & 1)
            all_arrive *= power;
        power *= power;
    }
    return rng_unit(&line->rng) >= all_arrive;
}

static int64_t retransmission_us(struct link_line *line, uint32_t bytes)
{
    uint32_t segment_count = (bytes + LINK_SEGMENT_SIZE - 1) / LINK_SEGMENT_SIZE;
    if (!draws_loss(line, segment_count ? segment_count : 1))
        return 0;
    int64_t rtt_us = rtt_us_of(line);
    int64_t us = rtt_us > LINK_RETRANSMIT_US ? rtt_us : LINK_RETRANSMIT_US;
    for (int i = 1; i < LOSSES_MAX && draws_loss(line, 1); i++)
        us += rtt_us;
    return us;
}

int64_t link_arrival_us(struct link_line *line, struct link_pipe *pipe, uint32_t bytes,
                        int64_t now_us)
{
    CHECK(now_us >= 0 && bytes <= BYTES_MAX);
    if (line->rules.is_cut)
        return LINK_NEVER_US;
    int64_t arrival_us = transmit(line, bytes, now_us) + one_way_us(line);
    arrival_us += retransmission_us(line, bytes);
    if (arrival_us < pipe->last_arrival_us)
        arrival_us = pipe->last_arrival_us;
    pipe->last_arrival_us = arrival_us;
    return arrival_us;
}

int64_t link_connected_us(struct link_line *there, struct link_line *back, int64_t now_us)
{
    if (there->rules.is_cut || back->rules.is_cut)
        return LINK_NEVER_US;
    int64_t connected_us = now_us + one_way_us(there) + one_way_us(back);
    for (int i = 0; i < LOSSES_MAX && (draws_loss(there, 1) || draws_loss(back, 1)); i++)
        connected_us += LINK_SYN_RETRANSMIT_US;
    return connected_us;
}

uint64_t link_fill_bytes(const struct link_line *there, const struct link_line *back)
{
    uint64_t rtt_us = (uint64_t)(rtt_us_of(there) + rtt_us_of(back)) / 2;
    uint64_t percent = slow_percent_of(&there->rules);
    unsigned __int128 bits_us = (unsigned __int128)there->rules.bandwidth_bps * rtt_us;
    return (uint64_t)(bits_us * 100 / percent / 8 / 1000000);
}
