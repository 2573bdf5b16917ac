/*
 * alert_address.h
 *		Whether an address is one that alerts may not be posted to unless that is allowed.
 */
#ifndef DTS_ALERT_ADDRESS_H
#define DTS_ALERT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * True for loopback, private, link-local, shared, multicast and reserved addresses, also where an
 * IPv6 address carries such an IPv4 one, and for families that are neither.
 */
bool alert_address_internal(const struct sockaddr *address);

#endif /* DTS_ALERT_ADDRESS_H */
