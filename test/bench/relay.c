// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The yardstick of the benchmark: what a program that does nothing but copy
 * from socket to socket reaches, at the place where the daemon stands.
 *
 *	relay [-C CONTROL] [-L NETNS] ADDR PORT TARGET PORT
 *
 * Listens at ADDR (in the namespace NETNS, a path) and connects to TARGET for
 * each connection. One thread, one epoll set, one buffer of 256 KiB; what a
 * socket doesn't take at once is kept in a buffer of that connection, which
 * isn't read from until it is gone. Datagrams from the last sender go to TARGET
 * and back, merged and cut by the kernel where it can.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

enum { TURNS = 4 };	/* reads from one socket before others are served */

struct end {			/* one of the two sockets of a connection */
	struct end *other;
	int fd;
	uint32_t events;	/* as epoll has them */
	char *rest;		/* what this one still has to send */
	size_t len, off;
	int connecting;
	int eof;		/* no more data from here */
	int closed;		/* after shutdown(), no more data to here */
	int dead;		/* of one that is freed after this turn */
};

static struct {
	int ep, listener;
	int udp_in, udp_out;
	const char *cc;
	struct sockaddr_storage target, client;
	socklen_t target_len, client_len;
	struct end *graves;
	char buf[CHUNK];
} relay;

static void watch(struct end *e)
{
	struct epoll_event ev = { .data.ptr = e };

	if (e->connecting || e->rest)
		ev.events |= EPOLLOUT;
	if (!e->connecting && !e->other->connecting && !e->eof &&
	    !e->other->rest)
		ev.events |= EPOLLIN;
	if (ev.events == e->events)
		return;
	if (epoll_ctl(relay.ep, EPOLL_CTL_MOD, e->fd, &ev))
		fail("epoll_ctl");
	e->events = ev.events;
}

static void drop(struct end *e, int reset)
{
	struct linger lg = { .l_onoff = 1 };
	struct end *p = e;

	if (e->dead)
		return;
	for (int i = 0; i < 2; i++, p = p->other) {
		if (reset)
			setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
		close(p->fd);
		free(p->rest);
		p->dead = 1;
	}
	/* the other one may have an event in this turn */
	e->rest = (char *)relay.graves;
	relay.graves = e;
}

static void bury(void)
{
	while (relay.graves) {
		struct end *e = relay.graves;

		relay.graves = (struct end *)(void *)e->rest;
		free(e->other);
		free(e);
	}
}

static void add(struct end *e)
{
	struct epoll_event ev = { .data.ptr = e, .events = e->events };

	if (epoll_ctl(relay.ep, EPOLL_CTL_ADD, e->fd, &ev))
		fail("epoll_ctl");
}

static void greet(void)
{
	int fd, one = 1;

	while ((fd = accept4(relay.listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct end *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		a->fd = fd;
		b->fd = stream_socket(relay.target.ss_family, relay.cc);
		if (b->fd < 0)
			fail("socket");
		a->other = b;
		b->other = a;
		if (connect(b->fd, (struct sockaddr *)&relay.target,
			    relay.target_len) && errno != EINPROGRESS)
			fail("connect");
		b->connecting = 1;
		b->events = EPOLLOUT;
		add(a);
		add(b);
	}
}

/* Everything went to e: its turn to end, if its source has ended */
static void settle(struct end *e)
{
	if (e->rest || !e->other->eof || e->closed)
		return;
	shutdown(e->fd, SHUT_WR);
	e->closed = 1;
	if (e->eof && e->other->closed)
		drop(e, 0);
}

static void more_out(struct end *e)
{
	if (e->connecting) {
		int err = 0;
		socklen_t len = sizeof(err);

		getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err) {
			drop(e, 1);
			return;
		}
		e->connecting = 0;
	} else if (e->rest) {
		ssize_t n = send(e->fd, e->rest + e->off, e->len - e->off,
				 MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			drop(e, 1);
			return;
		}
		e->off += n > 0 ? (size_t)n : 0;
		if (e->off == e->len) {
			free(e->rest);
			e->rest = NULL;
		}
	}
	settle(e);
}

static void more_in(struct end *e)
{
	struct end *to = e->other;

	for (int i = 0; i < TURNS && !to->rest; i++) {
		ssize_t n = recv(e->fd, relay.buf, sizeof(relay.buf), 0), m;

		if (n < 0) {
			if (errno != EAGAIN)
				drop(e, 1);
			return;
		}
		if (!n) {
			e->eof = 1;
			settle(to);
			return;
		}
		m = send(to->fd, relay.buf, (size_t)n, MSG_NOSIGNAL);
		if (m < 0 && errno != EAGAIN) {
			drop(e, 1);
			return;
		}
		m = m < 0 ? 0 : m;
		if (m < n) {
			to->rest = malloc((size_t)(n - m));
			memcpy(to->rest, relay.buf + m, (size_t)(n - m));
			to->len = (size_t)(n - m);
			to->off = 0;
		}
		if (n < (ssize_t)sizeof(relay.buf) / 2)
			return;
	}
}

/* One message, which may be many datagrams */
static void datagrams(int from, int to, int outward)
{
	for (int i = 0; i < 64; i++) {
		char ctl[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { relay.buf, sizeof(relay.buf) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
				    .msg_control = ctl,
				    .msg_controllen = sizeof(ctl) };
		unsigned size;
		ssize_t n;

		if (outward) {
			m.msg_name = &relay.client;
			m.msg_namelen = sizeof(relay.client);
		}
		n = recvmsg(from, &m, MSG_DONTWAIT);
		if (n < 0)
			return;
		size = gro_size(&m);
		if (outward) {
			relay.client_len = m.msg_namelen;
			m.msg_name = NULL;
			m.msg_namelen = 0;
		} else {
			m.msg_name = &relay.client;
			m.msg_namelen = relay.client_len;
		}
		iov.iov_len = (size_t)n;
		m.msg_control = NULL;
		m.msg_controllen = 0;
		if (size && size < (size_t)n)
			gso_size(&m, ctl, size);
		sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void setup(char **argv, const char *netns)
{
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), one = 1;
	struct sockaddr_storage sa;
	socklen_t len = resolve(argv[0], argv[1], &sa);

	relay.target_len = resolve(argv[2], argv[3], &relay.target);
	if (netns) {
		int fd = open(netns, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, CLONE_NEWNET))
			fail(netns);
	}
	relay.listener = bound_socket(SOCK_STREAM, &sa, len, relay.cc);
	relay.udp_in = bound_socket(SOCK_DGRAM, &sa, len, NULL);
	if (netns && setns(here, CLONE_NEWNET))
		fail("setns");
	relay.udp_out = socket(relay.target.ss_family,
			       SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (relay.udp_out < 0 ||
	    connect(relay.udp_out, (struct sockaddr *)&relay.target,
		    relay.target_len))
		fail("connect");
	big_buffers(relay.udp_in);
	big_buffers(relay.udp_out);
	setsockopt(relay.udp_in, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	setsockopt(relay.udp_out, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
}

int main(int argc, char **argv)
{
	static struct epoll_event ev[256];
	struct epoll_event in = { .events = EPOLLIN };
	const char *netns = NULL;
	int *fixed[3] = { &relay.listener, &relay.udp_in, &relay.udp_out };
	int opt, n;

	while ((opt = getopt(argc, argv, "C:L:")) != -1) {
		if (opt == 'C')
			relay.cc = optarg;
		else if (opt == 'L')
			netns = optarg;
		else
			return 1;
	}
	if (argc - optind != 4)
		return 1;
	many_files();
	setup(argv + optind, netns);
	relay.ep = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		in.data.ptr = fixed[i];
		epoll_ctl(relay.ep, EPOLL_CTL_ADD, *fixed[i], &in);
	}
	while ((n = epoll_wait(relay.ep, ev, 256, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			struct end *e = ev[i].data.ptr;

			if ((void *)e == &relay.listener) {
				greet();
				continue;
			}
			if ((void *)e == &relay.udp_in) {
				datagrams(relay.udp_in, relay.udp_out, 1);
				continue;
			}
			if ((void *)e == &relay.udp_out) {
				datagrams(relay.udp_out, relay.udp_in, 0);
				continue;
			}
			if (e->dead)
				continue;
			if (e->connecting || (ev[i].events & EPOLLOUT))
				more_out(e);
			if (!e->dead && !e->connecting && !e->other->connecting &&
			    (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
				more_in(e);
			if (!e->dead && (ev[i].events & EPOLLERR) &&
			    (e->eof || e->other->rest))
				drop(e, 1);
			if (!e->dead) {
				watch(e);
				watch(e->other);
			}
		}
		bury();
	}
	fail("epoll_wait");
}
