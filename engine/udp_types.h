/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a UDP flow, beside dgram_types.h: structs only */
#ifndef ENGINE_UDP_TYPES_H
#define ENGINE_UDP_TYPES_H

#include "engine/idle.h"

struct udp_flow {
	unsigned scope;			/* link of link-local addresses */
	bool to_many;			/* came to no address of ours alone:
					 * broadcast, multicast */
};

/* From loopback to loopback: the flow's socket is the listener */
struct udp_splice_flow {
	int fd;				/* far socket, connected */
	uint8_t faults;			/* of reading it, in succession */
	struct idle idle;		/* for that descriptor */
};

#endif /* ENGINE_UDP_TYPES_H */
