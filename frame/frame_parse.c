// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: headers of a guest's frame → struct pkt, see frame_parse.h
 *
 * Flow: the first PARSE_MAX bytes are copied to private memory (in a
 * vhost-user guest, the frame itself may change under us), then read with a
 * cursor: Ethernet → ARP, IPv4 or IPv6 with its extension headers → TCP, UDP,
 * ICMP. Lengths come from the IP header, so Ethernet padding is cut off.
 *
 * Checksums are verified unless the link vouches for them (RFC 9293 3.1, RFC
 * 768, RFC 4443 2.3). A UDP checksum of zero is none in IPv4, and an error in
 * IPv6 (RFC 8200 8.1).
 */
#include "frame/frame_parse.h"

#include <string.h>

#include "util/csum.h"
#include "util/rdwr.h"
#include "util/wire.h"

enum {
	/* Ethernet, IPv4 with options or IPv6 with some extension headers, TCP
	 * with options
	 */
	PARSE_MAX	= 256,
	IPV6_EXT_MAX	= 8,		/* extension headers we walk through */
};

static void parse_mac(struct rd *rd, uint8_t mac[6])
{
	rd_copy(rd, mac, 6);
}

/* Cut views to `len` bytes from the IP header on, which starts at off */
static bool parse_trim(const struct tap_frame *frame, struct pkt *pkt,
		       uint32_t off, uint32_t len)
{
	if (len > frame->data.len - off)
		return false;
	pkt->l3 = bytes_slice(&frame->data, off, len);
	return true;
}

/* Transport checksum over what is in pkt->l3 from l4_off on */
static bool parse_csum_ok(const struct pkt *pkt, uint32_t l4_off)
{
	struct bytes l4 = bytes_slice(&pkt->l3, l4_off, pkt->l3.len - l4_off);
	uint64_t sum = 0;

	if (pkt->proto != PROTO_ICMP)
		sum = csum_pseudo(&pkt->src, &pkt->dst, pkt->proto, l4.len);
	return csum_fold(csum_add_bytes(sum, &l4)) == 0xffff;
}

static enum pkt_verdict parse_tcp(struct pkt *pkt, struct rd *rd,
				  uint32_t l4_off)
{
	uint32_t l4_len = pkt->l3.len - l4_off;
	uint32_t hlen;

	pkt->sport = rd_u16(rd);
	pkt->dport = rd_u16(rd);
	pkt->tcp.seq = rd_u32(rd);
	pkt->tcp.ack = rd_u32(rd);
	hlen = (rd_u8(rd) >> 4) * 4U;
	pkt->tcp.flags = rd_u8(rd);
	pkt->tcp.wnd = rd_u16(rd);
	rd_u16(rd);			/* checksum */
	pkt->tcp.urg = rd_u16(rd);
	if (rd->bad || hlen < sizeof(struct wire_tcp) || hlen > l4_len)
		return PKT_BAD;
	pkt->tcp.opt_len = (uint8_t)(hlen - sizeof(struct wire_tcp));
	rd_copy(rd, pkt->tcp.opt, pkt->tcp.opt_len);
	pkt->payload = bytes_slice(&pkt->l3, l4_off + hlen, l4_len - hlen);
	return rd->bad || !pkt->sport || !pkt->dport ? PKT_BAD : PKT_OK;
}

static enum pkt_verdict parse_udp(struct pkt *pkt, struct rd *rd,
				  uint32_t l4_off, bool *ret_no_csum)
{
	uint32_t l4_len = pkt->l3.len - l4_off;
	uint32_t len;
	uint16_t csum;

	pkt->sport = rd_u16(rd);
	pkt->dport = rd_u16(rd);
	len = rd_u16(rd);
	csum = rd_u16(rd);
	/* A guest's segmentation offload leaves a length for the whole */
	if (pkt->gso_size)
		len = l4_len;
	if (rd->bad || len < sizeof(struct wire_udp) || len > l4_len)
		return PKT_BAD;
	if (!csum && pkt->family == V6)
		return PKT_CSUM;
	*ret_no_csum = !csum;
	pkt->l4_csum = csum;
	pkt->l3.len = l4_off + len;
	pkt->payload = bytes_slice(&pkt->l3, l4_off + sizeof(struct wire_udp),
				   len - sizeof(struct wire_udp));
	return pkt->dport ? PKT_OK : PKT_BAD;
}

static enum pkt_verdict parse_icmp(struct pkt *pkt, struct rd *rd,
				   uint32_t l4_off)
{
	uint32_t l4_len = pkt->l3.len - l4_off;

	pkt->icmp.type = rd_u8(rd);
	pkt->icmp.code = rd_u8(rd);
	rd_u16(rd);			/* checksum */
	pkt->icmp.id = rd_u16(rd);
	pkt->icmp.seq = rd_u16(rd);
	if (rd->bad || l4_len < sizeof(struct wire_icmp))
		return PKT_BAD;
	pkt->payload = bytes_slice(&pkt->l3, l4_off + 4, l4_len - 4);
	return PKT_OK;
}

static enum pkt_verdict parse_l4(const struct tap_frame *frame,
				 struct pkt *pkt, struct rd *rd,
				 uint32_t l4_off)
{
	enum pkt_verdict verdict;
	bool no_csum = false;

	pkt->payload = bytes_slice(&pkt->l3, l4_off, pkt->l3.len - l4_off);
	switch (pkt->proto) {
	case PROTO_TCP:
		verdict = parse_tcp(pkt, rd, l4_off);
		break;
	case PROTO_UDP:
		verdict = parse_udp(pkt, rd, l4_off, &no_csum);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		if ((pkt->proto == PROTO_ICMP) != (pkt->family == V4))
			return PKT_UNKNOWN_PROTO;
		verdict = parse_icmp(pkt, rd, l4_off);
		break;
	default:
		return PKT_UNKNOWN_PROTO;
	}
	/* What wasn't verified may be left to an offload of the guest's */
	if (frame->meta.csum_ok)
		pkt->l4_csum = 0;
	else if (verdict == PKT_OK && !no_csum && !parse_csum_ok(pkt, l4_off))
		return PKT_CSUM;
	return verdict;
}

/* Options mean nothing to us, but must be well formed: RFC 791 3.1 */
static bool parse_ip4_opts(struct rd *rd, size_t len)
{
	struct rd opts = rd_sub(rd, len);

	while (!opts.bad && opts.left) {
		uint8_t type = rd_u8(&opts), n;

		if (!type)
			break;
		if (type == 1)
			continue;
		n = rd_u8(&opts);
		if (n < 2)
			return false;
		rd_bytes(&opts, n - 2U);
	}
	return !opts.bad;
}

static enum pkt_verdict parse_ip4(const struct tap_frame *frame,
				  struct pkt *pkt, struct rd *rd, uint32_t off)
{
	const uint8_t *start = rd->p;
	uint32_t hlen, len;
	uint16_t frag, id;
	uint8_t src[4], dst[4], ver_ihl;

	ver_ihl = rd_u8(rd);
	hlen = (ver_ihl & 0xf) * 4U;
	pkt->tos = rd_u8(rd);
	len = rd_u16(rd);
	id = rd_u16(rd);
	frag = rd_u16(rd);
	pkt->ttl = rd_u8(rd);
	pkt->proto = rd_u8(rd);
	rd_u16(rd);			/* checksum */
	rd_copy(rd, src, 4);
	rd_copy(rd, dst, 4);
	if (rd->bad || ver_ihl >> 4 != 4 || hlen < sizeof(struct wire_ip4) ||
	    len < hlen || !parse_ip4_opts(rd, hlen - sizeof(struct wire_ip4)) ||
	    !parse_trim(frame, pkt, off, len))
		return PKT_BAD;
	if (csum_fold(csum_add(0, start, hlen)) != 0xffff)
		return PKT_CSUM;

	pkt->family = V4;
	pkt->src = addr_from_v4(src);
	pkt->dst = addr_from_v4(dst);
	pkt->df = frag & IP4_DF;
	pkt->ip_id = id;
	if (frag & (IP4_MF | IP4_OFFSET)) {
		pkt->frag = (struct pkt_frag){
			.id = id,
			.off = (uint16_t)((frag & IP4_OFFSET) * 8),
			.more = frag & IP4_MF,
		};
		pkt->payload = bytes_slice(&pkt->l3, hlen, len - hlen);
		return PKT_FRAGMENT;
	}
	return parse_l4(frame, pkt, rd, hlen);
}

/* The fragment header, at l4_off: RFC 8200 4.5 */
static enum pkt_verdict parse_ip6_frag(struct pkt *pkt, struct rd *rd,
				       uint32_t l4_off)
{
	uint8_t next_hdr = rd_u8(rd);
	uint16_t off_more;
	uint32_t data_off;

	rd_u8(rd);			/* reserved */
	off_more = rd_u16(rd);
	pkt->frag.id = rd_u32(rd);
	pkt->frag.off = (uint16_t)(off_more & ~7U);
	pkt->frag.more = off_more & 1;
	data_off = l4_off + 8;
	if (rd->bad || data_off > pkt->l3.len)
		return PKT_BAD;
	pkt->proto = next_hdr;
	pkt->payload = bytes_slice(&pkt->l3, data_off,
				   pkt->l3.len - data_off);
	return PKT_FRAGMENT;
}

/* Skip one extension header. False at the upper layer's header, or if it is one
 * that ends the walk (*ret_verdict says how).
 */
static bool parse_ip6_ext(struct pkt *pkt, struct rd *rd, uint32_t *l4_off,
			  enum pkt_verdict *ret_verdict)
{
	uint32_t len;

	switch (pkt->proto) {
	case PROTO_HOPOPTS:
	case PROTO_ROUTING:
	case PROTO_DSTOPTS:
		pkt->frag.next_hdr_at = (uint16_t)*l4_off;
		pkt->proto = rd_u8(rd);
		len = rd_u8(rd) * 8U + 8;
		rd_bytes(rd, len - 2);
		*l4_off += len;
		*ret_verdict = PKT_BAD;
		return !rd->bad && *l4_off <= pkt->l3.len;
	case PROTO_FRAGMENT:
		*ret_verdict = parse_ip6_frag(pkt, rd, *l4_off);
		return false;
	case PROTO_NONE:
		*ret_verdict = PKT_IGNORED;
		return false;
	}
	*ret_verdict = PKT_OK;
	return false;
}

static enum pkt_verdict parse_ip6(const struct tap_frame *frame,
				  struct pkt *pkt, struct rd *rd, uint32_t off)
{
	uint32_t word = rd_u32(rd), l4_off = sizeof(struct wire_ip6);
	enum pkt_verdict verdict = PKT_BAD;
	uint16_t len = rd_u16(rd);
	uint8_t src[16], dst[16];

	pkt->proto = rd_u8(rd);
	pkt->ttl = rd_u8(rd);
	rd_copy(rd, src, 16);
	rd_copy(rd, dst, 16);
	if (rd->bad || word >> 28 != 6 ||
	    !parse_trim(frame, pkt, off, sizeof(struct wire_ip6) + len))
		return PKT_BAD;

	pkt->family = V6;
	pkt->tos = (uint8_t)(word >> 20);
	pkt->ip_id = word & 0xfffff;
	pkt->src = addr_from_v6(src);
	pkt->dst = addr_from_v6(dst);
	/* v4-mapped addresses don't belong on a wire, and ours mean IPv4 */
	if (addr_is_v4(&pkt->src) || addr_is_v4(&pkt->dst))
		return PKT_BAD;
	pkt->frag.next_hdr_at = offsetof(struct wire_ip6, next_hdr);
	for (unsigned i = 0; i <= IPV6_EXT_MAX; i++)
		if (!parse_ip6_ext(pkt, rd, &l4_off, &verdict))
			break;
	if (verdict != PKT_OK)
		return verdict;
	return parse_l4(frame, pkt, rd, l4_off);
}

enum pkt_verdict frame_parse(const struct tap_frame *frame,
			     struct pkt *ret_pkt)
{
	uint8_t hdr[PARSE_MAX];
	size_t n = bytes_copy(&frame->data, 0, hdr, sizeof(hdr));
	struct rd rd = rd_init(hdr, n);
	struct pkt *pkt = ret_pkt;
	uint16_t type;

	parse_mac(&rd, pkt->dst_mac);
	parse_mac(&rd, pkt->src_mac);
	type = rd_u16(&rd);
	if (rd.bad)
		return PKT_BAD;
	pkt->gso_size = frame->meta.gso_size;
	pkt->df = true;
	pkt->l4_csum = 0;

	switch (type) {
	case ETHERTYPE_ARP_:
		pkt->kind = PKT_ARP;
		pkt->l3 = bytes_slice(&frame->data, ETH_HLEN_,
				      frame->data.len - ETH_HLEN_);
		pkt->payload = pkt->l3;
		return PKT_OK;
	case ETHERTYPE_IPV4:
		pkt->kind = PKT_IP;
		return parse_ip4(frame, pkt, &rd, ETH_HLEN_);
	case ETHERTYPE_IPV6_:
		pkt->kind = PKT_IP;
		return parse_ip6(frame, pkt, &rd, ETH_HLEN_);
	}
	return PKT_IGNORED;
}
