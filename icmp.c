// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: echo requests of the guest, by the host's ping sockets (Linux 3.0, 3.11
 * for IPv6)
 *
 * Flow: echo request → flow by (guest, destination, id) → the socket of (guest, id),
 * bound to the guest's id if that is free → the kernel fills in id and checksum →
 * echo reply → flow by who sent it → the guest's id put back. So who asks many
 * hosts with one id, as monitors do, takes one socket, and every host's answer is
 * its own.
 *
 * Where the host forbids ping sockets (net.ipv4.ping_group_range), that is said
 * once, and only our own addresses answer: by ourselves.
 */
#include "icmp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "engine/drop.h"
#include "frame/frame_build.h"
#include "frame/icmp_err.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/dgram.h"
#include "host/net.h"
#include "host/sock.h"
#include "util.h"
#include "util/csum.h"
#include "util/wire.h"

enum {
	PING_TTL	= 64,		/* what our sockets send by default */
	PING_RECV_TURNS	= 64,		/* messages per socket and turn */
	PING_MAX	= 65535,
	PING_WORD	= 4,		/* id and sequence number */
};

static const struct dgram_type ping_type = {
	.type = FLOW_PING, .timer = TIMER_ICMP,
	.one_way_s = 60, .both_ways_s = 60,
};

static struct {
	bool warned;
	uint8_t buf[PING_MAX];
} icmp;

/* Ask for what goes along with a reply, and for errors; watch it */
static int ping_watch(struct dgram_sock *s)
{
	int on = 1;

	icmp_err_enable(s->fd, s->v6);
	setsockopt(s->fd, s->v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   s->v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof(on));
	return loop_add(s->fd, EPOLLIN | EPOLLET, dgram_sock_ref(s, LOOP_PING));
}

static struct flow *ping_new(const struct pkt *pkt,
			     const struct flow_side *guest,
			     struct flow_side *host)
{
	struct dgram_sock *s = dgram_sock_get(pkt->proto, guest, host,
					      ping_watch);
	int error;

	if (s)
		return dgram_flow_new(&ping_type, s, GUEST, guest, host);
	if (errno == EACCES || errno == EPERM) {
		if (!icmp.warned)
			warn("Ping is not forwarded: the host doesn't allow "
			     "ping sockets (see net.ipv4.ping_group_range)");
		icmp.warned = true;
		drop(DROP_PING_FORBIDDEN);
		return NULL;
	}
	error = errno;
	drop(drop_of_connect(error));
	warn_limited("Ping to %s refused: %s", ADDR_STR(&guest->our),
		     strerror(error));
	/* As for UDP */
	if (error == EADDRNOTAVAIL)
		icmp_err_no_route(pkt);
	return NULL;
}

/* Echo reply to the guest: `rest` is id, sequence number and data */
static void ping_reply(const struct addr *src, const struct addr *dst,
		       uint8_t ttl, const struct bytes *rest)
{
	bool v4 = addr_is_v4(src);
	struct frame_ip ip = {
		.src = *src, .dst = *dst,
		.proto = v4 ? PROTO_ICMP : PROTO_ICMP6,
		.ttl = ttl ? ttl : PING_TTL,
	};

	frame_send_icmp(&ip, v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY_, 0,
			rest);
}

/* Without ping sockets: are we who is asked? */
static bool ping_is_ours(const struct addr *a)
{
	const struct net_family *cf = &net_get()->fam[addr_family(a)];

	return !addr_is_none(a) &&
	       (addr_eq(a, &cf->our) || addr_eq(a, &cf->gw) ||
		addr_eq(a, &cf->map_host_loopback));
}

/* The flow whose host is `peer`; NULL: nobody asked that one */
static struct flow *ping_find(const struct dgram_sock *s,
			      const struct addr *peer)
{
	struct flow_side host = { .our = s->our, .our_port = s->port,
				  .peer = *peer };
	struct flow *f = flow_lookup(HOST, s->proto, &host);

	return f && dgram_sock_of(f) == s ? f : NULL;
}

/* Tell of what was sent with `h`, data of it in e, quoting the guest's packet */
static void ping_send_err(struct flow *f, const struct wire_icmp *h,
			  const struct icmp_err *e)
{
	uint8_t head[DGRAM_SENT_HEAD];
	const struct dgram_sent *sent;
	struct icmp_quote q;
	size_t n = MIN(e->data_len, sizeof(head) - PING_WORD);

	memcpy(head, &h->id, PING_WORD);
	memcpy(head + PING_WORD, e->data, n);
	sent = dgram_flow_sent(f, head, PING_WORD + n, sizeof(*h) + e->data_len);
	q = icmp_quote_of(sent, PING_TTL);
	if (e->error == EMSGSIZE)
		dgram_flow_told_mtu(f, e->info);
	icmp_err_quote(&f->side[GUEST], f->proto, h, sizeof(*h), &q, e);
}

/* The checksum with another identifier: RFC 1624 3, in whatever byte order */
static be16_t ping_csum(be16_t csum, be16_t was, be16_t is)
{
	uint32_t sum = (uint16_t)~csum.raw + (uint16_t)~was.raw + is.raw;

	return (be16_t){ (uint16_t)~csum_fold(sum) };
}

/* An error of the network, off the queue of a socket */
static void ping_error(void *arg, const struct icmp_err *error)
{
	static struct icmp_err e;
	const struct dgram_sock *s = arg;
	struct flow *f = ping_find(s, &error->dst);
	be16_t id = be16_put(s->guest_port);
	struct wire_icmp h;

	if (!f || !error->error || error->data_len < sizeof(h))
		return;
	/* What was sent begins with the ICMP header; the guest knows it by its own
	 * id. The checksum of ICMPv6 has addresses in it: it's computed anew.
	 */
	e = *error;
	memcpy(&h, e.data, sizeof(h));
	h.csum = s->v6 ? (be16_t){ 0 } : ping_csum(h.csum, h.id, id);
	h.id = id;
	e.data_len -= sizeof(h);
	memmove(e.data, e.data + sizeof(h), e.data_len);
	ping_send_err(f, &h, &e);
}

/* The host didn't send it at all: tell, if that is for lack of a route, or as it's
 * too big
 */
static void ping_refused(struct flow *f, const struct pkt *pkt, int error)
{
	struct dgram_sock *s = dgram_sock_of(f);
	struct icmp_err e = { .error = error };
	struct wire_icmp h = {
		.type = pkt->icmp.type, .code = pkt->icmp.code,
		.id = be16_put(pkt->icmp.id), .seq = be16_put(pkt->icmp.seq),
	};

	drop(DROP_ECHO_ERROR);
	flow_trace(f, "send: %s", strerror(error));
	if (error == EMSGSIZE)
		e.info = icmp_err_local_mtu(s->fd, ping_error, s);
	if (error != EHOSTUNREACH && error != ENETUNREACH && !e.info)
		return;
	/* In front of the identifier, with which the payload begins */
	bytes_copy(&pkt->l3, pkt->l3.len - pkt->payload.len - sizeof(h.csum),
		   &h.csum, sizeof(h.csum));
	e.data_len = bytes_copy(&pkt->payload, PING_WORD, e.data,
				sizeof(e.data));
	ping_send_err(f, &h, &e);
}

static void ping_send(struct flow *f, const struct pkt *pkt)
{
	bool v4 = pkt->family == V4;
	uint8_t head[4] = { pkt->icmp.type, pkt->icmp.code };
	/* A frame's pieces, or one if it came in fragments */
	struct iovec iov[1 + TAP_RX_IOV];
	struct dgram_sock *s = dgram_sock_of(f);
	int ttl = pkt->ttl;
	union sockaddr_any to;
	union {
		struct cmsghdr c;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_name = &to, .msg_iov = iov };

	msg.msg_namelen = addr_to_sockaddr(&to, &f->side[HOST].peer, 0,
					   net_scope(&f->side[HOST].peer));
	iov[0] = iov_const(head, sizeof(head));
	msg.msg_iovlen = 1 + bytes_to_iov(&pkt->payload, iov + 1, TAP_RX_IOV);
	if (ttl != PING_TTL) {
		control.c.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
		control.c.cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT;
		control.c.cmsg_len = CMSG_LEN(sizeof(ttl));
		memcpy(CMSG_DATA(&control.c), &ttl, sizeof(ttl));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	dgram_sock_set_pmtudisc(s, dgram_flow_pmtudisc(f, pkt));
	/* A pending error comes back once, instead of sending */
	if (sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN &&
	    sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		ping_refused(f, pkt, errno);
}

void icmp_input(const struct pkt *pkt)
{
	struct flow_side guest = {
		.our = pkt->dst, .our_port = 0,
		.peer = pkt->src, .peer_port = pkt->icmp.id,
	};
	struct egress e = { .verdict = EGRESS_SILENT };
	struct flow_side host;
	struct flow *f;

	if (pkt->icmp.type != (pkt->family == V4 ? ICMP4_ECHO : ICMP6_ECHO) ||
	    pkt->icmp.code) {
		drop(DROP_ICMP_OTHER);
		return;
	}
	f = flow_lookup(GUEST, pkt->proto, &guest);
	if (!f)
		e = egress_out(net_get(), pkt->proto, &guest, &host);
	if (e.verdict == EGRESS_GO && !dgram_begin(pkt->proto, &host, pkt, 1))
		return;
	if (e.verdict == EGRESS_GO && addr_family(&host.peer) == pkt->family)
		f = ping_new(pkt, &guest, &host);
	if (f && e.verdict == EGRESS_GO)
		egress_begin(f, &e);
	if (e.verdict == EGRESS_UNREACHABLE) {
		icmp_err_no_route(pkt);
	} else if (e.verdict == EGRESS_PROHIBITED) {
		icmp_err_prohibited(pkt);
	} else if (e.denied) {
		return;
	} else if (f) {
		dgram_flow_used(f, GUEST);
		flow_moved(f, GUEST, pkt->payload.len);
		dgram_flow_note(f, pkt);
		ping_send(f, pkt);
	} else if (ping_is_ours(&pkt->dst)) {
		ping_reply(&pkt->dst, &pkt->src, 0, &pkt->payload);
	}
}

/* A message that was received, n bytes in icmp.buf: a reply for the guest? */
static void ping_received(struct dgram_sock *s, struct msghdr *msg, size_t n)
{
	be16_t id = be16_put(s->guest_port);
	struct iovec iov;
	struct bytes rest;
	uint16_t port;
	struct addr peer = addr_from_sockaddr(msg->msg_name, &port);
	struct flow *f = ping_find(s, &peer);
	int ttl = 0;

	if (!f || n < sizeof(struct wire_icmp))
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 &&
		     c->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	memcpy(icmp.buf + offsetof(struct wire_icmp, id), &id, sizeof(id));
	iov = (struct iovec){ icmp.buf + sizeof(struct wire_icmp) - PING_WORD,
			      n - sizeof(struct wire_icmp) + PING_WORD };
	rest = (struct bytes){ &iov, 1, 0, (uint32_t)iov.iov_len };
	dgram_flow_used(f, HOST);
	flow_moved(f, HOST, rest.len);
	ping_reply(&f->side[GUEST].our, &f->side[GUEST].peer, (uint8_t)ttl,
		   &rest);
}

/* One message off the socket: 0 when it is empty, 1, or -errno */
static int ping_recv(struct dgram_sock *s)
{
	union {
		struct cmsghdr c;
		char buf[64];
	} control;
	union sockaddr_any from = { 0 };
	struct iovec iov = { icmp.buf, sizeof(icmp.buf) };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(s->fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	ping_received(s, &msg, (size_t)n);
	return 1;
}

static void ping_event(struct loop_ref ref, uint32_t events)
{
	struct dgram_sock *s = dgram_sock_from_ref(ref);

	if (s)
		dgram_sock_drain(s, events & EPOLLERR ?
				    icmp_err_drain(s->fd, ping_error, s) : 0,
				 PING_RECV_TURNS, ping_recv);
}

void icmp_init(void)
{
	const struct flow_ops ops = {
		.name = "ping", .state = dgram_flow_state,
		.states = dgram_states, .active = dgram_flow_active,
		.end = dgram_flow_end, .host_changed = dgram_host_changed,
	};

	flow_set_ops(FLOW_PING, &ops);
	loop_set_handler(LOOP_PING, ping_event);
}
