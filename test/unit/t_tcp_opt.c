// SPDX-License-Identifier: GPL-2.0-or-later
/* TCP options: as stacks send them, as they shouldn't, and as we send them
 *
 * Links: tcp/tcp_opt.o util/rdwr.o
 */
#include "tcp/tcp_opt.h"

#include <stdlib.h>

#include "random.h"
#include "tap_test.h"

static struct tcp_opts o;

/* Of a copy on the heap, where sanitizers see any access beyond */
static void parse(const void *p, size_t len)
{
	uint8_t *copy = malloc(len + !len);

	memcpy(copy, p, len);
	memset(&o, 0xa5, sizeof(o));
	tcp_opt_parse(copy, len, &o);
	free(copy);
}
#define PARSE(...)	parse((uint8_t[]){ __VA_ARGS__ }, \
			      sizeof((uint8_t[]){ __VA_ARGS__ }))

static bool nothing(void)
{
	return !o.has_mss && !o.has_wscale && !o.sack_ok && !o.has_ts &&
	       !o.sacks;
}

static void good(void)
{
	/* Linux' SYN */
	PARSE(2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0,
	      1, 3, 3, 7);
	ok(o.has_mss && o.mss == 1460, "Linux: MSS");
	ok(o.sack_ok, "  SACK permitted");
	ok(o.has_ts && o.ts_val == 0x11223344 && !o.ts_ecr, "  timestamps");
	ok(o.has_wscale && o.wscale == 7, "  window scale");
	is_int(o.sacks, 0, "  no SACK block");

	/* Windows, macOS: other orders */
	PARSE(2, 4, 0x05, 0xb4, 1, 3, 3, 8, 1, 1, 4, 2);
	ok(o.has_mss && o.mss == 1460 && o.has_wscale && o.wscale == 8 &&
	   o.sack_ok && !o.has_ts, "Windows: MSS, scale, SACK permitted");
	PARSE(2, 4, 0x05, 0xb4, 1, 3, 3, 6, 1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8,
	      4, 2, 0, 0);
	ok(o.has_mss && o.wscale == 6 && o.has_ts && o.ts_val == 9 &&
	   o.ts_ecr == 8 && o.sack_ok, "macOS: end of options at the end");

	/* An ACK with holes */
	PARSE(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2,
	      1, 1, 5, 18, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0x10,
	      0, 0, 1, 0, 0, 0, 2, 0);
	is_int(o.sacks, 2, "two SACK blocks");
	ok(o.sack[0].left == 0xfffffff0 && o.sack[0].right == 0x10,
	   "  the first, across the wrap");
	ok(o.sack[1].left == 0x100 && o.sack[1].right == 0x200, "  the second");
	ok(o.has_ts && !o.sack_ok && !o.has_mss, "  and timestamps");

	parse("", 0);
	ok(nothing(), "no options");
	PARSE(1, 1, 1, 1);
	ok(nothing(), "nothing but padding");
	PARSE(0, 2, 4, 5, 0xb4);
	ok(nothing(), "nothing behind the end");
	PARSE(34, 2, 254, 4, 0xf9, 0x89, 2, 4, 2, 0x18);
	ok(o.has_mss && o.mss == 536, "unknown options are skipped");
	PARSE(2, 4, 0, 0);
	ok(o.has_mss && !o.mss, "an MSS of 0 is told as it is");
}

static void scales(void)
{
	for (unsigned shift = 0; shift < 256; shift++) {
		PARSE(3, 3, (uint8_t)shift);
		if (shift <= TCP_WSCALE_MAX + 1 || shift == 255)
			is_int(o.wscale, MIN(shift, TCP_WSCALE_MAX),
			       "window scale of %u (RFC 7323 2.3)", shift);
		else if (!o.has_wscale || o.wscale != TCP_WSCALE_MAX)
			ok(false, "window scale of %u", shift);
	}
}

/* Options of a length that isn't theirs say nothing */
static void wrong_lengths(void)
{
	static const struct { const char *name; uint8_t kind, right; } t[] = {
		{ "MSS", 2, 4 }, { "window scale", 3, 3 },
		{ "SACK permitted", 4, 2 }, { "timestamps", 8, 10 },
	};
	static const uint8_t syn[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0,
				       1, 0, 0, 0, 2, 3, 3, 7 };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned wrong = 0;

		for (uint8_t len = 0; len < 20; len++) {
			uint8_t opt[40] = { t[i].kind, len };

			if (len == t[i].right)
				continue;
			memset(opt + 2, 0x11, 18);
			parse(opt, MAX(len, 2));
			wrong += !nothing();
		}
		is_int(wrong, 0, "%s of each other length", t[i].name);
	}

	/* What was read before holds: tcp_opt.h, RFC 9293 3.1 */
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned wrong = 0;

		for (uint8_t len = 0; len < 20; len++) {
			uint8_t opt[40] = { 0 };

			if (len == t[i].right)
				continue;
			memcpy(opt, syn, sizeof(syn));
			opt[sizeof(syn)] = t[i].kind;
			opt[sizeof(syn) + 1] = len;
			parse(opt, sizeof(syn) + MAX(len, 2));
			wrong += !o.has_mss || o.mss != 1460 || !o.sack_ok ||
				 !o.has_ts || o.ts_val != 1 || o.ts_ecr != 2 ||
				 !o.has_wscale || o.wscale != 7;
		}
		is_int(wrong, 0, "a second %s, of a wrong length, changes "
		       "nothing", t[i].name);
	}
}

static void cut_off(void)
{
	static const uint8_t all[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0,
				       1, 0, 0, 0, 2, 3, 3, 7, 1 };

	for (size_t len = 0; len < sizeof(all); len++) {
		parse(all, len);
		ok(o.has_mss == (len >= 4) && o.sack_ok == (len >= 6) &&
		   o.has_ts == (len >= 16) && o.has_wscale == (len >= 19),
		   "cut off after %zu bytes: what was whole", len);
	}
	for (unsigned kind = 2; kind < 256; kind++) {
		PARSE((uint8_t)kind);
		if (!nothing())
			ok(false, "kind %u without length", kind);
		PARSE((uint8_t)kind, 0, 2, 4, 5, 0xb4);
		if (!nothing())
			ok(false, "kind %u of length 0 ends the list", kind);
		PARSE((uint8_t)kind, 1, 2, 4, 5, 0xb4);
		if (!nothing())
			ok(false, "kind %u of length 1 ends the list", kind);
		PARSE((uint8_t)kind, 41);
		if (!nothing())
			ok(false, "kind %u beyond the end", kind);
	}
	ok(true, "every kind: without length, of length 0, 1, 41");
}

static void sacks(void)
{
	uint8_t opt[40] = { 5, 34 };

	for (unsigned i = 0; i < 32; i++)
		opt[2 + i] = (uint8_t)i;
	parse(opt, 34);
	is_int(o.sacks, 4, "four SACK blocks");
	is_int(o.sack[3].right, 0x1c1d1e1f, "  the last one");
	opt[1] = 38;
	parse(opt, 38);
	is_int(o.sacks, TCP_SACK_MAX, "never more");
	opt[1] = 12;
	memcpy(opt + 12, (uint8_t[]){ 5, 26 }, 2);
	parse(opt, 38);
	ok(o.sacks <= TCP_SACK_MAX, "nor in two options");
	opt[1] = 2;
	parse(opt, 2);
	is_int(o.sacks, 0, "none");
	for (uint8_t len = 3; len < 10; len++) {
		opt[1] = len;
		parse(opt, len);
		is_int(o.sacks, 0, "a block of %u bytes", len - 2);
	}
}

static void mutations(void)
{
	unsigned wrong = 0, found = 0;

	for (int i = 0; i < 200000; i++) {
		uint8_t opt[40] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4,
				    5, 6, 7, 8, 1, 3, 3, 7,
				    5, 18 };

		for (uint32_t n = random_below(8); n; n--)
			opt[random_below(sizeof(opt))] =
				random_below(2) ? (uint8_t)random_32() :
						  (uint8_t)random_below(11);
		parse(opt, random_below(41));
		wrong += o.sacks > TCP_SACK_MAX ||
			 (o.has_wscale && o.wscale > TCP_WSCALE_MAX);
		found += !nothing();
	}
	is_int(wrong, 0, "200000 mutations: within bounds");
	ok(found > 50000, "  %u with something in them", found);
}

static const char *hex(const uint8_t *p, size_t len)
{
	static char s[100];

	for (size_t i = 0; i < len; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
	return s;
}

/* Ours: the bytes that Linux would send */
static void syns(void)
{
	static const struct { bool sack, ts; int wscale; const char *want; }
	t[] = {
		{ false, false, -1, "020405b4" },
		{ false, false, 8, "020405b4" "01030308" },
		{ true, false, -1, "020405b4" "01010402" },
		{ true, false, 8, "020405b4" "01010402" "01030308" },
		{ false, true, -1, "020405b4" "0101080a" "0a0b0c0d"
		  "01020304" },
		{ false, true, 0, "020405b4" "0101080a" "0a0b0c0d" "01020304"
		  "01030300" },
		{ true, true, -1, "020405b4" "0402080a" "0a0b0c0d" "01020304" },
		{ true, true, 14, "020405b4" "0402080a" "0a0b0c0d" "01020304"
		  "0103030e" },
	};
	uint8_t buf[TCP_OPT_MAX];
	size_t n;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		n = tcp_opt_syn(buf, 1460, t[i].sack, t[i].ts, 0x0a0b0c0d,
				0x01020304, t[i].wscale);
		is_str(hex(buf, n), t[i].want, "SYN%s%s%s",
		       t[i].sack ? ", SACK" : "", t[i].ts ? ", TS" : "",
		       t[i].wscale >= 0 ? ", scale" : "");
		is_int(n % 4, 0, "  whole words");
		parse(buf, n);
		ok(o.has_mss && o.mss == 1460 && o.sack_ok == t[i].sack &&
		   o.has_ts == t[i].ts &&
		   o.has_wscale == (t[i].wscale >= 0), "  read again");
	}
	n = tcp_opt_ts(buf, 0xfffefdfc, 1);
	is_str(hex(buf, n), "0101080a" "fffefdfc" "00000001",
	       "timestamps (RFC 7323 appendix A)");
}

int main(void)
{
	good();
	scales();
	wrong_lengths();
	cut_off();
	sacks();
	mutations();
	syns();
	return done();
}
