// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: owner of what the host's network is for us; see net.h */
#include "host/net.h"

#include <errno.h>
#include <string.h>

enum { NET_HOOKS = 8 };

static struct {
	const struct net_options *options;
	struct net_facts facts;
	struct net now;
	net_hook hook[NET_HOOKS];
	unsigned hooks;
} nets;

/* Whatever isn't given by option comes from resolv.conf */
static bool net_needs_resolv(const struct net_options *o)
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

	memset(ret, 0, sizeof(*ret));
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family_options *fo = &o->fam[f];
		const char *name = *o->ifname ? o->ifname : fo->outbound_if;

		if (!fo->enabled || o->no_link)
			continue;
		if (*fo->outbound_if &&
		    nl_link_get(fd, fo->outbound_if, &link) == -ENODEV)
			ret->fam[f].no_outbound_if = true;
		ret->fam[f].error = fd < 0 ? fd :
				    nl_template_get(fd, f, name,
						    &ret->fam[f].template);
	}
	if (net_needs_resolv(o))
		ret->resolv_error = resolv_read(&ret->resolv);
}

static bool text_ok(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool resolv_ok(const struct resolv *r)
{
	bool ok = r->count[V4] <= CONF_DNS_MAX && r->count[V6] <= CONF_DNS_MAX &&
		  r->search.count <= CONF_SEARCH_MAX;

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

bool net_update(const struct net_facts *facts)
{
	static struct net old;

	old = nets.now;
	nets.facts = *facts;
	net_resolve(nets.options, facts, &nets.now);
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

const struct net_facts *net_get_facts(void)
{
	return &nets.facts;
}

void net_add_hook(net_hook fn)
{
	assert(nets.hooks < NET_HOOKS);
	nets.hook[nets.hooks++] = fn;
}
