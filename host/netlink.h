/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host facts by rtnetlink, and configuration of the namespace's interface
 *
 * A socket keeps the network namespace it was opened in: nl_open() for the
 * host, nl_open() within netns_run() for the guest, both usable from anywhere
 * after that, also in the loop: the kernel answers at once. All functions return
 * 0 or -errno as the kernel gave it, unless told otherwise.
 */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

#include <net/if.h>

#include "util/addr.h"

/* A socket in the current network namespace, or -errno; close() it */
int nl_open(void);

/* The host interface whose addresses and routes the guest gets */
struct nl_template {
	char ifname[IFNAMSIZ];
	unsigned ifi;
	struct addr addr;		/* what it'd be seen by far away, or none */
	unsigned prefix_len;
	struct addr ll;			/* v6: link-local, or none */
	struct addr gw;			/* of its default route, or none */
	bool tentative;			/* its addresses can't be used yet: nobody
					 * knows if others have them, RFC 4862 5.4 */
	unsigned candidates;		/* interfaces that would have done */
};

/* Find the template interface for a family: `ifname` if not "", else the first
 * with a default route in the main table, else the first with any
 * non-link-local route. 0; 1: the same, but that changed while it was read, again
 * and again; -ENOENT if there is none; -ENODEV if the named one doesn't exist; other
 * -errno if the kernel can't be asked.
 */
int nl_template_get(int fd, enum family f, const char *ifname,
		    struct nl_template *ret_tmpl);

/* What an interface is now */
struct nl_link {
	char name[IFNAMSIZ];
	unsigned ifi;
	unsigned mtu;
	uint8_t mac[6];			/* all zero: none, or not Ethernet's */
	bool up;
	bool have_v6;			/* the kernel does IPv6 here */
	uint8_t v6_gen_mode;		/* how it makes link-local addresses */
};

/* -ENODEV if there is no interface of this name, or number */
int nl_link_get(int fd, const char *ifname, struct nl_link *ret_link);
int nl_link_get_index(int fd, unsigned ifi, struct nl_link *ret_link);
int nl_link_set_up(int fd, unsigned ifi);
int nl_link_set_mtu(int fd, unsigned ifi, unsigned mtu);
int nl_link_set_mac(int fd, unsigned ifi, const uint8_t mac[6]);
/* One of IN6_ADDR_GEN_MODE_…; doesn't touch the addresses that are there */
int nl_link_set_v6_gen_mode(int fd, unsigned ifi, uint8_t mode);

/* Add an address, usable at once (v6: without duplicate address detection) */
int nl_addr_add(int fd, unsigned ifi, const struct addr *a,
		unsigned prefix_len);
/* Add a default route by `gw`, as on-link if no route leads to it. The
 * interface is up.
 */
int nl_route_add_default(int fd, unsigned ifi, const struct addr *gw);
/* A default route, by `gw` or, if that is none, without one */
struct nl_default {
	struct addr gw;
	uint32_t metric;		/* as the kernel tells it, 0 for none */
};
/* What nl_route_add_default() makes: the kernel has a metric of its own for IPv6 */
struct nl_default nl_default_by(const struct addr *gw);
/* Remove one; -ESRCH if it isn't there */
int nl_route_del_default(int fd, enum family f, unsigned ifi,
			 const struct nl_default *d);

/* An address that nothing new should use, and that goes away in time: those of
 * the interface for which it is true are made so
 */
int nl_addrs_deprecate(int fd, enum family f, unsigned ifi, unsigned valid_s,
		       bool (*is_old)(const struct addr *a));

#endif /* HOST_NETLINK_H */
