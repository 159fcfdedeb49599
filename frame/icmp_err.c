// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: errors of host sockets → ICMP (RFC 792), ICMPv6 (RFC 4443) messages
 *
 * Flow: EPOLLERR of a datagram socket → icmp_err_next() until the queue is empty
 * → the flow that sent to that destination → icmp_err_send().
 *
 * A message found on a host of the other family (a resolver behind
 * --dns-forward) is translated to the nearest one; what has no counterpart
 * becomes "host unreachable".
 */
#include "frame/icmp_err.h"

#include <errno.h>
/* That of the kernel leaves struct timespec to who includes it */
#include <time.h>
#include <linux/errqueue.h>
#include <string.h>
#include <sys/socket.h>

#include "engine/loop.h"
#include "frame/frame_build.h"
#include "frame/frame_parse.h"
#include "util/csum.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	QUOTE_MAX4	= 528,		/* RFC 1812 4.3.2.3: 576 in all, likewise */
	QUOTE_MAX6	= 1232,		/* RFC 4443 2.4 (c), less headers */
	ICMP_ERR_TURN	= 64,		/* off a queue per turn */
	ICMP4_NET_UNREACH	= 0,
	ICMP4_HOST_UNREACH	= 1,
	ICMP4_PORT_UNREACH	= 3,
	ICMP4_FRAG_NEEDED	= 4,
	ICMP4_PROTO_UNREACH	= 2,
	ICMP4_PROHIBITED	= 13,
	ICMP6_PROHIBITED	= 1,
	ICMP6_NEXT_HDR		= 1,
	ERR_RATE		= 100,	/* per second: RFC 1812 4.3.2.8 */
	ICMP6_NO_ROUTE		= 0,
	ICMP6_ADDR_UNREACH	= 3,
	ICMP6_PORT_UNREACH	= 4,
	ICMP_HLEN		= 8,	/* type, code, checksum, a word */
};

void icmp_err_enable(int fd, bool v6)
{
	int on = 1;

	/* A dual-stack socket has both queues */
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
}

int icmp_err_next(int fd, struct icmp_err *ret_err)
{
	union sockaddr_any to = { 0 };
	union {
		struct cmsghdr align;
		char buf[512];
	} control;
	struct iovec iov = { ret_err->data, sizeof(ret_err->data) };
	struct msghdr msg = {
		.msg_name = &to, .msg_namelen = sizeof(to),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	ret_err->data_len = (size_t)n;
	ret_err->dst = addr_from_sockaddr(&to, &ret_err->dst_port);
	ret_err->error = 0;
	ret_err->is_icmp = false;
	ret_err->our = ret_err->offender = (struct addr){ { 0 } };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		struct sock_extended_err ee;
		union sockaddr_any from = { 0 };
		uint16_t port;

		if (addr_from_pktinfo(c, &ret_err->our, NULL))
			continue;
		if (!(c->cmsg_level == IPPROTO_IP &&
		      c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 &&
		      c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&ee, CMSG_DATA(c), sizeof(ee));
		memcpy(&from, CMSG_DATA(c) + sizeof(ee),
		       MIN(c->cmsg_len - CMSG_LEN(sizeof(ee)), sizeof(from)));
		ret_err->is_icmp = ee.ee_origin == SO_EE_ORIGIN_ICMP ||
				   ee.ee_origin == SO_EE_ORIGIN_ICMP6;
		ret_err->error = (int)ee.ee_errno;
		ret_err->type = ee.ee_type;
		ret_err->code = ee.ee_code;
		ret_err->info = ee.ee_info;
		ret_err->offender = ret_err->is_icmp ?
				    addr_from_sockaddr(&from, &port) :
				    (struct addr){ { 0 } };
	}
	return 1;
}

int icmp_err_drain(int fd, void (*tell)(void *arg, const struct icmp_err *e),
		   void *arg)
{
	static struct icmp_err e;
	int rc = 1;

	for (int i = 0; i < ICMP_ERR_TURN && rc > 0; i++) {
		rc = icmp_err_next(fd, &e);
		if (rc > 0)
			tell(arg, &e);
	}
	return rc;
}

uint32_t icmp_err_local_mtu(int fd, void (*other)(void *arg,
						  const struct icmp_err *e),
			    void *arg)
{
	static struct icmp_err e;
	unsigned found = 0;
	uint32_t mtu = 0;

	/* Whoever sends tries twice, see sock_send_batch() */
	while (found < 2 && icmp_err_next(fd, &e) > 0) {
		if (!e.is_icmp && e.error == EMSGSIZE) {
			mtu = e.info;
			found++;
		} else {
			other(arg, &e);
		}
	}
	return mtu;
}

/* Type and code in the guest's family, and the word that follows */
static void icmp_err_translate(const struct icmp_err *e, bool v4,
			       uint8_t *ret_type, uint8_t *ret_code)
{
	bool from_v4 = addr_is_none(&e->offender) ?
		       v4 : addr_is_v4(&e->offender);

	if (e->is_icmp && from_v4 == v4) {
		*ret_type = e->type;
		*ret_code = e->code;
	} else if (e->error == EMSGSIZE) {
		*ret_type = v4 ? ICMP4_UNREACH : ICMP6_TOO_BIG;
		*ret_code = v4 ? ICMP4_FRAG_NEEDED : 0;
	} else if (e->error == ECONNREFUSED) {
		*ret_type = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
		*ret_code = v4 ? ICMP4_PORT_UNREACH : ICMP6_PORT_UNREACH;
	} else if (e->error == ENETUNREACH) {
		*ret_type = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
		*ret_code = v4 ? ICMP4_NET_UNREACH : ICMP6_NO_ROUTE;
	} else {
		*ret_type = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
		*ret_code = v4 ? ICMP4_HOST_UNREACH : ICMP6_ADDR_UNREACH;
	}
}

/* The guest's IP header, len bytes of L4 behind it; returns its length */
static size_t icmp_quote_ip(uint8_t *p, const struct flow_side *guest,
			    uint8_t proto, const struct icmp_quote *q,
			    size_t len)
{
	struct wire_ip4 h4 = {
		.ver_ihl = 0x45, .tos = q->tos,
		.tot_len = be16_put((uint16_t)(sizeof(h4) + len)),
		.id = be16_put((uint16_t)q->ip_id),
		.frag = be16_put(q->df ? IP4_DF : 0),
		.ttl = q->ttl, .proto = proto,
	};
	struct wire_ip6 h6 = {
		.ver_tc_flow = be32_put(6U << 28 | (uint32_t)q->tos << 20 |
					q->ip_id),
		.payload_len = be16_put((uint16_t)len),
		.next_hdr = proto, .hop_limit = q->ttl,
	};

	if (!addr_is_v4(&guest->our)) {
		memcpy(h6.src, guest->peer.b, sizeof(h6.src));
		memcpy(h6.dst, guest->our.b, sizeof(h6.dst));
		memcpy(p, &h6, sizeof(h6));
		return sizeof(h6);
	}
	memcpy(h4.src, addr_v4_bytes(&guest->peer), sizeof(h4.src));
	memcpy(h4.dst, addr_v4_bytes(&guest->our), sizeof(h4.dst));
	h4.csum = csum_finish(csum_add(0, &h4, sizeof(h4)));
	memcpy(p, &h4, sizeof(h4));
	return sizeof(h4);
}

/* Complete the L4 header's checksum field over the data, which is all there */
static void icmp_quote_csum(uint8_t *l4, size_t l4_len,
			    const struct flow_side *guest, uint8_t proto,
			    const struct icmp_err *e)
{
	size_t at = wire_csum_offset(proto);
	uint64_t sum = 0;
	be16_t csum;

	memcpy(&csum, l4 + at, sizeof(csum));
	if (csum.raw)
		return;
	if (proto != PROTO_ICMP)
		sum = csum_pseudo(&guest->peer, &guest->our, proto,
				  (uint32_t)(l4_len + e->data_len));
	sum = csum_add(sum, l4, l4_len);
	csum = csum_finish(csum_add(sum, e->data, e->data_len));
	if (proto == PROTO_UDP && !csum.raw)
		csum.raw = 0xffff;
	memcpy(l4 + at, &csum, sizeof(csum));
}

struct icmp_quote icmp_quote_of(const struct dgram_sent *sent, uint8_t ttl)
{
	if (!sent)
		return (struct icmp_quote){ .ttl = ttl };
	return (struct icmp_quote){
		.ip_id = sent->ip_id, .len = sent->len, .ttl = sent->ttl,
		.tos = sent->tos, .df = sent->df,
	};
}

/* Can the guest be told who sent the message? The destination itself is known to it
 * by another address, perhaps; and nobody takes what comes from his own, which the
 * host's may be.
 */
static bool offender_is_known(const struct flow_side *guest,
			      const struct icmp_err *e)
{
	return !addr_is_none(&e->offender) &&
	       addr_is_v4(&e->offender) == addr_is_v4(&guest->our) &&
	       !addr_is_loopback(&e->offender) &&
	       !addr_eq(&e->offender, &e->dst) &&
	       !addr_eq(&e->offender, &guest->peer);
}

void icmp_err_quote(const struct flow_side *guest, uint8_t proto,
		    const void *l4, size_t l4_len, const struct icmp_quote *q,
		    const struct icmp_err *e)
{
	bool v4 = addr_is_v4(&guest->our);
	struct frame_ip ip = {
		.src = guest->our, .dst = guest->peer,
		.proto = v4 ? PROTO_ICMP : PROTO_ICMP6, .ttl = 64,
	};
	size_t len = q->len ? q->len : l4_len + e->data_len, l3_len;
	uint8_t hdr[TAP_HDR_MAX], word[4] = { 0 };
	struct iovec iov[3];
	struct bytes rest;
	uint8_t type, code;
	be32_t mtu;

	icmp_err_translate(e, v4, &type, &code);
	if (offender_is_known(guest, e))
		ip.src = e->offender;
	mtu = be32_put(v4 ? MIN(e->info, UINT16_MAX) : e->info);
	if (e->error == EMSGSIZE)
		memcpy(word, &mtu, sizeof(word));

	l3_len = icmp_quote_ip(hdr, guest, proto, q, len);
	memcpy(hdr + l3_len, l4, l4_len);
	if (len == l4_len + e->data_len)
		icmp_quote_csum(hdr + l3_len, l4_len, guest, proto, e);
	iov[0] = iov_const(word, sizeof(word));
	iov[1] = iov_const(hdr, l3_len + l4_len);
	iov[2] = iov_const(e->data, MIN(e->data_len, v4 ?
					QUOTE_MAX4 - MIN(l4_len, QUOTE_MAX4) :
					QUOTE_MAX6 - l4_len));
	rest = (struct bytes){ iov, 3, 0, (uint32_t)(iov[0].iov_len +
			       iov[1].iov_len + iov[2].iov_len) };
	frame_send_icmp(&ip, type, code, &rest);
}

void icmp_err_send(const struct flow_side *guest, uint8_t proto,
		   const void *l4, size_t l4_len, const struct icmp_err *e)
{
	static const struct icmp_quote unknown = { .ttl = 64 };

	icmp_err_quote(guest, proto, l4, l4_len, &unknown, e);
}

size_t icmp_err_refusal(const struct flow_side *side,
			uint8_t ret_msg[ICMP_ERR_REFUSAL_MAX])
{
	bool v4 = addr_is_v4(&side->our);
	const struct frame_ip quoted = {
		.src = side->peer, .dst = side->our, .proto = PROTO_UDP,
	};
	const struct wire_udp udp = {
		.sport = be16_put(side->peer_port),
		.dport = be16_put(side->our_port),
		.len = be16_put(sizeof(udp)),
	};
	size_t l3_len = frame_l3_len(&quoted) - sizeof(struct wire_eth);
	size_t len = ICMP_HLEN + l3_len + sizeof(udp);
	uint8_t hdr[TAP_HDR_MAX];
	struct tap_meta meta;
	be16_t csum;

	static_assert(ICMP_HLEN + sizeof(struct wire_ip6) + sizeof(udp) <=
		      ICMP_ERR_REFUSAL_MAX, "the message fits");
	frame_build(hdr, &quoted, &udp, sizeof(udp), NULL, 0, &meta);
	memset(ret_msg, 0, ICMP_HLEN);
	ret_msg[0] = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
	ret_msg[1] = v4 ? ICMP4_PORT_UNREACH : ICMP6_PORT_UNREACH;
	memcpy(ret_msg + ICMP_HLEN, hdr + sizeof(struct wire_eth),
	       len - ICMP_HLEN);
	if (v4) {
		csum = csum_finish(csum_add(0, ret_msg, len));
		memcpy(ret_msg + 2, &csum, sizeof(csum));
	}
	return len;
}

void icmp_err_about(const struct icmp_about *a, uint8_t type, uint8_t code,
		    uint8_t pointer)
{
	struct frame_ip ip = {
		.src = a->dst, .dst = a->src, .ttl = 64,
		.proto = addr_is_v4(&a->src) ? PROTO_ICMP : PROTO_ICMP6,
	};
	const uint8_t word[4] = { [3] = pointer };
	struct iovec iov[2] = {
		iov_const(word, sizeof(word)), iov_const(a->packet, a->len),
	};
	struct bytes rest = { iov, 2, 0, (uint32_t)sizeof(word) + a->len };

	frame_send_icmp(&ip, type, code, &rest);
}

/* An error about pkt, if one may be sent at all */
static void icmp_err_pkt(const struct pkt *pkt, uint8_t type, uint8_t code,
			 uint8_t pointer)
{
	static struct log_limit limit;
	bool v4 = pkt->family == V4;
	uint32_t quote = (uint32_t)(pkt->l3.len - pkt->payload.len +
				    (v4 ? QUOTE_MAX4 : QUOTE_MAX6));
	uint8_t quoted[2048];
	struct icmp_about about = {
		.src = pkt->src, .dst = pkt->dst, .packet = quoted,
	};

	/* RFC 1122 3.2.2: no error about what wasn't for one host alone */
	if (!addr_is_unicast(&pkt->dst) || !addr_is_unicast(&pkt->src) ||
	    addr_is_loopback(&pkt->src) ||
	    !log_allow(&limit, loop_now(), ERR_RATE, NULL))
		return;
	about.len = (uint32_t)bytes_copy(&pkt->l3, 0, quoted,
					 MIN(quote, v4 ? 128U : QUOTE_MAX6));
	icmp_err_about(&about, type, code, pointer);
}

void icmp_err_protocol(const struct pkt *pkt)
{
	/* RFC 4443 3.4: pointer to the field that isn't understood */
	if (pkt->family == V4)
		icmp_err_pkt(pkt, ICMP4_UNREACH, ICMP4_PROTO_UNREACH, 0);
	else
		icmp_err_pkt(pkt, ICMP6_PARAM, ICMP6_NEXT_HDR,
			     (uint8_t)pkt->frag.next_hdr_at);
}

void icmp_err_no_route(const struct pkt *pkt)
{
	if (pkt->family == V4)
		icmp_err_pkt(pkt, ICMP4_UNREACH, ICMP4_NET_UNREACH, 0);
	else
		icmp_err_pkt(pkt, ICMP6_UNREACH, ICMP6_NO_ROUTE, 0);
}

void icmp_err_prohibited(const struct pkt *pkt)
{
	if (pkt->family == V4)
		icmp_err_pkt(pkt, ICMP4_UNREACH, ICMP4_PROHIBITED, 0);
	else
		icmp_err_pkt(pkt, ICMP6_UNREACH, ICMP6_PROHIBITED, 0);
}
