/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a UDP flow: struct only */
#ifndef ENGINE_UDP_TYPES_H
#define ENGINE_UDP_TYPES_H

#include "engine/timer.h"

struct udp_flow {
	uint32_t sock;			/* index of the socket it uses */
	uint32_t next, prev;		/* other flows of that socket */
	mono_t active;			/* last datagram, either way */
	bool replied;			/* seen both ways */
	bool to_many;			/* came to no address of ours alone:
					 * broadcast, multicast */
	bool spliced;			/* from loopback to loopback */
	unsigned scope;			/* link of link-local addresses */
	int fd;				/* far socket, if spliced */
	struct timer timer;
};

#endif /* ENGINE_UDP_TYPES_H */
