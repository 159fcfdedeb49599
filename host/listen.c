// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: listening sockets follow the forwarding rules
 *
 * Data: a static table, one entry for each rule and port, and for each side,
 * protocol and port the chain of its listeners. Whose they are once they are
 * open (tcp.c, udp.c) is told by listen_attach().
 *
 * Flow: plain rules are opened at the start. Those of automatic rules come and
 * go by listen_add() and listen_remove(), which portscan.c calls.
 */
#include "host/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "host/sock.h"
#include "util.h"
#include "util/log.h"
#include "util/wire.h"

/* All ports of each protocol on a few addresses, for each direction */
enum {
	LISTEN_MAX	= 2 * FWD_SOCKETS_MAX,
	LISTEN_PROTOS	= 2,
	LISTEN_PORTS	= UINT16_MAX + 1,
	LISTEN_MANY	= 100,		/* fewer fail soon enough by themselves */
	LISTEN_SPARE	= 64,		/* descriptors beside those of many */
	LISTEN_FEW_FILES = 1024,	/* worth a warning */
	MISSED_LEN	= 512,
	MISSED_ITEM	= 128,
};

static struct {
	uint32_t high, free_head;	/* indices + 1, 0: none */
	bool over;			/* none is opened any more */
	struct listen_user user[LISTEN_PROTOS];
	uint32_t by_port[FLOW_SIDES][LISTEN_PROTOS][LISTEN_PORTS];
	uint16_t outbound[LISTEN_PORTS];	/* UDP sockets of ours */
	struct listener entry[LISTEN_MAX];
} listeners;

static unsigned proto_index(uint8_t proto)
{
	return proto == PROTO_UDP;
}

static uint32_t *listen_chain(enum flow_side_name side, uint8_t proto,
			      uint16_t port)
{
	return &listeners.by_port[side][proto_index(proto)][port];
}

static const char *listen_proto(const struct fwd_rule *r)
{
	return r->proto == PROTO_TCP ? "TCP" : "UDP";
}

__attribute__((noreturn))
static void listen_refused(const struct fwd_rule *r, enum flow_side_name side,
			   uint16_t port, int rc)
{
	const char *where = r->flags & FWD_DUAL ? "*" : ADDR_STR(&r->listen);

	err("Listen failed for %s %s port %s%s%s/%u: %s",
	    side == HOST ? "HOST" : "SPLICE", listen_proto(r), where,
	    *r->ifname ? "%" : "", r->ifname, port, strerror(-rc));
	switch (rc) {
	case -EACCES:
		err("Ports below net.ipv4.ip_unprivileged_port_start need "
		    "CAP_NET_BIND_SERVICE");
		break;
	case -EPERM:
		if (*r->ifname)
			err("Device binding for '%s' unsupported "
			    "(requires kernel 5.7+)", r->ifname);
		break;
	case -EMFILE:
	case -ENFILE:
		err("Too many ports for the limit of open files: raise it "
		    "(ulimit -Hn) or forward fewer ports");
		break;
	}
	die("Couldn't listen on requested ports");
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

/* Index of a new listener, which nobody has been told of; or -errno */
static int listen_new(const struct fwd_rule *r, enum flow_side_name side,
		      uint16_t port)
{
	uint32_t *chain = listen_chain(side, r->proto, port);
	struct listener *l;
	int fd;

	l = listen_alloc();
	if (!l)
		return -ENFILE;
	fd = sock_listen(r, port, side == GUEST);
	if (fd < 0) {
		listen_recycle(l);
		return fd;
	}
	l->fd = fd;
	l->rule = r;
	l->port = port;
	l->side = (uint8_t)side;
	l->next = *chain;
	*chain = (uint32_t)(l - listeners.entry) + 1;
	return (int)(l - listeners.entry);
}

/* Ports that can't be had, where that's no failure: told in one line, as ranges */
struct missed {
	char text[MISSED_LEN];
	size_t len;
	bool more;			/* than fit in the text */
	unsigned count;

	const struct fwd_rule *rule;	/* range that goes on */
	unsigned first, last;
	int rc;
	uint8_t proto;			/* of what is in the text */
};

static void missed_end_range(struct missed *m)
{
	char item[MISSED_ITEM], range[16];
	const char *proto = "";
	int len;

	if (!m->rule)
		return;
	if (m->proto != m->rule->proto)
		proto = m->rule->proto == PROTO_TCP ? "TCP " : "UDP ";
	snprintf(range, sizeof(range), m->first == m->last ? "%u" : "%u-%u",
		 m->first, m->last);
	len = snprintf(item, sizeof(item), "%s%s%s (%s)", m->len ? ", " : "",
		       proto, range, strerror(-m->rc));
	m->more |= m->len + (size_t)len >= sizeof(m->text);
	if (!m->more) {
		memcpy(m->text + m->len, item, (size_t)len + 1);
		m->len += (size_t)len;
		m->proto = m->rule->proto;
	}
	m->rule = NULL;
}

static void missed_add(struct missed *m, const struct fwd_rule *r,
		       unsigned port, int rc)
{
	if (m->rule && (m->rule->proto != r->proto || m->rc != rc ||
			m->last + 1 != port))
		missed_end_range(m);
	if (!m->rule)
		m->first = port;
	m->rule = r;
	m->last = port;
	m->rc = rc;
	m->count++;
}

/* Ports opened. Dies if one of a plain range can't be had, or if there are no
 * descriptors left to work with.
 */
static unsigned listen_rule(const struct fwd_rule *r, enum flow_side_name side,
			    struct missed *missed)
{
	unsigned opened = 0;

	for (unsigned port = r->first; port <= r->last; port++) {
		int rc = listen_new(r, side, (uint16_t)port);

		if (rc >= 0)
			opened++;
		else if (!(r->flags & FWD_WEAK) || is_out_of_files(rc))
			listen_refused(r, side, (uint16_t)port, rc);
		else
			missed_add(missed, r, port, rc);
	}
	return opened;
}

static unsigned listen_count(const struct fwd_rules *rules)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rules->count; i++) {
		const struct fwd_rule *r = &rules->rule[i];

		if (!(r->flags & FWD_AUTO))
			n += r->last - r->first + 1U;
	}
	return n;
}

/* Say so at once: rather than after some ten thousand ports, or when connections
 * are refused later
 */
static void listen_check_limit(const struct conf *c)
{
	unsigned n = listen_count(&c->fwd_in) + listen_count(&c->fwd_out);
	unsigned long long files;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	files = limit.rlim_cur;
	if (n >= LISTEN_MANY && files <= n + LISTEN_SPARE)
		die("%u ports to forward need as many descriptors, and the limit is %llu open files: raise it (ulimit -Hn) or forward fewer ports",
		    n, files);
	if (files < LISTEN_FEW_FILES)
		warn("The limit of %llu open files leaves room for few connections at a time: raise it (ulimit -Hn) for more",
		     files);
}

void listen_open(const struct conf *c, enum flow_side_name side)
{
	const struct fwd_rules *rules = side == HOST ? &c->fwd_in : &c->fwd_out;
	struct missed missed = { .count = 0 };
	const struct fwd_rule *empty = NULL;
	unsigned opened = 0;

	if (side == HOST)
		listen_check_limit(c);

	/* "all" and exclusions fall into several rules: some may get nothing */
	for (unsigned i = 0; i < rules->count; i++) {
		const struct fwd_rule *r = &rules->rule[i];

		if (r->flags & FWD_AUTO)
			continue;
		opened += listen_rule(r, side, &missed);
		empty = empty ? empty : r;
	}
	if (empty && !opened)
		listen_refused(empty, side, empty->first, missed.rc);

	missed_end_range(&missed);
	if (missed.count)
		warn("Couldn't listen on %u of %u ports: %s%s", missed.count,
		     missed.count + opened, missed.text,
		     missed.more ? " and others" : "");
}

void listen_attach(uint8_t proto, const struct listen_user *user)
{
	listeners.user[proto_index(proto)] = *user;
	for (uint32_t i = 0; i < listeners.high; i++) {
		struct listener *l = &listeners.entry[i];
		int rc;

		if (l->fd < 0 || l->rule->proto != proto)
			continue;
		rc = user->opened(i);
		if (rc < 0)
			die("Couldn't watch %s port %u: %s",
			    listen_proto(l->rule), l->port, strerror(-rc));
		l->user = (uint32_t)rc;
	}
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
	close_fd(&l->fd);
	listen_recycle(l);
}

int listen_add(const struct fwd_rule *r, enum flow_side_name side,
	       uint16_t port)
{
	const struct listen_user *user = &listeners.user[proto_index(r->proto)];
	int rc = listeners.over ? -ESHUTDOWN : listen_new(r, side, port);
	int index = rc;

	if (rc < 0)
		return rc;
	rc = user->opened((uint32_t)index);
	if (rc < 0) {
		listen_close(&listeners.entry[index]);
		return rc;
	}
	listeners.entry[index].user = (uint32_t)rc;
	return index;
}

void listen_remove(uint32_t index)
{
	struct listener *l = &listeners.entry[index];
	const struct listen_user *user;

	if (listeners.over)
		return;
	assert(index < listeners.high && l->fd >= 0);
	user = &listeners.user[proto_index(l->rule->proto)];
	if (user->closed)
		user->closed(index);
	listen_close(l);
}

void listen_close_all(void)
{
	for (uint32_t i = 0; i < listeners.high; i++) {
		if (listeners.entry[i].fd >= 0)
			listen_remove(i);
	}
	listeners.over = true;
}

int listen_find(const struct fwd_rule *r, enum flow_side_name side,
		uint16_t port)
{
	uint32_t at = *listen_chain(side, r->proto, port);

	while (at && listeners.entry[at - 1].rule != r)
		at = listeners.entry[at - 1].next;
	return (int)at - 1;
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
