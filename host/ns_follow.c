// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the guest's namespace follows the host's network, see ns_follow.h
 *
 * Data: the addresses and default routes that the guest has from us. At first those
 * that were given at the start.
 *
 * Flow, for each family:
 * 1. Addresses and routes as at the start (netns_apply()): what is there already
 *    isn't touched, but addresses that have come back get their lifetimes back.
 * 2. Default routes of ours that the host hasn't got any more, known by gateway and
 *    metric, go. If one was in the way of another, as two of the same metric can't
 *    be, that takes a second pass. One that a user has put there instead stays.
 * 3. Addresses of ours that the host hasn't got any more are deprecated: what uses
 *    them goes on, and nothing new does. Routes stay: all of them lead to us.
 */
#include "host/ns_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "engine/conf_types.h"
#include "host/host_addrs.h"
#include "host/net.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/nl_copy.h"
#include "util.h"
#include "util/log.h"

enum {
	DEFAULTS_MAX	= 64,		/* more of them stay */
	OLD_VALID_S	= 2 * 60 * 60,	/* RFC 4862 5.5.3 e */
	FOREVER_S	= -1,
};

struct defaults {
	struct nl_default d[DEFAULTS_MAX];
	unsigned count;
};

static struct {
	int fd;				/* rtnetlink in the namespace */
	unsigned ifi;			/* of the tap there */
	bool v6;
	bool promotes;			/* an IPv4 address that goes away leaves
					 * others of its network alone */
	struct host_addrs given;	/* by us */
	struct host_addrs now;		/* by the pass that is going on */
	struct defaults given_defaults[FAMILIES], now_defaults;
} follow = { .fd = -1 };

static void note(struct host_addrs *l, const struct addr *a)
{
	host_addrs_add(l, &(struct host_addr){ .addr = *a });
}

static void note_now(const struct addr *a)
{
	note(&follow.now, a);
}

static bool is_old(const struct addr *a)
{
	const struct host_addr entry = { .addr = *a };

	return host_addrs_have(&follow.given, &entry) &&
	       !host_addrs_have(&follow.now, &entry);
}

/* From here on, what the guest has from us in this family is what it got now */
static void forget_old(enum family f)
{
	for (uint32_t i = 0; i < follow.given.count; i++) {
		const struct addr *a = &follow.given.a[i].addr;

		if (addr_family(a) != f)
			note(&follow.now, a);
	}
	host_addrs_copy(&follow.given, &follow.now);
}

static bool have_default(const struct defaults *l, const struct nl_default *d)
{
	for (unsigned i = 0; i < l->count; i++) {
		if (addr_eq(&l->d[i].gw, &d->gw) && l->d[i].metric == d->metric)
			return true;
	}
	return false;
}

static void note_default(struct defaults *l, const struct nl_default *d)
{
	if (l->count < DEFAULTS_MAX && !have_default(l, d))
		l->d[l->count++] = *d;
}

static void note_default_now(enum family f, const struct nl_default *d)
{
	(void)f;
	note_default(&follow.now_defaults, d);
}

/* All that it got so far, of which some may be old */
static void keep_old(enum family f)
{
	for (uint32_t i = 0; i < follow.now.count; i++)
		host_addrs_add(&follow.given, &follow.now.a[i]);
	for (unsigned i = 0; i < follow.now_defaults.count; i++)
		note_default(&follow.given_defaults[f],
			     &follow.now_defaults.d[i]);
}

/* Does our user namespace own the host's network, too? Then the capability that it
 * takes to configure the guest's would be one over the host's.
 */
static bool owns_host(void)
{
	int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int owner = net < 0 ? -1 : ioctl(net, NS_GET_USERNS);
	struct stat a, b;
	bool same = net >= 0 && owner >= 0 && !fstat(owner, &a) &&
		    !stat("/proc/self/ns/user", &b) &&
		    a.st_dev == b.st_dev && a.st_ino == b.st_ino;

	close_fd(&net);
	close_fd(&owner);
	return same;
}

static int run_promote(void *arg)
{
	char path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path),
		 "/proc/sys/net/ipv4/conf/%s/promote_secondaries",
		 (const char *)arg);
	return write_file(path, "1");
}

/* Does something not follow from options alone? */
static bool is_free(const struct net_options *o)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family_options *fo = &o->fam[f];

		if (fo->enabled && ((o->copy_addrs && addr_is_none(&fo->guest)) ||
				    (o->copy_routes && addr_is_none(&fo->gw))))
			return true;
	}
	return false;
}

int ns_follow_open(const struct conf *c)
{
	struct nl_link link;
	int rc;

	if (c->mode != MODE_PASTA || c->no_ns || !c->config_net ||
	    !is_free(&c->net) || owns_host())
		return -1;
	follow.fd = netns_nl_open();
	if (follow.fd < 0)
		return follow.fd;
	rc = nl_link_get(follow.fd, c->ns_ifname, &link);
	if (rc) {
		close_fd(&follow.fd);
		return rc;
	}
	follow.ifi = link.ifi;
	follow.v6 = netns_has_v6(c, &link);
	follow.promotes = !netns_run(run_promote, link.name);
	return follow.fd;
}

void ns_follow_given(const struct addr *a)
{
	note(&follow.given, a);
}

void ns_follow_given_default(enum family f, const struct nl_default *d)
{
	note_default(&follow.given_defaults[f], d);
}

const struct host_addrs *ns_follow_all_given(void)
{
	return &follow.given;
}

/* The default routes of ours that the host hasn't got any more: were there some? One that
 * can't be removed is ours still, until the next look.
 */
static bool remove_routes(enum family f)
{
	struct defaults *given = &follow.given_defaults[f];
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < given->count; i++) {
		const struct nl_default d = given->d[i];
		bool stays = have_default(&follow.now_defaults, &d);
		int rc = stays ? 0 : nl_route_del_default(follow.fd, f,
							  follow.ifi, &d);

		n += !stays && !rc;
		if (stays || (rc && rc != -ESRCH))
			given->d[kept++] = d;
	}
	given->count = kept;
	return n;
}

static int apply(const struct nl_copy *cp, const char **ret_what)
{
	follow.now.count = 0;
	follow.now_defaults.count = 0;
	return netns_apply(cp, ret_what);
}

/* Returns whether that has to be done again */
static bool follow_family(enum family f, int host_fd)
{
	const struct net_family *now = &net_get()->fam[f];
	bool torn = false;
	const struct nl_copy cp = {
		.from_fd = host_fd, .from_ifi = now->template_ifi,
		.to_fd = follow.fd, .to_ifi = follow.ifi, .family = f,
		.copied = note_now, .copied_default = note_default_now,
		.again = true,
		.torn = &torn,
	};
	const char *what;
	int rc;

	rc = apply(&cp, &what);
	/* Of an error, nothing is known of what the host has */
	if (!rc && !torn && remove_routes(f))
		rc = apply(&cp, &what);
	keep_old(f);
	if (rc) {
		debug("Couldn't complete IPv%c %s in the namespace: %s",
		      f == V4 ? '4' : '6', what, strerror(-rc));
		return false;
	}
	if (torn)
		return true;
	rc = nl_addrs_deprecate(follow.fd, f, follow.ifi,
				f == V6 || follow.promotes ? OLD_VALID_S :
				(unsigned)FOREVER_S, is_old);
	if (rc)
		debug("Couldn't deprecate addresses in the namespace: %s",
		      strerror(-rc));
	else
		forget_old(f);
	return rc == -EAGAIN;
}

bool ns_follow(int host_fd, const bool has[FAMILIES])
{
	bool again = false;

	/* An IPv4 route's gateway may be one of IPv6, not the reverse */
	if (has[V6] && net_get()->fam[V6].enabled && follow.v6)
		again |= follow_family(V6, host_fd);
	if (has[V4] && net_get()->fam[V4].enabled)
		again |= follow_family(V4, host_fd);
	return again;
}
