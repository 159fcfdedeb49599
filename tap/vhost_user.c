// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the vhost-user protocol, see vhost_user.h
 *
 * State of a ring: it runs while it is ready (it has been told its place and size,
 * and SET_VRING_KICK came), enabled, and all of it is in mapped memory. Enabling may
 * come before anything else, and again and again. Where it had got is kept over
 * stops, as `base`. Features may be others at each start of a driver: firmware takes
 * none, the system that it boots many. So they are fixed when the first ring begins
 * to run, until both have ended. A ring that is disabled stops: the protocol would have
 * what is sent meanwhile discarded, here it waits.
 *
 * Memory: each new table unmaps the old one; rings that run are looked up anew. Where
 * a region changes its bounds, it is removed, and added as another: rings in it wait in
 * between, and so does a ring whose next buffer lies in it. QEMU removes all that change
 * before it adds the first, while the guest runs.
 *
 * Errors: what the protocol forbids ends the connection, with one line; a request
 * that we don't know is refused (REPLY_ACK), and otherwise ignored.
 *
 * Why not more: no multiqueue, since one thread serves all; no in-flight descriptor,
 * since a buffer is given back before the next event, so that nothing is in flight;
 * no packed rings, no vIOMMU.
 */
#include "tap/vhost_user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine/loop.h"
#include "tap.h"
#include "tap/guest_mem.h"
#include "tap/tap_unix.h"
#include "tap/vu_msg.h"
#include "util.h"
#include "util/log.h"

enum {
	MSG_PER_EVENT	= 64,

	FD_RING_MASK	= 0xff,		/* SET_VRING_KICK, _CALL, _ERR */
	FD_NONE		= 0x100,

	ADDR_LOG	= 1,		/* SET_VRING_ADDR: mark used ring */

	ALIGN_DESC	= 16,		/* virtio 1.x 2.7 */
	ALIGN_AVAIL	= 2,
	ALIGN_USED	= 4,

	VU_MTU_LEAST	= 68,
};

enum vu_protocol {
	P_LOG_SHMFD		= 1,
	P_RARP			= 2,
	P_REPLY_ACK		= 3,
	P_NET_MTU		= 4,
	P_RESET_DEVICE		= 13,
	P_MEM_SLOTS		= 15,
	P_STATUS		= 16,
};

#define BIT(n)	(1ULL << (n))

static const uint64_t vu_features =
	BIT(VU_F_CSUM) | BIT(VU_F_GUEST_CSUM) | BIT(VU_F_MTU) |
	BIT(VU_F_GUEST_TSO4) | BIT(VU_F_GUEST_TSO6) | BIT(VU_F_GUEST_ECN) |
	BIT(VU_F_HOST_TSO4) | BIT(VU_F_HOST_TSO6) | BIT(VU_F_HOST_ECN) |
	BIT(VU_F_MRG_RXBUF) | BIT(VU_F_LOG_ALL) | BIT(VU_F_ANY_LAYOUT) |
	BIT(VU_F_INDIRECT_DESC) | BIT(VU_F_EVENT_IDX) | BIT(VU_F_PROTOCOL) |
	BIT(VU_F_VERSION_1) | BIT(VU_F_IN_ORDER) | BIT(VU_F_GUEST_USO4) |
	BIT(VU_F_GUEST_USO6) | BIT(VU_F_HOST_USO);

static const uint64_t vu_protocol =
	BIT(P_LOG_SHMFD) | BIT(P_RARP) | BIT(P_REPLY_ACK) | BIT(P_NET_MTU) |
	BIT(P_RESET_DEVICE) | BIT(P_MEM_SLOTS) | BIT(P_STATUS);

static struct {
	struct vu_events events;
	struct vu_conn conn;
	uint64_t features;		/* as acknowledged last */
	uint64_t active;		/* by the driver that runs */
	uint64_t protocol;
	uint64_t status;
	unsigned mtu;
	int log_fd;			/* or -1 */
	unsigned removed;		/* regions, and none added since */
	uint8_t faults;			/* of the connection's calls, in
					 * succession */
	bool waits;			/* for it to take our reply */
	struct vu_ring ring[VU_RINGS];
} vu = { .conn = { .fd = -1 }, .log_fd = -1 };

/* ---- Rings ---- */

static const char vu_no_ring[] =
	"a ring isn't in the memory that was shared (QEMU: share=on?)";

static bool vu_is_running(const struct vu_ring *r)
{
	return r->q.num;
}

static void *vu_part(uint64_t user, size_t size, unsigned align)
{
	uint8_t *p = user % align ? NULL : gmem_at_user(user, size);

	return (uintptr_t)p % align ? NULL : p;
}

/* Find a ring in memory as it is mapped now */
static bool vu_ring_find(struct vu_ring *r)
{
	r->q.desc = vu_part(r->desc, virtq_desc_size(r->num), ALIGN_DESC);
	r->q.avail = vu_part(r->avail, virtq_avail_size(r->num), ALIGN_AVAIL);
	r->q.used = vu_part(r->used, virtq_used_size(r->num), ALIGN_USED);
	return r->q.desc && r->q.avail && r->q.used;
}

static void vu_ring_log(struct vu_ring *r)
{
	r->q.log_used = vu.active & BIT(VU_F_LOG_ALL) ? r->log : 0;
}

static const char *vu_ring_watch(enum vu_ring_name i)
{
	struct loop_ref ref = { .kind = LOOP_TAP, .index = 1 + i };
	int rc;

	/* By the edge: there are eventfds that one read doesn't empty, and pipes with
	 * whatever in them
	 */
	rc = loop_add(vu.ring[i].kick_fd, EPOLLIN | EPOLLET, ref);
	if (rc && is_momentary(rc))
		rc = loop_add(vu.ring[i].kick_fd, EPOLLIN | EPOLLET, ref);
	return rc ? "a descriptor to kick that can't be waited for" : NULL;
}

static const char *vu_ring_start(enum vu_ring_name i)
{
	struct vu_ring *r = &vu.ring[i];
	const char *why;

	if (!r->num || r->num & (r->num - 1) || r->num > VIRTQ_NUM_MAX)
		return "a ring's size must be a power of two up to 32768";
	if (!vu_ring_find(r))
		return vu_no_ring;
	why = vu_ring_watch(i);
	if (why)
		return why;
	if (!vu_is_running(&vu.ring[!i])) {
		vu.active = vu.features;
		debug("vhost-user: a driver takes features %#llx",
		      (unsigned long long)vu.active);
	}
	r->q.num = (uint16_t)r->num;
	r->q.event_idx = vu.active & BIT(VU_F_EVENT_IDX);
	r->q.indirect = vu.active & BIT(VU_F_INDIRECT_DESC);
	vu_ring_log(r);
	virtq_start(&r->q, r->base);
	vu.events.ring(i);
	return NULL;
}

static void vu_ring_stop(enum vu_ring_name i)
{
	struct vu_ring *r = &vu.ring[i];

	if (!vu_is_running(r))
		return;
	/* The front-end has it open, too: closing it would not be enough */
	loop_del(r->kick_fd);
	r->base = r->q.next_avail;
	r->q.num = 0;
	vu.events.ring(i);
}

/* Begin or end, by what it has been told */
static const char *vu_ring_update(enum vu_ring_name i)
{
	const struct vu_ring *r = &vu.ring[i];
	bool run = r->ready && r->enabled && !r->away;

	if (run && !vu_is_running(r))
		return vu_ring_start(i);
	if (!run)
		vu_ring_stop(i);
	return NULL;
}

static const char *vu_rings_update(void)
{
	const char *why = NULL;

	for (enum vu_ring_name i = VU_RX; i < VU_RINGS && !why; i++)
		why = vu_ring_update(i);
	return why;
}

static void vu_rings_reset(void)
{
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		vu.ring[i].ready = vu.ring[i].away = false;
		vu_ring_stop(i);
	}
}

/* The guest is told once more than it may have to be */
static void vu_ring_call(const struct vu_ring *r)
{
	const uint64_t one = 1;

	if (r->call_fd >= 0 && vu_is_running(r) &&
	    write(r->call_fd, &one, sizeof(one)) < 0)
		debug("vhost-user: calling the guest: %s", strerror(errno));
}

/* It lacks what may be in a region that was removed, and waits for the next one */
static bool vu_ring_waits(enum vu_ring_name i)
{
	struct vu_ring *r = &vu.ring[i];

	if (!r->q.outside || !vu.removed)
		return false;
	info_limited("vhost-user: %s, which waits for a region to be added",
		     r->q.why);
	r->q.why = NULL;
	r->q.outside = false;
	r->away = true;
	vu_ring_stop(i);
	return true;
}

/* `removed` changes: of what was found before, this turn */
static void vu_rings_wait(void)
{
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		vu_ring_waits(i);
}

/* Memory is another, or a ring elsewhere in it. May a ring that isn't there wait until it
 * is? One that does goes on doing so.
 */
static const char *vu_rings_find(bool may_wait)
{
	bool back[VU_RINGS] = { false };

	/* None goes on before those that are gone have ended */
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		struct vu_ring *r = &vu.ring[i];
		bool found;

		if (!vu_is_running(r) && !r->away)
			continue;
		found = vu_ring_find(r);
		if (!found && !may_wait && !r->away)
			return vu_no_ring;
		back[i] = found && r->away;
		r->away = !found;
		if (!found)
			vu_ring_stop(i);
	}
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		struct vu_ring *r = &vu.ring[i];
		const char *why = back[i] ? vu_ring_update(i) : NULL;

		if (why)
			return why;
		if (back[i])
			vu_ring_call(r);
	}
	return NULL;
}

/* ---- Requests: NULL, or why not ---- */

static int vu_take_fd(unsigned i)
{
	return vu_msg_take_fd(&vu.conn, i);
}

static const char *vu_reply_u64(struct vu_msg *m, uint64_t v)
{
	m->h.size = sizeof(v);
	m->p.u64 = v;
	return NULL;
}

static const char *vu_nothing(struct vu_msg *m)
{
	(void)m;
	return NULL;
}

static const char *vu_get_features(struct vu_msg *m)
{
	return vu_reply_u64(m, vu_features);
}

static const char *vu_set_features(struct vu_msg *m)
{
	bool logs = m->p.u64 & BIT(VU_F_LOG_ALL);

	if (m->p.u64 & ~vu_features)
		return "features that weren't offered";
	vu.features = m->p.u64;
	/* The one that may change while rings run */
	vu.active &= ~BIT(VU_F_LOG_ALL);
	if (logs)
		vu.active |= BIT(VU_F_LOG_ALL);
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		vu_ring_log(&vu.ring[i]);
		vu.ring[i].enabled |= !(vu.features & BIT(VU_F_PROTOCOL));
	}
	return vu_rings_update();
}

static const char *vu_map(const struct vu_region *from, unsigned i)
{
	static char text[128];
	const struct gmem_region r = {
		.gpa = from->gpa, .size = from->size,
		.user = from->user, .offset = from->offset,
	};
	const char *why = "it came without a descriptor";
	int fd = vu_take_fd(i);
	bool ok = fd >= 0 && !gmem_add(&r, fd, &why);

	close_fd(&fd);
	if (ok)
		return NULL;
	snprintf(text, sizeof(text), "a region of memory can't be used: %s",
		 why);
	return text;
}

static const char *vu_set_mem_table(struct vu_msg *m)
{
	const struct vu_table *t = &m->p.table;
	const char *why = NULL;

	if (m->h.size < offsetof(struct vu_table, region) ||
	    t->count > VU_TABLE_REGIONS ||
	    m->h.size != offsetof(struct vu_table, region) +
			 t->count * sizeof(t->region[0]))
		return "a table of memory of wrong size";
	vu_rings_wait();
	vu.removed = 0;
	gmem_clear();
	for (unsigned i = 0; i < t->count && !why; i++)
		why = vu_map(&t->region[i], i);
	return why ? why : vu_rings_find(false);
}

static const char *vu_get_max_mem_slots(struct vu_msg *m)
{
	return vu_reply_u64(m, GMEM_REGIONS);
}

static const char *vu_add_mem_reg(struct vu_msg *m)
{
	const char *why = vu_map(&m->p.one.region, 0);

	vu_rings_wait();
	vu.removed -= !why && vu.removed;
	return why ? why : vu_rings_find(true);
}

static const char *vu_rem_mem_reg(struct vu_msg *m)
{
	const struct vu_region *from = &m->p.one.region;
	const struct gmem_region r = { .gpa = from->gpa, .size = from->size,
				       .user = from->user };

	if (!gmem_remove(&r))
		return "a region of memory to be removed isn't there";
	vu.removed++;
	return vu_rings_find(true);
}

static const char *vu_set_log_base(struct vu_msg *m)
{
	const char *why = NULL;
	int fd = vu_take_fd(0);

	if (fd < 0)
		return "a dirty log came without a descriptor";
	gmem_log_map(fd, m->p.log.size, m->p.log.offset, &why);
	close_fd(&fd);
	return why ? "the dirty log can't be mapped" : vu_reply_u64(m, 0);
}

static const char *vu_set_log_fd(struct vu_msg *m)
{
	(void)m;
	close_fd(&vu.log_fd);
	vu.log_fd = vu_take_fd(0);
	return NULL;
}

static const char *vu_set_vring_num(struct vu_msg *m)
{
	struct vu_ring *r = &vu.ring[m->p.state.index];

	/* What was found in memory is as large as it was then */
	if (vu_is_running(r))
		return "a ring that runs can't be of another size";
	r->num = m->p.state.num;
	return NULL;
}

static const char *vu_set_vring_addr(struct vu_msg *m)
{
	const struct vu_addr *a = &m->p.addr;
	struct vu_ring *r = &vu.ring[a->index];

	r->desc = a->desc;
	r->avail = a->avail;
	r->used = a->used;
	r->log = a->flags & ADDR_LOG ? a->log : 0;
	vu_ring_log(r);
	return vu_rings_find(false);
}

static const char *vu_set_vring_base(struct vu_msg *m)
{
	struct vu_ring *r = &vu.ring[m->p.state.index];

	r->base = (uint16_t)m->p.state.num;
	return vu_is_running(r) ? "a ring that runs can't go back" : NULL;
}

static const char *vu_get_vring_base(struct vu_msg *m)
{
	struct vu_ring *r = &vu.ring[m->p.state.index];

	r->ready = r->away = false;
	vu_ring_stop(m->p.state.index);
	close_fd(&r->kick_fd);
	close_fd(&r->call_fd);
	m->p.state.num = r->base;
	return NULL;
}

/* Ring and descriptor of SET_VRING_KICK, _CALL, _ERR; NULL: no such ring */
static struct vu_ring *vu_ring_fd(const struct vu_msg *m, int *ret_fd)
{
	unsigned i = m->p.u64 & FD_RING_MASK;

	if (i >= VU_RINGS)
		return NULL;
	*ret_fd = m->p.u64 & FD_NONE ? -1 : vu_take_fd(0);
	/* Whatever it is, nothing waits for it */
	if (*ret_fd >= 0)
		fcntl(*ret_fd, F_SETFL, O_NONBLOCK);
	return &vu.ring[i];
}

static const char *vu_set_vring_kick(struct vu_msg *m)
{
	enum vu_ring_name i = m->p.u64 & FD_RING_MASK;
	int fd = -1;
	struct vu_ring *r = vu_ring_fd(m, &fd);

	if (!r)
		return "a ring that isn't there";
	if (fd < 0)
		return "a ring without a descriptor to kick";
	if (vu_is_running(r))
		loop_del(r->kick_fd);
	close_fd(&r->kick_fd);
	r->kick_fd = fd;
	r->ready = true;
	if (!vu_is_running(r))
		return vu_ring_update(i);
	/* The old one may have been kicked */
	vu.events.ring(i);
	return vu_ring_watch(i);
}

static const char *vu_set_vring_call(struct vu_msg *m)
{
	int fd = -1;
	struct vu_ring *r = vu_ring_fd(m, &fd);

	if (!r)
		return "a ring that isn't there";
	close_fd(&r->call_fd);
	r->call_fd = fd;
	/* What the old one was not there to tell */
	vu_ring_call(r);
	return NULL;
}

static const char *vu_set_vring_err(struct vu_msg *m)
{
	int fd = -1;
	struct vu_ring *r = vu_ring_fd(m, &fd);

	if (!r)
		return "a ring that isn't there";
	close_fd(&r->err_fd);
	r->err_fd = fd;
	return NULL;
}

static const char *vu_get_protocol_features(struct vu_msg *m)
{
	return vu_reply_u64(m, vu_protocol);
}

static const char *vu_set_protocol_features(struct vu_msg *m)
{
	if (m->p.u64 & ~vu_protocol)
		return "protocol features that weren't offered";
	vu.protocol = m->p.u64;
	return NULL;
}

static const char *vu_get_queue_num(struct vu_msg *m)
{
	return vu_reply_u64(m, VU_RINGS / 2);
}

static const char *vu_set_vring_enable(struct vu_msg *m)
{
	vu.ring[m->p.state.index].enabled = m->p.state.num;
	return vu_ring_update(m->p.state.index);
}

/* After a migration: this is where the guest is now */
static const char *vu_send_rarp(struct vu_msg *m)
{
	debug("vhost-user: the guest is at a new place");
	tap_learn_mac(m->p.bytes);
	return NULL;
}

static const char *vu_net_set_mtu(struct vu_msg *m)
{
	if (m->p.u64 < VU_MTU_LEAST || m->p.u64 > UINT16_MAX)
		return "an MTU that can't be";
	vu.mtu = (unsigned)m->p.u64;
	return NULL;
}

static const char *vu_reset_device(struct vu_msg *m)
{
	(void)m;
	vu_rings_reset();
	vu.status = 0;
	vu.features = 0;
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		vu.ring[i].enabled = false;
	return NULL;
}

static const char *vu_set_status(struct vu_msg *m)
{
	vu.status = m->p.u64;
	if (!vu.status)
		vu_rings_reset();
	return NULL;
}

static const char *vu_get_status(struct vu_msg *m)
{
	return vu_reply_u64(m, vu.status);
}

enum { ANY_SIZE = -1 };

static const struct vu_row {
	const char *(*handle)(struct vu_msg *m);
	int16_t size;			/* of the payload */
	bool replies;			/* always */
	bool of_ring;			/* payload begins with its index */
} vu_table[VU_REQUESTS] = {
	[GET_FEATURES]	= { vu_get_features, 0, true, false },
	[SET_FEATURES]	= { vu_set_features, 8, false, false },
	[SET_OWNER]	= { vu_nothing, 0, false, false },
	[RESET_OWNER]	= { vu_nothing, 0, false, false },
	[SET_MEM_TABLE]	= { vu_set_mem_table, ANY_SIZE, false, false },
	[SET_LOG_BASE]	= { vu_set_log_base, 16, true, false },
	[SET_LOG_FD]	= { vu_set_log_fd, ANY_SIZE, false, false },
	[SET_VRING_NUM]	= { vu_set_vring_num, 8, false, true },
	[SET_VRING_ADDR] = { vu_set_vring_addr, 40, false, true },
	[SET_VRING_BASE] = { vu_set_vring_base, 8, false, true },
	[GET_VRING_BASE] = { vu_get_vring_base, 8, true, true },
	[SET_VRING_KICK] = { vu_set_vring_kick, 8, false, false },
	[SET_VRING_CALL] = { vu_set_vring_call, 8, false, false },
	[SET_VRING_ERR]	= { vu_set_vring_err, 8, false, false },
	[GET_PROTOCOL_FEATURES] = { vu_get_protocol_features, 0, true, false },
	[SET_PROTOCOL_FEATURES] = { vu_set_protocol_features, 8, false, false },
	[GET_QUEUE_NUM]	= { vu_get_queue_num, 0, true, false },
	[SET_VRING_ENABLE] = { vu_set_vring_enable, 8, false, true },
	[SEND_RARP]	= { vu_send_rarp, 8, false, false },
	[NET_SET_MTU]	= { vu_net_set_mtu, 8, false, false },
	[RESET_DEVICE]	= { vu_reset_device, 0, false, false },
	[GET_MAX_MEM_SLOTS] = { vu_get_max_mem_slots, 0, true, false },
	[ADD_MEM_REG]	= { vu_add_mem_reg, 40, false, false },
	[REM_MEM_REG]	= { vu_rem_mem_reg, 40, false, false },
	[SET_STATUS]	= { vu_set_status, 8, false, false },
	[GET_STATUS]	= { vu_get_status, 0, true, false },
};

/* ---- Events ---- */

/* One whole message: NULL, or why it ends the connection */
static const char *vu_handle(struct vu_msg *m)
{
	static const struct vu_row unknown;
	const struct vu_row *row = m->h.request < VU_REQUESTS ?
				   &vu_table[m->h.request] : &unknown;
	bool ack = m->h.flags & VU_NEED_REPLY &&
		   vu.protocol & BIT(P_REPLY_ACK);
	const char *why = NULL;

	trace("vhost-user: request %u, flags %#x, %u bytes, %u descriptors",
	      m->h.request, m->h.flags, m->h.size, vu.conn.fd_count);
	if (!row->handle)
		debug("vhost-user: request %u isn't known", m->h.request);
	else if (row->size != ANY_SIZE && (size_t)row->size != m->h.size)
		return "a request of wrong size";
	else if (row->of_ring && m->p.state.index >= VU_RINGS)
		return "a ring that isn't there";
	else
		why = row->handle(m);
	if (why && !ack)
		return why;
	if (ack && !row->replies)
		vu_reply_u64(m, why || !row->handle);
	if (ack || row->replies)
		vu_msg_send(&vu.conn, m);
	return why;
}

/* Send what is left of a reply: 0, or -errno as vu_msg_push() says. What it has to wait
 * for makes an event of the connection's, and requests that come meanwhile make none.
 */
static int vu_push(void)
{
	int rc = vu_msg_push(&vu.conn);

	if (vu.waits != (rc && is_momentary(rc))) {
		vu.waits = !vu.waits;
		tap_unix_watch(!vu.waits, vu.waits);
	}
	return rc;
}

/* A call for the connection has failed. Only for a moment? Of one that has ended, what
 * can't be read now isn't waited for: its end would be told again and again.
 */
static bool vu_rests(int rc, bool gone)
{
	if (!is_momentary(rc) || gone)
		return false;
	debug("vhost-user: %s", strerror(-rc));
	tap_unix_rest(vu.faults);
	vu.faults += vu.faults < UINT8_MAX;
	return true;
}

/* The next message: 1 if it was done, otherwise as vu_msg_read(); or *ret_why */
static int vu_next(const char **ret_why)
{
	size_t before = vu.conn.got;
	int rc = vu_msg_read(&vu.conn, ret_why);

	if (vu.conn.got != before)
		vu.faults = 0;
	if (rc <= 0)
		return rc;
	*ret_why = vu_handle(&vu.conn.msg);
	vu_msg_done(&vu.conn);
	return rc;
}

void vhost_user_readable(bool gone)
{
	const char *why = NULL;
	int rc = vu_push();

	for (int i = 0; i < MSG_PER_EVENT && !rc && !why; i++) {
		rc = vu_next(&why);
		if (tap_unix_make_room(rc))
			rc = vu_next(&why);
		/* Those of regions are closed by now, and free for the next */
		tap_unix_spare();
		if (rc <= 0)
			break;
		rc = vu_push();
	}
	if (why || (rc < 0 && rc != -EAGAIN && !vu_rests(rc, gone)))
		vhost_user_end(why);
}

void vhost_user_init(const struct vu_events *events)
{
	vu.events = *events;
	gmem_init();
}

void vhost_user_connected(int fd)
{
	vu.conn.fd = fd;
	vu.conn.got = 0;
	vu.conn.reply_len = vu.conn.reply_sent = 0;
	vu.faults = 0;
	vu.waits = false;
	vu.features = vu.active = vu.protocol = vu.status = 0;
	vu.mtu = 0;
	vu.removed = 0;
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++)
		vu.ring[i] = (struct vu_ring){ .kick_fd = -1, .call_fd = -1,
					       .err_fd = -1 };
}

void vhost_user_end(const char *why)
{
	if (vu.conn.fd < 0)
		return;
	if (why)
		err_limited("vhost-user: %s, ending the connection", why);
	vu_rings_reset();
	vu.events.closed();
	for (enum vu_ring_name i = VU_RX; i < VU_RINGS; i++) {
		close_fd(&vu.ring[i].kick_fd);
		close_fd(&vu.ring[i].call_fd);
		close_fd(&vu.ring[i].err_fd);
	}
	vu_msg_done(&vu.conn);
	close_fd(&vu.log_fd);
	gmem_clear();
	gmem_log_clear();
	vu.conn.fd = -1;
	tap_unix_disconnect();
}

void vhost_user_ring_broken(enum vu_ring_name i)
{
	const struct vu_ring *r = &vu.ring[i];
	const uint64_t one = 1;

	if (vu_ring_waits(i))
		return;
	if (r->err_fd >= 0 && write(r->err_fd, &one, sizeof(one)) < 0)
		debug("vhost-user: telling of an error: %s", strerror(errno));
	vhost_user_end(r->q.why);
}

struct vu_ring *vhost_user_ring(enum vu_ring_name i)
{
	return &vu.ring[i];
}

bool vhost_user_has(enum vu_feature f)
{
	return vu.active & BIT(f);
}

unsigned vhost_user_mtu(void)
{
	return vu.mtu;
}

bool vhost_user_is_open(void)
{
	return vu.conn.fd >= 0;
}

void vhost_user_logged(void)
{
	const uint64_t one = 1;

	if (gmem_log_news() && vu.log_fd >= 0 &&
	    write(vu.log_fd, &one, sizeof(one)) < 0)
		debug("vhost-user: telling of the log: %s", strerror(errno));
}
