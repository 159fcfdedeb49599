/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flow table keeps of an echo flow: struct only */
#ifndef ENGINE_ICMP_TYPES_H
#define ENGINE_ICMP_TYPES_H

#include "engine/timer.h"

struct ping_flow {
	int fd;				/* ping socket */
	uint16_t id;			/* the guest's */
	mono_t active;
	struct timer timer;
};

#endif /* ENGINE_ICMP_TYPES_H */
