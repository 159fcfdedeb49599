// SPDX-License-Identifier: GPL-2.0-or-later
/* rtnetlink: what the host's network looks like, and telling the guest's kernel
 *
 * Role: questions (dumps) and requests (with acknowledgement); nobody else knows
 * what to ask of route and link tables.
 *
 * Why not the kernel's RTM_GETROUTE for one destination, instead of the whole
 * table: it tells which route a packet would take now, by policy rules and
 * marks, not which interface has a default route.
 */
#include "host/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/socket.h>

#include "host/nlmsg.h"

enum {
	LO_IFI		= 1,		/* `lo` in every namespace */
	HOPS_MAX	= 32,
	SEEN_MAX	= 64,
	OLD_MAX		= 64,		/* deprecated in one pass */
	OLD_PASSES	= 128,
	V6_METRIC	= 1024,		/* linux/ipv6_route.h: IP6_RT_PRIO_USER */
};

/* Next hop of a route, as far as we care */
struct hop {
	unsigned ifi, weight;
	bool dead;
	struct addr gw;
};

/* Routes */

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
			.ifi = nlmsg_u32(tb[RTA_OIF], 0), .weight = 1,
			.dead = rt->rtm_flags & RTNH_F_DEAD,
			.gw = nlmsg_addr(tb[RTA_GATEWAY], f),
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
			.gw = nlmsg_addr(nlmsg_hop_attr(nh, RTA_GATEWAY), f),
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
	struct addr def_src;		/* source that it names, or none */
	unsigned other;			/* first with another route */
	struct seen defaults, others;
};

static void pick_begin(void *arg)
{
	struct pick *p = arg;

	*p = (struct pick){ .f = p->f, .want = p->want };
}

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

	if (!nlmsg_is_route(nh, p->f, tb) || rt->rtm_src_len)
		return 0;

	best = pick_hop(p, hop, route_hops(nh, tb, p->f, hop));
	if (!best)
		return 0;

	if (!rt->rtm_dst_len) {
		if (!p->have_default) {
			p->def = *best;
			if (tb[RTA_PREFSRC])
				p->def_src = nlmsg_addr(tb[RTA_PREFSRC], p->f);
		}
		p->have_default = true;
		seen_add(&p->defaults, best->ifi);
		return 0;
	}

	dst = nlmsg_addr(tb[RTA_DST], p->f);
	if (addr_is_linklocal(&dst) || addr_is_multicast(&dst))
		return 0;
	if (!p->other)
		p->other = best->ifi;
	seen_add(&p->others, best->ifi);
	return 0;
}

/* Addresses */

/* What the kernel would take for far destinations comes first. Temporary ones go
 * away while the guest runs, unique local ones (RFC 4193) aren't for far
 * destinations (RFC 6724 2.1), and link scope is for talking to neighbours: each
 * only if there's nothing better.
 */
enum pick_rank {
	RANK_NONE,			/* found none yet */
	RANK_ROUTE,			/* the default route names it */
	RANK_GLOBAL,
	RANK_TEMPORARY,
	RANK_ULA,
	RANK_LINK,
	RANK_TENTATIVE,			/* not to be used yet */
};

/* Search for the address the guest gets; the lower the rank the better */
struct pick_addr {
	enum family f;
	unsigned ifi;
	struct addr route_src;		/* what the default route names */
	enum pick_rank rank;		/* of addr */
	struct addr addr;
	unsigned prefix_len;
	struct addr ll;
	bool ll_tentative;
};

static void pick_address_begin(void *arg)
{
	struct pick_addr *p = arg;

	*p = (struct pick_addr){ .f = p->f, .ifi = p->ifi,
				 .route_src = p->route_src };
}

/* An optimistic one may be used meanwhile (RFC 4429) */
static bool is_tentative(uint32_t flags)
{
	return flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC);
}

static enum pick_rank pick_rank(const struct pick_addr *p, const struct addr *a,
				uint8_t scope, uint32_t flags)
{
	/* fc00::/7 */
	bool ula = p->f == V6 && (a->b[0] & 0xfe) == 0xfc;

	if (is_tentative(flags))
		return RANK_TENTATIVE;
	if (!addr_is_none(&p->route_src) && addr_eq(a, &p->route_src))
		return RANK_ROUTE;
	if (scope >= RT_SCOPE_LINK)
		return RANK_LINK;
	if (ula)
		return RANK_ULA;
	return p->f == V6 && flags & IFA_F_TEMPORARY ? RANK_TEMPORARY :
						       RANK_GLOBAL;
}

static int pick_address(struct nlmsghdr *nh, void *arg)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	struct rtattr *tb[IFA_MAX + 1];
	struct pick_addr *p = arg;
	struct addr a;
	enum pick_rank rank;
	uint32_t flags;

	if (!nlmsg_is_addr(nh, p->f, p->ifi, tb))
		return 0;

	a = nlmsg_addr_local(tb, p->f);
	flags = nlmsg_addr_flags(ifa, tb);
	if (!addr_is_unicast(&a) || (flags & IFA_F_DADFAILED))
		return 0;

	if (p->f == V6 && addr_is_linklocal(&a)) {
		if (addr_is_none(&p->ll) || p->ll_tentative) {
			p->ll = a;
			p->ll_tentative = is_tentative(flags);
		}
		return 0;
	}

	if (flags & IFA_F_DEPRECATED)
		return 0;

	rank = pick_rank(p, &a, ifa->ifa_scope, flags);
	if (p->rank && p->rank <= rank)
		return 0;

	p->rank = rank;
	p->addr = a;
	p->prefix_len = ifa->ifa_prefixlen;
	return 0;
}

/* Links */

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
	struct nlmsg m;

	ifm = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	nlmsg_put(&m, type, data, len);
	return nlmsg_talk(fd, &m.nh);
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

/* The interface of the best default route, or else of some route; 0: none */
static unsigned pick_ifi(const struct pick *p)
{
	if (p->want)
		return p->want;
	return p->have_default ? p->def.ifi : p->other;
}

int nl_template_get(int fd, enum family f, const char *ifname,
		    struct nl_template *ret_tmpl)
{
	struct pick_addr pa = { .f = f };
	struct pick p = { .f = f };
	const struct nlmsg_reader routes = { pick_route, pick_begin, &p };
	const struct nlmsg_reader addrs = { pick_address, pick_address_begin,
					    &pa };
	struct nl_link link;
	bool torn;
	int rc;

	if (*ifname) {
		rc = nl_link_get(fd, ifname, &link);
		if (rc)
			return rc;
		p.want = link.ifi;
	}

	rc = nlmsg_dump_routes(fd, f, &routes);
	torn = rc == -EAGAIN;
	/* With strict checking, a table that doesn't exist is no table */
	if (rc && !torn && rc != -ENOENT && !(f == V6 && rc == -EOPNOTSUPP))
		return rc;

	pa.route_src = p.def_src;
	pa.ifi = pick_ifi(&p);
	if (!pa.ifi || nl_link_get_index(fd, pa.ifi, &link))
		return -ENOENT;
	rc = nlmsg_dump_addrs(fd, f, pa.ifi, &addrs);
	if (rc && rc != -EAGAIN)
		return rc == -ENODEV ? -ENOENT : rc;	/* just gone */
	torn |= rc == -EAGAIN;

	*ret_tmpl = (struct nl_template){
		.ifi = pa.ifi,
		.addr = pa.addr,
		.prefix_len = pa.prefix_len,
		.ll = pa.ll,
		.tentative = pa.rank == RANK_TENTATIVE || pa.ll_tentative,
		.candidates = p.want ? 1 : p.have_default ? p.defaults.count :
							    p.others.count,
	};
	memcpy(ret_tmpl->ifname, link.name, sizeof(link.name));
	if (p.have_default)
		ret_tmpl->gw = p.def.gw;
	return torn;
}

/* Send the question, take the answer apart */
static int link_ask(int fd, struct nlmsg *m, struct nl_link *ret_link)
{
	struct rtattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *info;
	struct nl_link l = { 0 };
	struct nlmsghdr *nh;
	int rc = nlmsg_get(fd, m, RTM_NEWLINK, sizeof(*info), &nh);

	if (rc)
		return rc;
	info = NLMSG_DATA(nh);
	nlmsg_attrs(nh, sizeof(*info), tb, IFLA_MAX);
	l.ifi = (unsigned)info->ifi_index;
	l.up = info->ifi_flags & IFF_UP;
	l.mtu = nlmsg_u32(tb[IFLA_MTU], 0);
	if (tb[IFLA_IFNAME])
		memcpy(l.name, RTA_DATA(tb[IFLA_IFNAME]),
		       MIN(RTA_PAYLOAD(tb[IFLA_IFNAME]), sizeof(l.name) - 1));
	if (tb[IFLA_ADDRESS] && RTA_PAYLOAD(tb[IFLA_ADDRESS]) == sizeof(l.mac))
		memcpy(l.mac, RTA_DATA(tb[IFLA_ADDRESS]), sizeof(l.mac));
	if (tb[IFLA_AF_SPEC])
		link_parse_v6(tb[IFLA_AF_SPEC], &l);
	*ret_link = l;
	return 0;
}

int nl_link_get(int fd, const char *ifname, struct nl_link *ret_link)
{
	struct nlmsg m;

	nlmsg_init(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	nlmsg_put(&m, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	return link_ask(fd, &m, ret_link);
}

int nl_link_get_index(int fd, unsigned ifi, struct nl_link *ret_link)
{
	struct ifinfomsg *info;
	struct nlmsg m;

	info = nlmsg_init(&m, RTM_GETLINK, 0, sizeof(*info));
	info->ifi_index = (int)ifi;
	return link_ask(fd, &m, ret_link);
}

int nl_link_set_up(int fd, unsigned ifi)
{
	struct ifinfomsg *ifm;
	struct nlmsg m;

	ifm = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	ifm->ifi_flags = IFF_UP;
	ifm->ifi_change = IFF_UP;
	return nlmsg_talk(fd, &m.nh);
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
	struct nlmsg m;

	ifm = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*ifm));
	ifm->ifi_index = (int)ifi;
	spec = nlmsg_nest(&m, IFLA_AF_SPEC);
	inet6 = nlmsg_nest(&m, AF_INET6);
	nlmsg_put(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nlmsg_nest_end(&m, inet6);
	nlmsg_nest_end(&m, spec);
	return nlmsg_talk(fd, &m.nh);
}

int nl_addr_add(int fd, unsigned ifi, const struct addr *a,
		unsigned prefix_len)
{
	struct ifaddrmsg *ifa;
	struct nlmsg m;
	int rc;

	ifa = nlmsg_init(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
			 sizeof(*ifa));
	ifa->ifa_family = nlmsg_af(addr_family(a));
	ifa->ifa_prefixlen = (uint8_t)prefix_len;
	ifa->ifa_index = ifi;
	if (addr_is_linklocal(a) && !addr_is_v4(a))
		ifa->ifa_scope = RT_SCOPE_LINK;
	nlmsg_put_addr(&m, IFA_LOCAL, a);
	nlmsg_put_addr(&m, IFA_ADDRESS, a);
	if (!addr_is_v4(a))
		nlmsg_put_u32(&m, IFA_FLAGS, IFA_F_NODAD);

	rc = nlmsg_talk(fd, &m.nh);
	return rc == -EEXIST ? 0 : rc;
}

static struct rtmsg *default_init(struct nlmsg *m, uint16_t type, uint16_t flags,
				  enum family f, unsigned ifi)
{
	struct rtmsg *rt = nlmsg_init(m, type, flags, sizeof(*rt));

	rt->rtm_family = nlmsg_af(f);
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	nlmsg_put_u32(m, RTA_OIF, ifi);
	return rt;
}

int nl_route_add_default(int fd, unsigned ifi, const struct addr *gw)
{
	struct rtmsg *rt;
	struct nlmsg m;
	int rc;

	rt = default_init(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			  addr_family(gw), ifi);
	rt->rtm_scope = RT_SCOPE_UNIVERSE;
	rt->rtm_protocol = RTPROT_BOOT;
	nlmsg_put_addr(&m, RTA_GATEWAY, gw);
	rc = nlmsg_talk(fd, &m.nh);
	if (rc && rc != -EEXIST) {
		rt->rtm_flags |= RTNH_F_ONLINK;
		rc = nlmsg_talk(fd, &m.nh);
	}
	return rc == -EEXIST ? 0 : rc;
}

struct nl_default nl_default_by(const struct addr *gw)
{
	return (struct nl_default){
		.gw = *gw, .metric = addr_is_v4(gw) ? 0 : V6_METRIC,
	};
}

int nl_route_del_default(int fd, enum family f, unsigned ifi,
			 const struct nl_default *d)
{
	struct rtmsg *rt;
	struct nlmsg m;

	rt = default_init(&m, RTM_DELROUTE, 0, f, ifi);
	rt->rtm_scope = RT_SCOPE_NOWHERE;	/* any */
	nlmsg_put_u32(&m, RTA_PRIORITY, d->metric);
	if (!addr_is_none(&d->gw))
		nlmsg_put_addr(&m, RTA_GATEWAY, &d->gw);
	return nlmsg_talk(fd, &m.nh);
}

/* Addresses to be deprecated: found first, as nobody may talk during a dump */
struct deprecate {
	enum family f;
	unsigned ifi;
	bool (*is_old)(const struct addr *a);
	struct {
		struct ifaddrmsg ifa;
		struct addr local, addr;	/* `addr`: may be the peer's */
	} old[OLD_MAX];
	unsigned count;
};

static void deprecate_begin(void *arg)
{
	struct deprecate *d = arg;

	d->count = 0;
}

static int deprecate_note(struct nlmsghdr *nh, void *arg)
{
	struct rtattr *tb[IFA_MAX + 1];
	struct deprecate *d = arg;
	struct addr a;

	if (!nlmsg_is_addr(nh, d->f, d->ifi, tb) || d->count == OLD_MAX ||
	    nlmsg_addr_flags(NLMSG_DATA(nh), tb) & IFA_F_DEPRECATED)
		return 0;
	a = nlmsg_addr_local(tb, d->f);
	if (!d->is_old(&a))
		return 0;
	d->old[d->count].local = a;
	d->old[d->count].addr = nlmsg_addr(tb[IFA_ADDRESS], d->f);
	memcpy(&d->old[d->count++].ifa, NLMSG_DATA(nh),
	       sizeof(struct ifaddrmsg));
	return 0;
}

/* Those that have been found */
static int deprecate_found(int fd, const struct deprecate *d, unsigned valid_s)
{
	const struct ifa_cacheinfo life = { .ifa_valid = valid_s };
	int rc = 0;

	for (unsigned i = 0; !rc && i < d->count; i++) {
		struct ifaddrmsg *to;
		struct nlmsg m;

		to = nlmsg_init(&m, RTM_NEWADDR, NLM_F_REPLACE, sizeof(*to));
		*to = d->old[i].ifa;
		nlmsg_put_addr(&m, IFA_LOCAL, &d->old[i].local);
		nlmsg_put_addr(&m, IFA_ADDRESS, &d->old[i].addr);
		nlmsg_put(&m, IFA_CACHEINFO, &life, sizeof(life));
		nlmsg_put_u32(&m, IFA_FLAGS, d->f == V6 ? IFA_F_NODAD : 0);
		rc = nlmsg_talk(fd, &m.nh);
	}
	return rc;
}

int nl_addrs_deprecate(int fd, enum family f, unsigned ifi, unsigned valid_s,
		       bool (*is_old)(const struct addr *a))
{
	struct deprecate d = { .f = f, .ifi = ifi, .is_old = is_old };
	const struct nlmsg_reader rd = { deprecate_note, deprecate_begin, &d };
	int rc = 0;

	/* Each pass finds others: they are deprecated after it */
	d.count = OLD_MAX;
	for (unsigned i = 0; !rc && d.count == OLD_MAX && i < OLD_PASSES; i++) {
		rc = nlmsg_dump_addrs(fd, f, ifi, &rd);
		if (!rc)
			rc = deprecate_found(fd, &d, valid_s);
	}
	return rc;
}
