/*
 * test_alert_address.c
 *		Which addresses alerts may be posted to.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "alert_address.h"

static bool
internal(const char *text)
{
	union
	{
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;

	memset(&address, 0, sizeof(address));
	if (strchr(text, ':') != NULL)
	{
		address.in6.sin6_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
	}
	else
	{
		address.in.sin_family = AF_INET;
		assert_int_equal(inet_pton(AF_INET, text, &address.in.sin_addr), 1);
	}
	return alert_address_internal(&address.any);
}

static void
addresses_of_the_inside_are_internal(void **state)
{
	static const char *const texts[] = {
	    "0.0.0.0",
	    "10.0.0.1",
	    "10.255.255.255",
	    "100.64.0.1",
	    "100.127.255.255",
	    "127.0.0.1",
	    "127.255.255.254",
	    "169.254.169.254",
	    "172.16.0.1",
	    "172.31.255.255",
	    "192.0.0.8",
	    "192.168.1.1",
	    "198.18.0.1",
	    "198.19.255.255",
	    "224.0.0.1",
	    "240.0.0.1",
	    "255.255.255.255",
	    "::",
	    "::1",
	    "::127.0.0.1",
	    "fe80::1",
	    "fc00::1",
	    "fdff::1",
	    "ff02::1",
	    "::ffff:10.0.0.1",
	    "64:ff9b::7f00:1",
	    "2002:7f00:1::",
	    "2002:c0a8:101::1",
	    "2001::1",
	    "fec0::1",
	    "4000::1",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		if (!internal(texts[i]))
			fail_msg("%s passes", texts[i]);
	}
}

static void
addresses_of_the_internet_are_not(void **state)
{
	static const char *const texts[] = {
	    "1.1.1.1",         "9.255.255.255",    "11.0.0.1",        "100.63.255.255",
	    "100.128.0.1",     "126.255.255.1",    "128.0.0.1",       "169.253.1.1",
	    "169.255.1.1",     "172.15.255.255",   "172.32.0.1",      "192.0.1.1",
	    "192.167.1.1",     "192.169.1.1",      "198.17.1.1",      "198.20.0.1",
	    "223.255.255.255", "2606:4700::1",     "2001:4860::8888", "2a00:1450::1",
	    "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		if (internal(texts[i]))
			fail_msg("%s is refused", texts[i]);
	}
}

static void
other_families_are_internal(void **state)
{
	struct sockaddr address = {.sa_family = AF_UNIX};

	(void) state;
	assert_true(alert_address_internal(&address));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_of_the_inside_are_internal),
	    cmocka_unit_test(addresses_of_the_internet_are_not),
	    cmocka_unit_test(other_families_are_internal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
