#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/limits.h"
#include "worker/frame.h"

static const struct frame sample = {.type = FRAME_TOKENS,
                                    .request = 0x01020304,
                                    .epoch = 0x1112131415161718,
                                    .step = 99,
                                    .length = 17};

static void a_frame_reads_back_as_it_was_written(void **state)
{
    (void)state;
    uint8_t bytes[FRAME_HEADER_SIZE];
    struct frame frame;
    frame_encode(&sample, bytes);
    assert_int_equal(frame_decode(bytes, &frame), ERR_OK);
    assert_int_equal(frame.type, sample.type);
    assert_int_equal(frame.request, sample.request);
    assert_true(frame.epoch == sample.epoch && frame.step == sample.step);
    assert_int_equal(frame.length, sample.length);
}

static void the_layout_is_little_endian_as_documented(void **state)
{
    (void)state;
    uint8_t bytes[FRAME_HEADER_SIZE];
    frame_encode(&sample, bytes);
    assert_int_equal(bytes[0], FRAME_VERSION);
    assert_int_equal(bytes[1], FRAME_TOKENS);
    assert_int_equal(bytes[4], 0x04);
    assert_int_equal(bytes[7], 0x01);
    assert_int_equal(bytes[8], 0x18);
    assert_int_equal(bytes[24], 17);
}

static void no_single_bit_can_be_flipped_unseen(void **state)
{
    (void)state;
    uint8_t bytes[FRAME_HEADER_SIZE];
    struct frame frame;
    frame_encode(&sample, bytes);
    for (unsigned bit = 0; bit < 8 * FRAME_HEADER_SIZE; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(frame_decode(bytes, &frame), ERR_SYNTAX);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* A header that is well summed but says what is not allowed. */
static void assert_refused(struct frame frame)
{
    uint8_t bytes[FRAME_HEADER_SIZE];
    struct frame read;
    frame_encode(&frame, bytes);
    assert_int_equal(frame_decode(bytes, &read), ERR_SYNTAX);
}

static void unknown_types_flags_and_lengths_are_refused(void **state)
{
    (void)state;
    struct frame frame = sample;
    frame.type = FRAME_NONE;
    assert_refused(frame);
    frame.type = FRAME_TYPE_COUNT;
    assert_refused(frame);
    frame = sample;
    frame.flags = 2;
    assert_refused(frame);
    frame = sample;
    frame.length = LIMIT_FRAME_INLINE + 1;
    assert_refused(frame);
    frame.flags = FRAME_MEMFD;
    frame.length = LIMIT_FRAME_PAYLOAD + 1u;
    assert_refused(frame);
}

static void load_reads_back_and_is_refused_at_every_other_length(void **state)
{
    (void)state;
    struct frame_load load = {.running = 1,
                              .waiting = 2,
                              .kv_used = 3,
                              .kv_total = 4,
                              .prompt_tokens = 5,
                              .prefix_hit_tokens = 6,
                              .output_tokens = 7,
                              .prefill_us = 8,
                              .decode_us = UINT64_MAX,
                              .decode_tokens = 9};
    struct frame_load read;
    uint8_t bytes[64];
    frame_load_encode(&load, bytes);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(frame_load_decode(span_from((char *)bytes, n), &read), ERR_SYNTAX);
    assert_int_equal(frame_load_decode(span_from((char *)bytes, sizeof bytes), &read), ERR_OK);
    assert_int_equal(read.running, 1);
    assert_int_equal(read.kv_total, 4);
    assert_true(read.decode_us == UINT64_MAX);
    assert_int_equal(read.decode_tokens, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_reads_back_as_it_was_written),
        cmocka_unit_test(the_layout_is_little_endian_as_documented),
        cmocka_unit_test(no_single_bit_can_be_flipped_unseen),
        cmocka_unit_test(unknown_types_flags_and_lengths_are_refused),
        cmocka_unit_test(load_reads_back_and_is_refused_at_every_other_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
