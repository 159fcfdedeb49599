/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's network as a value
 *
 * Facts are asked for (net_ask()), at the start and by start/watcher.c when they
 * change. What follows from them and the options is computed (net_resolve(),
 * pure), and kept here. Who needs to know asks each time (net_get()), who has to do
 * something when it changes has a hook: nobody keeps a copy of what the host has.
 */
#ifndef HOST_NET_H
#define HOST_NET_H

#include "engine/flow_types.h"
#include "engine/net_types.h"
#include "host/netlink.h"
#include "host/resolv.h"
#include "util/mono.h"

/* What the host has, as far as it matters for these options */
struct net_facts {
	struct {
		bool no_outbound_if;	/* there's no such interface */
		int error;		/* 0, or what nl_template_get() said */
		struct nl_template template;
	} fam[FAMILIES];
	unsigned links;			/* as in struct net */
	bool torn;			/* it changed while it was read, again and
					 * again: something may be missing */
	int resolv_error;		/* 0 or -errno */
	struct resolv resolv;		/* empty if nothing comes from it */
};

/* Ask by rtnetlink, at an open socket (nl_open(); or its error): all but resolv */
void net_ask(int fd, const struct net_options *o, struct net_facts *ret);
/* The links that resolvers' addresses name */
void net_ask_scopes(int fd, struct resolv *r);
/* Does something come from resolv.conf? */
bool net_needs_resolv(const struct net_options *o);

/* Has it what a guest of this family needs? */
bool net_template_usable(enum family f, const struct nl_template *t);

/* What follows; never fails, but may have a problem to tell (enum net_problem) */
void net_resolve(const struct net_options *o, const struct net_facts *facts,
		 struct net *ret);

/* Facts that are newer: what is something in `now` goes into *facts, but the host
 * that has lost a family's network, or its resolvers, keeps those that it had: they
 * may come back, and until others come they are as good as none. In which families
 * it has one goes to ret_has[]: one whose address can't be used yet is none yet.
 */
void net_facts_renew(const struct net_facts *now, struct net_facts *facts,
		     bool ret_has[FAMILIES]);

struct nlmsghdr;
/* May sockets be bound to interfaces that the options name? */
bool net_binds_links(const struct net_options *o);

/* May a message of rtnetlink (nl_watch.h) mean that these facts have changed, or
 * routes and addresses that are copied with the options?
 */
bool net_matters(const struct net_options *o, const struct net_facts *facts,
		 struct nlmsghdr *nh);

/* Could these be facts? For those that come from another process: every count,
 * length and text within its bounds.
 */
bool net_facts_ok(const struct net_facts *facts);

/* The options, which hold for ever */
void net_init(const struct net_options *o);
/* What the host has now: what follows is computed, and hooks are called if that
 * is something else than before. Returns whether it is.
 */
bool net_update(const struct net_facts *facts);

/* What is so now: never NULL, all zero before net_update(). It changes in place. */
const struct net *net_get(void);
/* Which link does a link-local address belong to: a resolver's is told by the host,
 * any other is on that of the template; 0: unknown
 */
unsigned net_scope(const struct addr *a);

/* The resolvers behind --dns-forward take turns: the guest wants to ask now, has asked
 * (what wasn't sent, nobody can answer), one has answered, or can't be reached. Who
 * doesn't answer in time loses its turn when the guest asks again; who does, keeps it.
 * Flows of the guest's that aren't queries count for nothing: by TLS, which few
 * resolvers know, clients just try.
 */
void net_dns_turn(const struct flow_side *guest, mono_t now);
void net_dns_asked(const struct flow_side *guest, mono_t now);
void net_dns_answered(const struct flow_side *guest,
		      const struct addr *resolver);
/* True if it was a query */
bool net_dns_failed(const struct flow_side *guest, const struct addr *resolver);

/* Is the guest where it was last seen at this address? Not if an option says where it is,
 * but link-local ones are for the guest to choose.
 */
bool net_follows_guest(const struct addr *a);

/* The facts that it follows from */
const struct net_facts *net_get_facts(void);

/* Called after each change, with what was before, in the order of registration */
typedef void (*net_hook)(const struct net *old);
void net_add_hook(net_hook fn);

#endif /* HOST_NET_H */
