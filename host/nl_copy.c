// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: routes and addresses of the host, copied to the guest's interface
 *
 * Data: `routes` keeps the routes that are being copied: untouched pages on most
 * machines.
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
 */
#include "host/nl_copy.h"

#include <errno.h>
#include <linux/lwtunnel.h>
#include <string.h>

#include "host/nlmsg.h"
#include "util/log.h"

enum {
	ROUTES_MAX	= 1024 * 1024,
	AGAIN_MAX	= 128 * 1024,	/* by the watcher, which is to stay small */
	DEFAULTS_ROOM	= 8 * 1024,	/* of either, for default routes alone: IPv6
					 * ones are told last */
};

static struct {
	_Alignas(NLMSG_ALIGNTO) uint8_t routes[ROUTES_MAX];
} nl;

struct copy_addrs {
	const struct nl_copy *cp;
	bool keep_noprefix;
	int copied;
};

static void copy_addrs_begin(void *arg)
{
	struct copy_addrs *ca = arg;

	ca->copied = 0;
}

static int copy_addr(struct nlmsghdr *nh, void *arg)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	struct rtattr *tb[IFA_MAX + 1];
	struct copy_addrs *ca = arg;
	const struct nl_copy *cp = ca->cp;
	uint32_t had, flags = 0;
	struct ifaddrmsg *to;
	struct addr a;
	struct nlmsg m;
	int rc;

	if (!nlmsg_is_addr(nh, cp->family, cp->from_ifi, tb))
		return 0;

	a = nlmsg_addr_local(tb, cp->family);
	had = nlmsg_addr_flags(ifa, tb);
	if (addr_is_none(&a) || ifa->ifa_scope >= RT_SCOPE_LINK ||
	    addr_is_linklocal(&a) ||
	    (had & (IFA_F_DEPRECATED | IFA_F_DADFAILED)))
		return 0;

	if (cp->family == V6)
		flags |= IFA_F_NODAD;
	if (ca->keep_noprefix)
		flags |= had & IFA_F_NOPREFIXROUTE;

	to = nlmsg_init(&m, RTM_NEWADDR, NLM_F_CREATE |
			(cp->again ? NLM_F_REPLACE : NLM_F_EXCL), sizeof(*to));
	to->ifa_family = ifa->ifa_family;
	to->ifa_prefixlen = ifa->ifa_prefixlen;
	to->ifa_scope = ifa->ifa_scope;
	to->ifa_index = cp->to_ifi;
	nlmsg_put_addr(&m, IFA_LOCAL, &a);
	for (unsigned i = 0; i <= IFA_MAX; i++) {
		if (tb[i] && (i == IFA_ADDRESS || i == IFA_BROADCAST ||
			      i == IFA_RT_PRIORITY))
			nlmsg_put(&m, (uint16_t)i, RTA_DATA(tb[i]),
				  RTA_PAYLOAD(tb[i]));
	}
	nlmsg_put_u32(&m, IFA_FLAGS, flags);

	rc = nlmsg_talk(cp->to_fd, &m.nh);
	if (rc && rc != -EEXIST)
		return rc;
	if (cp->copied)
		cp->copied(&a);
	ca->copied++;
	return 0;
}

/* Requests for the guest's routes, one after the other in nl.routes */
struct copy_routes {
	const struct nl_copy *cp;
	size_t len, max;		/* bytes of nl.routes: in use, may be */
	unsigned lost;			/* didn't fit */
};

/* Put the hops of a multipath route which use the template interface; with
 * only one of them it becomes an ordinary route. False if none is left.
 */
static bool copy_hops(const struct nl_copy *cp, struct rtattr *mp,
		      struct nlmsg *m)
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
		    nlmsg_hop_attr(nh, RTA_ENCAP))
			continue;
		mine = nh;
		count++;
	}

	if (count <= 1) {
		for (unsigned i = 0; mine && i < ARRAY_SIZE(copied); i++) {
			a = nlmsg_hop_attr(mine, copied[i]);
			if (a)
				nlmsg_put(m, a->rta_type, RTA_DATA(a),
					  RTA_PAYLOAD(a));
		}
		nlmsg_put_u32(m, RTA_OIF, cp->to_ifi);
		return count;
	}

	nest = nlmsg_nest(m, RTA_MULTIPATH);
	nh = RTA_DATA(mp);
	for (left = (int)RTA_PAYLOAD(mp); nest && RTNH_OK(nh, left);
	     left -= (int)NLMSG_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		/* The one before may end in an RTA_VIA of 18 bytes */
		size_t at = NLMSG_ALIGN(m->nh.nlmsg_len);

		if ((unsigned)nh->rtnh_ifindex != cp->from_ifi ||
		    nlmsg_hop_attr(nh, RTA_ENCAP))
			continue;
		if (at + sizeof(to) > sizeof(*m))
			return false;

		m->nh.nlmsg_len = (uint32_t)(at + sizeof(to));
		for (unsigned i = 0; i < ARRAY_SIZE(copied); i++) {
			a = nlmsg_hop_attr(nh, copied[i]);
			if (a)
				nlmsg_put(m, a->rta_type, RTA_DATA(a),
					  RTA_PAYLOAD(a));
		}
		to.rtnh_len = (uint16_t)(m->nh.nlmsg_len - at);
		to.rtnh_flags = nh->rtnh_flags & RTNH_F_ONLINK;
		to.rtnh_hops = nh->rtnh_hops;
		to.rtnh_ifindex = (int)cp->to_ifi;
		memcpy((char *)m + at, &to, sizeof(to));
	}
	nlmsg_nest_end(m, nest);
	return true;
}

static void copy_routes_begin(void *arg)
{
	struct copy_routes *cr = arg;

	cr->len = cr->lost = 0;
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
	size_t max = cr->max;
	struct rtmsg *to;
	struct nlmsg m;

	/* A tunnel's encapsulation belongs to the host's end of it */
	if (!nlmsg_is_route(nh, cp->family, tb) || tb[RTA_ENCAP] ||
	    (!tb[RTA_MULTIPATH] &&
	     nlmsg_u32(tb[RTA_OIF], 0) != cp->from_ifi))
		return 0;

	to = nlmsg_init(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*to));
	*to = *rt;
	to->rtm_table = RT_TABLE_MAIN;
	to->rtm_flags = rt->rtm_flags & RTNH_F_ONLINK;
	for (unsigned i = 0; i <= RTA_MAX; i++) {
		if (tb[i] && copied[i])
			nlmsg_put(&m, (uint16_t)i, RTA_DATA(tb[i]),
				  RTA_PAYLOAD(tb[i]));
	}
	if (!tb[RTA_MULTIPATH])
		nlmsg_put_u32(&m, RTA_OIF, cp->to_ifi);
	else if (!copy_hops(cp, tb[RTA_MULTIPATH], &m))
		return 0;

	if (rt->rtm_dst_len)
		max -= DEFAULTS_ROOM;
	if (m.nh.nlmsg_len > sizeof(m) ||
	    cr->len + NLMSG_ALIGN(m.nh.nlmsg_len) > max) {
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

/* Only default routes are left */
static void routes_keep_default(const struct copy_routes *cr)
{
	struct nlmsghdr *nh = NULL;

	while ((nh = route_next(cr, nh))) {
		const struct rtmsg *rt = NLMSG_DATA(nh);

		if (rt->rtm_dst_len)
			nh->nlmsg_type = 0;
	}
}

/* Try all that are left once; returns how many were added or there already */
static int routes_pass(const struct copy_routes *cr)
{
	struct nlmsghdr *nh = NULL;
	int done = 0;

	while ((nh = route_next(cr, nh))) {
		int rc = nlmsg_talk(cr->cp->to_fd, nh);

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

	nlmsg_attrs(nh, sizeof(*rt), tb, RTA_MAX);
	if (tb[RTA_GATEWAY] || tb[RTA_VIA])
		rt->rtm_flags |= RTNH_F_ONLINK;
	if (!tb[RTA_MULTIPATH])
		return;

	hop = RTA_DATA(tb[RTA_MULTIPATH]);
	left = (int)RTA_PAYLOAD(tb[RTA_MULTIPATH]);
	for (; RTNH_OK(hop, left); hop = RTNH_NEXT(hop)) {
		if (nlmsg_hop_attr(hop, RTA_GATEWAY) || nlmsg_hop_attr(hop, RTA_VIA))
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
		rc = nlmsg_talk(cr->cp->to_fd, nh);
		if (!rc || rc == -EEXIST)
			continue;
		if (!rt->rtm_dst_len) {
			rc_default = rc;
			continue;
		}
		nlmsg_attrs(nh, sizeof(*rt), tb, RTA_MAX);
		dst = nlmsg_addr(tb[RTA_DST], cr->cp->family);
		warn("Route to %s/%u not copied: %s", ADDR_STR(&dst),
		     rt->rtm_dst_len, strerror(-rc));
	}
	return rc_default;
}

/* What changes all the time is taken as it is: 0, or rc of a dump */
static int take_torn(const struct nl_copy *cp, int rc)
{
	if (rc != -EAGAIN)
		return rc;
	if (cp->torn)
		*cp->torn = true;
	return 0;
}

int nl_addrs_copy(const struct nl_copy *cp, bool keep_noprefix)
{
	struct copy_addrs ca = { .cp = cp, .keep_noprefix = keep_noprefix };
	const struct nlmsg_reader rd = { copy_addr, copy_addrs_begin, &ca };
	int rc = take_torn(cp, nlmsg_dump_addrs(cp->from_fd, cp->family,
						cp->from_ifi, &rd));

	return rc ? rc : ca.copied;
}

/* Who is told of default routes by one hop. What refers to several isn't told. */
static void tell_defaults(const struct copy_routes *cr)
{
	struct nlmsghdr *nh = NULL;

	while (cr->cp->copied_default && (nh = route_next(cr, nh))) {
		const struct rtmsg *rt = NLMSG_DATA(nh);
		struct rtattr *tb[RTA_MAX + 1];
		struct nl_default d;

		nlmsg_attrs(nh, sizeof(*rt), tb, RTA_MAX);
		if (rt->rtm_dst_len || tb[RTA_MULTIPATH] || tb[RTA_VIA])
			continue;
		d = (struct nl_default){
			.gw = nlmsg_addr(tb[RTA_GATEWAY], cr->cp->family),
			.metric = nlmsg_u32(tb[RTA_PRIORITY], 0),
		};
		cr->cp->copied_default(cr->cp->family, &d);
	}
}

int nl_routes_copy(const struct nl_copy *cp)
{
	struct copy_routes cr = { .cp = cp,
				  .max = cp->again ? AGAIN_MAX : ROUTES_MAX };
	const struct nlmsg_reader rd = { copy_route, copy_routes_begin, &cr };
	int rc, n, copied = 0;

	rc = take_torn(cp, nlmsg_dump_routes(cp->from_fd, cp->family, &rd));
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	if (cr.lost && cp->again)
		routes_keep_default(&cr);
	else if (cr.lost)
		warn("%u IPv%c routes not copied: too many", cr.lost,
		     cp->family == V4 ? '4' : '6');
	tell_defaults(&cr);

	do {
		n = routes_pass(&cr);
		copied += n;
	} while (n);

	rc = routes_onlink(&cr);
	return rc ? rc : copied;
}
