/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a flow of datagrams, UDP or echo: struct only */
#ifndef ENGINE_DGRAM_TYPES_H
#define ENGINE_DGRAM_TYPES_H

#include "engine/idle.h"
#include "engine/timer.h"

/* What the guest sent lately, to be quoted in errors about it */
enum { DGRAM_SENT = 6, DGRAM_SENT_HEAD = 8 };
struct dgram_sent {
	uint32_t ip_id;			/* identification; IPv6: flow label */
	uint16_t len;			/* L4 header and data; 0: not used */
	uint16_t csum;			/* 0: not known */
	uint8_t ttl, tos;
	bool df;
	bool told;			/* it was quoted already */
	uint8_t head[DGRAM_SENT_HEAD];	/* what follows UDP's header, or the
					 * checksum of ICMP */
};

struct dgram_ring {
	struct dgram_sent sent[DGRAM_SENT];
	uint8_t next;
};

struct dgram_flow {
	uint32_t sock;			/* index of the socket it uses */
	uint32_t next, prev;		/* other flows of that socket */
	bool answered;			/* seen both ways */
	uint8_t limit_s[2];		/* idle for so long: it ends; by answered */
	struct idle idle;		/* idle.used: last datagram, either way */
	struct timer timer;
};

#endif /* ENGINE_DGRAM_TYPES_H */
