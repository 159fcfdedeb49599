/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet, IP and L4 headers of a frame from the guest → struct pkt
 *
 * Bytes are copied once, checked, and trusted from then on: no module below
 * re-reads the wire. Everything in host order.
 */
#ifndef FRAME_FRAME_PARSE_H
#define FRAME_FRAME_PARSE_H

#include "tap.h"
#include "util/addr.h"
#include "util/iov.h"
#include "util/seq.h"

enum pkt_kind { PKT_ARP, PKT_IP };

struct pkt_tcp {
	tcp_seq seq, ack;
	uint32_t wnd;			/* as on the wire, not scaled */
	uint8_t flags;			/* TCP_FIN, … */
	uint8_t opt_len;		/* 0-40 */
	uint16_t urg;
	uint8_t opt[40];
};

struct pkt_icmp {
	uint8_t type, code;
	uint16_t id, seq;		/* echo only */
};

/* Of a fragment, instead of an L4 header: its data is the payload */
struct pkt_frag {
	uint32_t id;
	uint16_t off;			/* bytes, a multiple of 8 */
	uint16_t next_hdr_at;		/* IPv6: in l3, the next header field
					 * that names the fragment header */
	bool more;			/* not the last one */
};

struct pkt {
	uint8_t kind;
	uint8_t family;			/* enum family, for PKT_IP */
	uint8_t proto;			/* upper layer, after extensions; of a
					 * fragment: what the data begins with
					 * when whole */
	uint8_t ttl;			/* or hop limit */
	uint8_t tos;			/* DSCP and ECN */
	bool df;			/* IPv4: don't fragment */
	uint32_t ip_id;			/* identification; IPv6: flow label */
	uint16_t l4_csum;		/* UDP: complete, as sent; else 0 */
	uint16_t gso_size;		/* 0: one segment */
	uint8_t src_mac[6], dst_mac[6];
	struct addr src, dst;
	uint16_t sport, dport;		/* TCP and UDP */
	union {
		struct pkt_tcp tcp;
		struct pkt_icmp icmp;
		struct pkt_frag frag;
	};
	struct bytes l3;		/* from the IP header on (ARP: the ARP
					 * packet), trimmed to its length */
	struct bytes payload;		/* TCP, UDP: data; ICMP: after the
					 * 4-byte type, code, checksum (so with
					 * id and seq for echo); others: what
					 * follows the IP headers */
};

enum pkt_verdict {
	PKT_OK,
	PKT_BAD,			/* malformed: count and drop */
	PKT_CSUM,			/* wrong checksum */
	PKT_IGNORED,			/* not for us to look at: other L3, … */
	PKT_FRAGMENT,			/* l3, addresses, frag, payload set */
	PKT_HELD,			/* by frag_input(), until it is whole */
	PKT_UNKNOWN_PROTO,		/* IP is fine, L4 is none of ours */
};

/* Parse one frame. On anything but PKT_OK, PKT_FRAGMENT and
 * PKT_UNKNOWN_PROTO, *ret_pkt has no meaning. Views in *ret_pkt borrow from the
 * frame.
 */
enum pkt_verdict frame_parse(const struct tap_frame *frame,
			     struct pkt *ret_pkt);

#endif /* FRAME_FRAME_PARSE_H */
