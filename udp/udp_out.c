// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: datagrams of the guest, in trains, to the host's sockets
 *
 * Flow: a run of datagrams of a flow → one message for each, or for each train of
 * the same size → sendmmsg(). A socket that can't cut trains up, or a path that is
 * too narrow for them, gets the datagrams one by one.
 */
#include "udp/udp_int.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include "engine/drop.h"
#include "host/sock.h"
#include "util.h"
#include "util/sockopt.h"

enum {
	UDP_IOV		= 1024,		/* in one batch to a socket */
	UDP_TRAIN_DGRAMS = 64,		/* what all kernels take at once */
};
static_assert((int)UDP_IOV >= TAP_RX_IOV, "an empty batch takes any datagram");
static_assert(UDP_IOV <= UIO_MAXIOV, "a train is one message");

/* TTL and TOS of the guest's datagram where they differ from the default, and on
 * listeners the source
 */
static void udp_control_out(const struct flow *f, const struct pkt *pkt,
			    struct msghdr *msg)
{
	bool v4 = addr_is_v4(&f->side[HOST].peer);
	int ttl = pkt->ttl, tos = pkt->tos;

	if (ttl != UDP_TTL)
		udp_cmsg(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (tos)
		udp_cmsg(msg, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			 v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	udp_cmsg_source(f, msg);
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
	uint8_t pmtudisc;		/* of all of them */
	const struct pkt *pkt;		/* the last one's headers */
	union sockaddr_any to;
	socklen_t to_len;
};

/* A train that was refused (no checksum offload, small path MTU): one by one */
static void udp_send_each(struct flow *f, const struct msghdr *train,
			  uint32_t seg)
{
	const struct bytes all = bytes_all(train->msg_iov,
					   (uint32_t)train->msg_iovlen);
	struct msghdr m = *train;

	/* The segment size is the last control message */
	m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (!m.msg_controllen)
		m.msg_control = NULL;
	for (uint32_t off = 0; off < all.len; off += seg) {
		struct bytes part = bytes_slice(&all, off, seg);
		struct iovec iov[TAP_RX_IOV];	/* it came in one frame */

		m.msg_iov = iov;
		m.msg_iovlen = bytes_to_iov(&part, iov, TAP_RX_IOV);
		if (sendmsg(dgram_sock_of(f)->fd, &m,
			    MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			udp_refused(f, &m, errno);
		else
			udp_counters.in_dgrams++;
	}
}

/* Will no train pass this socket: a device without checksums? One with segments larger
 * than the path's MTU is refused alone (EINVAL or EMSGSIZE): a socket has many paths.
 */
static bool udp_cant_segment(int error)
{
	return error == EIO || error == EOPNOTSUPP;
}

static void udp_out_flush(struct flow *f, struct udp_out *out)
{
	struct dgram_sock *s = dgram_sock_of(f);
	unsigned done = 0;

	if (out->cnt)
		dgram_sock_set_pmtudisc(s, out->pmtudisc);
	while (done < out->cnt) {
		int error;
		unsigned sent = sock_send_batch(s->fd, out->mm + done,
						out->cnt - done, &error);

		while (sent--)
			udp_counters.in_dgrams += out->dgrams[done++];
		if (error == EAGAIN) {
			while (done < out->cnt)
				drop_n(DROP_UDP_FULL, out->dgrams[done++]);
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
static bool udp_out_follows(const struct dgram_sock *s, const struct udp_out *out,
			    const struct pkt *p, uint32_t len)
{
	unsigned i = out->cnt - 1;

	return out->cnt && !s->no_segment && !out->full[i] && len &&
	       len <= out->seg[i] &&
	       out->dgrams[i] < UDP_TRAIN_DGRAMS &&
	       (out->dgrams[i] + 1U) * out->seg[i] <= UDP_TRAIN_BYTES &&
	       out->pkt->ttl == p->ttl && out->pkt->tos == p->tos;
}

static void udp_out_add(struct flow *f, struct udp_out *out,
			const struct pkt *p, uint8_t pmtudisc,
			const struct bytes *part)
{
	const struct dgram_sock *s = dgram_sock_of(f);
	struct msghdr *m;
	unsigned n;

	if (out->iovs + part->cnt > UDP_IOV || pmtudisc != out->pmtudisc ||
	    (out->cnt == UDP_BATCH && !udp_out_follows(s, out, p, part->len))) {
		udp_out_end_train(out);
		udp_out_flush(f, out);
	}
	out->pmtudisc = pmtudisc;
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
	udp_control_out(f, p, m);
	out->seg[out->cnt] = (uint16_t)part->len;
	out->dgrams[out->cnt] = 1;
	out->full[out->cnt] = false;
	out->pkt = p;
	out->iovs += n;
	out->cnt++;
}

void udp_out_run(struct flow *f, const struct pkt *pkts, unsigned n)
{
	static struct udp_out out;

	out.to_len = udp_sock_name(f, &out.to, &f->side[HOST].peer,
				  f->side[HOST].peer_port);
	for (unsigned i = 0; i < n; i++) {
		const struct pkt *p = &pkts[i];
		uint32_t seg = p->gso_size ? p->gso_size : p->payload.len;
		uint8_t pmtudisc = dgram_flow_pmtudisc(f, p);
		uint32_t off = 0;

		flow_moved(f, GUEST, p->payload.len);
		if (i + DGRAM_SENT >= n)
			dgram_flow_note(f, p);
		do {
			struct bytes part = bytes_slice(&p->payload, off, seg);

			udp_out_add(f, &out, p, pmtudisc, &part);
			off += seg;
		} while (off < p->payload.len);
	}
	udp_out_end_train(&out);
	udp_out_flush(f, &out);
}
