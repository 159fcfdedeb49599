// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the one writer of headers towards the guest, see frame_build.h
 *
 * Layout of the block that tap_commit() gets:
 *
 *	| Ethernet 14 | IPv4 20 or IPv6 40 | L4 header |   payload elsewhere
 *
 * Checksum: with caps.csum the field gets the sum of the pseudo-header and the
 * link finishes it; otherwise it is computed over the payload. With gso_size
 * the IP length covers the whole super-segment, as virtio wants it.
 */
#include "frame/frame_build.h"

#include <string.h>

#include "engine/conf_types.h"
#include "util/csum.h"
#include "util/log.h"
#include "util/wire.h"

enum {
	FRAME_TTL	= 64,
	FRAME_TTL_NDP	= 255,
	FRAG_IOV	= 64,		/* of what is cut into fragments: each
					 * datagram lies in one of ours */
	FRAG_UNIT	= 8,		/* bytes; RFC 791 3.1, RFC 8200 4.5 */
};

/* IPv6 fragment header, RFC 8200 4.5 */
struct wire_ip6_frag {
	uint8_t next_hdr;
	uint8_t reserved;
	be16_t off_more;
	be32_t id;
} __attribute__((packed));
static_assert(sizeof(struct wire_ip6_frag) == 8, "RFC 8200");

static struct {
	unsigned mtu;			/* 0: no limit but the link's */
	uint32_t frag_id;
} frame;

/* Less leaves no room for data behind the headers of TCP (with timestamps) or of
 * a fragment. IPv4: RFC 791 3.2, what every network carries; IPv6: the same behind
 * its longer header (RFC 8200 5 has 1280, for whoever can configure that).
 */
static const unsigned frame_mtu_least[FAMILIES] = {
	[V4] = CONF_MTU_LEAST,
	[V6] = CONF_MTU_LEAST + sizeof(struct wire_ip6) -
	       sizeof(struct wire_ip4),
};

size_t frame_l3_len(const struct frame_ip *ip)
{
	return sizeof(struct wire_eth) +
	       (addr_is_v4(&ip->src) ? sizeof(struct wire_ip4) :
				       sizeof(struct wire_ip6));
}

static void frame_eth(uint8_t *p, const uint8_t *dst_mac, uint16_t type)
{
	struct wire_eth eth = { .type = be16_put(type) };

	memcpy(eth.dst, dst_mac, sizeof(eth.dst));
	memcpy(eth.src, tap_our_mac(), sizeof(eth.src));
	memcpy(p, &eth, sizeof(eth));
}

/* len: L4 header and payload. frag, id: IPv4 only. */
static void frame_ip4(uint8_t *p, const struct frame_ip *ip, size_t len,
		      uint16_t frag, uint16_t id)
{
	struct wire_ip4 h = {
		.ver_ihl = 0x45,
		.tos = ip->tos,
		.tot_len = be16_put((uint16_t)(sizeof(h) + len)),
		.id = be16_put(id),
		.frag = be16_put(frag),
		.ttl = ip->ttl ? ip->ttl : FRAME_TTL,
		.proto = ip->proto,
	};

	memcpy(h.src, addr_v4_bytes(&ip->src), sizeof(h.src));
	memcpy(h.dst, addr_v4_bytes(&ip->dst), sizeof(h.dst));
	h.csum = csum_finish(csum_add(0, &h, sizeof(h)));
	memcpy(p, &h, sizeof(h));
}

static void frame_ip6(uint8_t *p, const struct frame_ip *ip, size_t len,
		      uint8_t next_hdr)
{
	struct wire_ip6 h = {
		.ver_tc_flow = be32_put(6U << 28 | (uint32_t)ip->tos << 20),
		.payload_len = be16_put((uint16_t)len),
		.next_hdr = next_hdr,
		.hop_limit = ip->ttl ? ip->ttl :
			     ip->proto == PROTO_ICMP6 ? FRAME_TTL_NDP :
			     FRAME_TTL,
	};

	memcpy(h.src, ip->src.b, sizeof(h.src));
	memcpy(h.dst, ip->dst.b, sizeof(h.dst));
	memcpy(p, &h, sizeof(h));
}

/* Ethernet header by the addresses; multicast maps (RFC 1112 6.4, RFC 2464 7) */
static void frame_eth_ip(uint8_t *p, const struct frame_ip *ip)
{
	const uint8_t *a = ip->dst.b;
	const uint8_t *mac = ip->dst_mac;
	uint8_t group[6];
	bool v4 = addr_is_v4(&ip->dst);

	if (!mac && addr_is_multicast(&ip->dst)) {
		if (v4)
			memcpy(group, (uint8_t[]){ 1, 0, 0x5e, a[13] & 0x7f,
						   a[14], a[15] }, 6);
		else
			memcpy(group, (uint8_t[]){ 0x33, 0x33, a[12], a[13],
						   a[14], a[15] }, 6);
		mac = group;
	}
	frame_eth(p, mac ? mac : tap_guest_mac(),
		  v4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6_);
}

/* Checksum field at p + offset, over l4 header (at p) and payload */
static void frame_csum(uint8_t *p, const struct frame_ip *ip, size_t l4_len,
		       const struct bytes *payload, bool partial)
{
	size_t len = l4_len + payload->len;
	size_t off = wire_csum_offset(ip->proto);
	uint64_t sum = 0;
	be16_t csum;

	if (ip->proto != PROTO_ICMP)
		sum = csum_pseudo(&ip->src, &ip->dst, ip->proto,
				  (uint32_t)len);
	if (partial) {
		csum = (be16_t){ csum_fold(sum) };
	} else {
		sum = csum_add(sum, p, l4_len);
		csum = csum_finish(csum_add_bytes(sum, payload));
		/* RFC 768: zero would mean "none" */
		if (ip->proto == PROTO_UDP && !csum.raw)
			csum.raw = 0xffff;
	}
	memcpy(p + off, &csum, sizeof(csum));
}

size_t frame_build(uint8_t *hdr, const struct frame_ip *ip,
		   const void *l4, size_t l4_len,
		   const struct bytes *payload, uint16_t gso_size,
		   struct tap_meta *ret_meta)
{
	static const struct bytes empty;
	bool partial = tap_caps()->tx.csum &&
		       (ip->proto == PROTO_TCP || ip->proto == PROTO_UDP);
	size_t l3_len = frame_l3_len(ip);
	uint8_t *l3 = hdr + sizeof(struct wire_eth);
	uint8_t *p = hdr + l3_len;
	size_t len;

	if (!payload)
		payload = &empty;
	len = l4_len + payload->len;
	frame_eth_ip(hdr, ip);
	if (addr_is_v4(&ip->src))
		frame_ip4(l3, ip, len, ip->df ? IP4_DF : 0,
			  ip->df ? 0 : (uint16_t)frame.frag_id++);
	else
		frame_ip6(l3, ip, len, ip->proto);
	memcpy(p, l4, l4_len);
	frame_csum(p, ip, l4_len, payload, partial);
	trace("guest < protocol %u %s -> %s, %u bytes", ip->proto,
	      ADDR_STR(&ip->src), ADDR_STR(&ip->dst), payload->len);

	*ret_meta = (struct tap_meta){
		.csum_partial = partial,
		.csum_start = (uint16_t)l3_len,
		.csum_offset = (uint16_t)wire_csum_offset(ip->proto),
	};
	if (gso_size && payload->len > gso_size) {
		ret_meta->gso = ip->proto == PROTO_TCP ? TAP_GSO_TCP :
							 TAP_GSO_UDP;
		ret_meta->gso_size = gso_size;
	}
	return l3_len + l4_len;
}

/* One datagram in fragments of at most the MTU: `all` is L4 header and payload,
 * the checksum complete
 */
static bool frame_send_frags(const struct frame_ip *ip,
			     const struct bytes *all)
{
	static const struct tap_meta meta;
	bool v4 = addr_is_v4(&ip->src);
	size_t l3_len = frame_l3_len(ip);
	size_t ip_len = l3_len - sizeof(struct wire_eth) +
			(v4 ? 0 : sizeof(struct wire_ip6_frag));
	unsigned mtu = frame_mtu(addr_family(&ip->src));
	uint32_t room = (uint32_t)((mtu - ip_len) & ~(FRAG_UNIT - 1U));
	uint32_t id = ++frame.frag_id;
	uint8_t hdr[TAP_HDR_MAX];
	bool ok = true;

	for (uint32_t off = 0; off < all->len && ok; off += room) {
		struct bytes part = bytes_slice(all, off, room);
		bool more = off + part.len < all->len;
		uint8_t *l3 = hdr + sizeof(struct wire_eth);
		size_t hdr_len = l3_len;

		frame_eth_ip(hdr, ip);
		if (v4) {
			frame_ip4(l3, ip, part.len, (uint16_t)(off / FRAG_UNIT |
				  (more ? IP4_MF : 0)), (uint16_t)id);
		} else {
			struct wire_ip6_frag fh = {
				.next_hdr = ip->proto,
				.off_more = be16_put((uint16_t)(off | more)),
				.id = be32_put(id),
			};

			frame_ip6(l3, ip, sizeof(fh) + part.len,
				  PROTO_FRAGMENT);
			memcpy(hdr + l3_len, &fh, sizeof(fh));
			hdr_len += sizeof(fh);
		}
		ok = tap_send(hdr, hdr_len, &part, &meta);
	}
	return ok;
}

bool frame_send(const struct frame_ip *ip, const void *l4, size_t l4_len,
		const struct bytes *payload, uint16_t gso_size)
{
	static const struct bytes empty;
	struct iovec iov[1 + FRAG_IOV];
	uint8_t hdr[TAP_HDR_MAX], l4_copy[TAP_HDR_MAX];
	struct tap_meta meta;
	struct bytes all;
	unsigned mtu;
	size_t len;

	if (!payload)
		payload = &empty;
	len = frame_l3_len(ip) - sizeof(struct wire_eth) + l4_len;
	len += gso_size ? MIN(gso_size, payload->len) : payload->len;
	mtu = frame_mtu(addr_family(&ip->src));
	if (mtu && len > mtu && ip->proto != PROTO_TCP) {
		memcpy(l4_copy, l4, l4_len);
		frame_csum(l4_copy, ip, l4_len, payload, false);
		iov[0] = iov_const(l4_copy, l4_len);
		all.cnt = 1 + bytes_to_iov(payload, iov + 1, FRAG_IOV);
		if (payload->cnt > FRAG_IOV)
			return false;
		all.iov = iov;
		all.off = 0;
		all.len = (uint32_t)l4_len + payload->len;
		return frame_send_frags(ip, &all);
	}
	len = frame_build(hdr, ip, l4, l4_len, payload, gso_size, &meta);
	return tap_send(hdr, len, payload, &meta);
}

bool frame_send_udp(const struct frame_ip *ip, uint16_t sport, uint16_t dport,
		    const struct bytes *payload, uint16_t gso_size)
{
	struct frame_ip udp_ip = *ip;
	struct wire_udp h = {
		.sport = be16_put(sport),
		.dport = be16_put(dport),
		.len = be16_put((uint16_t)(sizeof(h) + payload->len)),
	};

	udp_ip.proto = PROTO_UDP;
	return frame_send(&udp_ip, &h, sizeof(h), payload, gso_size);
}

bool frame_send_icmp(const struct frame_ip *ip, uint8_t type, uint8_t code,
		     const struct bytes *rest)
{
	/* The four bytes that precede `rest` are the L4 header here */
	uint8_t h[4] = { type, code };

	return frame_send(ip, h, sizeof(h), rest, 0);
}

bool frame_send_eth(const uint8_t dst_mac[6], uint16_t ethertype,
		    const void *data, size_t len)
{
	static const struct tap_meta meta;
	struct iovec iov = iov_const(data, len);
	struct bytes payload = { &iov, 1, 0, (uint32_t)len };
	uint8_t hdr[sizeof(struct wire_eth)];

	frame_eth(hdr, dst_mac, ethertype);
	return tap_send(hdr, sizeof(hdr), &payload, &meta);
}

void frame_set_mtu(unsigned mtu)
{
	frame.mtu = mtu;
}

unsigned frame_mtu(enum family f)
{
	unsigned link = tap_caps()->mtu;
	unsigned mtu = link && (!frame.mtu || link < frame.mtu) ? link :
								 frame.mtu;

	return mtu ? MAX(mtu, frame_mtu_least[f]) : 0;
}
