// SPDX-License-Identifier: GPL-2.0-or-later
/* Sequence numbers: comparison on a circle (RFC 9293 3.4)
 *
 * Links:
 */
#include "util/seq.h"

#include "random.h"
#include "tap_test.h"

static const tcp_seq corners[] = {
	0, 1, 2, 1000, 0x7fffffff, 0x80000000, 0x80000001,
	0xfffffffe, 0xffffffff,
};

static void order(void)
{
	ok(seq_lt(1, 2) && !seq_lt(2, 1) && !seq_lt(2, 2), "lt");
	ok(seq_leq(1, 2) && !seq_leq(2, 1) && seq_leq(2, 2), "leq");
	ok(seq_gt(2, 1) && !seq_gt(1, 2) && !seq_gt(2, 2), "gt");
	ok(seq_geq(2, 1) && !seq_geq(1, 2) && seq_geq(2, 2), "geq");
	ok(seq_lt(0xfffffff0, 0x10) && seq_gt(0x10, 0xfffffff0),
	   "across the wrap");
	is_int(seq_max(0xfffffff0, 0x10), 0x10, "max, across the wrap");
	is_int(seq_min(0xfffffff0, 0x10), 0xfffffff0, "min");
	is_int(seq_max(7, 7), 7, "max of equals");
}

static void between(void)
{
	ok(seq_between(5, 5, 5), "a range of one");
	ok(!seq_between(4, 5, 5) && !seq_between(6, 5, 5), "  and no more");
	ok(seq_between(5, 5, 9) && seq_between(9, 5, 9), "both ends belong");
	ok(!seq_between(10, 5, 9) && !seq_between(4, 5, 9), "  others not");
	ok(seq_between(0, 0xfffffffe, 1), "across the wrap");
	ok(!seq_between(2, 0xfffffffe, 1) &&
	   !seq_between(0xfffffffd, 0xfffffffe, 1), "  and its neighbours");
}

/* Wherever the circle starts: x + d is right of x for 0 < d < 2^31 */
static void circle(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(corners); i++) {
		for (int n = 0; n < 20000; n++) {
			tcp_seq a = corners[i] + random_below(3);
			uint32_t d = random_magnitude(31);
			tcp_seq b = a + d;

			if (!d) {
				wrong += seq_lt(a, b) || seq_gt(a, b) ||
					 !seq_leq(a, b) || !seq_geq(a, b);
				continue;
			}
			wrong += !seq_lt(a, b) || !seq_leq(a, b) ||
				 seq_gt(a, b) || seq_geq(a, b) ||
				 seq_lt(b, a) || seq_leq(b, a) ||
				 !seq_gt(b, a) || !seq_geq(b, a) ||
				 seq_max(a, b) != b || seq_max(b, a) != b ||
				 seq_min(a, b) != a || seq_min(b, a) != a ||
				 !seq_between(a, a, b) ||
				 !seq_between(b, a, b) ||
				 !seq_between(a + d / 2, a, b) ||
				 seq_between(b + 1, a, b) ||
				 seq_between(a - 1, a, b);
		}
	}
	is_int(wrong, 0, "every relation, all around the circle");
}

int main(void)
{
	order();
	between();
	circle();
	return done();
}
