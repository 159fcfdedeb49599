// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: a small stock of sockets in the guest's namespace, see sock_ns.h
 *
 * Data: for each type and family up to SOCK_NS_BATCH descriptors. A kind that
 * nobody has asked for has none, so that they cost what is used.
 *
 * Flow: sock_ns_get() takes one; an empty shelf is filled on the spot. At the
 * end of the turn, all shelves that are less than half full are filled, by
 * entering the namespace once. Where descriptors are rare, the stock is given up,
 * and for some time no more is fetched than is asked for.
 */
#include "host/sock_ns.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/flow.h"
#include "host/netns.h"

enum {
	SOCK_NS_BATCH	= 32,
	SOCK_NS_LEAN_S	= 10,		/* without stock, after a shortage */
};

struct shelf {
	bool used;			/* somebody needs this kind */
	bool wanted;			/* ...and now */
	unsigned count;
	int fd[SOCK_NS_BATCH];
};

enum { STREAM, DGRAM, KINDS };

static struct {
	bool low;			/* there is a shelf to be filled */
	bool lean;			/* there was a shortage, */
	mono_t shortage;		/* ...at that time */
	struct shelf shelf[KINDS][FAMILIES];
} stock;

static bool stock_is_lean(void)
{
	mono_t end = mono_add(stock.shortage, DUR_S(SOCK_NS_LEAN_S));

	stock.lean = stock.lean && mono_before(loop_now(), end);
	return stock.lean;
}

/* In the namespace */
static int shelf_fill(struct shelf *s, int type, int family)
{
	unsigned want = !stock.lean ? SOCK_NS_BATCH : s->wanted;

	while (s->used && s->count < want) {
		int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
		s->fd[s->count++] = fd;
	}
	return 0;
}

static int stock_fill(void *arg)
{
	int rc = 0;

	(void)arg;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		int type = kind == STREAM ? SOCK_STREAM : SOCK_DGRAM;
		int rc4 = shelf_fill(&stock.shelf[kind][V4], type, AF_INET);
		int rc6 = shelf_fill(&stock.shelf[kind][V6], type, AF_INET6);

		rc = rc4 ? rc4 : rc6 ? rc6 : rc;
	}
	return rc;
}

int sock_ns_get(int type, enum family f)
{
	struct shelf *s = &stock.shelf[type == SOCK_STREAM ? STREAM : DGRAM][f];
	int rc = 0;

	s->used = s->wanted = true;
	if (!s->count) {
		stock_is_lean();
		rc = netns_run(stock_fill, NULL);
	}
	s->wanted = false;
	if (!s->count)
		return rc ? rc : -EMFILE;
	if (s->count <= SOCK_NS_BATCH / 2)
		stock.low = true;
	return s->fd[--s->count];
}

/* All of them: a few would be gone at once where they are needed */
static bool stock_give_up(void)
{
	unsigned given = 0;

	for (unsigned i = 0; i < KINDS * FAMILIES; i++) {
		struct shelf *s = &stock.shelf[i / FAMILIES][i % FAMILIES];

		for (; s->count; given++)
			close(s->fd[--s->count]);
	}
	stock.lean = true;
	stock.shortage = loop_now();
	return given;
}

static int icmp_open(void *arg)
{
	const enum family *f = arg;
	int fd = socket(*f == V4 ? AF_INET : AF_INET6,
			SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			*f == V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	return fd < 0 ? -errno : fd;
}

int sock_ns_icmp(enum family f)
{
	struct icmp6_filter none6;
	struct icmp_filter none4;
	int fd = netns_run(icmp_open, &f), rc;

	if (fd < 0)
		return fd;
	memset(&none4, 0xff, sizeof(none4));
	ICMP6_FILTER_SETBLOCKALL(&none6);
	if (f == V4)
		rc = setsockopt(fd, SOL_RAW, ICMP_FILTER, &none4,
				sizeof(none4));
	else
		rc = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &none6,
				sizeof(none6));
	if (!rc)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

void sock_ns_refill(void)
{
	if (!stock.low || stock_is_lean())
		return;
	stock.low = false;
	netns_run(stock_fill, NULL);
}

void sock_ns_init(void)
{
	flow_add_spare(stock_give_up);
}
