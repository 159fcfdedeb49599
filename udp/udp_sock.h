/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is UDP's own about the sockets of dgram.h: their options, and names and
 * control data of what is sent by them
 */
#ifndef UDP_UDP_SOCK_H
#define UDP_UDP_SOCK_H

#include <sys/socket.h>

#include "engine/conf_types.h"
#include "host/dgram.h"

enum {
	UDP_CMSG	= 192,		/* train, both families' address, TTL, TOS */
};

union udp_control {
	struct cmsghdr align;
	char buf[UDP_CMSG];
};

struct udp_counters {
	uint64_t in_dgrams, out_dgrams, errors;
};
extern struct udp_counters udp_counters;

void udp_sock_init(const struct conf *c);
/* Ask for what goes along with a datagram, and for errors; watch it. 0 or -errno. */
int udp_sock_watch(struct dgram_sock *s);
/* The name of a peer of f's, as its socket wants it; that may be one of IPv6 */
socklen_t udp_sock_name(const struct flow *f, union sockaddr_any *ret_sa,
			const struct addr *a, uint16_t port);
/* Append to the control data of msg, which has room for it */
void udp_cmsg(struct msghdr *msg, int level, int type, const void *data,
	      size_t len);
/* On listeners: the source of what goes back to the client, likewise */
void udp_cmsg_source(const struct flow *f, struct msghdr *msg);

#endif /* UDP_UDP_SOCK_H */
