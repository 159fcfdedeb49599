/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the three programs of the benchmark share.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

enum {
	CHUNK = 256 * 1024,	/* most that is read or written at once */
	BACKLOG = 65535,	/* of listeners: the kernel takes somaxconn */
};

_Noreturn static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Numeric address and port, or exit */
static inline socklen_t resolve(const char *addr, const char *port,
				struct sockaddr_storage *ret_sa)
{
	struct addrinfo hint = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	socklen_t len;

	hint.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(addr, port, &hint, &ai)) {
		errno = EINVAL;
		fail(addr);
	}
	len = ai->ai_addrlen;
	memcpy(ret_sa, ai->ai_addr, len);
	freeaddrinfo(ai);
	return len;
}

/* A stream socket: no delay, congestion control cc unless NULL */
static inline int stream_socket(int family, const char *cc)
{
	int s = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (s < 0)
		return -1;
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (cc && setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc,
			     (socklen_t)strlen(cc)))
		fail(cc);
	return s;
}

/* Listen for streams, or receive datagrams, at an address */
static inline int bound_socket(int type, const struct sockaddr_storage *sa,
			       socklen_t len, const char *cc)
{
	int one = 1, off = 0, s;

	s = type == SOCK_STREAM ? stream_socket(sa->ss_family, cc) :
		socket(sa->ss_family, type | SOCK_CLOEXEC, 0);
	if (s < 0)
		fail("socket");
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa->ss_family == AF_INET6)
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(s, (const struct sockaddr *)sa, len))
		fail("bind");
	if (type == SOCK_STREAM && listen(s, BACKLOG))
		fail("listen");
	return s;
}

/* Large buffers, beyond the system's limits if we may */
static inline void big_buffers(int s)
{
	int size = 8 * 1024 * 1024;

	if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* As many descriptors as we can get */
static inline void many_files(void)
{
	struct rlimit r = { 65536, 65536 };

	if (!setrlimit(RLIMIT_NOFILE, &r) || getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* Size of the datagrams in a message as UDP_GRO merged them, 0: just one */
static inline unsigned gro_size(struct msghdr *m)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, CMSG_DATA(c), sizeof(size));
			return (unsigned)size;
		}
	}
	return 0;
}

/* Let the kernel cut the message into datagrams of that size; ctl has room for
 * CMSG_SPACE(sizeof(uint16_t))
 */
static inline void gso_size(struct msghdr *m, void *ctl, unsigned size)
{
	uint16_t v = (uint16_t)size;
	struct cmsghdr *c;

	m->msg_control = ctl;
	m->msg_controllen = CMSG_SPACE(sizeof(v));
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(v));
	memcpy(CMSG_DATA(c), &v, sizeof(v));
}

#endif /* BENCH_UTIL_H */
