/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a new flow goes: pure mapping from the side that began it to the other
 *
 * Nothing here has state: rules, the network and addresses in, mapping out.
 */
#ifndef FWD_FWD_H
#define FWD_FWD_H

#include "engine/conf_types.h"
#include "engine/flow_types.h"
#include "engine/guest.h"

/* Can `a` be one host's address, as the guest sees the world? Not what is any,
 * multicast or broadcast, also that of the guest's own network: such a thing is
 * neither a source nor a destination of what is forwarded.
 */
bool fwd_is_host(const struct net *net, const struct addr *a);

/* Is `a` an address that the guest has of us, for itself: its gateway, or one
 * that stands for something on the host? What isn't may be anybody's, and be
 * taken by the guest.
 */
bool fwd_is_our(const struct net *net, const struct addr *a);

/* Does that lead to a resolver of the host's, by --dns-forward? */
bool fwd_is_dns(const struct net *net, const struct addr *to, uint16_t port);

/* Guest → host. `guest`: peer is the guest, our is what it talks to. False: not
 * to be forwarded (loopback, no host's address, no such family on the host).
 * ret_host->our is the source to bind, none if the kernel shall choose.
 */
bool fwd_map_out(const struct net *net, const struct flow_side *guest,
		 struct flow_side *ret_host);

/* Would `to` have to be in the guest's network, where nobody else is? What isn't
 * mapped there can't be reached: fwd_map_out() says false.
 */
bool fwd_is_nobody(const struct net *net, const struct addr *to);

/* Host → guest by rule r. `host`: peer is the client, our is where it
 * connected. False: there's no address to show to the guest, or none of the
 * guest's to reach.
 */
bool fwd_map_in(const struct net *net, const struct guest_addrs *seen,
		const struct fwd_rule *r, const struct flow_side *host,
		struct flow_side *ret_guest);

/* What becomes of a flow that begins at a listener of rule r, on the host
 * (ini HOST: -t, -u) or inside the namespace (GUEST: -T, -U). `from`: peer is
 * the client, our is where it connected. FWD_TAP and FWD_SPLICE set *ret_to, the
 * other side: for FWD_SPLICE, peer is where to connect, in the other network.
 */
enum fwd_path {
	FWD_REFUSE,
	FWD_TAP,			/* as frames */
	FWD_SPLICE,			/* socket to socket */
};
enum fwd_path fwd_map_listener(const struct conf *c, const struct net *net,
			       const struct guest_addrs *seen,
			       const struct fwd_rule *r,
			       enum flow_side_name ini,
			       const struct flow_side *from,
			       struct flow_side *ret_to);

/* Where else, for FWD_SPLICE, a service may listen that isn't at `to`: the same
 * host's address of the other family; none if there is none. Names such as
 * localhost have addresses of both, and a client that is accepted at one of them
 * doesn't try the other.
 */
struct addr fwd_splice_other(const struct net *net,
			     const struct guest_addrs *seen,
			     const struct addr *to);

/* The source that the guest sees for a client at `client`: itself, or one of
 * ours if the client's address means something else to the guest; none if there
 * is nothing to show.
 */
struct addr fwd_source(const struct net *net, const struct guest_addrs *seen,
		       const struct addr *client);

#endif /* FWD_FWD_H */
