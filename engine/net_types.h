/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The network: what was asked for, and what follows from that and the host
 *
 * Options are constant. What the host has may change while we run; what follows
 * is a value that host/net.c owns, and others ask for.
 */
#ifndef ENGINE_NET_TYPES_H
#define ENGINE_NET_TYPES_H

#include <net/if.h>

#include "util/addr.h"

enum {
	CONF_DNS_MAX	= 3,		/* resolvers for each family */
	NET_RESOLVERS	= FAMILIES * CONF_DNS_MAX,
	CONF_SEARCH_MAX	= 6,
	CONF_NAME_MAX	= 253,		/* RFC 1035: longest domain name */
};

struct net_search {
	char name[CONF_SEARCH_MAX][CONF_NAME_MAX + 1];
	unsigned count;
};

/* What was asked for, for each family; none and "": nothing was */
struct net_family_options {
	bool enabled;

	struct addr guest;		/* -a */
	bool have_len;			/* -a with a length, or -n (IPv4) */
	unsigned len;
	bool own_net;			/* nobody but us and the guest has
					 * addresses of its prefix */
	struct addr gw;			/* -g */

	struct addr map_host_loopback;
	struct addr map_guest_addr;
	struct addr dns[CONF_DNS_MAX];	/* -D */
	unsigned dns_count;
	struct addr dns_forward;
	struct addr dns_host;

	struct addr outbound;		/* -o */
	char outbound_if[IFNAMSIZ];
};

struct net_options {
	struct net_family_options fam[FAMILIES];
	char ifname[IFNAMSIZ];		/* -i */
	bool no_link;			/* --splice-only: no addresses at all */
	bool no_map_gw;
	bool copy_addrs, copy_routes;	/* --config-net: all of the host's
					 * interface, where nothing was given */
	bool dns_none, search_none;
	bool listens_at_if;		/* ports at an interface of a name, by -t or
					 * -u, or maybe later by who controls us */
	bool own_dns;			/* we are the guest's resolver: it needs
					 * an address */
	struct net_search search;	/* -S */
};

/* Why there is no network as it was asked for */
enum net_problem {
	NET_FINE,
	NET_NO_IFNAME,			/* -i: no such interface */
	NET_NO_OUTBOUND_IF,		/* --outbound-if…: no such interface */
	NET_OUTBOUND_UNUSABLE,		/* --outbound-if…: has no address */
};

/* What there is of everything for each family; all zero if it is off */
struct net_family {
	bool enabled;
	bool local_mode;		/* no usable host interface */
	enum net_problem problem;

	struct addr guest;		/* address for the guest; none: v6 in
					 * local mode, guest makes its own */
	unsigned prefix_len;
	bool guest_fixed;		/* -a: don't follow what we observe */
	bool own_net;			/* see above */
	struct addr gw;			/* the guest's default gateway, or none
					 * (a route without gateway) */
	struct addr our;		/* ours, seen by the guest: v4: gateway;
					 * v6: our link-local address */

	struct addr map_host_loopback;	/* guest → this → host's loopback */
	struct addr map_guest_addr;	/* guest → this → guest's own address
					 * on the host */
	struct addr dns[CONF_DNS_MAX];	/* as given to the guest */
	unsigned dns_count;
	struct addr dns_forward;	/* guest → this → dns_host */
	struct addr dns_host;		/* whose turn it is, or none */
	struct addr dns_hosts[NET_RESOLVERS];	/* all of them */
	unsigned dns_host_ifi[NET_RESOLVERS];	/* link of a link-local one */
	unsigned dns_host_count;

	struct addr outbound;		/* -o: source of our sockets */
	char outbound_if[IFNAMSIZ];	/* "": any */
	char template_if[IFNAMSIZ];	/* addresses and routes come from it */
	unsigned template_ifi;		/* 0: none */
	bool copy_addrs;		/* --config-net: all of the template's */
	bool copy_routes;
};

struct net {
	struct net_family fam[FAMILIES];
	bool usable;			/* for some family, there's a host
					 * interface or a given address */
	struct net_search search;	/* the guest's search domains */
	unsigned links;			/* counts when another interface may have
					 * the name of one that is in use */
};

#endif /* ENGINE_NET_TYPES_H */
