// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the guest's resolver, see dns_proxy.h
 *
 * Data: queries by UDP, each with a socket of its own: connected to one resolver,
 * with a port of the kernel's choice and an id of ours, so that nobody else can
 * answer. Connections by TCP, each with one query at a time, and one connection to
 * a resolver while that is under way. Both tables are static and bounded; a full
 * one gives up what is oldest.
 *
 * Flow: query → dnsmsg_read() → policy_query_ok() → resolver; its answer, if it is
 * one to this question → policy_learn() → guest. A resolver that says nothing for
 * two seconds, or isn't there, is followed by the next one.
 *
 * Whoever else is on this host can send to our ports, too, and could push the guest's
 * queries out of the tables. So only flows of the guest's are listened to: the ports
 * of their sockets are known (dns_proxy_note()), and are nobody else's as long as
 * those are open.
 *
 * Faults: what stops accept4() may be over in a moment: the listener is
 * edge-triggered, and watched anew then (retry.h).
 */
#include "host/dns_proxy.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/counters.h"
#include "engine/flow.h"
#include "engine/loop.h"
#include "engine/retry.h"
#include "engine/timer.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "fwd/policy.h"
#include "fwd/policy_used.h"
#include "host/net.h"
#include "host/sock.h"
#include "util.h"
#include "util/dnsmsg.h"
#include "util/log.h"
#include "util/siphash.h"
#include "util/wire.h"

enum {
	QUERIES		= 256,
	CONNS		= 64,
	QUERY_MAX	= 1232,		/* bytes by UDP: what is never cut up */
	CONN_QUERY_MAX	= 4096,
	PREFIX		= 2,		/* length in front of it by TCP */
	QUERY_TURN	= 64,		/* per turn of the loop */
	RESOLVERS	= FAMILIES * (CONF_DNS_MAX + 1),
	TRY_S		= 2,
	TRIES		= 4,
	IDLE_S		= 30,		/* a connection without a query */
	BACKLOG		= 64,
};

/* Index of the sockets that take queries; others are those of the tables */
enum { EV_SERVER = UINT16_MAX };

struct dns_query {
	int fd;				/* -1: free */
	uint16_t gen;
	uint16_t id;			/* ours */
	uint16_t len;
	uint8_t tries;
	mono_t begun;
	struct sockaddr_in client;
	struct dnsmsg q;		/* with the client's id */
	struct timer timer;
	uint8_t msg[QUERY_MAX];
};

enum conn_state { CONN_FREE, CONN_READ, CONN_ASK, CONN_WAIT, CONN_WRITE };

struct dns_conn {
	int fd, up;			/* guest's side, resolver's; or -1 */
	uint16_t gen;
	uint8_t state;
	uint8_t tries;
	mono_t begun;
	struct dnsmsg q;
	struct timer timer;
	size_t in_len, out_len, at;	/* at: of what is sent now */
	uint8_t in[PREFIX + CONN_QUERY_MAX];
	uint8_t out[PREFIX + DNSMSG_MAX];
};

struct dns_proxy_counters dns_proxy_counters;

static struct {
	int udp_fd, tcp_fd;
	struct siphash_key key;		/* for ids */
	uint64_t ids;
	unsigned faults;		/* of accept4(), in succession */
	struct retry retry;
	uint64_t retry_marks[RETRY_LEVELS * RETRY_WORDS(1)];
} dns = { .udp_fd = -1, .tcp_fd = -1 };

/* Apart, since what isn't zero at the start takes room in the binary */
static struct {
	struct dns_query query[QUERIES];
	struct dns_conn conn[CONNS];
	uint8_t buf[DNSMSG_MAX];
} dns_mem;

/* ---- What both ways have in common ---- */

static void add_resolver(struct addr ret[RESOLVERS], unsigned *n,
			 const struct addr *a)
{
	if (!addr_is_none(a) && !addr_in(ret, *n, a) && *n < RESOLVERS)
		ret[(*n)++] = *a;
}

/* The host's resolvers: what stands behind --dns-forward, then others */
static unsigned resolvers(struct addr ret[RESOLVERS])
{
	const struct net *net = net_get();
	unsigned n = 0;

	for (enum family f = V4; f < FAMILIES; f++)
		add_resolver(ret, &n, &net->fam[f].dns_host);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_family *fam = &net->fam[f];

		for (unsigned i = 0; i < fam->dns_count; i++)
			if (!addr_eq(&fam->dns[i], &fam->dns_forward))
				add_resolver(ret, &n, &fam->dns[i]);
	}
	return n;
}

/* A socket on its way to the resolver whose turn it is; or -errno */
static int resolver_connect(int type, unsigned tries, struct loop_ref ref,
			    uint32_t events)
{
	struct addr list[RESOLVERS];
	unsigned n = resolvers(list);
	const struct addr *to;
	int fd, rc;

	if (!n)
		return -ENOENT;
	to = &list[tries % n];
	fd = sock_outbound(type, type == SOCK_DGRAM ? IPPROTO_UDP : IPPROTO_TCP,
			   to, addr_is_loopback(to) ? &(struct addr){ { 0 } } :
			   &net_get()->fam[addr_family(to)].outbound, 0);
	if (fd < 0)
		return fd;
	rc = sock_connect(fd, to, PORT_DNS);
	if (!rc || rc == -EINPROGRESS)
		rc = loop_add(fd, events, ref);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* May it be asked? 0, or the code to refuse it with */
static uint8_t judge(const void *msg, size_t len, struct dnsmsg *q, bool *ret_ok)
{
	uint32_t rule;

	dns_proxy_counters.queries++;
	*ret_ok = dnsmsg_read(msg, len, q);
	if (!*ret_ok || !dnsmsg_is_plain_query(msg, len, q))
		return *ret_ok && q->opcode ? DNS_REFUSED : DNS_FORMERR;
	if (policy_query_ok(q->name, &rule))
		return 0;
	dns_proxy_counters.refused++;
	audit_query(q->name, q->type, rule);
	info_limited("DNS: query for %s (type %u) refused by %s", q->name,
		     q->type,
		     policy_rule_print(rule, (char[POLICY_STRLEN]){ 0 }));
	return DNS_REFUSED;
}

/* Does one of the guest's sockets ask? Nobody else counts. */
static bool is_of_guest(uint8_t proto, const struct sockaddr_in *from)
{
	if (from->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
	    egress_is_asking(proto, ntohs(from->sin_port)))
		return true;
	dns_proxy_counters.strangers++;
	return false;
}

void dns_proxy_note(struct flow *f, int fd)
{
	struct flow_side *host = &f->side[HOST];

	if (f->ini != GUEST || f->hashed & 1 << HOST || !egress_asks(f))
		return;
	host->our = sock_local(fd, &host->our_port);
	flow_hash(f, HOST);
}

/* Is it the answer to that question? Learn what it says. */
static bool take_answer(const void *msg, size_t len, const struct dnsmsg *q,
			uint16_t id)
{
	struct dnsmsg_addr addrs[DNSMSG_ADDRS];
	struct dnsmsg a;
	unsigned n;

	if (!dnsmsg_read(msg, len, &a) || !a.is_answer || a.id != id ||
	    a.type != q->type || a.class != q->class ||
	    strcmp(a.name, q->name))
		return false;
	dns_proxy_counters.answers++;
	n = a.rcode ? 0 : dnsmsg_addrs(msg, len, &a, addrs);
	if (policy_is_learning() && !a.rcode && dnsmsg_has_answers(msg, len))
		policy_used_query(q->name);
	for (unsigned i = 0; i < n; i++)
		policy_learn(q->name, &addrs[i].addr, addrs[i].ttl, loop_now());
	return true;
}

/* ---- UDP ---- */

static struct loop_ref query_ref(const struct dns_query *d)
{
	return (struct loop_ref){ .kind = LOOP_DNS, .gen = d->gen,
				  .index = (uint32_t)(d - dns_mem.query) };
}

static void query_end(struct dns_query *d)
{
	timer_cancel(&d->timer);
	close_fd(&d->fd);
	d->len = 0;
}

static void answer_client(const struct sockaddr_in *to, const void *msg,
			  size_t len)
{
	if (len)
		(void)!sendto(dns.udp_fd, msg, len, MSG_DONTWAIT,
			      (const struct sockaddr *)to, sizeof(*to));
}

static void query_fail(struct dns_query *d)
{
	uint8_t reply[DNSMSG_REPLY_MAX];

	dns_proxy_counters.failed++;
	answer_client(&d->client, reply,
		      dnsmsg_reply(d->msg, d->len, &d->q, DNS_SERVFAIL, reply));
	query_end(d);
}

/* To the next resolver, or the first one; SERVFAIL if there are no more */
static void query_try(struct dns_query *d)
{
	uint8_t own[2];

	close_fd(&d->fd);
	while (d->tries < TRIES) {
		d->gen++;
		d->fd = resolver_connect(SOCK_DGRAM, d->tries++, query_ref(d),
					 EPOLLIN);
		if (d->fd < 0)
			continue;
		d->id = (uint16_t)siphash(&dns.key, &dns.ids, sizeof(dns.ids));
		dns.ids++;
		own[0] = (uint8_t)(d->id >> 8);
		own[1] = (uint8_t)d->id;

		struct iovec iov[2] = { { own, sizeof(own) },
					{ d->msg + 2, d->len - 2U } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

		if (sendmsg(d->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			timer_set(&d->timer, TIMER_DNS,
				  mono_add(loop_now(), DUR_S(TRY_S)));
			return;
		}
		close_fd(&d->fd);
	}
	query_fail(d);
}

/* A free entry, or the oldest one; the same client's with the same id first: it
 * has lost its patience
 */
static struct dns_query *query_slot(const struct sockaddr_in *client,
				    uint16_t id)
{
	struct dns_query *best = &dns_mem.query[0];

	for (struct dns_query *d = dns_mem.query; d < dns_mem.query + QUERIES; d++) {
		if (d->fd >= 0 && d->q.id == id &&
		    d->client.sin_port == client->sin_port &&
		    d->client.sin_addr.s_addr == client->sin_addr.s_addr)
			return d;
		if (best->fd >= 0 &&
		    (d->fd < 0 || mono_before(d->begun, best->begun)))
			best = d;
	}
	return best;
}

static void query_new(const struct sockaddr_in *client, size_t len)
{
	uint8_t reply[DNSMSG_REPLY_MAX];
	struct dns_query *d;
	struct dnsmsg q;
	uint8_t no;
	bool ok;

	no = judge(dns_mem.buf, len, &q, &ok);
	if (!no && len > QUERY_MAX)
		no = DNS_FORMERR;
	if (no) {
		answer_client(client, reply,
			      dnsmsg_reply(dns_mem.buf, len, ok ? &q : NULL, no,
					   reply));
		return;
	}
	d = query_slot(client, q.id);
	query_end(d);
	d->client = *client;
	d->q = q;
	d->len = (uint16_t)len;
	d->tries = 0;
	d->begun = loop_now();
	memcpy(d->msg, dns_mem.buf, len);
	query_try(d);
}

static void server_event(void)
{
	for (int i = 0; i < QUERY_TURN; i++) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(dns.udp_fd, dns_mem.buf, sizeof(dns_mem.buf),
				     MSG_DONTWAIT, (struct sockaddr *)&from,
				     &len);

		if (n < 0)
			return;
		if (is_of_guest(PROTO_UDP, &from))
			query_new(&from, (size_t)n);
	}
}

static void query_event(struct dns_query *d, uint32_t events)
{
	ssize_t n = recv(d->fd, dns_mem.buf, sizeof(dns_mem.buf), MSG_DONTWAIT);

	if (n < 0 && (errno != EAGAIN || events & EPOLLERR)) {
		query_try(d);
		return;
	}
	if (n < DNSMSG_HDR ||
	    !take_answer(dns_mem.buf, (size_t)n, &d->q, d->id))
		return;
	dns_mem.buf[0] = (uint8_t)(d->q.id >> 8);
	dns_mem.buf[1] = (uint8_t)d->q.id;
	answer_client(&d->client, dns_mem.buf, (size_t)n);
	query_end(d);
}

static void dns_event(struct loop_ref ref, uint32_t events)
{
	struct dns_query *d;

	if (ref.index == EV_SERVER) {
		server_event();
		return;
	}
	d = &dns_mem.query[ref.index];
	if (d->fd >= 0 && d->gen == ref.gen)
		query_event(d, events);
}

/* ---- TCP ---- */

static struct loop_ref conn_ref(const struct dns_conn *c, bool up)
{
	return (struct loop_ref){ .kind = LOOP_DNS_TCP, .gen = c->gen,
				  .index = (uint32_t)(c - dns_mem.conn),
				  .side = up };
}

static void conn_end(struct dns_conn *c)
{
	timer_cancel(&c->timer);
	close_fd(&c->fd);
	close_fd(&c->up);
	c->state = CONN_FREE;
	c->gen++;
}

static void conn_read_next(struct dns_conn *c)
{
	c->state = CONN_READ;
	c->in_len = 0;
	loop_mod(c->fd, EPOLLIN, conn_ref(c, false));
	timer_set(&c->timer, TIMER_DNS_TCP,
		  mono_add(loop_now(), DUR_S(IDLE_S)));
}

static void put_length(uint8_t *p, size_t len)
{
	p[0] = (uint8_t)(len >> 8);
	p[1] = (uint8_t)len;
}

static size_t get_length(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Write what is in out; when all is gone, the next query */
static void conn_write(struct dns_conn *c)
{
	ssize_t n;

	while (c->at < c->out_len) {
		n = send(c->fd, c->out + c->at, c->out_len - c->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			conn_end(c);
			return;
		}
		c->at += (size_t)n;
	}
	conn_read_next(c);
}

static void conn_answer(struct dns_conn *c, size_t len)
{
	close_fd(&c->up);
	put_length(c->out, len);
	c->out_len = PREFIX + len;
	c->at = 0;
	c->state = CONN_WRITE;
	loop_mod(c->fd, EPOLLOUT, conn_ref(c, false));
	timer_set(&c->timer, TIMER_DNS_TCP,
		  mono_add(loop_now(), DUR_S(IDLE_S)));
	conn_write(c);
}

static void conn_reply(struct dns_conn *c, const struct dnsmsg *q,
		       uint8_t rcode)
{
	size_t len = dnsmsg_reply(c->in + PREFIX, c->in_len - PREFIX, q, rcode,
				  c->out + PREFIX);

	if (len)
		conn_answer(c, len);
	else
		conn_end(c);
}

static void conn_try(struct dns_conn *c)
{
	close_fd(&c->up);
	while (c->tries < TRIES) {
		c->gen++;
		/* Nothing is read from the guest meanwhile, but an end counts */
		loop_mod(c->fd, 0, conn_ref(c, false));
		c->up = resolver_connect(SOCK_STREAM, c->tries++,
					 conn_ref(c, true), EPOLLOUT);
		if (c->up < 0)
			continue;
		c->state = CONN_ASK;
		c->at = c->out_len = 0;
		timer_set(&c->timer, TIMER_DNS_TCP,
			  mono_add(loop_now(), DUR_S(TRY_S)));
		return;
	}
	dns_proxy_counters.failed++;
	conn_reply(c, &c->q, DNS_SERVFAIL);
}

/* A whole query is there */
static void conn_query(struct dns_conn *c)
{
	uint8_t no;
	bool ok;

	no = judge(c->in + PREFIX, c->in_len - PREFIX, &c->q, &ok);
	c->tries = 0;
	if (no)
		conn_reply(c, ok ? &c->q : NULL, no);
	else
		conn_try(c);
}

/* Just as much as the query has: what follows is the next one */
static void conn_read(struct dns_conn *c)
{
	for (;;) {
		size_t want = c->in_len < PREFIX ? PREFIX :
			      PREFIX + get_length(c->in);
		ssize_t n;

		if (want > sizeof(c->in)) {
			conn_end(c);
			return;
		}
		if (c->in_len >= PREFIX && c->in_len == want) {
			conn_query(c);
			return;
		}
		n = recv(c->fd, c->in + c->in_len, want - c->in_len,
			 MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			conn_end(c);
			return;
		}
		c->in_len += (size_t)n;
	}
}

static void conn_ask(struct dns_conn *c)
{
	ssize_t n = send(c->up, c->in + c->at, c->in_len - c->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		conn_try(c);
		return;
	}
	c->at += (size_t)MAX(n, 0);
	if (c->at < c->in_len)
		return;
	c->state = CONN_WAIT;
	loop_mod(c->up, EPOLLIN, conn_ref(c, true));
}

static void conn_wait(struct dns_conn *c)
{
	size_t want = c->out_len < PREFIX ? PREFIX : PREFIX +
		      get_length(c->out);
	ssize_t n = recv(c->up, c->out + c->out_len, want - c->out_len,
			 MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_try(c);
		return;
	}
	c->out_len += (size_t)n;
	if (c->out_len < PREFIX ||
	    c->out_len < PREFIX + get_length(c->out))
		return;
	if (take_answer(c->out + PREFIX, c->out_len - PREFIX, &c->q, c->q.id))
		conn_answer(c, c->out_len - PREFIX);
	else
		conn_try(c);
}

static struct dns_conn *conn_slot(void)
{
	struct dns_conn *best = &dns_mem.conn[0];

	for (struct dns_conn *c = dns_mem.conn; c < dns_mem.conn + CONNS; c++)
		if (best->state != CONN_FREE &&
		    (c->state == CONN_FREE || mono_before(c->begun, best->begun)))
			best = c;
	return best;
}

static void conn_new(int fd)
{
	struct dns_conn *c = conn_slot();

	conn_end(c);
	c->fd = fd;
	c->begun = loop_now();
	if (loop_add(fd, EPOLLIN, conn_ref(c, false)))
		conn_end(c);
	else
		conn_read_next(c);
}

/* There may be more at the listener: have the kernel tell again */
static void conn_rewatch(uint32_t index)
{
	struct loop_ref ref = { .kind = LOOP_DNS_TCP, .index = EV_SERVER };

	(void)index;
	if (loop_mod(dns.tcp_fd, EPOLLIN | EPOLLET, ref))
		retry_later(&dns.retry, 0, dns.faults++);
}

static void conn_accept(void)
{
	for (int i = 0; i < QUERY_TURN; i++) {
		struct sockaddr_in from = { .sin_family = AF_INET };
		socklen_t len = sizeof(from);
		int fd = accept4(dns.tcp_fd, (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 && (errno == ECONNABORTED || flow_make_room(-errno)))
			continue;
		if (fd < 0) {
			retry_later(&dns.retry, 0, dns.faults++);
			return;
		}
		dns.faults = 0;
		if (is_of_guest(PROTO_TCP, &from))
			conn_new(fd);
		else
			sock_reset(&fd);
	}
	conn_rewatch(0);
}

static void dns_tcp_event(struct loop_ref ref, uint32_t events)
{
	struct dns_conn *c;

	if (ref.index == EV_SERVER) {
		conn_accept();
		return;
	}
	c = &dns_mem.conn[ref.index];
	if (c->state == CONN_FREE || c->gen != ref.gen)
		return;
	if (!ref.side && events & (EPOLLERR | EPOLLHUP))
		conn_end(c);
	else if (!ref.side && c->state == CONN_READ)
		conn_read(c);
	else if (!ref.side && c->state == CONN_WRITE)
		conn_write(c);
	else if (ref.side && c->state == CONN_ASK)
		conn_ask(c);
	else if (ref.side && c->state == CONN_WAIT)
		conn_wait(c);
}

/* ---- Both ---- */

static void query_timer(struct timer *t)
{
	query_try(container_of(t, struct dns_query, timer));
}

static void conn_timer(struct timer *t)
{
	struct dns_conn *c = container_of(t, struct dns_conn, timer);

	if (c->state == CONN_ASK || c->state == CONN_WAIT)
		conn_try(c);
	else
		conn_end(c);
}

/* A socket that takes queries, at a port of the kernel's choice; or -errno */
static int server_open(int type, enum loop_kind kind, uint16_t *ret_port)
{
	struct loop_ref ref = { .kind = kind, .index = EV_SERVER };
	struct addr lo = addr_loopback(V4);
	union sockaddr_any sa;
	socklen_t len = addr_to_sockaddr(&sa, &lo, 0, 0);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0 || bind(fd, &sa.sa, len) ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG)))
		rc = -errno;
	if (!rc)
		rc = loop_add(fd, type == SOCK_STREAM ? EPOLLIN | EPOLLET :
							EPOLLIN, ref);
	if (rc) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	sock_local(fd, ret_port);
	return fd;
}

int dns_proxy_open(void)
{
	uint16_t udp_port, tcp_port;

	if (dns.tcp_fd >= 0)
		return 0;
	dns.udp_fd = server_open(SOCK_DGRAM, LOOP_DNS, &udp_port);
	if (dns.udp_fd < 0)
		return dns.udp_fd;
	dns.tcp_fd = server_open(SOCK_STREAM, LOOP_DNS_TCP, &tcp_port);
	if (dns.tcp_fd < 0) {
		loop_del(dns.udp_fd);
		close_fd(&dns.udp_fd);
		return dns.tcp_fd;
	}
	egress_set_resolver(udp_port, tcp_port);
	return 0;
}

static const struct counter dns_proxy_rows[] = {
	COUNTER("dns_queries", dns_proxy_counters.queries, "queries",
		"of the guest"),
	COUNTER("dns_refused", dns_proxy_counters.refused, "queries",
		"denied by the policy"),
	COUNTER("dns_answers", dns_proxy_counters.answers, "answers",
		"of the host's resolvers"),
	COUNTER("dns_failed", dns_proxy_counters.failed, "queries",
		"that nobody answered"),
	COUNTER("dns_strangers", dns_proxy_counters.strangers, "times",
		"somebody else than the guest has asked"),
};

void dns_proxy_init(bool maybe_later)
{
	int rc;

	static_assert((int)QUERIES < (int)EV_SERVER &&
		      (int)CONNS < (int)EV_SERVER, "no index of a table");
	if (!policy_has_names() && !maybe_later)
		return;
	for (unsigned i = 0; i < QUERIES; i++)
		dns_mem.query[i].fd = -1;
	for (unsigned i = 0; i < CONNS; i++)
		dns_mem.conn[i].fd = dns_mem.conn[i].up = -1;
	counters_add("DNS", dns_proxy_rows, ARRAY_SIZE(dns_proxy_rows));
	random_bytes(&dns.key, sizeof(dns.key));
	retry_init(&dns.retry, dns.retry_marks, RETRY_WORDS(1), conn_rewatch);
	loop_set_handler(LOOP_DNS, dns_event);
	loop_set_handler(LOOP_DNS_TCP, dns_tcp_event);
	timer_set_handler(TIMER_DNS, query_timer);
	timer_set_handler(TIMER_DNS_TCP, conn_timer);
	rc = policy_has_names() ? dns_proxy_open() : 0;
	if (rc)
		die("Couldn't open a socket for the guest's queries, which rules with names need: %s",
		    strerror(-rc));
}
