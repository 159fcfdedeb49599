// SPDX-License-Identifier: GPL-2.0-or-later
/* What frame_build.c writes, byte by byte, and read again by frame_parse.c
 *
 * Links: frame/frame_build.o frame/frame_parse.o util/csum.o util/addr.o
 * Links: util/iov.o util/rdwr.o util/log.o
 */
#include "frame/frame_build.h"

#include <stdlib.h>

#include "frame/frame_parse.h"
#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

enum { FRAME_MAX = 70000, SENT_MAX = 5000, ETH = 14 };

/* The link: keeps what was sent, and refuses from refuse_at on */
static struct tap_caps caps;
static struct sent {
	uint8_t *p;
	size_t len, hdr_len;
	struct tap_meta meta;
} sent[SENT_MAX];
static unsigned sent_count, refuse_at = SENT_MAX;

static const uint8_t our_mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
static const uint8_t guest_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

const struct tap_caps *tap_caps(void)
{
	return &caps;
}

const uint8_t *tap_our_mac(void)
{
	return our_mac;
}

const uint8_t *tap_guest_mac(void)
{
	return guest_mac;
}

bool tap_send(const uint8_t *hdr, size_t hdr_len, const struct bytes *payload,
	      const struct tap_meta *meta)
{
	size_t len = payload ? payload->len : 0;
	struct sent *s = &sent[sent_count];

	if (sent_count >= refuse_at)
		return false;
	sent_count++;
	s->p = malloc(hdr_len + len);
	memcpy(s->p, hdr, hdr_len);
	if (len)
		len = bytes_copy(payload, 0, s->p + hdr_len, len);
	s->len = hdr_len + len;
	s->hdr_len = hdr_len;
	s->meta = *meta;
	return true;
}

static void forget(void)
{
	while (sent_count)
		free(sent[--sent_count].p);
	refuse_at = SENT_MAX;
}

static struct addr A(const char *s)
{
	struct addr a = { { 0 } };

	addr_parse(s, &a);
	return a;
}

static struct frame_ip ip_of(enum family f, uint8_t proto)
{
	return (struct frame_ip){
		.src = A(f == V4 ? "192.0.2.1" : "2001:db8:2::1"),
		.dst = A(f == V4 ? "10.0.2.15" : "2001:db8:1::15"),
		.proto = proto,
	};
}

/* A payload of len bytes in pieces on the heap; valid until the next call */
static struct bytes payload_of(size_t len, unsigned pieces)
{
	static struct iovec iov[200];
	static unsigned cnt;
	size_t at = 0;

	while (cnt)
		free(iov[--cnt].iov_base);
	while (cnt < pieces) {
		size_t n = cnt + 1 == pieces ? len - at : len / pieces;

		iov[cnt].iov_base = malloc(n + !n);
		iov[cnt].iov_len = n;
		for (size_t i = 0; i < n; i++)
			((uint8_t *)iov[cnt].iov_base)[i] =
				(uint8_t)((at + i) * 7 + (at + i) / 251);
		at += n;
		cnt++;
	}
	return (struct bytes){ iov, cnt, 0, (uint32_t)len };
}

static bool is_payload(const struct bytes *b, uint32_t skip, size_t len)
{
	static uint8_t copy[FRAME_MAX];

	if (b->len != skip + len || bytes_copy(b, 0, copy, b->len) != b->len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (copy[skip + i] != (uint8_t)(i * 7 + i / 251))
			return false;
	return true;
}

/* As the guest does: finish a partial checksum, from csum_start to the end */
static void finish_csum(uint8_t *p, size_t len, const struct tap_meta *m)
{
	uint32_t sum = 0;

	if (!m->csum_partial)
		return;
	for (size_t i = m->csum_start; i < len; i++) {
		sum += (uint32_t)p[i] << ((i - m->csum_start) & 1 ? 0 : 8);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	p[m->csum_start + m->csum_offset] = (uint8_t)(~sum >> 8);
	p[m->csum_start + m->csum_offset + 1] = (uint8_t)~sum;
}

static struct pkt pkt;

/* Parse what was sent, as frame i, checksums verified */
static enum pkt_verdict parse_sent(unsigned i)
{
	static struct iovec iov;
	struct sent *s = &sent[i];
	struct tap_frame frame = { .data = { &iov, 1, 0, (uint32_t)s->len } };

	iov = (struct iovec){ s->p, s->len };
	finish_csum(s->p, s->len, &s->meta);
	memset(&pkt, 0, sizeof(pkt));
	frame.meta.gso_size = s->meta.gso_size;
	return frame_parse(&frame, &pkt);
}

static const char *hex(const uint8_t *p, size_t len)
{
	static char s[1000];

	for (size_t i = 0; i < len && i < 400; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
	return s;
}

/* Headers as the RFCs draw them */
static void layout(void)
{
	struct frame_ip ip = ip_of(V4, PROTO_UDP);
	struct bytes b = payload_of(0, 1);

	is_int(frame_l3_len(&ip), 34, "Ethernet and IPv4: 34 bytes");
	ip.df = true;
	ip.tos = 0xb9;
	ip.ttl = 3;
	ok(frame_send_udp(&ip, 53, 40001, &b, 0), "UDP over IPv4");
	is_str(hex(sent[0].p, sent[0].len),
	       "525400123456" "9a559a559a55" "0800"
	       "45b9001c" "00004000" "0311a908" "c0000201" "0a00020f"
	       "00359c41" "00089557", "  DF, so no id; TOS, TTL; both "
	       "checksums");
	forget();

	ip = ip_of(V6, PROTO_UDP);
	is_int(frame_l3_len(&ip), 54, "Ethernet and IPv6: 54 bytes");
	ip.tos = 0xb9;
	ok(frame_send_udp(&ip, 53, 40001, &b, 0), "UDP over IPv6");
	is_str(hex(sent[0].p, sent[0].len),
	       "525400123456" "9a559a559a55" "86dd"
	       "6b900000" "00081140"
	       "20010db8000200000000000000000001"
	       "20010db8000100000000000000000015"
	       "00359c41" "000807dd", "  traffic class, hop limit 64, "
	       "checksum");
	forget();

	ip = ip_of(V6, PROTO_ICMP6);
	b = payload_of(4, 1);
	ok(frame_send_icmp(&ip, ICMP6_RS, 1, &b), "ICMPv6");
	is_int(sent[0].p[ETH + 7], 255, "  hop limit 255");
	ok(sent[0].len == 62 && sent[0].p[54] == 133 && sent[0].p[55] == 1,
	   "  type and code");
	is_int(parse_sent(0), PKT_OK, "  the checksum is right");
	forget();

	ok(frame_send_eth((const uint8_t *)"\1\2\3\4\5\6", 0x0806, "xyz", 3),
	   "Ethernet");
	is_str(hex(sent[0].p, sent[0].len), "010203040506" "9a559a559a55"
	       "0806" "78797a", "  as it is");
	ok(!sent[0].meta.csum_partial && !sent[0].meta.gso, "  no offload");
	forget();
}

/* Destination MAC: the guest's, the group's, or the one that was given */
static void macs(void)
{
	static const struct { const char *dst, *mac; } t[] = {
		{ "10.0.2.15", "52:54:00:12:34:56" },
		{ "255.255.255.255", "52:54:00:12:34:56" },
		{ "224.0.0.251", "01:00:5e:00:00:fb" },
		{ "239.255.255.250", "01:00:5e:7f:ff:fa" },
		{ "239.129.2.3", "01:00:5e:01:02:03" },
		{ "2001:db8::1", "52:54:00:12:34:56" },
		{ "ff02::1", "33:33:00:00:00:01" },
		{ "ff02::1:ff12:3456", "33:33:ff:12:34:56" },
	};
	static const uint8_t other[6] = { 2, 0, 0, 0, 0, 9 };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct bytes b = payload_of(1, 1);
		struct frame_ip ip = { .dst = A(t[i].dst) };

		ip.src = addr_is_v4(&ip.dst) ? A("10.0.2.2") : A("fe80::1");
		frame_send_udp(&ip, 1, 2, &b, 0);
		is_str(MAC_STR(sent[0].p), t[i].mac, "MAC of %s", t[i].dst);
		ok(parse_sent(0) == PKT_OK && pkt.proto == PROTO_UDP,
		   "  and it is UDP");
		ip.dst_mac = other;
		frame_send_udp(&ip, 1, 2, &b, 0);
		is_str(MAC_STR(sent[1].p), "02:00:00:00:00:09", "  or another");
		forget();
	}
}

/* One packet, built and read again; an error counts */
static unsigned round_trip(enum family f, uint8_t proto, size_t len,
			   unsigned pieces)
{
	struct frame_ip ip = ip_of(f, proto);
	struct bytes b = payload_of(len, pieces);
	struct wire_tcp tcp = { .sport = be16_put(80), .dport = be16_put(4711),
				.seq = be32_put(0xdeadbeef),
				.off = 6 << 4, .flags = TCP_ACK };
	uint8_t l4[24] = { 0 };
	bool l4_offload = proto == PROTO_TCP || proto == PROTO_UDP;
	unsigned wrong = 0;

	ip.tos = (uint8_t)random_32();
	ip.ttl = (uint8_t)random_below(255) + 1;
	ip.df = random_below(2);
	memcpy(l4, &tcp, sizeof(tcp));
	l4[20] = l4[21] = 1;
	if (proto == PROTO_TCP)
		wrong += !frame_send(&ip, l4, sizeof(l4), &b, 0);
	else if (proto == PROTO_UDP)
		wrong += !frame_send_udp(&ip, 80, 4711, &b, 0);
	else
		wrong += !frame_send_icmp(&ip, 8, 0, &b);
	wrong += sent_count != 1 || sent[0].meta.gso || sent[0].meta.gso_size ||
		 sent[0].meta.csum_partial != (caps.tx.csum && l4_offload);
	wrong += parse_sent(0) != PKT_OK || pkt.family != f ||
		 pkt.proto != proto || pkt.tos != ip.tos || pkt.ttl != ip.ttl ||
		 !addr_eq(&pkt.src, &ip.src) || !addr_eq(&pkt.dst, &ip.dst) ||
		 (f == V4 && pkt.df != ip.df);
	if (l4_offload)
		wrong += pkt.sport != 80 || pkt.dport != 4711;
	if (proto == PROTO_TCP)
		wrong += pkt.tcp.seq != 0xdeadbeef || pkt.tcp.opt_len != 4 ||
			 memcmp(pkt.tcp.opt, "\1\1\0\0", 4);
	wrong += !is_payload(&pkt.payload, 0, len);
	forget();
	return wrong;
}

static void round_trips(void)
{
	for (unsigned csum = 0; csum < 2; csum++)
		for (enum family f = V4; f < FAMILIES; f++) {
			unsigned wrong = 0;

			caps.tx.csum = csum;
			for (size_t len = 4; len < 300; len++) {
				unsigned pieces = 1 + random_below(5);

				wrong += round_trip(f, PROTO_TCP, len, pieces);
				wrong += round_trip(f, PROTO_UDP, len, pieces);
				wrong += round_trip(f, f == V4 ? PROTO_ICMP :
						    PROTO_ICMP6, len, pieces);
			}
			wrong += round_trip(f, PROTO_TCP, 0, 1);
			wrong += round_trip(f, PROTO_UDP, 0, 1);
			wrong += round_trip(f, PROTO_UDP, 1, 1);
			wrong += round_trip(f, PROTO_TCP, 1460, 3);
			wrong += round_trip(f, PROTO_TCP, 65480, 3);
			wrong += round_trip(f, PROTO_UDP, 65507, 7);
			is_int(wrong, 0, "%s, checksums %s: as built",
			       f == V4 ? "IPv4" : "IPv6",
			       csum ? "left to the link" : "complete");
		}
	caps.tx.csum = false;
}

/* RFC 768: a sum of zero is sent as all ones */
static void udp_zero(void)
{
	struct frame_ip ip = ip_of(V4, PROTO_UDP);
	struct iovec iov;
	struct bytes b = { &iov, 1, 0, 2 };
	uint8_t data[2] = { 0 };
	be16_t csum;

	iov = (struct iovec){ data, 2 };
	frame_send_udp(&ip, 1, 2, &b, 0);
	memcpy(data, sent[0].p + 34 + 6, 2);
	frame_send_udp(&ip, 1, 2, &b, 0);
	memcpy(&csum, sent[1].p + 34 + 6, 2);
	is_int(be16_get(csum), 0xffff, "a UDP checksum of zero is sent as ones");
	is_int(parse_sent(1), PKT_OK, "  and right");
	forget();
}

/* What virtio wants to know: a partial checksum is the pseudo-header's sum */
static void partial(void)
{
	struct bytes b = payload_of(1000, 1);

	caps.tx.csum = true;
	for (enum family f = V4; f < FAMILIES; f++) {
		struct frame_ip ip = ip_of(f, PROTO_UDP);
		size_t l3 = frame_l3_len(&ip);

		frame_send_udp(&ip, 1, 2, &b, 0);
		ok(sent[0].meta.csum_partial && sent[0].meta.csum_start == l3 &&
		   sent[0].meta.csum_offset == 6, "where the sum of UDP goes");
		ip.proto = PROTO_TCP;
		frame_send(&ip, &(struct wire_tcp){ .off = 0x50 }, 20, &b, 0);
		ok(sent[1].meta.csum_partial && sent[1].meta.csum_start == l3 &&
		   sent[1].meta.csum_offset == 16, "  of TCP");
		ip.proto = f == V4 ? PROTO_ICMP : PROTO_ICMP6;
		frame_send_icmp(&ip, 8, 0, &b);
		ok(!sent[2].meta.csum_partial, "  ICMP's is complete");
		if (f == V4) {
			/* 192.0.2.1, 10.0.2.15, 17, 1008 */
			is_str(hex(sent[0].p + 40, 2), "d211",
			       "pseudo-header, not complemented");
		}
		forget();
	}
	caps.tx.csum = false;
}

static void gso(void)
{
	static const struct { uint8_t proto; size_t len; uint16_t size;
			      enum tap_gso want; } t[] = {
		{ PROTO_TCP, 5000, 1460, TAP_GSO_TCP },
		{ PROTO_TCP, 1461, 1460, TAP_GSO_TCP },
		{ PROTO_TCP, 1460, 1460, TAP_GSO_NONE },
		{ PROTO_TCP, 0, 1460, TAP_GSO_NONE },
		{ PROTO_TCP, 5000, 0, TAP_GSO_NONE },
		{ PROTO_UDP, 5000, 1000, TAP_GSO_UDP },
		{ PROTO_UDP, 1000, 1000, TAP_GSO_NONE },
	};

	caps.tx = (struct tap_offload){ true, { true, true }, { true, true } };
	frame_set_mtu(1500);
	is_int(frame_mtu(V4), 1500, "MTU of 1500");
	is_int(frame_mtu(V6), 1500, "  IPv6, too");
	frame_set_mtu(45);
	is_int(frame_mtu(V4), 68, "MTU of 45: RFC 791's least");
	is_int(frame_mtu(V6), 88, "  IPv6: 20 bytes more");
	frame_set_mtu(0);
	is_int(frame_mtu(V4), 0, "MTU of 0: no limit");
	frame_set_mtu(1500);
	for (enum family f = V4; f < FAMILIES; f++)
		for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
			struct frame_ip ip = ip_of(f, t[i].proto);
			struct bytes b = payload_of(t[i].len, 2);

			if (t[i].proto == PROTO_TCP)
				frame_send(&ip, &(struct wire_tcp){
					   .off = 0x50, .sport = be16_put(1),
					   .dport = be16_put(2) }, 20, &b,
					   t[i].size);
			else
				frame_send_udp(&ip, 1, 2, &b, t[i].size);
			is_int(sent_count, 1, "%zu bytes in segments of %u",
			       t[i].len, t[i].size);
			is_int(sent[0].meta.gso, t[i].want, "  kind");
			is_int(sent[0].meta.gso_size,
			       t[i].want ? t[i].size : 0, "  size");
			ok(parse_sent(0) == PKT_OK &&
			   is_payload(&pkt.payload, 0, t[i].len),
			   "  headers for the whole");
			forget();
		}
	caps = (struct tap_caps){ 0 };
	frame_set_mtu(0);
}

/* What is taken for an MTU that leaves no room for data */
static unsigned least_mtu(enum family f, unsigned mtu)
{
	return MAX(mtu, f == V4 ? 68 : 88);
}

/* A datagram in fragments, put together: right, in order, each within the MTU,
 * each but the last one a multiple of 8 and as large as that allows
 */
static unsigned fragmented(enum family f, uint8_t proto, size_t len,
			   unsigned mtu)
{
	size_t ip_len = f == V4 ? 20 : 40, hdr_len = ip_len + (f == V4 ? 0 : 8);
	size_t room = (mtu - hdr_len) / 8 * 8, l4_len, off = 0;
	struct frame_ip ip = ip_of(f, proto);
	struct bytes b = payload_of(len, 3);
	static uint8_t whole[FRAME_MAX];
	unsigned wrong = 0;
	uint32_t id = 0;
	bool udp = proto == PROTO_UDP;
	struct sent *one;

	ip.ttl = 77;
	ip.tos = 3;
	frame_set_mtu(mtu);
	wrong += udp ? !frame_send_udp(&ip, 80, 4711, &b, 0) :
		       !frame_send_icmp(&ip, 8, 0, &b);
	l4_len = len + (udp ? 8 : 4);
	if (ip_len + l4_len <= mtu) {
		wrong += sent_count != 1 || sent[0].len != ETH + ip_len + l4_len;
		forget();
		return wrong;
	}
	wrong += sent_count != (l4_len + room - 1) / room;
	for (unsigned i = 0; i < sent_count; i++) {
		bool last = i + 1 == sent_count;

		wrong += sent[i].len > ETH + mtu || sent[i].meta.csum_partial ||
			 sent[i].meta.gso;
		wrong += parse_sent(i) != PKT_FRAGMENT || pkt.proto != proto ||
			 pkt.ttl != 77 || pkt.tos != 3 ||
			 (f == V4 && pkt.df) || pkt.frag.off != off ||
			 pkt.frag.more == last ||
			 (i && pkt.frag.id != id) ||
			 (!last && pkt.payload.len != room);
		id = pkt.frag.id;
		off += bytes_copy(&pkt.payload, 0, whole + ETH + ip_len + off,
				  pkt.payload.len);
	}
	wrong += off != l4_len;

	/* The header of an unfragmented one in front: whole again? */
	forget();
	frame_set_mtu(0);
	wrong += udp ? !frame_send_udp(&ip, 80, 4711, &b, 0) :
		       !frame_send_icmp(&ip, 8, 0, &b);
	one = &sent[0];
	wrong += parse_sent(0) != PKT_OK;
	wrong += memcmp(one->p + ETH + ip_len, whole + ETH + ip_len, l4_len);
	forget();
	return wrong;
}

static void fragments(void)
{
	static const unsigned mtus[] = { 68, 576, 1280, 1281, 1287, 1288, 1500,
					 9000, 65520 };
	struct frame_ip ip = ip_of(V4, PROTO_UDP);
	struct bytes b = payload_of(3000, 1);
	uint32_t first;

	for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
		unsigned wrong = 0, mtu = mtus[i];

		for (unsigned csum = 0; csum < 2; csum++) {
			caps.tx.csum = csum;
			for (size_t n = 0; n < 24; n++)
				for (enum family f = V4; f < FAMILIES; f++) {
					unsigned m = least_mtu(f, mtu);

					wrong += fragmented(f, PROTO_UDP,
						m - 60 + n, m);
					wrong += fragmented(f, PROTO_UDP,
						MIN(3 * m + n, 65500), m);
					wrong += fragmented(f, f == V4 ?
						PROTO_ICMP : PROTO_ICMP6,
						MIN(2 * m + n, 65500), m);
				}
			wrong += fragmented(V4, PROTO_UDP, 65507, mtu);
			wrong += fragmented(V6, PROTO_UDP, 65527,
					    least_mtu(V6, mtu));
		}
		is_int(wrong, 0, "MTU %u: fragments make up the datagram", mtu);
	}
	caps.tx.csum = false;

	frame_set_mtu(1500);
	frame_send_udp(&ip, 1, 2, &b, 0);
	parse_sent(0);
	first = pkt.frag.id;
	forget();
	frame_send_udp(&ip, 1, 2, &b, 0);
	parse_sent(0);
	ok(pkt.frag.id != first, "the next datagram has another id");
	forget();

	refuse_at = 1;
	ok(!frame_send_udp(&ip, 1, 2, &b, 0) && sent_count == 1,
	   "the link refuses one: so it was not sent");
	forget();
	ip.proto = PROTO_TCP;
	ok(frame_send(&ip, &(struct wire_tcp){ .off = 0x50 }, 20, &b, 0) &&
	   sent_count == 1, "TCP is never fragmented");
	forget();
	frame_set_mtu(0);
	b = payload_of(0, 1);
	refuse_at = 0;
	ok(!frame_send(&ip, &(struct wire_tcp){ .off = 0x50 }, 20, NULL, 0),
	   "the link refuses a frame");
	forget();
}

/* A payload in more pieces than fit: nothing may be lost */
static void many_pieces(void)
{
	struct frame_ip ip = ip_of(V4, PROTO_UDP);
	struct bytes b = payload_of(3000, 150);
	size_t sum = 0;
	bool took;

	frame_set_mtu(1500);
	took = frame_send_udp(&ip, 1, 2, &b, 0);
	for (unsigned i = 0; i < sent_count; i++)
		sum += sent[i].len - ETH - 20;
	b = payload_of(3000, TAP_TX_FRAMES);
	ok(frame_send_udp(&ip, 1, 2, &b, 0), "3000 bytes in %d pieces",
	   TAP_TX_FRAMES);
	ok(!took || sum == 3008, "3000 bytes in 150 pieces: all, or false");
	forget();
	frame_set_mtu(0);
}

/* MTUs that conf warns about, but takes: no header fits. Whatever is done
 * with such a datagram, it must come to an end.
 */
static void tiny_mtu(void)
{
	unsigned endless[FAMILIES] = { 0 };

	for (enum family f = V4; f < FAMILIES; f++)
		for (unsigned mtu = 1; mtu < 80; mtu++) {
			struct frame_ip ip = ip_of(f, PROTO_UDP);
			struct bytes b = payload_of(200, 1);

			frame_set_mtu(mtu);
			frame_send_udp(&ip, 1, 2, &b, 0);
			endless[f] += sent_count == SENT_MAX;
			forget();
		}
	frame_set_mtu(0);
	is_int(endless[V4], 0, "IPv4, MTU 1 to 79: not endless");
	is_int(endless[V6], 0, "IPv6, MTU 1 to 79: not endless");
}

int main(void)
{
	layout();
	macs();
	round_trips();
	udp_zero();
	partial();
	gso();
	fragments();
	many_pieces();
	tiny_mtu();
	payload_of(0, 0);
	return done();
}
