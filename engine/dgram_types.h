/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of a flow of datagrams, UDP or echo: struct only */
#ifndef ENGINE_DGRAM_TYPES_H
#define ENGINE_DGRAM_TYPES_H

#include "engine/idle.h"
#include "engine/timer.h"

struct dgram_flow {
	uint32_t sock;			/* index of the socket it uses */
	uint32_t next, prev;		/* other flows of that socket */
	mono_t began;
	bool answered;			/* seen both ways */
	uint8_t limit_s[2];		/* idle for so long: it ends; by answered */
	struct idle idle;		/* idle.used: last datagram, either way */
	struct timer timer;
};

#endif /* ENGINE_DGRAM_TYPES_H */
