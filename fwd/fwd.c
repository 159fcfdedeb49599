// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the mapping between what the guest sees and what the host has
 *
 * Guest → host, by destination, first match:
 *	--dns-forward, port 53 or 853	→ --dns-host
 *	--map-host-loopback		→ 127.0.0.1 or ::1
 *	--map-guest-addr		→ the guest's address, on the host
 *	the guest's own network		nobody, if it isn't the host's, too
 *	anything else			unchanged
 *
 * Host → guest, by source:
 *	127.0.0.1 or ::1		→ --map-host-loopback, else ours
 *	the guest's addresses, assigned
 *	or in use			→ --map-guest-addr, else ours
 *	other loopback, 0.0.0.0		→ ours
 *	anything else			unchanged: the client's own address
 *
 * Host → guest, by destination, where the rule has no target: the address that was
 * asked for, if the guest has it; else the one that the guest used last.
 *
 * Loopback to loopback, namespace mode, past the link (spliced):
 *	host's loopback, -t or -u without target	→ the guest's address
 *		(as above), or the same loopback address with --host-lo-to-ns-lo
 *	namespace's loopback, -T or -U			→ the same on the host
 *	refused there, TCP		→ that host's address of the other family
 */
#include "fwd/fwd.h"

#include <string.h>

#include "util/wire.h"

static bool fwd_is_set_to(const struct addr *setting, const struct addr *a)
{
	return !addr_is_none(setting) && addr_eq(setting, a);
}

bool fwd_is_host(const struct net *net, const struct addr *a)
{
	const struct net_family *cf = &net->fam[addr_family(a)];

	/* A guest that was given such an address by hand shall have its way */
	return addr_is_unicast(a) &&
	       (addr_eq(a, &cf->guest) ||
		!addr_is_broadcast_of(a, &cf->guest, cf->prefix_len));
}

bool fwd_is_our(const struct net *net, const struct addr *a)
{
	const struct net_family *cf = &net->fam[addr_family(a)];

	return fwd_is_set_to(&cf->our, a) || fwd_is_set_to(&cf->gw, a) ||
	       fwd_is_set_to(&cf->dns_forward, a) ||
	       fwd_is_set_to(&cf->map_host_loopback, a) ||
	       fwd_is_set_to(&cf->map_guest_addr, a);
}

bool fwd_is_nobody(const struct net *net, const struct addr *to)
{
	const struct net_family *cf = &net->fam[addr_family(to)];

	return cf->own_net && addr_same_prefix(to, &cf->guest, cf->prefix_len);
}

bool fwd_is_dns(const struct net *net, const struct addr *to, uint16_t port)
{
	return (port == PORT_DNS || port == PORT_DNS_TLS) &&
	       fwd_is_set_to(&net->fam[addr_family(to)].dns_forward, to);
}

bool fwd_map_out(const struct net *net, const struct flow_side *guest,
		 struct flow_side *ret_host)
{
	const struct net_family *cf = &net->fam[addr_family(&guest->our)];
	const struct addr *to = &guest->our;
	struct flow_side host = { .peer_port = guest->our_port };
	uint16_t port = guest->our_port;
	enum family f;

	if (!cf->enabled || !fwd_is_host(net, to) || addr_is_loopback(to) ||
	    !fwd_is_host(net, &guest->peer) || addr_is_loopback(&guest->peer))
		return false;

	if (fwd_is_dns(net, to, port))
		host.peer = cf->dns_host;
	else if (fwd_is_set_to(&cf->map_host_loopback, to))
		host.peer = addr_loopback(addr_family(to));
	else if (fwd_is_set_to(&cf->map_guest_addr, to))
		host.peer = cf->guest;
	else if (!fwd_is_nobody(net, to))
		host.peer = *to;
	if (addr_is_none(&host.peer))
		return false;

	/* A resolver of the other family may stand behind --dns-forward */
	f = addr_family(&host.peer);
	if (!addr_is_loopback(&host.peer))
		host.our = net->fam[f].outbound;
	*ret_host = host;
	return true;
}

struct addr fwd_source(const struct net *net, const struct guest_addrs *seen,
		       const struct addr *client)
{
	enum family f = addr_family(client);
	const struct net_family *cf = &net->fam[f];
	struct addr lo = addr_loopback(f);

	if (addr_eq(client, &lo) && !addr_is_none(&cf->map_host_loopback))
		return cf->map_host_loopback;
	if (addr_is_loopback(client) || addr_is_any(client))
		return cf->our;
	if (addr_eq(client, &cf->guest) || guest_addrs_have(seen, client))
		return addr_is_none(&cf->map_guest_addr) ? cf->our :
							   cf->map_guest_addr;
	return *client;
}

/* The guest's address to use for what was asked at `asked`, with a source; none if
 * it has none
 */
static struct addr fwd_guest_addr(const struct net_family *cf,
				  const struct guest_addrs *seen,
				  const struct addr *asked,
				  const struct addr *source)
{
	bool v4 = addr_is_v4(source);
	const struct addr *addr = v4 ? &seen->v4 : &seen->v6;

	if (addr_is_v4(asked) == v4 && !cf->guest_fixed &&
	    guest_addrs_reach(seen, asked))
		return *asked;
	if (!v4 && addr_is_linklocal(source) && !addr_is_none(&seen->v6_ll))
		return seen->v6_ll;
	return cf->guest_fixed || addr_is_none(addr) ? cf->guest : *addr;
}

/* Where what was asked for at `port` leads: a range keeps its offset */
static uint16_t fwd_port(const struct fwd_rule *r, uint16_t port)
{
	return (uint16_t)(r->to + (port - r->first));
}

bool fwd_map_in(const struct net *net, const struct guest_addrs *seen,
		const struct fwd_rule *r, const struct flow_side *host,
		struct flow_side *ret_guest)
{
	const struct net_family *cf = &net->fam[addr_family(&host->peer)];
	struct flow_side guest = {
		.our_port = host->peer_port,
		.peer_port = fwd_port(r, host->our_port),
	};

	guest.our = fwd_source(net, seen, &host->peer);
	if (!addr_is_none(&r->target))
		guest.peer = r->target;
	else
		guest.peer = fwd_guest_addr(cf, seen, &host->our, &guest.our);

	/* A guest without a global address knows but its own link */
	if (addr_is_none(&guest.peer) && !addr_is_none(&seen->v6_ll) &&
	    !addr_is_v4(&guest.our)) {
		guest.peer = seen->v6_ll;
		guest.our = cf->our;
	}
	if (!cf->enabled || addr_is_none(&guest.our) ||
	    addr_is_none(&guest.peer) ||
	    addr_family(&guest.our) != addr_family(&guest.peer))
		return false;
	*ret_guest = guest;
	return true;
}

/* From the host's loopback into the namespace */
static bool fwd_splice_in(const struct conf *c, const struct net *net,
			  const struct guest_addrs *seen,
			  const struct fwd_rule *r,
			  const struct flow_side *from,
			  struct flow_side *ret_to)
{
	enum family f = addr_family(&from->peer);
	const struct net_family *cf = &net->fam[f];
	struct flow_side to = { .peer_port = fwd_port(r, from->our_port) };

	if (c->mode != MODE_PASTA || c->no_splice || !cf->enabled ||
	    !addr_is_none(&r->target) || !addr_is_loopback(&from->peer) ||
	    !addr_is_unicast(&from->our))
		return false;
	if (!c->host_lo_to_ns_lo)
		to.peer = fwd_guest_addr(cf, seen, &from->our, &from->peer);
	else if (addr_is_loopback(&from->our))
		to.peer = from->our;
	else
		to.peer = addr_loopback(f);
	if (addr_is_none(&to.peer))
		return false;
	*ret_to = to;
	return true;
}

/* From the namespace's loopback to the host's */
static bool fwd_splice_out(const struct fwd_rule *r,
			   const struct flow_side *from,
			   struct flow_side *ret_to)
{
	if (!addr_is_loopback(&from->peer) || !addr_is_loopback(&from->our))
		return false;
	*ret_to = (struct flow_side){
		.peer = from->our,
		.peer_port = fwd_port(r, from->our_port),
	};
	return true;
}

struct addr fwd_splice_other(const struct net *net,
			     const struct guest_addrs *seen,
			     const struct addr *to)
{
	enum family f = addr_is_v4(to) ? V6 : V4;
	struct addr lo = addr_loopback(f);

	if (!net->fam[f].enabled)
		return (struct addr){ { 0 } };
	return addr_is_loopback(to) ? lo :
	       fwd_guest_addr(&net->fam[f], seen, &lo, &lo);
}

enum fwd_path fwd_map_listener(const struct conf *c, const struct net *net,
			       const struct guest_addrs *seen,
			       const struct fwd_rule *r,
			       enum flow_side_name ini,
			       const struct flow_side *from,
			       struct flow_side *ret_to)
{
	if (ini == GUEST)
		return fwd_splice_out(r, from, ret_to) ? FWD_SPLICE :
							 FWD_REFUSE;
	if (fwd_splice_in(c, net, seen, r, from, ret_to))
		return FWD_SPLICE;
	if (c->splice_only || !fwd_map_in(net, seen, r, from, ret_to))
		return FWD_REFUSE;
	return FWD_TAP;
}
