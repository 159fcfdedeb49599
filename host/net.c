// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: owner of what the host's network is for us; see net.h */
#include "host/net.h"

#include <errno.h>
#include <string.h>

static struct {
	struct net now;
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

const struct net *net_get(void)
{
	return &nets.now;
}

void net_set(const struct net *net)
{
	nets.now = *net;
}
