// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: listening sockets follow the forwarding rules
 *
 * Data: a static table, one entry for each rule and port, and for each side,
 * protocol and port the chain of its listeners. Whose they are once they are
 * open (tcp.c, udp.c) is told by listen_attach().
 *
 * Flow: listen_sync() walks the rules that a change is about.
 * 1. Ports that an automatic rule doesn't want any more are closed.
 * 2. What rules lack is opened. Where a rule that goes has the very socket, that
 *    is taken over as it is. Where one that goes is in the way (a port at all
 *    addresses instead of one), the port is put off.
 * 3. All others are there: those that were put off, the old one closed, the new
 *    one opened.
 * 4. What rules that go still have is closed.
 * A port at an interface is bound to that one, not to its name: when another one of
 * the name is there, it is opened anew.
 * A failure on the way turns the change round: what had changed hands goes back,
 * what was opened is closed, and what was closed is opened again.
 */
#include "host/listen.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/loop.h"
#include "host/net.h"
#include "host/sock.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	LISTEN_PATIENCE_MS = 200,
	LISTEN_PROTOS	= 2,
	LISTEN_PORTS	= UINT16_MAX + 1,
	LISTEN_AUTO_PART = 2,		/* of all descriptors, one in so many */
};

static struct {
	uint32_t high, free_head;	/* indices + 1, 0: none */
	bool over;			/* none is opened any more */
	bool follows;			/* the host's interfaces */
	uint8_t put_off[FLOW_SIDES][LISTEN_PROTOS][LISTEN_PORTS / 8];
	struct listen_user user[LISTEN_PROTOS];
	listen_auto automatic;
	unsigned auto_open, auto_max;	/* listeners of automatic rules */
	uint32_t by_port[FLOW_SIDES][LISTEN_PROTOS][LISTEN_PORTS];
	uint16_t outbound[LISTEN_PORTS];	/* UDP sockets of ours */
	uint16_t retired[FLOW_SIDES][LISTEN_PORTS];	/* likewise */
	struct listener entry[LISTEN_MAX];
} listeners;

/* Left of it; apart, since what isn't zero takes room in the binary */
static unsigned patience_ms = LISTEN_PATIENCE_MS;

static unsigned proto_index(uint8_t proto)
{
	return proto == PROTO_UDP;
}

static uint32_t *listen_chain(enum flow_side_name side, uint8_t proto,
			      uint16_t port)
{
	return &listeners.by_port[side][proto_index(proto)][port];
}

static struct listener *listen_alloc(void)
{
	struct listener *l;

	if (listeners.free_head) {
		l = &listeners.entry[listeners.free_head - 1];
		listeners.free_head = l->next;
	} else if (listeners.high < LISTEN_MAX) {
		l = &listeners.entry[listeners.high++];
	} else {
		return NULL;
	}
	return l;
}

static void listen_recycle(struct listener *l)
{
	l->fd = -1;
	l->gen++;
	l->next = listeners.free_head;
	listeners.free_head = (uint32_t)(l - listeners.entry) + 1;
}

static bool listen_is_auto(const struct fwd_rule *r)
{
	return r->flags & FWD_AUTO;
}

static void listen_close(struct listener *l)
{
	uint32_t *link = listen_chain(l->side, l->rule->proto, l->port);
	uint32_t self = (uint32_t)(l - listeners.entry) + 1;

	while (*link != self) {
		assert(*link);
		link = &listeners.entry[*link - 1].next;
	}
	*link = l->next;
	listeners.auto_open -= listen_is_auto(l->rule);
	close_fd(&l->fd);
	listen_recycle(l);
}

/* Index of a new listener, which its user knows if there is one; or -errno */
static int listen_new(const struct fwd_slot *s, uint16_t port)
{
	const struct fwd_rule *r = &s->rule;
	const struct listen_user *user = &listeners.user[proto_index(r->proto)];
	uint32_t *chain = listen_chain(s->side, r->proto, port);
	struct listener *l;
	int rc;

	if (listeners.over)
		return -ESHUTDOWN;
	/* However many services there are inside, others want descriptors, too */
	if (listen_is_auto(r) && listeners.auto_open >= listeners.auto_max)
		return -EMFILE;
	l = listen_alloc();
	if (!l)
		return -ENFILE;
	rc = sock_listen(r, port, s->side == GUEST, false);
	if (rc == -EADDRINUSE && r->proto == PROTO_UDP &&
	    listeners.retired[s->side][port])
		rc = sock_listen(r, port, s->side == GUEST, true);
	if (rc < 0) {
		listen_recycle(l);
		return rc;
	}
	l->fd = rc;
	l->rule = r;
	listeners.auto_open += listen_is_auto(r);
	l->port = port;
	l->side = s->side;
	l->next = *chain;
	*chain = (uint32_t)(l - listeners.entry) + 1;
	if (!user->opened)
		return 0;
	rc = user->opened((uint32_t)(l - listeners.entry));
	if (rc < 0) {
		listen_close(l);
		return rc;
	}
	l->user = (uint32_t)rc;
	return 0;
}

static void listen_remove(struct listener *l)
{
	const struct listen_user *user;

	user = &listeners.user[proto_index(l->rule->proto)];
	if (user->closed)
		user->closed((uint32_t)(l - listeners.entry));
	listen_close(l);
}

/* Another interface of the name that it was bound to is there */
static void listen_again(struct listener *l)
{
	bool is_auto = listen_is_auto(l->rule);
	int rc;

	/* In the old one's place, which may be the last that there is */
	listeners.auto_open -= is_auto;
	rc = listen_new(fwd_slot_of(l->rule), l->port);
	listeners.auto_open += is_auto;
	if (!rc)
		listen_remove(l);
	else if (rc != -ENODEV)		/* not yet */
		warn_limited("Couldn't listen at %s port %u again: %s",
			     l->rule->ifname, l->port, strerror(-rc));
}

static void listen_net_changed(const struct net *old)
{
	uint32_t high = listeners.high;

	(void)old;
	for (uint32_t i = 0; i < high; i++) {
		struct listener *l = &listeners.entry[i];

		if (l->fd >= 0 && l->side == HOST && *l->rule->ifname &&
		    sock_device_is_gone(l->fd))
			listen_again(l);
	}
}

void listen_close_all(void)
{
	for (uint32_t i = 0; i < listeners.high; i++) {
		if (listeners.entry[i].fd >= 0)
			listen_remove(&listeners.entry[i]);
	}
	listeners.over = true;
}

void listen_attach(uint8_t proto, const struct listen_user *user)
{
	if (!listeners.follows)
		net_add_hook(listen_net_changed);
	listeners.follows = true;
	patience_ms = 0;		/* nothing sleeps in the loop */
	listeners.user[proto_index(proto)] = *user;
	for (uint32_t i = 0; i < listeners.high; i++) {
		struct listener *l = &listeners.entry[i];
		int rc;

		if (l->fd < 0 || l->rule->proto != proto)
			continue;
		rc = user->opened(i);
		if (rc < 0)
			die("Couldn't watch %s port %u: %s",
			    proto == PROTO_TCP ? "TCP" : "UDP", l->port,
			    strerror(-rc));
		l->user = (uint32_t)rc;
	}
}

/* ---- By difference ---- */

struct sync {
	listen_tell tell;
	void *arg;
	bool undo;			/* go on after failures */
	bool take_only;			/* open nothing */
	bool late;			/* step 3 */
	bool put_off;			/* there is something for it: is_put_off() */
	unsigned there;			/* ports of plain rules */
	int rc;				/* of the last one that isn't */
};

static void sync_tell(const struct sync *y, const struct fwd_slot *s,
		      unsigned port, int rc)
{
	if (y->tell)
		y->tell(y->arg, s, (uint16_t)port, rc);
}

static struct listener *chain_first(const struct fwd_slot *s, unsigned port)
{
	uint32_t at = *listen_chain(s->side, s->rule.proto, (uint16_t)port);

	return at ? &listeners.entry[at - 1] : NULL;
}

static struct listener *chain_next(const struct listener *l)
{
	return l->next ? &listeners.entry[l->next - 1] : NULL;
}

/* The listener of a rule at that port, or NULL */
static struct listener *listen_find(const struct fwd_slot *s, unsigned port)
{
	struct listener *l = chain_first(s, port);

	while (l && l->rule != &s->rule)
		l = chain_next(l);
	return l;
}

static bool is_going(const struct listener *l)
{
	return !fwd_slot_is_wanted(fwd_slot_of(l->rule));
}

/* A rule that goes has the very socket: it goes on, by another rule */
static bool take_over(const struct fwd_slot *s, unsigned port)
{
	const struct listen_user *user;
	struct listener *l = chain_first(s, port);

	while (l && !(is_going(l) && fwd_rule_same_socket(l->rule, &s->rule)))
		l = chain_next(l);
	if (!l)
		return false;
	listeners.auto_open -= listen_is_auto(l->rule);
	listeners.auto_open += listen_is_auto(&s->rule);
	l->rule = &s->rule;
	user = &listeners.user[proto_index(s->rule.proto)];
	if (user->moved)
		user->moved((uint32_t)(l - listeners.entry));
	return true;
}

/* Is something that goes in the way there? close: no longer. What isn't stays until
 * the change has succeeded: it would have to be opened again if it doesn't, and
 * whoever waits to be accepted would be lost.
 */
static bool make_way(const struct fwd_slot *s, unsigned port, bool close)
{
	struct listener *l = chain_first(s, port), *next;
	bool any = false;

	for (; l; l = next) {
		next = chain_next(l);
		if (!is_going(l) || !fwd_rule_overlaps(l->rule, &s->rule))
			continue;
		any = true;
		if (close)
			listen_remove(l);
	}
	return any;
}

/* As listen_new(). A container that is started again wants the ports of the one
 * before, whose process may have to wait for a processor to let go of them: on a
 * busy machine for longer than the next one needs to get here. Some patience then,
 * for all ports together, at the start alone.
 */
static int listen_new_patiently(const struct fwd_slot *s, uint16_t port)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int rc = listen_new(s, port);

	while (rc == -EADDRINUSE && patience_ms &&
	       !(s->rule.flags & (FWD_WEAK | FWD_AUTO))) {
		patience_ms--;
		nanosleep(&ms, NULL);
		rc = listen_new(s, port);
	}
	return rc;
}

static uint8_t *put_off_byte(const struct fwd_slot *s, unsigned port)
{
	return &listeners.put_off[s->side][proto_index(s->rule.proto)][port / 8];
}

static void put_off(struct sync *y, const struct fwd_slot *s, unsigned port)
{
	if (!y->put_off)
		memset(listeners.put_off, 0, sizeof(listeners.put_off));
	y->put_off = true;
	*put_off_byte(s, port) |= (uint8_t)(1 << port % 8);
}

static bool is_put_off(const struct fwd_slot *s, unsigned port)
{
	return *put_off_byte(s, port) >> port % 8 & 1;
}

static int sync_open(struct sync *y, const struct fwd_slot *s, unsigned port)
{
	int rc;

	if (take_over(s, port))
		return 0;
	if (y->take_only || (y->late && !is_put_off(s, port)))
		return -EADDRINUSE;	/* not now, or tried and told before */
	if (y->late)
		make_way(s, port, true);
	rc = listen_new_patiently(s, (uint16_t)port);
	if (rc == -EADDRINUSE && make_way(s, port, false)) {
		put_off(y, s, port);
		return 0;
	}
	sync_tell(y, s, port, rc ? rc : 1);
	return rc;
}

static bool is_wanted(const struct fwd_slot *s, unsigned port)
{
	if (!fwd_slot_is_wanted(s))
		return false;
	return !(s->rule.flags & FWD_AUTO) ||
	       (listeners.automatic &&
		listeners.automatic(s, (uint16_t)port));
}

/* Does a change concern the ports of a rule? Not if that is to be there as it has
 * been.
 */
static bool is_concerned(const struct sync *y, const struct fwd_slot *s)
{
	return s->state == FWD_NEW || s->rule.flags & FWD_AUTO || y->undo;
}

/* Open what a rule lacks. Not 0: that is a failure of the whole. */
static int sync_rule(struct sync *y, const struct fwd_slot *s)
{
	const struct fwd_rule *r = &s->rule;

	for (unsigned port = r->first; port <= r->last; port++) {
		int rc = 0;

		if (!is_wanted(s, port))
			continue;
		if (!listen_find(s, port))
			rc = sync_open(y, s, port);
		if (r->flags & FWD_AUTO)
			continue;
		if (!rc)
			y->there++;
		else
			y->rc = rc;
		if (rc && !y->undo &&
		    (!(r->flags & FWD_WEAK) || is_out_of_files(rc)))
			return rc;
	}
	return 0;
}

/* A best-effort rule may lack ports, but not all of them do */
static int sync_rules(struct sync *y)
{
	int rc = 0;

	y->there = 0;
	for (const struct fwd_slot *s = fwd_table_changed(NULL); s && !rc;
	     s = fwd_table_changed(s))
		if (is_concerned(y, s))
			rc = sync_rule(y, s);
	return rc || y->there || y->undo ? rc : y->rc;
}

/* Close what isn't wanted: of automatic rules, or all that goes */
static void sync_close(const struct sync *y, bool automatic)
{
	const struct fwd_slot *s = NULL;

	while ((s = fwd_table_changed(s))) {
		if (fwd_slot_is_wanted(s) != automatic ||
		    (automatic && !(s->rule.flags & FWD_AUTO)))
			continue;
		for (unsigned p = s->rule.first; p <= s->rule.last; p++) {
			struct listener *l = listen_find(s, p);

			if (!l || is_wanted(s, p))
				continue;
			listen_remove(l);
			sync_tell(y, s, p, 0);
		}
	}
}

static int sync_all(struct sync *y)
{
	int rc;

	sync_close(y, true);
	rc = sync_rules(y);
	if (!rc && y->put_off) {
		y->late = true;
		rc = sync_rules(y);
	}
	if (!rc)
		sync_close(y, false);
	return rc;
}

/* What a change that is taken back had closed, and somebody else has now */
static void tell_lost(void *arg, const struct fwd_slot *s, uint16_t port,
		      int rc)
{
	(void)arg;
	if (rc < 0 && !(s->rule.flags & (FWD_WEAK | FWD_AUTO)))
		warn_limited("Couldn't listen at port %u again: %s", port,
			     strerror(-rc));
}

static void sync_undo(void)
{
	struct sync y = { .tell = tell_lost, .undo = true, .take_only = true };

	fwd_table_revert();
	sync_rules(&y);
	sync_close(&y, false);
	y.take_only = false;
	sync_rules(&y);
}

int listen_sync(listen_tell tell, void *arg)
{
	struct sync y = { .tell = tell, .arg = arg };
	int rc = sync_all(&y);

	if (rc)
		sync_undo();
	fwd_table_commit();
	return rc;
}

unsigned listen_count(const struct fwd_slot *s)
{
	unsigned n = 0;

	for (unsigned p = s->rule.first; p <= s->rule.last; p++)
		n += listen_find(s, p) != NULL;
	return n;
}

void listen_set_auto(listen_auto wanted)
{
	struct rlimit limit;

	listeners.automatic = wanted;
	listeners.auto_max = getrlimit(RLIMIT_NOFILE, &limit) ? UINT_MAX :
			     (unsigned)MIN(limit.rlim_cur / LISTEN_AUTO_PART,
					   UINT_MAX);
}

bool listen_is_ours(enum flow_side_name side, uint8_t proto,
		    const struct addr *a, uint16_t port)
{
	uint32_t at = *listen_chain(side, proto, port);

	if (side == HOST && proto == PROTO_UDP && listeners.outbound[port])
		return true;
	while (at) {
		const struct listener *l = &listeners.entry[at - 1];

		if (l->rule->flags & FWD_DUAL || addr_eq(&l->rule->listen, a))
			return true;
		at = l->next;
	}
	return false;
}

void listen_note_outbound(uint16_t port, bool bound)
{
	listeners.outbound[port] = (uint16_t)(listeners.outbound[port] +
					      (bound ? 1 : -1));
}

void listen_note_retired(enum flow_side_name side, uint16_t port, bool bound)
{
	listeners.retired[side][port] =
		(uint16_t)(listeners.retired[side][port] + (bound ? 1 : -1));
	if (side == HOST)
		listen_note_outbound(port, bound);
}

const struct listener *listen_at(uint32_t index)
{
	assert(index < listeners.high);
	return &listeners.entry[index];
}

const struct listener *listen_get(uint32_t index, uint16_t gen)
{
	const struct listener *l = &listeners.entry[index];

	return index < listeners.high && l->fd >= 0 && l->gen == gen ? l : NULL;
}
