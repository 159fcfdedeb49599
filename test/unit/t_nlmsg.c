// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink messages, against a kernel that is the other end of a socket pair: what
 * it answers is made up here, in order, cut off, or out of its mind
 *
 * Links: host/nlmsg.o host/netlink.o host/nl_copy.o util/addr.o
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/netlink.h"
#include "host/nl_copy.h"
#include "host/nlmsg.h"
#include "random.h"
#include "tap_test.h"
#include "util/log.h"

enum { ROUNDS = 20000, BIG = 32 * 1024, TRIES = 5 };

static int ours, kernels;

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

/* The next answers: parts of a dump, or one answer. They get the number of the
 * question.
 */
static struct {
	_Alignas(8) uint8_t part[4][BIG];
	size_t len[4];
	unsigned parts;
	unsigned asked;
} answer;

static void number_messages(uint8_t *part, size_t len, uint32_t seq)
{
	struct nlmsghdr *nh = (void *)part;

	for (ssize_t left = (ssize_t)len; NLMSG_OK(nh, left);
	     nh = NLMSG_NEXT(nh, left)) {
		if (!nh->nlmsg_seq)
			nh->nlmsg_seq = seq;
	}
}

/* In place of libc's: the kernel's address is none for a socket pair */
ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	       const struct sockaddr *sa, socklen_t sa_len)
{
	const struct nlmsghdr *nh = buf;
	static uint8_t copy[BIG];

	(void)flags;
	(void)sa;
	(void)sa_len;
	answer.asked++;
	for (unsigned i = 0; i < answer.parts; i++) {
		memcpy(copy, answer.part[i], answer.len[i]);
		number_messages(copy, answer.len[i], nh->nlmsg_seq);
		if (write(kernels, copy, answer.len[i]) < 0)
			abort();
	}
	return fd == ours ? (ssize_t)len : -1;
}

/* Answers, put together by what is tested */

static void answer_none(void)
{
	answer.parts = answer.asked = 0;
	while (recv(ours, answer.part[0], BIG, MSG_DONTWAIT) >= 0)
		;
}

static void answer_part(void)
{
	answer.len[answer.parts++] = 0;
}

static void answer_add(const struct nlmsg *m)
{
	unsigned i = answer.parts - 1;

	memcpy(answer.part[i] + answer.len[i], m, m->nh.nlmsg_len);
	answer.len[i] += NLMSG_ALIGN(m->nh.nlmsg_len);
}

static void answer_end(uint16_t type, int error, uint16_t flags)
{
	struct nlmsg m;
	int *body = nlmsg_init(&m, type, 0, type == NLMSG_ERROR ?
			       sizeof(struct nlmsgerr) : sizeof(*body));

	m.nh.nlmsg_flags = flags;
	*body = error;
	answer_add(&m);
}

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	addr_parse(s, &a);
	return a;
}

static void answer_route(const char *dst, unsigned len, const char *gw,
			 unsigned ifi, uint16_t flags)
{
	struct addr d = A(dst), g = A(gw);
	struct rtmsg *rt;
	struct nlmsg m;

	rt = nlmsg_init(&m, RTM_NEWROUTE, 0, sizeof(*rt));
	m.nh.nlmsg_flags = flags;
	rt->rtm_family = AF_INET;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_dst_len = (uint8_t)len;
	if (len)
		nlmsg_put_addr(&m, RTA_DST, &d);
	if (*gw)
		nlmsg_put_addr(&m, RTA_GATEWAY, &g);
	nlmsg_put_u32(&m, RTA_OIF, ifi);
	answer_add(&m);
}

/* Who counts, and remembers the last one */
static struct {
	unsigned begun, count;
	struct addr last;
	unsigned fail_at;
} seen;

static void see_begin(void *arg)
{
	(void)arg;
	seen.begun++;
	seen.count = 0;
}

static int see(struct nlmsghdr *nh, void *arg)
{
	struct rtattr *tb[RTA_MAX + 1];

	(void)arg;
	if (!nlmsg_is_route(nh, V4, tb))
		return 0;
	seen.count++;
	seen.last = nlmsg_addr(tb[RTA_GATEWAY], V4);
	return seen.count == seen.fail_at ? -EDOM : 0;
}

static const struct nlmsg_reader reader = { see, see_begin, NULL };

static int dump(void)
{
	memset(&seen, 0, sizeof(seen));
	return nlmsg_dump_routes(ours, V4, &reader);
}

static void test_dump(void)
{
	answer_none();
	answer_part();
	answer_route("", 0, "192.0.2.1", 2, 0);
	answer_route("198.51.100.0", 24, "192.0.2.2", 2, 0);
	answer_part();
	answer_route("203.0.113.0", 24, "192.0.2.3", 2, 0);
	answer_part();
	answer_end(NLMSG_DONE, 0, 0);
	is_int(dump(), 0, "a dump in several parts");
	is_int(seen.count, 3, "all of it");
	ok(seen.last.b[15] == 3, "in order");
	is_int(answer.asked, 1, "asked once");

	seen.fail_at = 2;
	is_int(nlmsg_dump_routes(ours, V4, &reader), -EDOM,
	       "what the reader says");
	is_int(recv(ours, answer.part[3], BIG, MSG_DONTWAIT), -1,
	       "and all was read");
}

static void test_ends(void)
{
	struct nlmsg m;

	nlmsg_init(&m, RTM_NEWROUTE, 0, sizeof(struct rtmsg));
	answer_none();
	answer_part();
	answer_end(NLMSG_ERROR, -EPERM, 0);
	is_int(dump(), -EPERM, "an error instead of a dump");

	answer_none();
	answer_part();
	answer_route("", 0, "192.0.2.1", 2, 0);
	answer_end(NLMSG_DONE, -ENOENT, 0);
	is_int(dump(), -ENOENT, "an error at the end of a dump");

	answer_none();
	is_int(nlmsg_dump_once(ours, &m, &reader), -EAGAIN,
	       "no answer at all: nobody waits");

	answer_none();
	answer_part();
	answer_end(NLMSG_ERROR, 0, 0);
	is_int(nlmsg_talk(ours, &m.nh), 0, "acknowledged");
	answer.parts = 0;
	is_int(nlmsg_talk(ours, &m.nh), -EAGAIN, "not even that");
	for (int i = 0; i < 100; i++)
		nlmsg_put(&m, RTA_DST, answer.part[0], 100);
	is_int(nlmsg_talk(ours, &m.nh), -EMSGSIZE, "too much to say");
}

static void test_interrupted(void)
{
	struct nlmsg m;

	nlmsg_init(&m, RTM_GETROUTE, 0, sizeof(struct rtmsg));
	answer_none();
	answer_part();
	answer_route("", 0, "192.0.2.1", 2, 0);
	answer_end(NLMSG_DONE, 0, NLM_F_DUMP_INTR);
	is_int(dump(), -EAGAIN, "what changes all the time is told to be so");
	is_int(seen.begun, TRIES, "after some tries");
	is_int(seen.count, 1, "each begun anew");
	answer_none();
	answer_part();
	answer_route("", 0, "192.0.2.1", 2, NLM_F_DUMP_INTR);
	answer_end(NLMSG_DONE, 0, 0);
	is_int(nlmsg_dump_once(ours, &m, &reader), -EAGAIN,
	       "or who asks once is told");
}

/* An answer to an earlier question that nobody has read */
static void test_stale(void)
{
	struct nlmsg *late;

	answer_none();
	answer_part();
	answer_route("", 0, "192.0.2.9", 2, 0);
	late = (void *)answer.part[0];
	late->nh.nlmsg_seq = 1;
	answer_part();
	answer_route("", 0, "192.0.2.1", 2, 0);
	answer_end(NLMSG_DONE, 0, 0);
	is_int(dump(), 0, "late answers");
	is_int(seen.count, 1, "are none");
}

static void answer_addr(const char *text, uint8_t prefix_len, unsigned ifi,
			uint32_t flags)
{
	struct addr a = A(text);
	struct ifaddrmsg *ifa;
	struct nlmsg m;

	ifa = nlmsg_init(&m, RTM_NEWADDR, 0, sizeof(*ifa));
	ifa->ifa_family = AF_INET;
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_index = ifi;
	nlmsg_put_addr(&m, IFA_LOCAL, &a);
	nlmsg_put_u32(&m, IFA_FLAGS, flags);
	answer_add(&m);
}

static void answer_multipath(void)
{
	struct addr gw = A("192.0.2.7");
	struct rtnexthop hop = { .rtnh_len = sizeof(hop) + RTA_SPACE(4),
				 .rtnh_ifindex = 2 };
	struct { struct rtattr rta; uint32_t gw; } a = {
		{ .rta_len = RTA_LENGTH(4), .rta_type = RTA_GATEWAY }, 0,
	};
	uint8_t hops[2 * (sizeof(hop) + sizeof(a))];
	struct rtmsg *rt;
	struct nlmsg m;

	memcpy(&a.gw, addr_v4_bytes(&gw), sizeof(a.gw));
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *at = hops + i * (sizeof(hop) + sizeof(a));

		memcpy(at, &hop, sizeof(hop));
		memcpy(at + sizeof(hop), &a, sizeof(a));
	}
	rt = nlmsg_init(&m, RTM_NEWROUTE, 0, sizeof(*rt));
	rt->rtm_family = AF_INET;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	nlmsg_put(&m, RTA_MULTIPATH, hops, sizeof(hops));
	answer_add(&m);
}

static void answer_link(void)
{
	struct rtattr *spec, *inet6;
	struct ifinfomsg *info;
	uint8_t mode = 1;
	struct nlmsg m;

	info = nlmsg_init(&m, RTM_NEWLINK, 0, sizeof(*info));
	info->ifi_index = 2;
	nlmsg_put(&m, IFLA_IFNAME, "eth0", 5);
	nlmsg_put_u32(&m, IFLA_MTU, 1500);
	spec = nlmsg_nest(&m, IFLA_AF_SPEC);
	inet6 = nlmsg_nest(&m, AF_INET6);
	nlmsg_put(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	nlmsg_nest_end(&m, inet6);
	nlmsg_nest_end(&m, spec);
	answer_add(&m);
}

/* What a host with one interface answers to everything */
static void answer_host(void)
{
	answer_none();
	answer_part();
	answer_link();
	answer_addr("192.0.2.15", 24, 2, IFA_F_PERMANENT);
	answer_route("198.51.100.0", 24, "192.0.2.2", 2, 0);
	answer_multipath();
	answer_part();
	answer_end(NLMSG_DONE, 0, 0);
}

static void test_template(void)
{
	struct addr gw = A("192.0.2.7"), own = A("192.0.2.15");
	struct nl_template t;
	struct nl_link l;

	answer_host();
	is_int(nl_template_get(ours, V4, "", &t), 0, "a template");
	ok(addr_eq(&t.addr, &own) && addr_eq(&t.gw, &gw), "its addresses");
	is_str(t.ifname, "eth0", "its name");
	is_int(t.ifi, 2, "its number");
	is_int(nl_link_get(ours, "eth0", &l), 0, "a link");
	is_int(l.mtu, 1500, "its MTU");
	ok(l.have_v6 && l.v6_gen_mode == 1, "its IPv6");
}

static void test_template_later(void)
{
	struct addr ready = A("192.0.2.16"), early = A("192.0.2.17");
	struct nl_template t;

	answer_none();
	answer_part();
	answer_link();
	answer_multipath();
	answer_addr("192.0.2.17", 24, 2, IFA_F_TENTATIVE);
	answer_addr("192.0.2.16", 24, 2, IFA_F_PERMANENT);
	answer_end(NLMSG_DONE, 0, 0);
	is_int(nl_template_get(ours, V4, "", &t), 0, "a tentative address");
	ok(addr_eq(&t.addr, &ready) && !t.tentative, "another one is better");

	answer_none();
	answer_part();
	answer_link();
	answer_multipath();
	answer_addr("192.0.2.17", 24, 2, IFA_F_TENTATIVE);
	answer_end(NLMSG_DONE, 0, 0);
	is_int(nl_template_get(ours, V4, "", &t), 0, "nothing else");
	ok(addr_eq(&t.addr, &early) && t.tentative, "it's told with that");

	answer_none();
	answer_part();
	answer_link();
	answer_multipath();
	answer_addr("192.0.2.17", 24, 2, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC);
	answer_end(NLMSG_DONE, 0, NLM_F_DUMP_INTR);
	is_int(nl_template_get(ours, V4, "", &t), 1,
	       "what changes all the time is taken, and told");
	ok(addr_eq(&t.addr, &early) && !t.tentative,
	   "an optimistic address can be used");
}

/* A watcher's facts with that would be refused as a whole */
static void test_template_prefix(void)
{
	struct nl_template t;

	answer_none();
	answer_part();
	answer_link();
	answer_multipath();
	answer_addr("192.0.2.17", 33, 2, IFA_F_PERMANENT);
	answer_end(NLMSG_DONE, 0, 0);
	is_int(nl_template_get(ours, V4, "", &t), 0, "a prefix of 33 bits");
	ok(addr_is_none(&t.addr) && t.prefix_len <= 32, "is no address");
}

static void mutate(void)
{
	for (unsigned n = random_below(8); n; n--)
		answer.part[0][random_below((uint32_t)answer.len[0])] =
			(uint8_t)random_magnitude(8);
	if (!random_below(4))
		answer.len[0] = random_below((uint32_t)answer.len[0]) + 1;
	if (!random_below(4))
		answer.parts = 1;
	if (!random_below(16))
		answer.len[1] = random_below((uint32_t)answer.len[1]) + 1;
}

/* Whatever comes: no crash, no reading past the end, an end */
static void test_fuzz(void)
{
	const struct nl_copy cp = { .from_fd = ours, .to_fd = ours,
				    .from_ifi = 2, .to_ifi = 3 };
	struct nl_template t;
	struct nl_link l;

	for (unsigned i = 0; i < ROUNDS; i++) {
		answer_host();
		mutate();
		nl_template_get(ours, V4, i & 1 ? "eth0" : "", &t);
		nl_link_get(ours, "eth0", &l);
		nl_addrs_copy(&cp, true);
		nl_routes_copy(&cp);
	}
	ok(true, "%u odd answers", ROUNDS);
}

int main(void)
{
	int sv[2], size = 1024 * 1024;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv))
		abort();
	ours = sv[0];
	kernels = sv[1];
	setsockopt(kernels, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	test_dump();
	test_ends();
	test_interrupted();
	test_stale();
	test_template();
	test_template_later();
	test_template_prefix();
	test_fuzz();
	return done();
}
