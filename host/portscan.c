// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what listens in one namespace is listened for in the other
 *
 * Flow: every 50 ms, /proc/net/sockstat and sockstat6 of each namespace that
 * matters are read: their counts of sockets in use change when a socket begins
 * to listen, or is bound, and reading costs a microsecond or two. After a
 * change, the sockets that listen are dumped by sock_diag, which may cost
 * milliseconds, as it walks the tables of the whole machine. If that shows
 * something new, listen_sync() asks for each port of the automatic rules whether
 * it is wanted: follow_wants().
 *
 * A kernel without sock_diag (CONFIG_INET_DIAG) says ENOENT: from then on that
 * table is read from /proc/net, see procnet.h.
 *
 * What counts: sockets that can be reached by the way that is opened to them.
 * Inside (for -t, -u), not those at loopback, unless --host-lo-to-ns-lo; on the
 * host (for -T, -U), only those at loopback or any address. For UDP, ports of TCP
 * listeners, too. Never our own, or ports would be mirrored back and forth.
 *
 * Cost: 20 wake-ups per second, only with an automatic rule. Connections change
 * the counts as well as listeners do; so dumps are paid from an account that
 * grows by a fiftieth of the time that passes, and holds what some dozens of
 * dumps cost. After a quiet time each change is seen at once; while everything
 * changes all the time, we take 2 % of one processor at most. One socket that
 * ends while another begins leaves the count as it was: everything is dumped
 * now and then.
 */
#include "host/portscan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/loop.h"
#include "engine/timer.h"
#include "host/listen.h"
#include "host/netns.h"
#include "host/nlmsg.h"
#include "host/procnet.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	SCAN_INTERVAL_MS	= 50,
	SCAN_SHARE		= 50,		/* 1 / this, of the time */
	SCAN_CREDIT_MAX_US	= 200 * 1000,
	SCAN_FULL_S		= 30,
	SCAN_PORTS		= UINT16_MAX + 1,
	LO_IFI			= 1,		/* `lo` in every namespace */
	/* The kernel's states of sockets */
	KERNEL_CLOSE		= 7,		/* UDP: not connected */
	KERNEL_LISTEN		= 10,
};

enum { TCP, UDP, PROTOS };
static const uint8_t proto_number[PROTOS] = { PROTO_TCP, PROTO_UDP };

struct port_table {
	bool wanted;			/* a rule depends on it */
	bool stale;			/* to be dumped */
	bool no_diag;			/* not by sock_diag */
	int proc_fd[FAMILIES];		/* instead; -1: no such family */
	long in_use[FAMILIES];
	uint8_t port[SCAN_PORTS / 8];	/* bits */
};

/* One namespace */
struct view {
	bool open;			/* there's a way to look */
	int stat_fd[FAMILIES];		/* -1: no such family, or can't */
	int diag_fd;			/* -1: no such thing */
	struct port_table table[PROTOS];
};

static struct {
	const struct conf *conf;
	struct view view[FLOW_SIDES];	/* by the side that it looks at */
	int64_t credit_us;
	mono_t paid, full;		/* credit counted, all dumped: when */
	bool missed;			/* a port couldn't be opened */
	/* Which ones, so that each is told of once */
	uint8_t told[FLOW_SIDES][PROTOS][SCAN_PORTS / 8];
	struct timer timer;
} scan;

/* ---- Looking ---- */

/* Has a count changed since the last look? Unknown counts as yes. */
static bool count_changed(const char *text, const char *name, long *count)
{
	const char *p = strstr(text, name);
	long n = p ? strtol(p + strlen(name), NULL, 10) : -1;
	bool changed = n != *count || n < 0;

	*count = n;
	return changed;
}

static void view_look(struct view *v)
{
	static const char *const name[PROTOS][FAMILIES] = {
		[TCP] = { [V4] = "TCP: inuse ", [V6] = "TCP6: inuse " },
		[UDP] = { [V4] = "UDP: inuse ", [V6] = "UDP6: inuse " },
	};
	char text[1024];

	for (enum family f = V4; f < FAMILIES; f++) {
		ssize_t n;

		/* A family that isn't there; but one of them must be */
		if (v->stat_fd[f] < 0 && v->stat_fd[!f] >= 0)
			continue;
		n = pread(v->stat_fd[f], text, sizeof(text) - 1, 0);
		text[MAX(n, 0)] = '\0';
		for (unsigned p = 0; p < PROTOS; p++) {
			struct port_table *t = &v->table[p];

			if (count_changed(text, name[p][f], &t->in_use[f]))
				t->stale = t->wanted;
		}
	}
}

/* Is there a way from the other side to a socket bound like this? */
static bool can_reach(enum flow_side_name side, const struct addr *a,
		      unsigned ifi)
{
	bool lo = addr_is_loopback(a) || ifi == LO_IFI;

	if (side == HOST || scan.conf->splice_only)
		return lo || (addr_is_any(a) && !ifi);
	return (!lo || scan.conf->host_lo_to_ns_lo) && !addr_is_multicast(a);
}

/* A socket that takes what comes: at an address, on an interface or any (0) */
static void table_add(enum flow_side_name side, unsigned proto,
		      const struct addr *a, unsigned ifi, uint16_t port)
{
	struct port_table *t = &scan.view[side].table[proto];

	if (can_reach(side, a, ifi) &&
	    !listen_is_ours(side, proto_number[proto], a, port))
		t->port[port / 8] |= (uint8_t)(1 << port % 8);
}

static unsigned state_wanted(unsigned proto)
{
	return proto == TCP ? KERNEL_LISTEN : KERNEL_CLOSE;
}

/* By sock_diag */

struct dump_arg {
	enum flow_side_name side;
	unsigned proto;
};

static int dump_socket(struct nlmsghdr *nh, void *arg)
{
	const struct inet_diag_msg *m = NLMSG_DATA(nh);
	const struct dump_arg *d = arg;
	struct addr a;

	if (nh->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return 0;
	a = m->idiag_family == AF_INET ? addr_from_v4(m->id.idiag_src) :
					 addr_from_v6(m->id.idiag_src);
	table_add(d->side, d->proto, &a, m->id.idiag_if,
		  ntohs(m->id.idiag_sport));
	return 0;
}

static int dump_family(enum flow_side_name side, unsigned proto, int family)
{
	struct dump_arg arg = { side, proto };
	const struct nlmsg_reader rd = { dump_socket, NULL, &arg };
	struct inet_diag_req_v2 *req;
	struct nlmsg m;

	req = nlmsg_init(&m, SOCK_DIAG_BY_FAMILY, 0, sizeof(*req));
	req->sdiag_family = (uint8_t)family;
	req->sdiag_protocol = proto_number[proto];
	req->idiag_states = 1U << state_wanted(proto);
	return nlmsg_dump_once(scan.view[side].diag_fd, &m, &rd);
}

static int dump_diag(enum flow_side_name side, unsigned proto)
{
	int rc;

	if (scan.view[side].diag_fd < 0)
		return -ENOENT;
	rc = dump_family(side, proto, AF_INET);
	if (rc)
		return rc;
	rc = dump_family(side, proto, AF_INET6);
	return rc == -ENOENT ? 0 : rc;	/* no IPv6 in this kernel */
}

/* By /proc/net */

static void dump_line(const struct procnet_sock *s, void *arg)
{
	const struct dump_arg *p = arg;

	if (s->state == state_wanted(p->proto))
		table_add(p->side, p->proto, &s->addr, 0, s->port);
}

static int dump_proc(enum flow_side_name side, unsigned proto)
{
	const struct port_table *t = &scan.view[side].table[proto];
	struct dump_arg arg = { side, proto };
	int rc = -ENOENT;

	for (enum family f = V4; f < FAMILIES; f++) {
		if (t->proc_fd[f] < 0)
			continue;
		rc = procnet_read(t->proc_fd[f], f, dump_line, &arg);
		if (rc)
			break;
	}
	return rc;
}

static int dump(enum flow_side_name side, unsigned proto)
{
	struct port_table *t = &scan.view[side].table[proto];
	int rc = -ENOENT;

	if (!t->no_diag)
		rc = dump_diag(side, proto);
	if (rc == -ENOENT) {
		t->no_diag = true;
		rc = dump_proc(side, proto);
	}
	return rc;
}

/* Read a table anew. True: it differs. */
static bool table_dump(enum flow_side_name side, unsigned proto)
{
	static uint8_t before[SCAN_PORTS / 8];
	struct port_table *t = &scan.view[side].table[proto];
	int rc;

	memcpy(before, t->port, sizeof(before));
	memset(t->port, 0, sizeof(t->port));
	t->stale = false;
	rc = dump(side, proto);
	if (rc) {
		/* A part is worth nothing: once more, next time */
		debug("Couldn't list sockets: %s", strerror(-rc));
		memcpy(t->port, before, sizeof(before));
		t->stale = true;
	}
	return memcmp(t->port, before, sizeof(before)) != 0;
}

/* ---- Following ---- */

static bool is_listening(const struct view *v, uint8_t proto, unsigned port)
{
	uint8_t byte = v->table[TCP].port[port / 8];

	if (proto == PROTO_UDP)
		byte |= v->table[UDP].port[port / 8];
	return byte >> port % 8 & 1;
}

/* A rule looks at what listens on the other side: TCP, and for UDP both */
static void want_tables(const struct fwd_slot *s)
{
	struct view *v = &scan.view[!s->side];
	bool udp = s->rule.proto == PROTO_UDP;

	for (unsigned p = TCP; p <= (udp ? UDP : TCP); p++) {
		struct port_table *t = &v->table[p];

		t->stale |= !t->wanted;
		t->wanted = true;
	}
	if (v->open && !timer_is_armed(&scan.timer))
		timer_set(&scan.timer, TIMER_FWD, loop_now());
}

static bool follow_wants(const struct fwd_slot *s, uint16_t port)
{
	const struct fwd_rule *r = &s->rule;

	want_tables(s);
	return is_listening(&scan.view[!s->side], r->proto,
			    r->to + (unsigned)(port - r->first));
}

/* A port of a service: opened, closed, or it can't be had */
static void follow_tell(void *arg, const struct fwd_slot *s, uint16_t port,
			int rc)
{
	bool udp = s->rule.proto == PROTO_UDP;
	uint8_t *told = &scan.told[s->side][udp ? UDP : TCP][port / 8];
	uint8_t bit = (uint8_t)(1 << port % 8);

	(void)arg;
	if (rc >= 0) {
		debug("%s port %u: %s", udp ? "UDP" : "TCP", port,
		      rc ? "automatic" : "nobody listens any more");
		*told &= (uint8_t)~bit;
		return;
	}
	scan.missed = true;
	if (!(*told & bit))
		info_limited("%s port %u isn't forwarded: %s",
			     udp ? "UDP" : "TCP", port, strerror(-rc));
	*told |= bit;
}

static void automatic_rules(void (*fn)(const struct fwd_slot *s))
{
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		const struct fwd_slot *s = NULL;

		while ((s = fwd_table_next(side, s))) {
			if (s->rule.flags & FWD_AUTO)
				fn(s);
		}
	}
}

static void follow(void)
{
	scan.missed = false;
	automatic_rules(fwd_table_touch);
	listen_sync(follow_tell, NULL);
}

/* Dump what is stale as long as it is paid for */
static void scan_stale(void)
{
	int64_t before = loop_cpu_time().us;
	bool changed = false, dumped = false;

	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		for (unsigned p = 0; p < PROTOS; p++) {
			if (!scan.view[side].table[p].stale ||
			    scan.credit_us <= 0)
				continue;
			changed |= table_dump(side, p);
			dumped = true;
		}
	}
	if (changed || (dumped && scan.missed))
		follow();
	scan.credit_us -= loop_cpu_time().us - before;
}

static void scan_pay(mono_t now)
{
	scan.credit_us += mono_sub(now, scan.paid).us / SCAN_SHARE;
	scan.credit_us = MIN(scan.credit_us, SCAN_CREDIT_MAX_US);
	scan.paid = now;
}

static void scan_run(void)
{
	mono_t start = loop_now();
	bool full = !mono_before(start, mono_add(scan.full, DUR_S(SCAN_FULL_S)));

	scan_pay(start);
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		struct view *v = &scan.view[side];

		if (!v->open)
			continue;
		view_look(v);
		for (unsigned p = 0; p < PROTOS; p++)
			v->table[p].stale |= full && v->table[p].wanted;
	}
	if (full)
		scan.full = start;
	scan_stale();
	loop_update_now();
}

/* The last automatic rule has gone: what is known grows old */
static void scan_rest(void)
{
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		for (unsigned p = 0; p < PROTOS; p++)
			scan.view[side].table[p].wanted = false;
	}
}

static void scan_timer(struct timer *t)
{
	if (!fwd_table_automatic(HOST) && !fwd_table_automatic(GUEST)) {
		scan_rest();
		return;
	}
	scan_run();
	timer_set(t, TIMER_FWD,
		  mono_add(loop_now(), DUR_MS(SCAN_INTERVAL_MS)));
}

/* ---- Start ---- */

/* In the namespace that it is to look at */
static int view_open(void *arg)
{
	static const char *const name[PROTOS][FAMILIES] = {
		[TCP] = { "/proc/net/tcp", "/proc/net/tcp6" },
		[UDP] = { "/proc/net/udp", "/proc/net/udp6" },
	};
	struct view *v = arg;

	v->stat_fd[V4] = open("/proc/net/sockstat", O_RDONLY | O_CLOEXEC);
	v->stat_fd[V6] = open("/proc/net/sockstat6", O_RDONLY | O_CLOEXEC);
	v->diag_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			    NETLINK_SOCK_DIAG);
	for (unsigned p = 0; p < PROTOS; p++) {
		for (enum family f = V4; f < FAMILIES; f++)
			v->table[p].proc_fd[f] = open(name[p][f], O_RDONLY |
						      O_CLOEXEC);
	}
	return v->diag_fd < 0 && v->table[TCP].proc_fd[V4] < 0 ? -errno : 0;
}

void portscan_open(const struct conf *c)
{
	scan.conf = c;
	for (unsigned side = 0; side < FLOW_SIDES; side++) {
		struct view *v = &scan.view[side];
		int rc = 0;

		*v = (struct view){ .stat_fd = { -1, -1 }, .diag_fd = -1 };
		if (!fwd_table_automatic(!side) && !conf_is_controlled(c))
			continue;
		rc = side == GUEST ? netns_run(view_open, v) : view_open(v);
		v->open = !rc;
		if (rc)
			warn("No automatic ports: couldn't ask for sockets: %s",
			     strerror(-rc));
	}
}

void portscan_start(void)
{
	if (!scan.view[HOST].open && !scan.view[GUEST].open)
		return;
	scan.credit_us = SCAN_CREDIT_MAX_US;
	scan.paid = loop_now();
	scan.full = loop_now();
	timer_set_handler(TIMER_FWD, scan_timer);
	listen_set_auto(follow_wants);
	automatic_rules(want_tables);
	scan_timer(&scan.timer);
}

void portscan_stop(void)
{
	timer_cancel(&scan.timer);
}
