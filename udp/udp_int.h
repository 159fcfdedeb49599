/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of UDP share, and nobody else sees */
#ifndef UDP_UDP_INT_H
#define UDP_UDP_INT_H

#include "frame/frame_parse.h"
#include "udp/udp_sock.h"

enum {
	UDP_BATCH	= 64,		/* messages to or off a socket */
	UDP_TRAIN_BYTES	= 65000,
	UDP_TTL		= 64,		/* what our sockets send by default */
};

/* Datagrams in a train of len bytes, seg each (0: it's one) */
static inline unsigned udp_count(uint32_t len, uint32_t seg)
{
	return seg && len ? (len + seg - 1) / seg : 1;
}

/* ---- udp_out.c ---- */

/* Send a run of datagrams of that flow */
void udp_out_run(struct flow *f, const struct pkt *pkts, unsigned n);

/* ---- udp_in.c ---- */

/* One batch off a socket: 0 when it is empty, 1, or -errno */
int udp_recv(struct dgram_sock *s);

/* ---- udp.c ---- */

/* The flow of a datagram from the host's side, new if need be; or NULL */
struct flow *udp_flow_from_host(struct dgram_sock *s,
				const struct flow_side *host, bool to_many);
/* The host didn't send m at all: tell, if that is for lack of a route, or as it's too
 * big
 */
void udp_refused(struct flow *f, const struct msghdr *m, int error);

#endif /* UDP_UDP_INT_H */
