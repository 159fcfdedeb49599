// SPDX-License-Identifier: GPL-2.0-or-later
/* Links: all.o
 *
 * Frames of every kind: make fuzz, then build/fuzz/fuzz_frame -dict=test/fuzz/frame.dict
 * [CORPUS]. As they are, with checksums put right, or made layer by layer around bytes
 * of the input; datagrams in fragments; and what comes back by sockets and their queues
 * of errors. On a stream. What is checked: fuzz_world.h.
 */
#include "fuzz_world.h"

enum { PAYLOAD_MAX = 2048, FRAGMENTS = 8 };

static uint8_t frame[65536 + 64];

/* Where the transport header is that extension headers lead to, and whose; 0: none */
static size_t skip_extensions(const uint8_t *p, size_t len, size_t at, uint8_t *proto)
{
	while (*proto == PROTO_HOPOPTS || *proto == PROTO_ROUTING ||
	       *proto == PROTO_DSTOPTS) {
		if (at + 8 > len)
			return 0;
		*proto = p[at];
		at += 8U + 8U * p[at + 1];
	}
	return at < len ? at : 0;
}

/* Checksums as they should be, whatever else is wrong */
static void put_right(uint8_t *p, size_t len)
{
	size_t l3 = sizeof(struct wire_eth), at;
	struct addr src, dst;
	uint8_t proto;

	if (len < l3 + sizeof(struct wire_ip4))
		return;
	if (p[12] == 0x08 && !p[13]) {
		struct wire_ip4 h;
		be16_t csum = { 0 };

		memcpy(&h, p + l3, sizeof(h));
		at = l3 + h.ver_ihl % 16U * 4U;
		if (at > len)
			return;
		memcpy(p + l3 + offsetof(struct wire_ip4, csum), &csum, 2);
		csum = csum_finish(csum_add(0, p + l3, at - l3));
		memcpy(p + l3 + offsetof(struct wire_ip4, csum), &csum, 2);
		src = addr_from_v4(h.src);
		dst = addr_from_v4(h.dst);
		proto = h.proto;
		len = MIN(len, l3 + be16_get(h.tot_len));
	} else {
		struct wire_ip6 h;

		if (len < l3 + sizeof(h))
			return;
		memcpy(&h, p + l3, sizeof(h));
		src = addr_from_v6(h.src);
		dst = addr_from_v6(h.dst);
		proto = h.next_hdr;
		len = MIN(len, l3 + sizeof(h) + be16_get(h.payload_len));
		at = skip_extensions(p, len, l3 + sizeof(h), &proto);
		if (!at)
			return;
	}
	if (at < len)
		guest_csum(&src, &dst, proto, p + at, len - at);
}

static void op_raw(void)
{
	bool right = in_u8() & 1;
	size_t len = in_bytes(frame, in_u16() % sizeof(frame));

	if (right)
		put_right(frame, len);
	guest_send(frame, len, NULL);
}

static const uint8_t protos[] = { PROTO_UDP, PROTO_ICMP, PROTO_ICMP6, PROTO_TCP,
				  PROTO_IGMP, 132 };

/* A transport header with what follows, right but for the choice of its bytes, behind
 * room for the headers before it
 */
static size_t make_l4(uint8_t *p, uint8_t proto, const struct addr *src,
		      const struct addr *dst)
{
	static const uint16_t ports[] = { 67, 68, 547, 546, 53, 853, 80, 8080,
					  40000, 40001, 0, 5353 };
	uint16_t sport = ports[in_u8() % ARRAY_SIZE(ports)];
	uint16_t dport = ports[in_u8() % ARRAY_SIZE(ports)];
	size_t hdr = proto == PROTO_UDP ? sizeof(struct wire_udp) : 0, len;
	struct wire_udp udp = {
		.sport = be16_put(sport), .dport = be16_put(dport),
	};

	len = hdr + in_bytes(p + hdr, in_size() % PAYLOAD_MAX);
	udp.len = be16_put((uint16_t)len);
	memcpy(p, &udp, hdr);
	guest_csum(src, dst, proto, p, len);
	return len;
}

static void op_packet(void)
{
	uint8_t proto = protos[in_u8() % ARRAY_SIZE(protos)], how = in_u8();
	struct addr src = in_addr(), dst = in_addr();
	uint8_t l4[PAYLOAD_MAX + 64];
	size_t len, at;

	/* The header is of the destination's family */
	len = make_l4(l4, proto, &src, &dst);
	at = guest_headers(frame, &src, &dst, proto, len);
	if (how & 1)
		frame[at - 1 - in_u8() % (at - 12)] = in_u8();
	if (how & 2)
		frame[sizeof(struct wire_eth) + (addr_is_v4(&dst) ? 8 : 7)] =
			in_u8();			/* TTL */
	memcpy(frame + at, l4, len);
	if (how & 3)
		put_right(frame, at + len);
	guest_send(frame, at + len, NULL);
}

/* Headers in between, each of any kind */
static void op_extensions(void)
{
	static const uint8_t kinds[] = { PROTO_HOPOPTS, PROTO_ROUTING,
					 PROTO_DSTOPTS, PROTO_FRAGMENT,
					 PROTO_NONE, 51, 135 };
	struct addr src, dst;
	uint8_t l4[PAYLOAD_MAX + 64], proto, ext[8 * 256], next;
	size_t len = 0, l4_len, at;
	unsigned n = in_u8() % 6;

	addr_parse("2001:db8::15", &src);
	addr_parse("2001:db8:1::1", &dst);
	proto = protos[in_u8() % ARRAY_SIZE(protos)];
	l4_len = make_l4(l4, proto, &src, &dst);
	next = n ? kinds[in_u8() % ARRAY_SIZE(kinds)] : proto;
	at = guest_headers(frame, &src, &dst, next, 0);
	while (n--) {
		size_t size = 8U + in_u8() % 4 * 8U;

		memset(ext + len, 0, size);
		ext[len] = n ? kinds[in_u8() % ARRAY_SIZE(kinds)] : proto;
		ext[len + 1] = (uint8_t)(size / 8 - 1);
		in_bytes(ext + len + 2, size - 2);
		len += size;
	}
	at = guest_headers(frame, &src, &dst, next, len + l4_len);
	memcpy(frame + at, ext, len);
	memcpy(frame + at + len, l4, l4_len);
	guest_send(frame, at + len + l4_len, NULL);
}

/* len bytes of a datagram from `off` on */
static void send_fragment(const struct addr *src, const struct addr *dst, uint8_t proto,
			  const uint8_t *l4, size_t off, size_t len, bool more,
			  uint16_t id)
{
	uint16_t field = (uint16_t)(off / 8);
	size_t at;

	if (addr_is_v4(dst)) {
		struct wire_ip4 h;

		at = guest_headers(frame, src, dst, proto, len);
		memcpy(&h, frame + sizeof(struct wire_eth), sizeof(h));
		h.frag = be16_put((uint16_t)(field | (more ? IP4_MF : 0)));
		h.id = be16_put(id);
		memcpy(frame + sizeof(struct wire_eth), &h, sizeof(h));
		memcpy(frame + at, l4, len);
		put_right(frame, at);
	} else {
		const uint8_t ext[8] = {
			proto, 0, (uint8_t)(off >> 8),
			(uint8_t)((off & 0xf8) | more), 0, 0,
			(uint8_t)(id >> 8), (uint8_t)id,
		};

		at = guest_headers(frame, src, dst, PROTO_FRAGMENT,
				   sizeof(ext) + len);
		memcpy(frame + at, ext, sizeof(ext));
		at += sizeof(ext);
		memcpy(frame + at, l4, len);
	}
	guest_send(frame, at + len, NULL);
}

/* A datagram in pieces, in order and without gaps unless the input wants them */
static void op_fragments(void)
{
	static uint8_t l4[65536];
	struct addr src = in_addr(), dst = in_addr();
	uint8_t proto = protos[in_u8() % 4], how = in_u8(), n = in_u8() % FRAGMENTS + 1;
	size_t len, size, at = 0;
	uint16_t id = in_u8();
	struct wire_udp udp;

	len = make_l4(l4, proto, &src, &dst);
	if (how & 1) {
		len = MAX(len, in_u16() % 65000U);
		memcpy(&udp, l4, sizeof(udp));
		udp.len = be16_put((uint16_t)len);
		if (proto == PROTO_UDP)
			memcpy(l4, &udp, sizeof(udp));
		guest_csum(&src, &dst, proto, l4, len);
	}
	size = (len / n + 7) & ~(size_t)7;
	for (unsigned i = 0; i < n; i++) {
		size_t part = i == n - 1U ? len - MIN(at, len) :
			      MIN(size, len - MIN(at, len));
		size_t off = at;

		if (how & 2)
			off = at + 8U * in_u8() - MIN(at, 128U * 8U);
		if (how & 4)
			part = MIN(in_u16(), len);
		off = MIN(off, len) & ~(size_t)7;
		part = MIN(part, len - off);
		send_fragment(&src, &dst, proto, l4 + off, off, part,
			      i < n - 1U, id);
		at += size;
	}
	memset(l4, 0, len);
}

/* To whom there may be answers: a flow's beginning */
static void op_ask(void)
{
	uint8_t how = in_u8(), proto = how & 2 ? PROTO_UDP :
					how & 1 ? PROTO_ICMP6 : PROTO_ICMP;
	uint8_t l4[8 + 256] = { [5] = how };
	struct addr src, dst;
	struct wire_udp udp = { .sport = be16_put(40000 + how / 64),
				.dport = be16_put(how & 4 ? 53 : 7) };
	size_t len, at;

	addr_parse(how & 1 ? "2001:db8::15" : "192.0.2.15", &src);
	addr_parse(how & 1 ? "2001:db8:1::1" : how & 4 ? "192.0.2.3" :
		   "198.51.100.1", &dst);
	len = 8 + in_bytes(l4 + 8, in_u8());
	udp.len = be16_put((uint16_t)len);
	l4[0] = how & 1 ? ICMP6_ECHO : ICMP4_ECHO;
	if (proto == PROTO_UDP)
		memcpy(l4, &udp, sizeof(udp));
	guest_csum(&src, &dst, proto, l4, len);
	at = guest_headers(frame, &src, &dst, proto, len);
	memcpy(frame + at, l4, len);
	guest_send(frame, at + len, NULL);
}

/* len bytes behind a header of UDP, from the guest to all */
static void send_udp(bool v6, uint16_t sport, uint16_t dport, uint8_t *l4, size_t len)
{
	struct wire_udp udp = { .sport = be16_put(sport), .dport = be16_put(dport),
				.len = be16_put((uint16_t)(sizeof(udp) + len)) };
	struct addr src = { { 0 } }, dst;
	size_t at;

	addr_parse(v6 ? "fe80::15" : in_u8() & 1 ? "0.0.0.0" : "192.0.2.15", &src);
	addr_parse(v6 ? "ff02::1:2" : "255.255.255.255", &dst);
	memcpy(l4, &udp, sizeof(udp));
	guest_csum(&src, &dst, PROTO_UDP, l4, sizeof(udp) + len);
	at = guest_headers(frame, &src, &dst, PROTO_UDP, sizeof(udp) + len);
	memcpy(frame + at, l4, sizeof(udp) + len);
	guest_send(frame, at + sizeof(udp) + len, NULL);
}

/* Options of DHCP or DHCPv6, with codes and lengths of so many bytes: those that
 * somebody looks at, mostly with the length that they have. Where they end.
 */
static size_t make_options(uint8_t *p, size_t at, size_t size, const uint8_t *codes,
			   unsigned n, unsigned width)
{
	unsigned options = in_u8() % 12;

	while (options--) {
		uint8_t code = in_u8(), len = in_u8() % 64, data[64];
		uint8_t lie = in_u8();

		code = code < 224 ? codes[code % n] : code;
		len = (uint8_t)in_bytes(data, len);
		if (at + 2U * width + len > size)
			break;
		if (width == 2)
			p[at++] = 0;
		p[at++] = code;
		if (width == 2)
			p[at++] = 0;
		p[at++] = lie < 240 ? len : lie;
		memcpy(p + at, data, len);
		at += len;
	}
	return at;
}

static void op_dhcp(void)
{
	static const uint8_t codes[] = { 53, 50, 52, 54, 55, 57, 61, 80, 81, 12, 255,
					 0, 121, 82 };
	static const uint8_t cookie[4] = { 99, 130, 83, 99 };
	uint8_t l4[8 + 1500] = { 0 }, *p = l4 + 8, how = in_u8();
	size_t at = 240;

	if (how & 2)
		make_options(p + 44, 0, 192, codes, sizeof(codes), 1);
	p[0] = how & 8 ? in_u8() : 1;
	p[1] = 1;
	p[2] = how & 16 ? in_u8() : 6;
	in_bytes(p + 4, how & 1 ? 40 : 0);	/* all up to the names */
	memcpy(p + 28, guest_mac, 6);
	memcpy(p + 236, cookie, how & 32 ? 3 : 4);
	if (how & 4) {
		p[at++] = 53;
		p[at++] = 1;
		p[at++] = in_u8() % 10;
	}
	at = make_options(p, at, 1400, codes, sizeof(codes), 1);
	if (how & 64)
		p[at++] = 255;
	send_udp(false, 68, 67, l4, at);
}

static void op_dhcpv6(void)
{
	static const uint8_t codes[] = { 1, 2, 3, 4, 5, 6, 8, 13, 14, 25, 26, 39 };
	uint8_t l4[8 + 1500], *p = l4 + 8, how = in_u8(), inner[256], ia = in_u8() % 3;
	size_t at = 4, n;

	p[0] = how % 16;
	in_bytes(p + 1, 3);
	if (how & 16) {
		/* Who asks, and whom */
		static const uint8_t ids[] = {
			0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56,
			0, 2, 0, 10, 0, 3, 0, 1, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55,
		};

		memcpy(p + at, ids, sizeof(ids));
		at += how & 32 ? sizeof(ids) : sizeof(ids) / 2;
	}
	if (how & 64) {
		/* An association, and what is in it */
		n = 12 + in_bytes(inner + 12, in_u8() % 64);
		if (in_u8() & 1) {
			struct addr a = in_addr();

			memset(inner, 0, 12 + 28);
			inner[13] = 5;
			inner[15] = 24;
			memcpy(inner + 16, a.b, 16);
			n = 12 + 28;
		}
		p[at++] = 0;
		p[at++] = (uint8_t[]){ 3, 4, 25 }[ia];
		p[at++] = 0;
		p[at++] = (uint8_t)n;
		memcpy(p + at, inner, n);
		at += n;
	}
	at = make_options(p, at, 1400, codes, sizeof(codes), 2);
	send_udp(true, 546, 547, l4, at);
}

static void op_ndp(void)
{
	uint8_t l4[8 + 16 + 256] = { (uint8_t)(133 + in_u8() % 5), in_u8() & 1 };
	struct addr src = in_addr(), dst = in_addr(), target = in_addr();
	size_t len = 8, at;
	unsigned options = in_u8() % 4;

	if (addr_is_v4(&dst))
		addr_parse("ff02::1", &dst);
	if (l4[0] != 133) {
		memcpy(l4 + 8, target.b, 16);
		len += 16;
	}
	while (options--) {
		uint8_t units = in_u8() % 4;

		l4[len] = in_u8() % 6;
		l4[len + 1] = units;
		in_bytes(l4 + len + 2, 8 * MAX(units, 1) - 2U);
		len += 8U * MAX(units, 1);
	}
	guest_csum(&src, &dst, PROTO_ICMP6, l4, len);
	at = guest_headers(frame, &src, &dst, PROTO_ICMP6, len);
	frame[sizeof(struct wire_eth) + 7] = 255;
	memcpy(frame + at, l4, len);
	guest_send(frame, at + len, NULL);
}

static const world_op ops[] = {
	op_raw, op_packet, op_ask, op_dhcp, op_dhcpv6, op_ndp, op_dgram, op_error, op_fragments,
	op_extensions, op_time, op_fault, op_link, op_accept, op_connect,
	op_connected, op_stream_in, op_stream_eof, op_stream_error,
};

static const struct world_target target = {
	.any_data = true, .ops = ops, .count = ARRAY_SIZE(ops),
};
