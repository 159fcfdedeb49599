/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's own addresses: for the policy's class "host", and to see which go */
#ifndef HOST_HOST_ADDRS_H
#define HOST_HOST_ADDRS_H

#include "fwd/policy.h"
#include "util/addr.h"

/* One more than the policy knows, so that it sees that there are */
enum { HOST_ADDRS_MAX = POLICY_HOSTS_MAX + 1 };

/* A list of them: of more than HOST_ADDRS_MAX, some are missing */
struct host_addrs {
	uint32_t count;
	struct host_addr {
		struct addr addr;
		uint32_t ifi;		/* of a link-local one of IPv6; else 0 */
	} a[HOST_ADDRS_MAX];
};

bool host_addrs_have(const struct host_addrs *l, const struct host_addr *a);
/* Add one that isn't there, if there is room */
void host_addrs_add(struct host_addrs *l, const struct host_addr *a);
struct nlmsghdr;
/* The address of that family that a message of rtnetlink is about; false: none */
bool host_addr_of(struct nlmsghdr *nh, enum family f, struct host_addr *ret);
/* *to becomes *from, without touching more than that takes */
void host_addrs_copy(struct host_addrs *to, const struct host_addrs *from);
/* Up to max of them, without interfaces, to ret: how many */
uint32_t host_addrs_plain(const struct host_addrs *l, struct addr *ret,
			  uint32_t max);
bool host_addrs_eq(const struct host_addrs *l, const struct host_addrs *m);

/* Read them, in the network namespace of the caller, and tell policy.c, if there is
 * a policy, or may be one later. At the start only: the C library allocates memory
 * for it.
 */
void host_addrs_read(bool maybe_later);
/* Was there a reason to? Then changes are to be told, too. */
bool host_addrs_wanted(void);
/* Tell policy.c */
void host_addrs_tell(const struct host_addrs *l);

/* Ask by rtnetlink, at an open socket (nl_open()). 0 or -errno: -EAGAIN if they
 * changed meanwhile, again and again. Allocates nothing.
 */
int host_addrs_ask(int fd, struct host_addrs *ret);

#endif /* HOST_HOST_ADDRS_H */
