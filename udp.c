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
 * Timers: each flow looks again when it could have been idle for long enough.
 * When the table or the descriptors are used up, the longest idle of a sample
 * makes room.
 */
#include "udp.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/flow.h"
#include "frame/frame_build.h"
#include "frame/icmp_err.h"
#include "fwd/egress.h"
#include "host/listen.h"
#include "host/net.h"
#include "host/sock.h"
#include "splice/udp_splice.h"
#include "util.h"
#include "util/wire.h"

enum {
	UDP_SOCKS	= 131072,
	UDP_BUCKETS	= 16384,
	UDP_BATCH	= 64,
	UDP_BATCH_LEAST	= 4,
	UDP_BATCH_BYTES	= 256 * 1024,	/* off a socket, by the last mean */
	UDP_ERRORS	= 64,		/* off a queue per turn */
	UDP_RECV_TURNS	= 4,		/* batches per socket and turn */
	UDP_DGRAM_MAX	= 65536 + 64,	/* not all in the same cache sets */
	UDP_IDLE_S	= 30,		/* seen one way only */
	UDP_STREAM_S	= 180,		/* seen both ways */
	UDP_TTL		= 64,		/* what our sockets send by default */
	UDP_CMSG	= 192,		/* train, both families' address, TTL, TOS */
	UDP_IOV		= 1024,		/* in one batch to a socket */
	UDP_PART_IOV	= 16,		/* one datagram's */
	UDP_TRAIN_DGRAMS = 64,		/* what all kernels take at once */
	UDP_TRAIN_BYTES	= 65000,
};

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103		/* Linux 4.18 */
#endif
#ifndef UDP_GRO
#define UDP_GRO		104		/* Linux 5.0 */
#endif

struct udp_sock {
	int fd;				/* -1: free */
	uint16_t gen;
	uint16_t port;			/* bound to */
	bool v6;			/* socket's own family */
	bool no_segment;		/* trains of datagrams were refused */
	const struct fwd_rule *rule;	/* listener; NULL: outbound */
	uint8_t side;			/* where it is: inside (GUEST), HOST */

	/* Outbound only */
	struct addr guest;
	uint16_t guest_port;
	bool lo;			/* for loopback destinations alone */
	struct addr our;		/* bound to; none: any */
	uint32_t first_flow;		/* index + 1 */
	uint32_t next;			/* hash chain or free list, index + 1 */
};

struct udp_counters udp_counters;

static struct {
	const struct conf *conf;
	uint32_t high, free_head;
	unsigned batch;			/* datagrams in the next one */
	uint32_t bucket[UDP_BUCKETS];	/* index + 1 */
	struct udp_sock sock[UDP_SOCKS];
	uint8_t buf[UDP_BATCH][UDP_DGRAM_MAX];
} udp;

static struct udp_sock *udp_sock_of(const struct flow *f)
{
	return &udp.sock[f->udp.sock];
}

/* ---- Sockets ---- */

static struct udp_sock *udp_sock_alloc(void)
{
	struct udp_sock *s;
	uint16_t gen;

	if (udp.free_head) {
		s = &udp.sock[udp.free_head - 1];
		udp.free_head = s->next;
	} else if (udp.high < UDP_SOCKS) {
		s = &udp.sock[udp.high++];
	} else {
		return NULL;
	}
	gen = (uint16_t)(s->gen + 1);
	*s = (struct udp_sock){ .fd = -1, .gen = gen, .side = HOST };
	return s;
}

static void udp_sock_recycle(struct udp_sock *s)
{
	s->next = udp.free_head;
	udp.free_head = (uint32_t)(s - udp.sock) + 1;
}

static uint32_t *udp_sock_bucket(const struct addr *guest, uint16_t port)
{
	struct flow_side key = { .peer = *guest, .peer_port = port };

	return &udp.bucket[flow_side_hash(PROTO_UDP, &key) &
			   (UDP_BUCKETS - 1)];
}

static void udp_set(int fd, int level, int name)
{
	int on = 1;

	setsockopt(fd, level, name, &on, sizeof(on));
}

/* Ask for what goes along with a datagram, and for errors; watch it */
static int udp_sock_watch(struct udp_sock *s)
{
	struct loop_ref ref = { .kind = LOOP_UDP, .gen = s->gen,
				.index = (uint32_t)(s - udp.sock) };

	/* What may be spliced comes one by one, to be passed on as it is */
	if (!s->rule || udp.conf->mode != MODE_PASTA)
		udp_set(s->fd, SOL_UDP, UDP_GRO);
	udp_set(s->fd, IPPROTO_IP, IP_RECVTOS);
	udp_set(s->fd, IPPROTO_IP, IP_RECVTTL);
	if (s->rule)
		udp_set(s->fd, IPPROTO_IP, IP_PKTINFO);
	if (s->v6) {
		udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
		udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
		if (s->rule) {
			udp_set(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
			/* Groups that the host is in: the default, but for IPv4
			 * to a socket of IPv6
			 */
			udp_set(s->fd, IPPROTO_IP, IP_MULTICAST_ALL);
		}
	}
	icmp_err_enable(s->fd, s->v6);
	return loop_add(s->fd, EPOLLIN | EPOLLET, ref);
}

static struct udp_sock *udp_sock_find(const struct flow_side *guest,
				      bool v6, bool lo)
{
	uint32_t at = *udp_sock_bucket(&guest->peer, guest->peer_port);

	while (at) {
		struct udp_sock *s = &udp.sock[at - 1];

		if (s->guest_port == guest->peer_port && s->v6 == v6 &&
		    s->lo == lo && addr_eq(&s->guest, &guest->peer))
			return s;
		at = s->next;
	}
	return NULL;
}

/* Descriptor bound to the guest's port, or any if that is taken; or -errno */
static int udp_sock_open(const struct flow_side *host, uint16_t port)
{
	int fd = sock_outbound(SOCK_DGRAM, IPPROTO_UDP, &host->peer,
			       &host->our, port);

	if (fd == -EADDRINUSE || fd == -EACCES)
		fd = sock_outbound(SOCK_DGRAM, IPPROTO_UDP, &host->peer,
				   &host->our, 0);
	return fd;
}

/* The outbound socket of a guest's endpoint; NULL with errno set */
static struct udp_sock *udp_sock_get(const struct flow_side *guest,
				     const struct flow_side *host)
{
	bool v6 = !addr_is_v4(&host->peer);
	const struct net_family *cf = &net_get()->fam[v6 ? V6 : V4];
	bool lo = addr_is_loopback(&host->peer) &&
		  (*cf->outbound_if || !addr_is_none(&cf->outbound));
	struct udp_sock *s = udp_sock_find(guest, v6, lo);
	uint32_t *head;
	int rc;

	if (s)
		return s;
	s = udp_sock_alloc();
	if (!s) {
		errno = ENFILE;
		return NULL;
	}
	s->v6 = v6;
	s->lo = lo;
	s->guest = guest->peer;
	s->guest_port = guest->peer_port;
	s->our = host->our;
	s->fd = udp_sock_open(host, guest->peer_port);
	rc = s->fd < 0 ? s->fd : udp_sock_watch(s);
	if (rc) {
		close_fd(&s->fd);
		udp_sock_recycle(s);
		errno = -rc;
		return NULL;
	}
	sock_local(s->fd, &s->port);
	if (!s->port) {
		/* Not bound yet: the guest's port is 0, or it was refused */
		struct addr any = v6 ? (struct addr){ { 0 } } : addr_v4(0);
		union sockaddr_any sa;
		socklen_t len = addr_to_sockaddr(&sa, &any, 0, 0);

		if (!bind(s->fd, &sa.sa, len))
			sock_local(s->fd, &s->port);
	}
	listen_note_outbound(s->port, true);
	head = udp_sock_bucket(&s->guest, s->guest_port);
	s->next = *head;
	*head = (uint32_t)(s - udp.sock) + 1;
	return s;
}

static void udp_sock_close(struct udp_sock *s)
{
	uint32_t *link = udp_sock_bucket(&s->guest, s->guest_port);
	uint32_t self = (uint32_t)(s - udp.sock) + 1;

	while (*link != self) {
		assert(*link);
		link = &udp.sock[*link - 1].next;
	}
	*link = s->next;
	listen_note_outbound(s->port, false);
	close_fd(&s->fd);
	udp_sock_recycle(s);
}

/* ---- Flows ---- */

static void udp_flow_end(struct flow *f)
{
	struct udp_sock *s = udp_sock_of(f);

	timer_cancel(&f->udp.timer);
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
	udp_flow_end(f);
}

/* Make it one of s' flows: idle from now on */
static void udp_flow_start(struct flow *f, struct udp_sock *s)
{
	f->udp.sock = (uint32_t)(s - udp.sock);
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
	static struct log_limit limit;
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
		if (log_allow(&limit, loop_now(), 1, NULL))
			warn("UDP %s -> %s refused: %s",
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
	static struct log_limit limit;
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
		if (log_allow(&limit, loop_now(), 1, NULL))
			warn("UDP %s -> %s refused: %s",
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
	if (!f && !s->first_flow)
		udp_sock_close(s);
	return f;
}

/* ---- Guest → host ---- */

/* Socket address in the family of the socket */
static socklen_t udp_sockaddr(const struct flow *f,
			      union sockaddr_any *ret_sa, const struct addr *a,
			      uint16_t port)
{
	if (!udp_sock_of(f)->v6 || !addr_is_v4(a))
		return addr_to_sockaddr(ret_sa, a, port, f->udp.scope);
	memset(ret_sa, 0, sizeof(ret_sa->sin6));
	ret_sa->sin6.sin6_family = AF_INET6;
	ret_sa->sin6.sin6_port = htons(port);
	memcpy(&ret_sa->sin6.sin6_addr, a->b, sizeof(a->b));
	return sizeof(ret_sa->sin6);
}

union udp_control {
	struct cmsghdr align;
	char buf[UDP_CMSG];
};

static void udp_cmsg(struct msghdr *msg, int level, int type, const void *data,
		     size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)
		((char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

/* On listeners: the source of what goes back to the client */
static void udp_control_source(const struct flow *f, const struct udp_sock *s,
			       struct msghdr *msg)
{
	const struct addr *our = &f->side[s->side].our;

	if (!s->rule || addr_is_none(our) || f->udp.to_many)
		return;
	if (s->v6) {
		struct in6_pktinfo pi = { .ipi6_ifindex = 0 };

		memcpy(&pi.ipi6_addr, our->b, 16);
		if (addr_is_linklocal(our) && !addr_is_v4(our))
			pi.ipi6_ifindex = f->udp.scope;
		udp_cmsg(msg, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	} else {
		struct in_pktinfo pi = { .ipi_ifindex = 0 };

		memcpy(&pi.ipi_spec_dst, addr_v4_bytes(our), 4);
		udp_cmsg(msg, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
}

/* TTL and TOS of the guest's datagram where they differ from the default, and on
 * listeners the source
 */
static void udp_control_out(const struct flow *f, const struct udp_sock *s,
			    const struct pkt *pkt, struct msghdr *msg)
{
	bool v4 = addr_is_v4(&f->side[HOST].peer);
	int ttl = pkt->ttl, tos = pkt->tos;

	if (ttl != UDP_TTL)
		udp_cmsg(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (tos)
		udp_cmsg(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	udp_control_source(f, s, msg);
}

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
static void udp_refused(const struct flow *f, const struct msghdr *m, int error)
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

/* Messages on their way to a socket: each is one datagram, or a train of them of
 * the same size (the last may be shorter) that the kernel cuts up: UDP_SEGMENT,
 * Linux 4.18
 */
struct udp_out {
	struct mmsghdr mm[UDP_BATCH];
	union udp_control control[UDP_BATCH];
	struct iovec iov[UDP_IOV];
	uint16_t seg[UDP_BATCH];	/* bytes per datagram */
	uint16_t dgrams[UDP_BATCH];	/* in the train */
	bool full[UDP_BATCH];		/* ends with a shorter one */
	unsigned cnt, iovs;
	const struct pkt *pkt;		/* the last one's headers */
	union sockaddr_any to;
	socklen_t to_len;
};

/* A train that was refused (no checksum offload, small path MTU): one by one */
static void udp_send_each(const struct flow *f, const struct msghdr *train,
			  uint32_t seg)
{
	struct bytes all = { train->msg_iov, (uint32_t)train->msg_iovlen, 0,
			     UINT32_MAX };
	struct msghdr m = *train;
	size_t len = 0;

	for (size_t i = 0; i < train->msg_iovlen; i++)
		len += train->msg_iov[i].iov_len;
	all.len = (uint32_t)len;
	/* The segment size is the last control message */
	m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (!m.msg_controllen)
		m.msg_control = NULL;
	for (uint32_t off = 0; off < all.len; off += seg) {
		struct bytes part = bytes_slice(&all, off, seg);
		struct iovec iov[UDP_PART_IOV];

		m.msg_iov = iov;
		m.msg_iovlen = bytes_to_iov(&part, iov, UDP_PART_IOV);
		if (sendmsg(udp_sock_of(f)->fd, &m,
			    MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			udp_refused(f, &m, errno);
		else
			udp_counters.in_dgrams++;
	}
}

/* Is that due to UDP_SEGMENT: before Linux 4.18, a device without checksums, or
 * segments larger than the path's MTU?
 */
static bool udp_cant_segment(int error)
{
	return error == EINVAL || error == EIO || error == EMSGSIZE ||
	       error == EOPNOTSUPP;
}

static void udp_out_flush(const struct flow *f, struct udp_out *out)
{
	struct udp_sock *s = udp_sock_of(f);
	unsigned done = 0;

	while (done < out->cnt) {
		int error;
		unsigned sent = sock_send_batch(s->fd, out->mm + done,
						out->cnt - done, &error);

		while (sent--)
			udp_counters.in_dgrams += out->dgrams[done++];
		if (error == EAGAIN) {
			while (done < out->cnt)
				udp_counters.dropped += out->dgrams[done++];
		} else if (error) {
			if (out->dgrams[done] > 1) {
				s->no_segment |= udp_cant_segment(error);
				udp_send_each(f, &out->mm[done].msg_hdr,
					      out->seg[done]);
			} else {
				udp_refused(f, &out->mm[done].msg_hdr, error);
			}
			done++;
		}
	}
	out->cnt = out->iovs = 0;
}

/* Close the train that is being made: the kernel must know the size */
static void udp_out_end_train(struct udp_out *out)
{
	struct msghdr *m;
	unsigned i;

	if (!out->cnt)
		return;
	i = out->cnt - 1;
	m = &out->mm[i].msg_hdr;
	if (out->dgrams[i] > 1)
		udp_cmsg(m, SOL_UDP, UDP_SEGMENT, &out->seg[i],
			 sizeof(out->seg[i]));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

/* Can this datagram follow the last one in its train? */
static bool udp_out_follows(const struct udp_sock *s, const struct udp_out *out,
			    const struct pkt *p, uint32_t len)
{
	unsigned i = out->cnt - 1;

	return out->cnt && !s->no_segment && !out->full[i] && len &&
	       len <= out->seg[i] &&
	       out->dgrams[i] < UDP_TRAIN_DGRAMS &&
	       (out->dgrams[i] + 1U) * out->seg[i] <= UDP_TRAIN_BYTES &&
	       out->pkt->ttl == p->ttl && out->pkt->tos == p->tos;
}

static void udp_out_add(const struct flow *f, struct udp_out *out,
			const struct pkt *p, const struct bytes *part)
{
	const struct udp_sock *s = udp_sock_of(f);
	struct msghdr *m;
	unsigned n;

	if (out->iovs + part->cnt > UDP_IOV ||
	    (out->cnt == UDP_BATCH && !udp_out_follows(s, out, p, part->len))) {
		udp_out_end_train(out);
		udp_out_flush(f, out);
	}
	n = bytes_to_iov(part, &out->iov[out->iovs], UDP_IOV - out->iovs);
	if (udp_out_follows(s, out, p, part->len)) {
		out->full[out->cnt - 1] = part->len < out->seg[out->cnt - 1];
		out->dgrams[out->cnt - 1]++;
		out->mm[out->cnt - 1].msg_hdr.msg_iovlen += n;
		out->iovs += n;
		return;
	}
	udp_out_end_train(out);
	m = &out->mm[out->cnt].msg_hdr;
	*m = (struct msghdr){
		.msg_name = &out->to, .msg_namelen = out->to_len,
		.msg_iov = &out->iov[out->iovs], .msg_iovlen = n,
		.msg_control = &out->control[out->cnt],
	};
	udp_control_out(f, s, p, m);
	out->seg[out->cnt] = (uint16_t)part->len;
	out->dgrams[out->cnt] = 1;
	out->full[out->cnt] = false;
	out->pkt = p;
	out->iovs += n;
	out->cnt++;
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
	static struct udp_out out;
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
	out.to_len = udp_sockaddr(f, &out.to, &f->side[HOST].peer,
				  f->side[HOST].peer_port);
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &pkts[i];
		uint32_t seg = p->gso_size ? p->gso_size : p->payload.len;
		uint32_t off = 0;

		do {
			struct bytes part = bytes_slice(&p->payload, off, seg);

			udp_out_add(f, &out, p, &part);
			off += seg;
		} while (off < p->payload.len);
	}
	udp_out_end_train(&out);
	udp_out_flush(f, &out);
}

/* ---- Host → guest ---- */

struct udp_info {
	struct addr dst;		/* ours, that was talked to; or none */
	struct addr from;		/* to answer from; or none */
	unsigned ifi;			/* it came by, if known */
	int ttl, tos;
	int seg;			/* a train: bytes per datagram; or 0 */
};

static void udp_control_in(struct msghdr *msg, struct udp_info *ret)
{
	*ret = (struct udp_info){ .ttl = 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);
		uint8_t tos;

		if (addr_from_pktinfo(c, &ret->dst, &ret->from)) {
			ret->ifi = addr_pktinfo_ifi(c);
			continue;
		}
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&ret->seg, data, sizeof(ret->seg));
		} else if (c->cmsg_level == IPPROTO_IP) {
			switch (c->cmsg_type) {
			case IP_TTL:
				memcpy(&ret->ttl, data, sizeof(ret->ttl));
				break;
			case IP_TOS:
				memcpy(&tos, data, sizeof(tos));
				ret->tos = tos;
				break;
			}
		} else if (c->cmsg_level == IPPROTO_IPV6) {
			switch (c->cmsg_type) {
			case IPV6_HOPLIMIT:
				memcpy(&ret->ttl, data, sizeof(ret->ttl));
				break;
			case IPV6_TCLASS:
				memcpy(&ret->tos, data, sizeof(ret->tos));
				break;
			}
		}
	}
}

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

/* The flow of a datagram from the host's side, new if need be; or NULL */
static struct flow *udp_flow_from_host(struct udp_sock *s,
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
		if (path == FWD_SPLICE && s->side == GUEST &&
		    egress_splice(PROTO_UDP, host, &guest).denied)
			return NULL;
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

/* To the guest: one datagram, or a train of `seg` bytes each, cut up here unless
 * the link does it
 */
static void udp_frames(const struct flow *f, const struct frame_ip *ip,
		       const struct bytes *payload, uint32_t seg)
{
	size_t hdrs = frame_l3_len(ip) - sizeof(struct wire_eth) +
		      sizeof(struct wire_udp);
	unsigned mtu = frame_mtu(addr_family(&ip->src));
	const struct flow_side *g = &f->side[GUEST];
	uint32_t off = 0;

	if (!seg || seg >= payload->len)
		seg = payload->len;
	if (seg < payload->len && tap_caps()->tx.uso[addr_family(&ip->src)] &&
	    (!mtu || seg + hdrs <= mtu)) {
		udp_counters.out_dgrams += (payload->len + seg - 1) / seg;
		frame_send_udp(ip, g->our_port, g->peer_port, payload,
			       (uint16_t)seg);
		return;
	}
	do {
		struct bytes part = bytes_slice(payload, off, seg);

		udp_counters.out_dgrams++;
		frame_send_udp(ip, g->our_port, g->peer_port, &part, 0);
		off += seg;
	} while (off < payload->len);
}

/* Which link do link-local addresses of this datagram belong to? */
static void udp_note_scope(struct flow *f, const union sockaddr_any *from,
			   const struct udp_info *in)
{
	unsigned scope = from->sa.sa_family == AF_INET6 ?
			 from->sin6.sin6_scope_id : 0;

	if (!scope)
		scope = in->ifi;
	if (scope)
		f->udp.scope = scope;
}

/* What came from one endpoint under the same terms: a datagram, or a train of
 * `seg` bytes each
 */
static void udp_to_guest(struct udp_sock *s, const struct msghdr *msg,
			 const struct udp_info *in, const struct bytes *payload,
			 uint32_t seg)
{
	struct flow_side host = { .our = s->our, .our_port = s->port };
	bool to_many = !addr_eq(&in->from, &in->dst);
	struct frame_ip ip = { .proto = PROTO_UDP };
	struct flow *f;

	host.peer = addr_from_sockaddr(msg->msg_name, &host.peer_port);
	if (s->rule)
		host.our = in->dst;
	f = udp_flow_from_host(s, &host, to_many);
	if (!f) {
		udp_counters.dropped += payload->cnt;
		return;
	}
	f->udp.active = loop_now();
	if (f->udp.spliced) {
		for (uint32_t i = 0; i < payload->cnt; i++)
			udp_splice_send(f, payload->iov[i].iov_base,
					payload->iov[i].iov_len);
		return;
	}
	f->udp.replied = f->udp.replied || f->ini == GUEST;
	f->udp.to_many = to_many;
	udp_note_scope(f, msg->msg_name, in);
	ip.src = f->side[GUEST].our;
	ip.dst = f->side[GUEST].peer;
	/* A group stays one; who in it answers is the guest */
	if (s->rule && addr_is_none(&s->rule->target) &&
	    addr_is_multicast(&in->dst))
		ip.dst = in->dst;
	ip.ttl = (uint8_t)in->ttl;
	ip.tos = (uint8_t)in->tos;
	udp_frames(f, &ip, payload, seg);
}

/* Do two messages differ in nothing but their data? */
static bool udp_same_terms(const struct msghdr *a, const struct msghdr *b)
{
	return a->msg_namelen == b->msg_namelen &&
	       a->msg_controllen == b->msg_controllen &&
	       !memcmp(a->msg_name, b->msg_name, a->msg_namelen) &&
	       !memcmp(a->msg_control, b->msg_control, a->msg_controllen);
}

/* How many of n messages make one train: all as long as the first one, but the
 * last, which may be shorter. A flow's datagrams mostly come in such rows, and
 * as a train they cost one lookup, and one frame on links that cut it up.
 */
static unsigned udp_train_len(const struct mmsghdr *mm, unsigned n)
{
	uint32_t seg = mm->msg_len, sum = seg;
	unsigned i = 1;

	while (i < n && mm[i - 1].msg_len == seg && mm[i].msg_len &&
	       mm[i].msg_len <= seg &&
	       sum + mm[i].msg_len <= UDP_TRAIN_BYTES &&
	       udp_same_terms(&mm->msg_hdr, &mm[i].msg_hdr))
		sum += mm[i++].msg_len;
	return i;
}

/* Datagrams to ask for at once, by the mean length of the last ones: what was
 * copied should still be in the cache when it goes to the guest
 */
static unsigned udp_next_batch(size_t mean)
{
	return MAX(UDP_BATCH_LEAST,
		   MIN(UDP_BATCH, UDP_BATCH_BYTES / (mean + 1)));
}

/* One batch off a socket; false when it is empty */
static bool udp_recv(struct udp_sock *s)
{
	static union sockaddr_any from[UDP_BATCH];
	static union udp_control control[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct mmsghdr mm[UDP_BATCH];
	unsigned want = udp.batch, done = 0;
	size_t bytes = 0;
	uint16_t gen = s->gen;
	int n;

	for (unsigned i = 0; i < want; i++) {
		iov[i] = (struct iovec){ udp.buf[i], UINT16_MAX + 1 };
		mm[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = &control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}
	n = recvmmsg(s->fd, mm, want, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		bytes += iov[i].iov_len = mm[i].msg_len;
	if (n > 0)
		udp.batch = udp_next_batch(bytes / (unsigned)n);
	/* Making room for a flow may take the socket itself */
	while ((int)done < n && s->fd >= 0 && s->gen == gen) {
		struct mmsghdr *m = &mm[done];
		struct bytes payload = { &iov[done], 1, 0, m->msg_len };
		struct udp_info in;

		udp_control_in(&m->msg_hdr, &in);
		if (!in.seg) {
			payload.cnt = udp_train_len(m, (unsigned)n - done);
			for (uint32_t i = 1; i < payload.cnt; i++)
				payload.len += m[i].msg_len;
		}
		udp_to_guest(s, &m->msg_hdr, &in, &payload,
			     in.seg ? (uint32_t)in.seg : m->msg_len);
		done += payload.cnt;
	}
	udp_splice_flush();
	return n == (int)want || (n < 0 && errno != EAGAIN);
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
	struct udp_sock *s = &udp.sock[ref.index];

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
	return (int)(s - udp.sock);
}

static void udp_unlisten(uint32_t index)
{
	struct udp_sock *s = &udp.sock[listen_at(index)->user];

	while (s->first_flow)
		udp_flow_end(flow_at(s->first_flow - 1));
	s->fd = -1;			/* the listener's, to be closed there */
	udp_sock_recycle(s);
}

static void udp_relisten(uint32_t index)
{
	const struct listener *l = listen_at(index);

	udp.sock[l->user].rule = l->rule;
}

void udp_init(const struct conf *c)
{
	const struct listen_user user = { .opened = udp_listen,
					  .closed = udp_unlisten,
					  .moved = udp_relisten };
	const struct flow_evictable evictable = { .active = udp_active,
						  .has_fd = udp_has_fd,
						  .end = udp_evicted };

	udp.conf = c;
	udp.batch = UDP_BATCH;
	loop_set_handler(LOOP_UDP, udp_event);
	timer_set_handler(TIMER_UDP, udp_timer);
	flow_set_evictable(FLOW_UDP, &evictable);
	udp_splice_init(c);
	listen_attach(PROTO_UDP, &user);
}
