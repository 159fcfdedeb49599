// SPDX-License-Identifier: GPL-2.0-or-later
/* Role: the scoreboard of what the guest has beyond snd_una, see tcp_sack.h
 *
 * Invariants: blocks are sorted, lowest first, and don't touch each other; those
 * with left == right are none. All lie between snd_una and snd_nxt.
 */
#include "tcp/tcp_sack.h"

#include <string.h>

static bool tcp_sack_is_none(const struct tcp_sack *s)
{
	return s->left == s->right;
}

/* Lowest first, so that holes are found by walking up */
static void tcp_sack_sort(struct tcp_scoreboard *b)
{
	for (unsigned i = 1; i < TCP_SACK_MAX; i++) {
		struct tcp_sack s = b->block[i];
		unsigned j = i;

		for (; j && !tcp_sack_is_none(&s) &&
		     (tcp_sack_is_none(&b->block[j - 1]) ||
		      seq_lt(s.left, b->block[j - 1].left)); j--)
			b->block[j] = b->block[j - 1];
		b->block[j] = s;
	}
}

static void tcp_sack_add_one(struct tcp_scoreboard *b, struct tcp_sack s)
{
	struct tcp_sack *slot = NULL;

	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		struct tcp_sack *k = &b->block[i];

		if (tcp_sack_is_none(k)) {
			slot = slot ? slot : k;
		} else if (seq_leq(s.left, k->right) &&
			   seq_leq(k->left, s.right)) {
			s.left = seq_min(s.left, k->left);
			s.right = seq_max(s.right, k->right);
			k->left = k->right = 0;
			slot = slot ? slot : k;
		}
	}
	if (slot)
		*slot = s;
}

void tcp_sack_add(struct tcp_scoreboard *b, const struct tcp_sack *blocks,
		  unsigned n, tcp_seq una, tcp_seq nxt)
{
	for (unsigned i = 0; i < n; i++) {
		/* As distances: of numbers that lie more than 2^31 apart,
		 * either may be the larger one
		 */
		uint32_t left = blocks[i].left - una;
		uint32_t right = blocks[i].right - una;

		if (left && left < right && right <= nxt - una)
			tcp_sack_add_one(b, blocks[i]);
	}
	tcp_sack_sort(b);
}

void tcp_sack_acked(struct tcp_scoreboard *b, tcp_seq una)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		struct tcp_sack *s = &b->block[i];

		if (tcp_sack_is_none(s) || seq_gt(s->left, una))
			continue;
		if (seq_leq(s->right, una))
			s->left = s->right = 0;
		else
			s->left = una;
	}
}

void tcp_sack_forget(struct tcp_scoreboard *b)
{
	memset(b, 0, sizeof(*b));
}

bool tcp_sack_has(const struct tcp_scoreboard *b, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		const struct tcp_sack *s = &b->block[i];

		if (seq - s->left < s->right - s->left)
			return true;
	}
	return false;
}

uint32_t tcp_sack_bytes(const struct tcp_scoreboard *b)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < TCP_SACK_MAX; i++)
		n += b->block[i].right - b->block[i].left;
	return n;
}

bool tcp_sack_above(const struct tcp_scoreboard *b, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++)
		if (!tcp_sack_is_none(&b->block[i]) &&
		    seq_lt(seq, b->block[i].left))
			return true;
	return false;
}

tcp_seq tcp_sack_hole(const struct tcp_scoreboard *b, tcp_seq seq)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		const struct tcp_sack *s = &b->block[i];

		if (!tcp_sack_is_none(s) && seq_geq(seq, s->left) &&
		    seq_lt(seq, s->right))
			seq = s->right;
	}
	return seq;
}

tcp_seq tcp_sack_hole_end(const struct tcp_scoreboard *b, tcp_seq seq,
			  tcp_seq nxt)
{
	for (unsigned i = 0; i < TCP_SACK_MAX; i++) {
		const struct tcp_sack *s = &b->block[i];

		if (!tcp_sack_is_none(s) && seq_gt(s->left, seq))
			return s->left;
	}
	return nxt;
}
