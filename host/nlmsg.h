/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Netlink messages: put together, sent, received, taken apart
 *
 * The kernel has answered when sendto() returns, or answers in recv(): nothing
 * here ever waits. Functions return 0 or -errno as the kernel gave it, unless
 * told otherwise.
 */
#ifndef HOST_NLMSG_H
#define HOST_NLMSG_H

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

#include "util/addr.h"

/* A request being put together */
enum { NLMSG_BODY_MAX = 2048 };
struct nlmsg {
	struct nlmsghdr nh;
	uint8_t body[NLMSG_BODY_MAX];
};

/* Begin a request with a zeroed fixed part, which is returned */
void *nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags,
		 size_t fixed_len);
/* Append an attribute. What doesn't fit makes the request one that can't be
 * sent: -EMSGSIZE then.
 */
struct rtattr *nlmsg_put(struct nlmsg *m, uint16_t type, const void *data,
			 size_t len);
void nlmsg_put_u32(struct nlmsg *m, uint16_t type, uint32_t v);
void nlmsg_put_addr(struct nlmsg *m, uint16_t type, const struct addr *a);
/* Open and close an attribute that contains others */
struct rtattr *nlmsg_nest(struct nlmsg *m, uint16_t type);
void nlmsg_nest_end(struct nlmsg *m, struct rtattr *a);

/* Send a request that changes something; its outcome */
int nlmsg_talk(int fd, struct nlmsghdr *nh);

/* Who takes the answers to a question: read() gets one after the other until it
 * returns non-zero, which is returned in the end; begin() is called before the
 * first, and again if all must be forgotten.
 */
struct nlmsg_reader {
	int (*read)(struct nlmsghdr *nh, void *arg);
	void (*begin)(void *arg);	/* or NULL */
	void *arg;
};

/* Ask for everything of a kind. -EAGAIN: it changed while we read, something
 * may be missing or there twice (NLM_F_DUMP_INTR). `rd` may talk by another
 * socket, but not ask.
 */
int nlmsg_dump_once(int fd, struct nlmsg *m, const struct nlmsg_reader *rd);
/* The same, tried anew a few times until nothing changes meanwhile: -EAGAIN if it does
 * each time. `rd` then has what the last time brought.
 */
int nlmsg_dump(int fd, struct nlmsg *m, const struct nlmsg_reader *rd);
/* Ask for one thing: the answer, which holds until the next question */
int nlmsg_get(int fd, struct nlmsg *m, uint16_t type, size_t fixed_len,
	      struct nlmsghdr **ret_nh);

/* Attributes 0-max behind a fixed header, by type; NULL if absent */
void nlmsg_attrs(struct nlmsghdr *nh, size_t fixed_len, struct rtattr **tb,
		 unsigned max);
uint32_t nlmsg_u32(struct rtattr *a, uint32_t fallback);
/* Address from an attribute; none if it is absent or of another family */
struct addr nlmsg_addr(struct rtattr *a, enum family f);

uint8_t nlmsg_af(enum family f);

/* rtnetlink: routes and addresses, as the kernel tells of them */

/* Dump routes; older kernels give those of all tables and types */
int nlmsg_dump_routes(int fd, enum family f, const struct nlmsg_reader *rd);
/* Is this a route that people see and mean: unicast, main table, not a cache
 * entry? Told of in a dump, or in news of its end. Fills in tb, of RTA_MAX + 1.
 */
bool nlmsg_is_route(struct nlmsghdr *nh, enum family f, struct rtattr **tb);
/* An attribute of a next hop, or NULL */
struct rtattr *nlmsg_hop_attr(struct rtnexthop *nh, uint16_t type);

/* Dump addresses, of all interfaces for 0; older kernels give those always */
int nlmsg_dump_addrs(int fd, enum family f, unsigned ifi,
		     const struct nlmsg_reader *rd);
/* Is this an address of that interface, or of any for 0? Told of in a dump, or in news
 * of it or of its end. With a prefix that is longer than an address it is none. Fills in
 * tb, of IFA_MAX + 1.
 */
bool nlmsg_is_addr(struct nlmsghdr *nh, enum family f, unsigned ifi,
		   struct rtattr **tb);
/* Its flags: those of 32 bits if the kernel gives them */
uint32_t nlmsg_addr_flags(const struct ifaddrmsg *ifa, struct rtattr **tb);
/* The interface's own address: IFA_ADDRESS is the peer's if there is one */
struct addr nlmsg_addr_local(struct rtattr **tb, enum family f);

#endif /* HOST_NLMSG_H */
