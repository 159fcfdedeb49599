/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's namespace, while the host's network changes: what --config-net made
 * there is completed with what the host has by then
 */
#ifndef HOST_NS_FOLLOW_H
#define HOST_NS_FOLLOW_H

#include "engine/net_types.h"

struct conf;

/* Open what is needed for that, where there may be something to do: after
 * netns_configure(). In the host's network namespace, with capabilities in the
 * guest's: if these are capabilities over the host's, too, as with --netns-only
 * under the machine's root, nothing is done. A socket, -1 if there is nothing to
 * do, or -errno.
 */
int ns_follow_open(const struct conf *c);

/* The guest has this address from us, since its start: before ns_follow_open() */
void ns_follow_given(const struct addr *a);
struct nl_default;
/* The same for a default route */
void ns_follow_given_default(enum family f, const struct nl_default *d);
struct host_addrs;
/* All that it has from us by now, but those that are deprecated */
const struct host_addrs *ns_follow_all_given(void);

/* Bring addresses and routes up to what net_get() says now, in the families for
 * which the host has a network (`has`). What a user has put there stays, and so do
 * addresses that we put there: deprecated, for two hours. Default routes of ours go with
 * the host's. `host_fd`: rtnetlink of the host. Needs CAP_NET_ADMIN. True: to be done
 * again, as what the host has changed while it was read.
 */
bool ns_follow(int host_fd, const bool has[FAMILIES]);

#endif /* HOST_NS_FOLLOW_H */
