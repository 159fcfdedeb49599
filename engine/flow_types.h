/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flow table's entry: addresses of both sides, then a part by type */
#ifndef ENGINE_FLOW_TYPES_H
#define ENGINE_FLOW_TYPES_H

#include "engine/dgram_types.h"
#include "engine/splice_types.h"
#include "engine/tcp_types.h"
#include "engine/udp_types.h"
#include "util/addr.h"

enum flow_type {
	FLOW_FREE,
	FLOW_NEW,			/* allocated, not filled in yet */
	FLOW_TCP,
	FLOW_UDP,
	FLOW_PING,
	FLOW_SPLICE,
	FLOW_UDP_SPLICE,
	FLOW_DEAD,			/* freed at the end of this turn */
	FLOW_TYPES,
};

/* The two sides of each flow here: the guest's and the host's */
enum flow_side_name { GUEST, HOST, FLOW_SIDES };

/* `our` is ours as the peer on that side sees it */
struct flow_side {
	struct addr our, peer;
	uint16_t our_port, peer_port;
};

enum {
	FLOW_MAX	= 131072,
};

struct flow {
	uint8_t type;			/* enum flow_type */
	uint8_t ini;			/* side that began it */
	uint8_t proto;
	uint8_t hashed;			/* bit per side */
	uint16_t gen;			/* counts uses of this entry */
	uint32_t next[FLOW_SIDES];	/* hash chains; free and dead lists */
	struct flow_side side[FLOW_SIDES];
	union {
		struct tcp_conn tcp;
		struct splice_conn splice;
		struct {
			struct dgram_flow dgram;	/* UDP, echo */
			struct udp_flow udp;
			union {
				struct dgram_ring ring;	/* of frames */
				struct udp_splice_flow udp_splice;
			};
		};
	};
};

/* Five cache lines for a TCP connection with its addresses, timers and loss
 * state; pages of entries never used cost nothing
 */
static_assert(sizeof(struct flow) <= 320, "memory for each connection");

#endif /* ENGINE_FLOW_TYPES_H */
