/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of UDP share, and nobody else sees */
#ifndef UDP_UDP_INT_H
#define UDP_UDP_INT_H

#include <sys/socket.h>

#include "engine/conf_types.h"
#include "engine/flow.h"
#include "frame/frame_parse.h"

enum {
	UDP_BATCH	= 64,		/* messages to or off a socket */
	UDP_CMSG	= 192,		/* train, both families' address, TTL, TOS */
	UDP_TRAIN_BYTES	= 65000,
};

struct udp_sock {
	int fd;				/* -1: free */
	uint16_t gen;
	uint16_t port;			/* bound to */
	bool v6;			/* socket's own family */
	bool no_segment;		/* trains of datagrams were refused */
	const struct fwd_rule *rule;	/* listener; NULL: outbound */
	uint8_t side;			/* where it is: inside (GUEST), HOST */

	/* Outbound only */
	struct addr guest;
	uint16_t guest_port;
	bool lo;			/* for loopback destinations alone */
	struct addr our;		/* bound to; none: any */
	uint32_t first_flow;		/* index + 1 */
	uint32_t next;			/* hash chain or free list, index + 1 */
};

union udp_control {
	struct cmsghdr align;
	char buf[UDP_CMSG];
};

/* ---- udp_sock.c ---- */

void udp_sock_init(const struct conf *c);
struct udp_sock *udp_sock_of(const struct flow *f);
struct udp_sock *udp_sock_at(uint32_t index);
uint32_t udp_sock_index(const struct udp_sock *s);
/* An unused entry; NULL if there's none */
struct udp_sock *udp_sock_alloc(void);
void udp_sock_recycle(struct udp_sock *s);
/* Ask for what goes along with a datagram, and for errors; watch it. 0 or -errno. */
int udp_sock_watch(struct udp_sock *s);
/* The outbound socket of a guest's endpoint; NULL with errno set */
struct udp_sock *udp_sock_get(const struct flow_side *guest,
			      const struct flow_side *host);
void udp_sock_close(struct udp_sock *s);
/* Socket address in the family of the socket */
socklen_t udp_sockaddr(const struct flow *f, union sockaddr_any *ret_sa,
		       const struct addr *a, uint16_t port);
/* Append to the control data of msg, which has room for it */
void udp_cmsg(struct msghdr *msg, int level, int type, const void *data,
	      size_t len);
/* On listeners: the source of what goes back to the client */
void udp_control_source(const struct flow *f, const struct udp_sock *s,
			struct msghdr *msg);

/* ---- udp_out.c ---- */

/* Send a run of datagrams of that flow */
void udp_out_run(struct flow *f, const struct pkt *pkts, unsigned n);

/* ---- udp_in.c ---- */

/* One batch off a socket; false when it is empty */
bool udp_recv(struct udp_sock *s);

/* ---- udp.c ---- */

/* The flow of a datagram from the host's side, new if need be; or NULL */
struct flow *udp_flow_from_host(struct udp_sock *s,
				const struct flow_side *host, bool to_many);
/* The host didn't send m at all: tell, if that is for lack of a route. What is
 * too big is told by the error queue.
 */
void udp_refused(const struct flow *f, const struct msghdr *m, int error);

#endif /* UDP_UDP_INT_H */
