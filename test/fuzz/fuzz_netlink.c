// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: host/nlmsg.o host/netlink.o host/nl_copy.o host/nl_watch.o
 * Links: host/net.o host/net_resolve.o host/resolv.o fwd/fwd.o engine/guest.o
 * Links: util.o util/addr.o util/assert.o
 *
 * Netlink: make fuzz, then build/fuzz/fuzz_netlink [CORPUS]. The kernel's answers, and
 * its news, are parts of the input: a length of two bytes, little-endian, and messages.
 * Those without a number answer the question that was asked last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "host/net.h"
#include "host/nl_copy.h"
#include "host/nl_watch.h"
#include "host/nlmsg.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum { HOST_FD = 1000, NS_FD };		/* the namespace takes all it is told */

static const struct net_options options = {
	.fam = { [V4] = { .enabled = true }, [V6] = { .enabled = true } },
	.copy_routes = true,
};
static struct net_facts facts;
static struct net net;
static const uint8_t *input;
static size_t left;
static uint32_t seq;

void log_msg(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void die(const char *fmt, ...)
{
	(void)fmt;
	abort();
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	       const struct sockaddr *sa, socklen_t sa_len)
{
	(void)fd;
	(void)flags;
	(void)sa;
	(void)sa_len;
	seq = ((const struct nlmsghdr *)buf)->nlmsg_seq;
	return (ssize_t)len;
}

static ssize_t acknowledge(void *buf)
{
	struct { struct nlmsghdr nh; struct nlmsgerr e; } ack = {
		.nh = { sizeof(ack), NLMSG_ERROR, 0, seq, 0 },
	};

	memcpy(buf, &ack, sizeof(ack));
	return sizeof(ack);
}

ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	struct nlmsghdr *nh = buf;
	ssize_t n;

	(void)flags;
	if (fd == NS_FD)
		return acknowledge(buf);
	if (left < 2) {
		errno = EAGAIN;
		return -1;
	}
	n = (ssize_t)MIN((size_t)(input[0] | input[1] << 8), left - 2);
	memcpy(buf, input + 2, MIN((size_t)n, size));
	input += 2 + n;
	left -= 2 + (size_t)n;
	for (ssize_t l = MIN(n, (ssize_t)size); NLMSG_OK(nh, l);
	     nh = NLMSG_NEXT(nh, l))
		nh->nlmsg_seq = nh->nlmsg_seq ? nh->nlmsg_seq : seq;
	return n;
}

static bool matters(struct nlmsghdr *nh)
{
	return !nh || net_matters(&options, &facts, nh);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	input = p;
	left = len;
	net_ask(HOST_FD, &options, &facts);
	net_resolve(&options, &facts, &net);
	assert(net_facts_ok(&facts));
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct nl_copy cp = {
			.from_fd = HOST_FD, .to_fd = NS_FD, .family = f,
			.from_ifi = facts.fam[f].template.ifi, .to_ifi = 2,
		};

		input = p;
		left = len;
		nl_addrs_copy(&cp, true);
		nl_routes_copy(&cp);
	}
	input = p;
	left = len;
	nl_watch_read(HOST_FD, matters);
	return 0;
}
