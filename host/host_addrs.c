// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the host's own addresses, see host_addrs.h */
#include "host/host_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include "fwd/policy.h"
#include "host/nlmsg.h"
#include "util/log.h"

static bool wanted;

void host_addrs_read(bool maybe_later)
{
	static struct addr addrs[HOST_ADDRS_MAX];
	struct ifaddrs *list;
	unsigned n = 0;

	wanted = policy_is_on() || maybe_later;
	if (!wanted)
		return;
	if (getifaddrs(&list))
		die("Couldn't ask for the host's addresses, which the rules of --allow and --deny need: %s",
		    strerror(errno));
	for (const struct ifaddrs *i = list; i && n < HOST_ADDRS_MAX;
	     i = i->ifa_next) {
		union sockaddr_any sa = { 0 };
		uint16_t port;

		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET &&
				     i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&sa, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ?
		       sizeof(sa.sin) : sizeof(sa.sin6));
		addrs[n++] = addr_from_sockaddr(&sa, &port);
	}
	freeifaddrs(list);
	policy_set_host_addrs(addrs, n);
}

bool host_addrs_wanted(void)
{
	return wanted;
}

struct asked {
	enum family f;
	struct addr *addr;
	uint32_t before, n;		/* of families before; of all */
};

static int ask_read(struct nlmsghdr *nh, void *arg)
{
	struct rtattr *tb[IFA_MAX + 1];
	struct asked *a = arg;

	if (nlmsg_is_addr(nh, a->f, 0, tb) && a->n < HOST_ADDRS_MAX)
		a->addr[a->n++] = nlmsg_addr_local(tb, a->f);
	return 0;
}

static void ask_begin(void *arg)
{
	struct asked *a = arg;

	a->n = a->before;
}

int host_addrs_ask(int fd, struct addr *ret, uint32_t *ret_n)
{
	struct asked a = { .addr = ret };
	const struct nlmsg_reader rd = { ask_read, ask_begin, &a };

	for (a.f = V4; a.f < FAMILIES; a.f++) {
		int rc = nlmsg_dump_addrs(fd, a.f, 0, &rd);

		if (rc)
			return rc;
		a.before = a.n;
	}
	*ret_n = a.n;
	return 0;
}
