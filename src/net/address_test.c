#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/address.h"

static void assert_prints(const char *text, const char *expected)
{
    struct net_address address;
    char buffer[80];
    struct text printed;
    text_init(&printed, buffer, sizeof buffer);
    assert_true(net_address_parse(span_of(text), &address));
    net_address_print(&address, &printed);
    assert_string_equal(buffer, expected);
}

static void what_is_printed_is_what_was_parsed(void **state)
{
    (void)state;
    assert_prints("127.0.0.1:80", "127.0.0.1:80");
    assert_prints("0.0.0.0:0", "0.0.0.0:0");
    assert_prints("[::1]:65535", "[::1]:65535");
    assert_prints("[2001:DB8:0:0::1]:8080", "[2001:db8::1]:8080");
}

static void names_bare_addresses_and_nonsense_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         ":80",
                         "localhost:80",
                         "127.0.0.1",
                         "::1:80",
                         "[127.0.0.1]:80",
                         "[::1]",
                         "[::1]80",
                         "1.2.3:80",
                         "127.0.0.1:",
                         "127.0.0.1:65536",
                         "127.0.0.1:-1",
                         "127.0.0.1:+1",
                         "127.0.0.1 :80",
                         "[::1%lo]:80",
                         "[]:80"};
    struct net_address address;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(net_address_parse(span_of(bad[i]), &address));
    assert_false(net_address_parse(span_from("127.0.0.1\0:80", 13), &address));
}

static bool is_loopback(const char *text)
{
    struct net_address address;
    assert_true(net_address_parse(span_of(text), &address));
    return net_address_is_loopback(&address);
}

static void only_loopback_counts_as_loopback(void **state)
{
    (void)state;
    assert_true(is_loopback("127.0.0.1:1"));
    assert_true(is_loopback("127.255.0.3:1"));
    assert_true(is_loopback("[::1]:1"));
    assert_true(is_loopback("[::ffff:127.0.0.1]:1"));
    assert_false(is_loopback("0.0.0.0:1"));
    assert_false(is_loopback("128.0.0.1:1"));
    assert_false(is_loopback("[::]:1"));
    assert_false(is_loopback("[::ffff:10.0.0.1]:1"));
}

static void a_port_can_be_changed(void **state)
{
    (void)state;
    const char *texts[] = {"10.1.2.3:1", "[fe80::1]:1"};
    for (int i = 0; i < 2; i++) {
        struct net_address address;
        assert_true(net_address_parse(span_of(texts[i]), &address));
        net_address_set_port(&address, 40000);
        assert_int_equal(net_address_port(&address), 40000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_what_was_parsed),
        cmocka_unit_test(names_bare_addresses_and_nonsense_are_refused),
        cmocka_unit_test(only_loopback_counts_as_loopback),
        cmocka_unit_test(a_port_can_be_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
