#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/scrape.h"

static void the_words_of_each_server_are_known(void **state)
{
    (void)state;
    struct gateway_scrape scrape;
    assert_true(gateway_scrape(
        SPAN_LITERAL("# HELP vllm:num_requests_running x\n"
                     "vllm:num_requests_running{engine=\"0\",model_name=\"a}b\"} 3.0\n"
                     "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 2\n"
                     "vllm:num_requests_waiting{model_name=\"m\"} 1e1\n"),
        &scrape));
    assert_int_equal(scrape.running, 5);
    assert_int_equal(scrape.waiting, 10);
    assert_true(gateway_scrape(SPAN_LITERAL("llamacpp:requests_deferred 4"), &scrape));
    assert_false(scrape.has_running);
    assert_int_equal(scrape.waiting, 4);
}

static void other_text_says_nothing(void **state)
{
    (void)state;
    struct gateway_scrape scrape;
    assert_false(gateway_scrape(SPAN_LITERAL(""), &scrape));
    assert_false(gateway_scrape(SPAN_LITERAL("<html>\nup 1\nvllm:num_requests_running{"), &scrape));
    assert_false(gateway_scrape(SPAN_LITERAL("tgi_queue_size NaN\ntgi_queue_size -1\n"), &scrape));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_each_server_are_known),
        cmocka_unit_test(other_text_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
