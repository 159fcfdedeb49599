// SPDX-License-Identifier: GPL-2.0-or-later
/* The scoreboard against a bitmap: one bit for each byte that was reported
 *
 * Links: tcp/tcp_sack.o
 */
#include "tcp/tcp_sack.h"

#include <string.h>

#include "random.h"
#include "tap_test.h"

enum { SPAN = 200 };			/* bytes in flight, at most */

/* The same by brute force: bit[i] is byte una + i */
struct model {
	bool bit[SPAN + 1];
	tcp_seq una, nxt;
};

static unsigned model_runs(const bool *bit)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SPAN; i++)
		n += bit[i] && !(i && bit[i - 1]);
	return n;
}

static void model_add(struct model *m, const struct tcp_sack *s)
{
	uint32_t left = s->left - m->una, right = s->right - m->una;
	bool bit[SPAN + 1];

	if (!left || left >= right || right > m->nxt - m->una)
		return;
	memcpy(bit, m->bit, sizeof(bit));
	for (uint32_t i = left; i < right; i++)
		bit[i] = true;
	if (model_runs(bit) <= TCP_SACK_MAX)
		memcpy(m->bit, bit, sizeof(bit));
}

static void model_acked(struct model *m, uint32_t n)
{
	memmove(m->bit, m->bit + n, SPAN - n);
	memset(m->bit + SPAN - n, 0, n);
	m->una += n;
}

/* First byte at or after i that is, or isn't, there */
static uint32_t model_find(const struct model *m, uint32_t i, bool there)
{
	while (i < m->nxt - m->una && m->bit[i] != there)
		i++;
	return i;
}

/* Every answer of the scoreboard, for every byte */
static unsigned differences(const struct tcp_scoreboard *b,
			    const struct model *m)
{
	uint32_t len = m->nxt - m->una;
	unsigned wrong = 0, bytes = 0;

	for (uint32_t i = 0; i < len; i++) {
		uint32_t hole = model_find(m, i, false);
		uint32_t end = model_find(m, hole, true);
		bool above = model_find(m, i + 1, true) < len &&
			     (!m->bit[i] || model_find(m, hole, true) < len);

		bytes += m->bit[i];
		wrong += tcp_sack_has(b, m->una + i) != m->bit[i];
		wrong += tcp_sack_hole(b, m->una + i) != m->una + hole;
		wrong += tcp_sack_hole_end(b, m->una + hole, m->nxt) !=
			 m->una + end;
		wrong += tcp_sack_above(b, m->una + i) != above;
	}
	wrong += tcp_sack_bytes(b) != bytes;
	wrong += tcp_sack_has(b, m->nxt) || tcp_sack_above(b, m->nxt);
	return wrong;
}

static struct tcp_sack random_block(const struct model *m)
{
	struct tcp_sack s;

	switch (random_below(8)) {
	case 0:				/* nonsense */
		s.left = m->una + random_32();
		s.right = m->una + random_32();
		break;
	case 1:				/* old, or a duplicate */
		s.left = m->una - random_below(50);
		s.right = s.left + random_below(60);
		break;
	default:
		s.left = m->una + random_below(SPAN);
		s.right = s.left + random_below(40);
	}
	return s;
}

/* One life of a connection: sent, reported, acknowledged, all at random */
static unsigned life(tcp_seq start)
{
	struct model m = { .una = start, .nxt = start };
	struct tcp_scoreboard b = { 0 };
	unsigned wrong = 0;

	for (int step = 0; step < 200; step++) {
		struct tcp_sack s[TCP_SACK_MAX];
		unsigned n = random_below(TCP_SACK_MAX + 1);
		uint32_t acked;

		m.nxt += random_below(SPAN - (m.nxt - m.una) + 1);
		for (unsigned i = 0; i < n; i++) {
			s[i] = random_block(&m);
			model_add(&m, &s[i]);
		}
		tcp_sack_add(&b, s, n, m.una, m.nxt);
		wrong += differences(&b, &m);

		acked = random_below(3) ? random_below(20) : 0;
		acked = MIN(acked, m.nxt - m.una);
		model_acked(&m, acked);
		tcp_sack_acked(&b, m.una);
		wrong += differences(&b, &m);
	}
	tcp_sack_forget(&b);
	memset(m.bit, 0, sizeof(m.bit));
	return wrong + differences(&b, &m);
}

/* One end beyond 2^31, the other within: between una and nxt by comparisons in
 * pairs, but nowhere near
 */
static void halfway_round(void)
{
	const struct tcp_sack s = { 100 + 0x7ffffff0U, 100 + 0x80000010U };
	struct tcp_scoreboard b = { 0 };

	tcp_sack_add(&b, &s, 1, 100, 200);
	is_int(tcp_sack_bytes(&b), 0, "a block on the far side of the numbers");
}

static void examples(void)
{
	const struct tcp_sack two[] = { { 300, 400 }, { 100, 200 } };
	const struct tcp_sack between = { 200, 300 };
	struct tcp_scoreboard b = { 0 };

	ok(!tcp_sack_has(&b, 0) && !tcp_sack_above(&b, 0),
	   "nothing was reported: nothing is there");
	is_int(tcp_sack_hole_end(&b, 7, 1000), 1000,
	       "  the hole is all that was sent");
	tcp_sack_add(&b, two, 2, 50, 1000);
	is_int(tcp_sack_bytes(&b), 200, "two blocks");
	is_int(tcp_sack_hole_end(&b, 50, 1000), 100,
	       "  the first hole ends at the lower one");
	is_int(tcp_sack_hole(&b, 150), 200, "  the next begins at its end");
	ok(tcp_sack_above(&b, 299) && !tcp_sack_above(&b, 400),
	   "  something is above all but the last byte's end");
	tcp_sack_add(&b, &between, 1, 50, 1000);
	is_int(tcp_sack_hole(&b, 100), 400, "one between joins them");
	tcp_sack_acked(&b, 350);
	is_int(tcp_sack_bytes(&b), 50, "what is acknowledged goes");
}

int main(void)
{
	unsigned wrong = 0;

	examples();
	halfway_round();
	for (unsigned i = 0; i < rounds_of(200); i++)
		wrong += life(random_32());
	is_int(wrong, 0, "as a bitmap says, anywhere in the sequence space");
	wrong = 0;
	for (unsigned i = 0; i < rounds_of(200); i++)
		wrong += life(0U - random_below(400));
	is_int(wrong, 0, "  and where it wraps");
	return done();
}
