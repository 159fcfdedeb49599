// SPDX-License-Identifier: GPL-2.0-or-later
/* Fragments: datagrams are cut here, and put together by frag.c
 *
 * Links: frame/frag.o frame/icmp_err.o frame/frame_parse.o util/addr.o
 * Links: util/csum.o util/iov.o util/rdwr.o
 */
#include "frame/frag.h"

#include <stdlib.h>

#include "util/csum.h"
#include "fake_frame.h"
#include "tap_test.h"

/* What icmp_err.c has for others than us */
size_t frame_build(uint8_t *hdr, const struct frame_ip *ip, const void *l4,
		   size_t l4_len, const struct bytes *payload, uint16_t gso_size,
		   struct tap_meta *ret_meta)
{
	(void)hdr, (void)ip, (void)l4, (void)l4_len, (void)payload;
	(void)gso_size, (void)ret_meta;
	abort();
}

size_t frame_l3_len(const struct frame_ip *ip)
{
	(void)ip;
	abort();
}

/* A datagram from the guest, and what its fragments' headers say */
static struct dgram {
	enum family family;
	const char *src, *dst;		/* NULL: the usual ones */
	uint32_t id;
	uint8_t proto;
	uint8_t tos;
	const uint8_t *opts;		/* IPv4 options, or IPv6 extension */
	size_t opts_len;		/* header in front of the fragment's */
	uint8_t opts_type;		/* IPv6: what that one is */
	uint8_t l4[70000];		/* header and data */
	size_t len;
} dg;

static uint8_t frame[80000];
static struct pkt got;			/* what the last input() said */

static const uint8_t our_mac[6] = { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };

static struct addr dgram_src(void)
{
	return fake_addr(dg.src ? dg.src : dg.family == V4 ? "192.0.2.15" :
			 "2001:db8:1::15");
}

static struct addr dgram_dst(void)
{
	return fake_addr(dg.dst ? dg.dst : dg.family == V4 ? "198.51.100.1" :
			 "2001:db8:2::1");
}

/* L4 checksum over dg.l4, whose field at `at` is zero */
static void dgram_csum(size_t at)
{
	struct addr src = dgram_src(), dst = dgram_dst();
	uint64_t sum = 0;
	be16_t csum;

	if (dg.proto != PROTO_ICMP)
		sum = csum_pseudo(&src, &dst, dg.proto, (uint32_t)dg.len);
	csum = csum_finish(csum_add(sum, dg.l4, dg.len));
	if (!csum.raw)
		csum.raw = 0xffff;
	memcpy(dg.l4 + at, &csum, 2);
}

/* len: data after the UDP header */
static void make_udp(enum family f, uint32_t id, size_t len)
{
	struct wire_udp h = {
		.sport = be16_put(5000), .dport = be16_put(7000),
		.len = be16_put((uint16_t)(len + sizeof(h))),
	};

	dg = (struct dgram){
		.family = f, .id = id, .proto = PROTO_UDP,
		.len = len + sizeof(h),
	};
	memcpy(dg.l4, &h, sizeof(h));
	for (size_t i = sizeof(h); i < dg.len; i++)
		dg.l4[i] = (uint8_t)(i * 7 + i / 251 + id);
	dgram_csum(offsetof(struct wire_udp, csum));
}

static void make_echo(enum family f, uint32_t id, size_t len)
{
	make_udp(f, id, len);
	dg.proto = f == V4 ? PROTO_ICMP : PROTO_ICMP6;
	memcpy(dg.l4, (uint8_t[]){ f == V4 ? 8 : 128, 0, 0, 0, 0, 5, 0, 1 }, 8);
	dgram_csum(2);
}

/* RFC 791 3.1 */
static size_t frame_ip4(uint8_t *p, size_t off, size_t len, bool more)
{
	struct addr src = dgram_src(), dst = dgram_dst();
	size_t opts_len = dg.opts_len;
	struct wire_ip4 h = {
		.ver_ihl = (uint8_t)(0x45 + opts_len / 4),
		.tos = dg.tos,
		.tot_len = be16_put((uint16_t)(sizeof(h) + opts_len + len)),
		.id = be16_put((uint16_t)dg.id),
		.frag = be16_put((uint16_t)(off / 8 | (more ? 0x2000 : 0))),
		.ttl = 61,
		.proto = dg.proto,
	};

	memcpy(h.src, addr_v4_bytes(&src), 4);
	memcpy(h.dst, addr_v4_bytes(&dst), 4);
	memcpy(p, &h, sizeof(h));
	if (opts_len)
		memcpy(p + sizeof(h), dg.opts, opts_len);
	h.csum = csum_finish(csum_add(0, p, sizeof(h) + opts_len));
	memcpy(p, &h, sizeof(h));
	return sizeof(h) + opts_len;
}

/* RFC 8200 3, 4.5 */
static size_t frame_ip6(uint8_t *p, size_t off, size_t len, bool more)
{
	struct addr src = dgram_src(), dst = dgram_dst();
	size_t opts_len = dg.opts_len;
	struct wire_ip6 h = {
		.ver_tc_flow = be32_put(6U << 28 | (uint32_t)dg.tos << 20),
		.payload_len = be16_put((uint16_t)(opts_len + 8 + len)),
		.next_hdr = opts_len ? dg.opts_type : 44,
		.hop_limit = 61,
	};
	uint8_t fh[8] = {
		dg.proto, 0, (uint8_t)(off >> 8), (uint8_t)(off | more),
		(uint8_t)(dg.id >> 24), (uint8_t)(dg.id >> 16),
		(uint8_t)(dg.id >> 8), (uint8_t)dg.id,
	};

	memcpy(h.src, src.b, 16);
	memcpy(h.dst, dst.b, 16);
	memcpy(p, &h, sizeof(h));
	p += sizeof(h);
	if (opts_len)
		memcpy(p, dg.opts, opts_len);
	memcpy(p + opts_len, fh, sizeof(fh));
	return sizeof(h) + opts_len + sizeof(fh);
}

/* The fragment [off, off + len) of dg, as a frame */
static size_t make_frame(size_t off, size_t len, bool more)
{
	be16_t type = be16_put(dg.family == V4 ? 0x0800 : 0x86dd);
	uint8_t *p = frame;

	memcpy(p, our_mac, 6);
	memcpy(p + 6, fake_guest_mac, 6);
	memcpy(p + 12, &type, 2);
	p += 14;
	p += dg.family == V4 ? frame_ip4(p, off, len, more) :
			       frame_ip6(p, off, len, more);
	memcpy(p, dg.l4 + off, MIN(len, sizeof(dg.l4) - off));
	return (size_t)(p - frame) + len;
}

static enum pkt_verdict input(size_t frame_len)
{
	struct tap_frame f = { .data = fake_bytes(frame, frame_len) };
	enum pkt_verdict verdict = frame_parse(&f, &got);

	return verdict == PKT_FRAGMENT ? frag_input(&got, &got) : verdict;
}

static enum pkt_verdict frag_more(size_t off, size_t len)
{
	return input(make_frame(off, len, true));
}

static enum pkt_verdict frag_last(size_t off)
{
	return input(make_frame(off, dg.len - off, false));
}

/* Is `got` the UDP datagram or echo request in dg? */
static bool got_whole(void)
{
	size_t skip = dg.proto == PROTO_UDP ? 8 : 4;
	struct addr src = dgram_src(), dst = dgram_dst();
	static uint8_t data[70000];

	return got.kind == PKT_IP && got.family == dg.family &&
	       got.proto == dg.proto && addr_eq(&got.src, &src) &&
	       addr_eq(&got.dst, &dst) && got.ttl == 61 && !got.df &&
	       !got.gso_size &&
	       (dg.proto != PROTO_UDP ||
		(got.sport == 5000 && got.dport == 7000)) &&
	       !memcmp(got.src_mac, fake_guest_mac, 6) &&
	       !memcmp(got.dst_mac, our_mac, 6) &&
	       got.payload.len == dg.len - skip &&
	       bytes_copy(&got.payload, 0, data, sizeof(data)) ==
	       dg.len - skip && !memcmp(data, dg.l4 + skip, dg.len - skip);
}

/* Empty the pool by waiting */
static void drain(void)
{
	while (fake_timer)
		fake_fire();
	fake_reset();
	memset(&frag_counters, 0, sizeof(frag_counters));
	memset(drop_counts, 0, sizeof(drop_counts));
}

static const char *name(enum family f)
{
	return f == V4 ? "IPv4" : "IPv6";
}

/* All orders of n fragments; how many of them failed */
static unsigned permute(enum family f, unsigned *order, unsigned n, unsigned k,
			size_t size, unsigned *ret_tried)
{
	unsigned wrong = 0, tmp;

	if (k < n) {
		for (unsigned i = k; i < n; i++) {
			tmp = order[k], order[k] = order[i], order[i] = tmp;
			wrong += permute(f, order, n, k + 1, size, ret_tried);
			tmp = order[k], order[k] = order[i], order[i] = tmp;
		}
		return wrong;
	}
	make_udp(f, 1000 + *ret_tried, size * n - 13);
	for (unsigned i = 0; i < n; i++) {
		size_t off = order[i] * size;
		enum pkt_verdict v = order[i] < n - 1 ? frag_more(off, size) :
							frag_last(off);

		wrong += v != (i < n - 1 ? PKT_HELD : PKT_OK);
		wrong += (i < n - 1) != (fake_timer != NULL);
	}
	++*ret_tried;
	return wrong + !got_whole();
}

static void orders(enum family f)
{
	static const size_t sizes[] = { 8, 24, 1480 };

	for (unsigned n = 2; n <= 5; n++) {
		unsigned tried = 0, wrong = 0;

		for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
			unsigned order[] = { 0, 1, 2, 3, 4 };

			wrong += permute(f, order, n, 0, MAX(sizes[s], 16),
					 &tried);
		}
		is_int(wrong, 0, "%s: %u fragments, %u orders", name(f), n,
		       tried);
	}
	drain();
}

static void headers(enum family f)
{
	/* Router alert */
	static const uint8_t opt4[] = { 148, 4, 0, 0 };
	/* Hop-by-hop: router alert (RFC 2711), PadN */
	static const uint8_t opt6[] = { 44, 0, 5, 2, 0, 0, 1, 0 };
	const uint8_t *opts = f == V4 ? opt4 : opt6;
	size_t opts_len = f == V4 ? sizeof(opt4) : sizeof(opt6);

	make_udp(f, 1, 2000);
	is_int(frag_last(1480), PKT_HELD, "%s: the last fragment", name(f));
	dg.opts = opts;
	dg.opts_len = opts_len;
	dg.opts_type = PROTO_HOPOPTS;
	dg.tos = 0xb8;
	is_int(frag_more(0, 1480), PKT_OK, "  first one with options: whole");
	ok(got_whole(), "  right");
	is_int(got.tos, 0xb8, "  traffic class of the first one");
	is_int(got.l3.len, (f == V4 ? 20 : 40) + opts_len + 2008,
	       "  length with options");

	make_udp(f, 2, 2000);
	dg.opts = opts;
	dg.opts_len = opts_len;
	dg.opts_type = PROTO_HOPOPTS;
	is_int(frag_last(1480), PKT_HELD, "options on the last one");
	dg.opts_len = 0;
	is_int(frag_more(0, 1480), PKT_OK, "  aren't needed");
	is_int(got.l3.len, (f == V4 ? 20 : 40) + 2008, "  nor there");

	make_echo(f, 3, 3000);
	is_int(frag_more(0, 1480), PKT_HELD, "echo");
	is_int(frag_more(1480, 1480), PKT_HELD, "  of three");
	is_int(frag_last(2960), PKT_OK, "  whole");
	ok(got_whole() && got.icmp.id == 5 && got.icmp.seq == 1, "  right");

	make_udp(f, 4, 2000);
	dg.l4[1999] ^= 1;
	frag_more(0, 1480);
	is_int(frag_last(1480), PKT_CSUM, "wrong checksum of the whole");
	make_udp(f, 5, 2000);
	frag_more(0, 1480);
	dg.len = 1900;
	is_int(frag_last(1480), PKT_BAD, "shorter than UDP says");
	make_udp(f, 6, 2000);
	dg.proto = 132;
	frag_last(1480);
	is_int(frag_more(0, 1480), PKT_UNKNOWN_PROTO, "another protocol");
	ok(!fake_timer, "nothing is left of those");
	drain();
}

/* Destination options behind the fragment header are part of the data */
static void fragmented_options(void)
{
	static const uint8_t opt[] = { PROTO_UDP, 0, 1, 4, 0, 0, 0, 0 };

	make_udp(V6, 7, 2000);
	memmove(dg.l4 + 8, dg.l4, dg.len);
	memcpy(dg.l4, opt, 8);
	dg.len += 8;
	dg.proto = PROTO_DSTOPTS;
	frag_more(0, 8);
	frag_last(1480);
	is_int(frag_more(8, 1472), PKT_OK, "options in the fragmented part");
	ok(got.proto == PROTO_UDP && got.dport == 7000 &&
	   got.payload.len == 2000, "  are passed over");

	dg.id = 8;
	dg.l4[0] = PROTO_TCP;
	frag_more(0, 1480);
	ok(frag_last(1480) != PKT_OK, "TCP hidden behind them");
	dg.id = 9;
	dg.l4[0] = PROTO_FRAGMENT;
	frag_more(0, 1480);
	is_int(frag_last(1480), PKT_BAD, "fragment of a fragment");

	/* RFC 8200 4.5: only the first one's next header counts */
	make_udp(V6, 10, 2000);
	dg.proto = 132;
	frag_last(1480);
	dg.proto = PROTO_UDP;
	is_int(frag_more(0, 1480), PKT_OK, "next header of the last one");
	ok(got_whole(), "  means nothing");
	drain();
}

/* Which datagram it belongs to */
static void keys(enum family f)
{
	make_udp(f, 1, 2000);
	frag_more(0, 1480);
	make_udp(f, 2, 2000);
	is_int(frag_last(1480), PKT_HELD, "%s: other id", name(f));
	make_udp(f, 1, 2000);
	dg.dst = f == V4 ? "198.51.100.2" : "2001:db8:2::2";
	is_int(frag_last(1480), PKT_HELD, "other destination");
	make_udp(f, 1, 2000);
	dg.src = f == V4 ? "192.0.2.16" : "2001:db8:1::16";
	is_int(frag_last(1480), PKT_HELD, "other source");
	if (f == V4) {
		make_echo(f, 1, 2000);
		is_int(frag_last(1480), PKT_HELD, "other protocol");
	}
	make_udp(f == V4 ? V6 : V4, 1, 2000);
	is_int(frag_last(1480), PKT_HELD, "other family");
	make_udp(f, 1, 2000);
	is_int(frag_last(1480), PKT_OK, "the right one");
	ok(got_whole(), "  is unharmed");
	make_udp(f, 2, 2000);
	is_int(frag_more(0, 1480), PKT_OK, "and so is another");
	ok(got_whole(), "  of them");
	drain();
}

static void duplicates(enum family f)
{
	make_udp(f, 1, 4000);
	for (int i = 0; i < 3; i++)
		is_int(frag_more(1480, 1480), PKT_HELD, "%s: thrice the second",
		       name(f));
	for (int i = 0; i < 3; i++)
		is_int(frag_last(2960), PKT_HELD, "  and the last");
	is_int(frag_more(0, 1480), PKT_OK, "  whole");
	ok(got_whole(), "  right");
	is_int(drop_counts[DROP_FRAGMENT_CLASH], 0, "  no clash");

	make_udp(f, 2, 4000);
	frag_more(1480, 1480);
	dg.l4[1600] ^= 1;
	is_int(frag_more(1480, 1480), PKT_FRAGMENT,
	       "same place, other contents");
	is_int(drop_counts[DROP_FRAGMENT_CLASH], 1, "  clash");
	drain();
}

/* Sequences whose last fragment makes the datagram worthless */
static const struct clash {
	const char *what;
	struct { uint16_t off, len; bool more; } frag[4];
} clashes[] = {
	{ "begins within another", { { 0, 80, 1 }, { 72, 80, 1 } } },
	{ "ends within another", { { 80, 80, 1 }, { 8, 80, 1 } } },
	{ "lies within another", { { 0, 800, 1 }, { 80, 80, 1 } } },
	{ "has the same start, longer", { { 80, 80, 1 }, { 80, 88, 1 } } },
	{ "has the same start, shorter", { { 80, 80, 1 }, { 80, 72, 1 } } },
	{ "has the same end", { { 80, 80, 1 }, { 88, 72, 1 } } },
	{ "covers another", { { 80, 80, 1 }, { 0, 800, 1 } } },
	{ "covers two", { { 80, 80, 1 }, { 240, 80, 1 }, { 0, 800, 1 } } },
	{ "closes a gap, and more",
	  { { 0, 80, 1 }, { 160, 80, 1 }, { 80, 88, 1 } } },
	{ "overlaps the last one", { { 800, 80, 0 }, { 792, 16, 1 } } },
	{ "lies beyond the end", { { 800, 80, 0 }, { 880, 80, 1 } } },
	{ "ends at the end, but isn't the last",
	  { { 800, 80, 0 }, { 800, 80, 1 } } },
	{ "is the last, at less than we have",
	  { { 800, 80, 1 }, { 400, 80, 0 } } },
	{ "is the last, and wasn't before",
	  { { 800, 80, 1 }, { 800, 80, 0 } } },
	{ "is the last, but another was",
	  { { 800, 80, 0 }, { 400, 80, 0 } } },
	{ "is the last, further away",
	  { { 800, 80, 0 }, { 1600, 80, 0 } } },
	{ "is the last, longer", { { 800, 80, 0 }, { 800, 88, 0 } } },
	/* RFC 1858 4, RFC 3128 2.1: rewrite the header once it passed */
	{ "rewrites the header", { { 0, 80, 1 }, { 8, 80, 1 } } },
	{ "is tiny and written over", { { 0, 8, 1 }, { 0, 80, 1 } } },
};

static void overlaps(enum family f)
{
	for (unsigned i = 0; i < ARRAY_SIZE(clashes); i++) {
		const struct clash *c = &clashes[i];
		unsigned n = 0, held = 0;
		enum pkt_verdict v = PKT_HELD;

		make_udp(f, i, 4000);
		while (n < 4 && c->frag[n].len) {
			held += v == PKT_HELD;
			v = input(make_frame(c->frag[n].off, c->frag[n].len,
					     c->frag[n].more));
			n++;
		}
		ok(held == n && v == PKT_FRAGMENT, "%s: %s", name(f), c->what);
		for (size_t off = 0; off < 2960; off += 1480)
			held += frag_more(off, 1480) == PKT_FRAGMENT;
		is_int(held, n + 2, "  nothing else is taken");
		is_int(frag_last(2960), PKT_FRAGMENT, "  nor made of it");
	}
	is_int(drop_counts[DROP_FRAGMENT_CLASH], ARRAY_SIZE(clashes), "all counted");
	ok(fake_timer && fake_timer_when.us == fake_now.us + 30000000,
	   "forgotten in 30 s");
	fake_sent_count = 0;
	fake_fire();
	is_int(fake_sent_count, 0, "  without a word");
	ok(!fake_timer, "  all");
	make_udp(f, 0, 2000);
	frag_more(0, 1480);
	is_int(frag_last(1480), PKT_OK, "then the id is good again");
	drain();
}

static void malformed(enum family f)
{
	make_udp(f, 1, 4000);
	frag_more(0, 1480);
	is_int(input(make_frame(1480, 1476, true)), PKT_BAD,
	       "%s: not a multiple of 8", name(f));
	is_int(input(make_frame(1480, 0, true)), PKT_BAD, "empty");
	is_int(input(make_frame(4008, 0, false)), PKT_BAD, "empty, last");
	is_int(input(make_frame(65528, 8, true)), PKT_BAD, "beyond 64 KiB");
	is_int(input(make_frame(65528, 9, false)), PKT_BAD, "the last one");
	is_int(input(make_frame(65000, 1480, false)), PKT_BAD, "partly");
	is_int(frag_more(1480, 1480), PKT_HELD, "the datagram");
	is_int(frag_last(2960), PKT_OK, "  isn't harmed by that");
	ok(got_whole(), "  right");

	make_udp(f, 2, 4000);
	dg.proto = PROTO_TCP;
	is_int(frag_more(0, 1480), PKT_FRAGMENT, "TCP: no");
	is_int(frag_more(1480, 1480), PKT_FRAGMENT, "  fragments");
	is_int(frag_last(2960), PKT_FRAGMENT, "  at all");
	ok(!fake_timer, "  nothing kept");

	make_udp(f, 3, 8 * 200);
	for (size_t off = 0; off < 8 * 128; off += 8)
		if (frag_more(off, 8) != PKT_HELD)
			break;
	is_int(drop_counts[DROP_FRAGMENT_CLASH], 0, "128 pieces");
	is_int(frag_more(8 * 128, 8), PKT_FRAGMENT, "  not one more");
	drain();
}

static void largest(enum family f)
{
	size_t max = f == V4 ? 65515 : 65535, off;

	make_udp(f, 1, max - 8);
	for (off = 0; off + 1232 < max; off += 1232)
		if (frag_more(off, 1232) != PKT_HELD)
			break;
	is_int(frag_last(off), PKT_OK, "%s: %zu bytes", name(f), max);
	ok(got_whole(), "  right");
	is_int(got.l3.len, f == V4 ? 65535 : 65575, "  as one packet");

	/* It fits with the header of the second, but not with the first's */
	make_udp(f, 2, max - 8);
	is_int(frag_last(64), PKT_HELD, "as much again");
	dg.opts = (const uint8_t *)"\x2c\0\1\4\0\0\0";
	if (f == V4)
		dg.opts = (const uint8_t *)"\1\1\1\1\1\1\1";
	dg.opts_len = 8;
	dg.opts_type = PROTO_DSTOPTS;
	is_int(frag_more(0, 64), PKT_BAD, "  but options on the first");
	drain();
}

static void atomic(void)
{
	make_udp(V6, 1, 2000);
	frag_more(0, 1480);

	make_udp(V6, 1, 500);
	is_int(frag_last(0), PKT_OK, "atomic fragment: processed at once");
	ok(got_whole(), "  right");
	ok(fake_timer, "  what has the same id waits on");
	make_udp(V6, 1, 2000);
	is_int(frag_last(1480), PKT_OK, "  and isn't harmed");
	ok(got_whole(), "  right");

	/* RFC 9293 3.1: a SYN */
	make_udp(V6, 1, 12);
	dg.proto = PROTO_TCP;
	memcpy(dg.l4, (uint8_t[20]){ 0x13, 0x88, 0x1b, 0x58, 0, 0, 0, 1, 0, 0,
				     0, 0, 0x50, TCP_SYN, 0xff, 0xff }, 20);
	dgram_csum(offsetof(struct wire_tcp, csum));
	is_int(frag_last(0), PKT_OK, "TCP in an atomic fragment is whole, too");
	ok(got.proto == PROTO_TCP && got.tcp.flags == TCP_SYN &&
	   got.dport == 7000, "  right");
	ok(!fake_timer, "  nothing waits");
	drain();
}

/* RFC 3168 5.3 */
static void ecn(enum family f)
{
	static const struct {
		uint8_t a, b;
		int want;		/* -1: dropped */
	} cases[] = {
		{ 0, 0, 0 }, { 2, 2, 2 }, { 1, 1, 1 }, { 3, 3, 3 },
		{ 2, 3, 3 }, { 3, 2, 3 }, { 1, 3, 3 }, { 3, 0, -1 },
		{ 0, 3, -1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		enum pkt_verdict v;

		make_udp(f, i, 2000);
		dg.tos = 0x28 | cases[i].a;
		frag_more(0, 1480);
		dg.tos = cases[i].b;
		v = frag_last(1480);
		is_int(v == PKT_OK ? got.tos : -1,
		       cases[i].want < 0 ? -1 : 0x28 | cases[i].want,
		       "%s: ECN %u and %u", name(f), cases[i].a, cases[i].b);
	}
	drain();
}

static void timeout(enum family f)
{
	const struct fake_sent *s = fake_sent;
	mono_t start = fake_now;

	fake_sent_count = 0;
	make_udp(f, 1, 4000);
	frag_more(0, 1480);
	is_int(fake_timer_when.us - start.us, 30000000, "%s: 30 s are left",
	       name(f));
	fake_now = mono_add(start, DUR_S(20));
	frag_more(1480, 1480);
	is_int(fake_timer_when.us - start.us, 30000000, "from the first on");
	make_udp(f, 2, 4000);
	frag_more(1480, 1480);
	is_int(fake_timer_when.us - start.us, 30000000, "of the oldest");
	fake_fire();
	is_int(drop_counts[DROP_FRAGMENT_LATE], 1, "one is given up");
	is_int(fake_sent_count, 1, "Time Exceeded");
	is_int(s->type, f == V4 ? 11 : 3, "  type");
	is_int(s->code, 1, "  reassembly");
	make_udp(f, 1, 4000);
	ok(addr_eq(&s->dst, &(struct addr[]){ dgram_src() }[0]) &&
	   addr_eq(&s->src, &(struct addr[]){ dgram_dst() }[0]),
	   "  from the destination, to the guest");
	make_frame(0, 1480, true);
	is_int(s->len, f == V4 ? 4 + 20 + 8 : 4 + 1232, "  length");
	ok(!memcmp(s->data, "\0\0\0\0", 4) &&
	   !memcmp(s->data + 4, frame + 14, s->len - 4),
	   "  quotes the first fragment");

	ok(fake_timer, "one is left");
	is_int(fake_timer_when.us - start.us, 50000000, "  for 20 s");
	fake_sent_count = 0;
	is_int(frag_last(2960), PKT_HELD, "too late for the other");
	fake_fire();
	is_int(drop_counts[DROP_FRAGMENT_LATE], 2, "the next is given up");
	is_int(fake_sent_count, 0, "no error without a first fragment");
	fake_fire();
	ok(!fake_timer, "no timer without a datagram");
	is_int(fake_sent_count, 0, "nor for what came too late");

	make_echo(f, 3, 4000);
	frag_more(0, 1480);
	fake_fire();
	is_int(fake_sent_count, 1, "Time Exceeded for an echo request");
	dg.l4[0] = f == V4 ? 3 : 1;
	frag_more(0, 1480);
	fake_fire();
	is_int(fake_sent_count, 1, "not for an error");
	make_udp(f, 4, 4000);
	dg.dst = f == V4 ? "224.0.0.251" : "ff02::fb";
	frag_more(0, 1480);
	fake_fire();
	is_int(fake_sent_count, 1, "nor for multicast");
	fake_sent_count = 0;
	make_udp(f, 5, 4000);
	frag_more(0, 8);
	fake_fire();
	is_int(s->len, f == V4 ? 4 + 20 + 8 : 4 + 48 + 8,
	       "no more is quoted than there was");
	drain();
}

static void pool(enum family f)
{
	unsigned whole = 0;

	for (uint32_t id = 0; id < 64; id++) {
		make_udp(f, id, 2000);
		fake_now.us++;
		whole += frag_more(0, 1480) == PKT_HELD;
	}
	is_int(whole, 64, "%s: 64 datagrams are kept", name(f));
	for (uint32_t id = 64; id < 67; id++) {
		make_udp(f, id, 2000);
		frag_more(0, 1480);
	}
	is_int(drop_counts[DROP_FRAGMENT_EVICTED], 3, "three more");
	whole = 0;
	for (uint32_t id = 3; id < 67; id++) {
		make_udp(f, id, 2000);
		whole += frag_last(1480) == PKT_OK && got_whole();
	}
	is_int(whole, 64, "all are completed");
	ok(!fake_timer, "  the pool is empty");
	make_udp(f, 0, 2000);
	is_int(frag_last(1480), PKT_HELD, "but the oldest, which went");
	drain();
}

/* Fragments at random, against a model that keeps a byte for each unit of 8 */
static void model(enum family f)
{
	unsigned wrong = 0, whole = 0, broken = 0;

	for (uint32_t turn = 0; turn < rounds_of(20000); turn++) {
		enum { UNITS = 12 };
		uint8_t owner[UNITS] = { 0 };	/* start + 1 of the fragment */
		bool dead = false, done = false;
		size_t n_units = 2 + fake_random() % (UNITS - 2), end = 0;

		make_udp(f, turn, n_units * 8 - 8);
		for (int i = 0; i < 40 && !done; i++) {
			size_t from = fake_random() % n_units;
			size_t n = 1 + fake_random() % 3;
			size_t same = 0, taken = 0, have = 0;
			bool last, dup;
			enum pkt_verdict v;

			/* Cut at every second unit, mostly */
			if (fake_random() % 16) {
				from &= ~(size_t)1;
				n = 2;
			}
			n = MIN(n, n_units - from);
			last = from + n == n_units;
			if (!(fake_random() % 64))
				last = !last;
			if (!from && last)
				continue;

			for (size_t u = from; u < from + n; u++) {
				taken += owner[u] != 0;
				same += owner[u] == from + 1;
			}
			dup = same == n && (from + n == UNITS ||
					    owner[from + n] != from + 1);
			dup = dup && last == (end == from + n);
			for (size_t u = 0; u < UNITS; u++)
				have = owner[u] ? u + 1 : have;
			if (!dup && (taken ||
				     (end && (last || from + n >= end)) ||
				     (last && have > from + n)))
				dead = true;
			v = input(make_frame(from * 8, n * 8, !last));
			if (dead) {
				wrong += v != PKT_FRAGMENT;
				continue;
			}
			memset(owner + from, (int)from + 1, n);
			if (last)
				end = from + n;
			done = end;
			for (size_t u = 0; u < end; u++)
				done = done && owner[u];
			if (!done)
				wrong += v != PKT_HELD;
			else if (end == n_units)
				wrong += v != PKT_OK || !got_whole();
			else
				wrong += v == PKT_OK || v == PKT_HELD;
		}
		whole += done;
		broken += dead;
		fake_now.us += 1000000;
		if (turn % 64 == 63)
			drain();
	}
	is_int(wrong, 0, "%s: like a simple model", name(f));
	ok(whole > rounds_of(1000) && broken > rounds_of(1000), "  %u whole, %u broken", whole,
	   broken);
	drain();
}

static void mutations(void)
{
	unsigned long verdicts[PKT_UNKNOWN_PROTO + 1] = { 0 }, sum = 0;
	uint8_t data[4096];

	for (unsigned i = 0; i < rounds_of(200000); i++) {
		size_t size = 8 + 8 * (fake_random() % 32), len;
		size_t n = 2 + fake_random() % 4, at = fake_random() % n;
		enum pkt_verdict v;

		if (!(i % 8))
			make_udp(fake_random() & 1 ? V4 : V6,
				 fake_random() % 16, size * n - 8);
		at *= size;
		size = MIN(size, dg.len - MIN(at, dg.len));
		if (!size)
			continue;
		len = make_frame(at, size, at + size < dg.len);
		if (fake_random() & 1)
			len = fake_mutate(frame, len, len + 64);
		/* With a header that adds up, more gets to where we want it */
		if (fake_random() & 1 && dg.family == V4) {
			be16_t csum = { 0 };

			memcpy(frame + 24, &csum, 2);
			csum = csum_finish(csum_add(0, frame + 14, 20));
			memcpy(frame + 24, &csum, 2);
		}
		v = input(len);
		verdicts[v]++;
		if (v == PKT_OK && got.kind == PKT_IP)
			sum += bytes_copy(&got.l3, 0, data, sizeof(data)) +
			       bytes_copy(&got.payload, 0, data, sizeof(data));
		if (!(fake_random() % 64) && fake_timer)
			fake_fire();
		fake_now.us += fake_random() % 1000000;
	}
	ok(verdicts[PKT_OK] > rounds_of(1000) && verdicts[PKT_HELD] > rounds_of(1000) &&
	   verdicts[PKT_FRAGMENT] > rounds_of(1000) &&
	   verdicts[PKT_BAD] > rounds_of(1000) && sum,
	   "mutations: %lu good, %lu held, %lu dropped, %lu bad",
	   verdicts[PKT_OK], verdicts[PKT_HELD], verdicts[PKT_FRAGMENT],
	   verdicts[PKT_BAD]);
	drain();
}

int main(void)
{
	frag_init();
	for (enum family f = V4; f < FAMILIES; f++) {
		orders(f);
		headers(f);
		keys(f);
		duplicates(f);
		overlaps(f);
		malformed(f);
		largest(f);
		ecn(f);
		timeout(f);
		pool(f);
		model(f);
	}
	fragmented_options();
	atomic();
	mutations();
	return done();
}
