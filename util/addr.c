// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the address type of both families, see addr.h */
#include "util/addr.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>

struct addr addr_v4(uint32_t host_order)
{
	be32_t be = be32_put(host_order);

	return addr_from_v4(&be);
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[4];

	return addr_is_none(a) ||
	       (addr_is_v4(a) && !memcmp(addr_v4_bytes(a), zero, 4));
}

bool addr_is_loopback(const struct addr *a)
{
	struct addr lo6 = addr_loopback(V6);

	return addr_is_v4(a) ? a->b[12] == 127 : addr_eq(a, &lo6);
}

bool addr_is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

bool addr_is_linklocal(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_broadcast(const struct addr *a)
{
	struct addr bcast = addr_v4(INADDR_BROADCAST);

	return addr_eq(a, &bcast);
}

bool addr_is_unicast(const struct addr *a)
{
	return !addr_is_any(a) && !addr_is_multicast(a) &&
	       !addr_is_broadcast(a);
}

bool addr_same_prefix(const struct addr *a, const struct addr *b,
		      unsigned bits)
{
	if (addr_family(a) != addr_family(b))
		return false;
	if (addr_is_v4(a))
		bits += 96;
	bits = MIN(bits, 128);
	if (memcmp(a->b, b->b, bits / 8))
		return false;
	if (!(bits % 8))
		return true;
	return !((a->b[bits / 8] ^ b->b[bits / 8]) >> (8 - bits % 8));
}

bool addr_is_broadcast_of(const struct addr *a, const struct addr *net,
			  unsigned bits)
{
	uint32_t v;

	/* RFC 3021: two hosts, or one, need none */
	if (!addr_is_v4(a) || bits > 30 || !addr_same_prefix(a, net, bits))
		return false;
	memcpy(&v, addr_v4_bytes(a), sizeof(v));
	return !(~ntohl(v) << bits);
}

struct addr addr_v4_mask(unsigned bits)
{
	return addr_v4(bits ? UINT32_MAX << (32 - MIN(bits, 32)) : 0);
}

struct addr addr_loopback(enum family f)
{
	return f == V4 ? addr_v4(INADDR_LOOPBACK) :
			 (struct addr){ .b = { [15] = 1 } };
}

bool addr_parse(const char *s, struct addr *ret_addr)
{
	uint8_t b[16];

	if (inet_pton(AF_INET, s, b) == 1)
		*ret_addr = addr_from_v4(b);
	else if (inet_pton(AF_INET6, s, b) == 1)
		*ret_addr = addr_from_v6(b);
	else
		return false;
	return true;
}

const char *addr_print(const struct addr *a, char *buf)
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, addr_v4_bytes(a), buf, ADDR_STRLEN);
	else
		inet_ntop(AF_INET6, a->b, buf, ADDR_STRLEN);
	return buf;
}

const char *endpoint_print(const struct addr *a, uint16_t port, char *buf)
{
	snprintf(buf, ENDPOINT_STRLEN, addr_is_v4(a) ? "%s:%u" : "[%s]:%u",
		 ADDR_STR(a), port);
	return buf;
}

socklen_t addr_to_sockaddr(union sockaddr_any *ret_sa, const struct addr *a,
			   uint16_t port, unsigned scope_id)
{
	memset(ret_sa, 0, sizeof(struct sockaddr_in6));
	if (addr_is_v4(a)) {
		ret_sa->sin.sin_family = AF_INET;
		ret_sa->sin.sin_port = htons(port);
		memcpy(&ret_sa->sin.sin_addr, addr_v4_bytes(a), 4);
		return sizeof(struct sockaddr_in);
	}
	ret_sa->sin6.sin6_family = AF_INET6;
	ret_sa->sin6.sin6_port = htons(port);
	memcpy(&ret_sa->sin6.sin6_addr, a->b, 16);
	if (addr_is_linklocal(a) ||
	    (addr_is_multicast(a) && (a->b[1] & 0xf) <= 2))
		ret_sa->sin6.sin6_scope_id = scope_id;
	return sizeof(struct sockaddr_in6);
}

struct addr addr_from_sockaddr(const union sockaddr_any *sa,
			       uint16_t *ret_port)
{
	switch (sa->sa.sa_family) {
	case AF_INET:
		*ret_port = ntohs(sa->sin.sin_port);
		return addr_from_v4(&sa->sin.sin_addr);
	case AF_INET6:
		*ret_port = ntohs(sa->sin6.sin6_port);
		return addr_from_v6(&sa->sin6.sin6_addr);
	}
	*ret_port = 0;
	return (struct addr){ { 0 } };
}

bool addr_from_pktinfo(const struct cmsghdr *c, struct addr *ret_addr,
		       struct addr *ret_from)
{
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo pi;

		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		*ret_addr = addr_from_v4(&pi.ipi_addr);
		if (ret_from)
			*ret_from = addr_from_v4(&pi.ipi_spec_dst);
		return true;
	}
	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo pi;

		memcpy(&pi, CMSG_DATA(c), sizeof(pi));
		*ret_addr = addr_from_v6(&pi.ipi6_addr);
		if (ret_from)
			*ret_from = addr_is_unicast(ret_addr) ? *ret_addr :
				    (struct addr){ { 0 } };
		return true;
	}
	return false;
}

unsigned addr_pktinfo_ifi(const struct cmsghdr *c)
{
	struct in6_pktinfo pi;

	if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
		return 0;
	memcpy(&pi, CMSG_DATA(c), sizeof(pi));
	return pi.ipi6_ifindex;
}

bool mac_parse(const char *s, uint8_t ret_mac[6])
{
	uint8_t mac[6];

	if (strlen(s) != MAC_STRLEN - 1)
		return false;
	for (int i = 0; i < 6; i++, s += 3) {
		unsigned v;

		if (!isxdigit((unsigned char)s[0]) ||
		    !isxdigit((unsigned char)s[1]) ||
		    s[2] != (i < 5 ? ':' : '\0'))
			return false;
		sscanf(s, "%2x", &v);
		mac[i] = (uint8_t)v;
	}
	memcpy(ret_mac, mac, sizeof(mac));
	return true;
}

const char *mac_print(const uint8_t mac[6], char *buf)
{
	snprintf(buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return buf;
}
