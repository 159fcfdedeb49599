// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: netlink messages, see nlmsg.h
 *
 * Data: `rx` receives one part of a dump, and is worth nothing after the call; an
 * acknowledgement has a buffer of its own.
 */
#include "host/nlmsg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
	NLMSG_ACK_MAX	= 1024,
	NLMSG_RX_MAX	= 64 * 1024,	/* the kernel fills up to 32 KiB */
	NLMSG_TRIES	= 5,
};

static struct {
	uint32_t seq;
	_Alignas(NLMSG_ALIGNTO) uint8_t rx[NLMSG_RX_MAX];
} nlmsg;

uint8_t nlmsg_af(enum family f)
{
	return f == V4 ? AF_INET : AF_INET6;
}

static size_t family_addr_len(enum family f)
{
	return f == V4 ? 4 : 16;
}

static const void *addr_raw(const struct addr *a)
{
	return addr_is_v4(a) ? addr_v4_bytes(a) : a->b;
}

void *nlmsg_init(struct nlmsg *m, uint16_t type, uint16_t flags,
		 size_t fixed_len)
{
	memset(m, 0, sizeof(m->nh) + NLMSG_ALIGN(fixed_len));
	m->nh.nlmsg_type = type;
	m->nh.nlmsg_flags = NLM_F_REQUEST | flags;
	m->nh.nlmsg_len = NLMSG_LENGTH(fixed_len);
	return m->body;
}

struct rtattr *nlmsg_put(struct nlmsg *m, uint16_t type, const void *data,
			 size_t len)
{
	size_t at = NLMSG_ALIGN(m->nh.nlmsg_len);
	struct rtattr *a;

	if (at + RTA_SPACE(len) > sizeof(*m)) {
		m->nh.nlmsg_len = sizeof(*m) + 1;
		return NULL;
	}

	a = (struct rtattr *)(void *)((char *)m + at);
	memset(a, 0, RTA_SPACE(len));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->nh.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
	return a;
}

void nlmsg_put_u32(struct nlmsg *m, uint16_t type, uint32_t v)
{
	nlmsg_put(m, type, &v, sizeof(v));
}

void nlmsg_put_addr(struct nlmsg *m, uint16_t type, const struct addr *a)
{
	nlmsg_put(m, type, addr_raw(a), family_addr_len(addr_family(a)));
}

struct rtattr *nlmsg_nest(struct nlmsg *m, uint16_t type)
{
	return nlmsg_put(m, type, NULL, 0);
}

void nlmsg_nest_end(struct nlmsg *m, struct rtattr *a)
{
	if (a && m->nh.nlmsg_len <= sizeof(*m))
		a->rta_len = (uint16_t)((char *)m + m->nh.nlmsg_len -
					(char *)a);
}

static int nlmsg_send(int fd, struct nlmsghdr *nh)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	if (nh->nlmsg_len > sizeof(struct nlmsg))
		return -EMSGSIZE;

	nh->nlmsg_seq = ++nlmsg.seq;
	do {
		n = sendto(fd, nh, nh->nlmsg_len, 0,
			   (const struct sockaddr *)&kernel, sizeof(kernel));
	} while (n < 0 && errno == EINTR);

	return n < 0 ? -errno : 0;
}

static ssize_t nlmsg_recv(int fd, void *buf, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buf, size, MSG_TRUNC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);

	if (n < 0)
		return -errno;
	return (size_t)n > size ? -EMSGSIZE : n;
}

/* What an error message says; 0: an acknowledgement */
static int error_of(const struct nlmsghdr *nh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nh);

	return nh->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EBADMSG : e->error;
}

int nlmsg_talk(int fd, struct nlmsghdr *nh)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[NLMSG_ACK_MAX];
	int rc;

	nh->nlmsg_flags |= NLM_F_ACK;
	rc = nlmsg_send(fd, nh);
	if (rc)
		return rc;

	for (;;) {
		struct nlmsghdr *ack = (void *)buf;
		ssize_t n = nlmsg_recv(fd, buf, sizeof(buf));

		if (n < 0)
			return (int)n;
		if (NLMSG_OK(ack, n) && ack->nlmsg_seq == nh->nlmsg_seq &&
		    ack->nlmsg_type == NLMSG_ERROR)
			return error_of(ack);
	}
}

/* The end of a dump tells why it is one, on kernels from 4.16 on */
static int done_error(const struct nlmsghdr *nh)
{
	int error = 0;

	if (nh->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(nh), sizeof(error));
	return MIN(error, 0);
}

/* One part of a dump: 1: there's more; 0: that was the last; or -errno */
static int dump_part(struct nlmsghdr *nh, ssize_t left, uint32_t seq,
		     const struct nlmsg_reader *rd, bool *interrupted,
		     int *read_rc)
{
	for (; NLMSG_OK(nh, left); nh = NLMSG_NEXT(nh, left)) {
		if (nh->nlmsg_seq != seq)
			continue;
		*interrupted |= nh->nlmsg_flags & NLM_F_DUMP_INTR;
		if (nh->nlmsg_type == NLMSG_DONE)
			return done_error(nh);
		if (nh->nlmsg_type == NLMSG_ERROR)
			return error_of(nh);
		if (!*read_rc)
			*read_rc = rd->read(nh, rd->arg);
	}
	return 1;
}

int nlmsg_dump_once(int fd, struct nlmsg *m, const struct nlmsg_reader *rd)
{
	bool interrupted = false;
	int rc, read_rc = 0;

	if (rd->begin)
		rd->begin(rd->arg);
	m->nh.nlmsg_flags |= NLM_F_DUMP;
	rc = nlmsg_send(fd, &m->nh);
	if (rc)
		return rc;

	do {
		ssize_t n = nlmsg_recv(fd, nlmsg.rx, sizeof(nlmsg.rx));

		if (n < 0)
			return (int)n;
		rc = dump_part((void *)nlmsg.rx, n, m->nh.nlmsg_seq, rd,
			       &interrupted, &read_rc);
	} while (rc > 0);
	if (rc || read_rc)
		return rc ? rc : read_rc;
	return interrupted ? -EAGAIN : 0;
}

int nlmsg_dump(int fd, struct nlmsg *m, const struct nlmsg_reader *rd)
{
	int rc = -EAGAIN;

	for (unsigned i = 0; rc == -EAGAIN && i < NLMSG_TRIES; i++)
		rc = nlmsg_dump_once(fd, m, rd);
	return rc;
}

int nlmsg_get(int fd, struct nlmsg *m, uint16_t type, size_t fixed_len,
	      struct nlmsghdr **ret_nh)
{
	struct nlmsghdr *nh = (void *)nlmsg.rx;
	int rc = nlmsg_send(fd, &m->nh);
	ssize_t n;

	if (rc)
		return rc;
	do {
		n = nlmsg_recv(fd, nlmsg.rx, sizeof(nlmsg.rx));
		if (n < 0)
			return (int)n;
		if (!NLMSG_OK(nh, n))
			return -EBADMSG;
	} while (nh->nlmsg_seq != m->nh.nlmsg_seq);
	if (nh->nlmsg_type == NLMSG_ERROR && (rc = error_of(nh)))
		return rc;
	if (nh->nlmsg_type != type || nh->nlmsg_len < NLMSG_LENGTH(fixed_len))
		return -EBADMSG;
	*ret_nh = nh;
	return 0;
}

void nlmsg_attrs(struct nlmsghdr *nh, size_t fixed_len,
		 struct rtattr **tb, unsigned max)
{
	struct rtattr *a = (struct rtattr *)(void *)((char *)NLMSG_DATA(nh) +
						     NLMSG_ALIGN(fixed_len));
	ssize_t left = (ssize_t)nh->nlmsg_len -
		       (ssize_t)NLMSG_SPACE(fixed_len);

	memset(tb, 0, sizeof(*tb) * (max + 1));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type <= max)
			tb[type] = a;
	}
}

uint32_t nlmsg_u32(struct rtattr *a, uint32_t fallback)
{
	uint32_t v;

	if (!a || RTA_PAYLOAD(a) < sizeof(v))
		return fallback;
	memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

struct addr nlmsg_addr(struct rtattr *a, enum family f)
{
	if (!a || RTA_PAYLOAD(a) < family_addr_len(f))
		return (struct addr){ 0 };
	return f == V4 ? addr_from_v4(RTA_DATA(a)) : addr_from_v6(RTA_DATA(a));
}

/* Routes and addresses, as the kernel tells of them */

bool nlmsg_is_route(struct nlmsghdr *nh, enum family f,
		    struct rtattr **tb)
{
	const struct rtmsg *rt = NLMSG_DATA(nh);

	if ((nh->nlmsg_type != RTM_NEWROUTE &&
	     nh->nlmsg_type != RTM_DELROUTE) ||
	    nh->nlmsg_len < NLMSG_LENGTH(sizeof(*rt)))
		return false;

	nlmsg_attrs(nh, sizeof(*rt), tb, RTA_MAX);
	return rt->rtm_family == nlmsg_af(f) &&
	       rt->rtm_type == RTN_UNICAST &&
	       !(rt->rtm_flags & RTM_F_CLONED) &&
	       nlmsg_u32(tb[RTA_TABLE], rt->rtm_table) == RT_TABLE_MAIN;
}

struct rtattr *nlmsg_hop_attr(struct rtnexthop *nh, uint16_t type)
{
	struct rtattr *a = RTNH_DATA(nh);
	int left = nh->rtnh_len - (int)RTNH_LENGTH(0);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == type)
			return a;
	}
	return NULL;
}

int nlmsg_dump_routes(int fd, enum family f, const struct nlmsg_reader *rd)
{
	struct rtmsg *rt;
	struct nlmsg m;

	rt = nlmsg_init(&m, RTM_GETROUTE, 0, sizeof(*rt));
	rt->rtm_family = nlmsg_af(f);
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	return nlmsg_dump(fd, &m, rd);
}

uint32_t nlmsg_addr_flags(const struct ifaddrmsg *ifa, struct rtattr **tb)
{
	return nlmsg_u32(tb[IFA_FLAGS], ifa->ifa_flags);
}

bool nlmsg_is_addr(struct nlmsghdr *nh, enum family f,
		   unsigned ifi, struct rtattr **tb)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);

	if ((nh->nlmsg_type != RTM_NEWADDR &&
	     nh->nlmsg_type != RTM_DELADDR) ||
	    nh->nlmsg_len < NLMSG_LENGTH(sizeof(*ifa)) ||
	    ifa->ifa_family != nlmsg_af(f) ||
	    ifa->ifa_prefixlen > 8 * family_addr_len(f) ||
	    (ifi && ifa->ifa_index != ifi))
		return false;

	nlmsg_attrs(nh, sizeof(*ifa), tb, IFA_MAX);
	return true;
}

struct addr nlmsg_addr_local(struct rtattr **tb, enum family f)
{
	return nlmsg_addr(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], f);
}

int nlmsg_dump_addrs(int fd, enum family f, unsigned ifi,
		     const struct nlmsg_reader *rd)
{
	struct ifaddrmsg *ifa;
	struct nlmsg m;

	ifa = nlmsg_init(&m, RTM_GETADDR, 0, sizeof(*ifa));
	ifa->ifa_family = nlmsg_af(f);
	ifa->ifa_index = ifi;
	return nlmsg_dump(fd, &m, rd);
}
