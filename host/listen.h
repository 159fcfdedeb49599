/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets of the forwarding rules: on the host, and inside the guest's
 * namespace
 */
#ifndef HOST_LISTEN_H
#define HOST_LISTEN_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"

struct listener {
	int fd;				/* -1: not open */
	const struct fwd_rule *rule;
	uint16_t port;
	uint16_t gen;			/* counts uses of this entry */
	uint8_t side;			/* HOST: -t, -u; GUEST: -T, -U */
	uint32_t user;			/* whatever its user goes by */
	uint32_t next;			/* others of this port; free list */
};

/* Open the sockets of all rules of a side but automatic ones; dies if a port of
 * a plain range can't be had. HOST early: ports below 1024 may need a capability
 * that is dropped later. GUEST: once netns_setup() is done.
 */
void listen_open(const struct conf *c, enum flow_side_name side);

/* Who is told of the listeners of a protocol, by index: of all that are there
 * already, and of those that come and go later. opened: what to keep in the
 * listener's `user`, or -errno, which closes it again.
 */
struct listen_user {
	int (*opened)(uint32_t index);
	void (*closed)(uint32_t index);	/* socket is still open; may be NULL */
};
void listen_attach(uint8_t proto, const struct listen_user *user);

/* A port of an automatic rule comes and goes. Index or -errno. */
int listen_add(const struct fwd_rule *r, enum flow_side_name side,
	       uint16_t port);
void listen_remove(uint32_t index);
/* The end: all are closed. From now on listen_add() says -ESHUTDOWN, and there
 * is nothing to be removed.
 */
void listen_close_all(void);
/* Index of a rule's listener at that port, or -1 */
int listen_find(const struct fwd_rule *r, enum flow_side_name side,
		uint16_t port);
/* Is a socket bound to this address and port on that side ours? */
bool listen_is_ours(enum flow_side_name side, uint8_t proto,
		    const struct addr *a, uint16_t port);

/* An outbound UDP socket on the host is bound to that port, or no longer: what it
 * receives is not for a service
 */
void listen_note_outbound(uint16_t port, bool bound);

/* A listener by its index, which is stable; NULL if its generation has gone */
const struct listener *listen_at(uint32_t index);
const struct listener *listen_get(uint32_t index, uint16_t gen);

#endif /* HOST_LISTEN_H */
