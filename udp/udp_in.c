// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: datagrams of the host's sockets, in batches, to the guest
 *
 * Flow: recvmmsg() → neighbours that differ in nothing but their data make a train
 * → its flow, or a new one → frames, or the far socket of a spliced flow.
 */
#include "udp/udp_int.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "engine/drop.h"
#include "frame/frame_build.h"
#include "fwd/fwd.h"
#include "host/net.h"
#include "splice/udp_splice.h"
#include "util.h"
#include "util/sockopt.h"
#include "util/wire.h"

enum {
	UDP_BATCH_LEAST	= 4,
	UDP_BATCH_BYTES	= 256 * 1024,	/* off a socket, by the last mean */
	UDP_DGRAM_MAX	= 65536 + 64,	/* not all in the same cache sets */
};

static struct {
	unsigned batch;			/* datagrams in the next one */
} rx = { .batch = UDP_BATCH };

/* Apart, since what isn't zero at the start takes room in the binary */
static uint8_t rx_buf[UDP_BATCH][UDP_DGRAM_MAX];

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
		udp_counters.out_dgrams += udp_count(payload->len, seg);
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
static void udp_to_guest(struct dgram_sock *s, const struct msghdr *msg,
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
		drop_n(DROP_UDP_UNASKED, udp_count(payload->len, seg));
		return;
	}
	dgram_flow_used(f, s->side);
	flow_moved(f, s->side, payload->len);
	if (f->type == FLOW_UDP_SPLICE) {
		udp_splice_send(f, payload);
		return;
	}
	net_dns_answered(&f->side[GUEST], &host.peer);
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

int udp_recv(struct dgram_sock *s)
{
	static union sockaddr_any from[UDP_BATCH];
	static union udp_control control[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct mmsghdr mm[UDP_BATCH];
	unsigned want = rx.batch, done = 0;
	size_t bytes = 0;
	uint16_t gen = s->gen;
	int n, rc;

	for (unsigned i = 0; i < want; i++) {
		iov[i] = (struct iovec){ rx_buf[i], UINT16_MAX + 1 };
		mm[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = &control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}
	n = recvmmsg(s->fd, mm, want, MSG_DONTWAIT, NULL);
	rc = n >= 0 ? n == (int)want : errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < n; i++)
		bytes += iov[i].iov_len = mm[i].msg_len;
	if (n > 0)
		rx.batch = udp_next_batch(bytes / (unsigned)n);
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
	return rc;
}
