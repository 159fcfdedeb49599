// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: owner of what the host's network is for us; see net.h */
#include "host/net.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fwd/fwd.h"
#include "host/nlmsg.h"
#include "util/wire.h"

enum {
	NET_HOOKS	= 16,
	DNS_PATIENCE_MS	= 1000,		/* clients ask again after 1 to 5 s */
};

/* Whose turn it is, of a family's resolvers */
struct turn {
	bool waiting;			/* for an answer, */
	mono_t since;			/* to a query of then */
};

static struct {
	const struct net_options *options;
	struct net_facts facts;
	struct net now;
	struct turn turn[FAMILIES];
	net_hook hook[NET_HOOKS];
	unsigned hooks;
} nets;

/* Whatever isn't given by option comes from there */
bool net_needs_resolv(const struct net_options *o)
{
	if (o->no_link)
		return false;
	if (!o->search.count && !o->search_none)
		return true;
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family_options *fo = &o->fam[f];

		if (!fo->enabled)
			continue;
		if (!fo->dns_count && !o->dns_none)
			return true;
		if (!addr_is_none(&fo->dns_forward) &&
		    addr_is_none(&fo->dns_host))
			return true;
	}
	return false;
}

void net_ask(int fd, const struct net_options *o, struct net_facts *ret)
{
	struct nl_link link;
	int rc;

	memset(ret, 0, sizeof(*ret));
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family_options *fo = &o->fam[f];
		const char *name = *o->ifname ? o->ifname : fo->outbound_if;

		if (!fo->enabled || o->no_link)
			continue;
		if (*fo->outbound_if &&
		    nl_link_get(fd, fo->outbound_if, &link) == -ENODEV)
			ret->fam[f].no_outbound_if = true;
		rc = fd < 0 ? fd :
		     nl_template_get(fd, f, name, &ret->fam[f].template);
		ret->fam[f].error = MIN(rc, 0);
		ret->torn |= rc > 0;
	}
}

void net_ask_scopes(int fd, struct resolv *r)
{
	for (unsigned i = 0; i < r->count[V6]; i++) {
		const char *name = r->ifname[V6][i];
		unsigned long number = strtoul(name, NULL, 10);
		struct nl_link link;

		r->ifi[V6][i] = number <= INT_MAX ? (unsigned)number : 0;
		if (*name && !nl_link_get(fd, name, &link))
			r->ifi[V6][i] = link.ifi;
	}
}

void net_facts_renew(const struct net_facts *now, struct net_facts *facts,
		     bool ret_has[FAMILIES])
{
	for (enum family f = V4; f < FAMILIES; f++) {
		ret_has[f] = !now->fam[f].error &&
			     net_template_usable(f, &now->fam[f].template) &&
			     !now->fam[f].template.tentative;
		if (ret_has[f])
			facts->fam[f] = now->fam[f];
		facts->fam[f].no_outbound_if = now->fam[f].no_outbound_if;
	}
	facts->resolv_error = now->resolv_error;
	if (now->resolv.count[V4] || now->resolv.count[V6])
		facts->resolv = now->resolv;
}

bool net_binds_links(const struct net_options *o)
{
	return o->listens_at_if || *o->fam[V4].outbound_if ||
	       *o->fam[V6].outbound_if;
}

/* Is it the link of a resolver, or could be the one that isn't there? */
static bool resolver_on(const struct resolv *r, unsigned ifi)
{
	for (unsigned i = 0; i < r->count[V6]; i++) {
		if (*r->ifname[V6][i] &&
		    (!r->ifi[V6][i] || r->ifi[V6][i] == ifi))
			return true;
	}
	return false;
}

/* One that options name may be gone, come, or be another one by now; of others, only
 * those that facts are about can matter
 */
static bool link_matters(const struct net_options *o,
			 const struct net_facts *facts, unsigned ifi)
{
	return facts->fam[V4].template.ifi == ifi ||
	       facts->fam[V6].template.ifi == ifi || *o->ifname ||
	       net_binds_links(o) || resolver_on(&facts->resolv, ifi);
}

/* A default route may be a better one. Others count for who has none, and for
 * --config-net.
 */
static bool route_matters(const struct net_options *o,
			  const struct net_facts *facts, struct nlmsghdr *nh,
			  enum family f)
{
	const struct nl_template *t = &facts->fam[f].template;
	const struct rtmsg *rt = NLMSG_DATA(nh);
	struct rtattr *tb[RTA_MAX + 1];

	if (!nlmsg_is_route(nh, f, tb))
		return false;
	if (!rt->rtm_dst_len || !t->ifi || addr_is_none(&t->gw))
		return true;
	return o->copy_routes && nlmsg_u32(tb[RTA_OIF], t->ifi) == t->ifi;
}

/* The family that the options are about, too, of a message */
static bool family_of(const struct net_options *o, uint8_t af, enum family *ret)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		if (nlmsg_af(f) == af && o->fam[f].enabled) {
			*ret = f;
			return true;
		}
	}
	return false;
}

bool net_matters(const struct net_options *o, const struct net_facts *facts,
		 struct nlmsghdr *nh)
{
	/* All of them begin with the address family */
	const uint8_t *af = NLMSG_DATA(nh);
	const struct ifinfomsg *ifi = NLMSG_DATA(nh);
	enum family f;

	switch (nh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return nh->nlmsg_len >= NLMSG_LENGTH(sizeof(*ifi)) &&
		       link_matters(o, facts, (unsigned)ifi->ifi_index);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		/* Of any interface: connections may be from there, and which it
		 * will be the kernel's routes say, when they are begun
		 */
		return nh->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)) &&
		       family_of(o, *af, &f);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return nh->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)) &&
		       family_of(o, *af, &f) &&
		       route_matters(o, facts, nh, f);
	}
	return false;
}

static bool text_ok(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool resolv_ok(const struct resolv *r)
{
	bool ok = r->count[V4] <= CONF_DNS_MAX && r->count[V6] <= CONF_DNS_MAX &&
		  r->search.count <= CONF_SEARCH_MAX;

	for (enum family f = V4; f < FAMILIES; f++) {
		for (unsigned i = 0; ok && i < r->count[f]; i++)
			ok = text_ok(r->ifname[f][i], IFNAMSIZ);
	}
	for (unsigned i = 0; ok && i < r->search.count; i++)
		ok = text_ok(r->search.name[i], sizeof(r->search.name[i]));
	return ok;
}

bool net_facts_ok(const struct net_facts *facts)
{
	static const unsigned len_max[FAMILIES] = { [V4] = 32, [V6] = 128 };
	bool ok = resolv_ok(&facts->resolv);

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct nl_template *t = &facts->fam[f].template;

		ok = ok && t->prefix_len <= len_max[f] &&
		     text_ok(t->ifname, sizeof(t->ifname));
	}
	return ok;
}

void net_init(const struct net_options *o)
{
	nets.options = o;
}

/* Who had the turn keeps it while the resolvers are the same */
static void dns_keep_turns(const struct net *old)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *was = &old->fam[f];
		struct net_family *fam = &nets.now.fam[f];

		if (memcmp(was->dns_hosts, fam->dns_hosts,
			   sizeof(fam->dns_hosts)))
			nets.turn[f].waiting = false;
		else
			fam->dns_host = was->dns_host;
	}
}

bool net_update(const struct net_facts *facts)
{
	static struct net old;

	old = nets.now;
	nets.facts = *facts;
	net_resolve(nets.options, facts, &nets.now);
	dns_keep_turns(&old);
	if (!memcmp(&old, &nets.now, sizeof(old)))
		return false;
	for (unsigned i = 0; i < nets.hooks; i++)
		nets.hook[i](&old);
	return true;
}

const struct net *net_get(void)
{
	return &nets.now;
}

unsigned net_scope(const struct addr *a)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &nets.now.fam[f];

		for (unsigned i = 0; i < fam->dns_host_count; i++) {
			if (fam->dns_host_ifi[i] &&
			    addr_eq(&fam->dns_hosts[i], a))
				return fam->dns_host_ifi[i];
		}
	}
	return nets.now.fam[V6].template_ifi;
}

static void dns_next(enum family f)
{
	struct net_family *fam = &nets.now.fam[f];
	unsigned i = 0;

	nets.turn[f].waiting = false;
	while (i < fam->dns_host_count &&
	       !addr_eq(&fam->dns_hosts[i], &fam->dns_host))
		i++;
	if (fam->dns_host_count)
		fam->dns_host = fam->dns_hosts[(i + 1) % fam->dns_host_count];
}

static bool is_query(const struct flow_side *guest)
{
	return guest->our_port == PORT_DNS &&
	       fwd_is_dns(&nets.now, &guest->our, PORT_DNS);
}

void net_dns_turn(const struct flow_side *guest, mono_t now)
{
	enum family f = addr_family(&guest->our);
	const struct turn *t = &nets.turn[f];

	if (is_query(guest) && t->waiting &&
	    mono_before(mono_add(t->since, DUR_MS(DNS_PATIENCE_MS)), now))
		dns_next(f);
}

void net_dns_asked(const struct flow_side *guest, mono_t now)
{
	struct turn *t = &nets.turn[addr_family(&guest->our)];

	if (!is_query(guest) || t->waiting)
		return;
	t->since = now;
	t->waiting = true;
}

void net_dns_answered(const struct flow_side *guest,
		      const struct addr *resolver)
{
	if (!is_query(guest))
		return;
	for (enum family f = V4; f < FAMILIES; f++) {
		if (addr_eq(&nets.now.fam[f].dns_host, resolver))
			nets.turn[f].waiting = false;
	}
}

bool net_dns_failed(const struct flow_side *guest, const struct addr *resolver)
{
	if (!is_query(guest))
		return false;
	for (enum family f = V4; f < FAMILIES; f++) {
		if (addr_eq(&nets.now.fam[f].dns_host, resolver))
			dns_next(f);
	}
	return true;
}

bool net_follows_guest(const struct addr *a)
{
	enum family f = addr_family(a);

	return !nets.now.fam[f].guest_fixed ||
	       (f == V6 && addr_is_linklocal(a));
}

const struct net_facts *net_get_facts(void)
{
	return &nets.facts;
}

void net_add_hook(net_hook fn)
{
	assert(nets.hooks < NET_HOOKS);
	nets.hook[nets.hooks++] = fn;
}
