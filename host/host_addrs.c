// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the host's own addresses, see host_addrs.h */
#include "host/host_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>

#include "fwd/policy.h"
#include "util/log.h"

enum { HOST_ADDRS_MAX = 4096 };

void host_addrs_read(bool maybe_later)
{
	static struct addr addrs[HOST_ADDRS_MAX];
	struct ifaddrs *list;
	unsigned n = 0;

	if (!policy_is_on() && !maybe_later)
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
