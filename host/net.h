/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's network as a value
 *
 * Facts are asked for (net_ask()), what follows from them and the options is
 * computed (net_resolve(), pure), and kept here. Who needs to know asks each time
 * (net_get()): nobody keeps a copy of what the host has.
 */
#ifndef HOST_NET_H
#define HOST_NET_H

#include "engine/net_types.h"
#include "host/netlink.h"
#include "host/resolv.h"

/* What the host has, as far as it matters for these options */
struct net_facts {
	struct {
		bool no_outbound_if;	/* there's no such interface */
		int error;		/* 0, or what nl_template_get() said */
		struct nl_template template;
	} fam[FAMILIES];
	int resolv_error;		/* 0 or -errno */
	struct resolv resolv;		/* empty if the options say all */
};

/* Ask by rtnetlink, at an open socket (nl_open(); or its error), and resolv.conf */
void net_ask(int fd, const struct net_options *o, struct net_facts *ret);

/* What follows; never fails, but may have a problem to tell (enum net_problem) */
void net_resolve(const struct net_options *o, const struct net_facts *facts,
		 struct net *ret);

/* What is so now: never NULL, all zero before net_set(). It changes in place. */
const struct net *net_get(void);
void net_set(const struct net *net);

#endif /* HOST_NET_H */
