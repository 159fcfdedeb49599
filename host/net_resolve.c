// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: options and the host's facts → the network as the guest has it
 *
 * Pure: nothing is asked, told or kept here.
 *
 * Flow: addresses for each family: what was given, else what the template
 * interface has, else local mode, which needs no network at all. Resolvers and
 * search domains: what was given, else the host's.
 *
 * Invariants: a family that is off has nothing in it. `our` is always set for
 * one that is on, but without a link.
 */
#include "host/net.h"

#include <errno.h>
#include <string.h>

enum {
	LOCAL_GUEST_V4		= 0xa9fe0201,	/* 169.254.2.1 */
	LOCAL_GW_V4		= 0xa9fe0202,	/* 169.254.2.2 */
	LOCAL_LEN_V4		= 16,
	LEN_V6			= 64,
};

static struct addr local_gw(enum family f)
{
	static const uint8_t fe80_1[16] = { [0] = 0xfe, [1] = 0x80, [15] = 1 };

	return f == V4 ? addr_v4(LOCAL_GW_V4) : addr_from_v6(fe80_1);
}

/* Addresses */

bool net_template_usable(enum family f, const struct nl_template *t)
{
	return !addr_is_none(&t->addr) && !addr_is_loopback(&t->addr) &&
	       (f == V4 || !addr_is_none(&t->ll));
}

/* Why the interface that was named won't do */
static enum net_problem family_problem(const struct net_options *o,
				       const struct net_facts *facts,
				       enum family f, bool usable)
{
	const struct net_family_options *fo = &o->fam[f];

	if (facts->fam[f].no_outbound_if)
		return NET_NO_OUTBOUND_IF;
	if (facts->fam[f].error == -ENODEV)
		return NET_NO_IFNAME;
	if (!usable && *fo->outbound_if && !*o->ifname &&
	    addr_is_none(&fo->guest))
		return NET_OUTBOUND_UNUSABLE;
	return NET_FINE;
}

/* Prefix length by class, as in the old days: RFC 791, 2.3 */
static unsigned classful_len(const struct addr *a)
{
	uint8_t top = addr_v4_bytes(a)[0];

	if (top < 128)
		return 8;
	if (top < 192)
		return 16;
	return top < 224 ? 24 : 32;
}

static unsigned v4_len(const struct net_family *fam,
		       const struct net_family_options *fo,
		       const struct nl_template *t)
{
	if (fo->have_len)
		return fo->len;
	if (fam->guest_fixed)
		return classful_len(&fam->guest);
	return fam->local_mode ? LOCAL_LEN_V4 : t->prefix_len;
}

static void resolve_guest_v4(struct net_family *fam,
			     const struct net_family_options *fo,
			     const struct nl_template *t)
{
	fam->prefix_len = v4_len(fam, fo, t);
	if (!fam->guest_fixed)
		fam->guest = fam->local_mode ? addr_v4(LOCAL_GUEST_V4) :
					       t->addr;
	fam->our = addr_is_none(&fam->gw) ? local_gw(V4) : fam->gw;
}

static void resolve_guest_v6(struct net_family *fam,
			     const struct nl_template *t)
{
	fam->prefix_len = LEN_V6;
	if (!fam->guest_fixed && !fam->local_mode)
		fam->guest = t->addr;
	if (!addr_is_v4(&fam->gw) && addr_is_linklocal(&fam->gw))
		fam->our = fam->gw;
	else
		fam->our = fam->local_mode ? local_gw(V6) : t->ll;
}

/* What was given, and holds whatever the host has */
static void resolve_given(struct net_family *fam,
			  const struct net_family_options *fo)
{
	fam->enabled = true;
	fam->guest = fo->guest;
	fam->guest_fixed = !addr_is_none(&fo->guest);
	fam->own_net = fo->own_net;
	fam->gw = fo->gw;
	fam->map_host_loopback = fo->map_host_loopback;
	fam->map_guest_addr = fo->map_guest_addr;
	memcpy(fam->dns, fo->dns, sizeof(fam->dns));
	fam->dns_count = fo->dns_count;
	fam->dns_forward = fo->dns_forward;
	fam->dns_host = fo->dns_host;
	fam->outbound = fo->outbound;
	memcpy(fam->outbound_if, fo->outbound_if, sizeof(fam->outbound_if));
}

static void resolve_family(const struct net_options *o,
			   const struct net_facts *facts, enum family f,
			   struct net_family *fam)
{
	const struct nl_template *t = &facts->fam[f].template;
	bool usable = !facts->fam[f].error && net_template_usable(f, t);
	bool gw_fixed = !addr_is_none(&o->fam[f].gw);

	fam->problem = family_problem(o, facts, f, usable);
	fam->local_mode = !usable;
	if (!gw_fixed)
		fam->gw = fam->local_mode ? local_gw(f) : t->gw;
	if (f == V4)
		resolve_guest_v4(fam, &o->fam[f], t);
	else
		resolve_guest_v6(fam, t);

	if (!o->no_map_gw && addr_is_none(&fam->map_host_loopback))
		fam->map_host_loopback = fam->gw;

	if (fam->local_mode)
		return;
	memcpy(fam->template_if, t->ifname, sizeof(fam->template_if));
	fam->template_ifi = t->ifi;
	fam->copy_addrs = o->copy_addrs && !fam->guest_fixed;
	fam->copy_routes = o->copy_routes && !gw_fixed;
}

/* Resolvers */

static void dns_add(struct net_family *fam, const struct addr *a)
{
	if (!addr_in(fam->dns, fam->dns_count, a) &&
	    fam->dns_count < CONF_DNS_MAX)
		fam->dns[fam->dns_count++] = *a;
}

/* A resolver of the host as the guest can reach it. On the host's loopback, or
 * at the address that leads there, it has to be reached by forwarding.
 */
static void dns_offer(struct net_family *fam, const struct addr *ns)
{
	if (!addr_is_loopback(ns) && !addr_eq(ns, &fam->map_host_loopback)) {
		dns_add(fam, ns);
		return;
	}
	if (addr_is_none(&fam->dns_forward))
		fam->dns_forward = fam->map_host_loopback;
	if (!addr_is_none(&fam->dns_forward))
		dns_add(fam, &fam->dns_forward);
}

static void host_add(struct net_family *fam, const struct addr *a, unsigned ifi)
{
	unsigned i = fam->dns_host_count;

	if (i == NET_RESOLVERS)
		return;
	fam->dns_hosts[i] = *a;
	fam->dns_host_ifi[i] = ifi;
	fam->dns_host_count++;
}

/* A link-local resolver is on the link that it names: without that, it isn't there,
 * and who has its address on another link isn't meant. One that names none is on the
 * template's, which is of use for its own family.
 */
static bool has_link(const struct resolv *r, enum family f, unsigned i, bool own)
{
	return !addr_is_linklocal(&r->ns[f][i]) || r->ifi[f][i] ||
	       (own && !*r->ifname[f][i]);
}

/* Who stands behind --dns-forward: the one that --dns-host names, if not for this
 * family then for the other; else the host's of this family, and then of the other.
 */
static void dns_hosts(const struct net_options *o, const struct resolv *r,
		      enum family f, struct net_family *fam)
{
	enum family other = f == V4 ? V6 : V4;

	if (!addr_is_none(&o->fam[f].dns_host)) {
		host_add(fam, &o->fam[f].dns_host, 0);
		return;
	}
	if (!addr_is_none(&o->fam[other].dns_host)) {
		host_add(fam, &o->fam[other].dns_host, 0);
		return;
	}
	for (unsigned i = 0; i < r->count[f]; i++) {
		if (has_link(r, f, i, true))
			host_add(fam, &r->ns[f][i], r->ifi[f][i]);
	}
	for (unsigned i = 0; i < r->count[other]; i++) {
		if (has_link(r, other, i, false))
			host_add(fam, &r->ns[other][i], r->ifi[other][i]);
	}
}

/* Nobody's, and reached by the default route: where we are the resolver, and have
 * no address yet that could stand for one on the host's loopback, or none that the
 * guest would ask
 */
static struct addr dns_forward_default(enum family f)
{
	static const uint8_t local[16] = { 0xfd, 'p', 'a', 's', 's', 't',
					   [15] = 0x53 };

	return f == V4 ? addr_v4(0xa9fe0101) : addr_from_v6(local);
}

static void resolve_dns(const struct net_options *o, const struct resolv *r,
			enum family f, struct net_family *fam)
{
	bool needs_ours;		/* the guest has no other resolver */

	if (o->own_dns && addr_is_none(&fam->dns_forward) &&
	    addr_is_none(&fam->map_host_loopback))
		fam->dns_forward = dns_forward_default(f);
	if (!o->dns_none && !fam->dns_count) {
		for (unsigned i = 0; i < r->count[f]; i++)
			dns_offer(fam, &r->ns[f][i]);
	}
	needs_ours = o->own_dns && !o->dns_none && !fam->dns_count;
	if (needs_ours || !addr_is_none(&fam->dns_forward))
		dns_hosts(o, r, f, fam);
	if (fam->dns_host_count)
		fam->dns_host = fam->dns_hosts[0];
	if (!needs_ours || addr_is_none(&fam->dns_host))
		return;
	if (addr_is_none(&fam->dns_forward))
		fam->dns_forward = dns_forward_default(f);
	dns_add(fam, &fam->dns_forward);
}

void net_resolve(const struct net_options *o, const struct net_facts *facts,
		 struct net *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_family *fam = &ret->fam[f];

		if (!o->fam[f].enabled)
			continue;
		resolve_given(fam, &o->fam[f]);
		if (o->no_link)
			continue;
		resolve_family(o, facts, f, fam);
		resolve_dns(o, &facts->resolv, f, fam);
		ret->usable |= !fam->local_mode || fam->guest_fixed;
	}
	ret->links = facts->links;
	ret->search = o->search;
	if (!o->search.count && !o->search_none && !o->no_link)
		ret->search = facts->resolv.search;
}
