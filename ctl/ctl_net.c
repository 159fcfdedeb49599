// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: what is known of the network, by the control socket: the host's, and what
 * the guest is told and was seen to use
 */
#include "ctl/ctl_int.h"
#include "host/net.h"
#include "tap.h"

static void print_addr(struct jsonw *w, const char *name, const struct addr *a)
{
	if (!addr_is_none(a))
		jsonw_str(w, name, ADDR_STR(a));
}

static void print_family(struct jsonw *w, const char *name,
			 const struct net_family *f)
{
	if (!f->enabled)
		return;
	jsonw_open(w, name, '{');
	jsonw_bool(w, "local_mode", f->local_mode);
	jsonw_str(w, "interface", *f->template_if ? f->template_if : NULL);
	print_addr(w, "guest", &f->guest);
	jsonw_uint(w, "prefix_length", f->prefix_len);
	print_addr(w, "gateway", &f->gw);
	print_addr(w, "our", &f->our);
	print_addr(w, "map_host_loopback", &f->map_host_loopback);
	print_addr(w, "map_guest_addr", &f->map_guest_addr);
	jsonw_open(w, "resolvers", '[');
	for (unsigned i = 0; i < f->dns_count; i++)
		jsonw_str(w, NULL, ADDR_STR(&f->dns[i]));
	jsonw_close(w, ']');
	print_addr(w, "dns_forward", &f->dns_forward);
	print_addr(w, "dns_host", &f->dns_host);
	print_addr(w, "outbound", &f->outbound);
	jsonw_close(w, '}');
}

static bool is_known(const uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++) {
		if (mac[i] != 0xff)
			return true;
	}
	return false;
}

static void print_guest(struct jsonw *w)
{
	const uint8_t *mac = tap_guest_mac();

	jsonw_open(w, "guest", '{');
	jsonw_str(w, "mac", is_known(mac) ? MAC_STR(mac) : NULL);
	jsonw_bool(w, "paused", tap_is_paused());
	print_addr(w, "ipv4", &tap_guest.v4);
	print_addr(w, "ipv6", &tap_guest.v6);
	print_addr(w, "ipv6_link_local", &tap_guest.v6_ll);
	jsonw_close(w, '}');
}

void ctl_net(struct ctl_call *k)
{
	const struct net *net = net_get();
	struct jsonw *w = k->w;

	jsonw_open(w, NULL, '{');
	print_family(w, "ipv4", &net->fam[V4]);
	print_family(w, "ipv6", &net->fam[V6]);
	jsonw_open(w, "search", '[');
	for (unsigned i = 0; i < net->search.count; i++)
		jsonw_str(w, NULL, net->search.name[i]);
	jsonw_close(w, ']');
	jsonw_uint(w, "mtu", k->session->conf->mtu);
	jsonw_str(w, "our_mac", MAC_STR(k->session->conf->our_mac));
	print_guest(w);
	jsonw_close(w, '}');
}
