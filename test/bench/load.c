// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traffic for the benchmark, and the service that it goes to.
 *
 *	load serve [-C CONTROL] PORT	streams and datagrams, until killed
 *	load up|down [-C CONTROL] [-n STREAMS] [-t MS] [-w MS] ADDR PORT
 *	load rr|crr [-t MS] ADDR PORT
 *	load many [-n CONNECTIONS] [-t MS] ADDR PORT
 *	load udp-up|udp-down [-g] [-s SIZE] [-t MS] ADDR PORT
 *	load spray [-n DATAGRAMS] ADDR PORT
 *
 * Clients print one line of JSON. -t is for how long (many: at most), -w how
 * much of it isn't counted, -g lets the kernel cut datagrams (UDP_SEGMENT).
 *
 * Streams begin with a struct request. What follows is a pattern, at an offset
 * that differs between streams. Its period is a prime number, hence nothing
 * that is lost, repeated or put elsewhere by pages or segments fits. Receivers
 * look at the first and last bytes of whatever a read returns, and at all of
 * every 16th; and the sum must be right in the end.
 *
 *	up	pattern until the client's end; the answer is a struct report
 *	down	pattern for MS, whole units; received until the server's end
 *	echo	all that comes is sent back
 *	once	the request is sent back, then the server closes: crr
 *
 * "many" opens all connections at once, sends 16 bytes on each, and expects
 * them back; it says so, waits for a line (or end) on standard input, repeats
 * that on all of them, and reports how many were still there.
 *
 * Datagrams begin with a struct dgram, and are filled with the pattern.
 *
 * "spray" sends one byte to each of so many IPv4 addresses from ADDR on, from
 * one socket.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util.h"

enum {
	PERIOD = 65521,
	UNIT = 64 * 1024,	/* what a server sends is a multiple of it */
	PEEP = 64,		/* bytes that are always verified at the ends */
	THOROUGH = 16,		/* one of so many reads is verified entirely */
	GRACE_MS = 4000,	/* for the end of the last stream */
	TURNS = 4,		/* reads or writes before others are served */
	MAGIC = 0x62656e63,
	DGRAMS = 32,		/* in one call */
	SMALL = 16,		/* bytes of an echo */
};

enum mode { UP = 1, DOWN, ECHO, ONCE };

struct request {
	uint32_t magic, mode;
	uint32_t ms, warm_ms;
	uint64_t seed;
	uint64_t zero;
};

struct report {
	uint64_t total, counted, bad;
};

enum dgram_type { D_DATA = 1, D_ASK, D_REPORT, D_SEND, D_END };

struct dgram {
	uint32_t magic, type;
	uint32_t session, seq;
	uint32_t ms, size;	/* D_SEND: for how long, how large */
	uint32_t gso;		/* D_SEND: let the kernel cut */
	uint32_t bad;		/* D_REPORT */
	uint64_t count;		/* D_REPORT: received, D_END: sent */
	uint64_t ns;		/* D_REPORT: between the first and last one */
};

struct conn {
	int fd;
	int started, ended;	/* request is through, nothing more to send */
	uint32_t events, reads;
	struct request req;
	size_t req_got;
	uint64_t off;		/* payload bytes that went through */
	uint64_t start;		/* ns */
	struct report rep;
	char small[SMALL];	/* "many" */
	size_t small_got;
	char *rest;		/* "echo": what couldn't be sent back yet */
	size_t rest_len;
};

static char pattern[PERIOD + CHUNK];
static char buf[CHUNK];
static int ep;
static const char *control;
static unsigned opt_n = 1, opt_ms = 1000, opt_warm_ms, opt_size = 1432;
static int opt_gso;

static void pattern_init(void)
{
	uint64_t x = 88172645463325252ULL;	/* xorshift64 */

	for (size_t i = 0; i < PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (char)(x >> 32);
	}
	memcpy(pattern + PERIOD, pattern, PERIOD);
	for (size_t i = 2 * PERIOD; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PERIOD];
}

static const char *pattern_at(const struct conn *c, uint64_t off)
{
	return pattern + (c->req.seed + off) % PERIOD;
}

/* n bytes of payload were read: are they right, and do they count? */
static void took(struct conn *c, const char *p, size_t n)
{
	const char *want = pattern_at(c, c->off);
	size_t m = n < PEEP ? n : PEEP;
	uint64_t t = now_ns() - c->start;

	if (c->reads++ % THOROUGH ? memcmp(p, want, m) ||
				    memcmp(p + n - m, want + n - m, m) :
				    memcmp(p, want, n))
		c->rep.bad++;
	c->off += n;
	c->rep.total += n;
	if (t >= c->req.warm_ms * 1000000ULL && t < c->req.ms * 1000000ULL)
		c->rep.counted += n;
}

static void watch(struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .data.ptr = c, .events = events };

	if (events != c->events &&
	    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &ev))
		fail("epoll_ctl");
	c->events = events;
}

static void add(struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .data.ptr = c, .events = events };

	c->events = events;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev))
		fail("epoll_ctl");
}

/* Send pattern; false if the connection is broken */
static int push(struct conn *c)
{
	uint64_t end = c->start + c->req.ms * 1000000ULL;

	for (int i = 0; i < TURNS && !c->ended; i++) {
		size_t len = CHUNK;
		ssize_t n;

		if (now_ns() >= end) {
			len = (UNIT - c->off % UNIT) % UNIT;
			if (!len) {
				shutdown(c->fd, SHUT_WR);
				c->ended = 1;
				watch(c, EPOLLIN);
				break;
			}
		}
		n = send(c->fd, pattern_at(c, c->off), len, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN;
		c->off += (uint64_t)n;
	}
	return 1;
}

/* --- server, streams --- */

static void end(struct conn *c)
{
	close(c->fd);
	free(c->rest);
	free(c);
}

static int echo(struct conn *c, const char *p, size_t n)
{
	ssize_t m = send(c->fd, p, n, MSG_NOSIGNAL);

	if (m < 0 && errno != EAGAIN)
		return 0;
	m = m < 0 ? 0 : m;
	if ((size_t)m < n) {
		c->rest_len = n - (size_t)m;
		c->rest = malloc(c->rest_len);
		memcpy(c->rest, p + m, c->rest_len);
		watch(c, EPOLLOUT);
	}
	return 1;
}

/* All of the request is there, and n bytes after it; false: end */
static int serve_data(struct conn *c, const char *p, size_t n)
{
	switch ((enum mode)c->req.mode) {
	case UP:
		if (n)
			took(c, p, n);
		return 1;
	case DOWN:
		watch(c, EPOLLIN | EPOLLOUT);
		return 1;
	case ECHO:
		return !n || echo(c, p, n);
	case ONCE:
		break;
	}
	send(c->fd, &c->req, sizeof(c->req), MSG_NOSIGNAL);
	return 0;
}

static int serve_in(struct conn *c)
{
	for (int i = 0; i < TURNS && !c->rest; i++) {
		ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
		size_t m = 0;

		if (n < 0)
			return errno == EAGAIN;
		if (!n) {
			if (c->started && c->req.mode == UP)
				send(c->fd, &c->rep, sizeof(c->rep),
				     MSG_NOSIGNAL);
			return 0;
		}
		if (!c->started) {
			m = sizeof(c->req) - c->req_got;
			m = m < (size_t)n ? m : (size_t)n;
			memcpy((char *)&c->req + c->req_got, buf, m);
			c->req_got += m;
			if (c->req_got < sizeof(c->req))
				continue;
			if (c->req.magic != MAGIC)
				return 0;
			c->started = 1;
			c->start = now_ns();
			if (!serve_data(c, buf + m, (size_t)n - m))
				return 0;
			continue;
		}
		if (!serve_data(c, buf, (size_t)n))
			return 0;
		if (n < (ssize_t)sizeof(buf) / 2)
			break;
	}
	return 1;
}

static int serve_out(struct conn *c)
{
	ssize_t n;

	if (!c->rest)
		return push(c);
	n = send(c->fd, c->rest, c->rest_len, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN;
	memmove(c->rest, c->rest + n, c->rest_len - (size_t)n);
	c->rest_len -= (size_t)n;
	if (!c->rest_len) {
		free(c->rest);
		c->rest = NULL;
		watch(c, EPOLLIN);
	}
	return 1;
}

static void serve_streams(int listener)
{
	static struct epoll_event ev[256];
	struct conn own = { .fd = listener };
	int n, one = 1;

	ep = epoll_create1(EPOLL_CLOEXEC);
	add(&own, EPOLLIN);
	while ((n = epoll_wait(ep, ev, 256, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			int fd;

			if (c != &own) {
				if ((ev[i].events & ~(uint32_t)EPOLLOUT &&
				     !serve_in(c)) ||
				    (ev[i].events & EPOLLOUT && !serve_out(c)))
					end(c);
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL,
					     SOCK_NONBLOCK)) >= 0) {
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
					   sizeof(one));
				c = calloc(1, sizeof(*c));
				c->fd = fd;
				add(c, EPOLLIN);
			}
		}
	}
	fail("epoll_wait");
}

/* --- datagrams --- */

/* Where a receiver keeps what it got of a session */
struct tally {
	uint32_t session;
	uint64_t count, bytes, bad, first, last;
};

static char packets[DGRAMS][UNIT + 512];

/* Data of one message, maybe merged of several datagrams */
static void tally_data(struct tally *t, const char *p, size_t len,
		       unsigned size, uint64_t now)
{
	if (!size)
		size = (unsigned)len;
	for (; len; p += size, len -= size) {
		size_t n = size < len ? size : len;
		const char *want;
		struct dgram d;

		if (n < size)
			size = (unsigned)n;
		if (n < sizeof(d)) {
			t->bad++;
			continue;
		}
		memcpy(&d, p, sizeof(d));
		if (d.session != t->session || d.type != D_DATA)
			continue;
		want = pattern + d.seq % PERIOD;
		if (d.size != n || memcmp(p + sizeof(d), want, n - sizeof(d)))
			t->bad++;
		if (!t->count++)
			t->first = now;
		t->bytes += n;
		t->last = now;
	}
}

static void fill(char *p, uint32_t session, uint32_t seq, unsigned size)
{
	struct dgram d = { .magic = MAGIC, .type = D_DATA, .session = session,
			   .seq = seq, .size = size };

	memcpy(p, &d, sizeof(d));
	memcpy(p + sizeof(d), pattern + seq % PERIOD, size - sizeof(d));
}

/* As many datagrams as go, for ms; returns how many */
static uint64_t flood(int s, const struct sockaddr_storage *to, socklen_t len,
		      uint32_t session, unsigned size, unsigned ms, int gso)
{
	uint64_t stop = now_ns() + ms * 1000000ULL, sent = 0;
	unsigned each = gso ? (UNIT - 256) / size : 1;
	char ctl[CMSG_SPACE(sizeof(uint16_t))];
	struct mmsghdr mm[DGRAMS];
	struct iovec iov[DGRAMS];
	unsigned vlen = gso ? 1 : size > 8192 ? 4 : DGRAMS;
	uint32_t seq = 0;

	if (each < 1)
		each = 1;
	memset(mm, 0, sizeof(mm));
	for (unsigned i = 0; i < vlen; i++) {
		iov[i] = (struct iovec){ packets[i], each * size };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		if (to) {
			union { const struct sockaddr_storage *c; void *v; } u;

			u.c = to;
			mm[i].msg_hdr.msg_name = u.v;
			mm[i].msg_hdr.msg_namelen = len;
		}
		if (each > 1)
			gso_size(&mm[i].msg_hdr, ctl, size);
	}
	while (now_ns() < stop) {
		int n;

		for (unsigned i = 0; i < vlen; i++)
			for (unsigned j = 0; j < each; j++)
				fill(packets[i] + j * size, session, seq++,
				     size);
		n = sendmmsg(s, mm, vlen, 0);
		if (n < 0 && errno != ENOBUFS && errno != ECONNREFUSED &&
		    errno != EAGAIN)
			fail("sendmmsg");
		sent += (n > 0 ? (uint64_t)n : 0) * each;
	}
	return sent;
}

static int receive(int s, struct mmsghdr *mm, unsigned vlen)
{
	static struct sockaddr_storage from[DGRAMS];
	static char ctl[DGRAMS][CMSG_SPACE(sizeof(int))];
	static struct iovec iov[DGRAMS];

	for (unsigned i = 0; i < vlen; i++) {
		iov[i] = (struct iovec){ packets[i], sizeof(packets[i]) };
		memset(&mm[i], 0, sizeof(mm[i]));
		mm[i].msg_hdr.msg_name = &from[i];
		mm[i].msg_hdr.msg_namelen = sizeof(from[i]);
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		mm[i].msg_hdr.msg_control = ctl[i];
		mm[i].msg_hdr.msg_controllen = sizeof(ctl[i]);
	}
	return recvmmsg(s, mm, vlen, MSG_WAITFORONE, NULL);
}

static void serve_down(int s, const struct dgram *d, const struct msghdr *m)
{
	struct dgram bye = *d;
	struct sockaddr_storage to;
	socklen_t len = m->msg_namelen;

	memcpy(&to, m->msg_name, len);
	bye.count = flood(s, &to, len, d->session, d->size, d->ms, (int)d->gso);
	bye.type = D_END;
	for (int i = 0; i < 20; i++) {
		usleep(20000);
		sendto(s, &bye, sizeof(bye), 0, (struct sockaddr *)&to, len);
	}
	_exit(0);
}

static void serve_dgrams(int s)
{
	static struct tally t;
	struct mmsghdr mm[DGRAMS];
	uint32_t downs = 0;
	int n, one = 1;

	setsockopt(s, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	signal(SIGCHLD, SIG_IGN);
	while ((n = receive(s, mm, DGRAMS)) > 0 || errno == EINTR ||
	       errno == ECONNREFUSED) {
		uint64_t now = now_ns();

		for (int i = 0; i < n; i++) {
			struct msghdr *m = &mm[i].msg_hdr;
			struct dgram d;

			if (mm[i].msg_len < sizeof(d))
				continue;
			memcpy(&d, packets[i], sizeof(d));
			if (d.magic != MAGIC)
				continue;
			if (d.type == D_DATA) {
				if (d.session != t.session)
					t = (struct tally){ d.session, 0, 0, 0,
							    0, 0 };
				tally_data(&t, packets[i], mm[i].msg_len,
					   gro_size(m), now);
			} else if (d.type == D_ASK && d.session == t.session) {
				d.type = D_REPORT;
				d.count = t.count;
				d.bad = (uint32_t)t.bad;
				d.ns = t.last - t.first;
				sendto(s, &d, sizeof(d), 0, m->msg_name,
				       m->msg_namelen);
			} else if (d.type == D_SEND && d.session != downs) {
				/* it may have been repeated */
				downs = d.session;
				if (!fork())
					serve_down(s, &d, m);
			}
		}
	}
	fail("recvmmsg");
}

static int serve(const char *port)
{
	struct sockaddr_storage sa;
	socklen_t len = resolve("::", port, &sa);
	int tcp, udp;

	tcp = bound_socket(SOCK_STREAM, &sa, len, control);
	udp = bound_socket(SOCK_DGRAM, &sa, len, NULL);
	big_buffers(udp);
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_dgrams(udp);
	}
	serve_streams(tcp);
	return 1;
}

/* --- clients --- */

static struct conn *dial(const struct sockaddr_storage *sa, socklen_t len,
			 enum mode mode)
{
	struct conn *c = calloc(1, sizeof(*c));

	c->fd = stream_socket(sa->ss_family, control);
	if (c->fd < 0)
		fail("socket");
	c->req = (struct request){ MAGIC, mode, opt_ms, opt_warm_ms,
				   now_ns() % PERIOD, 0 };
	if (connect(c->fd, (const struct sockaddr *)sa, len) &&
	    errno != EINPROGRESS)
		fail("connect");
	return c;
}

/* Both ends of a stream in one loop, as "up" and "down" differ little */
static int bulk(const struct sockaddr_storage *sa, socklen_t len,
		enum mode mode)
{
	struct conn **all = calloc(opt_n, sizeof(struct conn *));
	uint64_t begin = now_ns(), stop, total = 0, counted = 0, bad = 0;
	struct epoll_event ev[64];
	unsigned open = opt_n, broken = 0;

	ep = epoll_create1(EPOLL_CLOEXEC);
	stop = begin + (opt_ms + GRACE_MS) * 1000000ULL;
	for (unsigned i = 0; i < opt_n; i++) {
		all[i] = dial(sa, len, mode);
		add(all[i], EPOLLOUT);
	}
	while (open && now_ns() < stop) {
		int n = epoll_wait(ep, ev, 64, 100);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			ssize_t got = -2;

			if (!c->started && ev[i].events & EPOLLOUT &&
			    !(ev[i].events & (EPOLLERR | EPOLLHUP))) {
				send(c->fd, &c->req, sizeof(c->req),
				     MSG_NOSIGNAL);
				c->start = now_ns();
				c->started = 1;
				watch(c, mode == UP ? EPOLLOUT : EPOLLIN);
			} else if (!c->started || (mode == UP && !c->ended &&
						   !push(c))) {
				got = -1;
			} else if (mode == UP && c->ended) {
				struct report r;

				got = recv(c->fd, &r, sizeof(r), 0);
				if (got < 0 && errno == EAGAIN)
					continue;
				if (got == sizeof(r) && r.total == c->off) {
					c->rep = r;
					got = 0;
				} else {
					got = -1;
				}
			} else if (mode == DOWN) {
				for (int k = 0; k < TURNS; k++) {
					got = recv(c->fd, buf, sizeof(buf), 0);
					if (got <= 0)
						break;
					took(c, buf, (size_t)got);
					if (got < (ssize_t)sizeof(buf) / 2)
						break;
				}
				if (got < 0 && errno == EAGAIN)
					continue;
				if (!got && (c->off % UNIT || !c->off))
					got = -1;
			}
			if (got == 0 || got == -1) {
				broken += got < 0;
				open--;
				close(c->fd);
			}
		}
	}
	for (unsigned i = 0; i < opt_n; i++) {
		total += all[i]->rep.total;
		counted += all[i]->rep.counted;
		bad += all[i]->rep.bad;
	}
	printf("{\"gbps\": %.4f, \"total\": %llu, \"bad\": %llu, "
	       "\"broken\": %u, \"stalled\": %u}\n",
	       (double)counted * 8e-6 / (opt_ms - opt_warm_ms),
	       (unsigned long long)total, (unsigned long long)bad, broken,
	       open);
	return 0;
}

static void blocking(int fd, unsigned ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static int by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Times in microseconds of transactions that went well */
static void print_rate(uint32_t *us, size_t n, double secs, unsigned errors)
{
	qsort(us, n, sizeof(*us), by_size);
	printf("{\"rate\": %.1f, \"p50_us\": %u, \"p99_us\": %u, "
	       "\"max_us\": %u, \"errors\": %u}\n", (double)n / secs,
	       n ? us[n / 2] : 0, n ? us[n * 99 / 100] : 0,
	       n ? us[n - 1] : 0, errors);
}

/* A blocking socket, the way most programs do it; -1: failed */
static int call(const struct sockaddr_storage *sa, socklen_t len)
{
	int s = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (s < 0)
		fail("socket");
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	blocking(s, 5000);
	if (!connect(s, (const struct sockaddr *)sa, len))
		return s;
	close(s);
	return -1;
}

static int transactions(const struct sockaddr_storage *sa, socklen_t len,
			enum mode mode)
{
	struct request req = { MAGIC, mode, 0, 0, 0, 0 }, got;
	uint64_t start = now_ns(), stop = start + opt_ms * 1000000ULL, t;
	size_t n = 0, max = (size_t)opt_ms * 500;
	uint32_t *us = malloc(max * sizeof(*us));
	unsigned errors = 0;
	char c[SMALL] = "0123456789abcde";
	int s = -1;

	if (mode == ECHO) {
		s = call(sa, len);
		if (s < 0 || send(s, &req, sizeof(req), MSG_NOSIGNAL) < 0)
			fail("connect");
		start = now_ns();
	}
	while ((t = now_ns()) < stop && n < max && errors < 3) {
		int ok = 0;

		if (mode == ECHO) {
			c[0] = (char)n;
			ok = send(s, c, sizeof(c), MSG_NOSIGNAL) == SMALL &&
			     recv(s, buf, sizeof(c), MSG_WAITALL) == SMALL &&
			     !memcmp(buf, c, sizeof(c));
		} else if ((s = call(sa, len)) >= 0) {
			req.seed = n;
			ok = send(s, &req, sizeof(req), MSG_NOSIGNAL) ==
			     sizeof(req) &&
			     recv(s, &got, sizeof(got), MSG_WAITALL) ==
			     sizeof(got) && !memcmp(&got, &req, sizeof(req)) &&
			     recv(s, c, 1, 0) == 0;
			close(s);
		}
		if (ok)
			us[n++] = (uint32_t)((now_ns() - t) / 1000);
		else
			errors++;
	}
	print_rate(us, n, (double)(now_ns() - start) / 1e9, errors);
	return 0;
}

/* One echo on each of the connections; how many came back */
static unsigned echo_all(struct conn **all, int first, unsigned ms)
{
	uint64_t stop = now_ns() + ms * 1000000ULL;
	struct epoll_event ev[256];
	unsigned done = 0, failed = 0;

	for (unsigned i = 0; !first && i < opt_n; i++) {
		struct conn *c = all[i];

		c->small_got = 0;
		c->small[1]++;
		if (!c->ended)
			send(c->fd, c->small, SMALL, MSG_NOSIGNAL);
		else
			failed++;
	}
	while (done + failed < opt_n && now_ns() < stop) {
		int n = epoll_wait(ep, ev, 256, 100);

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			ssize_t got = -1;

			if (c->ended)
				continue;
			if (!c->started && ev[i].events == EPOLLOUT) {
				struct iovec v[2] = {
					{ &c->req, sizeof(c->req) },
					{ c->small, SMALL },
				};
				struct msghdr m = { .msg_iov = v,
						    .msg_iovlen = 2 };

				c->started = 1;
				sendmsg(c->fd, &m, MSG_NOSIGNAL);
				watch(c, EPOLLIN);
				continue;
			}
			if (c->started)
				got = recv(c->fd, buf, SMALL, 0);
			if (got < 0 && errno == EAGAIN && c->started)
				continue;
			if (got <= 0 || memcmp(buf, c->small + c->small_got,
					       (size_t)got)) {
				c->ended = 1;
				failed++;
				epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
				continue;
			}
			c->small_got += (size_t)got;
			done += c->small_got == SMALL;
		}
	}
	return done;
}

static int many(const struct sockaddr_storage *sa, socklen_t len)
{
	struct conn **all = calloc(opt_n, sizeof(struct conn *));
	uint64_t start;
	unsigned ok;

	many_files();
	ep = epoll_create1(EPOLL_CLOEXEC);
	start = now_ns();
	for (unsigned i = 0; i < opt_n; i++) {
		all[i] = dial(sa, len, ECHO);
		memcpy(all[i]->small, &i, sizeof(i));
		memcpy(all[i]->small + 8, &start, sizeof(start));
		add(all[i], EPOLLOUT);
	}
	ok = echo_all(all, 1, opt_ms);
	printf("{\"opened\": %u, \"secs\": %.3f}\n", ok,
	       (double)(now_ns() - start) / 1e9);
	fflush(stdout);
	if (read(STDIN_FILENO, buf, 1) < 0)
		fail("read");
	printf("{\"held\": %u}\n", echo_all(all, 0, opt_ms));
	return 0;
}

static int dgram_socket(const struct sockaddr_storage *sa, socklen_t len)
{
	int s = socket(sa->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	if (s < 0 || connect(s, (const struct sockaddr *)sa, len))
		fail("connect");
	big_buffers(s);
	setsockopt(s, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
	return s;
}

static void print_dgrams(uint64_t sent, uint64_t got, uint64_t bad, uint64_t ns)
{
	printf("{\"gbps\": %.4f, \"sent\": %llu, \"received\": %llu, "
	       "\"loss\": %.4f, \"bad\": %llu}\n",
	       ns ? (double)got * opt_size * 8 / (double)ns : 0.,
	       (unsigned long long)sent, (unsigned long long)got,
	       sent ? 1 - (double)got / (double)sent : 1.,
	       (unsigned long long)bad);
}

static int udp_up(int s, uint32_t session)
{
	struct dgram ask = { .magic = MAGIC, .type = D_ASK,
			     .session = session }, d;
	uint64_t sent = flood(s, NULL, 0, session, opt_size, opt_ms, opt_gso);

	blocking(s, 100);
	for (int i = 0; i < 20; i++) {
		if (send(s, &ask, sizeof(ask), 0) < 0)
			continue;
		while (recv(s, &d, sizeof(d), 0) == sizeof(d)) {
			if (d.type != D_REPORT || d.session != session)
				continue;
			print_dgrams(sent, d.count, d.bad, d.ns);
			return 0;
		}
	}
	print_dgrams(sent, 0, 0, 0);
	return 0;
}

static int udp_down(int s, uint32_t session)
{
	struct dgram d = { .magic = MAGIC, .type = D_SEND, .session = session,
			   .ms = opt_ms, .size = opt_size,
			   .gso = (uint32_t)opt_gso };
	uint64_t stop = now_ns() + (opt_ms + 1500) * 1000000ULL, sent = 0;
	struct tally t = { .session = session };
	struct mmsghdr mm[DGRAMS];

	blocking(s, 200);
	send(s, &d, sizeof(d), 0);
	while (!sent && now_ns() < stop) {
		int n = receive(s, mm, DGRAMS);
		uint64_t now = now_ns();

		if (n < 0 && !t.count)
			send(s, &d, sizeof(d), 0);
		for (int i = 0; i < n; i++) {
			struct dgram h;

			if (mm[i].msg_len >= sizeof(h)) {
				memcpy(&h, packets[i], sizeof(h));
				if (h.type == D_END && h.session == session)
					sent = h.count;
			}
			tally_data(&t, packets[i], mm[i].msg_len,
				   gro_size(&mm[i].msg_hdr), now);
		}
	}
	print_dgrams(sent, t.count, t.bad, t.last - t.first);
	return 0;
}

static int spray(struct sockaddr_storage *sa)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)sa;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t first = ntohl(sin->sin_addr.s_addr);

	if (s < 0 || sa->ss_family != AF_INET)
		fail("socket");
	for (uint32_t i = 0; i < opt_n; i++) {
		sin->sin_addr.s_addr = htonl(first + i);
		if (sendto(s, "", 1, 0, (struct sockaddr *)sin,
			   sizeof(*sin)) < 0)
			fail("sendto");
		/* the queue of the link is short */
		if (i % 128 == 127)
			usleep(1000);
	}
	printf("{\"sent\": %u}\n", opt_n);
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "see the head of load.c\n");
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage sa;
	const char *what;
	uint32_t session;
	socklen_t len;
	int opt;

	if (argc < 2)
		return usage();
	what = argv[1];
	argv++;
	argc--;
	while ((opt = getopt(argc, argv, "C:gn:s:t:w:")) != -1) {
		switch (opt) {
		case 'C':	control = optarg;				break;
		case 'g':	opt_gso = 1;					break;
		case 'n':	opt_n = (unsigned)atoi(optarg);			break;
		case 's':	opt_size = (unsigned)atoi(optarg);		break;
		case 't':	opt_ms = (unsigned)atoi(optarg);		break;
		case 'w':	opt_warm_ms = (unsigned)atoi(optarg);		break;
		default:	return usage();
		}
	}
	pattern_init();
	if (!strcmp(what, "serve")) {
		many_files();
		return optind + 1 == argc ? serve(argv[optind]) : usage();
	}
	if (optind + 2 != argc || opt_size > UNIT - 256 ||
	    opt_size < sizeof(struct dgram) || opt_warm_ms >= opt_ms)
		return usage();
	len = resolve(argv[optind], argv[optind + 1], &sa);
	session = (uint32_t)(now_ns() >> 10) | 1;
	if (!strcmp(what, "up"))
		return bulk(&sa, len, UP);
	if (!strcmp(what, "down"))
		return bulk(&sa, len, DOWN);
	if (!strcmp(what, "rr"))
		return transactions(&sa, len, ECHO);
	if (!strcmp(what, "crr"))
		return transactions(&sa, len, ONCE);
	if (!strcmp(what, "many"))
		return many(&sa, len);
	if (!strcmp(what, "udp-up"))
		return udp_up(dgram_socket(&sa, len), session);
	if (!strcmp(what, "spray"))
		return spray(&sa);
	if (!strcmp(what, "udp-down"))
		return udp_down(dgram_socket(&sa, len), session);
	return usage();
}
