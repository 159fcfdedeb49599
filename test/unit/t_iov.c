// SPDX-License-Identifier: GPL-2.0-or-later
/* Views over iovecs, against the same bytes in one piece
 *
 * Links: util/iov.o
 */
#include "util/iov.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "tap_test.h"

enum { PARTS_MAX = 12, PART_MAX = 9 };

/* Bytes 0, 1, 2, … in pieces on the heap, where sanitizers see any access
 * beyond; some pieces are empty
 */
struct scattered {
	struct iovec iov[PARTS_MAX];
	unsigned cnt;
	uint32_t total;
};

static void scatter(struct scattered *s)
{
	uint8_t next = 0;

	s->cnt = random_below(PARTS_MAX + 1);
	s->total = 0;
	for (unsigned i = 0; i < s->cnt; i++) {
		size_t len = random_below(PART_MAX + 1);

		s->iov[i].iov_base = malloc(len + !len);
		s->iov[i].iov_len = len;
		for (size_t j = 0; j < len; j++)
			((uint8_t *)s->iov[i].iov_base)[j] = next++;
		s->total += (uint32_t)len;
	}
}

static void unscatter(struct scattered *s)
{
	for (unsigned i = 0; i < s->cnt; i++)
		free(s->iov[i].iov_base);
}

/* Is b the bytes first, first + 1, … of this length? By copy and by iovec */
static bool is_range(const struct bytes *b, uint32_t first, uint32_t len)
{
	uint8_t copy[PARTS_MAX * PART_MAX + 1];
	struct iovec out[PARTS_MAX];
	uint32_t done = 0;
	unsigned n;

	if (b->len != len ||
	    bytes_copy(b, 0, copy, sizeof(copy)) != len)
		return false;
	for (uint32_t i = 0; i < len; i++)
		if (copy[i] != (uint8_t)(first + i))
			return false;

	n = bytes_to_iov(b, out, PARTS_MAX);
	for (unsigned i = 0; i < n; i++)
		for (size_t j = 0; j < out[i].iov_len; j++, done++)
			if (((uint8_t *)out[i].iov_base)[j] !=
			    (uint8_t)(first + done))
				return false;
	return done == len;
}

static void plain(void)
{
	char one[] = "abc", two[] = "", three[] = "defgh";
	struct iovec iov[] = { { one, 3 }, { two, 0 }, { three, 5 } };
	struct iovec out[3];
	struct bytes all = { iov, 3, 0, 8 }, part;
	char to[9] = "--------";

	is_int(bytes_copy(&all, 0, to, 8), 8, "copy across pieces");
	is_str(to, "abcdefgh", "  in order");
	is_int(bytes_copy(&all, 6, to, 8), 2, "from the middle: what's there");
	is_str(to, "ghcdefgh", "  and no more");
	is_int(bytes_copy(&all, 8, to, 8), 0, "from the end: nothing");
	is_int(bytes_copy(&all, UINT32_MAX, to, 8), 0, "from far beyond");
	is_int(bytes_copy(&all, 1, to, 0), 0, "no bytes");
	is_str(to, "ghcdefgh", "  leave the buffer alone");

	part = bytes_slice(&all, 2, 2);
	is_int(part.len, 2, "a slice");
	memset(to, 0, sizeof(to));
	bytes_copy(&part, 0, to, 8);
	is_str(to, "cd", "  across pieces");
	part = bytes_slice(&all, 3, UINT32_MAX);
	is_int(part.len, 5, "a longer slice than there is");
	ok(part.iov == iov + 2 && !part.off && part.cnt == 1,
	   "  starts with the first piece that has some");
	part = bytes_slice(&all, UINT32_MAX, UINT32_MAX);
	is_int(part.len, 0, "one from far beyond is empty");
	part = bytes_slice(&part, 0, 1);
	is_int(part.len, 0, "  and its slices, too");

	is_int(bytes_to_iov(&all, out, 3), 3, "as iovecs");
	part = bytes_slice(&all, 3, 5);
	is_int(bytes_to_iov(&part, out, 3), 1, "  without what lies before");
	is_int(bytes_to_iov(&all, out, 1), 1, "no more than asked for");
	ok(out[0].iov_base == one && out[0].iov_len == 3, "  the first ones");
	is_int(bytes_to_iov(&all, out, 0), 0, "or none");
	all.len = 100;
	is_int(bytes_copy(&all, 6, to, 8), 2, "a view that promises more than "
	       "there is: what there is");
	is_int(bytes_to_iov(&all, out, 3), 3, "  as iovecs, too");
	is_int(out[0].iov_len + out[1].iov_len + out[2].iov_len, 8,
	       "  no longer");
	all.len = 0;
	is_int(bytes_to_iov(&all, out, 3), 0, "of an empty view: none");
	all = (struct bytes){ 0 };
	is_int(bytes_copy(&all, 0, to, 8), 0, "of no view at all");
	is_int(bytes_to_iov(&all, out, 3), 0, "  no iovec");

	out[0] = iov_const("xyz", 3);
	ok(!memcmp(out[0].iov_base, "xyz", 3) && out[0].iov_len == 3,
	   "iovec over constant bytes");
}

/* What is asked for is [off, off + len) of the view, as far as it's there;
 * slices of slices likewise
 */
static void properties(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 30000; i++) {
		struct scattered s;
		uint32_t skip, len, o1, l1, o2, l2;
		struct bytes b, s1, s2;

		scatter(&s);
		skip = random_below(s.total + 1);
		len = random_below(s.total - skip + 1);
		b = (struct bytes){ s.iov, s.cnt, skip, len };
		wrong += !is_range(&b, skip, len);

		o1 = random_below(len + 3);
		l1 = random_below(len + 3);
		s1 = bytes_slice(&b, o1, l1);
		o1 = MIN(o1, len);
		l1 = MIN(l1, len - o1);
		wrong += !is_range(&s1, skip + o1, l1);

		o2 = random_below(l1 + 3);
		l2 = random_below(l1 + 3);
		s2 = bytes_slice(&s1, o2, l2);
		o2 = MIN(o2, l1);
		l2 = MIN(l2, l1 - o2);
		wrong += !is_range(&s2, skip + o1 + o2, l2);
		unscatter(&s);
	}
	is_int(wrong, 0, "30000 views, slices, and slices of these");
}

/* Too few iovecs for the view: those that fit hold its beginning */
static void cut(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 5000; i++) {
		struct iovec out[PARTS_MAX];
		struct scattered s;
		struct bytes b;
		size_t sum = 0;
		unsigned max, n;

		scatter(&s);
		b = (struct bytes){ s.iov, s.cnt, 0, s.total };
		max = random_below(PARTS_MAX + 1);
		n = bytes_to_iov(&b, out, max);
		for (unsigned j = 0; j < n; j++) {
			if (out[j].iov_len)
				wrong += *(uint8_t *)out[j].iov_base !=
					 (uint8_t)sum;
			sum += out[j].iov_len;
		}
		wrong += n > max || sum > s.total ||
			 (sum < s.total && n < max);
		unscatter(&s);
	}
	is_int(wrong, 0, "5000 views in too few iovecs");
}

/* A block of headers over pieces of any size: where it belongs, and nowhere else */
static void filled(void)
{
	unsigned wrong = 0;

	for (int i = 0; i < 5000; i++) {
		uint8_t block[200], was[PARTS_MAX * 300], now[sizeof(was)];
		struct scattered s;
		struct bytes b, view;
		uint32_t skip, off;
		size_t n = random_below(sizeof(block)), room, done;

		scatter(&s);
		b = (struct bytes){ s.iov, s.cnt, 0, s.total };
		bytes_copy(&b, 0, was, s.total);
		skip = random_below(s.total + 1);
		view = bytes_slice(&b, skip, s.total);
		off = random_below(view.len + 3);
		for (size_t j = 0; j < n; j++)
			block[j] = (uint8_t)~j;
		room = MIN(n, view.len - MIN(off, view.len));
		done = bytes_fill(&view, off, block, n);
		bytes_copy(&b, 0, now, s.total);
		memcpy(was + skip + MIN(off, view.len), block, room);
		wrong += done != room || memcmp(was, now, s.total);
		unscatter(&s);
	}
	is_int(wrong, 0, "5000 blocks filled in");
}

int main(void)
{
	plain();
	filled();
	properties();
	cut();
	return done();
}
