/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On-wire structures: bytes and be types only, packed, size asserted */
#ifndef UTIL_WIRE_H
#define UTIL_WIRE_H

#include <stddef.h>

#include "util/types.h"

enum {
	ETH_ALEN_		= 6,
	ETH_HLEN_		= 14,
	ETH_MIN_FRAME		= 60,		/* without FCS */
	ETHERTYPE_IPV4		= 0x0800,
	ETHERTYPE_ARP_		= 0x0806,
	ETHERTYPE_IPV6_		= 0x86dd,
};

struct wire_eth {
	uint8_t dst[6];
	uint8_t src[6];
	be16_t type;
} __attribute__((packed));
static_assert(sizeof(struct wire_eth) == 14, "Ethernet II");

/* RFC 826, for Ethernet and IPv4 */
struct wire_arp {
	be16_t htype;
	be16_t ptype;
	uint8_t hlen;
	uint8_t plen;
	be16_t op;
	uint8_t sha[6];
	uint8_t spa[4];
	uint8_t tha[6];
	uint8_t tpa[4];
} __attribute__((packed));
static_assert(sizeof(struct wire_arp) == 28, "RFC 826");

/* RFC 791 3.1 */
struct wire_ip4 {
	uint8_t ver_ihl;
	uint8_t tos;
	be16_t tot_len;
	be16_t id;
	be16_t frag;			/* flags (3 bits), offset / 8 */
	uint8_t ttl;
	uint8_t proto;
	be16_t csum;
	uint8_t src[4];
	uint8_t dst[4];
} __attribute__((packed));
static_assert(sizeof(struct wire_ip4) == 20, "RFC 791");

enum { IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFFSET = 0x1fff };

/* RFC 8200 3 */
struct wire_ip6 {
	be32_t ver_tc_flow;
	be16_t payload_len;
	uint8_t next_hdr;
	uint8_t hop_limit;
	uint8_t src[16];
	uint8_t dst[16];
} __attribute__((packed));
static_assert(sizeof(struct wire_ip6) == 40, "RFC 8200");

/* RFC 9293 3.1 */
struct wire_tcp {
	be16_t sport;
	be16_t dport;
	be32_t seq;
	be32_t ack;
	uint8_t off;			/* data offset << 4 */
	uint8_t flags;
	be16_t wnd;
	be16_t csum;
	be16_t urg;
} __attribute__((packed));
static_assert(sizeof(struct wire_tcp) == 20, "RFC 9293");

enum {
	TCP_FIN	= 0x01,
	TCP_SYN	= 0x02,
	TCP_RST	= 0x04,
	TCP_PSH	= 0x08,
	TCP_ACK	= 0x10,
	TCP_URG	= 0x20,
	TCP_ECE	= 0x40,
	TCP_CWR	= 0x80,
};

/* RFC 1035 4.2, RFC 9110 4.2, RFC 7858 3.1 */
enum { PORT_DNS = 53, PORT_HTTP = 80, PORT_HTTPS = 443, PORT_DNS_TLS = 853 };

/* RFC 768 */
struct wire_udp {
	be16_t sport;
	be16_t dport;
	be16_t len;
	be16_t csum;
} __attribute__((packed));
static_assert(sizeof(struct wire_udp) == 8, "RFC 768");

/* RFC 792, RFC 4443: the part that all messages share, and echo's fields */
struct wire_icmp {
	uint8_t type;
	uint8_t code;
	be16_t csum;
	be16_t id;			/* echo; else first half of the word */
	be16_t seq;
} __attribute__((packed));
static_assert(sizeof(struct wire_icmp) == 8, "RFC 792");

enum {
	ICMP4_ECHO_REPLY	= 0,
	ICMP4_UNREACH		= 3,
	ICMP4_ECHO		= 8,
	ICMP4_TIME_EXCEEDED	= 11,
	ICMP6_UNREACH		= 1,
	ICMP6_TOO_BIG		= 2,
	ICMP6_TIME_EXCEEDED_	= 3,
	ICMP6_PARAM		= 4,
	ICMP6_ECHO		= 128,
	ICMP6_ECHO_REPLY_	= 129,
	ICMP6_RS		= 133,
	ICMP6_RA		= 134,
	ICMP6_NS		= 135,
	ICMP6_NA		= 136,
};

enum {
	PROTO_ICMP	= 1,
	PROTO_IGMP	= 2,
	PROTO_TCP	= 6,
	PROTO_UDP	= 17,
	PROTO_ICMP6	= 58,
	/* IPv6 extension headers, RFC 8200 4.1 */
	PROTO_HOPOPTS	= 0,
	PROTO_ROUTING	= 43,
	PROTO_FRAGMENT	= 44,
	PROTO_NONE	= 59,
	PROTO_DSTOPTS	= 60,
};

/* Where in its header a protocol's checksum is: TCP, UDP; others as ICMP */
static inline size_t wire_csum_offset(uint8_t proto)
{
	switch (proto) {
	case PROTO_TCP:
		return offsetof(struct wire_tcp, csum);
	case PROTO_UDP:
		return offsetof(struct wire_udp, csum);
	}
	return offsetof(struct wire_icmp, csum);
}

#endif /* UTIL_WIRE_H */
