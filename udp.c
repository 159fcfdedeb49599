// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: UDP flows
 *
 * Data: a flow is one guest endpoint and one remote endpoint. Sockets are apart
 * from flows: a listener of a forwarding rule, or an outbound socket, one for
 * each endpoint of the guest, whatever it talks to (endpoint-independent
 * mapping, RFC 4787 4.1), bound to the guest's port if that is free on the
 * host. An outbound socket lives as long as it has flows.
 *
 * Flow, guest → host: a run of datagrams → flow by the guest's side, or a new
 * one by egress_out() → sendmmsg(). Host → guest: recvmmsg() → flow by the
 * host's side, or a new one: by rule on a listener, back to the socket's
 * endpoint on an outbound one (what a host's process would get) → frames.
 * Loopback → loopback: listener → flow, which has a socket of its own on the
 * other side of the namespace, see udp_splice.c.
 *
 * TTL, DSCP and ECN go along in control messages, both ways; on listeners, the
 * address that was talked to is the source of what is answered. Errors of the
 * network come off the error queue, and go to the guest as ICMP.
 *
 * udp_sock.c has the sockets, udp_out.c what goes out in trains, udp_in.c what comes
 * in batches; flows and errors are here.
 *
 * Timers: each flow looks again when it could have been idle for long enough.
 * When the table or the descriptors are used up, the longest idle of a sample
 * makes room.
 */
#include "udp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/counters.h"
#include "engine/flow.h"
#include "frame/frame_build.h"
#include "frame/icmp_err.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/sock.h"
#include "splice/udp_splice.h"
#include "udp/udp_int.h"
#include "util.h"
#include "util/wire.h"

enum {
	UDP_ERRORS	= 64,		/* off a queue per turn */
	UDP_RECV_TURNS	= 4,		/* batches per socket and turn */
	UDP_IDLE_S	= 30,		/* seen one way only */
	UDP_STREAM_S	= 180,		/* seen both ways */
};

struct udp_counters udp_counters;

static struct {
	const struct conf *conf;
} udp;

/* ---- Flows ---- */

static void udp_flow_end(struct flow *f)
{
	struct udp_sock *s = udp_sock_of(f);

	timer_cancel(&f->udp.timer);
	audit_end(f, "closed");
	if (f->udp.spliced)
		udp_splice_close(f);
	if (f->udp.prev)
		flow_at(f->udp.prev - 1)->udp.next = f->udp.next;
	else
		s->first_flow = f->udp.next;
	if (f->udp.next)
		flow_at(f->udp.next - 1)->udp.prev = f->udp.prev;
	flow_free(f);
	if (!s->first_flow && !s->rule)
		udp_sock_close(s);
}

static dur_t udp_idle_limit(const struct flow *f)
{
	return DUR_S(f->udp.replied ? UDP_STREAM_S : UDP_IDLE_S);
}

static void udp_timer(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, udp.timer);
	mono_t due = mono_add(f->udp.active, udp_idle_limit(f));

	if (mono_before(loop_now(), due)) {
		timer_set(t, TIMER_UDP, due);
		return;
	}
	flow_debug(f, "idle");
	audit_end(f, "idle");
	udp_flow_end(f);
}

static mono_t udp_active(const struct flow *f)
{
	return f->udp.active;
}

/* An outbound socket lives as long as it has flows */
static bool udp_has_fd(const struct flow *f)
{
	const struct udp_sock *s = udp_sock_of(f);

	return f->udp.spliced ||
	       (!s->rule && s->first_flow == flow_index(f) + 1 && !f->udp.next);
}

static void udp_evicted(struct flow *f)
{
	udp_counters.evicted++;
	audit_end(f, "made room");
	udp_flow_end(f);
}

/* Make it one of s' flows: idle from now on */
static void udp_flow_start(struct flow *f, struct udp_sock *s)
{
	f->udp.sock = udp_sock_index(s);
	f->udp.scope = sock_scope();
	f->udp.active = loop_now();
	f->udp.next = s->first_flow;
	if (s->first_flow)
		flow_at(s->first_flow - 1)->udp.prev = flow_index(f) + 1;
	s->first_flow = flow_index(f) + 1;
	timer_set(&f->udp.timer, TIMER_UDP,
		  mono_add(loop_now(), udp_idle_limit(f)));
	flow_debug(f, "new");
}

static struct flow *udp_flow_new(const struct flow_side *guest,
				 const struct flow_side *host,
				 enum flow_side_name ini, struct udp_sock *s)
{
	struct flow *f = flow_alloc();

	if (!f)
		return NULL;
	f->proto = PROTO_UDP;
	f->ini = (uint8_t)ini;
	f->side[GUEST] = *guest;
	f->side[HOST] = *host;
	flow_activate(f, FLOW_UDP);
	flow_hash(f, GUEST);
	flow_hash(f, HOST);
	udp_flow_start(f, s);
	return f;
}

/* From loopback to loopback. Only the listener's side is looked up. */
static struct flow *udp_flow_splice(struct udp_sock *s,
				    const struct flow_side *from,
				    const struct flow_side *to)
{
	struct flow *f = flow_alloc();
	int rc;

	if (!f)
		return NULL;
	f->proto = PROTO_UDP;
	f->ini = s->side;
	f->side[s->side] = *from;
	f->side[!s->side] = *to;
	f->udp.spliced = true;
	rc = udp_splice_open(f);
	if (rc) {
		warn_limited("UDP %s -> %s refused: %s",
			     ENDPOINT_STR(&from->peer, from->peer_port),
			     ENDPOINT_STR(&from->our, from->our_port),
			     strerror(-rc));
		flow_free(f);
		flow_make_room(rc);	/* for the next one */
		return NULL;
	}
	flow_activate(f, FLOW_UDP);
	flow_hash(f, s->side);
	udp_flow_start(f, s);
	return f;
}

/* A flow that the guest begins; NULL if it can't be had */
static struct flow *udp_flow_from_guest(const struct flow_side *guest,
					const struct pkt *pkt)
{
	struct flow_side host;
	struct egress e = egress_out(net_get(), PROTO_UDP, guest, &host);
	struct udp_sock *s;
	struct flow *f;

	if (e.verdict == EGRESS_UNREACHABLE)
		icmp_err_no_route(pkt);
	else if (e.verdict == EGRESS_PROHIBITED)
		icmp_err_prohibited(pkt);
	if (e.verdict != EGRESS_GO)
		return NULL;
	s = udp_sock_get(guest, &host);
	if (!s && flow_make_room(-errno))
		s = udp_sock_get(guest, &host);
	if (!s) {
		warn_limited("UDP %s -> %s refused: %s",
			     ENDPOINT_STR(&guest->peer, guest->peer_port),
			     ENDPOINT_STR(&guest->our, guest->our_port),
			     strerror(errno));
		return NULL;
	}
	host.our = s->our;
	host.our_port = s->port;
	/* The same remote endpoint by two names (an address and the one that is
	 * mapped to it): the newer name gets the replies
	 */
	f = flow_lookup(HOST, PROTO_UDP, &host);
	if (f) {
		bool last = s->first_flow == flow_index(f) + 1 && !f->udp.next;

		if (last) {
			udp_flow_end(f);
			return udp_flow_from_guest(guest, pkt);
		}
		udp_flow_end(f);
	}
	f = udp_flow_new(guest, &host, GUEST, s);
	if (f)
		audit_begin(f, e.rule, e.name);
	else if (!s->first_flow)
		udp_sock_close(s);
	return f;
}

/* ---- Guest → host ---- */

/* The guest's UDP header, for an error that quotes its datagram */
static void udp_send_err(const struct flow *f, const struct icmp_err *e)
{
	const struct flow_side *g = &f->side[GUEST];
	struct wire_udp l4 = {
		.sport = be16_put(g->peer_port),
		.dport = be16_put(g->our_port),
		.len = be16_put((uint16_t)(sizeof(l4) + e->data_len)),
	};

	icmp_err_send(g, PROTO_UDP, &l4, sizeof(l4), e);
}

/* The host didn't send m at all: tell, if that is for lack of a route. What is
 * too big is told by the error queue.
 */
void udp_refused(const struct flow *f, const struct msghdr *m, int error)
{
	static struct icmp_err e;
	struct bytes data = { m->msg_iov, (uint32_t)m->msg_iovlen, 0, 0 };

	udp_counters.dropped++;
	if (error != EHOSTUNREACH && error != ENETUNREACH)
		return;
	udp_counters.errors++;
	for (size_t i = 0; i < m->msg_iovlen; i++)
		data.len += (uint32_t)m->msg_iov[i].iov_len;
	e.error = error;
	e.data_len = bytes_copy(&data, 0, e.data, sizeof(e.data));
	udp_send_err(f, &e);
}

void udp_reply(struct flow *f, struct mmsghdr *mm, unsigned n)
{
	const struct flow_side *to = &f->side[f->ini];
	const struct udp_sock *s = udp_sock_of(f);
	union udp_control control = { .buf = { 0 } };
	struct msghdr m = { .msg_control = &control };
	union sockaddr_any sa;

	f->udp.active = loop_now();
	f->udp.replied = true;
	m.msg_name = &sa;
	m.msg_namelen = udp_sockaddr(f, &sa, &to->peer, to->peer_port);
	udp_control_source(f, s, &m);
	for (unsigned i = 0; i < n; i++) {
		m.msg_iov = mm[i].msg_hdr.msg_iov;
		m.msg_iovlen = mm[i].msg_hdr.msg_iovlen;
		mm[i].msg_hdr = m;
	}
	udp_counters.dropped += sock_send_or_drop(s->fd, mm, n);
}

/* The flow of a client that is answered from another address of the guest's than
 * was asked: a service that is bound to none leaves the choice to its kernel. NULL
 * if there's none.
 */
static struct flow *udp_flow_answered(const struct flow_side *guest)
{
	struct flow *found = NULL;

	for (unsigned i = 0; i < tap_guest.count; i++) {
		struct flow_side key = *guest;
		struct flow *f;

		key.peer = tap_guest.all[i].addr;
		if (addr_family(&key.peer) != addr_family(&guest->peer))
			continue;
		f = flow_lookup(GUEST, PROTO_UDP, &key);
		if (f && f->ini == HOST &&
		    (!found || mono_before(found->udp.active, f->udp.active)))
			found = f;
	}
	return found;
}

void udp_input(const struct pkt *pkts, unsigned n)
{
	struct flow_side guest = {
		.our = pkts->dst, .our_port = pkts->dport,
		.peer = pkts->src, .peer_port = pkts->sport,
	};
	struct flow *f = flow_lookup(GUEST, PROTO_UDP, &guest);

	if (!f)
		f = udp_flow_answered(&guest);
	if (!f)
		f = udp_flow_from_guest(&guest, pkts);
	if (!f || f->udp.spliced) {
		udp_counters.dropped += n;
		return;
	}
	f->udp.active = loop_now();
	f->udp.replied = f->udp.replied || f->ini == HOST;
	udp_out_run(f, pkts, n);
}

/* ---- Host → guest ---- */

/* A client at a listener looks to the guest like a flow that is there already:
 * does that end? Yes, if the guest began it, by a socket of its own; or if it's
 * the same client, which asks an address of ours now after a group that we are in.
 */
static bool udp_gives_way(const struct flow *old, const struct udp_sock *s,
			  const struct flow_side *host, bool to_many)
{
	const struct flow_side *was = &old->side[HOST];

	if (!s->rule)
		return false;
	return udp_sock_of(old) != s ||
	       (addr_eq(&was->peer, &host->peer) &&
		was->peer_port == host->peer_port &&
		(old->udp.to_many || to_many));
}

/* Out of the namespace, if the policy lets it */
static struct flow *udp_splice_out(struct udp_sock *s,
				   const struct flow_side *from,
				   struct flow_side *to)
{
	struct egress e = egress_splice(PROTO_UDP, from, to);
	struct flow *f = e.denied ? NULL : udp_flow_splice(s, from, to);

	if (e.verdict == EGRESS_PROHIBITED)
		udp_splice_refuse(from);
	if (f)
		audit_begin(f, e.rule, e.name);
	return f;
}

/* The flow of a datagram from the host's side, new if need be; or NULL */
struct flow *udp_flow_from_host(struct udp_sock *s,
				const struct flow_side *host,
				bool to_many)
{
	struct flow *f = flow_lookup(s->side, PROTO_UDP, host), *old;
	enum fwd_path path = FWD_TAP;
	struct flow_side guest;

	if (f && udp_sock_of(f) == s)
		return f;
	if (f)
		return NULL;
	if (s->rule) {
		path = fwd_map_listener(udp.conf, net_get(), &tap_guest, s->rule,
					s->side, host, &guest);
		if (path == FWD_SPLICE && s->side == GUEST)
			return udp_splice_out(s, host, &guest);
		if (path == FWD_SPLICE)
			return udp_flow_splice(s, host, &guest);
		if (path == FWD_REFUSE)
			return NULL;
	} else {
		guest.peer = s->guest;
		guest.peer_port = s->guest_port;
		guest.our = fwd_source(net_get(), &tap_guest, &host->peer);
		guest.our_port = host->peer_port;
		if (addr_is_none(&guest.our) ||
		    addr_family(&guest.our) != addr_family(&guest.peer) ||
		    !egress_is_allowed(PROTO_UDP, &guest, host))
			return NULL;
	}
	old = flow_lookup(GUEST, PROTO_UDP, &guest);
	if (old && udp_gives_way(old, s, host, to_many))
		udp_flow_end(old);
	else if (old && !(s->rule && flow_other_port(PROTO_UDP, &guest)))
		return NULL;
	return udp_flow_new(&guest, host, HOST, s);
}

static void udp_errors(struct udp_sock *s)
{
	static struct icmp_err e;

	for (int i = 0; i < UDP_ERRORS && icmp_err_next(s->fd, &e) > 0; i++) {
		struct flow_side host = { .our = s->rule ? e.our : s->our,
					  .our_port = s->port,
					  .peer = e.dst,
					  .peer_port = e.dst_port };
		struct flow *f = flow_lookup(HOST, PROTO_UDP, &host);

		udp_counters.errors++;
		if (f && udp_sock_of(f) == s && !f->udp.spliced &&
		    e.error)
			udp_send_err(f, &e);
	}
}

static void udp_event(struct loop_ref ref, uint32_t events)
{
	struct udp_sock *s = udp_sock_at(ref.index);

	if (s->fd < 0 || s->gen != ref.gen)
		return;
	if (events & EPOLLERR) {
		udp_errors(s);
		loop_mod(s->fd, EPOLLIN | EPOLLET, ref);
	}
	for (int i = 0; i < UDP_RECV_TURNS; i++)
		if (s->fd < 0 || s->gen != ref.gen || !udp_recv(s))
			return;
	/* Edge-triggered and not empty: have the kernel tell again */
	loop_mod(s->fd, EPOLLIN | EPOLLET, ref);
}

/* Adopt a listener's socket */
static int udp_listen(uint32_t index)
{
	const struct listener *l = listen_at(index);
	struct udp_sock *s = udp_sock_alloc();
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	int rc;

	if (!s)
		return -ENFILE;
	s->fd = l->fd;
	s->rule = l->rule;
	s->side = l->side;
	s->port = l->port;
	s->v6 = !getsockname(l->fd, &sa.sa, &len) &&
		sa.sa.sa_family == AF_INET6;
	rc = udp_sock_watch(s);
	if (rc) {
		s->fd = -1;
		udp_sock_recycle(s);
		return rc;
	}
	return (int)udp_sock_index(s);
}

static void udp_unlisten(uint32_t index)
{
	struct udp_sock *s = udp_sock_at(listen_at(index)->user);

	while (s->first_flow)
		udp_flow_end(flow_at(s->first_flow - 1));
	s->fd = -1;			/* the listener's, to be closed there */
	udp_sock_recycle(s);
}

static void udp_relisten(uint32_t index)
{
	const struct listener *l = listen_at(index);

	udp_sock_at(l->user)->rule = l->rule;
}

static const struct counter udp_rows[] = {
	COUNTER("udp_in_datagrams", udp_counters.in_dgrams, "datagrams",
		"from the guest"),
	COUNTER("udp_out_datagrams", udp_counters.out_dgrams, "datagrams",
		"to the guest"),
	COUNTER("udp_dropped", udp_counters.dropped, "datagrams", "dropped"),
	COUNTER("udp_errors", udp_counters.errors, "errors", "of the network"),
	COUNTER("udp_evicted", udp_counters.evicted, "flows",
		"that made room for others"),
};

void udp_init(const struct conf *c)
{
	counters_add("UDP", udp_rows, ARRAY_SIZE(udp_rows));
	const struct listen_user user = { .opened = udp_listen,
					  .closed = udp_unlisten,
					  .moved = udp_relisten };
	const struct flow_evictable evictable = { .active = udp_active,
						  .has_fd = udp_has_fd,
						  .end = udp_evicted };

	udp.conf = c;
	udp_sock_init(c);
	loop_set_handler(LOOP_UDP, udp_event);
	timer_set_handler(TIMER_UDP, udp_timer);
	flow_set_evictable(FLOW_UDP, &evictable);
	udp_splice_init(c);
	listen_attach(PROTO_UDP, &user);
}
