// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: many TCP connections between two network namespaces, each driven at
 * both ends by a random plan, and what comes of it compared with what TCP
 * promises
 *
 * Flow: connection n has a plan, made from the seed and n alone: who connects,
 * IPv4 or IPv6, how much each end writes and reads, in which pieces, with which
 * pauses and buffers, and how it ends. Both ends are sockets of this process,
 * which so knows the truth about both. Data is a keyed stream of
 * pseudo-random bytes: each byte that is read is compared.
 *
 * The kinds of plans, and what must come of them:
 *	orderly		both ends write, shut down, read to the end, in any
 *			order, one perhaps only after the other's end: all
 *			bytes, then end of file, no error
 *	oneway		one end writes and closes: the same
 *	abort		one end (the actor) resets as soon as the other has read
 *			all that it has written: all bytes, then ECONNRESET
 *	race		...resets at any time: the beginning of what was
 *			written, then a reset
 *	halfrace	...has shut down before: all bytes and end of file, or
 *			the beginning and a reset
 *	unread		the actor closes without having read everything: the
 *			beginning of what was written, or all and end of file;
 *			a reset in any case
 * The first three leave nothing to chance: their records are the same whatever
 * is between the ends, and files of records can be compared.
 *
 * Two things are allowed that aren't nice, and counted: a connection of which
 * the reset got lost on a link with losses ("silent", if this end has shut down
 * and so has no more segment that could be answered); and one whose data and FIN
 * were acknowledged by what is in between, before the other end threw it away
 * ("unseen": by kind "unread", after end of file and shutdown).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK_MAX	= 256 * 1024,
	OPS_PER_TURN	= 16,
	MS		= 1000000,	/* in ns */
	QUIET_MS	= 1000,		/* lossy: nothing for so long, then … */
	POKE_MS		= 300,		/* … write a byte each */
	SILENT_MS	= 5000,		/* lossy: so long, a reset was lost */
	UNSEEN_MS	= 2000,
	FAILURES_SHOWN	= 20,
};

enum kind { ORDERLY, ONEWAY, ABORT, RACE, HALFRACE, UNREAD, KINDS };

static const struct {
	const char *name;
	bool exact;			/* nothing is left to chance */
	unsigned weight;
} kinds[KINDS] = {
	[ORDERLY]	= { "orderly",	true,	55 },
	[ONEWAY]	= { "oneway",	true,	10 },
	[ABORT]		= { "abort",	true,	12 },
	[RACE]		= { "race",	false,	10 },
	[HALFRACE]	= { "halfrace",	false,	4 },
	[UNREAD]	= { "unread",	false,	9 },
};

/* What one end is going to do */
struct side_plan {
	uint64_t total;			/* to be written */
	uint64_t limit;			/* to be read; UINT64_MAX: to the end */
	unsigned write_style, read_style;	/* of sizes, see one_size() */
	unsigned write_pauses, read_pauses;
	bool long_pause;		/* one of the reader's is 1.2 s */
	bool after_eof;			/* writes only then */
	bool shuts;			/* shutdown() when all is written */
	bool nodelay;
	int rcvbuf, sndbuf;		/* 0: the system's */
};

struct plan {
	enum kind kind;
	bool from_inside, v6;
	unsigned actor;			/* 0: the client, 1: the server */
	struct side_plan side[2];
};

struct end {
	int fd;				/* -1: not yet, or closed */
	uint64_t key_out, key_in, rng;
	uint64_t written, received, poked;
	uint64_t write_at, read_at;	/* not before */
	unsigned write_pauses, read_pauses;
	bool can_read, can_write;
	bool eof, shut, closed;
	bool unseen, silent;
	int error;			/* the first */
	const char *error_at;
};

struct conn {
	uint64_t id;			/* UINT64_MAX: not in use */
	struct plan plan;
	struct end end[2];		/* client, server */
	int listener;
	bool connected, failed, more;
	uint64_t began, moved;		/* last progress */
	uint64_t acted;			/* the actor is through; 0: not yet */
	unsigned slot;
};

static struct {
	int ns[2], in_ns;		/* inside, outside */
	struct in_addr to4[2];		/* address of servers there */
	struct in6_addr to6[2];
	bool has4, has6;
	uint64_t seed, first, count, next, max_bytes;
	unsigned parallel, port, deadline_s;
	bool lossy, verbose;
	FILE *record;
	int epfd;
	struct conn *conns;
	uint64_t done, failures, bytes[2], resets, silent, unseen, pokes;
	uint64_t of_kind[KINDS];
	uint64_t slowest, slowest_ns;	/* number, and what it took */
} m = { .seed = 1, .count = 1000, .parallel = 64, .port = 20000,
	.deadline_s = 20, .max_bytes = 4 << 20 };

static uint8_t buf[CHUNK_MAX];

static const char usage[] =
"Usage: tcpmodel --inside PATH --outside PATH --to-inside ADDR[,ADDR]\n"
"                --to-outside ADDR[,ADDR] [OPTION]...\n"
"Drive TCP connections between two network namespaces by random plans, and check\n"
"all that comes of them. The status is 0 if all was right.\n"
"\n"
"  --inside PATH, --outside PATH   the namespaces\n"
"  --to-inside, --to-outside       addresses by which servers in them are reached\n"
"                 from the other; IPv4, IPv6, or both\n"
"  --port N       first of two ports per connection at a time; servers inside have\n"
"                 the odd ones (20000)\n"
"  --count N      connections (1000)\n"
"  --first N      number of the first, to repeat one of many (0)\n"
"  --parallel N   at a time (64)\n"
"  --seed N       of the plans (1)\n"
"  --max-bytes N  in one direction (4194304)\n"
"  --deadline S   without progress: it hangs (20)\n"
"  --lossy        resets may get lost between the namespaces\n"
"  --record FILE  outcomes, in the order of numbers; connections that leave\n"
"                 nothing to chance can be compared with another run's\n"
"  --verbose      print plans and outcomes\n";

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "tcpmodel: ");
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* `now` may have been taken before `then` */
static uint64_t since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t draw(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15);
}

/* 0 to n - 1 */
static uint64_t below(uint64_t *state, uint64_t n)
{
	return n ? draw(state) % n : 0;
}

/* 1 to n, each power of two as likely */
static uint64_t log_below(uint64_t *state, uint64_t n)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(n | 1);
	uint64_t v = 1ULL << below(state, bits);

	v += below(state, v);
	return v < n ? v : n;
}

static void fill(uint8_t *p, size_t len, uint64_t key, uint64_t at)
{
	while (len) {
		uint64_t word = mix(key + at / 8 * 0x9e3779b97f4a7c15);
		size_t off = at % 8, n = 8 - off < len ? 8 - off : len;

		memcpy(p, (uint8_t *)&word + off, n);
		p += n;
		at += n;
		len -= n;
	}
}

/* The place of the first wrong byte, or len */
static size_t differs(const uint8_t *p, size_t len, uint64_t key, uint64_t at)
{
	static uint8_t want[CHUNK_MAX];
	size_t i = 0;

	fill(want, len, key, at);
	if (!memcmp(p, want, len))
		return len;
	while (p[i] == want[i])
		i++;
	return i;
}

static size_t one_size(uint64_t *rng, unsigned style)
{
	switch (style) {
	case 0:
		return 1 + below(rng, 16);
	case 1:
		return 1 + below(rng, 1460);
	case 2:
		return 1 + below(rng, 65536);
	case 3:
		return 1 + below(rng, CHUNK_MAX);
	default:
		return log_below(rng, CHUNK_MAX);
	}
}

static uint64_t plan_total(uint64_t *rng)
{
	uint64_t dice = below(rng, 100), max = m.max_bytes;

	if (dice < 10)
		return 0;
	if (dice < 30)
		return 1 + below(rng, 100);
	if (dice < 70)
		return log_below(rng, max < 65536 ? max : 65536);
	if (dice < 95)
		return log_below(rng, max / 4 + 1);
	return log_below(rng, max);
}

static void plan_side(struct side_plan *s, uint64_t *rng)
{
	s->total = plan_total(rng);
	s->limit = UINT64_MAX;
	s->write_style = (unsigned)below(rng, 6);
	s->read_style = (unsigned)below(rng, 6);
	if (s->write_style == 0 && s->total > 4096)
		s->write_style = 4;
	s->write_pauses = below(rng, 3) ? 0 : (unsigned)below(rng, 10);
	s->read_pauses = below(rng, 3) ? 0 : (unsigned)below(rng, 10);
	s->long_pause = !below(rng, 25);
	s->shuts = below(rng, 2);
	s->nodelay = below(rng, 2);
	s->rcvbuf = below(rng, 5) ? 0 : (int)(1024 << below(rng, 7));
	s->sndbuf = below(rng, 5) ? 0 : (int)(2048 << below(rng, 6));
}

/* All of a connection is decided here */
static void plan_make(struct plan *p, uint64_t id)
{
	uint64_t rng = mix(m.seed * 0x2545f4914f6cdd1d + id);
	unsigned dice = (unsigned)below(&rng, 100), k = 0;
	struct side_plan *a, *b;

	memset(p, 0, sizeof(*p));
	while (dice >= kinds[k].weight)
		dice -= kinds[k++].weight;
	p->kind = (enum kind)k;
	p->from_inside = below(&rng, 2);
	p->v6 = m.has6 && (below(&rng, 2) || !m.has4);
	p->actor = (unsigned)below(&rng, 2);
	plan_side(&p->side[0], &rng);
	plan_side(&p->side[1], &rng);
	a = &p->side[p->actor];
	b = &p->side[!p->actor];
	switch (p->kind) {
	case ORDERLY:
		a->shuts = b->shuts = true;
		b->after_eof = !below(&rng, 4);
		break;
	case ONEWAY:
		a->limit = b->total = 0;
		break;
	case ABORT:
	case RACE:
		a->limit = below(&rng, b->total + 1);
		a->shuts = false;
		break;
	case HALFRACE:
		a->limit = below(&rng, b->total + 1);
		a->shuts = b->shuts = true;
		break;
	case UNREAD:
		b->total += 1;
		a->limit = below(&rng, b->total);
		a->shuts = false;
		break;
	case KINDS:
		break;
	}
}

static const char *error_name(int error)
{
	static char other[32];

	switch (error) {
	case ECONNRESET:	return "ECONNRESET";
	case ECONNREFUSED:	return "ECONNREFUSED";
	case EPIPE:		return "EPIPE";
	case ETIMEDOUT:		return "ETIMEDOUT";
	}
	snprintf(other, sizeof(other), "error_%d", error);
	return other;
}

static void print_side(const char *who, const struct side_plan *s)
{
	printf("#   %s writes %" PRIu64 " (sizes %u, pauses %u)%s%s, reads ",
	       who, s->total, s->write_style, s->write_pauses,
	       s->after_eof ? " after the other's end" : "",
	       s->shuts ? ", shuts down" : "");
	if (s->limit == UINT64_MAX)
		printf("to the end");
	else
		printf("%" PRIu64, s->limit);
	printf(" (sizes %u, pauses %u%s)%s; buffers %d %d\n", s->read_style,
	       s->read_pauses, s->long_pause ? ", a long one" : "",
	       s->nodelay ? ", nodelay" : "", s->rcvbuf, s->sndbuf);
}

static void print_end(const char *who, const struct end *e)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	printf("#   %s: wrote %" PRIu64 ", read %" PRIu64 "%s%s%s%s%s%s", who,
	       e->written, e->received, e->eof ? ", end of file" : "",
	       e->shut ? ", shut down" : "", e->closed ? ", closed" : "",
	       e->error ? ", " : "", e->error ? error_name(e->error) : "",
	       e->error ? e->error_at : "");
	if (e->fd >= 0 &&
	    !getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &ti, &len))
		printf("; state %u, retransmits %u, backoff %u, unacked %u, rtt %u, rto %u, rwnd %u, not sent %u",
		       ti.tcpi_state, ti.tcpi_retransmits, ti.tcpi_backoff,
		       ti.tcpi_unacked, ti.tcpi_rtt, ti.tcpi_rto,
		       ti.tcpi_snd_wnd, ti.tcpi_notsent_bytes);
	printf("\n");
}

static void print_conn(const struct conn *c)
{
	const struct plan *p = &c->plan;
	struct sockaddr_in6 sa = { 0 };
	socklen_t len = sizeof(sa);

	printf("# %" PRIu64 ": %s, client %s, IPv%d, %s acts, server's port %u",
	       c->id, kinds[p->kind].name, p->from_inside ? "inside" : "outside",
	       p->v6 ? 6 : 4, p->actor ? "server" : "client",
	       m.port + 2 * c->slot + !p->from_inside);
	if (c->end[0].fd >= 0 &&
	    !getsockname(c->end[0].fd, (struct sockaddr *)&sa, &len))
		printf(", client's %u", ntohs(sa.sin6_port));
	printf(", %.3f s\n", (double)(now_ns() - c->began) / 1e9);
	print_side("client", &p->side[0]);
	print_side("server", &p->side[1]);
	print_end("client", &c->end[0]);
	print_end("server", &c->end[1]);
}

__attribute__((format(printf, 2, 3)))
static void wrong(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	if (c->failed)
		return;
	c->failed = true;
	if (m.failures++ >= FAILURES_SHOWN)
		return;
	printf("# WRONG %" PRIu64 ": ", c->id);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	print_conn(c);
	fflush(stdout);
}

static void enter_ns(int which)
{
	if (m.in_ns == which)
		return;
	if (setns(m.ns[which], CLONE_NEWNET))
		die("namespace: %s", strerror(errno));
	m.in_ns = which;
}

static void set_int(int fd, int level, int opt, int value)
{
	if (setsockopt(fd, level, opt, &value, sizeof(value)))
		die("setsockopt %d %d: %s", level, opt, strerror(errno));
}

static int new_socket(const struct side_plan *s, bool v6)
{
	int fd = socket(v6 ? AF_INET6 : AF_INET,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (s->rcvbuf)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, s->rcvbuf);
	if (s->sndbuf)
		set_int(fd, SOL_SOCKET, SO_SNDBUF, s->sndbuf);
	if (s->nodelay)
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static socklen_t make_address(struct sockaddr_storage *ss, bool v6,
			      const struct in_addr *a4,
			      const struct in6_addr *a6, unsigned port)
{
	struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)ss;
	struct sockaddr_in *s4 = (struct sockaddr_in *)ss;

	memset(ss, 0, sizeof(*ss));
	if (v6) {
		s6->sin6_family = AF_INET6;
		s6->sin6_port = htons((uint16_t)port);
		s6->sin6_addr = *a6;
		return sizeof(*s6);
	}
	s4->sin_family = AF_INET;
	s4->sin_port = htons((uint16_t)port);
	s4->sin_addr = *a4;
	return sizeof(*s4);
}

static void watch(int fd, const struct conn *c, unsigned what, uint32_t events)
{
	struct epoll_event ev = {
		.events = events | EPOLLET, .data.u64 = c->slot * 4 + what,
	};

	if (epoll_ctl(m.epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll: %s", strerror(errno));
}

static void end_init(struct end *e, uint64_t id, unsigned which)
{
	memset(e, 0, sizeof(*e));
	e->fd = -1;
	e->key_out = mix(m.seed ^ mix(id * 2 + which + 1));
	e->key_in = mix(m.seed ^ mix(id * 2 + !which + 1));
	e->rng = mix(e->key_out + 1);
}

static void conn_begin(struct conn *c, uint64_t id)
{
	const struct in_addr any4 = { .s_addr = INADDR_ANY };
	const struct in6_addr any6 = IN6ADDR_ANY_INIT;
	const struct plan *p = &c->plan;
	struct sockaddr_storage ss;
	int server_ns, client_ns;
	unsigned port;
	socklen_t len;

	plan_make(&c->plan, id);
	c->id = id;
	c->connected = c->failed = c->more = false;
	c->began = c->moved = now_ns();
	c->acted = 0;
	end_init(&c->end[0], id, 0);
	end_init(&c->end[1], id, 1);
	client_ns = p->from_inside ? 0 : 1;
	server_ns = !client_ns;
	port = m.port + 2 * c->slot + (server_ns == 0);

	enter_ns(server_ns);
	c->listener = new_socket(&p->side[1], p->v6);
	set_int(c->listener, SOL_SOCKET, SO_REUSEADDR, 1);
	len = make_address(&ss, p->v6, &any4, &any6, port);
	if (bind(c->listener, (struct sockaddr *)&ss, len) ||
	    listen(c->listener, 1))
		die("port %u: %s", port, strerror(errno));
	watch(c->listener, c, 2, EPOLLIN);

	enter_ns(client_ns);
	c->end[0].fd = new_socket(&p->side[0], p->v6);
	len = make_address(&ss, p->v6, &m.to4[server_ns], &m.to6[server_ns],
			   port);
	watch(c->end[0].fd, c, 0, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	if (connect(c->end[0].fd, (struct sockaddr *)&ss, len) &&
	    errno != EINPROGRESS)
		wrong(c, "connect: %s", strerror(errno));
}

static void end_error(struct end *e, int error, const char *at)
{
	if (e->error)
		return;
	e->error = error;
	e->error_at = at;
}

/* What the kernel hasn't told yet. After the end of file, reading never does. */
static void end_ask_error(struct end *e)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (e->fd >= 0 &&
	    !getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len) && error)
		end_error(e, error, " by poll");
}

static void end_close(struct conn *c, unsigned which)
{
	struct end *e = &c->end[which];

	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	e->closed = true;
	c->moved = now_ns();
}

/* Take a rest before the next read or write? Until when. */
static uint64_t rest(struct end *e, unsigned *taken, unsigned planned,
		     bool long_one, uint64_t now)
{
	if (long_one && *taken < 100 && e->received > 20000) {
		*taken += 100;
		return now + 1200 * (uint64_t)MS;
	}
	if (*taken % 100 >= planned || below(&e->rng, 3))
		return now;
	++*taken;
	return now + below(&e->rng, 20 * MS);
}

static void end_write(struct conn *c, unsigned which, uint64_t now)
{
	const struct side_plan *s = &c->plan.side[which];
	struct end *e = &c->end[which];

	if (s->after_eof && !e->eof)
		return;
	for (unsigned ops = 0; e->can_write && e->written < s->total; ops++) {
		size_t want = one_size(&e->rng, s->write_style);
		ssize_t n;

		if (ops == OPS_PER_TURN) {
			c->more = true;
			return;
		}
		if (e->write_at > now || e->error)
			return;
		if (want > s->total - e->written)
			want = (size_t)(s->total - e->written);
		fill(buf, want, e->key_out, e->written);
		n = send(e->fd, buf, want, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			e->can_write = false;
		} else if (n < 0) {
			end_error(e, errno, " by write");
			return;
		} else {
			e->written += (uint64_t)n;
			c->moved = now;
			e->write_at = rest(e, &e->write_pauses,
					   s->write_pauses, false, now);
		}
	}
	if (e->written == s->total && s->shuts && !e->shut && !e->error) {
		if (shutdown(e->fd, SHUT_WR)) {
			int error = errno;

			end_ask_error(e);	/* says why not connected */
			end_error(e, error, " by shutdown");
		}
		e->shut = true;
		c->moved = now;
	}
}

static void end_read(struct conn *c, unsigned which, uint64_t now)
{
	const struct side_plan *s = &c->plan.side[which];
	struct end *e = &c->end[which];

	for (unsigned ops = 0; e->can_read && !e->eof &&
	     e->received < s->limit; ops++) {
		size_t want = one_size(&e->rng, s->read_style), at;
		ssize_t n;

		if (ops == OPS_PER_TURN) {
			c->more = true;
			return;
		}
		if (e->read_at > now || e->error)
			return;
		/* Tiny reads of much would only take long */
		if (e->received > 8192 && want < 512)
			want *= 64;
		if (want > s->limit - e->received)
			want = (size_t)(s->limit - e->received);
		n = recv(e->fd, buf, want, 0);
		if (n < 0 && errno == EAGAIN) {
			e->can_read = false;
		} else if (n < 0) {
			end_error(e, errno, " by read");
		} else if (!n) {
			e->eof = true;
			c->moved = now;
			end_ask_error(e);
		} else {
			at = differs(buf, (size_t)n, e->key_in, e->received);
			if (at != (size_t)n)
				wrong(c, "%s got a wrong byte at %" PRIu64,
				      which ? "server" : "client",
				      e->received + at);
			e->received += (uint64_t)n;
			m.bytes[c->plan.from_inside == !which] += (uint64_t)n;
			c->moved = now;
			e->read_at = rest(e, &e->read_pauses, s->read_pauses,
					  s->long_pause, now);
		}
	}
}

/* The actor does what its plan ends with, when the time has come */
static void actor_end(struct conn *c, uint64_t now)
{
	const struct plan *p = &c->plan;
	const struct side_plan *s = &p->side[p->actor];
	struct linger l = { .l_onoff = 1, .l_linger = 0 };
	struct end *e = &c->end[p->actor], *peer = &c->end[!p->actor];

	if (p->kind == ORDERLY || e->closed ||
	    e->written != s->total || (e->received < s->limit && !e->eof) ||
	    (s->shuts && !e->shut))
		return;
	if (p->kind == ABORT && peer->received != e->written)
		return;
	if (e->error)
		return;
	if (p->kind == ABORT || p->kind == RACE || p->kind == HALFRACE)
		setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	end_close(c, p->actor);
	c->acted = now;
}

/* Wait for a reset that has to come. On a link with losses it may need help:
 * a byte that the other stack refuses.
 */
static void end_await_reset(struct conn *c, unsigned which, uint64_t now)
{
	struct end *e = &c->end[which];
	uint64_t waited = since(c->acted > c->moved ? c->acted : c->moved,
				now);

	if (e->error || !c->acted)
		return;
	if (c->plan.kind == UNREAD && e->eof && e->shut &&
	    waited > UNSEEN_MS * (uint64_t)MS) {
		e->unseen = true;
	} else if (m.lossy && e->shut && waited > SILENT_MS * (uint64_t)MS) {
		e->silent = true;
	} else if (m.lossy && !e->shut && waited >
		   (QUIET_MS + e->poked * POKE_MS) * (uint64_t)MS) {
		e->poked++;
		m.pokes++;
		if (send(e->fd, "", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			end_error(e, errno, " by poking");
	}
}

static bool needs_reset(enum kind k)
{
	return k == ABORT || k == RACE || k == UNREAD;
}

/* Close an end that is through with its plan */
static void end_finish(struct conn *c, unsigned which, uint64_t now)
{
	const struct plan *p = &c->plan;
	bool actor = which == p->actor && p->kind != ORDERLY;
	struct linger l = { .l_onoff = 1, .l_linger = 0 };
	struct end *e = &c->end[which];

	if (e->closed || actor)
		return;
	if (p->kind != ORDERLY && p->kind != ONEWAY)
		end_await_reset(c, which, now);
	if (!e->error && !e->silent && !e->unseen &&
	    (needs_reset(p->kind) || !e->eof ||
	     e->written < p->side[which].total))
		return;
	/* What is between the ends would keep a lost connection for long */
	if (e->silent)
		setsockopt(e->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	end_close(c, which);
}

static const char *outcome(const struct end *e)
{
	return e->error ? error_name(e->error) :
	       e->silent ? "silent" : e->unseen ? "unseen" :
	       e->eof ? "EOF" : "-";
}

static bool is_reset(int error)
{
	return error == ECONNRESET || error == EPIPE;
}

/* What the end that isn't the actor has got, of all kinds but "orderly" */
static void judge_peer(struct conn *c)
{
	const struct plan *p = &c->plan;
	struct end *e = &c->end[!p->actor];
	uint64_t sent = c->end[p->actor].written;

	if (e->received > sent)
		wrong(c, "more read than written");
	if (e->eof && e->received != sent)
		wrong(c, "end of file after %" PRIu64 " of %" PRIu64,
		      e->received, sent);
	if (e->error && !is_reset(e->error))
		wrong(c, "unexpected %s%s", error_name(e->error),
		      e->error_at);
	switch (p->kind) {
	case ONEWAY:
		if (e->error || !e->eof)
			wrong(c, "%s instead of end of file", outcome(e));
		break;
	case ABORT:
		if (e->received != sent)
			wrong(c, "read %" PRIu64 " of %" PRIu64 " before it",
			      e->received, sent);
		if (e->eof || (e->error != ECONNRESET && !e->silent))
			wrong(c, "%s instead of a reset",
			      e->eof ? "end of file" : outcome(e));
		break;
	case RACE:
		if (e->eof)
			wrong(c, "end of file instead of a reset");
		break;
	case ORDERLY:
	case HALFRACE:
	case UNREAD:
	case KINDS:
		break;
	}
}

static void judge_orderly(struct conn *c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &c->end[i], *peer = &c->end[!i];

		if (e->error)
			wrong(c, "%s of the %s%s", error_name(e->error),
			      i ? "server" : "client", e->error_at);
		else if (e->received != peer->written)
			wrong(c, "%s read %" PRIu64 " of %" PRIu64,
			      i ? "server" : "client", e->received,
			      peer->written);
	}
}

static void conn_record(const struct conn *c)
{
	const struct plan *p = &c->plan;

	if (!m.record)
		return;
	fprintf(m.record, "%010" PRIu64 " %s", c->id, kinds[p->kind].name);
	for (unsigned i = 0; i < 2 && kinds[p->kind].exact; i++)
		fprintf(m.record, " %" PRIu64 " %s", c->end[i].received,
			c->end[i].silent ? "ECONNRESET" : outcome(&c->end[i]));
	fprintf(m.record, c->failed ? " wrong\n" : "\n");
}

static void conn_end(struct conn *c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &c->end[i];

		if (e->fd >= 0)
			close(e->fd);
		m.resets += is_reset(e->error);
		m.silent += e->silent;
		m.unseen += e->unseen;
	}
	if (c->listener >= 0)
		close(c->listener);
	if (now_ns() - c->began > m.slowest_ns) {
		m.slowest_ns = now_ns() - c->began;
		m.slowest = c->id;
	}
	if (m.verbose)
		print_conn(c);
	conn_record(c);
	m.of_kind[c->plan.kind]++;
	m.done++;
	c->id = UINT64_MAX;
}

/* Do whatever is possible now */
static void conn_step(struct conn *c, uint64_t now)
{
	c->more = false;
	for (unsigned i = 0; i < 2; i++) {
		struct end *e = &c->end[i];

		if (e->fd < 0 || (i == 0 && !c->connected) || c->failed)
			continue;
		end_read(c, i, now);
		end_write(c, i, now);
	}
	/* Nobody closes before both are there */
	if (c->connected && !c->failed &&
	    (c->end[1].fd >= 0 || c->end[1].closed)) {
		actor_end(c, now);
		end_finish(c, 0, now);
		end_finish(c, 1, now);
	}
	if (c->end[c->plan.actor].error && c->plan.kind != ORDERLY &&
	    !c->acted)
		wrong(c, "the end that should act got %s",
		      outcome(&c->end[c->plan.actor]));
	if (!c->failed && c->end[0].closed && c->end[1].closed) {
		if (c->plan.kind == ORDERLY)
			judge_orderly(c);
		else
			judge_peer(c);
		conn_end(c);
		return;
	}
	if (!c->failed && since(c->moved, now) > m.deadline_s * 1000ULL * MS)
		wrong(c, "nothing moves any more");
	if (c->failed)
		conn_end(c);
}

static void conn_accept(struct conn *c)
{
	struct end *e = &c->end[1];

	e->fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (e->fd < 0)
		return;
	close(c->listener);
	c->listener = -1;
	if (c->plan.side[1].nodelay)
		set_int(e->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	e->can_read = e->can_write = true;
	c->moved = now_ns();
	watch(e->fd, c, 1, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

static void conn_event(struct conn *c, unsigned what, uint32_t events)
{
	struct end *e = &c->end[what & 1];
	socklen_t len = sizeof(int);
	int error = 0;

	if (what == 2) {
		if (c->listener >= 0)
			conn_accept(c);
		return;
	}
	if (e->fd < 0)
		return;
	if (what == 0 && !c->connected) {
		getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error)
			wrong(c, "connect: %s", error_name(error));
		else if (events & EPOLLOUT && !(events & EPOLLHUP))
			c->connected = true;
		c->moved = now_ns();
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		e->can_read = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		e->can_write = true;
	/* Who doesn't read or write any more must learn it, too. What was
	 * received before comes first where a plan reads on.
	 */
	if (events & EPOLLERR && (c->plan.side[what].limit <= e->received ||
				  e->eof))
		end_ask_error(e);
}

static void run(void)
{
	uint64_t last = m.first + m.count;

	m.next = m.first;
	while (m.done < m.count) {
		struct epoll_event ev[256];
		bool more = false;
		uint64_t now;
		int n;

		for (unsigned i = 0; i < m.parallel; i++) {
			struct conn *c = &m.conns[i];

			if (c->id == UINT64_MAX && m.next < last)
				conn_begin(c, m.next++);
		}
		now = now_ns();
		for (unsigned i = 0; i < m.parallel; i++) {
			struct conn *c = &m.conns[i];

			if (c->id == UINT64_MAX)
				continue;
			conn_step(c, now);
			more |= c->id == UINT64_MAX || c->more;
		}
		n = epoll_wait(m.epfd, ev, 256, more ? 0 : 2);
		for (int i = 0; i < n; i++) {
			struct conn *c = &m.conns[ev[i].data.u64 / 4];

			if (c->id != UINT64_MAX)
				conn_event(c, ev[i].data.u64 % 4, ev[i].events);
		}
	}
}

static void one_address(const char *text, int which)
{
	if (inet_pton(AF_INET, text, &m.to4[which]) == 1)
		m.has4 = true;
	else if (inet_pton(AF_INET6, text, &m.to6[which]) == 1)
		m.has6 = true;
	else
		die("not an address: %s", text);
}

static void addresses(char *text, int which)
{
	for (char *p = strtok(text, ","); p; p = strtok(NULL, ","))
		one_address(p, which);
}

static int open_ns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

static uint64_t number(const char *arg)
{
	char *end;
	uint64_t v = strtoull(arg, &end, 10);

	if (end == arg || *end)
		die("not a number: %s", arg);
	return v;
}

static const struct option options[] = {
	{ "inside",	required_argument,	NULL, 'i' },
	{ "outside",	required_argument,	NULL, 'o' },
	{ "to-inside",	required_argument,	NULL, 'I' },
	{ "to-outside",	required_argument,	NULL, 'O' },
	{ "port",	required_argument,	NULL, 'p' },
	{ "count",	required_argument,	NULL, 'c' },
	{ "first",	required_argument,	NULL, 'f' },
	{ "parallel",	required_argument,	NULL, 'j' },
	{ "seed",	required_argument,	NULL, 's' },
	{ "max-bytes",	required_argument,	NULL, 'b' },
	{ "deadline",	required_argument,	NULL, 'd' },
	{ "record",	required_argument,	NULL, 'r' },
	{ "lossy",	no_argument,		NULL, 'l' },
	{ "verbose",	no_argument,		NULL, 'v' },
	{ "help",	no_argument,		NULL, 'h' },
	{ 0 },
};

static void one_option(int opt, char *arg)
{
	switch (opt) {
	case 'i':
		m.ns[0] = open_ns(arg);
		break;
	case 'o':
		m.ns[1] = open_ns(arg);
		break;
	case 'I':
		addresses(arg, 0);
		break;
	case 'O':
		addresses(arg, 1);
		break;
	case 'p':
		m.port = (unsigned)number(arg);
		break;
	case 'c':
		m.count = number(arg);
		break;
	case 'f':
		m.first = number(arg);
		break;
	case 'j':
		m.parallel = (unsigned)number(arg);
		break;
	case 's':
		m.seed = number(arg);
		break;
	case 'b':
		m.max_bytes = number(arg);
		break;
	case 'd':
		m.deadline_s = (unsigned)number(arg);
		break;
	case 'r':
		m.record = fopen(arg, "we");
		if (!m.record)
			die("%s: %s", arg, strerror(errno));
		break;
	case 'l':
		m.lossy = true;
		break;
	case 'v':
		m.verbose = true;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		exit(2);
	}
}

static void summary(uint64_t began)
{
	printf("# %" PRIu64 " connections in %.1f s: %" PRIu64
	       " bytes from inside, %" PRIu64 " to it; %" PRIu64
	       " resets, %" PRIu64 " silent, %" PRIu64 " unseen, %" PRIu64
	       " pokes; slowest %" PRIu64 ": %.1f s; %" PRIu64 " wrong\n#",
	       m.done,
	       (double)(now_ns() - began) / 1e9, m.bytes[0], m.bytes[1],
	       m.resets, m.silent, m.unseen, m.pokes, m.slowest,
	       (double)m.slowest_ns / 1e9, m.failures);
	for (unsigned k = 0; k < KINDS; k++)
		printf(" %s %" PRIu64, kinds[k].name, m.of_kind[k]);
	printf("\n");
}

int main(int argc, char *argv[])
{
	uint64_t began = now_ns();
	struct rlimit rl;
	int opt;

	m.ns[0] = m.ns[1] = m.in_ns = -1;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1)
		one_option(opt, optarg);
	if (m.ns[0] < 0 || m.ns[1] < 0 || !(m.has4 || m.has6) ||
	    optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	m.epfd = epoll_create1(EPOLL_CLOEXEC);
	m.conns = calloc(m.parallel, sizeof(m.conns[0]));
	if (m.epfd < 0 || !m.conns)
		die("%s", strerror(errno));
	for (unsigned i = 0; i < m.parallel; i++) {
		m.conns[i].id = UINT64_MAX;
		m.conns[i].slot = i;
	}
	run();
	if (m.record && fclose(m.record))
		die("records: %s", strerror(errno));
	summary(began);
	return m.failures ? 1 : 0;
}
