/*
 * lsn.c
 *		Reading of LSNs in their text form.
 */
#include "lsn.h"

#include <stdlib.h>
#include <string.h>

bool
lsn_parse(const char *text, uint64_t *value)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	size_t high = strspn(text, hex);
	size_t low;

	if (high == 0 || high > 8 || text[high] != '/')
		return false;
	low = strspn(text + high + 1, hex);
	if (low == 0 || low > 8 || text[high + 1 + low] != '\0')
		return false;
	*value = (uint64_t) strtoul(text, NULL, 16) << 32 | strtoul(text + high + 1, NULL, 16);
	return true;
}
