/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's resolver, where a policy has names
 *
 * What the guest asks of its resolver, by UDP or TCP, comes here: egress.c leads
 * such flows to two sockets of ours on the host's loopback. A name that no rule
 * allows is refused, whatever its type; other queries go to the host's resolvers,
 * and what these say goes back as it is. Addresses in it are learned for the name
 * that was asked.
 */
#ifndef HOST_DNS_PROXY_H
#define HOST_DNS_PROXY_H

#include "engine/flow_types.h"
#include "util/types.h"

/* At the start, once the policy is there: open, if it has names, and die if that
 * fails. maybe_later: another policy may have some.
 */
void dns_proxy_init(bool maybe_later);
/* The sockets, unless they are open. 0 or -errno. */
int dns_proxy_open(void);

/* A flow that is no dgram.h's has its socket on the host's side, connected or about
 * to be: if it leads to us, what comes from there is the guest's from now on. Not
 * listened to is whoever else sends to our ports.
 */
void dns_proxy_note(struct flow *f, int fd);

struct dns_proxy_counters {
	uint64_t queries, refused, failed, answers, strangers;
};
extern struct dns_proxy_counters dns_proxy_counters;

#endif /* HOST_DNS_PROXY_H */
