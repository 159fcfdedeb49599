/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one writer of Ethernet, IP and L4 headers towards the guest
 *
 * v4 and v6, checksum complete or left to the link, GSO fields. Modules give
 * addresses and an L4 header whose checksum field is zero.
 */
#ifndef FRAME_FRAME_BUILD_H
#define FRAME_FRAME_BUILD_H

#include "tap.h"
#include "util/addr.h"
#include "util/iov.h"

/* What goes into the Ethernet and IP headers */
struct frame_ip {
	struct addr src, dst;		/* same family */
	const uint8_t *dst_mac;		/* NULL: the guest's */
	uint8_t proto;			/* PROTO_TCP, PROTO_UDP, PROTO_ICMP… */
	uint8_t ttl;			/* 0: 255 for ICMPv6, otherwise 64 */
	uint8_t tos;
	bool df;
};

/* Bytes of Ethernet and IP header in front of the L4 header */
size_t frame_l3_len(const struct frame_ip *ip);

/* Write all headers for l4_len bytes of L4 header and `payload` (which may be
 * empty or NULL) to hdr (TAP_HDR_MAX bytes). gso_size 0: one segment. Returns
 * the length; *ret_meta says what tap_commit() or tap_send() must know.
 */
size_t frame_build(uint8_t *hdr, const struct frame_ip *ip,
		   const void *l4, size_t l4_len,
		   const struct bytes *payload, uint16_t gso_size,
		   struct tap_meta *ret_meta);

/* Build and tap_send(). Fragments datagrams (UDP, ICMP) larger than the MTU of
 * the guest. False: the link didn't take it.
 */
bool frame_send(const struct frame_ip *ip, const void *l4, size_t l4_len,
		const struct bytes *payload, uint16_t gso_size);

/* UDP datagram; ports in host order */
bool frame_send_udp(const struct frame_ip *ip, uint16_t sport, uint16_t dport,
		    const struct bytes *payload, uint16_t gso_size);

/* ICMP or ICMPv6 message: ip->proto says which. `rest` is what follows the
 * four bytes of type, code and checksum.
 */
bool frame_send_icmp(const struct frame_ip *ip, uint8_t type, uint8_t code,
		     const struct bytes *rest);

/* An Ethernet frame with other contents (ARP) */
bool frame_send_eth(const uint8_t dst_mac[6], uint16_t ethertype,
		    const void *data, size_t len);

/* Largest IP packet that goes to the guest in one frame: set once; 0: no limit but
 * the link's. What is told is never so small that no data would fit.
 */
void frame_set_mtu(unsigned mtu);
unsigned frame_mtu(enum family f);

#endif /* FRAME_FRAME_BUILD_H */
