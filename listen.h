/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets of the forwarding rules */
#ifndef LISTEN_H
#define LISTEN_H

#include "conf_types.h"

struct listener {
	int fd;
	const struct fwd_rule *rule;
	uint16_t port;
};

/* Open the sockets of all rules; dies if a port of a plain range can't be had.
 * Early: ports below 1024 may need a capability that is dropped later.
 */
void listen_open(const struct conf *c);

/* Number of listeners, and one of them; indices are stable */
uint32_t listen_count(void);
const struct listener *listen_at(uint32_t index);

#endif /* LISTEN_H */
