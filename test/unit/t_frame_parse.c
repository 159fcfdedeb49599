// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames as a guest sends them, then as it shouldn't
 *
 * Links: frame/frame_parse.o util/csum.o util/addr.o util/iov.o util/rdwr.o
 */
#include "frame/frame_parse.h"

#include <stdlib.h>

#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

enum { FRAME_MAX = 600, ETH = 14 };

#define ETHERNET(hi, lo)						\
	0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55,	/* destination: us */	\
	0x52, 0x54, 0x00, 0x12, 0x34, 0x56,	/* source: the guest */	\
	hi, lo
#define SRC6	0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x15
#define DST6	0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01

static const uint8_t arp[] = {
	ETHERNET(0x08, 0x06),
	0, 1, 8, 0, 6, 4, 0, 1,			/* RFC 826: request */
	0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 0, 2, 15,
	0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
};

static const uint8_t tcp4[] = {
	ETHERNET(0x08, 0x00),
	0x47, 0x12,				/* IPv4, 7 words; DSCP, ECN */
	0, 55, 0x12, 0x34, 0x40, 0,		/* length, id, DF */
	64, 6, 0xc3, 0x65,			/* TTL, TCP, checksum */
	10, 0, 2, 15, 192, 0, 2, 1,
	0x94, 4, 0, 0, 1, 1, 0, 0,		/* router alert, NOP, end */
	0x9c, 0x40, 0x00, 0x50,			/* ports 40000, 80 */
	1, 2, 3, 4, 0xf1, 0xf2, 0xf3, 0xf4,	/* seq, ack */
	0x60, 0x18, 0xfa, 0xf0,			/* 6 words, PSH ACK, window */
	0x84, 0x24, 0, 7,			/* checksum, urgent pointer */
	2, 4, 0x05, 0xb4,			/* MSS 1460 */
	'a', 'b', 'c',
};

static const uint8_t udp4[] = {
	ETHERNET(0x08, 0x00),
	0x45, 0, 0, 33, 0, 0, 0, 0, 1, 17, 0xeb, 0xbc,
	10, 0, 2, 15, 192, 0, 2, 1,
	0x9c, 0x41, 0, 53, 0, 13, 0x51, 0x7b,	/* ports, length, checksum */
	'h', 'e', 'l', 'l', 'o',
};

static const uint8_t icmp4[] = {
	ETHERNET(0x08, 0x00),
	0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 1, 0x6c, 0xcd,
	10, 0, 2, 15, 192, 0, 2, 1,
	8, 0, 0x5a, 0x3c, 0xbe, 0xef, 0, 3,	/* echo, checksum, id, seq */
	'p', 'i', 'n', 'g',
};

static const uint8_t tcp6[] = {
	ETHERNET(0x86, 0xdd),
	0x6a, 0xb1, 0x23, 0x45, 0, 20, 6, 63,	/* class 0xab, flow label */
	SRC6, DST6,
	0x9c, 0x40, 0x01, 0xbb, 1, 2, 3, 4, 0, 0, 0, 0,
	0x50, 0x02, 0xff, 0xff, 0xb2, 0x56, 0, 0,	/* SYN */
};

static const uint8_t udp6[] = {
	ETHERNET(0x86, 0xdd),
	0x60, 0, 0, 0, 0, 36, 0, 64,		/* next: hop-by-hop */
	SRC6, DST6,
	60, 0, 5, 2, 0, 0, 1, 0,		/* router alert; next: */
	17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* dest. options */
	0x9c, 0x41, 0, 53, 0, 12, 0x30, 0x27,
	'd', 'n', 's', '?',
};

static const uint8_t icmp6[] = {
	ETHERNET(0x86, 0xdd),
	0x60, 0, 0, 0, 0, 13, 58, 255,
	SRC6, DST6,
	128, 0, 0x50, 0x69, 0xbe, 0xef, 0, 3,
	'p', 'i', 'n', 'g', '6',
};

static const struct { const char *name; const uint8_t *p; size_t len; } all[] = {
	{ "TCP/IPv4", tcp4, sizeof(tcp4) },
	{ "UDP/IPv4", udp4, sizeof(udp4) },
	{ "ICMP", icmp4, sizeof(icmp4) },
	{ "TCP/IPv6", tcp6, sizeof(tcp6) },
	{ "UDP/IPv6", udp6, sizeof(udp6) },
	{ "ICMPv6", icmp6, sizeof(icmp6) },
};

/* Offsets in them */
enum {
	IP4_VER = ETH, IP4_LEN = ETH + 3, IP4_FRAG = ETH + 6,
	IP4_PROTO = ETH + 9, IP4_SUM = ETH + 10, IP4_OPT = ETH + 20,
	IP6_VER = ETH, IP6_LEN = ETH + 5, IP6_NEXT = ETH + 6, IP6_HOPS = ETH + 7,
	IP6_SRC = ETH + 8, IP6_DST = ETH + 24, IP6_END = ETH + 40,
	T4 = ETH + 28, T6 = ETH + 40, U4 = ETH + 20, U6 = ETH + 64,
	TCP_OFF = 12, UDP_LEN = 5, UDP_SUM = 6,
};

static struct pkt pkt;
static struct tap_meta meta;		/* of the next frame */
static struct iovec iov[FRAME_MAX];
static uint32_t iov_cnt;

/* Parse a copy on the heap, where sanitizers see any access beyond, cut into
 * pieces of `first` bytes and then `piece` bytes each (0: the rest)
 */
static enum pkt_verdict parse_cut(const uint8_t *p, size_t len, size_t first,
				  size_t piece)
{
	struct tap_frame frame = { .meta = meta };
	size_t at = 0;

	while (iov_cnt)
		free(iov[--iov_cnt].iov_base);
	while (at < len || !iov_cnt) {
		size_t n = iov_cnt ? piece : first;

		n = n ? MIN(n, len - at) : iov_cnt ? len - at : 0;
		iov[iov_cnt].iov_base = malloc(n + !n);
		memcpy(iov[iov_cnt].iov_base, p + at, n);
		iov[iov_cnt++].iov_len = n;
		at += n;
	}
	frame.data = (struct bytes){ iov, iov_cnt, 0, (uint32_t)len };
	memset(&pkt, 0xa5, sizeof(pkt));
	return frame_parse(&frame, &pkt);
}

static enum pkt_verdict parse(const uint8_t *p, size_t len)
{
	return parse_cut(p, len, len, 0);
}

/* Bytes of a view as text; valid until the next call */
static const char *text(const struct bytes *b)
{
	static char s[FRAME_MAX + 1];

	s[bytes_copy(b, 0, s, FRAME_MAX)] = '\0';
	return s;
}

/* Sum of 16-bit words, see RFC 1071 */
static uint32_t sum(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++) {
		s += (uint32_t)p[i] << (i & 1 ? 0 : 8);
		s = (s & 0xffff) + (s >> 16);
	}
	return s;
}

/* Make the checksums of a frame right again: IPv4's header, and L4 of `len`
 * bytes at `l4`, with its checksum at l4 + at
 */
static void fix_ip4(uint8_t *f)
{
	uint32_t s;

	f[IP4_SUM] = f[IP4_SUM + 1] = 0;
	s = sum(f + ETH, (f[IP4_VER] & 0xf) * 4U);
	f[IP4_SUM] = (uint8_t)(~s >> 8);
	f[IP4_SUM + 1] = (uint8_t)~s;
}

static void fix_l4(uint8_t *f, uint8_t proto, size_t l4, size_t len, size_t at)
{
	bool v4 = f[13] == 0;
	uint32_t s = proto == PROTO_ICMP ? 0 : proto + (uint32_t)len;

	f[l4 + at] = f[l4 + at + 1] = 0;
	if (proto != PROTO_ICMP)
		s += v4 ? sum(f + ETH + 12, 8) : sum(f + IP6_SRC, 32);
	s += sum(f + l4, len);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	f[l4 + at] = (uint8_t)(~s >> 8);
	f[l4 + at + 1] = (uint8_t)~s;
}

static void ip_is(uint8_t proto, const char *src, const char *dst)
{
	is_int(pkt.kind, PKT_IP, "  IP");
	is_int(pkt.proto, proto, "  protocol");
	is_str(ADDR_STR(&pkt.src), src, "  source");
	is_str(ADDR_STR(&pkt.dst), dst, "  destination");
	is_str(MAC_STR(pkt.src_mac), "52:54:00:12:34:56", "  its MAC");
	is_str(MAC_STR(pkt.dst_mac), "9a:55:9a:55:9a:55", "  and ours");
	ok(!pkt.gso_size, "  no segmentation");
}

static void good(void)
{
	is_int(parse(arp, sizeof(arp)), PKT_OK, "ARP");
	is_int(pkt.kind, PKT_ARP, "  kind");
	ok(pkt.l3.len == 28 && !memcmp(text(&pkt.l3), arp + ETH, 28),
	   "  the whole of it");

	is_int(parse(tcp4, sizeof(tcp4)), PKT_OK, "TCP over IPv4");
	ip_is(PROTO_TCP, "10.0.2.15", "192.0.2.1");
	ok(pkt.family == V4 && pkt.ttl == 64 && pkt.tos == 0x12 && pkt.df,
	   "  family, TTL, TOS, DF");
	ok(pkt.sport == 40000 && pkt.dport == 80, "  ports");
	ok(pkt.tcp.seq == 0x01020304 && pkt.tcp.ack == 0xf1f2f3f4, "  seq, ack");
	ok(pkt.tcp.flags == (TCP_PSH | TCP_ACK) && pkt.tcp.wnd == 0xfaf0 &&
	   pkt.tcp.urg == 7, "  flags, window, urgent pointer");
	ok(pkt.tcp.opt_len == 4 && !memcmp(pkt.tcp.opt, "\2\4\5\xb4", 4),
	   "  options");
	is_str(text(&pkt.payload), "abc", "  payload");
	is_int(pkt.l3.len, 55, "  IP packet");

	is_int(parse(udp4, sizeof(udp4)), PKT_OK, "UDP over IPv4");
	ip_is(PROTO_UDP, "10.0.2.15", "192.0.2.1");
	ok(pkt.sport == 40001 && pkt.dport == 53 && !pkt.df && pkt.ttl == 1,
	   "  ports, no DF, TTL");
	is_str(text(&pkt.payload), "hello", "  payload");

	is_int(parse(icmp4, sizeof(icmp4)), PKT_OK, "echo");
	ip_is(PROTO_ICMP, "10.0.2.15", "192.0.2.1");
	ok(pkt.icmp.type == 8 && !pkt.icmp.code && pkt.icmp.id == 0xbeef &&
	   pkt.icmp.seq == 3, "  type, code, id, sequence number");
	is_int(pkt.payload.len, 8, "  payload, with id and sequence number");
	ok(!memcmp(text(&pkt.payload), icmp4 + ETH + 24, 8), "  is right");

	is_int(parse(tcp6, sizeof(tcp6)), PKT_OK, "TCP over IPv6");
	ip_is(PROTO_TCP, "2001:db8:1::15", "2001:db8:2::1");
	ok(pkt.family == V6 && pkt.ttl == 63 && pkt.tos == 0xab && pkt.df,
	   "  family, hop limit, traffic class, DF");
	ok(pkt.dport == 443 && pkt.tcp.flags == TCP_SYN && !pkt.tcp.opt_len &&
	   !pkt.payload.len, "  a bare SYN");

	is_int(parse(udp6, sizeof(udp6)), PKT_OK,
	       "UDP over IPv6, with two extension headers");
	ip_is(PROTO_UDP, "2001:db8:1::15", "2001:db8:2::1");
	is_str(text(&pkt.payload), "dns?", "  payload");

	is_int(parse(icmp6, sizeof(icmp6)), PKT_OK, "ICMPv6 echo");
	ip_is(PROTO_ICMP6, "2001:db8:1::15", "2001:db8:2::1");
	ok(pkt.icmp.type == 128 && pkt.icmp.id == 0xbeef &&
	   pkt.payload.len == 9, "  type, id, payload");
}

/* What Ethernet adds up to 60 bytes, and more, is none of the packet's */
static void padding(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		uint8_t f[FRAME_MAX];
		unsigned wrong = 0;
		uint32_t payload;

		memset(f, 0xa5, sizeof(f));
		memcpy(f, all[i].p, all[i].len);
		parse(f, all[i].len);
		payload = pkt.payload.len;
		for (size_t len = all[i].len; len < all[i].len + 300; len++)
			wrong += parse(f, len) != PKT_OK ||
				 pkt.payload.len != payload ||
				 pkt.l3.len != all[i].len - ETH;
		is_int(wrong, 0, "%s: padding is cut off", all[i].name);
	}
}

static void truncated(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		unsigned wrong = 0;

		for (size_t len = 0; len < all[i].len; len++)
			wrong += parse(all[i].p, len) != PKT_BAD;
		meta.csum_ok = true;
		for (size_t len = 0; len < all[i].len; len++)
			wrong += parse(all[i].p, len) != PKT_BAD;
		meta.csum_ok = false;
		is_int(wrong, 0, "%s: malformed, cut off at each byte",
		       all[i].name);
	}
	for (size_t len = 0; len < ETH; len++)
		is_int(parse(arp, len), PKT_BAD, "%zu bytes of a frame", len);
}

/* However a frame lies in memory, it's the same packet */
static void split(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		unsigned wrong = 0;
		struct pkt want;
		char payload[FRAME_MAX + 1];

		parse(all[i].p, all[i].len);
		want = pkt;
		strcpy(payload, text(&pkt.payload));
		for (size_t at = 0; at <= all[i].len; at++)
			for (size_t piece = 0; piece < 9; piece++) {
				wrong += parse_cut(all[i].p, all[i].len, at,
						   piece) != PKT_OK;
				wrong += memcmp(&pkt, &want,
						offsetof(struct pkt, l3)) ||
					 pkt.l3.len != want.l3.len ||
					 pkt.payload.len != want.payload.len ||
					 strcmp(text(&pkt.payload), payload);
			}
		is_int(wrong, 0, "%s: in pieces, at each byte", all[i].name);
	}
}

/* One byte of a frame changed, checksums made right: what of it? */
static enum pkt_verdict with(const uint8_t *p, size_t len, size_t at,
			     uint8_t value)
{
	uint8_t f[FRAME_MAX];

	memcpy(f, p, len);
	f[at] = value;
	if (f[13] == 0)
		fix_ip4(f);
	meta.csum_ok = true;
	return parse(f, len);
}
#define WITH(f, at, value)	with((f), sizeof(f), (at), (uint8_t)(value))

static void ip4_lengths(void)
{
	for (unsigned v = 0; v < 16; v++)
		is_int(WITH(udp4, IP4_VER, v << 4 | 5),
		       v == 4 ? PKT_OK : PKT_BAD, "IPv4, version %u", v);
	for (unsigned n = 0; n < 5; n++)
		is_int(WITH(udp4, IP4_VER, 0x40 | n), PKT_BAD,
		       "header of %u words", n);
	for (unsigned n = 9; n < 16; n++)
		is_int(WITH(udp4, IP4_VER, 0x40 | n), PKT_BAD,
		       "header of %u words, beyond the packet", n);
	for (unsigned len = 0; len < 28; len++)
		is_int(WITH(tcp4, IP4_LEN, len), PKT_BAD,
		       "length of %u, less than the header's", len);
	is_int(WITH(tcp4, IP4_LEN, 56), PKT_BAD, "length beyond the frame");
	is_int(WITH(tcp4, IP4_LEN - 1, 0xff), PKT_BAD, "  far beyond");

	is_int(WITH(tcp4, IP4_OPT, 1), PKT_BAD, "option of 1 byte, then one "
	       "that is too long");
	for (unsigned n = 0; n < 12; n++) {
		bool fits = n >= 2 && n <= 8;	/* what follows: NOP, end */

		is_int(WITH(tcp4, IP4_OPT + 1, n), fits ? PKT_OK : PKT_BAD,
		       "option of %u bytes, of 8", n);
	}
	is_int(WITH(tcp4, IP4_OPT + 7, 7), PKT_OK, "whatever, behind the end");
	is_int(WITH(tcp4, IP4_OPT + 6, 7), PKT_BAD, "option of 0 bytes");
}

static void fragments(void)
{
	is_int(WITH(udp4, IP4_FRAG, 0x40), PKT_OK, "don't fragment");
	ok(pkt.df, "  said so");
	is_int(WITH(udp4, IP4_FRAG, 0x20), PKT_FRAGMENT, "more fragments");
	ok(pkt.l3.len == 33 && addr_is_v4(&pkt.src) && pkt.proto == PROTO_UDP,
	   "  with addresses, protocol and packet");
	ok(pkt.frag.more && !pkt.frag.off && pkt.payload.len == 13,
	   "  the first one, and its part");
	is_int(WITH(udp4, IP4_FRAG + 1, 1), PKT_FRAGMENT, "the last one");
	ok(!pkt.frag.more && pkt.frag.off == 8, "  its offset");
	is_int(WITH(tcp4, IP4_FRAG, 0x1f), PKT_FRAGMENT, "far behind");
	ok(!pkt.frag.more && pkt.frag.off == 0xf800 && pkt.frag.id == 0x1234 &&
	   pkt.payload.len == 27, "  offset, id, its part without options");
	is_int(WITH(udp4, IP4_FRAG + 1, 0xff), PKT_FRAGMENT, "at an offset");
	is_int(pkt.frag.off, 255 * 8, "  of 8 bytes each");

	/* What was the hop-by-hop header, read as a fragment's */
	is_int(WITH(udp6, IP6_NEXT, PROTO_FRAGMENT), PKT_FRAGMENT, "of IPv6");
	ok(pkt.l3.len == 76 && !addr_is_none(&pkt.src), "  with addresses");
	ok(pkt.proto == 60 && pkt.frag.off == 0x500 && !pkt.frag.more &&
	   pkt.frag.id == 0x100 && pkt.payload.len == 28,
	   "  next header, offset, id, its part");
	is_int(pkt.frag.next_hdr_at, 6, "  named by the IPv6 header");
	is_int(WITH(udp6, IP6_END, PROTO_FRAGMENT), PKT_FRAGMENT,
	       "after an extension header");
	ok(pkt.proto == PROTO_UDP && pkt.frag.off == 0x108 && !pkt.frag.more &&
	   !pkt.frag.id && pkt.payload.len == 20, "  likewise");
	is_int(pkt.frag.next_hdr_at, 40, "  named by that one");
	is_int(WITH(udp6, U6 - 16, PROTO_FRAGMENT), PKT_FRAGMENT, "after two");
	is_int(pkt.payload.len, 4, "  its part");
	for (unsigned n = 0; n < 8; n++) {
		uint8_t f[FRAME_MAX];

		memcpy(f, udp6, sizeof(udp6));
		f[IP6_NEXT] = PROTO_FRAGMENT;
		is_int(with(f, sizeof(udp6), IP6_LEN, (uint8_t)n), PKT_BAD,
		       "%u bytes of a fragment header", n);
		if (n < 7)
			continue;
		is_int(with(f, sizeof(udp6), IP6_LEN, 8), PKT_FRAGMENT,
		       "8 bytes, without data");
		is_int(pkt.payload.len, 0, "  no payload");
	}
}

static void ip6_lengths(void)
{
	uint8_t f[FRAME_MAX];

	for (unsigned v = 0; v < 16; v++)
		is_int(WITH(tcp6, IP6_VER, v << 4 | 10),
		       v == 6 ? PKT_OK : PKT_BAD, "IPv6, version %u", v);
	for (unsigned len = 0; len < 20; len++)
		is_int(WITH(tcp6, IP6_LEN, len), PKT_BAD,
		       "length of %u, less than TCP's header", len);
	is_int(WITH(tcp6, IP6_LEN, 21), PKT_BAD, "beyond the frame");
	is_int(WITH(tcp6, IP6_LEN - 1, 0xff), PKT_BAD, "  far beyond");

	/* Extension headers: both are followed by 12 bytes of UDP */
	is_int(WITH(udp6, IP6_END + 1, 4), PKT_BAD, "extension beyond all");
	is_int(WITH(udp6, IP6_END + 1, 255), PKT_BAD, "  far beyond");
	is_int(WITH(udp6, IP6_END + 9, 2), PKT_BAD, "leaves 4 bytes for UDP");
	is_int(WITH(udp6, IP6_END, PROTO_NONE), PKT_IGNORED, "no next header");
	is_int(WITH(udp6, IP6_END, PROTO_ROUTING), PKT_OK, "routing header");
	is_int(WITH(udp6, IP6_END + 8, 51), PKT_UNKNOWN_PROTO,
	       "authentication header");

	/* v4-mapped addresses: RFC 4038 4.2 */
	memcpy(f, tcp6, sizeof(tcp6));
	memcpy(f + IP6_SRC, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\2\x0f", 16);
	is_int(with(f, sizeof(tcp6), 0, 0), PKT_BAD, "v4-mapped source");
	memcpy(f, tcp6, sizeof(tcp6));
	memcpy(f + IP6_DST, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	is_int(with(f, sizeof(tcp6), 0, 0), PKT_BAD, "v4-mapped destination");
}

/* Chains of empty extension headers in front of UDP */
static void ext_chain(void)
{
	for (unsigned n = 0; n < 32; n++) {
		uint8_t f[FRAME_MAX];
		size_t at = IP6_END;
		enum pkt_verdict v;

		memcpy(f, udp6, IP6_END);
		f[IP6_NEXT] = n ? PROTO_DSTOPTS : PROTO_UDP;
		f[IP6_LEN] = (uint8_t)(8 * n + 12);
		for (unsigned i = 0; i < n; i++, at += 8)
			memcpy(f + at, (uint8_t[]){
				i < n - 1 ? PROTO_DSTOPTS : PROTO_UDP,
				0, 1, 4, 0, 0, 0, 0 }, 8);
		memcpy(f + at, udp6 + U6, 12);
		v = parse(f, at + 12);
		if (n <= 8)
			ok(v == PKT_OK && pkt.payload.len == 4,
			   "%u extension headers", n);
		else
			is_int(v, PKT_BAD, "%u extension headers: too many", n);
	}
}

static void l4_lengths(void)
{
	uint8_t f[FRAME_MAX];

	for (unsigned n = 0; n < 16; n++) {
		is_int(WITH(tcp4, T4 + TCP_OFF, n << 4),
		       n < 5 || n > 6 ? PKT_BAD : PKT_OK,
		       "TCP header of %u words, in 27 bytes", n);
		if (n == 5)
			ok(!pkt.tcp.opt_len && pkt.payload.len == 7,
			   "  the rest is payload");
	}
	is_int(WITH(tcp4, T4 + 1, 0x40), PKT_OK, "TCP source port");
	is_int(WITH(tcp4, T4 + 3, 0), PKT_BAD, "TCP to port 0");
	memcpy(f, tcp4, sizeof(tcp4));
	f[T4] = f[T4 + 1] = 0;
	is_int(with(f, sizeof(tcp4), 0, 0), PKT_BAD, "TCP from port 0");

	for (unsigned n = 0; n < 20; n++) {
		enum pkt_verdict v = WITH(udp4, U4 + UDP_LEN, n);

		is_int(v, n < 8 || n > 13 ? PKT_BAD : PKT_OK,
		       "UDP length of %u, of 13", n);
		if (v == PKT_OK)
			is_int(pkt.payload.len, n - 8, "  payload");
	}
	is_int(WITH(udp4, U4 + UDP_LEN - 1, 1), PKT_BAD, "  of 269");
	is_int(WITH(udp4, U4 + 3, 0), PKT_BAD, "UDP to port 0");
	memcpy(f, udp4, sizeof(udp4));
	f[U4] = f[U4 + 1] = 0;
	is_int(with(f, sizeof(udp4), 0, 0), PKT_OK, "UDP from port 0: no reply "
	       "wanted (RFC 768)");
	for (unsigned n = 20; n < 28; n++)
		is_int(WITH(icmp4, IP4_LEN, n), PKT_BAD, "ICMP of %u bytes",
		       n - 20);
	is_int(WITH(icmp4, IP4_LEN, 28), PKT_OK, "  of 8");
	for (unsigned n = 0; n < 8; n++)
		is_int(WITH(icmp6, IP6_LEN, n), PKT_BAD, "ICMPv6 of %u bytes",
		       n);
}

static void protocols(void)
{
	uint8_t f[FRAME_MAX];

	is_int(WITH(udp4, IP4_PROTO, 132), PKT_UNKNOWN_PROTO, "SCTP");
	ok(pkt.proto == 132 && pkt.payload.len == 13 && pkt.l3.len == 33 &&
	   addr_is_v4(&pkt.src), "  with addresses, packet and payload");
	memcpy(f, udp4, sizeof(udp4));
	f[IP4_PROTO] = 132;
	is_int(with(f, sizeof(udp4), IP4_LEN, 20), PKT_UNKNOWN_PROTO,
	       "  of no bytes");
	is_int(pkt.payload.len, 0, "  likewise");
	is_int(WITH(udp4, IP4_PROTO, PROTO_ICMP6), PKT_UNKNOWN_PROTO,
	       "ICMPv6 over IPv4");
	is_int(pkt.payload.len, 13, "  with its payload");
	is_int(WITH(tcp6, IP6_NEXT, PROTO_ICMP), PKT_UNKNOWN_PROTO,
	       "ICMP over IPv6");
	is_int(pkt.payload.len, 20, "  with its payload");
	is_int(WITH(udp4, IP4_PROTO, PROTO_HOPOPTS), PKT_UNKNOWN_PROTO,
	       "IPv4 has no extension headers");
	is_int(WITH(udp4, 12, 0x88), PKT_IGNORED, "another EtherType");
	is_int(WITH(udp4, 12, 0x00), PKT_IGNORED, "a length (IEEE 802.3)");
	is_int(WITH(udp4, 12, 0x81), PKT_IGNORED, "VLAN");
	meta.csum_ok = false;
}

static void checksums(void)
{
	uint8_t f[FRAME_MAX];

	memcpy(f, udp4, sizeof(udp4));
	f[IP4_SUM]++;
	is_int(parse(f, sizeof(udp4)), PKT_CSUM, "wrong checksum of IPv4");
	meta.csum_ok = true;
	is_int(parse(f, sizeof(udp4)), PKT_CSUM,
	       "  also if the link vouches, which it does for L4");
	meta.csum_ok = false;

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		memcpy(f, all[i].p, all[i].len);
		f[all[i].len - 1] ^= 0x10;
		is_int(parse(f, all[i].len), PKT_CSUM, "%s: wrong",
		       all[i].name);
		meta.csum_ok = true;
		is_int(parse(f, all[i].len), PKT_OK, "  unless the link "
		       "vouches for it");
		meta.csum_ok = false;
	}

	memcpy(f, udp4, sizeof(udp4));
	f[U4 + UDP_SUM] = f[U4 + UDP_SUM + 1] = 0;
	is_int(parse(f, sizeof(udp4)), PKT_OK, "no checksum of UDP");
	memcpy(f, udp6, sizeof(udp6));
	f[U6 + UDP_SUM] = f[U6 + UDP_SUM + 1] = 0;
	is_int(parse(f, sizeof(udp6)), PKT_CSUM, "  is none in IPv6");

	/* Payload chosen so that the sum is all ones: sent as 0xffff */
	memcpy(f, udp4, sizeof(udp4));
	memset(f + U4 + 8, 0, 2);
	fix_l4(f, PROTO_UDP, U4, 13, UDP_SUM);
	memcpy(f + U4 + 8, f + U4 + UDP_SUM, 2);
	f[U4 + UDP_SUM] = f[U4 + UDP_SUM + 1] = 0xff;
	is_int(parse(f, sizeof(udp4)), PKT_OK, "0xffff, instead of zero");

	/* Shorter than IP says: the checksum covers UDP's length (RFC 768) */
	memcpy(f, udp4, sizeof(udp4));
	f[U4 + UDP_LEN] = 10;
	fix_l4(f, PROTO_UDP, U4, 10, UDP_SUM);
	is_int(parse(f, sizeof(udp4)), PKT_OK, "UDP shorter than its packet");
	is_str(text(&pkt.payload), "he", "  payload");
}

/* Every bit counts, but those that no checksum covers */
static void bits(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		unsigned wrong = 0;

		for (size_t at = ETH; at < all[i].len; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				uint8_t f[FRAME_MAX];
				bool free_v6, got;

				memcpy(f, all[i].p, all[i].len);
				f[at] ^= (uint8_t)(1 << bit);
				got = parse(f, all[i].len) == PKT_OK;
				free_v6 = f[12] == 0x86 &&
					  (at < ETH + 4 || at == IP6_HOPS ||
					   (f[IP6_NEXT] != PROTO_TCP &&
					    at >= IP6_END && at < U6));
				wrong += got && !free_v6;
			}
		is_int(wrong, 0, "%s: no flipped bit gets through",
		       all[i].name);
	}
}

static void offload(void)
{
	uint8_t f[FRAME_MAX];

	meta = (struct tap_meta){ .gso = TAP_GSO_TCP, .gso_size = 2,
				  .csum_ok = true };
	is_int(parse(tcp4, sizeof(tcp4)), PKT_OK, "a TCP super-segment");
	is_int(pkt.gso_size, 2, "  of segments of 2 bytes");
	meta.gso = TAP_GSO_UDP;
	memcpy(f, udp4, sizeof(udp4));
	f[U4 + UDP_LEN] = 10;
	is_int(parse(f, sizeof(udp4)), PKT_OK, "UDP datagrams, as one");
	is_int(pkt.payload.len, 5, "  whose length counts not");
	f[IP4_LEN] = 27;
	fix_ip4(f);
	is_int(parse(f, sizeof(udp4)), PKT_BAD, "  but the packet's does");
	meta = (struct tap_meta){ 0 };
}

/* Views of a packet lie within its frame, its payload within its L3 view */
static bool sane(enum pkt_verdict v, size_t len)
{
	uint8_t copy[FRAME_MAX];
	bool l4 = v == PKT_OK && pkt.kind == PKT_IP;

	if (v != PKT_OK && v != PKT_FRAGMENT && v != PKT_UNKNOWN_PROTO)
		return v <= PKT_UNKNOWN_PROTO;
	if (pkt.l3.len > len - ETH ||
	    bytes_copy(&pkt.l3, 0, copy, sizeof(copy)) != pkt.l3.len)
		return false;
	if (pkt.payload.len > pkt.l3.len ||
	    bytes_copy(&pkt.payload, 0, copy, sizeof(copy)) != pkt.payload.len)
		return false;
	if (l4 && pkt.proto == PROTO_TCP)
		return pkt.sport && pkt.dport && pkt.tcp.opt_len <= 40 &&
		       pkt.tcp.opt_len % 4 == 0;
	if (l4 && pkt.proto == PROTO_UDP)
		return pkt.dport;
	return !l4 || pkt.proto == PROTO_ICMP || pkt.proto == PROTO_ICMP6;
}

static void mutations(void)
{
	unsigned wrong = 0, count[PKT_UNKNOWN_PROTO + 1] = { 0 };

	for (int i = 0; i < 200000; i++) {
		unsigned which = random_below(ARRAY_SIZE(all));
		size_t len = all[which].len;
		uint8_t f[FRAME_MAX];
		enum pkt_verdict v;

		memcpy(f, all[which].p, len);
		for (uint32_t n = random_below(6); n; n--) {
			static const uint8_t nasty[] = { 0, 1, 4, 8, 0x45,
							 0x4f, 0xf0, 0xff };
			/* most often in the headers */
			uint32_t at = random_below(random_below(4) ? 80 :
						   (uint32_t)len);

			at = MIN(at, (uint32_t)len - 1);
			f[at] = random_below(2) ? (uint8_t)random_32() :
				nasty[random_below(sizeof(nasty))];
		}
		if (!random_below(4))
			len = random_below((uint32_t)len + 1);
		else if (!random_below(4)) {
			size_t more = random_below(300);

			random_fill(f + len, more);
			len += more;
		}
		if (len >= ETH + 60 && f[13] == 0 && random_below(8))
			fix_ip4(f);
		meta.csum_ok = random_below(8);
		meta.gso_size = random_below(4) ? 0 : (uint16_t)random_32();
		v = parse_cut(f, len, random_below((uint32_t)len + 1),
			      random_below(4) ? random_below(100) + 20 : 0);
		wrong += !sane(v, len);
		if (v <= PKT_UNKNOWN_PROTO)
			count[v]++;
	}
	meta = (struct tap_meta){ 0 };
	is_int(wrong, 0, "200000 mutations: nothing lies outside");
	for (unsigned v = 0; v <= PKT_UNKNOWN_PROTO; v++)
		if (v != PKT_HELD)
			ok(count[v] > 100, "  verdict %u: %u times", v,
			   count[v]);
	is_int(count[PKT_HELD], 0, "  nothing is held here");
}

int main(void)
{
	good();
	padding();
	truncated();
	split();
	ip4_lengths();
	fragments();
	ip6_lengths();
	l4_lengths();
	protocols();
	ext_chain();
	checksums();
	bits();
	offload();
	mutations();
	while (iov_cnt)
		free(iov[--iov_cnt].iov_base);
	return done();
}
