/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP and ICMPv6 errors to the guest: what its datagram met on the way */
#ifndef FRAME_ICMP_ERR_H
#define FRAME_ICMP_ERR_H

#include "engine/flow_types.h"

/* One error off a socket's error queue (IP_RECVERR, IPV6_RECVERR) */
struct icmp_err {
	struct addr dst;		/* where the datagram went */
	uint16_t dst_port;
	struct addr our;		/* its source, if IP_PKTINFO is on */
	bool is_icmp;			/* else found by the host itself */
	struct addr offender;		/* who sent the ICMP message, or none */
	int error;			/* errno */
	uint8_t type, code;		/* of that message */
	uint32_t info;			/* MTU for "too big" */
	uint8_t data[1232];		/* beginning of what was sent */
	size_t data_len;
};

/* Take the next error from fd's queue: 1, 0 if there is none */
int icmp_err_next(int fd, struct icmp_err *ret_err);
/* All that is there goes to tell(arg, …), but a turn's share at most: 1 if there may be
 * more, 0, or -errno
 */
int icmp_err_drain(int fd, void (*tell)(void *arg, const struct icmp_err *e),
		   void *arg);

/* sendmsg() said EMSGSIZE: the MTU that was told in fd's queue just now, 0 if none
 * was. What was there before it goes to other(arg, …).
 */
uint32_t icmp_err_local_mtu(int fd, void (*other)(void *arg,
						  const struct icmp_err *e),
			    void *arg);

/* Enable the error queue of a socket, of either family */
void icmp_err_enable(int fd, bool v6);

/* How the guest's packet looked beside what the flow knows. All zero but ttl: that
 * isn't known.
 */
struct icmp_quote {
	uint32_t ip_id;			/* identification; IPv6: flow label */
	uint16_t len;			/* L4 header and data; 0: as quoted */
	uint8_t ttl, tos;
	bool df;
};

/* What is remembered of a datagram; of none (NULL), that it had this TTL */
struct icmp_quote icmp_quote_of(const struct dgram_sent *sent, uint8_t ttl);

/* Tell the guest, quoting its packet as it was on its side: `l4` is the header that
 * it had there; a checksum of 0 is computed if all of the data is in e. Sent from
 * the offender, or the destination: if that is who it was, or if the guest can't know
 * the offender, as it has the other family, or an address that is the guest's own.
 */
void icmp_err_quote(const struct flow_side *guest, uint8_t proto,
		    const void *l4, size_t l4_len, const struct icmp_quote *q,
		    const struct icmp_err *e);
/* The same, with nothing known beside */
void icmp_err_send(const struct flow_side *guest, uint8_t proto,
		   const void *l4, size_t l4_len, const struct icmp_err *e);

/* Port Unreachable to side->peer, whose datagram to side->our was refused: the
 * message for a raw socket, without IP header, and for IPv6 without a checksum.
 * Bytes of it.
 */
enum { ICMP_ERR_REFUSAL_MAX = 64 };
size_t icmp_err_refusal(const struct flow_side *side,
			uint8_t ret_msg[ICMP_ERR_REFUSAL_MAX]);

/* An IP packet from the guest, as far as an error about it quotes it */
struct icmp_about {
	struct addr src, dst;
	const void *packet;
	uint32_t len;
};
/* Tell its source, in its destination's name. `pointer`: last byte of the word
 * after the checksum.
 */
void icmp_err_about(const struct icmp_about *a, uint8_t type, uint8_t code,
		    uint8_t pointer);

/* About a packet that arrived well; at most a few per second. Protocol
 * Unreachable (RFC 792) or Parameter Problem (RFC 4443 3.4): it can't be used.
 * Net Unreachable or No Route (there, 3.1): nothing leads to its destination.
 */
struct pkt;
void icmp_err_protocol(const struct pkt *pkt);
void icmp_err_no_route(const struct pkt *pkt);
/* Communication administratively prohibited: RFC 1812 5.2.7.1, RFC 4443 3.1 */
void icmp_err_prohibited(const struct pkt *pkt);

#endif /* FRAME_ICMP_ERR_H */
