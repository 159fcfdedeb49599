// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: echo requests of the guest, by the host's ping sockets (Linux 3.0, 3.11
 * for IPv6)
 *
 * Flow: echo request → flow by (guest, destination, id), with a connected ping
 * socket of its own, bound to the guest's id if that is free → the kernel fills
 * in id and checksum → echo reply, with the guest's id put back.
 *
 * Where the host forbids ping sockets (net.ipv4.ping_group_range), that is said
 * once, and only our own addresses answer: by ourselves.
 */
#include "icmp.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/flow.h"
#include "frame/frame_build.h"
#include "frame/icmp_err.h"
#include "fwd/audit.h"
#include "fwd/egress.h"
#include "host/net.h"
#include "host/sock.h"
#include "util.h"
#include "util/wire.h"

enum {
	PING_IDLE_S	= 60,
	PING_TTL	= 64,		/* what our sockets send by default */
	PING_RECV_TURNS	= 64,		/* messages per socket and turn */
	PING_MAX	= 65535,
	PING_WORD	= 4,		/* id and sequence number */
};

static struct {
	const struct conf *conf;
	bool warned;
	uint8_t buf[PING_MAX];
} icmp;

static void ping_end(struct flow *f)
{
	audit_end(f, "idle");
	timer_cancel(&f->ping.timer);
	close_fd(&f->ping.fd);
	flow_free(f);
}

static void ping_timer(struct timer *t)
{
	struct flow *f = container_of(t, struct flow, ping.timer);
	mono_t due = mono_add(f->ping.active, DUR_S(PING_IDLE_S));

	if (mono_before(loop_now(), due))
		timer_set(t, TIMER_ICMP, due);
	else
		ping_end(f);
}

static mono_t ping_active(const struct flow *f)
{
	return f->ping.active;
}

/* Connected ping socket with the guest's id if possible; or -errno */
static int ping_open(const struct flow_side *host, uint16_t id)
{
	bool v4 = addr_is_v4(&host->peer);
	int proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int on = 1, rc, fd;

	fd = sock_outbound(SOCK_DGRAM, proto, &host->peer, &host->our, id);
	if (fd == -EADDRINUSE)
		fd = sock_outbound(SOCK_DGRAM, proto, &host->peer, &host->our,
				   0);
	if (fd < 0)
		return fd;
	icmp_err_enable(fd, !v4);
	setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
		   v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, &on, sizeof(on));
	rc = sock_connect(fd, &host->peer, 0);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

static struct flow *ping_new(const struct pkt *pkt,
			     const struct flow_side *guest,
			     const struct flow_side *host)
{
	struct flow *f;
	int fd = ping_open(host, pkt->icmp.id);

	if (flow_make_room(fd))
		fd = ping_open(host, pkt->icmp.id);
	if (fd == -EACCES || fd == -EPERM) {
		if (!icmp.warned)
			warn("Ping is not forwarded: the host doesn't allow "
			     "ping sockets (see net.ipv4.ping_group_range)");
		icmp.warned = true;
	}
	if (fd < 0)
		return NULL;
	f = flow_alloc();
	if (!f) {
		close(fd);
		return NULL;
	}
	f->proto = pkt->proto;
	f->ini = GUEST;
	f->side[GUEST] = *guest;
	f->side[HOST] = *host;
	f->ping.fd = fd;
	f->ping.id = pkt->icmp.id;
	f->ping.active = loop_now();
	flow_activate(f, FLOW_PING);
	flow_hash(f, GUEST);
	timer_set(&f->ping.timer, TIMER_ICMP,
		  mono_add(loop_now(), DUR_S(PING_IDLE_S)));
	if (loop_add(fd, EPOLLIN | EPOLLET, flow_ref(f, LOOP_PING))) {
		ping_end(f);
		return NULL;
	}
	return f;
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

static void ping_send(struct flow *f, const struct pkt *pkt)
{
	bool v4 = pkt->family == V4;
	uint8_t head[4] = { pkt->icmp.type, pkt->icmp.code };
	struct iovec iov[1 + TAP_TX_FRAMES];
	int ttl = pkt->ttl;
	union {
		struct cmsghdr c;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov };

	iov[0] = iov_const(head, sizeof(head));
	msg.msg_iovlen = 1 + bytes_to_iov(&pkt->payload, iov + 1,
					  TAP_TX_FRAMES);
	if (ttl != PING_TTL) {
		control.c.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
		control.c.cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT;
		control.c.cmsg_len = CMSG_LEN(sizeof(ttl));
		memcpy(CMSG_DATA(&control.c), &ttl, sizeof(ttl));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	/* A pending error comes back once, instead of sending */
	if (sendmsg(f->ping.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN &&
	    sendmsg(f->ping.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		flow_trace(f, "send: %s", strerror(errno));
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
	    pkt->icmp.code)
		return;
	f = flow_lookup(GUEST, pkt->proto, &guest);
	if (!f)
		e = egress_out(net_get(), pkt->proto, &guest, &host);
	if (e.verdict == EGRESS_GO && addr_family(&host.peer) == pkt->family)
		f = ping_new(pkt, &guest, &host);
	if (f && e.verdict == EGRESS_GO)
		audit_begin(f, e.rule, e.name);
	if (e.verdict == EGRESS_PROHIBITED) {
		icmp_err_prohibited(pkt);
	} else if (e.denied) {
		return;
	} else if (f) {
		f->ping.active = loop_now();
		audit_count(f, pkt->payload.len, 0);
		ping_send(f, pkt);
	} else if (ping_is_ours(&pkt->dst)) {
		ping_reply(&pkt->dst, &pkt->src, 0, &pkt->payload);
	}
}

static void ping_errors(struct flow *f)
{
	static struct icmp_err e;

	while (icmp_err_next(f->ping.fd, &e) > 0) {
		/* What was sent begins with the ICMP header; the guest knows it
		 * by its own id
		 */
		struct wire_icmp h = { .id = be16_put(f->ping.id) };

		if (!e.error || e.data_len < sizeof(h))
			continue;
		h.type = e.data[0];
		h.code = e.data[1];
		memcpy(&h.seq, e.data + 6, sizeof(h.seq));
		e.data_len -= sizeof(h);
		memmove(e.data, e.data + sizeof(h), e.data_len);
		icmp_err_send(&f->side[GUEST], f->proto, &h, sizeof(h), &e);
	}
}

/* One message off the socket; false when it is empty */
static bool ping_recv(struct flow *f)
{
	be16_t id = be16_put(f->ping.id);
	union {
		struct cmsghdr c;
		char buf[64];
	} control;
	struct iovec iov = { icmp.buf, sizeof(icmp.buf) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(f->ping.fd, &msg, MSG_DONTWAIT);
	struct cmsghdr *c;
	struct bytes rest;
	int ttl = 0;

	if (n < 0)
		return errno != EAGAIN;
	if (n < (ssize_t)sizeof(struct wire_icmp))
		return true;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
		    (c->cmsg_level == IPPROTO_IPV6 &&
		     c->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	memcpy(icmp.buf + offsetof(struct wire_icmp, id), &id, sizeof(id));
	iov = (struct iovec){ icmp.buf + sizeof(struct wire_icmp) - PING_WORD,
			      (size_t)n - sizeof(struct wire_icmp) +
			      PING_WORD };
	rest = (struct bytes){ &iov, 1, 0, (uint32_t)iov.iov_len };
	f->ping.active = loop_now();
	audit_count(f, 0, rest.len);
	ping_reply(&f->side[GUEST].our, &f->side[GUEST].peer, (uint8_t)ttl,
		   &rest);
	return true;
}

static void ping_event(struct loop_ref ref, uint32_t events)
{
	struct flow *f = flow_from_ref(ref, FLOW_PING);

	if (!f)
		return;
	if (events & EPOLLERR)
		ping_errors(f);
	for (int i = 0; i < PING_RECV_TURNS; i++)
		if (!ping_recv(f))
			return;
	loop_mod(f->ping.fd, EPOLLIN | EPOLLET, ref);
}

void icmp_init(const struct conf *c)
{
	const struct flow_evictable evictable = { .active = ping_active,
						  .end = ping_end };

	icmp.conf = c;
	flow_set_evictable(FLOW_PING, &evictable);
	loop_set_handler(LOOP_PING, ping_event);
	timer_set_handler(TIMER_ICMP, ping_timer);
}
