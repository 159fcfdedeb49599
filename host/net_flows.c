// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what exists while the host's network changes, see net_flows.h
 *
 * Data: what has changed since all flows were last looked at. The walk through their
 * table is round: a change while there's one under way has it go on from where it is,
 * once around. A host that changes all the time keeps it from none of them.
 *
 * Flow: a change → walk(): some flows, more of them a timer later. Their sockets are
 * asked for their addresses only if there are some that are gone, and for their
 * interfaces if one of those may be another.
 */
#include "host/net_flows.h"

#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/timer.h"
#include "host/host_addrs.h"
#include "host/net.h"
#include "host/sock.h"

enum { STEP = 512 };			/* entries of the table, a turn */

static struct {
	struct host_addrs gone;
	bool links;
	uint32_t next;			/* to be looked at */
	uint32_t left;			/* so many, from there on */
	struct timer timer;
	/* Neighbours in the table mostly have the same address */
	struct host_addr last;
	bool last_is_gone;
} changed;

static void walk(struct timer *t)
{
	uint32_t n = MIN(changed.left, STEP);

	(void)t;
	changed.left -= n;
	changed.last = (struct host_addr){ .ifi = 0 };
	changed.last_is_gone = false;
	for (; n; n--) {
		struct flow *f = flow_at(changed.next);
		const struct flow_ops *ops = flow_ops(f);

		if (ops && ops->host_changed)
			ops->host_changed(f);
		changed.next = (changed.next + 1) % flow_high();
	}
	if (changed.left) {
		timer_set(&changed.timer, TIMER_NET_FLOWS, loop_now());
		return;
	}
	changed.gone.count = 0;
	changed.links = false;
}

static void walk_begin(void)
{
	changed.left = flow_high();
	timer_cancel(&changed.timer);
	walk(NULL);
}

static void flows_net_changed(const struct net *old)
{
	changed.links |= old->links != net_get()->links;
	walk_begin();
}

void net_flows_gone(const struct host_addrs *gone)
{
	for (uint32_t i = 0; i < gone->count; i++)
		host_addrs_add(&changed.gone, &gone->a[i]);
	walk_begin();
}

/* It may be back by now */
static bool addr_is_gone(int fd)
{
	struct host_addr a = { .ifi = 0 };
	unsigned ifi;

	a.addr = sock_local_link(fd, &ifi);
	a.ifi = ifi;
	if (addr_eq(&a.addr, &changed.last.addr) && a.ifi == changed.last.ifi)
		return changed.last_is_gone;
	changed.last = a;
	changed.last_is_gone = host_addrs_have(&changed.gone, &a) &&
			       !sock_have_addr(&a.addr, a.ifi);
	return changed.last_is_gone;
}

bool net_flows_cut(int fd)
{
	return (changed.gone.count && addr_is_gone(fd)) ||
	       (changed.links && sock_device_is_gone(fd));
}

void net_flows_init(void)
{
	timer_set_handler(TIMER_NET_FLOWS, walk);
	net_add_hook(flows_net_changed);
}
