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

uint32_t host_addrs_plain(const struct host_addrs *l, struct addr *ret,
			  uint32_t max)
{
	uint32_t n = MIN(l->count, max);

	for (uint32_t i = 0; i < n; i++)
		ret[i] = l->a[i].addr;
	return n;
}

void host_addrs_tell(const struct host_addrs *l)
{
	static struct addr addrs[HOST_ADDRS_MAX];

	policy_set_host_addrs(addrs, host_addrs_plain(l, addrs, HOST_ADDRS_MAX));
}

static bool host_addr_eq(const struct host_addr *a, const struct host_addr *b)
{
	return addr_eq(&a->addr, &b->addr) && a->ifi == b->ifi;
}

bool host_addrs_have(const struct host_addrs *l, const struct host_addr *a)
{
	for (uint32_t i = 0; i < l->count; i++) {
		if (host_addr_eq(&l->a[i], a))
			return true;
	}
	return false;
}

void host_addrs_add(struct host_addrs *l, const struct host_addr *a)
{
	if (l->count < HOST_ADDRS_MAX && !host_addrs_have(l, a))
		l->a[l->count++] = *a;
}

void host_addrs_copy(struct host_addrs *to, const struct host_addrs *from)
{
	to->count = from->count;
	memcpy(to->a, from->a, from->count * sizeof(from->a[0]));
}

bool host_addrs_eq(const struct host_addrs *l, const struct host_addrs *m)
{
	return l->count == m->count &&
	       !memcmp(l->a, m->a, l->count * sizeof(l->a[0]));
}

bool host_addr_of(struct nlmsghdr *nh, enum family f, struct host_addr *ret)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	struct rtattr *tb[IFA_MAX + 1];

	if (!nlmsg_is_addr(nh, f, 0, tb))
		return false;
	*ret = (struct host_addr){ .addr = nlmsg_addr_local(tb, f) };
	if (f == V6 && addr_is_linklocal(&ret->addr))
		ret->ifi = ifa->ifa_index;
	return true;
}

struct asked {
	enum family f;
	struct host_addrs *to;
	uint32_t before;		/* of families before */
};

static int ask_read(struct nlmsghdr *nh, void *arg)
{
	const struct asked *q = arg;

	if (q->to->count < HOST_ADDRS_MAX &&
	    host_addr_of(nh, q->f, &q->to->a[q->to->count]))
		q->to->count++;
	return 0;
}

static void ask_begin(void *arg)
{
	const struct asked *q = arg;

	q->to->count = q->before;
}

int host_addrs_ask(int fd, struct host_addrs *ret)
{
	struct asked q = { .to = ret };
	const struct nlmsg_reader rd = { ask_read, ask_begin, &q };

	for (q.f = V4; q.f < FAMILIES; q.f++) {
		int rc = nlmsg_dump_addrs(fd, q.f, 0, &rd);

		if (rc)
			return rc;
		q.before = ret->count;
	}
	return 0;
}
