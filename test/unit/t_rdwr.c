// SPDX-License-Identifier: GPL-2.0-or-later
/* Cursors: what they read and write, and that they never go beyond
 *
 * Links: util/rdwr.o
 */
#include "util/rdwr.h"

#include <stdlib.h>

#include "random.h"
#include "tap_test.h"

static const uint8_t bytes8[8] = { 0x11, 0x22, 0x33, 0x44,
				   0xf5, 0xe6, 0xd7, 0xc8 };

static void reads(void)
{
	struct rd rd = rd_init(bytes8, sizeof(bytes8));
	uint8_t to[4];

	is_int(rd_u8(&rd), 0x11, "a byte");
	is_int(rd_u16(&rd), 0x2233, "two, from network order");
	is_int(rd.left, 5, "  five are left");
	ok(rd_bytes(&rd, 1) == bytes8 + 3, "bytes in place");
	is_int(rd_u32(&rd), 0xf5e6d7c8, "four, from network order, no sign");
	is_int(rd.left, 0, "  none is left");
	ok(!rd.bad, "reading all there is, is fine");
	ok(rd_bytes(&rd, 0) == bytes8 + 8 && !rd.bad, "as are none at the end");

	is_int(rd_u8(&rd), 0, "beyond the end there are zeroes");
	ok(rd.bad, "  which is bad");
	rd = rd_init(bytes8, sizeof(bytes8));
	rd_copy(&rd, to, 4);
	ok(!memcmp(to, bytes8, 4) && !rd.bad, "copy");
	memset(to, 0xee, 4);
	rd_u8(&rd);
	rd_copy(&rd, to, 4);
	ok(!memcmp(to, "\0\0\0\0", 4) && rd.bad, "of more: zeroes, bad");
}

/* Each kind of read with one byte too few: zero, bad, and nothing consumed */
static void sticky(void)
{
	for (unsigned left = 0; left < 4; left++) {
		struct rd rd = rd_init(bytes8, left);

		is_int(rd_u32(&rd), 0, "u32 of %u bytes", left);
		ok(rd.bad, "  is bad");
		is_int(rd_u8(&rd), 0, "  and from then on, u8");
		is_int(rd_u16(&rd), 0, "  u16");
		ok(!rd_bytes(&rd, 0), "  even no bytes");
		is_int(rd.left, left, "  with nothing consumed");
	}
	for (unsigned left = 0; left < 2; left++) {
		struct rd rd = rd_init(bytes8, left);

		is_int(rd_u16(&rd), 0, "u16 of %u bytes", left);
		ok(rd.bad, "  is bad");
	}
}

static void subs(void)
{
	struct rd rd = rd_init(bytes8, sizeof(bytes8)), sub;

	rd_u8(&rd);
	sub = rd_sub(&rd, 3);
	is_int(rd_u8(&rd), 0xf5, "a cursor goes on behind its sub-cursor");
	is_int(rd_u16(&sub), 0x2233, "which reads its part");
	is_int(rd_u16(&sub), 0, "  and not beyond it");
	ok(sub.bad && !rd.bad, "  which is no harm to the first");

	sub = rd_sub(&rd, 4);
	ok(sub.bad && rd.bad, "a sub-cursor of too many: both are bad");
	is_int(sub.left, 0, "  it's empty");
	is_int(rd_u8(&sub), 0, "  and gives zeroes");

	rd = rd_init(bytes8, 1);
	rd_u8(&rd);
	sub = rd_sub(&rd, 0);
	ok(!sub.bad && !rd.bad && !sub.left, "an empty one at the end is fine");
	rd = rd_init(NULL, 0);
	ok(!rd.bad && !rd_u8(&rd) && rd.bad, "a cursor over nothing");
}

static void writes(void)
{
	uint8_t buf[16];
	struct wr wr = wr_init(buf, sizeof(buf));

	memset(buf, 0xee, sizeof(buf));
	wr_u8(&wr, 0x11);
	wr_u16(&wr, 0x2233);
	wr_u32(&wr, 0x44f5e6d7);
	wr_bytes(&wr, bytes8 + 7, 1);
	ok(!wr.bad && wr.len == 8 && !memcmp(buf, bytes8, 8),
	   "u8, u16, u32, bytes");
	wr_zero(&wr, 2);
	wr_bytes(&wr, NULL, 0);
	ok(!wr.bad && wr.len == 10 && !buf[8] && !buf[9] && buf[10] == 0xee,
	   "zeroes, and none at all");
	wr_u16_at(&wr, 0, 0xabcd);
	wr_u16_at(&wr, 8, 0x1234);
	ok(!wr.bad && buf[0] == 0xab && buf[1] == 0xcd && buf[8] == 0x12 &&
	   buf[9] == 0x34, "overwriting the first and the last two");
	is_int(wr.len, 10, "  leaves the length");
	wr_u16_at(&wr, 9, 0);
	ok(wr.bad && buf[9] == 0x34 && buf[10] == 0xee, "not the next");

	for (unsigned len = 0; len < 2; len++) {
		wr = (struct wr){ .buf = buf, .size = 16, .len = len };
		wr_u16_at(&wr, 0, 0xffff);
		ok(wr.bad && buf[0] == 0xab, "nor with %u written", len);
	}
	wr = wr_init(buf, sizeof(buf));
	wr_zero(&wr, 4);
	wr_u16_at(&wr, SIZE_MAX, 0xffff);
	wr_u16_at(&wr, SIZE_MAX - 1, 0xffff);
	ok(wr.bad && !memcmp(buf, "\0\0\0\0", 4), "nor far away");
}

static void full(void)
{
	uint8_t two[2] = { 0 };
	struct wr exact = wr_init(two, sizeof(two));

	wr_u16(&exact, 0x1234);
	ok(!exact.bad && exact.len == 2 && two[0] == 0x12 && two[1] == 0x34,
	   "filled to the last byte");
	wr_u16_at(&exact, 0, 0xabcd);
	ok(!exact.bad && two[0] == 0xab && two[1] == 0xcd,
	   "  and all of it overwritten");
	wr_bytes(&exact, NULL, 0);
	wr_zero(&exact, 0);
	ok(!exact.bad, "  nothing more is fine");
	wr_u8(&exact, 1);
	ok(exact.bad && exact.len == 2, "  one more isn't");

	for (unsigned size = 0; size < 4; size++) {
		uint8_t *buf = malloc(size + !size);
		struct wr wr = wr_init(buf, size);

		memset(buf, 0xee, size + !size);
		wr_u32(&wr, 0);
		ok(wr.bad && !wr.len, "u32 into %u bytes", size);
		wr_zero(&wr, 1);
		wr_bytes(&wr, bytes8, 1);
		ok(!wr.len && buf[0] == 0xee, "  nor anything after it");
		free(buf);
	}
	for (unsigned size = 0; size < 2; size++) {
		uint8_t buf[1];
		struct wr wr = wr_init(buf, size);

		wr_u16(&wr, 0);
		ok(wr.bad && !wr.len, "u16 into %u bytes", size);
	}
}

/* Lengths that could wrap around in a sum */
static void huge(void)
{
	uint8_t buf[8];
	struct wr wr = wr_init(buf, sizeof(buf));
	struct rd rd = rd_init(bytes8, sizeof(bytes8));

	rd_u8(&rd);
	ok(!rd_bytes(&rd, SIZE_MAX) && rd.bad, "reading SIZE_MAX");
	rd = rd_init(bytes8, sizeof(bytes8));
	rd_u8(&rd);
	ok(rd_sub(&rd, SIZE_MAX - 1).bad, "sub-cursor of that");
	wr_u8(&wr, 1);
	wr_zero(&wr, SIZE_MAX);
	ok(wr.bad && wr.len == 1, "writing SIZE_MAX");
}

/* Random writes are read back, and both cursors go bad at the same field */
static void round_trips(void)
{
	unsigned wrong = 0, bad = 0;

	for (int i = 0; i < 20000; i++) {
		uint8_t *buf = malloc(64), kind[64];
		size_t size = random_below(64);
		struct wr wr = wr_init(buf, size);
		struct rd rd;
		uint32_t v[64];
		unsigned n;

		for (n = 0; n < ARRAY_SIZE(v) && !wr.bad; n++) {
			v[n] = random_32();
			kind[n] = (uint8_t)random_below(3);
			if (!kind[n])
				wr_u8(&wr, (uint8_t)v[n]);
			else if (kind[n] == 1)
				wr_u16(&wr, (uint16_t)v[n]);
			else
				wr_u32(&wr, v[n]);
		}
		bad += wr.bad;
		rd = rd_init(buf, wr.len);
		for (unsigned j = 0; j < n; j++) {
			uint32_t got, want = j == n - 1 && wr.bad ? 0 : v[j];

			if (!kind[j])
				got = rd_u8(&rd), want &= 0xff;
			else if (kind[j] == 1)
				got = rd_u16(&rd), want &= 0xffff;
			else
				got = rd_u32(&rd);
			wrong += got != want;
		}
		wrong += rd.bad != wr.bad;
		free(buf);
	}
	is_int(wrong, 0, "20000 random messages are read as written");
	ok(bad > 1000, "  %u with less room than needed", bad);
}

int main(void)
{
	reads();
	sticky();
	subs();
	writes();
	full();
	huge();
	round_trips();
	return done();
}
