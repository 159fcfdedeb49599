// SPDX-License-Identifier: GPL-2.0-or-later
/* The Internet checksum, against the plainest way to compute it
 *
 * Links: util/csum.o util/addr.o util/iov.o
 */
#include "util/csum.h"

#include <stdlib.h>

#include "random.h"
#include "tap_test.h"
#include "util/wire.h"

enum { LEN_MAX = 300 };

/* RFC 1071 1: 16-bit words in network order, a last odd byte is the upper half
 * of one; carries come around
 */
static uint16_t naive(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += (uint32_t)p[i] << (i & 1 ? 0 : 8);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* In host order, as a number; 0 and 0xffff are the same in one's complement */
static uint16_t folded(uint64_t sum)
{
	uint16_t v = ntohs(csum_fold(sum));

	return v == 0xffff ? 0 : v;
}

static bool same(uint64_t sum, uint16_t want)
{
	return folded(sum) == (want == 0xffff ? 0 : want);
}

/* RFC 1071 3: the example */
static void rfc1071(void)
{
	static const uint8_t p[] = { 0x00, 0x01, 0xf2, 0x03,
				     0xf4, 0xf5, 0xf6, 0xf7 };

	is_int(ntohs(csum_fold(csum_add(0, p, 8))), 0xddf2, "RFC 1071: sum");
	is_int(be16_get(csum_finish(csum_add(0, p, 8))), 0x220d,
	       "  its complement");
	is_int(ntohs(csum_fold(csum_add(csum_add(0, p, 2), p + 2, 6))), 0xddf2,
	       "  of two pieces");
	is_int(csum_fold(0), 0, "of nothing: zero");
	is_int(csum_finish(0).raw, 0xffff, "  with the complement of that");
}

/* A header as a router saw it: its checksum makes the sum all ones */
static void header(void)
{
	static const uint8_t ip[20] = {
		0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00,
		0x40, 0x11, 0xb8, 0x61,			/* checksum */
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
	};
	uint8_t copy[20];

	is_int(csum_fold(csum_add(0, ip, 20)), 0xffff, "IPv4 header is right");
	memcpy(copy, ip, 20);
	copy[10] = copy[11] = 0;
	is_int(be16_get(csum_finish(csum_add(0, copy, 20))), 0xb861,
	       "  and would be made so");
}

static void lengths(void)
{
	unsigned wrong = 0;

	for (unsigned kind = 0; kind < 3; kind++) {
		for (size_t at = 0; at < 16; at++) {
			for (size_t len = 0; len <= LEN_MAX; len++) {
				uint8_t *p = malloc(at + len + 1);

				if (kind)
					memset(p, kind == 1 ? 0xff : 0,
					       at + len);
				else
					random_fill(p, at + len);
				/* free of what lies behind it */
				p = realloc(p, at + len + !(at + len));
				wrong += !same(csum_add(0, p + at, len),
					       naive(0, p + at, len));
				free(p);
			}
		}
	}
	is_int(wrong, 0, "every length to %d at every alignment: random, ones, "
	       "zeroes", LEN_MAX);
}

static void large(void)
{
	const size_t size = 1 << 20;
	uint8_t *p = malloc(size);
	unsigned lost = 0;
	uint64_t sum = 0;

	memset(p, 0xff, size);
	is_int(csum_fold(csum_add(0, p, size)), 0xffff, "a MiB of ones");
	for (int i = 0; i < 5000; i++)
		sum = csum_add(sum, p, 65536);
	is_int(csum_fold(sum), 0xffff, "  5000 times 64 KiB: no carry is lost");
	random_fill(p, size);
	for (size_t len = size - 300; len <= size; len += 7)
		if (!same(csum_add(0, p, len), naive(0, p, len)))
			break;
		else if (len + 7 > size)
			ok(true, "a random MiB");
	free(p);
	for (int i = 0; i < 100000; i++) {
		uint64_t v = random_64() >> random_below(64);

		/* 2^16 is 1 modulo 65535 */
		lost += csum_fold(v) % 65535 != v % 65535 ||
			!csum_fold(v) != !v;
	}
	is_int(lost, 0, "100000 sums of any size: no carry is lost");
	is_int(csum_fold(UINT64_MAX), 0xffff, "fold of the largest sum");
	is_int(csum_fold(0x0001ffff0000ffffULL), csum_fold(0x00010000),
	       "fold of one with carries in each step");
}

/* Pieces of even length may be added one by one, to a sum that isn't zero */
static void pieces(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 20000; i++) {
		uint8_t p[LEN_MAX];
		size_t len = random_below(LEN_MAX + 1), at = 0;
		uint16_t first = (uint16_t)random_32();
		uint64_t sum = htons(first);

		random_fill(p, len);
		while (len - at > 1 && random_below(8)) {
			size_t n = random_below((uint32_t)(len - at) / 2) * 2;

			sum = csum_add(sum, p + at, n);
			at += n;
		}
		sum = csum_add(sum, p + at, len - at);
		wrong += !same(sum, naive(first, p, len));
	}
	is_int(wrong, 0, "20000 sums in even pieces");
}

/* A view in pieces of any length: the same as in one. Every way to cut a short
 * one into four, then random ones.
 */
static void views(void)
{
	enum { SHORT = 11 };
	uint8_t p[LEN_MAX];
	unsigned wrong = 0;

	random_fill(p, sizeof(p));
	for (size_t a = 0; a <= SHORT; a++)
		for (size_t b = a; b <= SHORT; b++)
			for (size_t c = b; c <= SHORT; c++) {
				struct iovec iov[] = {
					{ p, a }, { p + a, b - a },
					{ p + b, c - b }, { p + c, SHORT - c },
				};
				struct bytes all = { iov, 4, 0, SHORT };

				wrong += !same(csum_add_bytes(0, &all),
					       naive(0, p, SHORT));
			}
	is_int(wrong, 0, "every cut of %d bytes into four", SHORT);

	wrong = 0;
	for (int i = 0; i < 30000; i++) {
		struct iovec iov[LEN_MAX];
		uint16_t first = (uint16_t)random_32();
		uint32_t off = random_below(40), n = 0;
		struct bytes b = { .iov = iov, .off = off };
		size_t at = 0;

		while (at < sizeof(p) && n < ARRAY_SIZE(iov)) {
			size_t len = random_below(40);

			len = MIN(len, sizeof(p) - at);
			iov[n++] = (struct iovec){ p + at, len };
			at += len;
		}
		if (at <= off)
			continue;
		b.cnt = n;
		b.len = random_below((uint32_t)(at - off) + 1);
		wrong += !same(csum_add_bytes(htons(first), &b),
			       naive(first, p + off, b.len));
	}
	is_int(wrong, 0, "30000 views from anywhere, pieces odd and empty");
}

/* RFC 9293 3.1 and RFC 8200 8.1, byte by byte */
static void pseudo(void)
{
	static const uint8_t v4[] = {
		192, 0, 2, 1, 203, 0, 113, 255,		/* addresses */
		0, 6, 0xfe, 0xdc,			/* zero, TCP, length */
	};
	static const uint8_t v6[40] = {
		0x20, 0x01, 0x0d, 0xb8, [15] = 1,
		0xff, 0x02, [31] = 0xfb,
		0x00, 0x01, 0x23, 0x45,			/* length */
		0, 0, 0, 58,				/* zero, next header */
	};
	struct addr src = addr_from_v4(v4), dst = addr_from_v4(v4 + 4);

	ok(same(csum_pseudo(&src, &dst, PROTO_TCP, 0xfedc), naive(0, v4, 12)),
	   "pseudo-header of IPv4");
	src = addr_from_v6(v6);
	dst = addr_from_v6(v6 + 16);
	ok(same(csum_pseudo(&src, &dst, PROTO_ICMP6, 0x12345),
		naive(0, v6, 40)), "of IPv6, with a length above 65535");
}

int main(void)
{
	rfc1071();
	header();
	lengths();
	large();
	pieces();
	views();
	pseudo();
	return done();
}
