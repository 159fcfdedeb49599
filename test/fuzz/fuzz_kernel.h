/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel for a daemon that is fuzzed: sockets, epoll, the link's descriptor and the
 * clock, as system calls under their own names. Whoever includes this says by the
 * functions kernel_*() what has happened in it, and is asked what the link has to say
 * (guest_read()), and what it says (guest_write()).
 *
 * Descriptors from FD_FIRST on are ours, all others the real kernel's. Not more is
 * modelled than the daemon can tell: streams are a count of bytes, each of which follows from
 * its place; a datagram is what was given to kernel_dgram().
 *
 * kernel.on: until then, the real kernel answers.
 */
#ifndef TEST_FUZZ_FUZZ_KERNEL_H
#define TEST_FUZZ_FUZZ_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <linux/errqueue.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "engine/timer.h"
#include "engine/loop.h"
#include "util/addr.h"
#include "util/csum.h"

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF	42
#endif
#ifndef SO_MEMINFO
#define SO_MEMINFO	55
#endif
#ifndef TCP_CM_INQ
#define TCP_CM_INQ	36
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

enum {
	FD_FIRST	= 1000,
	FDS		= 320,
	SNDBUF		= 256 * 1024,
	DGRAMS		= 4,
	DGRAM_BYTES	= 2048,		/* that are told; more are zero */
};

enum fd_kind {
	FD_FREE, FD_EPOLL, FD_STREAM, FD_LISTENER, FD_DGRAM, FD_LINK_LISTENER,
	FD_LINK, FD_OTHER,
};

/* What comes by a socket of datagrams, or by its queue of errors */
struct kernel_dgram {
	union sockaddr_any from;	/* or where it had gone */
	size_t len;			/* all of it */
	size_t given;			/* bytes of data[] that count */
	int ttl, tos, gro;
	bool has_pktinfo, is_error;
	struct sock_extended_err ee;
	union sockaddr_any offender;
	uint8_t data[DGRAM_BYTES];
};

struct kernel_fd {
	enum fd_kind kind;
	bool v6;
	int proto;
	bool at_start;			/* not of an input's */

	bool watched, news;		/* news: since it was told of last */
	uint32_t events;
	uint64_t ref;

	union sockaddr_any local, peer;	/* of datagrams: the last one's */
	bool connecting, eof, wr_shut;
	bool dead;			/* since an error */
	int error;			/* to be told once */
	uint64_t in_head, in_end;	/* bytes of the stream: in the queue */
	int64_t peek;			/* SO_PEEK_OFF; -1: not in use */
	uint64_t out, acked;		/* written; and taken by the peer */
	unsigned waiting;		/* who wants to be accepted */
	struct kernel_dgram dgram[DGRAMS];
	unsigned dgrams;
};

static struct {
	bool on;
	int64_t now_us;
	struct kernel_fd fd[FDS];
	unsigned fault_in;		/* calls; 0: never */
	int fault;			/* errno then */
	int connect_error;		/* of connect(), at once */
	bool connects;			/* …or success */
	bool slow_peer;			/* takes what it is told to */
	uint32_t rtt_us;
	bool not_taken;			/* the link is full */
	size_t link_piece;		/* it gives, and takes, at a time */
	uint32_t random;
	union sockaddr_any client;	/* of the next accept4() */
	unsigned idle_turns;		/* that nothing has happened in */
} kernel = { .now_us = 1LL << 40 };

/* The other end of the link. As read() and write() of its descriptor, where a frame, or
 * what is there of a stream, fits in one iovec.
 */
static ssize_t guest_read(void *buf, size_t size);
static ssize_t guest_write(const void *buf, size_t len);
static bool guest_has_more(void);
/* Bytes of a connection, from its `at`th on, have come to the host */
static void guest_stream_sent(int fd, uint64_t at, const struct iovec *iov,
			      size_t cnt, size_t len);

/* ---- Descriptors ---- */

static struct kernel_fd *kernel_fd(int fd)
{
	return fd >= FD_FIRST && fd < FD_FIRST + FDS &&
	       kernel.fd[fd - FD_FIRST].kind ? &kernel.fd[fd - FD_FIRST] : NULL;
}

static int kernel_number(const struct kernel_fd *k)
{
	return FD_FIRST + (int)(k - kernel.fd);
}

static int kernel_fail(int error)
{
	errno = error;
	return -1;
}

static int kernel_new(enum fd_kind kind)
{
	for (int i = 0; i < FDS; i++) {
		struct kernel_fd *k = &kernel.fd[i];

		if (k->kind)
			continue;
		/* Not the datagrams, of which there are none */
		memset(k, 0, offsetof(struct kernel_fd, dgram));
		k->dgrams = 0;
		k->kind = kind;
		k->peek = -1;
		return FD_FIRST + i;
	}
	return kernel_fail(EMFILE);
}

/* Is it this call that fails? */
static bool kernel_faults(void)
{
	if (!kernel.fault_in || --kernel.fault_in)
		return false;
	errno = kernel.fault;
	return true;
}

/* The n-th of its kind, as if they were as many as needed; or NULL */
static struct kernel_fd *kernel_pick(enum fd_kind kind, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FDS; i++)
		count += kernel.fd[i].kind == kind;
	if (!count)
		return NULL;
	n %= count;
	for (unsigned i = 0; ; i++)
		if (kernel.fd[i].kind == kind && !n--)
			return &kernel.fd[i];
}

/* Sockets that flows have */
static unsigned kernel_sockets(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < FDS; i++)
		count += (kernel.fd[i].kind == FD_STREAM ||
			  kernel.fd[i].kind == FD_DGRAM) &&
			 !kernel.fd[i].at_start;
	return count;
}

/* ---- What happens ---- */

/* connect() has resolved */
static void kernel_connected(struct kernel_fd *k, int error)
{
	if (!k->connecting)
		return;
	k->connecting = false;
	k->error = error;
	k->dead = error;
	k->news = true;
}

static void kernel_stream_in(struct kernel_fd *k, uint32_t bytes)
{
	if (k->connecting || k->eof || k->dead)
		return;
	k->in_end += bytes;
	k->news = true;
}

static void kernel_stream_eof(struct kernel_fd *k)
{
	if (k->connecting || k->dead)
		return;
	k->eof = true;
	k->news = true;
}

static void kernel_stream_error(struct kernel_fd *k, int error)
{
	k->connecting = false;
	k->dead = true;
	k->error = error;
	k->news = true;
}

/* What a call says of it first: 0: nothing, it goes on */
static int kernel_stream_told(struct kernel_fd *k, int dead)
{
	int error = k->error;

	k->error = 0;
	return error ? error : k->dead ? dead : 0;
}

/* The peer takes some of what was sent to it */
static void kernel_stream_takes(struct kernel_fd *k, uint32_t bytes)
{
	k->acked = MIN(k->out, k->acked + bytes);
	k->news = true;
}

/* Room for another datagram, or error, which is news to its reader */
static struct kernel_dgram *kernel_dgram(struct kernel_fd *k)
{
	if (k->dgrams == DGRAMS)
		return NULL;
	k->news = true;
	memset(&k->dgram[k->dgrams], 0, offsetof(struct kernel_dgram, data));
	return &k->dgram[k->dgrams++];
}

/* ---- Their sockets ---- */

static uint32_t kernel_queued(const struct kernel_fd *k)
{
	return (uint32_t)(k->out - k->acked);
}

/* What is sent: up to BYTES_MAX bytes of a row without end, from `at` on. A prime, so
 * that what is off by a round number is another.
 */
enum { BYTES_PERIOD = 65521, BYTES_MAX = 2 * 65536 };

static const uint8_t *kernel_bytes(uint64_t at)
{
	static uint8_t bytes[BYTES_PERIOD + BYTES_MAX];
	static bool made;
	uint32_t random = 1;

	for (size_t i = 0; !made && i < sizeof(bytes); i++) {
		random = random * 1664525 + 1013904223;
		bytes[i] = i < BYTES_PERIOD ? (uint8_t)(random >> 24) :
					      bytes[i - BYTES_PERIOD];
	}
	made = true;
	return bytes + at % BYTES_PERIOD;
}

static size_t kernel_iov_len(const struct iovec *iov, size_t cnt)
{
	size_t len = 0;

	for (size_t i = 0; i < cnt; i++)
		len += iov[i].iov_len;
	return len;
}

int socket(int domain, int type, int protocol)
{
	struct kernel_fd *k;
	int fd;

	if (!kernel.on)
		return (int)syscall(SYS_socket, domain, type, protocol);
	if (kernel_faults())
		return -1;
	fd = kernel_new((type & 15) == SOCK_STREAM ? FD_STREAM : FD_DGRAM);
	k = kernel_fd(fd);
	if (!k)
		return -1;
	if (domain == AF_UNIX)
		k->kind = FD_LINK_LISTENER;
	k->v6 = domain == AF_INET6;
	k->proto = protocol;
	k->local.sa.sa_family = (sa_family_t)domain;
	return fd;
}

int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_bind, fd, sa, len);
	if (kernel_faults())
		return -1;
	memcpy(&k->local, sa, MIN(len, sizeof(k->local)));
	if (k->kind == FD_DGRAM && !k->local.sin.sin_port)
		k->local.sin.sin_port = htons((uint16_t)(40000 + fd));
	return 0;
}

int listen(int fd, int backlog)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_listen, fd, backlog);
	if (k->kind == FD_STREAM)
		k->kind = FD_LISTENER;
	return 0;
}

int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_connect, fd, sa, len);
	if (kernel_faults())
		return -1;
	memcpy(&k->peer, sa, MIN(len, sizeof(k->peer)));
	if (kernel.connect_error)
		return kernel_fail(kernel.connect_error);
	k->connecting = !kernel.connects;
	return k->connecting ? kernel_fail(EINPROGRESS) : 0;
}

int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct kernel_fd *k = kernel_fd(fd), *new;

	if (!k)
		return (int)syscall(SYS_accept4, fd, sa, len, flags);
	if (kernel_faults())
		return -1;
	if (!k->waiting)
		return kernel_fail(EAGAIN);
	fd = kernel_new(k->kind == FD_LINK_LISTENER ? FD_LINK : FD_STREAM);
	new = kernel_fd(fd);
	if (!new)
		return -1;
	k->waiting--;
	new->local = k->local;
	if (sa)
		memcpy(sa, &kernel.client, *len);
	if (kernel.client.sa.sa_family == AF_INET) {
		new->local.sin.sin_family = AF_INET;
		new->local.sin.sin_addr.s_addr = htonl(0xc0000202);
	} else {
		new->v6 = true;
		new->local.sin6.sin6_family = AF_INET6;
		new->local.sin6.sin6_addr.s6_addr[0] = 0x20;
		new->local.sin6.sin6_addr.s6_addr[15] = 2;
	}
	return fd;
}

int getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_getsockname, fd, sa, len);
	if (kernel_faults())
		return -1;
	memcpy(sa, &k->local, MIN(*len, sizeof(k->local)));
	return 0;
}

int shutdown(int fd, int how)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_shutdown, fd, how);
	if (kernel_faults())
		return -1;
	k->wr_shut = true;
	return 0;
}

int dup(int fd)
{
	if (!kernel_fd(fd))
		return (int)syscall(SYS_dup, fd);
	return kernel_faults() ? -1 : kernel_new(FD_OTHER);
}

int close(int fd)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (fd >= FD_FIRST && fd < FD_FIRST + FDS)
		assert(k);		/* closed twice */
	if (!k)
		return (int)syscall(SYS_close, fd);
	k->kind = FD_FREE;
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
	if (kernel_faults())
		return -1;
	if (level == SOL_SOCKET && name == SO_PEEK_OFF) {
		int off;

		memcpy(&off, value, sizeof(off));
		assert(off >= 0);
		k->peek = off;
	}
	return 0;
}

static void kernel_tcp_info(const struct kernel_fd *k, struct tcp_info *ti)
{
	memset(ti, 0, sizeof(*ti));
	ti->tcpi_rtt = ti->tcpi_min_rtt = kernel.rtt_us;
	ti->tcpi_bytes_acked = k->acked + 1;
	ti->tcpi_unacked = !!kernel_queued(k);
	ti->tcpi_notsent_bytes = kernel_queued(k) / 2;
	ti->tcpi_last_ack_recv = ti->tcpi_last_data_recv = kernel.rtt_us;
	ti->tcpi_snd_wnd = 65535;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct kernel_fd *k = kernel_fd(fd);
	struct tcp_info ti;
	const uint32_t mem[SK_MEMINFO_VARS] = {
		[SK_MEMINFO_SNDBUF] = SNDBUF,
		[SK_MEMINFO_WMEM_QUEUED] = k ? kernel_queued(k) : 0,
	};
	const void *from = NULL;
	int zero = 0;

	if (!k)
		return (int)syscall(SYS_getsockopt, fd, level, name, value, len);
	if (kernel_faults())
		return -1;
	kernel_tcp_info(k, &ti);
	if (level == SOL_SOCKET && name == SO_ERROR) {
		from = memcpy(value, &k->error, sizeof(int));
		k->error = 0;
		*len = sizeof(int);
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_MEMINFO) {
		from = mem;
		*len = MIN(*len, sizeof(mem));
	} else if (level == IPPROTO_TCP && name == TCP_INFO) {
		from = &ti;
		*len = MIN(*len, sizeof(ti));
	} else {
		from = &zero;
		*len = MIN(*len, sizeof(zero));
	}
	memcpy(value, from, *len);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	struct kernel_fd *k = kernel_fd(fd);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!k)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	switch (request) {
	case TUNGETIFF:
		((struct ifreq *)arg)->ifr_flags = IFF_VNET_HDR;
		return 0;
	case TUNSETVNETHDRSZ:
	case TUNSETOFFLOAD:
		return 0;
	}
	if (k->kind == FD_LINK)
		*(int *)arg = kernel.not_taken;
	else if (request == SIOCINQ)
		*(int *)arg = (int)MIN(k->in_end - k->in_head, INT_MAX);
	else
		*(int *)arg = (int)kernel_queued(k);
	return 0;
}

/* ---- Streams ---- */

static ssize_t kernel_stream_write(struct kernel_fd *k, const struct iovec *iov,
				   size_t cnt)
{
	size_t len = kernel_iov_len(iov, cnt), room = SNDBUF - kernel_queued(k);
	int error = kernel_stream_told(k, EPIPE);

	if (error)
		return kernel_fail(error);
	if (k->connecting)
		return kernel_fail(EAGAIN);
	assert(!k->wr_shut);
	if (!room && len)
		return kernel_fail(EAGAIN);
	len = MIN(len, room);
	guest_stream_sent(kernel_number(k), k->out, iov, cnt, len);
	k->out += len;
	if (!kernel.slow_peer)
		k->acked = k->out;
	return (ssize_t)len;
}

static void kernel_put_cmsg(struct msghdr *msg, size_t *used, int level, int type,
			    const void *data, size_t len)
{
	struct cmsghdr *c = (void *)((char *)msg->msg_control + *used);

	if (*used + CMSG_SPACE(len) > msg->msg_controllen)
		return;
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	*used += CMSG_SPACE(len);
}

static ssize_t kernel_stream_read(struct kernel_fd *k, struct msghdr *msg, int flags)
{
	bool peeks = flags & MSG_PEEK;
	uint64_t at = k->in_head + (peeks && k->peek > 0 ? (uint64_t)k->peek : 0);
	size_t n = kernel_iov_len(msg->msg_iov, msg->msg_iovlen), done = 0, used = 0;
	int inq = (int)MIN(k->in_end - k->in_head + k->eof, INT_MAX);
	int error = kernel_stream_told(k, 0);

	if (error)
		return kernel_fail(error);
	if (at >= k->in_end)
		return k->eof || k->dead ? 0 : kernel_fail(EAGAIN);
	n = MIN(n, k->in_end - at);
	for (size_t i = 0; i < msg->msg_iovlen && !(flags & MSG_TRUNC); i++) {
		size_t part = MIN(n - done, msg->msg_iov[i].iov_len);

		part = MIN(part, BYTES_MAX);
		memcpy(msg->msg_iov[i].iov_base, kernel_bytes(at + done), part);
		done += part;
		assert(part == msg->msg_iov[i].iov_len || done == n);
	}
	if (msg->msg_control)
		kernel_put_cmsg(msg, &used, IPPROTO_TCP, TCP_CM_INQ, &inq,
				sizeof(inq));
	msg->msg_controllen = used;
	if (!peeks)
		k->in_head += n;
	if (k->peek >= 0)
		k->peek = peeks ? k->peek + (int64_t)n : MAX(k->peek - (int64_t)n, 0);
	return (ssize_t)n;
}

/* ---- Datagrams ---- */

static ssize_t kernel_dgram_write(struct kernel_fd *k, const struct msghdr *msg)
{
	size_t len = kernel_iov_len(msg->msg_iov, msg->msg_iovlen);
	uint64_t sum = 0;

	if (kernel_faults())
		return -1;
	/* Every byte, so that a sanitizer has seen it */
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		sum = csum_add(sum, msg->msg_iov[i].iov_base,
			       msg->msg_iov[i].iov_len);
	kernel.random += (uint32_t)sum;
	if (msg->msg_name)
		memcpy(&k->peer, msg->msg_name,
		       MIN(msg->msg_namelen, sizeof(k->peer)));
	return len > 65535 ? kernel_fail(EMSGSIZE) : (ssize_t)len;
}

static void kernel_dgram_control(const struct kernel_fd *k,
				 const struct kernel_dgram *d, struct msghdr *msg)
{
	struct { struct sock_extended_err ee; union sockaddr_any sa; } e;
	struct in_pktinfo pi = { .ipi_ifindex = 1 };
	struct in6_pktinfo pi6 = { .ipi6_ifindex = 1 };
	uint8_t tos = (uint8_t)d->tos;
	size_t used = 0;

	e.ee = d->ee;
	e.sa = d->offender;
	memcpy(&pi.ipi_addr, "\xc0\x00\x02\x02", 4);
	pi.ipi_spec_dst = pi.ipi_addr;
	memcpy(&pi6.ipi6_addr, &k->local.sin6.sin6_addr, 16);
	if (d->has_pktinfo && k->v6)
		kernel_put_cmsg(msg, &used, IPPROTO_IPV6, IPV6_PKTINFO, &pi6,
				sizeof(pi6));
	else if (d->has_pktinfo)
		kernel_put_cmsg(msg, &used, IPPROTO_IP, IP_PKTINFO, &pi,
				sizeof(pi));
	kernel_put_cmsg(msg, &used, k->v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			k->v6 ? IPV6_HOPLIMIT : IP_TTL, &d->ttl, sizeof(d->ttl));
	if (k->v6)
		kernel_put_cmsg(msg, &used, IPPROTO_IPV6, IPV6_TCLASS, &d->tos,
				sizeof(d->tos));
	else
		kernel_put_cmsg(msg, &used, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	if (d->gro)
		kernel_put_cmsg(msg, &used, SOL_UDP, UDP_GRO, &d->gro,
				sizeof(d->gro));
	if (d->is_error)
		kernel_put_cmsg(msg, &used, k->v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				k->v6 ? IPV6_RECVERR : IP_RECVERR, &e,
				sizeof(e.ee) + (k->v6 ? sizeof(e.sa.sin6) :
						sizeof(e.sa.sin)));
	msg->msg_controllen = used;
}

/* The first one that waits, of that kind */
static ssize_t kernel_dgram_read(struct kernel_fd *k, struct msghdr *msg, bool is_error)
{
	struct kernel_dgram *d = k->dgram;
	size_t n, done = 0;

	while (d < k->dgram + k->dgrams && d->is_error != is_error)
		d++;
	if (d == k->dgram + k->dgrams)
		return kernel_fail(EAGAIN);
	n = MIN(d->len, kernel_iov_len(msg->msg_iov, msg->msg_iovlen));
	for (size_t i = 0; i < msg->msg_iovlen && done < n; i++) {
		size_t part = MIN(n - done, msg->msg_iov[i].iov_len);
		size_t known = done < d->given ? MIN(part, d->given - done) : 0;

		memcpy(msg->msg_iov[i].iov_base, d->data + done, known);
		memset((char *)msg->msg_iov[i].iov_base + known, 0, part - known);
		done += part;
	}
	if (msg->msg_name) {
		msg->msg_namelen = MIN(msg->msg_namelen,
				       k->v6 ? sizeof(d->from.sin6) :
				       sizeof(d->from.sin));
		memcpy(msg->msg_name, &d->from, msg->msg_namelen);
	}
	kernel_dgram_control(k, d, msg);
	k->dgrams--;
	memmove(d, d + 1, (size_t)(k->dgram + k->dgrams - d) * sizeof(*d));
	return (ssize_t)n;
}

/* ---- Calls of all kinds of them ---- */

static ssize_t kernel_link_write(const struct iovec *iov, size_t cnt)
{
	static uint8_t buf[2 * 65536];
	size_t len = 0;

	if (kernel.not_taken)
		return kernel_fail(EAGAIN);
	if (cnt == 1)
		return guest_write(iov->iov_base, iov->iov_len);
	for (size_t i = 0; i < cnt; i++) {
		assert(len + iov[i].iov_len <= sizeof(buf));
		memcpy(buf + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return guest_write(buf, len);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return syscall(SYS_sendmsg, fd, msg, flags);
	if (k->kind == FD_LINK)
		return kernel_link_write(msg->msg_iov, msg->msg_iovlen);
	if (k->kind == FD_DGRAM)
		return kernel_dgram_write(k, msg);
	return kernel_faults() ? -1 :
	       kernel_stream_write(k, msg->msg_iov, msg->msg_iovlen);
}

int sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	for (unsigned i = 0; i < n; i++) {
		ssize_t len = sendmsg(fd, &mm[i].msg_hdr, flags);

		if (len < 0)
			return i ? (int)i : -1;
		mm[i].msg_len = (unsigned)len;
	}
	return (int)n;
}

ssize_t sendto(int fd, const void *buf, size_t len, int flags,
	       const struct sockaddr *sa, socklen_t sa_len)
{
	struct iovec iov = iov_const(buf, len);
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!kernel_fd(fd))
		return syscall(SYS_sendto, fd, buf, len, flags, sa, sa_len);
	return sendmsg(fd, &msg, flags);
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	return sendto(fd, buf, len, flags, NULL, 0);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!k)
		return syscall(SYS_recvmsg, fd, msg, flags);
	if (k->kind == FD_LINK)
		return guest_read(msg->msg_iov->iov_base, msg->msg_iov->iov_len);
	if (kernel_faults())
		return -1;
	/* Of a stream, where it's asked for after connect() only: nothing */
	if (flags & MSG_ERRQUEUE && k->kind == FD_STREAM)
		return kernel_fail(EAGAIN);
	if (k->kind == FD_DGRAM)
		return kernel_dgram_read(k, msg, flags & MSG_ERRQUEUE);
	return kernel_stream_read(k, msg, flags);
}

int recvmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags, struct timespec *until)
{
	(void)until;
	for (unsigned i = 0; i < n; i++) {
		ssize_t len = recvmsg(fd, &mm[i].msg_hdr, flags);

		if (len < 0)
			return i ? (int)i : -1;
		mm[i].msg_len = (unsigned)len;
	}
	return (int)n;
}

ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!kernel_fd(fd))
		return syscall(SYS_recvfrom, fd, buf, size, flags, NULL, NULL);
	return recvmsg(fd, &msg, flags);
}

ssize_t read(int fd, void *buf, size_t size)
{
	return kernel_fd(fd) ? recv(fd, buf, size, 0) :
			       syscall(SYS_read, fd, buf, size);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return kernel_fd(fd) ? send(fd, buf, len, 0) :
			       syscall(SYS_write, fd, buf, len);
}

ssize_t writev(int fd, const struct iovec *iov, int cnt)
{
	return kernel_fd(fd) ? kernel_link_write(iov, (size_t)cnt) :
			       syscall(SYS_writev, fd, iov, cnt);
}

/* ---- epoll, clock, random numbers ---- */

static uint32_t kernel_ready(const struct kernel_fd *k)
{
	uint32_t e = 0;

	switch (k->kind) {
	case FD_STREAM:
		if (k->dead)
			return EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP |
			       (k->error ? EPOLLERR : 0);
		if (k->connecting)
			return 0;
		if (k->in_end > k->in_head)
			e |= EPOLLIN;
		if (kernel_queued(k) * 3 <= SNDBUF * 2)
			e |= EPOLLOUT;
		if (k->eof)
			e |= EPOLLIN | EPOLLRDHUP;
		if (k->eof && k->wr_shut)
			e |= EPOLLHUP;
		return e;
	case FD_DGRAM:
		for (unsigned i = 0; i < k->dgrams; i++)
			e |= k->dgram[i].is_error ? EPOLLERR : EPOLLIN;
		return e;
	case FD_LISTENER:
	case FD_LINK_LISTENER:
		return k->waiting ? EPOLLIN : 0;
	case FD_LINK:
		return (guest_has_more() ? EPOLLIN : 0) |
		       (kernel.not_taken ? 0 : EPOLLOUT);
	case FD_FREE:
	case FD_EPOLL:
	case FD_OTHER:
		break;
	}
	return 0;
}

int epoll_create1(int flags)
{
	return kernel.on ? kernel_new(FD_EPOLL) :
			   (int)syscall(SYS_epoll_create1, flags);
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct kernel_fd *k = kernel_fd(fd);

	if (!kernel_fd(epfd))
		return (int)syscall(SYS_epoll_ctl, epfd, op, fd, ev);
	assert(k);
	/* What is watched already needs no memory */
	if (op == EPOLL_CTL_ADD && kernel_faults())
		return -1;
	if (op == EPOLL_CTL_ADD && k->watched)
		return kernel_fail(EEXIST);
	if (op != EPOLL_CTL_ADD && !k->watched)
		return kernel_fail(ENOENT);
	k->watched = op != EPOLL_CTL_DEL;
	if (!k->watched)
		return 0;
	k->events = ev->events | EPOLLERR | EPOLLHUP;
	k->ref = ev->data.u64;
	k->news = true;
	return 0;
}

/* Without events, the time until the next timer is over at once */
int epoll_wait(int epfd, struct epoll_event *evs, int max, int timeout)
{
	int n = 0, ms;

	if (!kernel_fd(epfd))
		return (int)syscall(SYS_epoll_wait, epfd, evs, max, timeout);
	for (int i = 0; i < FDS && n < max; i++) {
		struct kernel_fd *k = &kernel.fd[i];
		uint32_t e = k->kind && k->watched ?
			     kernel_ready(k) & k->events : 0;

		if (!e || (k->events & EPOLLET && !k->news))
			continue;
		k->news = false;
		evs[n].events = e;
		evs[n++].data.u64 = k->ref;
	}
	ms = timeout ? timer_timeout_ms(loop_now()) : 0;
	kernel.now_us += n || ms <= 0 ? 10 : ms * 1000LL;
	kernel.idle_turns = n ? 0 : kernel.idle_turns + 1;
	return n;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = kernel.now_us / 1000000;
	ts->tv_nsec = kernel.now_us % 1000000 * 1000;
	return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	uint8_t *p = buf;

	(void)flags;
	for (size_t i = 0; i < len; i++) {
		kernel.random = kernel.random * 1664525 + 1013904223;
		p[i] = (uint8_t)(kernel.random >> 24);
	}
	return (ssize_t)len;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int ready = 0;

	if (n && !kernel_fd(fds->fd))
		return (int)syscall(SYS_poll, fds, n, timeout);
	for (nfds_t i = 0; i < n; i++) {
		struct kernel_fd *k = kernel_fd(fds[i].fd);

		/* The events that matter have the same numbers there */
		fds[i].revents = (short)(k ? kernel_ready(k) &
					     ((uint32_t)fds[i].events |
					      EPOLLHUP | EPOLLERR) : 0);
		ready += !!fds[i].revents;
	}
	return ready;
}

#endif /* TEST_FUZZ_FUZZ_KERNEL_H */
