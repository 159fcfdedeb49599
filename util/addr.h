/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One 16-byte address type for both families: IPv4 is kept as v4-mapped
 * (::ffff:a.b.c.d), so that no function exists twice. `::` means "none".
 */
#ifndef UTIL_ADDR_H
#define UTIL_ADDR_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "util/types.h"

struct addr { uint8_t b[16]; };

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	struct sockaddr_storage ss;
};

enum {
	ADDR_STRLEN	= 46,		/* INET6_ADDRSTRLEN */
	ENDPOINT_STRLEN	= ADDR_STRLEN + 8,	/* [addr]:port */
};

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Is it one of these n? */
static inline bool addr_in(const struct addr *list, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++) {
		if (addr_eq(&list[i], a))
			return true;
	}
	return false;
}

static inline bool addr_is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a->b, mapped, sizeof(mapped));
}

static inline enum family addr_family(const struct addr *a)
{
	return addr_is_v4(a) ? V4 : V6;
}

/* Not set at all: `::`. 0.0.0.0 is an address; see addr_is_any() */
static inline bool addr_is_none(const struct addr *a)
{
	static const struct addr none;

	return addr_eq(a, &none);
}

/* v4 address from four bytes in wire order */
static inline struct addr addr_from_v4(const void *four)
{
	struct addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.b + 12, four, 4);
	return a;
}

/* v4 address from a number in host order, e.g. 0x7f000001 */
struct addr addr_v4(uint32_t host_order);

static inline struct addr addr_from_v6(const void *sixteen)
{
	struct addr a;

	memcpy(a.b, sixteen, sizeof(a.b));
	return a;
}

/* The four bytes of a v4 address, in wire order */
static inline const uint8_t *addr_v4_bytes(const struct addr *a)
{
	return a->b + 12;
}

bool addr_is_any(const struct addr *a);		/* 0.0.0.0 or :: */
bool addr_is_loopback(const struct addr *a);	/* 127.0.0.0/8 or ::1 */
bool addr_is_multicast(const struct addr *a);	/* 224.0.0.0/4 or ff00::/8 */
bool addr_is_linklocal(const struct addr *a);	/* 169.254.0.0/16, fe80::/10 */
bool addr_is_broadcast(const struct addr *a);	/* 255.255.255.255 */
/* Fit to be somebody's address: none of any, multicast, broadcast */
bool addr_is_unicast(const struct addr *a);

/* Do a and b share the first `bits` bits (0-32 for v4, 0-128 for v6)? */
bool addr_same_prefix(const struct addr *a, const struct addr *b,
		      unsigned bits);
/* Is it the broadcast address of the network that `net` is in? IPv4 alone has
 * one
 */
bool addr_is_broadcast_of(const struct addr *a, const struct addr *net,
			  unsigned bits);
/* The v4 netmask of 0-32 bits */
struct addr addr_v4_mask(unsigned bits);

struct addr addr_loopback(enum family f);	/* 127.0.0.1 or ::1 */

/* Parse text (no scope, no prefix, no brackets); false if it isn't exactly an
 * address, *ret_addr is untouched then.
 */
bool addr_parse(const char *s, struct addr *ret_addr);

/* Print to buf (ADDR_STRLEN bytes); returns buf. IPv4 as dotted quad. */
const char *addr_print(const struct addr *a, char *buf);
#define ADDR_STR(a)	addr_print((a), (char[ADDR_STRLEN]){ 0 })

/* Print "a.b.c.d:port" or "[addr]:port" to buf (ENDPOINT_STRLEN); returns buf */
const char *endpoint_print(const struct addr *a, uint16_t port, char *buf);
#define ENDPOINT_STR(a, p) \
	endpoint_print((a), (p), (char[ENDPOINT_STRLEN]){ 0 })

/* Socket address from ours: AF_INET for v4, AF_INET6 otherwise. scope_id is
 * used for link-local v6 (unicast and multicast) only. Returns its length.
 */
socklen_t addr_to_sockaddr(union sockaddr_any *ret_sa, const struct addr *a,
			   uint16_t port, unsigned scope_id);
/* And back; anything but AF_INET and AF_INET6 gives none, port 0 */
struct addr addr_from_sockaddr(const union sockaddr_any *sa,
			       uint16_t *ret_port);

/* Our address that a datagram came to: the control message of IP_PKTINFO or
 * IPV6_PKTINFO. *ret_from, unless that is NULL: what to answer from, which isn't
 * the same for a broadcast; none, so that the kernel chooses, for multicast. False
 * if c is another, nothing is touched then.
 */
bool addr_from_pktinfo(const struct cmsghdr *c, struct addr *ret_addr,
		       struct addr *ret_from);
/* Index of the interface that it came by, in such a message of IPv6 */
unsigned addr_pktinfo_ifi(const struct cmsghdr *c);

/* MAC "xx:xx:xx:xx:xx:xx", exactly 17 characters; false if it isn't one */
bool mac_parse(const char *s, uint8_t ret_mac[6]);
enum { MAC_STRLEN = 18 };
const char *mac_print(const uint8_t mac[6], char *buf);
#define MAC_STR(m)	mac_print((m), (char[MAC_STRLEN]){ 0 })

#endif /* UTIL_ADDR_H */
