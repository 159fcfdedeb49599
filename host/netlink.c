// SPDX-License-Identifier: GPL-2.0-or-later
/* rtnetlink: what the host's network looks like, and making the guest's so
 *
 * Role: ask the kernel (dumps) and tell it (requests with acknowledgement);
 * nobody else speaks netlink to route and link tables.
 *
 * Data: two static buffers. `rx` receives one part of a dump and is worth
 * nothing after the call; `routes` keeps the routes that are being copied.
 * Both are untouched pages on most machines.
 *
 * Flow of nl_routes_copy():
 * 1. Dump the host's table of the family; keep what is unicast, in the main
 *    table, and leaves by the template interface. Each is rewritten on the fly
 *    into a request for the guest: attributes on a list of what is safe to
 *    copy, the interface replaced, next hops of other interfaces left out.
 * 2. Send all of them, again and again while that adds at least one: a route
 *    by a gateway needs the route to that gateway, wherever it is in the list.
 * 3. What is left has a gateway that nothing leads to. We answer ARP and
 *    neighbour solicitations for every address, so it is truly on the link:
 *    say so.
 *
 * Invariants: a dump's callback may send requests by another socket, as an
 * acknowledgement has a buffer of its own; it may not start another dump.
 *
 * Why not the kernel's RTM_GETROUTE for one destination, instead of the whole
 * table: it tells which route a packet would take now, by policy rules and
 * marks, not which interface has a default route.
 */
#include "host/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

enum {
	LO_IFI		= 1,		/* `lo` in every namespace */
	MSG_BODY_MAX	= 2048,
	ACK_MAX		= 1024,
	RX_MAX		= 64 * 1024,	/* the kernel fills up to 32 KiB */
	ROUTES_MAX	= 1024 * 1024,
	HOPS_MAX	= 32,
	SEEN_MAX	= 64,
};

/* A request being put together */
struct msg {
	struct nlmsghdr nh;
	uint8_t body[MSG_BODY_MAX];
};

/* Next hop of a route, as far as we care */
struct hop {
	unsigned ifi, weight;
	bool dead;
	struct addr gw;
};

typedef int (*dump_fn)(struct nlmsghdr *nh, void *arg);

static struct {
	uint32_t seq;
	_Alignas(NLMSG_ALIGNTO) uint8_t rx[RX_MAX];
	_Alignas(NLMSG_ALIGNTO) uint8_t routes[ROUTES_MAX];
} nl;

static uint8_t family_af(enum family f)
{
	return f == V4 ? AF_INET : AF_INET6;
}

static size_t family_addr_len(enum family f)
{
	return f == V4 ? 4 : 16;
}

static const void *addr_raw(const struct addr *a)
{
	return addr_is_v4(a) ? addr_v4_bytes(a) : a->b;
}

/* Requests */

static void *msg_init(struct msg *m, uint16_t type, uint16_t flags,
		      size_t fixed_len)
{
	memset(m, 0, sizeof(m->nh) + NLMSG_ALIGN(fixed_len));
	m->nh.nlmsg_type = type;
	m->nh.nlmsg_flags = NLM_F_REQUEST | flags;
	m->nh.nlmsg_len = NLMSG_LENGTH(fixed_len);
	return m->body;
}

/* Append an attribute; what doesn't fit is told by msg_full() in the end */
static struct rtattr *msg_put(struct msg *m, uint16_t type, const void *data,
			      size_t len)
{
	size_t at = NLMSG_ALIGN(m->nh.nlmsg_len);
	struct rtattr *a;

	if (at + RTA_SPACE(len) > sizeof(*m)) {
		m->nh.nlmsg_len = sizeof(*m) + 1;
		return NULL;
	}

	a = (struct rtattr *)(void *)((char *)m + at);
	memset(a, 0, RTA_SPACE(len));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->nh.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
	return a;
}

static void msg_put_u32(struct msg *m, uint16_t type, uint32_t v)
{
	msg_put(m, type, &v, sizeof(v));
}

static void msg_put_addr(struct msg *m, uint16_t type, const struct addr *a)
{
	msg_put(m, type, addr_raw(a), family_addr_len(addr_family(a)));
}

/* Open and close an attribute that contains others */
static struct rtattr *msg_nest(struct msg *m, uint16_t type)
{
	return msg_put(m, type, NULL, 0);
}

static void msg_nest_end(struct msg *m, struct rtattr *a)
{
	if (a && m->nh.nlmsg_len <= sizeof(*m))
		a->rta_len = (uint16_t)((char *)m + m->nh.nlmsg_len -
					(char *)a);
}

static int msg_send(int fd, struct nlmsghdr *nh)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	if (nh->nlmsg_len > sizeof(struct msg))
		return -EMSGSIZE;

	nh->nlmsg_seq = ++nl.seq;
	do {
		n = sendto(fd, nh, nh->nlmsg_len, 0,
			   (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : 0;
}

static ssize_t msg_recv(int fd, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buf, size, MSG_TRUNC);
	} while (n < 0 && errno == EINTR);

	if (n < 0)
		return -errno;
	return (size_t)n > size ? -EMSGSIZE : n;
}

/* Send a request that changes something, wait for its outcome */
static int msg_talk(int fd, struct nlmsghdr *nh)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[ACK_MAX];
	int rc;

	nh->nlmsg_flags |= NLM_F_ACK;
	rc = msg_send(fd, nh);
	if (rc)
		return rc;

	for (;;) {
		struct nlmsghdr *ack = (void *)buf;
		const struct nlmsgerr *e = NLMSG_DATA(ack);
		ssize_t n = msg_recv(fd, buf, sizeof(buf));

		if (n < 0)
			return (int)n;
		if (!NLMSG_OK(ack, n) || ack->nlmsg_seq != nh->nlmsg_seq ||
		    ack->nlmsg_type != NLMSG_ERROR ||
		    ack->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
			continue;
		return e->error;
	}
}

/* Send a dump request, call fn() for each answer until it returns non-zero,
 * which is returned in the end
 */
static int msg_dump(int fd, struct msg *m, dump_fn fn, void *arg)
{
	int rc, fn_rc = 0;

	m->nh.nlmsg_flags |= NLM_F_DUMP;
	rc = msg_send(fd, &m->nh);
	if (rc)
		return rc;

	for (;;) {
		struct nlmsghdr *nh = (void *)nl.rx;
		ssize_t left = msg_recv(fd, nl.rx, sizeof(nl.rx));

		if (left < 0)
			return (int)left;

		for (; NLMSG_OK(nh, left); nh = NLMSG_NEXT(nh, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(nh);

			if (nh->nlmsg_seq != m->nh.nlmsg_seq)
				continue;
			if (nh->nlmsg_type == NLMSG_DONE)
				return fn_rc;
			if (nh->nlmsg_type == NLMSG_ERROR)
				return e->error;
			if (!fn_rc)
				fn_rc = fn(nh, arg);
		}
	}
}

/* Attributes 0-max behind a fixed header, by type; NULL if absent */
static void attrs_parse(struct nlmsghdr *nh, size_t fixed_len,
			struct rtattr **tb, unsigned max)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)NLMSG_DATA(nh) +
						     NLMSG_ALIGN(fixed_len));
	ssize_t left = (ssize_t)nh->nlmsg_len -
		       (ssize_t)NLMSG_SPACE(fixed_len);

	memset(tb, 0, sizeof(*tb) * (max + 1));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type <= max)
			tb[type] = a;
	}
}

static uint32_t attr_u32(struct rtattr *a, uint32_t fallback)
{
	uint32_t v;

	if (!a || RTA_PAYLOAD(a) < sizeof(v))
		return fallback;
	memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

/* Address from an attribute; none if it is absent or of another family */
static struct addr attr_addr(struct rtattr *a, enum family f)
{
	if (!a || RTA_PAYLOAD(a) < family_addr_len(f))
		return (struct addr){ 0 };
	return f == V4 ? addr_from_v4(RTA_DATA(a)) : addr_from_v6(RTA_DATA(a));
}

/* Routes */

/* Is this a route that people see and mean: unicast, main table, not a cache
 * entry? Fills in tb.
 */
static bool route_usable(struct nlmsghdr *nh, enum family f,
			 struct rtattr **tb)
{
	const struct rtmsg *rt = NLMSG_DATA(nh);

	if (nh->nlmsg_type != RTM_NEWROUTE ||
	    nh->nlmsg_len < NLMSG_LENGTH(sizeof(*rt)))
		return false;

	attrs_parse(nh, sizeof(*rt), tb, RTA_MAX);
	return rt->rtm_family == family_af(f) &&
	       rt->rtm_type == RTN_UNICAST &&
	       !(rt->rtm_flags & RTM_F_CLONED) &&
	       attr_u32(tb[RTA_TABLE], rt->rtm_table) == RT_TABLE_MAIN;
}

static struct rtattr *hop_attr(struct rtnexthop *nh, uint16_t type)
{
	struct rtattr *a = RTNH_DATA(nh);
	int left = nh->rtnh_len - (int)RTNH_LENGTH(0);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == type)
			return a;
	}
	return NULL;
}

/* The next hops of a route, at most HOPS_MAX of them; returns how many */
static unsigned route_hops(struct nlmsghdr *msg, struct rtattr **tb,
			   enum family f, struct hop *hop)
{
	const struct rtmsg *rt = NLMSG_DATA(msg);
	struct rtnexthop *nh;
	unsigned n = 0;
	int left;

	if (!tb[RTA_MULTIPATH]) {
		hop[0] = (struct hop){
			.ifi = attr_u32(tb[RTA_OIF], 0), .weight = 1,
			.dead = rt->rtm_flags & RTNH_F_DEAD,
			.gw = attr_addr(tb[RTA_GATEWAY], f),
		};
		return 1;
	}

	nh = RTA_DATA(tb[RTA_MULTIPATH]);
	left = (int)RTA_PAYLOAD(tb[RTA_MULTIPATH]);
	while (RTNH_OK(nh, left) && n < HOPS_MAX) {
		hop[n++] = (struct hop){
			.ifi = (unsigned)nh->rtnh_ifindex,
			.weight = nh->rtnh_hops + 1u,
			.dead = nh->rtnh_flags & RTNH_F_DEAD,
			.gw = attr_addr(hop_attr(nh, RTA_GATEWAY), f),
		};
		left -= (int)NLMSG_ALIGN(nh->rtnh_len);
		nh = RTNH_NEXT(nh);
	}
	return n;
}

/* Interfaces met so far: counts each of them once */
struct seen {
	unsigned ifi[SEEN_MAX];
	unsigned count;
};

static void seen_add(struct seen *s, unsigned ifi)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (s->ifi[i] == ifi)
			return;
	}
	if (s->count < SEEN_MAX)
		s->ifi[s->count++] = ifi;
}

/* State of the search for a template interface */
struct pick {
	enum family f;
	unsigned want;			/* the interface asked for; 0: any */

	bool have_default;
	struct hop def;			/* best hop of first default route */
	unsigned other;			/* first with another route */
	struct seen defaults, others;
};

/* Best live hop that may be used: by weight, then by order; NULL if none */
static const struct hop *pick_hop(const struct pick *p, const struct hop *hop,
				  unsigned n)
{
	const struct hop *best = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (hop[i].dead || !hop[i].ifi)
			continue;
		if (p->want ? hop[i].ifi != p->want : hop[i].ifi == LO_IFI)
			continue;
		if (!best || hop[i].weight > best->weight)
			best = &hop[i];
	}
	return best;
}

static int pick_route(struct nlmsghdr *nh, void *arg)
{
	const struct rtmsg *rt = NLMSG_DATA(nh);
	struct rtattr *tb[RTA_MAX + 1];
	struct hop hop[HOPS_MAX];
	const struct hop *best;
	struct pick *p = arg;
	struct addr dst;

	if (!route_usable(nh, p->f, tb) || rt->rtm_src_len)
		return 0;

	best = pick_hop(p, hop, route_hops(nh, tb, p->f, hop));
	if (!best)
		return 0;

	if (!rt->rtm_dst_len) {
		if (!p->have_default)
			p->def = *best;
		p->have_default = true;
		seen_add(&p->defaults, best->ifi);
		return 0;
	}

	dst = attr_addr(tb[RTA_DST], p->f);
	if (addr_is_linklocal(&dst) || addr_is_multicast(&dst))
		return 0;
	if (!p->other)
		p->other = best->ifi;
	seen_add(&p->others, best->ifi);
	return 0;
}

/* Dump routes: older kernels give those of all tables and types */
static int routes_dump(int fd, enum family f, dump_fn fn, void *arg)
{
	struct rtmsg *rt;
	struct msg m;

	rt = msg_init(&m, RTM_GETROUTE, 0, sizeof(*rt));
	rt->rtm_family = family_af(f);
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	return msg_dump(fd, &m, fn, arg);
}

/* Addresses */

/* Flags of an address: those of 32 bits if the kernel gives them */
static uint32_t addr_flags(const struct ifaddrmsg *ifa, struct rtattr **tb)
{
	return attr_u32(tb[IFA_FLAGS], ifa->ifa_flags);
}

static bool addr_message(struct nlmsghdr *nh, enum family f,
			 unsigned ifi, struct rtattr **tb)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);

	if (nh->nlmsg_type != RTM_NEWADDR ||
	    nh->nlmsg_len < NLMSG_LENGTH(sizeof(*ifa)) ||
	    ifa->ifa_family != family_af(f) || ifa->ifa_index != ifi)
		return false;

	attrs_parse(nh, sizeof(*ifa), tb, IFA_MAX);
	return true;
}

/* The interface's own address: IFA_ADDRESS is the peer's if there is one */
static struct addr addr_local(struct rtattr **tb, enum family f)
{
	return attr_addr(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], f);
}

static int addrs_dump(int fd, enum family f, unsigned ifi, dump_fn fn,
		      void *arg)
{
	struct ifaddrmsg *ifa;
	struct msg m;

	ifa = msg_init(&m, RTM_GETADDR, 0, sizeof(*ifa));
	ifa->ifa_family = family_af(f);
	ifa->ifa_index = ifi;
	return msg_dump(fd, &m, fn, arg);
}

/* Search for the address the guest gets; the lower the rank the better */
struct pick_addr {
	enum family f;
	unsigned ifi;
	int rank;			/* of addr; 0: none found yet */
	struct addr addr;
	unsigned prefix_len;
	struct addr ll;
};

static int pick_address(struct nlmsghdr *nh, void *arg)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	struct rtattr *tb[IFA_MAX + 1];
	struct pick_addr *p = arg;
	struct addr a;
	uint32_t flags;
	int rank = 1;

	if (!addr_message(nh, p->f, p->ifi, tb))
		return 0;

	a = addr_local(tb, p->f);
	flags = addr_flags(ifa, tb);
	if (!addr_is_unicast(&a) || (flags & IFA_F_DADFAILED))
		return 0;

	if (p->f == V6 && addr_is_linklocal(&a)) {
		if (addr_is_none(&p->ll))
			p->ll = a;
		return 0;
	}

	if (flags & IFA_F_DEPRECATED)
		return 0;

	/* Temporary ones go away while the guest runs, and link scope is for
	 * talking to neighbours: both only if there is nothing else.
	 */
	if (p->f == V6 && (flags & IFA_F_TEMPORARY))
		rank = 2;
	if (ifa->ifa_scope >= RT_SCOPE_LINK)
		rank = 3;
	if (p->rank && p->rank <= rank)
		return 0;

	p->rank = rank;
	p->addr = a;
	p->prefix_len = ifa->ifa_prefixlen;
	return 0;
}

/* Copying */

struct copy_addrs {
	const struct nl_copy *cp;
	bool keep_noprefix;
	int copied;
};

static int copy_addr(struct nlmsghdr *nh, void *arg)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	struct rtattr *tb[IFA_MAX + 1];
	struct copy_addrs *ca = arg;
	const struct nl_copy *cp = ca->cp;
	uint32_t had, flags = 0;
	struct ifaddrmsg *to;
	struct addr a;
	struct msg m;
	int rc;

	if (!addr_message(nh, cp->family, cp->from_ifi, tb))
		return 0;

	a = addr_local(tb, cp->family);
	had = addr_flags(ifa, tb);
	if (addr_is_none(&a) || ifa->ifa_scope >= RT_SCOPE_LINK ||
	    addr_is_linklocal(&a) ||
	    (had & (IFA_F_DEPRECATED | IFA_F_DADFAILED)))
		return 0;

	if (cp->family == V6)
		flags |= IFA_F_NODAD;
	if (ca->keep_noprefix)
		flags |= had & IFA_F_NOPREFIXROUTE;

	to = msg_init(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*to));
	to->ifa_family = ifa->ifa_family;
	to->ifa_prefixlen = ifa->ifa_prefixlen;
	to->ifa_scope = ifa->ifa_scope;
	to->ifa_index = cp->to_ifi;
	msg_put_addr(&m, IFA_LOCAL, &a);
	for (unsigned i = 0; i <= IFA_MAX; i++) {
		if (tb[i] && (i == IFA_ADDRESS || i == IFA_BROADCAST ||
			      i == IFA_RT_PRIORITY))
			msg_put(&m, (uint16_t)i, RTA_DATA(tb[i]),
				RTA_PAYLOAD(tb[i]));
	}
	msg_put_u32(&m, IFA_FLAGS, flags);

	rc = msg_talk(cp->to_fd, &m.nh);
	if (rc && rc != -EEXIST)
		return rc;
	ca->copied++;
	return 0;
}

/* Requests for the guest's routes, one after the other in nl.routes */
struct copy_routes {
	const struct nl_copy *cp;
	size_t len;			/* bytes of nl.routes in use */
	unsigned lost;			/* didn't fit */
};

/* Put the hops of a multipath route which use the template interface; with
 * only one of them it becomes an ordinary route. False if none is left.
 */
static bool copy_hops(const struct nl_copy *cp, struct rtattr *mp,
		      struct msg *m)
{
	static const uint16_t copied[] = { RTA_GATEWAY, RTA_VIA };
	struct rtnexthop *nh, *mine = NULL;
	struct rtnexthop to = { 0 };
	struct rtattr *nest, *a;
	unsigned count = 0;
	int left;

	nh = RTA_DATA(mp);
	for (left = (int)RTA_PAYLOAD(mp); RTNH_OK(nh, left);
	     left -= (int)NLMSG_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		if ((unsigned)nh->rtnh_ifindex != cp->from_ifi ||
		    hop_attr(nh, RTA_ENCAP))
			continue;
		mine = nh;
		count++;
	}

	if (count <= 1) {
		for (unsigned i = 0; mine && i < ARRAY_SIZE(copied); i++) {
			a = hop_attr(mine, copied[i]);
			if (a)
				msg_put(m, a->rta_type, RTA_DATA(a),
					RTA_PAYLOAD(a));
		}
		msg_put_u32(m, RTA_OIF, cp->to_ifi);
		return count;
	}

	nest = msg_nest(m, RTA_MULTIPATH);
	nh = RTA_DATA(mp);
	for (left = (int)RTA_PAYLOAD(mp); nest && RTNH_OK(nh, left);
	     left -= (int)NLMSG_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		/* The one before may end in an RTA_VIA of 18 bytes */
		size_t at = NLMSG_ALIGN(m->nh.nlmsg_len);

		if ((unsigned)nh->rtnh_ifindex != cp->from_ifi ||
		    hop_attr(nh, RTA_ENCAP))
			continue;
		if (at + sizeof(to) > sizeof(*m))
			return false;

		m->nh.nlmsg_len = (uint32_t)(at + sizeof(to));
		for (unsigned i = 0; i < ARRAY_SIZE(copied); i++) {
			a = hop_attr(nh, copied[i]);
			if (a)
				msg_put(m, a->rta_type, RTA_DATA(a),
					RTA_PAYLOAD(a));
		}
		to.rtnh_len = (uint16_t)(m->nh.nlmsg_len - at);
		to.rtnh_flags = nh->rtnh_flags & RTNH_F_ONLINK;
		to.rtnh_hops = nh->rtnh_hops;
		to.rtnh_ifindex = (int)cp->to_ifi;
		memcpy((char *)m + at, &to, sizeof(to));
	}
	msg_nest_end(m, nest);
	return true;
}

static int copy_route(struct nlmsghdr *nh, void *arg)
{
	static const uint8_t copied[RTA_MAX + 1] = {
		[RTA_DST] = 1, [RTA_SRC] = 1, [RTA_PRIORITY] = 1,
		[RTA_METRICS] = 1, [RTA_PREF] = 1, [RTA_FLOW] = 1,
		[RTA_GATEWAY] = 1, [RTA_VIA] = 1,
	};
	const struct rtmsg *rt = NLMSG_DATA(nh);
	struct rtattr *tb[RTA_MAX + 1];
	struct copy_routes *cr = arg;
	const struct nl_copy *cp = cr->cp;
	struct rtmsg *to;
	struct msg m;

	/* A tunnel's encapsulation belongs to the host's end of it */
	if (!route_usable(nh, cp->family, tb) || tb[RTA_ENCAP] ||
	    (!tb[RTA_MULTIPATH] &&
	     attr_u32(tb[RTA_OIF], 0) != cp->from_ifi))
		return 0;

	to = msg_init(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*to));
	*to = *rt;
	to->rtm_table = RT_TABLE_MAIN;
	to->rtm_flags = rt->rtm_flags & RTNH_F_ONLINK;
	for (unsigned i = 0; i <= RTA_MAX; i++) {
		if (tb[i] && copied[i])
			msg_put(&m, (uint16_t)i, RTA_DATA(tb[i]),
				RTA_PAYLOAD(tb[i]));
	}
	if (!tb[RTA_MULTIPATH])
		msg_put_u32(&m, RTA_OIF, cp->to_ifi);
	else if (!copy_hops(cp, tb[RTA_MULTIPATH], &m))
		return 0;

	if (m.nh.nlmsg_len > sizeof(m) ||
	    cr->len + NLMSG_ALIGN(m.nh.nlmsg_len) > sizeof(nl.routes)) {
		cr->lost++;
		return 0;
	}

	memcpy(nl.routes + cr->len, &m, m.nh.nlmsg_len);
	cr->len += NLMSG_ALIGN(m.nh.nlmsg_len);
	return 0;
}

/* The routes kept by copy_route(); those done with have no type any more */
static struct nlmsghdr *route_next(const struct copy_routes *cr,
				   struct nlmsghdr *nh)
{
	uint8_t *at = nh ? (uint8_t *)nh + NLMSG_ALIGN(nh->nlmsg_len) :
			   nl.routes;

	for (; at < nl.routes + cr->len; at += NLMSG_ALIGN(nh->nlmsg_len)) {
		nh = (struct nlmsghdr *)(void *)at;
		if (nh->nlmsg_type)
			return nh;
	}
	return NULL;
}

/* Try all that are left once; returns how many were added or there already */
static int routes_pass(const struct copy_routes *cr)
{
	struct nlmsghdr *nh = NULL;
	int done = 0;

	while ((nh = route_next(cr, nh))) {
		int rc = msg_talk(cr->cp->to_fd, nh);

		if (rc && rc != -EEXIST)
			continue;
		nh->nlmsg_type = 0;
		done++;
	}
	return done;
}

/* Tell the kernel that a route's gateways are on the link */
static void route_set_onlink(struct nlmsghdr *nh)
{
	struct rtmsg *rt = NLMSG_DATA(nh);
	struct rtattr *tb[RTA_MAX + 1];
	struct rtnexthop *hop;
	int left;

	attrs_parse(nh, sizeof(*rt), tb, RTA_MAX);
	if (tb[RTA_GATEWAY] || tb[RTA_VIA])
		rt->rtm_flags |= RTNH_F_ONLINK;
	if (!tb[RTA_MULTIPATH])
		return;

	hop = RTA_DATA(tb[RTA_MULTIPATH]);
	left = (int)RTA_PAYLOAD(tb[RTA_MULTIPATH]);
	for (; RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (hop_attr(hop, RTA_GATEWAY) || hop_attr(hop, RTA_VIA))
			hop->rtnh_flags |= RTNH_F_ONLINK;
		left -= (int)NLMSG_ALIGN(hop->rtnh_len);
	}
}

/* Last try for what nothing leads to. 0, or what the kernel said to a default
 * route.
 */
static int routes_onlink(const struct copy_routes *cr)
{
	struct nlmsghdr *nh = NULL;
	int rc_default = 0;

	while ((nh = route_next(cr, nh))) {
		const struct rtmsg *rt = NLMSG_DATA(nh);
		struct rtattr *tb[RTA_MAX + 1];
		struct addr dst;
		int rc;

		route_set_onlink(nh);
		rc = msg_talk(cr->cp->to_fd, nh);
		if (!rc || rc == -EEXIST)
			continue;
		if (!rt->rtm_dst_len) {
			rc_default = rc;
			continue;
		}
		attrs_parse(nh, sizeof(*rt), tb, RTA_MAX);
		dst = attr_addr(tb[RTA_DST], cr->cp->family);
		warn("Route to %s/%u not copied: %s", ADDR_STR(&dst),
		     rt->rtm_dst_len, strerror(-rc));
	}
	return rc_default;
}

/* Links */

struct find_link {
	struct nl_link link;
	bool found;
};

/* IPv6 part of a link's description: is it on, how does it make addresses? */
static void link_parse_v6(struct rtattr *spec, struct nl_link *l)
{
	struct rtattr *af = RTA_DATA(spec);
	int left = (int)RTA_PAYLOAD(spec);

	for (; RTA_OK(af, left); af = RTA_NEXT(af, left)) {
		struct rtattr *a = RTA_DATA(af);
		int in = (int)RTA_PAYLOAD(af);

		if ((af->rta_type & NLA_TYPE_MASK) != AF_INET6)
			continue;
		l->have_v6 = true;
		for (; RTA_OK(a, in); a = RTA_NEXT(a, in)) {
			if (a->rta_type == IFLA_INET6_ADDR_GEN_MODE &&
			    RTA_PAYLOAD(a) >= 1)
				l->v6_gen_mode = *(uint8_t *)RTA_DATA(a);
		}
	}
}

static int link_set(int fd, unsigned ifi, uint16_t type, const void *data,
		    size_t len)
{
	struct ifinfomsg *ifm;
	struct msg m;

	ifm = msg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	msg_put(&m, type, data, len);
	return msg_talk(fd, &m.nh);
}

/* Public functions */

int nl_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int one = 1;

	if (fd < 0)
		return -errno;

	/* Both only save work: older kernels have none of it */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return fd;
}

int nl_template_get(enum family f, const char *ifname,
		    struct nl_template *ret_tmpl)
{
	struct nl_template t = { 0 };
	struct pick_addr pa = { .f = f };
	struct pick p = { .f = f };
	int fd, rc;

	if (*ifname) {
		p.want = if_nametoindex(ifname);
		if (!p.want)
			return -ENODEV;
	}

	fd = nl_open();
	if (fd < 0)
		return fd;

	rc = routes_dump(fd, f, pick_route, &p);
	/* With strict checking, a table that doesn't exist is no table */
	if (rc && rc != -ENOENT && !(f == V6 && rc == -EOPNOTSUPP))
		goto out;

	rc = -ENOENT;
	t.ifi = p.want ? p.want : p.have_default ? p.def.ifi : p.other;
	if (!t.ifi || !if_indextoname(t.ifi, t.ifname))
		goto out;
	if (p.have_default)
		t.gw = p.def.gw;
	t.candidates = p.want ? 1 : p.have_default ? p.defaults.count :
						     p.others.count;

	pa.ifi = t.ifi;
	rc = addrs_dump(fd, f, t.ifi, pick_address, &pa);
	if (rc)
		goto out;
	t.addr = pa.addr;
	t.prefix_len = pa.prefix_len;
	t.ll = pa.ll;
	*ret_tmpl = t;
out:
	close(fd);
	return rc;
}

int nl_link_get(int fd, const char *ifname, struct nl_link *ret_link)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *info;
	struct nlmsghdr *nh;
	struct nl_link l = { 0 };
	ssize_t left;
	struct msg m;
	int rc;

	msg_init(&m, RTM_GETLINK, 0, sizeof(*info));
	msg_put(&m, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	rc = msg_send(fd, &m.nh);
	if (rc)
		return rc;

	left = msg_recv(fd, nl.rx, sizeof(nl.rx));
	if (left < 0)
		return (int)left;

	nh = (void *)nl.rx;
	info = NLMSG_DATA(nh);
	if (!NLMSG_OK(nh, left))
		return -EBADMSG;
	if (nh->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(nh))->error;
	if (nh->nlmsg_type != RTM_NEWLINK ||
	    nh->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return -EBADMSG;

	attrs_parse(nh, sizeof(*info), tb, IFLA_MAX);
	l.ifi = (unsigned)info->ifi_index;
	l.up = info->ifi_flags & IFF_UP;
	l.mtu = attr_u32(tb[IFLA_MTU], 0);
	if (tb[IFLA_ADDRESS] && RTA_PAYLOAD(tb[IFLA_ADDRESS]) == sizeof(l.mac))
		memcpy(l.mac, RTA_DATA(tb[IFLA_ADDRESS]), sizeof(l.mac));
	if (tb[IFLA_AF_SPEC])
		link_parse_v6(tb[IFLA_AF_SPEC], &l);
	*ret_link = l;
	return 0;
}

int nl_link_set_up(int fd, unsigned ifi)
{
	struct ifinfomsg *ifm;
	struct msg m;

	ifm = msg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	ifm->ifi_flags = IFF_UP;
	ifm->ifi_change = IFF_UP;
	return msg_talk(fd, &m.nh);
}

int nl_link_set_mtu(int fd, unsigned ifi, unsigned mtu)
{
	return link_set(fd, ifi, IFLA_MTU, &mtu, sizeof(mtu));
}

int nl_link_set_mac(int fd, unsigned ifi, const uint8_t mac[6])
{
	return link_set(fd, ifi, IFLA_ADDRESS, mac, 6);
}

int nl_link_set_v6_gen_mode(int fd, unsigned ifi, uint8_t mode)
{
	struct rtattr *spec, *inet6;
	struct ifinfomsg *ifm;
	struct msg m;

	ifm = msg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	spec = msg_nest(&m, IFLA_AF_SPEC);
	inet6 = msg_nest(&m, AF_INET6);
	msg_put(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	msg_nest_end(&m, inet6);
	msg_nest_end(&m, spec);
	return msg_talk(fd, &m.nh);
}

int nl_addr_add(int fd, unsigned ifi, const struct addr *a,
		unsigned prefix_len)
{
	struct ifaddrmsg *ifa;
	struct msg m;
	int rc;

	ifa = msg_init(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
		       sizeof(*ifa));
	ifa->ifa_family = family_af(addr_family(a));
	ifa->ifa_prefixlen = (uint8_t)prefix_len;
	ifa->ifa_index = ifi;
	if (addr_is_linklocal(a) && !addr_is_v4(a))
		ifa->ifa_scope = RT_SCOPE_LINK;
	msg_put_addr(&m, IFA_LOCAL, a);
	msg_put_addr(&m, IFA_ADDRESS, a);
	if (!addr_is_v4(a))
		msg_put_u32(&m, IFA_FLAGS, IFA_F_NODAD);

	rc = msg_talk(fd, &m.nh);
	return rc == -EEXIST ? 0 : rc;
}

int nl_route_add_default(int fd, unsigned ifi, const struct addr *gw)
{
	struct rtmsg *rt;
	struct msg m;
	int rc;

	rt = msg_init(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*rt));
	rt->rtm_family = family_af(addr_family(gw));
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_protocol = RTPROT_BOOT;
	msg_put_addr(&m, RTA_GATEWAY, gw);
	msg_put_u32(&m, RTA_OIF, ifi);

	rc = msg_talk(fd, &m.nh);
	if (rc && rc != -EEXIST) {
		rt->rtm_flags |= RTNH_F_ONLINK;
		rc = msg_talk(fd, &m.nh);
	}
	return rc == -EEXIST ? 0 : rc;
}

int nl_addrs_copy(const struct nl_copy *cp, bool keep_noprefix)
{
	struct copy_addrs ca = { .cp = cp, .keep_noprefix = keep_noprefix };
	int rc = addrs_dump(cp->from_fd, cp->family, cp->from_ifi, copy_addr,
			    &ca);

	return rc ? rc : ca.copied;
}

int nl_routes_copy(const struct nl_copy *cp)
{
	struct copy_routes cr = { .cp = cp };
	int rc, n, copied = 0;

	rc = routes_dump(cp->from_fd, cp->family, copy_route, &cr);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (cr.lost)
		warn("%u IPv%c routes not copied: too many", cr.lost,
		     cp->family == V4 ? '4' : '6');

	do {
		n = routes_pass(&cr);
		copied += n;
	} while (n);

	rc = routes_onlink(&cr);
	return rc ? rc : copied;
}
