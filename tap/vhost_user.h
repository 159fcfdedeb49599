/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control protocol of vhost-user: a network device of one queue pair
 *
 * A front-end (QEMU and others) hands over the guest's memory, the places of the
 * rings, and descriptors to be woken up by and to wake by. tap_vu.c is told whenever
 * what it works on has changed, and moves frames. A kick of ring i is an event of the
 * link (LOOP_TAP) with index 1 + i.
 */
#ifndef TAP_VHOST_USER_H
#define TAP_VHOST_USER_H

#include "tap/virtq.h"

enum vu_ring_name { VU_RX, VU_TX, VU_RINGS };	/* as the guest calls them */

/* virtio feature bits that are ours to offer (virtio 1.x 5.1.3, 6) */
enum vu_feature {
	VU_F_CSUM		= 0,
	VU_F_GUEST_CSUM		= 1,
	VU_F_MTU		= 3,
	VU_F_GUEST_TSO4		= 7,
	VU_F_GUEST_TSO6		= 8,
	VU_F_GUEST_ECN		= 9,
	VU_F_HOST_TSO4		= 11,
	VU_F_HOST_TSO6		= 12,
	VU_F_HOST_ECN		= 13,
	VU_F_MRG_RXBUF		= 15,
	VU_F_LOG_ALL		= 26,
	VU_F_ANY_LAYOUT		= 27,
	VU_F_INDIRECT_DESC	= 28,
	VU_F_EVENT_IDX		= 29,
	VU_F_PROTOCOL		= 30,
	VU_F_VERSION_1		= 32,
	VU_F_IN_ORDER		= 35,
	VU_F_GUEST_USO4		= 54,
	VU_F_GUEST_USO6		= 55,
	VU_F_HOST_USO		= 56,
};

struct vu_ring {
	struct virtq q;			/* q.num 0: not running */
	int kick_fd, call_fd, err_fd;	/* or -1 */
	bool enabled, ready;		/* ready: told where it is, and to run */
	bool away;			/* its memory was removed meanwhile, or that of
					 * its next buffer */

	/* As told: addresses are the front-end's */
	uint32_t num;
	uint16_t base;
	uint64_t desc, avail, used;
	uint64_t log;			/* guest address of used; 0: none */
};

/* What tap_vu.c does when told */
struct vu_events {
	/* It begins or ends to run, or may have been kicked */
	void (*ring)(enum vu_ring_name i);
	void (*closed)(void);		/* the front-end has gone */
};

void vhost_user_init(const struct vu_events *events);

/* Somebody has connected */
void vhost_user_connected(int fd);
/* Read and do what the front-end asks for. gone: it has closed its end */
void vhost_user_readable(bool gone);
/* End the connection: what was wrong, in one line; NULL: it has ended by itself */
void vhost_user_end(const char *why);
/* The same for a ring that is broken: its err_fd hears of it. If what it lacks may be in a
 * region that was removed, it waits for the next one that is added.
 */
void vhost_user_ring_broken(enum vu_ring_name i);

struct vu_ring *vhost_user_ring(enum vu_ring_name i);
/* Did the driver that runs now acknowledge it? */
bool vhost_user_has(enum vu_feature f);
/* Largest packet as the front-end told; 0: it didn't */
unsigned vhost_user_mtu(void);
/* Is a front-end there, whether its driver runs or not? */
bool vhost_user_is_open(void);
/* Tell whoever copies the guest's memory, if something was marked since */
void vhost_user_logged(void);

#endif /* TAP_VHOST_USER_H */
