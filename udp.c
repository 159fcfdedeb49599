// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: UDP flows
 *
 * Data: a flow is one endpoint of the guest and one remote endpoint. It uses a
 * socket of dgram.c: the outbound one of the guest's endpoint, or the listener of a
 * forwarding rule.
 *
 * Flow, guest → host: a run of datagrams → flow by the guest's side, or a new
 * one by egress_out() → udp_out.c, in trains. Host → guest: udp_in.c, in batches →
 * flow by the host's side, or a new one → frames. What begins a new one from the
 * host's side: on a listener its rule; on an outbound socket whoever sends to it,
 * as with any process that isn't connected, and the guest's endpoint gets it.
 * Loopback → loopback: udp_splice.c.
 *
 * One remote endpoint that the guest knows by two addresses (its own, and one that
 * is mapped to it) is two flows: by another socket each, so that each answer
 * comes from the address that was asked. Two clients at listeners that would be one
 * endpoint to the guest: the second one has another port there.
 *
 * TTL, DSCP and ECN go along in control messages, both ways; on listeners, the
 * address that was talked to is the source of what is answered. Errors of the
 * network come off the error queue, and go to the guest as ICMP.
 */
#include "udp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "engine/counters.h"
#include "engine/drop.h"
#include "frame/icmp_err.h"
#include "frame/opening.h"
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
	UDP_RECV_TURNS	= 4,		/* batches per socket and turn */
};

static const struct dgram_type udp_type = {
	.type = FLOW_UDP, .timer = TIMER_UDP,
	.one_way_s = 30, .both_ways_s = 180,
};

static struct {
	const struct conf *conf;
} udp;

/* ---- Flows ---- */

/* A flow that the guest begins by n datagrams; NULL if it can't be had, or not now */
static struct flow *udp_flow_from_guest(const struct flow_side *guest,
					const struct pkt *pkt, unsigned n)
{
	struct flow_side host;
	struct egress e = egress_out(net_get(), PROTO_UDP, guest, &host);
	struct dgram_sock *s;
	struct flow *f;
	int error;

	if (e.verdict == EGRESS_UNREACHABLE)
		icmp_err_no_route(pkt);
	else if (e.verdict == EGRESS_PROHIBITED)
		icmp_err_prohibited(pkt);
	if (e.verdict != EGRESS_GO ||
	    !dgram_begin(PROTO_UDP, &host, pkt, n))
		return NULL;
	s = dgram_sock_get(PROTO_UDP, guest, &host, udp_sock_watch);
	if (s) {
		f = dgram_flow_new(&udp_type, s, GUEST, guest, &host);
		if (f) {
			f->udp.scope = net_scope(&f->side[HOST].peer);
			egress_begin(f, &e);
		}
		return f;
	}
	error = errno;
	drop(drop_of_socket(error));
	warn_limited("UDP %s -> %s refused: %s",
		     ENDPOINT_STR(&guest->peer, guest->peer_port),
		     ENDPOINT_STR(&guest->our, guest->our_port),
		     strerror(error));
	/* The host doesn't have the address of --outbound */
	if (error == EADDRNOTAVAIL)
		icmp_err_no_route(pkt);
	return NULL;
}

/* Tell, quoting the guest's datagram as it was */
static void udp_send_err(struct flow *f, const struct icmp_err *e)
{
	const struct flow_side *g = &f->side[GUEST];
	struct wire_udp l4 = {
		.sport = be16_put(g->peer_port),
		.dport = be16_put(g->our_port),
		.len = be16_put((uint16_t)(sizeof(l4) + e->data_len)),
	};
	const struct dgram_sent *sent = dgram_flow_sent(f, e->data, e->data_len,
							be16_get(l4.len));
	struct icmp_quote q = icmp_quote_of(sent, UDP_TTL);

	if (sent) {
		l4.len = be16_put(sent->len);
		l4.csum = be16_put(sent->csum);
	}
	if (e->error == EMSGSIZE)
		dgram_flow_told_mtu(f, e->info);
	icmp_err_quote(g, PROTO_UDP, &l4, sizeof(l4), &q, e);
}

/* Nobody answers there: was it a resolver, behind an address that is ours? */
static bool udp_dns_failed(const struct flow *f)
{
	return f->ini == GUEST &&
	       net_dns_failed(&f->side[GUEST], &f->side[HOST].peer);
}

/* A query that can't be asked is refused, as by a host without a resolver: "no route"
 * isn't told to sockets (RFC 1122 4.2.3.9 calls it soft, and Linux does so for UDP, too),
 * and their programs would wait.
 */
static void udp_dns_refuse(struct flow *f, const struct icmp_err *e)
{
	static struct icmp_err refused;

	refused.error = ECONNREFUSED;
	refused.data_len = e->data_len;
	memcpy(refused.data, e->data, e->data_len);
	udp_send_err(f, &refused);
}

/* Not that a datagram was too long, or its way: that's asked for by traceroute */
static bool udp_is_unreachable(const struct icmp_err *e)
{
	unsigned time = addr_is_v4(&e->offender) ? ICMP4_TIME_EXCEEDED :
						   ICMP6_TIME_EXCEEDED_;

	return e->error != EMSGSIZE && !(e->is_icmp && e->type == time);
}

/* An error of the network, off the queue of a socket */
static void udp_error(void *arg, const struct icmp_err *e)
{
	const struct dgram_sock *s = arg;
	struct flow_side host = { .our = s->rule ? e->our : s->our,
				  .our_port = s->port,
				  .peer = e->dst, .peer_port = e->dst_port };
	struct flow *f = flow_lookup(HOST, PROTO_UDP, &host);

	udp_counters.errors++;
	if (!f || dgram_sock_of(f) != s || f->type != FLOW_UDP || !e->error)
		return;
	if (udp_is_unreachable(e) && udp_dns_failed(f))
		udp_dns_refuse(f, e);
	else
		udp_send_err(f, e);
}

void udp_refused(struct flow *f, const struct msghdr *m, int error)
{
	static struct icmp_err e;
	const struct bytes data = bytes_all(m->msg_iov,
					    (uint32_t)m->msg_iovlen);
	struct dgram_sock *s = dgram_sock_of(f);

	drop(DROP_UDP_ERROR);
	e.info = 0;
	if (error == EMSGSIZE)
		e.info = icmp_err_local_mtu(s->fd, udp_error, s);
	else if ((error == EPERM || !is_momentary(-error)) &&
		 udp_dns_failed(f))
		error = ECONNREFUSED;
	if (error != EHOSTUNREACH && error != ENETUNREACH &&
	    error != ECONNREFUSED && !e.info)
		return;
	udp_counters.errors++;
	e.error = error;
	e.data_len = bytes_copy(&data, 0, e.data, sizeof(e.data));
	udp_send_err(f, &e);
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
		    (!found || mono_before(dgram_flow_active(found),
					     dgram_flow_active(f))))
			found = f;
	}
	return found;
}

/* A query of the guest's to its resolver: whose turn is it? A flow to another one
 * only takes the answers to what it was asked before.
 */
static struct flow *udp_dns_turn(const struct flow_side *guest, struct flow *f)
{
	net_dns_turn(guest, loop_now());
	return f && dgram_flow_moved(f) ? NULL : f;
}

void udp_input(const struct pkt *pkts, unsigned n)
{
	struct flow_side guest = {
		.our = pkts->dst, .our_port = pkts->dport,
		.peer = pkts->src, .peer_port = pkts->sport,
	};
	struct flow *f = flow_lookup(GUEST, PROTO_UDP, &guest);

	if (guest.our_port == PORT_DNS)
		f = udp_dns_turn(&guest, f);
	if (!f)
		f = udp_flow_answered(&guest);
	if (!f)
		f = udp_flow_from_guest(&guest, pkts, n);
	if (!f)
		return;
	if (f->type != FLOW_UDP) {
		for (unsigned i = 0; i < n; i++)
			drop_n(DROP_UDP_UNASKED, udp_count(pkts[i].payload.len,
							   pkts[i].gso_size));
		return;
	}
	dgram_flow_used(f, GUEST);
	net_dns_asked(&guest, loop_now());
	udp_out_run(f, pkts, n);
}

/* ---- Host → guest ---- */

/* A client at a listener looks to the guest like a flow that is there already:
 * does that end? Yes, if the guest began it, by a socket of its own; or if it's
 * the same client, which asks an address of ours now after a group that we are in.
 */
static bool udp_gives_way(const struct flow *old, const struct dgram_sock *s,
			  const struct flow_side *host, bool to_many)
{
	const struct flow_side *was = &old->side[HOST];

	if (!s->rule)
		return false;
	return dgram_sock_of(old) != s ||
	       (addr_eq(&was->peer, &host->peer) &&
		was->peer_port == host->peer_port &&
		(old->udp.to_many || to_many));
}

/* From loopback to loopback; out of the namespace, if the policy lets it */
static struct flow *udp_splice(struct dgram_sock *s,
			       const struct flow_side *from,
			       struct flow_side *to)
{
	struct flow *f;
	struct egress e;

	if (s->side == HOST) {
		f = udp_splice_new(s, from, to);
		if (f)
			audit_forwarded(f);
		return f;
	}
	e = egress_splice(PROTO_UDP, from, to);
	f = e.denied ? NULL : udp_splice_new(s, from, to);
	if (e.verdict == EGRESS_PROHIBITED)
		udp_splice_refuse(from);
	if (f)
		egress_begin(f, &e);
	return f;
}

/* What a stranger's datagram to an outbound socket is to the guest; false if it isn't
 * for it. Whom the guest knows by another name than the network does is no
 * stranger but a process of this host.
 */
static bool udp_map_stranger(const struct dgram_sock *s,
			     const struct flow_side *host,
			     struct flow_side *ret_guest,
			     struct egress *ret_egress)
{
	struct addr source = fwd_source(net_get(), &tap_guest, &host->peer);

	if (!addr_eq(&source, &host->peer) ||
	    addr_family(&source) != addr_family(&s->guest))
		return false;
	*ret_guest = (struct flow_side){
		.our = source, .our_port = host->peer_port,
		.peer = s->guest, .peer_port = s->guest_port,
	};
	*ret_egress = egress_back(PROTO_UDP, ret_guest, host);
	return ret_egress->verdict == EGRESS_GO;
}

/* As fwd_map_listener(), for whatever socket it came to */
static enum fwd_path udp_map_in(const struct dgram_sock *s,
				const struct flow_side *host,
				struct flow_side *ret_guest,
				struct egress *ret_egress)
{
	if (!s->rule)
		return udp_map_stranger(s, host, ret_guest, ret_egress) ?
		       FWD_TAP : FWD_REFUSE;
	return fwd_map_listener(udp.conf, net_get(), &tap_guest, s->rule,
				s->side, host, ret_guest);
}

struct flow *udp_flow_from_host(struct dgram_sock *s,
				const struct flow_side *host, bool to_many)
{
	struct flow *f = flow_lookup(s->side, PROTO_UDP, host), *old;
	struct flow_side guest;
	struct egress e;

	/* A rule that comes again takes the datagrams of what went on meanwhile */
	if (f)
		return dgram_sock_of(f) == s || dgram_sock_of(f)->retired ?
		       f : NULL;
	if (s->retired)
		return NULL;
	switch (udp_map_in(s, host, &guest, &e)) {
	case FWD_REFUSE:
		return NULL;
	case FWD_SPLICE:
		return udp_splice(s, host, &guest);
	case FWD_TAP:
		break;
	}
	old = flow_lookup(GUEST, PROTO_UDP, &guest);
	if (old && udp_gives_way(old, s, host, to_many))
		flow_end(old);
	else if (old && !(s->rule && flow_other_port(PROTO_UDP, &guest)))
		return NULL;
	f = dgram_flow_new(&udp_type, s, HOST, &guest, host);
	if (!f)
		return NULL;
	f->udp.scope = net_scope(&f->side[HOST].peer);
	if (s->rule)
		audit_forwarded(f);
	else
		egress_begin(f, &e);
	return f;
}

static void udp_event(struct loop_ref ref, uint32_t events)
{
	struct dgram_sock *s = dgram_sock_from_ref(ref);

	if (s)
		dgram_sock_drain(s, events & EPOLLERR ?
				    icmp_err_drain(s->fd, udp_error, s) : 0,
				 UDP_RECV_TURNS, udp_recv);
}

/* Adopt a listener's socket */
static int udp_listen(uint32_t index)
{
	const struct listener *l = listen_at(index);
	struct dgram_sock *s = dgram_sock_adopt();
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	int rc;

	if (!s)
		return -ENFILE;
	s->fd = l->fd;
	s->proto = PROTO_UDP;
	s->rule = l->rule;
	s->side = l->side;
	s->port = l->port;
	s->v6 = !getsockname(l->fd, &sa.sa, &len) &&
		sa.sa.sa_family == AF_INET6;
	rc = udp_sock_watch(s);
	if (rc) {
		dgram_sock_drop(s);
		return rc;
	}
	return (int)dgram_sock_index(s);
}

/* Flows go on, but for those by an automatic port, which goes with its service, and
 * for slirp4netns, which has always ended them with the port
 */
static void udp_unlisten(uint32_t index)
{
	struct dgram_sock *s = dgram_sock_at(listen_at(index)->user);

	if (s->rule->flags & FWD_AUTO || udp.conf->slirp ||
	    !dgram_sock_retire(s)) {
		dgram_sock_drop(s);
		return;
	}
	loop_del(listen_at(index)->fd);
	if (loop_add(s->fd, EPOLLIN | EPOLLET, dgram_sock_ref(s, LOOP_UDP)))
		flow_debug(flow_at(s->first_flow - 1),
			   "it hears nobody any more: no memory");
}

static void udp_relisten(uint32_t index)
{
	const struct listener *l = listen_at(index);

	dgram_sock_at(l->user)->rule = l->rule;
}

/* Link-local addresses, and groups, are those of the link that the host has now */
static void udp_host_changed(struct flow *f)
{
	if (f->ini == GUEST)
		f->udp.scope = net_scope(&f->side[HOST].peer);
	dgram_host_changed(f);
}

static const struct counter udp_rows[] = {
	COUNTER("udp_in_datagrams", udp_counters.in_dgrams, "datagrams",
		"from the guest"),
	COUNTER("udp_out_datagrams", udp_counters.out_dgrams, "datagrams",
		"to the guest"),
	COUNTER("udp_errors", udp_counters.errors, "errors", "of the network"),
};

void udp_init(const struct conf *c)
{
	const struct listen_user user = { .opened = udp_listen,
					  .closed = udp_unlisten,
					  .moved = udp_relisten };
	const struct flow_ops ops = {
		.name = "UDP", .state = dgram_flow_state,
		.states = dgram_states, .active = dgram_flow_active,
		.end = dgram_flow_end, .host_changed = udp_host_changed,
	};

	udp.conf = c;
	counters_add("UDP", udp_rows, ARRAY_SIZE(udp_rows));
	udp_sock_init(c);
	loop_set_handler(LOOP_UDP, udp_event);
	flow_set_ops(FLOW_UDP, &ops);
	udp_splice_init(c);
	listen_attach(PROTO_UDP, &user);
}
