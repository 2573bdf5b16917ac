/*
 * alert_address.c
 *		Internal addresses; see alert_address.h.
 *
 * It is the address connected to that is judged, not the name: a name's address can change between
 *a look at it and its use.
 */
#include "alert_address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Range4
{
	uint32_t first;
	int bits;
} Range4;

static const Range4 internal4[] = {
    {0x00000000, 8},  /* this network */
    {0x0A000000, 8},  /* private */
    {0x64400000, 10}, /* shared by carriers */
    {0x7F000000, 8},  /* loopback */
    {0xA9FE0000, 16}, /* link-local, where clouds serve credentials */
    {0xAC100000, 12}, /* private */
    {0xC0000000, 24}, /* protocol assignments */
    {0xC0A80000, 16}, /* private */
    {0xC6120000, 15}, /* benchmarks */
    {0xE0000000, 3},  /* multicast, reserved and broadcast */
};

static bool
is_internal4(uint32_t address)
{
	for (size_t i = 0; i < sizeof(internal4) / sizeof(internal4[0]); i++)
	{
		if ((address ^ internal4[i].first) >> (32 - internal4[i].bits) == 0)
			return true;
	}
	return false;
}

static uint32_t
word_at(const uint8_t *bytes)
{
	return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 |
	       bytes[3];
}

static bool
is_internal6(const uint8_t *a)
{
	static const uint8_t zero[12] = {0};
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
	static const uint8_t translated[12] = {0, 0x64, 0xFF, 0x9B};

	if (memcmp(a, zero, 12) == 0)
		return true; /* unspecified, loopback, and the old form of an IPv4 address */
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, translated, 12) == 0)
		return is_internal4(word_at(a + 12));
	if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
		return is_internal4(word_at(a + 2));
	/* only 2000::/3 is the internet; in it, 2001::/23 is for protocols */
	return (a[0] & 0xE0) != 0x20 || (a[0] == 0x20 && a[1] == 0x01 && (a[2] & 0xFE) == 0);
}

bool
alert_address_internal(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
	{
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return is_internal4(ntohl(in.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6)
	{
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return is_internal6(in6.sin6_addr.s6_addr);
	}
	return true;
}
