/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listening sockets of the forwarding rules: on the host, and inside the guest's
 * namespace
 */
#ifndef HOST_LISTEN_H
#define HOST_LISTEN_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"
#include "fwd/fwd_table.h"

/* All ports of each protocol on a few addresses, for each direction */
enum { LISTEN_MAX = 2 * FWD_SOCKETS_MAX };

struct listener {
	int fd;				/* -1: not open */
	const struct fwd_rule *rule;	/* in its slot of fwd_table.c */
	uint16_t port;
	uint16_t gen;			/* counts uses of this entry */
	uint8_t side;			/* HOST: -t, -u; GUEST: -T, -U */
	uint32_t user;			/* whatever its user goes by */
	uint32_t next;			/* others of this port; free list */
};

/* Who is told of the listeners of a protocol, by index: of all that are there
 * already, and of those that come and go later. opened: what to keep in the
 * listener's `user`, or -errno, which closes it again.
 */
struct listen_user {
	int (*opened)(uint32_t index);
	void (*closed)(uint32_t index);	/* socket is still open; may be NULL */
	void (*moved)(uint32_t index);	/* another rule has it; may be NULL */
};
void listen_attach(uint8_t proto, const struct listen_user *user);

/* Make the listeners those of the rules as fwd_table.c has them, and end that
 * change: as a whole, or, if a port can't be had, not at all. HOST early: ports
 * below 1024 may need a capability that is dropped later. GUEST: once
 * netns_setup() is done.
 *
 * tell, unless NULL, hears of each port that was tried: rc is 1 for one opened, 0
 * for one closed that isn't wanted any more, or -errno. What is no reason to fail
 * is told, too: an automatic rule's port, or one that a best-effort rule lacks
 * while there are others. Returns 0; or the errno of what failed, negative, which
 * has been told last. Ports that stay as they are, or change hands between rules,
 * are never closed.
 */
typedef void (*listen_tell)(void *arg, const struct fwd_slot *s, uint16_t port,
			    int rc);
int listen_sync(listen_tell tell, void *arg);

/* The end: all are closed. From now on none is opened: -ESHUTDOWN. */
void listen_close_all(void);

/* Ports that a rule listens at right now */
unsigned listen_count(const struct fwd_slot *s);

/* Who knows which ports of automatic rules are wanted now; before that, none.
 * Ports that are others later: fwd_table_touch(), listen_sync().
 */
typedef bool (*listen_auto)(const struct fwd_slot *s, uint16_t port);
void listen_set_auto(listen_auto wanted);

/* Is a socket bound to this address and port on that side ours? */
bool listen_is_ours(enum flow_side_name side, uint8_t proto,
		    const struct addr *a, uint16_t port);

/* An outbound UDP socket on the host is bound to that port, or no longer: what it
 * receives is not for a service
 */
void listen_note_outbound(uint16_t port, bool bound);
/* …or has left the table of listeners, but is still bound: those of UDP whose rule has
 * gone, and which still have flows
 */
void listen_note_retired(enum flow_side_name side, uint16_t port, bool bound);

/* A listener by its index, which is stable; NULL if its generation has gone */
const struct listener *listen_at(uint32_t index);
const struct listener *listen_get(uint32_t index, uint16_t gen);

#endif /* HOST_LISTEN_H */
